//! URIs in SIP messages (RFC 3261 §19.1, RFC 3966).

use super::host::Host;
use super::scan::{Malformed, split_once};
use super::sip_uri::{self, SipUri};
use super::tel_uri::TelUri;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A URI. `==` compares the parts as text; [`Uri::is_equivalent`] compares by RFC 3261 §19.1.4.
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
        /// The text after the colon.
        rest: String,
    },
}

impl Uri {
    /// Creates `sip:user@host`, with escapes in the user part where needed.
    #[must_use]
    pub fn sip(user: &str, host: Host) -> Self {
        Self::Sip(SipUri::new(host).with_user(user))
    }

    /// Returns whether the text begins with `sip:`, `sips:` or `tel:`.
    #[must_use]
    pub fn has_telephony_scheme(text: &str) -> bool {
        matches!(scheme(text), Ok((_, Scheme::Sip | Scheme::Sips | Scheme::Tel, _)))
    }

    /// Returns the scheme: in lower case if it is a known one, else as written.
    #[must_use]
    pub fn scheme(&self) -> &str {
        match self {
            Self::Sip(uri) if uri.is_secure() => "sips",
            Self::Sip(_) => "sip",
            Self::Tel(_) => "tel",
            Self::Other { scheme, .. } => scheme,
        }
    }

    /// Returns the `sip:` or `sips:` URI, if it is one.
    #[must_use]
    pub const fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other { .. } => None,
        }
    }

    /// Like [`Self::as_sip`], for modification.
    #[must_use]
    pub const fn as_sip_mut(&mut self) -> Option<&mut SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other { .. } => None,
        }
    }

    /// Returns the user part without escapes, or the number of a `tel:` URI without visual separators.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sip(uri) => uri.user(),
            Self::Tel(uri) => Some(Cow::Owned(uri.number())),
            Self::Other { .. } => None,
        }
    }

    /// Returns the host, if there is one.
    #[must_use]
    pub fn host(&self) -> Option<&Host> {
        self.as_sip().map(SipUri::host)
    }

    /// Returns the port, if there is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.as_sip().and_then(SipUri::port)
    }

    /// Returns the value of a URI parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        match self {
            Self::Sip(uri) => uri.params().get(name),
            Self::Tel(uri) => uri.params().get(name),
            Self::Other { .. } => None,
        }
    }

    /// Returns whether there is a URI parameter with this name.
    #[must_use]
    pub fn has_param(&self, name: &str) -> bool {
        match self {
            Self::Sip(uri) => uri.params().has(name),
            Self::Tel(uri) => uri.params().has(name),
            Self::Other { .. } => false,
        }
    }

    /// Returns whether the URI is that of a loose router (RFC 3261 §19.1.1).
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.has_param("lr")
    }
}

/// The schemes with a type of their own.
enum Scheme {
    Sip,
    Sips,
    Tel,
    Other,
}

/// Returns the scheme as written, its type, and the text after the colon.
fn scheme(text: &str) -> Result<(&str, Scheme, &str), Malformed> {
    let known = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    for (name, scheme) in [("sip:", Scheme::Sip), ("sips:", Scheme::Sips), ("tel:", Scheme::Tel)] {
        if known(name) {
            return Ok((name, scheme, text.get(name.len()..).unwrap_or_default()));
        }
    }
    let (name, rest) = split_once(text, b':').ok_or(Malformed("URI without scheme"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) || !name.bytes().all(plain) {
        return Err(Malformed("invalid URI scheme"));
    }
    if rest.is_empty() || !rest.bytes().all(is_opaque) {
        return Err(Malformed("invalid URI"));
    }
    Ok((name, Scheme::Other, rest))
}

impl Uri {
    /// Checks that `text` can be parsed as a URI, without an allocation.
    ///
    /// # Errors
    /// The same as those of the parser.
    pub fn check(text: &str) -> Result<(), Malformed> {
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

/// Returns whether the octet does not end a URI in a header or a request line.
fn is_opaque(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>')
}
