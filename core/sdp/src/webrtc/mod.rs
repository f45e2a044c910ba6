//! What a WebRTC endpoint's description says, typed (RFC 8829, RFC 8839, RFC 8842, RFC 8843).

mod parse;
mod write;

pub use crate::error::SdpError;
pub use crate::section::{HeaderExtension, OtherSection, Section};
pub use write::{LocalSection, answer, offer};

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// ICE user name fragment and password (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCredentials {
    /// `a=ice-ufrag`
    pub ufrag: String,
    /// `a=ice-pwd`
    pub pwd: String,
}

impl core::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "IceCredentials({}, …)", self.ufrag)
    }
}

/// A certificate's SHA-256 fingerprint (RFC 8122 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

/// `a=setup` (RFC 8842 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setup {
    /// DTLS client.
    Active,
    /// DTLS server.
    Passive,
    /// Either: the answerer chooses.
    ActPass,
}

/// Everything about the one transport that the bundled media share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transport {
    /// ICE credentials of the writer.
    pub ice: IceCredentials,
    /// The writer is ICE-lite (RFC 8445 §2.5).
    pub ice_lite: bool,
    /// Fingerprint of the writer's certificate.
    pub fingerprint: Fingerprint,
    /// DTLS role.
    pub setup: Setup,
    /// Host candidates of the writer (UDP, component 1), best first.
    pub candidates: Vec<SocketAddr>,
}

/// A WebRTC session description, offer or answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The bundled transport.
    pub transport: Transport,
    /// Audio and video sections in order. Sections of other kinds stand in [`Description::others`].
    pub sections: Vec<Section>,
    /// Position and media type text of sections that are neither audio nor video; answered with port 0.
    pub others: Vec<OtherSection>,
}
