//! Name addresses: `"Name" <uri>;parameters` in `From`, `To`, `Contact`, `Route` and other headers (RFC 3261 §20.10).

use super::parameters::{Parameters, each};
use super::scan::{Malformed, Quoted, find, quoted, saturating, split_around, trim, unescaped};
use super::uri::Uri;
use core::fmt;
use core::str::FromStr;
use memchr::memchr;
use serde::{Deserialize, Serialize};

/// A URI with an optional display name and header parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameAddr {
    /// The display name, without quotation marks.
    pub display: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// The header parameters, as opposed to the URI parameters.
    pub params: Parameters,
}

impl NameAddr {
    /// Creates an address without display name and parameters.
    #[must_use]
    pub const fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Parameters::new() }
    }

    /// Sets the display name.
    #[must_use]
    pub fn with_display(mut self, name: impl Into<String>) -> Self {
        self.display = Some(name.into()).filter(|name: &String| !name.is_empty());
        self
    }

    /// Sets the tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.set_tag(tag);
        self
    }

    /// Sets a parameter.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.params.set(name, value);
        self
    }

    /// Returns the `tag` of `From` or `To`.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }

    /// Sets the `tag`.
    pub fn set_tag(&mut self, tag: &str) {
        self.params.set("tag", tag);
    }

    /// Returns the `expires` of a contact in seconds. An invalid value counts as an hour (RFC 3261 §10.3 step 7 leaves
    /// the choice).
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.params.get("expires").map(|text| saturating(text).unwrap_or(3600))
    }

    /// Returns the `q` of a contact in thousandths (RFC 3261 §20.10), by default 1000.
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

    /// Returns the `+sip.instance` of a contact (RFC 5626 §4.1), without quotation marks.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.params.get("+sip.instance")
    }

    /// Returns the `reg-id` of a contact (RFC 5626 §4.2).
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

const NEEDS_BRACKETS: Malformed = Malformed("address requires angle brackets");

/// The parts of an address, borrowed from its text.
pub(super) struct Parts<'a> {
    display: Display<'a>,
    pub(super) uri: &'a str,
    params: &'a str,
    /// Whether it has a question mark but no angle brackets.
    needs_brackets: bool,
}

enum Display<'a> {
    None,
    Plain(&'a str),
    Quoted(&'a str),
    /// A display name with quotation marks that do not follow the grammar.
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
        // Characters that require quotation marks are accepted without them, because gateways send them. A comma is
        // unambiguous here: the list has already been split (RFC 4475 §3.1.2.15 leaves the choice).
        if name.bytes().any(|byte| matches!(byte, b'"' | b'\\' | b'>')) {
            return Self::misquoted(text);
        }
        Self::bracketed(if name.is_empty() { Display::None } else { Display::Plain(name) }, rest)
    }

    /// Parses `""unknown"" <…>` and `"Smith "Bob" Jones" <…>`: the name does not affect routing, and the address is in
    /// the last angle brackets.
    fn misquoted(text: &'a str) -> Result<Self, Malformed> {
        let wrong = Malformed("display name without address in angle brackets");
        let (name, rest) = text.rfind('<').map(|at| split_around(text, at)).ok_or(wrong)?;
        let marks = name.bytes().filter(|byte| *byte == b'"').count();
        if marks % 2 == 1 || name.contains(['<', '>', '\\']) {
            return Err(Malformed("display name requires quotation marks"));
        }
        Self::bracketed(Display::Misquoted(name), rest)
    }

    fn bracketed(display: Display<'a>, rest: &'a str) -> Result<Self, Malformed> {
        let (uri, params) =
            memchr(b'>', rest.as_bytes()).map(|at| split_around(rest, at)).ok_or(Malformed("missing angle bracket"))?;
        Ok(Self { display, uri: trim(uri), params, needs_brackets: false })
    }

    /// Without angle brackets, parameters after a semicolon belong to the header, and commas and question marks are not
    /// allowed (RFC 3261 §20.10). A question mark is accepted in headers that do not affect routing: some phones write
    /// `Refer-To` this way.
    fn plain(text: &'a str) -> Result<Self, Malformed> {
        let end = find(text, b';').unwrap_or(text.len());
        let (uri, params) = text.split_at_checked(end).unwrap_or((text, ""));
        if uri.contains(',') {
            return Err(NEEDS_BRACKETS);
        }
        Ok(Self { display: Display::None, uri: trim(uri), params, needs_brackets: uri.contains('?') })
    }

    /// Checks the syntax of all parts.
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
    /// Always writes angle brackets, and quotation marks around a name, which every peer accepts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display {
            write!(f, "{} ", Quoted(name))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// The value of the `Contact` headers of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contacts {
    /// `*`: all bindings (RFC 3261 §10.2.2).
    All,
    /// A list of contacts, possibly empty.
    List(Vec<NameAddr>),
}
