//! `;name=value` behind addresses, `Via` values and many others (RFC 3261 §7.3.1).

use super::escape::legal;
use super::scan::{Malformed, Octets, Quoted, find, is_token_byte, quoted, split_once, unescaped};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The most parameters of one header value or URI, and the most headers of one URI. Looking for one by name is cheap below it.
pub const MAX_PARAMETERS: usize = 64;

const TOO_MANY: Malformed = Malformed("more than 64 parameters");

/// Parameters in their order. Names are compared without regard to case, values exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(Vec<Parameter>);

#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
struct Parameter {
    name: Cow<'static, str>,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Value {
    /// A name alone.
    None,
    /// As it is written.
    Plain(String),
    /// Without its quotation marks and escapes.
    Quoted(String),
}

impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name) && self.value == other.value
    }
}

/// Names that nearly every message has; these are not copied.
const FREQUENT: [&str; 10] =
    ["tag", "branch", "rport", "received", "lr", "transport", "expires", "user", "ob", "+sip.instance"];

fn name(text: &str) -> Cow<'static, str> {
    match FREQUENT.iter().find(|known| **known == text) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(text.to_owned()),
    }
}

impl Parameters {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads what follows a header's value: nothing, or `;name=value` any number of times with white space anywhere.
    ///
    /// # Errors
    /// When a name is missing or no token, or a value is neither one word nor a quoted string.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut found = Self(Vec::with_capacity(if text.is_empty() { 0 } else { 4 }));
        each(text, |parameter| {
            found.0.push(parameter.to_owned());
            Ok(())
        })?;
        Ok(found)
    }

    /// Reads `name=value;name=value` as URIs have it: no white space, no quoted strings.
    pub(super) fn parse_uri(text: &str, fits: &Octets) -> Result<Self, Malformed> {
        let mut found = Self::new();
        check_count(text, ';')?;
        // A semicolon too many is overlooked: `<sip:pbx@192.0.2.1;>`.
        for parameter in text.split(';').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = match split_once(parameter, b'=') {
                Some((key, value)) => (key, Value::Plain(legal(value, fits))),
                None => (parameter, Value::None),
            };
            if key.is_empty() {
                return Err(Malformed("a URI parameter without name"));
            }
            found.0.push(Parameter { name: name(&legal(key, fits)), value });
        }
        Ok(found)
    }

    fn find(&self, name: &str) -> Option<&Parameter> {
        self.0.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name))
    }

    /// There is a parameter of this name, with or without value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of the first parameter of this name, without quotation marks; none also where it has a name only.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name)?.value()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|parameter| (&*parameter.name, parameter.value()))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a value, in place of what the name had. It is quoted where it is no token, as in `text="Call completed"`.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        let plain = !value.is_empty() && UNQUOTED.has_all(&value);
        self.put(name, if plain { Value::Plain(value) } else { Value::Quoted(value) });
    }

    /// Sets a value that the grammar wants quoted even where it is one word.
    pub fn set_quoted(&mut self, name: &str, value: impl Into<String>) {
        self.put(name, Value::Quoted(value.into()));
    }

    /// Sets a name without value, in place of what the name had.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, Value::None);
    }

    /// Removes every parameter of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|parameter| !parameter.name.eq_ignore_ascii_case(name));
    }

    /// As [`Self::set`], and hands on.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// As [`Self::set_flag`], and hands on.
    #[must_use]
    pub fn with_flag(mut self, name: &str) -> Self {
        self.set_flag(name);
        self
    }

    pub(super) fn set_plain(&mut self, name: &str, value: String) {
        self.put(name, Value::Plain(value));
    }

    fn put(&mut self, key: &str, value: Value) {
        match self.0.iter_mut().find(|parameter| parameter.name.eq_ignore_ascii_case(key)) {
            Some(parameter) => parameter.value = value,
            None => self.0.push(Parameter { name: name(key), value }),
        }
    }
}

impl Parameter {
    fn value(&self) -> Option<&str> {
        match &self.value {
            Value::None => None,
            Value::Plain(value) | Value::Quoted(value) => Some(value),
        }
    }
}

