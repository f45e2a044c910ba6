//! Percent-encoding in URIs, and the octets that each URI part may contain unescaped (RFC 3261 §19.1.2, §25.1).

use super::scan::{Malformed, Octets};
use core::fmt;
use std::borrow::Cow;

pub(super) static UNRESERVED: Octets = Octets::alphanumeric_and(b"-_.!~*'()");
pub(super) static USER: Octets = Octets::alphanumeric_and(b"-_.!~*'()&=+$,;?/");
/// The octets of [`USER`] except `;` and `?`, which separate the parameters of a telephone subscriber.
pub(super) static SUBSCRIBER: Octets = Octets::alphanumeric_and(b"-_.!~*'()&=+$,/");
pub(super) static PASSWORD: Octets = Octets::alphanumeric_and(b"-_.!~*'()&=+$,");
pub(super) static PARAM: Octets = Octets::alphanumeric_and(b"-_.!~*'()[]/:&+$");
pub(super) static HEADER: Octets = Octets::alphanumeric_and(b"-_.!~*'()[]/?:+$");

/// The error for a URI with an octet that cannot be part of it.
pub(super) const UNEXPECTED: Malformed = Malformed("white space or angle brackets in a URI");

/// Returns `text` with escapes for octets that need them, including a percent sign that begins no escape.
pub(super) fn escape_illegal(text: &str, fits: &Octets) -> String {
    if fits.has_all(text) {
        return text.to_owned();
    }
    let octets = text.as_bytes();
    let is_hex = |at: usize| octets.get(at).is_some_and(u8::is_ascii_hexdigit);
    escape(text, |at, octet| fits.has(octet) || (octet == b'%' && is_hex(at + 1) && is_hex(at + 2)))
}

pub(super) fn escaped(text: &str, fits: &Octets) -> String {
    escape(text, |_, octet| fits.has(octet))
}

fn escape(text: &str, fits: impl Fn(usize, u8) -> bool) -> String {
    use fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        if fits(at, byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Returns `text` with its escapes (`%41`) resolved. Octets that are not UTF-8 are replaced by U+FFFD.
#[must_use]
pub fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|digits| core::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) if *first == b'%' => {
                plain.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8(plain).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
