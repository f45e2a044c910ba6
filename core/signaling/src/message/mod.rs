//! The messages, both ways, as types. `{"message": name, "data": [ … ]}` on the wire.
//!
//! Values that only pass through (what the page calls `custom`, say) are [`Json`]: text that nobody here looks into.

mod client;
mod direct;
mod server;
#[cfg(feature = "json")]
mod wire;

pub use client::{Answer, Call, ClientMessage, Connection, DtmfType, SipOptions};
pub use direct::{Direct, DirectStep};
pub use server::{CallObject, CallStatus, DataStatus, ServerMessage, TransferStatus, UserData};
#[cfg(feature = "json")]
pub use wire::ParseError;

use core::fmt;

/// The id of a call, as the side that created it chose it (a UUID in practice; any text is accepted).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct CallId(pub String);

impl CallId {
    /// The id as text.
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

/// A JSON value as text, passed on without a look inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// Takes `text`, which must be one valid JSON value: the browser made it with `JSON.stringify`, or serde did.
    #[must_use]
    pub const fn from_valid(text: String) -> Self {
        Self(text)
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(all(test, feature = "json"))]
mod tests;
