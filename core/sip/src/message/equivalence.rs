//! URI equivalence (RFC 3261 §19.1.4, RFC 3966 §4).

use super::escape::{UNRESERVED, unescaped};
use super::parameters::Parameters;
use super::sip_uri::SipUri;
use super::tel_uri::TelUri;
use super::uri::Uri;

impl Uri {
    /// Returns whether the URIs are equivalent.
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(a), Self::Sip(b)) => a.is_equivalent(b),
            (Self::Tel(a), Self::Tel(b)) => a.is_equivalent(b),
            (Self::Other { scheme: a, rest: c }, Self::Other { scheme: b, rest: d }) => {
                a.eq_ignore_ascii_case(b) && c == d
            }
            (Self::Sip(_) | Self::Tel(_) | Self::Other { .. }, _) => false,
        }
    }
}

impl SipUri {
    fn is_equivalent(&self, other: &Self) -> bool {
        self.is_secure() == other.is_secure()
            && same_user(self, other)
            && self.password() == other.password()
            && self.host() == other.host()
            && self.port() == other.port()
            && same_params(&self.params, &other.params)
            && same_headers(self, other)
    }
}

/// User parts are case-sensitive. An escape is equal to its octet unless the octet is reserved.
fn same_user(a: &SipUri, b: &SipUri) -> bool {
    let plain = |uri: &SipUri| uri.user.as_deref().map(normalised);
    a.user == b.user || plain(a) == plain(b)
}

/// Removes unnecessary escapes and writes the others in upper case.
fn normalised(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let (code, after) = after.split_at_checked(2).unwrap_or((after, ""));
        match u8::from_str_radix(code, 16) {
            Ok(byte) if UNRESERVED.has(byte) => plain.push(char::from(byte)),
            Ok(_) | Err(_) => {
                plain.extend(['%'].into_iter().chain(code.chars().map(|digit| digit.to_ascii_uppercase())));
            }
        }
        rest = after;
    }
    plain + rest
}

/// Parameters that must be equal even if only one URI has them.
const MANDATORY: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

fn same_params(a: &Parameters, b: &Parameters) -> bool {
    let value = |value: Option<&str>| value.map(|text| unescaped(text).to_ascii_lowercase());
    let agree = |name: &str| a.has(name) == b.has(name) && value(a.get(name)) == value(b.get(name));
    MANDATORY.iter().all(|name| agree(name)) && a.iter().all(|(name, _)| !b.has(name) || agree(name))
}

fn same_headers(a: &SipUri, b: &SipUri) -> bool {
    let sorted = |uri: &SipUri| {
        let mut headers: Vec<(String, String)> =
            uri.headers().map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned())).collect();
        headers.sort();
        headers
    };
    sorted(a) == sorted(b)
}

impl TelUri {
    fn is_equivalent(&self, other: &Self) -> bool {
        self.number().eq_ignore_ascii_case(&other.number())
            && self.params.len() == other.params.len()
            && self.params.iter().all(|(name, value)| {
                let same = |text: Option<&str>| text.map(str::to_ascii_lowercase) == value.map(str::to_ascii_lowercase);
                // An invalid URI with a repeated parameter is still equivalent to itself.
                other.params.iter().any(|(other, text)| other.eq_ignore_ascii_case(name) && same(text))
            })
    }
}
