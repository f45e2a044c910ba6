//! Session descriptions (SDP) of WebRTC endpoints (RFC 8829, RFC 8839, RFC 8842, RFC 8843).

mod parse;
mod write;

pub use crate::error::SdpError;
pub use crate::section::{HeaderExtension, OtherSection, Section};
pub use write::{LocalSection, answer, offer};

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// ICE user name fragment and password (RFC 8839 §5.4). The password is serialized only inside state that is encrypted
/// as a whole ([`offhook_secret`]).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCredentials {
    /// `a=ice-ufrag`
    pub ufrag: String,
    /// `a=ice-pwd`
    #[serde(serialize_with = "offhook_secret::serialize")]
    pub pwd: String,
}

impl core::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "IceCredentials({}, …)", self.ufrag)
    }
}

/// The hash function of a certificate fingerprint: SHA-256, which is mandatory to implement, or a longer one
/// (RFC 8122 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FingerprintHash {
    /// `sha-256`
    Sha256,
    /// `sha-384`
    Sha384,
    /// `sha-512`
    Sha512,
}

impl FingerprintHash {
    /// All supported hash functions.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Returns the name in `a=fingerprint`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Returns the length of a digest in octets.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A certificate's fingerprint (RFC 8122 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    hash: FingerprintHash,
    /// The digest, padded with zeros to 64 octets.
    digest: [[u8; 32]; 2],
}

impl Fingerprint {
    /// Creates a SHA-256 fingerprint.
    #[must_use]
    pub const fn sha256(digest: [u8; 32]) -> Self {
        Self { hash: FingerprintHash::Sha256, digest: [digest, [0; 32]] }
    }

    /// Creates a fingerprint from a digest. Returns `None` if the digest has the wrong length for the hash function.
    #[must_use]
    pub fn new(hash: FingerprintHash, octets: &[u8]) -> Option<Self> {
        let mut digest = [[0; 32]; 2];
        digest.as_flattened_mut().get_mut(..octets.len())?.copy_from_slice(octets);
        (octets.len() == hash.length()).then_some(Self { hash, digest })
    }

    /// Returns the hash function.
    #[must_use]
    pub const fn hash(&self) -> FingerprintHash {
        self.hash
    }

    /// Returns the digest.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.digest.as_flattened().get(..self.hash.length()).unwrap_or_default()
    }
}

/// `a=setup` (RFC 8842 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DtlsSetup {
    /// DTLS client.
    Active,
    /// DTLS server.
    Passive,
    /// Either role; the answerer chooses.
    ActPass,
}

/// The transport shared by the bundled sections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportDescription {
    /// ICE credentials of the author.
    pub ice: IceCredentials,
    /// The author is ICE-lite (RFC 8445 §2.5).
    pub ice_lite: bool,
    /// Fingerprint of the author's certificate.
    pub fingerprint: Fingerprint,
    /// DTLS role of the author.
    pub setup: DtlsSetup,
    /// Candidates of the author (UDP, component 1), highest priority first.
    pub candidates: Vec<SocketAddr>,
}

/// A WebRTC session description, offer or answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebRtcDescription {
    /// The bundled transport.
    pub transport: TransportDescription,
    /// Audio and video sections in order. Sections of other kinds are in [`WebRtcDescription::others`].
    pub sections: Vec<Section>,
    /// Sections that are neither audio nor video, which are answered with port 0.
    pub others: Vec<OtherSection>,
}
