//! Header and URI parameters: `;name=value` (RFC 3261 §7.3.1).

use super::escape::escape_illegal;
use super::scan::{Malformed, Octets, Quoted, find, is_token_byte, quoted, split_once, unescaped};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The maximum number of parameters of one header value or URI, and of headers of one URI. It keeps a linear search by
/// name cheap.
pub const MAX_PARAMETERS: usize = 64;

const TOO_MANY: Malformed = Malformed("more than 64 parameters");

/// Parameters in order. Names are compared without regard to case, values exactly.
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
    /// No value.
    None,
    /// A value as written.
    Plain(String),
    /// A quoted string without its quotation marks and escapes.
    Quoted(String),
}

impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name) && self.value == other.value
    }
}

/// Frequent names, which are not allocated.
const FREQUENT: [&str; 10] =
    ["tag", "branch", "rport", "received", "lr", "transport", "expires", "user", "ob", "+sip.instance"];

fn name(text: &str) -> Cow<'static, str> {
    match FREQUENT.iter().find(|known| **known == text) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(text.to_owned()),
    }
}

impl Parameters {
    /// Creates an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Parses the text after a header value: any number of `;name=value` with optional white space.
    ///
    /// # Errors
    /// Returns an error if a name is missing or not a token, or a value is neither a token nor a quoted string.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut found = Self(Vec::with_capacity(if text.is_empty() { 0 } else { 4 }));
        each(text, |parameter| {
            found.0.push(parameter.to_owned());
            Ok(())
        })?;
        Ok(found)
    }

    /// Parses `name=value;name=value` as in URIs: without white space and quoted strings.
    pub(super) fn parse_uri(text: &str, fits: &Octets) -> Result<Self, Malformed> {
        let mut found = Self::new();
        check_count(text, ';')?;
        // A superfluous semicolon is skipped: `<sip:pbx@192.0.2.1;>`.
        for parameter in text.split(';').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = match split_once(parameter, b'=') {
                Some((key, value)) => (key, Value::Plain(escape_illegal(value, fits))),
                None => (parameter, Value::None),
            };
            if key.is_empty() {
                return Err(Malformed("URI parameter without name"));
            }
            found.0.push(Parameter { name: name(&escape_illegal(key, fits)), value });
        }
        Ok(found)
    }

    fn find(&self, name: &str) -> Option<&Parameter> {
        self.0.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name))
    }

    /// Returns whether there is a parameter with this name, with or without value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Returns the value of the first parameter with this name, without quotation marks. `None` also if it has no
    /// value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name)?.value()
    }

    /// Returns names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|parameter| (&*parameter.name, parameter.value()))
    }

    /// Returns the number of parameters.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no parameters.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a value, replacing the previous one. It is quoted if it is not a token, as in `text="Call completed"`.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        let plain = !value.is_empty() && UNQUOTED.has_all(&value);
        self.put(name, if plain { Value::Plain(value) } else { Value::Quoted(value) });
    }

    /// Sets a value that the grammar requires to be quoted even if it is a token.
    pub fn set_quoted(&mut self, name: &str, value: impl Into<String>) {
        self.put(name, Value::Quoted(value.into()));
    }

    /// Sets a name without value, replacing the previous value.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, Value::None);
    }

    /// Removes every parameter with this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|parameter| !parameter.name.eq_ignore_ascii_case(name));
    }

    /// Like [`Self::set`], by value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// Like [`Self::set_flag`], by value.
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

/// The octets that do not end a value. This is wider than the grammar, because a tag must be repeated unchanged.
static UNQUOTED: Octets = Octets::alphanumeric_and(b"!#$%&'()*+-./:=?@[]^_`{|}~");

/// A parameter, borrowed from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Borrowed<'a> {
    Flag(&'a str),
    Plain(&'a str, &'a str),
    /// A quoted string without quotation marks, with escapes.
    Quoted(&'a str, &'a str),
    /// Several words without the quotation marks that the grammar requires.
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

/// Fails if there are more than [`MAX_PARAMETERS`] pieces between separators.
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
        // Some peers send one semicolon at the very end. More than one is an error (RFC 4475 §3.1.2.1).
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
    if rest.is_empty() { Ok(()) } else { Err(Malformed("text other than parameters after a value")) }
}

/// Parses the parameter at the start of `text`. The rest is empty or begins with a semicolon.
fn one(text: &str) -> Result<(Borrowed<'_>, &str), Malformed> {
    let (key, rest) = span(text, is_token_byte);
    let ended = |text: &str| matches!(text.as_bytes(), [] | [b';', ..]);
    let Some(value) = rest.strip_prefix('=').filter(|_| !key.is_empty()) else {
        let flag = ended(rest) && !key.is_empty();
        return if flag { Ok((Borrowed::Flag(key), rest)) } else { Err(Malformed("parameter name is not a token")) };
    };
    let value = value.trim_ascii_start();
    if value.starts_with('"') {
        let (value, after) = quoted(value)?;
        let after = after.trim_ascii_start();
        let whole = Borrowed::Quoted(key, value);
        return if ended(after) { Ok((whole, after)) } else { Err(Malformed("text after a quoted string")) };
    }
    let (word, after) = span(value, |octet| UNQUOTED.has(octet));
    if ended(after) {
        // `name=` has no value. It is written as a name only, which every peer can parse.
        return Ok((if word.is_empty() { Borrowed::Flag(key) } else { Borrowed::Plain(key, word) }, after));
    }
    // Gateways omit the quotation marks of `text=Normal call clearing`.
    let (words, after) = value.split_at_checked(find(value, b';').unwrap_or(value.len())).unwrap_or((value, ""));
    if words.bytes().any(|byte| matches!(byte, b'"' | b',' | b'<' | b'>' | b'\\')) {
        return Err(Malformed("parameter value is neither a token nor a quoted string"));
    }
    Ok((Borrowed::Words(key, words.trim_ascii_end()), after))
}

/// Returns the longest prefix of `text` that consists of such octets, and the rest without leading white space.
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