/// Anything that does not end a value: wider than the grammar, because a tag has to be repeated as it came.
static UNQUOTED: Octets = Octets::alphanumeric_and(b"!#$%&'()*+-./:=?@[]^_`{|}~");

/// One parameter in the text it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Borrowed<'a> {
    Flag(&'a str),
    Plain(&'a str, &'a str),
    /// Without quotation marks, with escapes.
    Quoted(&'a str, &'a str),
    /// Words without the quotation marks that they need.
    Words(&'a str, &'a str),
}

impl Borrowed<'_> {
    fn to_owned(self) -> Parameter {
        match self {
            Self::Flag(key) => Parameter { name: name(key), value: Value::None },
            Self::Plain(key, value) => Parameter { name: name(key), value: Value::Plain(value.to_owned()) },
            Self::Quoted(key, value) => Parameter { name: name(key), value: Value::Quoted(unescaped(value)) },
            Self::Words(key, value) => Parameter { name: name(key), value: Value::Quoted(value.to_owned()) },
        }
    }
}

/// Refuses more than [`MAX_PARAMETERS`] pieces between separators.
pub(super) fn check_count(text: &str, separator: char) -> Result<(), Malformed> {
    if text.split(separator).nth(MAX_PARAMETERS).is_some() { Err(TOO_MANY) } else { Ok(()) }
}

/// Calls `visit` for each parameter of `text`.
pub(super) fn each<'a>(
    text: &'a str,
    mut visit: impl FnMut(Borrowed<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut rest = text.trim_ascii_start();
    let mut count = 0;
    while let Some(text) = rest.strip_prefix(';') {
        let text = text.trim_ascii_start();
        // One semicolon too many at the very end is what some send; more of them is RFC 4475 §3.1.2.1.
        if text.is_empty() {
            return Ok(());
        }
        count += 1;
        if count > MAX_PARAMETERS {
            return Err(TOO_MANY);
        }
        let (parameter, after) = one(text)?;
        visit(parameter)?;
        rest = after;
    }
    if rest.is_empty() { Ok(()) } else { Err(Malformed("something other than parameters behind a value")) }
}

/// The parameter that `text` begins with, and what follows it: nothing, or a semicolon.
fn one(text: &str) -> Result<(Borrowed<'_>, &str), Malformed> {
    let (key, rest) = span(text, is_token_byte);
    let ended = |text: &str| matches!(text.as_bytes(), [] | [b';', ..]);
    let Some(value) = rest.strip_prefix('=').filter(|_| !key.is_empty()) else {
        let flag = ended(rest) && !key.is_empty();
        return if flag { Ok((Borrowed::Flag(key), rest)) } else { Err(Malformed("a parameter's name is no token")) };
    };
    let value = value.trim_ascii_start();
    if value.starts_with('"') {
        let (value, after) = quoted(value)?;
        let after = after.trim_ascii_start();
        let whole = Borrowed::Quoted(key, value);
        return if ended(after) { Ok((whole, after)) } else { Err(Malformed("words behind a quoted string")) };
    }
    let (word, after) = span(value, |octet| UNQUOTED.has(octet));
    if ended(after) {
        // `name=` has no value: it is printed as a name alone, which everybody can read.
        return Ok((if word.is_empty() { Borrowed::Flag(key) } else { Borrowed::Plain(key, word) }, after));
    }
    // Gateways forget the quotation marks of `text=Normal call clearing`.
    let (words, after) = value.split_at_checked(find(value, b';').unwrap_or(value.len())).unwrap_or((value, ""));
    if words.bytes().any(|byte| matches!(byte, b'"' | b',' | b'<' | b'>' | b'\\')) {
        return Err(Malformed("a parameter's value is neither word nor string"));
    }
    Ok((Borrowed::Words(key, words.trim_ascii_end()), after))
}

/// As much of `text` as is made of such octets, and what follows it without white space.
fn span(text: &str, of: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|octet| !of(octet)).unwrap_or(text.len());
    let (span, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (span, rest.trim_ascii_start())
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Parameter { name, value } in &self.0 {
            match value {
                Value::None => write!(f, ";{name}")?,
                Value::Plain(value) => write!(f, ";{name}={value}")?,
                Value::Quoted(value) => write!(f, ";{name}={}", Quoted(value))?,
            }
        }
        Ok(())
    }
}
