//! `%41` for `A`: what the parts of URIs may hold without it (RFC 3261 §19.1.2, §25.1).

use super::scan::Malformed;
use core::fmt;
use std::borrow::Cow;

pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)
}

pub(super) fn is_user(byte: u8) -> bool {
    is_unreserved(byte) || b"&=+$,;?/".contains(&byte)
}

pub(super) fn is_password(byte: u8) -> bool {
    is_unreserved(byte) || b"&=+$,".contains(&byte)
}

pub(super) fn is_param(byte: u8) -> bool {
    is_unreserved(byte) || b"[]/:&+$".contains(&byte)
}

pub(super) fn is_header(byte: u8) -> bool {
    is_unreserved(byte) || b"[]/?:+$".contains(&byte)
}

/// `text` as it came, with escapes for what should have had them.
pub(super) fn legal(text: &str, fits: impl Fn(u8) -> bool) -> Result<Cow<'_, str>, Malformed> {
    let bytes = text.as_bytes();
    let mut whole = true;
    for (at, byte) in bytes.iter().enumerate() {
        let hex = |offset| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
        match byte {
            b'%' if hex(1) && hex(2) => {}
            b'%' => return Err(Malformed("an escape without two digits")),
            byte => whole &= fits(*byte),
        }
    }
    if whole {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(escaped(text, |byte| byte == b'%' || fits(byte))))
}

pub(super) fn escaped(text: &str, fits: impl Fn(u8) -> bool) -> String {
    use fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii() && fits(byte) {
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
