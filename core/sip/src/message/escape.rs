//! `%41` for `A`: what the parts of URIs may hold without it (RFC 3261 §19.1.2, §25.1).

use super::scan::{Malformed, Octets};
use core::fmt;
use std::borrow::Cow;

pub(super) static UNRESERVED: Octets = Octets::alphanumeric_and(b"-_.!~*'()");
pub(super) static USER: Octets = Octets::alphanumeric_and(b"-_.!~*'()&=+$,;?/");
pub(super) static PASSWORD: Octets = Octets::alphanumeric_and(b"-_.!~*'()&=+$,");
pub(super) static PARAM: Octets = Octets::alphanumeric_and(b"-_.!~*'()[]/:&+$");
pub(super) static HEADER: Octets = Octets::alphanumeric_and(b"-_.!~*'()[]/?:+$");

/// What is wrong with a URI that ends where it should not.
pub(super) const UNEXPECTED: Malformed = Malformed("white space or brackets in a URI");

/// Every escape in it is one.
fn check(text: &str) -> Result<(), Malformed> {
    let octets = text.as_bytes();
    let hex = |at: usize| octets.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut escapes = octets.iter().enumerate().filter(|(_, octet)| **octet == b'%');
    let good = escapes.all(|(at, _)| hex(at + 1) && hex(at + 2));
    if good { Ok(()) } else { Err(Malformed("an escape without two digits")) }
}

/// `text` as it came, with escapes for what should have had them.
pub(super) fn legal(text: &str, fits: &Octets) -> Result<String, Malformed> {
    if fits.has_all(text) {
        return Ok(text.to_owned());
    }
    check(text)?;
    Ok(escape(text, |octet| octet == b'%' || fits.has(octet)))
}

pub(super) fn escaped(text: &str, fits: &Octets) -> String {
    escape(text, |octet| fits.has(octet))
}

fn escape(text: &str, fits: impl Fn(u8) -> bool) -> String {
    use fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if fits(byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| core::str::from_utf8(digits).ok());
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
