//! Addresses that SIP messages name (RFC 3261 §19.1, RFC 3966).

use super::host::Host;
use super::scan::{Malformed, split_once};
use super::sip_uri::{self, SipUri};
use super::tel_uri::TelUri;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A URI. Equality is of the text's parts; [`Uri::is_equivalent`] compares as RFC 3261 §19.1.4 does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:` (RFC 3966).
    Tel(TelUri),
    /// Any other scheme.
    Other {
        /// The scheme as written.
        scheme: String,
        /// What follows the colon.
        rest: String,
    },
}

impl Uri {
    /// `sip:user@host`; what `user` may not hold is escaped.
    #[must_use]
    pub fn sip(user: &str, host: Host) -> Self {
        Self::Sip(SipUri::new(host).with_user(user))
    }

    /// The scheme in lower case, where it is one of those known here, else as written.
    #[must_use]
    pub fn scheme(&self) -> &str {
        match self {
            Self::Sip(uri) if uri.is_secure() => "sips",
            Self::Sip(_) => "sip",
            Self::Tel(_) => "tel",
            Self::Other { scheme, .. } => scheme,
        }
    }

    /// The `sip:` or `sips:` URI, if it is one.
    #[must_use]
    pub const fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other { .. } => None,
        }
    }

    /// As [`Self::as_sip`], to be changed.
    #[must_use]
    pub const fn as_sip_mut(&mut self) -> Option<&mut SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other { .. } => None,
        }
    }

    /// The user part without escapes; of a `tel:` URI the number without visual separators.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sip(uri) => uri.user(),
            Self::Tel(uri) => Some(Cow::Owned(uri.number())),
            Self::Other { .. } => None,
        }
    }

    /// The host, where there is one.
    #[must_use]
    pub fn host(&self) -> Option<&Host> {
        self.as_sip().map(SipUri::host)
    }

    /// The port, where there is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.as_sip().and_then(SipUri::port)
    }

    /// The value of a URI parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        match self {
            Self::Sip(uri) => uri.params().get(name),
            Self::Tel(uri) => uri.params().get(name),
            Self::Other { .. } => None,
        }
    }

    /// A URI parameter of this name is there.
    #[must_use]
    pub fn has_param(&self, name: &str) -> bool {
        match self {
            Self::Sip(uri) => uri.params().has(name),
            Self::Tel(uri) => uri.params().has(name),
            Self::Other { .. } => false,
        }
    }

    /// The route is a loose one (RFC 3261 §19.1.1).
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.has_param("lr")
    }
}

/// The schemes that are more than text here.
enum Scheme {
    Sip,
    Sips,
    Tel,
    Other,
}

/// The scheme as written and as known here, and what follows the colon.
fn scheme(text: &str) -> Result<(&str, Scheme, &str), Malformed> {
    let known = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    for (name, scheme) in [("sip:", Scheme::Sip), ("sips:", Scheme::Sips), ("tel:", Scheme::Tel)] {
        if known(name) {
            return Ok((name, scheme, text.get(name.len()..).unwrap_or_default()));
        }
    }
    let (name, rest) = split_once(text, b':').ok_or(Malformed("a URI without scheme"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) || !name.bytes().all(plain) {
        return Err(Malformed("no URI scheme"));
    }
    if rest.is_empty() || !rest.bytes().all(is_opaque) {
        return Err(Malformed("no URI"));
    }
    Ok((name, Scheme::Other, rest))
}

impl Uri {
    /// `text` can be read as one.
    pub(super) fn check(text: &str) -> Result<(), Malformed> {
        match scheme(text)? {
            (_, Scheme::Sip | Scheme::Sips, rest) => sip_uri::Parts::of(rest)?.check(),
            (_, Scheme::Tel, rest) => TelUri::parse(rest).map(|_| ()),
            (_, Scheme::Other, _) => Ok(()),
        }
    }
}

impl FromStr for Uri {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match scheme(text)? {
            (_, Scheme::Sip, rest) => SipUri::parse(false, rest).map(Self::Sip),
            (_, Scheme::Sips, rest) => SipUri::parse(true, rest).map(Self::Sip),
            (_, Scheme::Tel, rest) => TelUri::parse(rest).map(Self::Tel),
            (name, Scheme::Other, rest) => Ok(Self::Other { scheme: name.to_owned(), rest: rest.to_owned() }),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => write!(f, "{uri}"),
            Self::Tel(uri) => write!(f, "{uri}"),
            Self::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

impl From<Uri> for String {
    fn from(uri: Uri) -> Self {
        uri.to_string()
    }
}

impl TryFrom<String> for Uri {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

/// Nothing that ends a URI where it stands in a header or a request line.
fn is_opaque(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>')
}
