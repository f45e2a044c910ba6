//! `tel:` URIs (RFC 3966).

use super::escape::{PARAM, UNEXPECTED};
use super::parameters::Parameters;
use super::scan::Malformed;
use core::fmt;

/// A `tel:` URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelUri {
    /// The number with visual separators.
    number: String,
    pub(super) params: Parameters,
}

impl TelUri {
    /// Returns the number without visual separators (RFC 3966 §5.1.1).
    #[must_use]
    pub fn number(&self) -> String {
        self.number.chars().filter(|letter| !matches!(letter, '-' | '.' | '(' | ')')).collect()
    }

    /// Returns the number as written.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.number
    }

    /// Returns the parameters.
    #[must_use]
    pub const fn params(&self) -> &Parameters {
        &self.params
    }

    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        if !text.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>')) {
            return Err(UNEXPECTED);
        }
        let (number, params) = match text.split_once(';') {
            Some((number, params)) => (number, Parameters::parse_uri(params, &PARAM)?),
            None => (text, Parameters::new()),
        };
        let is_digit = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#');
        let is_separator = |byte: u8| matches!(byte, b'-' | b'.' | b'(' | b')');
        let digits = number.strip_prefix('+').unwrap_or(number);
        // A number has at least one digit (RFC 3966 §3).
        if !digits.bytes().any(is_digit) || !digits.bytes().all(|byte| is_digit(byte) || is_separator(byte)) {
            return Err(Malformed("invalid telephone number"));
        }
        Ok(Self { number: number.to_owned(), params })
    }
}

impl fmt::Display for TelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tel:{}{}", self.number, self.params)
    }
}
