//! Signaling messages in both directions. The wire format is `{"message": name, "data": [ … ]}`.
//!
//! Values that are forwarded unchanged, such as `custom`, are [`Json`]: unparsed text.

mod client;
mod direct;
mod server;
#[cfg(feature = "json")]
mod wire;

pub use client::{Answer, CallMessage, ClientMessage, ConnectionMessage, DtmfType, SipOptions};
pub use direct::{DirectMessage, DirectStep};
pub use server::{CallObject, CallStatus, DataStatus, ServerMessage, TransferStatus, UserData};
#[cfg(feature = "json")]
pub use wire::ParseError;

use core::fmt;

/// The identifier of a call, chosen by the side that created it. It is a UUID in practice; any text is accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct CallId(pub String);

impl CallId {
    /// Returns the identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CallId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A JSON value as unparsed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// Wraps `text`, which must be one valid JSON value, produced by `JSON.stringify` or serde.
    #[must_use]
    pub const fn from_valid(text: String) -> Self {
        Self(text)
    }

    /// Returns the JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(all(test, feature = "json"))]
mod tests;
