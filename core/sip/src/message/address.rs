//! `"Name" <uri>;parameters`: the value of `From`, `To`, `Contact`, `Route` and many others (RFC 3261 §20.10).

use super::parameters::{Parameters, each};
use super::scan::{Malformed, Quoted, find, quoted, saturating, split_around, trim, unescaped};
use super::uri::Uri;
use core::fmt;
use core::str::FromStr;
use memchr::memchr;
use serde::{Deserialize, Serialize};

/// A URI with a name for people and with parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameAddr {
    /// The display name, without quotation marks.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// The parameters of the header, not of the URI.
    pub params: Parameters,
}

impl NameAddr {
    /// An address alone.
    #[must_use]
    pub const fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Parameters::new() }
    }

    /// With a display name.
    #[must_use]
    pub fn with_display(mut self, name: impl Into<String>) -> Self {
        self.display = Some(name.into()).filter(|name: &String| !name.is_empty());
        self
    }

    /// With a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.set_tag(tag);
        self
    }

    /// With a parameter.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.params.set(name, value);
        self
    }

    /// The `tag` of `From` and `To`.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }

    /// Sets the `tag`.
    pub fn set_tag(&mut self, tag: &str) {
        self.params.set("tag", tag);
    }

    /// The `expires` of a contact in seconds. What is no number counts as an hour (RFC 3261 §10.3 step 7 leaves the choice).
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.params.get("expires").map(|text| saturating(text).unwrap_or(3600))
    }

    /// The `q` of a contact in thousandths (RFC 3261 §20.10); 1000 where there is none.
    #[must_use]
    pub fn priority(&self) -> u16 {
        let Some(text) = self.params.get("q") else { return 1000 };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if whole.parse() == Ok(0_u16) {
            let digits: String = fraction.chars().chain(core::iter::repeat('0')).take(3).collect();
            digits.parse().unwrap_or(0)
        } else {
            1000
        }
    }

    /// The `+sip.instance` of a contact (RFC 5626 §4.1), without quotation marks.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.params.get("+sip.instance")
    }

    /// The `reg-id` of a contact (RFC 5626 §4.2).
    #[must_use]
    pub fn reg_id(&self) -> Option<u32> {
        self.params.get("reg-id").and_then(|text| text.parse().ok())
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

const NEEDS_BRACKETS: Malformed = Malformed("an address that needs angle brackets");

/// The parts of an address in the text they are read from.
pub(super) struct Parts<'a> {
    display: Display<'a>,
    pub(super) uri: &'a str,
    params: &'a str,
    /// It has a question mark and no brackets.
    needs_brackets: bool,
}

enum Display<'a> {
    None,
    Plain(&'a str),
    Quoted(&'a str),
    /// With quotation marks that do not follow the grammar.
    Misquoted(&'a str),
}

impl<'a> Parts<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, Malformed> {
        let text = trim(text);
        if text.starts_with('"') {
            let (name, after) = quoted(text)?;
            return match trim(after).strip_prefix('<') {
                Some(rest) => Self::bracketed(Display::Quoted(name), rest),
                None => Self::misquoted(text),
            };
        }
        let Some((name, rest)) = memchr(b'<', text.as_bytes()).map(|at| split_around(text, at)) else {
            return Self::plain(text);
        };
        let name = trim(name);
        // Characters that need quotation marks are accepted without them, as gateways send them. A comma is no ambiguity here: a
        // list has been split before (RFC 4475 §3.1.2.15 leaves the choice).
        if name.bytes().any(|byte| matches!(byte, b'"' | b'\\' | b'>')) {
            return Self::misquoted(text);
        }
        Self::bracketed(if name.is_empty() { Display::None } else { Display::Plain(name) }, rest)
    }

    /// `""unknown"" <…>`, `"Smith "Bob" Jones" <…>`: the name steers nothing, and the address is in the last brackets.
    fn misquoted(text: &'a str) -> Result<Self, Malformed> {
        let wrong = Malformed("a display name without address in brackets");
        let (name, rest) = text.rfind('<').map(|at| split_around(text, at)).ok_or(wrong)?;
        let marks = name.bytes().filter(|byte| *byte == b'"').count();
        if marks % 2 == 1 || name.contains(['<', '>', '\\']) {
            return Err(Malformed("a display name that needs quotation marks"));
        }
        Self::bracketed(Display::Misquoted(name), rest)
    }

    fn bracketed(display: Display<'a>, rest: &'a str) -> Result<Self, Malformed> {
        let (uri, params) = memchr(b'>', rest.as_bytes())
            .map(|at| split_around(rest, at))
            .ok_or(Malformed("an angle bracket is missing"))?;
        Ok(Self { display, uri: trim(uri), params, needs_brackets: false })
    }

    /// Without brackets, what follows a semicolon belongs to the header, and commas and question marks are not allowed
    /// (RFC 3261 §20.10). A question mark is accepted in headers that do not steer the request: some phones write `Refer-To` so.
    fn plain(text: &'a str) -> Result<Self, Malformed> {
        let end = find(text, b';').unwrap_or(text.len());
        let (uri, params) = text.split_at_checked(end).unwrap_or((text, ""));
        if uri.contains(',') {
            return Err(NEEDS_BRACKETS);
        }
        Ok(Self { display: Display::None, uri: trim(uri), params, needs_brackets: uri.contains('?') })
    }

    /// All parts are what they have to be.
    pub(super) fn check(&self) -> Result<(), Malformed> {
        if self.needs_brackets {
            return Err(NEEDS_BRACKETS);
        }
        each(self.params, |_| Ok(()))?;
        Uri::check(self.uri)
    }
}

impl FromStr for NameAddr {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parts = Parts::of(text)?;
        let display = match parts.display {
            Display::None => None,
            Display::Plain(name) => Some(name.to_owned()),
            Display::Quoted(name) => Some(unescaped(name)).filter(|name| !name.is_empty()),
            Display::Misquoted(name) => Some(trim(&name.replace('"', "")).to_owned()).filter(|name| !name.is_empty()),
        };
        Ok(Self { display, uri: parts.uri.parse()?, params: Parameters::parse(parts.params)? })
    }
}

impl fmt::Display for NameAddr {
    /// Always with brackets, and quotation marks about a name: these are understood by everybody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display {
            write!(f, "{} ", Quoted(name))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// What a `Contact` header says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contacts {
    /// `*`: all that are registered (RFC 3261 §10.2.2).
    All,
    /// These, perhaps none.
    List(Vec<NameAddr>),
}
