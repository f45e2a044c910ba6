//! Lexical elements of the grammar (RFC 3261 §25.1), parsed from unfolded text.

use core::fmt;
use memchr::{memchr, memchr2};

/// A value that does not follow its grammar, with the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for Malformed {}

/// Removes surrounding white space.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_ascii()
}

/// A set of octets, as a table, because every octet of a message is tested more than once.
pub(crate) struct Octets([bool; 256]);

impl Octets {
    /// Creates the set of letters, digits and `others`.
    pub(crate) const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut table = [false; 256];
        let mut octet = 0_u8;
        while octet < 128 {
            #[expect(clippy::indexing_slicing, reason = "an octet indexes a table of 256")]
            {
                table[octet as usize] = octet.is_ascii_alphanumeric();
            }
            octet += 1;
        }
        let mut at = 0;
        while at < others.len() {
            #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
            {
                table[others[at] as usize] = true;
            }
            at += 1;
        }
        Self(table)
    }

    pub(crate) fn has(&self, octet: u8) -> bool {
        self.0.get(usize::from(octet)).copied().unwrap_or(false)
    }

    pub(crate) fn has_all(&self, text: &str) -> bool {
        text.bytes().all(|octet| self.has(octet))
    }
}

static TOKEN: Octets = Octets::alphanumeric_and(b"-.!%*_+`'~");

pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN.has(byte)
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && TOKEN.has_all(text)
}

/// Returns `text` as an owned token, or fails with `what`.
pub(crate) fn token(text: &str, what: &'static str) -> Result<String, Malformed> {
    if is_token(text) { Ok(text.to_owned()) } else { Err(Malformed(what)) }
}

/// Parses decimal digits. A number that is too large becomes the maximum (RFC 3261 §20 has no limit for times; RFC 4475
/// §3.1.2.4).
pub(crate) fn saturating(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Returns the position of the first `wanted` outside quoted strings and angle brackets.
pub(crate) fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let first = memchr(wanted, text.as_bytes())?;
    let Some(special) = memchr2(b'"', b'<', text.as_bytes().get(..first)?) else { return Some(first) };
    let mut quoted = false;
    let mut bracketed = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(special) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !bracketed => quoted = !quoted,
            _ if quoted => {}
            b'>' => bracketed = false,
            _ if bracketed => {}
            _ if byte == wanted => return Some(at),
            b'<' => bracketed = true,
            _ => {}
        }
    }
    None
}

/// Returns the position of the first `octet`. Values are short: a plain loop is faster than a search with set-up cost.
#[inline]
pub(crate) fn find(text: &str, octet: u8) -> Option<usize> {
    text.bytes().position(|found| found == octet)
}

/// Splits `text` around the first `octet`, which must be ASCII.
#[inline]
pub(crate) fn split_once(text: &str, octet: u8) -> Option<(&str, &str)> {
    find(text, octet).map(|at| split_around(text, at))
}

/// Splits `text` around the octet at `at`, which must be ASCII.
pub(crate) fn split_around(text: &str, at: usize) -> (&str, &str) {
    (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default())
}

/// Iterates over the elements of a comma-separated list. Empty elements are skipped: RFC 3261 does not allow them, but
/// proxies produce them.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    rest: Option<&'a str>,
    /// False for a header with a single value that may contain commas.
    list: bool,
}

impl<'a> Elements<'a> {
    pub(crate) const fn new(text: &'a str, list: bool) -> Self {
        Self { rest: Some(text), list }
    }

    /// Returns the text that has not been consumed.
    pub(crate) const fn rest(&self) -> Option<&'a str> {
        self.rest
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let text = self.rest.take()?;
            if !self.list {
                return Some(trim(text));
            }
            let mut element = text;
            if let Some(at) = find_outside(text, b',') {
                let (before, after) = split_around(text, at);
                (element, self.rest) = (before, Some(after));
            }
            let element = trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

/// Parses the quoted string at the start of `text`. Returns its content, still escaped, and the rest.
pub(crate) fn quoted(text: &str) -> Result<(&str, &str), Malformed> {
    let inner = text.strip_prefix('"').ok_or(Malformed("missing quotation mark"))?;
    let mut escaped = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(split_around(inner, at)),
            _ => {}
        }
    }
    Err(Malformed("a quoted string without end"))
}

/// Removes the escapes of a quoted string.
pub(crate) fn unescaped(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

/// Displays a value as a quoted string.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '\r' | '\n' => f.write_char(' ')?,
                '"' | '\\' | '\0'..='\x08' | '\x0b'..='\x1f' | '\x7f' => {
                    f.write_char('\\')?;
                    f.write_char(letter)?;
                }
                letter => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}
