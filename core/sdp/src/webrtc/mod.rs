//! What a WebRTC endpoint's description says, typed (RFC 8829, RFC 8839, RFC 8842, RFC 8843).

mod error;
mod parse;
mod write;

pub use error::SdpError;
pub use write::{LocalSection, answer, offer};

use crate::codec::{MediaKind, Payload};
use crate::direction::Direction;
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

/// An RTP header extension (RFC 8285 §5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderExtension {
    /// Local identifier, 1 to 14 for one-byte headers.
    pub id: u8,
    /// What it carries.
    pub uri: String,
}

/// One `m=audio` or `m=video` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Audio or video.
    pub kind: MediaKind,
    /// `a=mid` (RFC 5888)
    pub mid: String,
    /// Seen from the writer.
    pub direction: Direction,
    /// Port 0: the section is refused (RFC 3264 §6).
    pub rejected: bool,
    /// Payload types, in the writer's order of preference.
    pub payloads: Vec<Payload>,
    /// Header extensions.
    pub extensions: Vec<HeaderExtension>,
    /// SSRCs the writer announces for this section (RFC 5576 §4.1), without those of retransmission; often none.
    pub ssrcs: Vec<u32>,
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

/// A section that this relay refuses: `m=application`, say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSection {
    /// Index among all m-lines of the description.
    pub index: usize,
    /// The m-line as written, without `m=`.
    pub line: String,
    /// `a=mid`, if any.
    pub mid: Option<String>,
}
