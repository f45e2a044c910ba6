//! Session descriptions (SDP) of SIP endpoints (RFC 8866, RFC 3264, RFC 4568).

mod crypto;
mod names;
mod parse;
mod policy;
mod session;
mod shared;
mod write;

pub use crypto::{CryptoAttribute, InlineKey, Mki, Suite};
pub use names::HostName;
pub use policy::{Security, SrtpPolicy, choose, refuse_plain_alternatives};
pub use session::LocalDescriptions;
pub use shared::{SharedTransport, Unfit};

use crate::section::{OtherSection, Section};
use crate::webrtc::{DtlsSetup, Fingerprint, IceCredentials};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// A SIP session description: offer or answer, of the peer or of the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipDescription {
    /// The session's identifier and version.
    pub origin: Origin,
    /// `s=`
    pub session_name: String,
    /// Audio and video sections in order. Sections of other kinds are in [`SipDescription::others`].
    pub sections: Vec<SipSection>,
    /// Sections that are neither audio nor video (`m=image`, `m=application`); answered with port 0, in the same position.
    pub others: Vec<OtherSection>,
    /// `a=group:BUNDLE`: the `mid`s of the sections that share one transport (RFC 8843). Empty if the author does not
    /// bundle.
    pub bundle: Vec<String>,
}

/// `o=` (RFC 8866 §5.2)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The author's user name, `-` for none.
    pub username: String,
    /// The session identifier.
    pub session_id: u64,
    /// Incremented by one with each change of the description (RFC 3264 §8).
    pub version: u64,
    /// The author's address or host name.
    pub address: String,
}

/// One `m=audio` or `m=video` section of a SIP description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipSection {
    /// The media: kind, direction, payloads. Its `mid` is the index of the m-line if the description has none.
    ///
    /// The direction already takes account of a connection address of 0.0.0.0, by which an author signals hold
    /// (RFC 2543, RFC 3264 §8.4): such an author does not receive.
    pub section: Section,
    /// The transport protocol in the m-line.
    pub profile: RtpProfile,
    /// The address at which the author receives RTP.
    pub connection: ConnectionAddress,
    /// The address at which the author receives RTCP, if given by `a=rtcp` (RFC 3605).
    pub rtcp: Option<SocketAddr>,
    /// `a=rtcp-mux` (RFC 5761 §5.1.1)
    pub rtcp_mux: bool,
    /// `a=crypto`: the author's SRTP keys in its order of preference. Keys of unknown suites are omitted.
    pub crypto: Vec<CryptoAttribute>,
    /// `a=ptime`: packet duration in milliseconds that the author prefers to receive.
    pub ptime: Option<u16>,
    /// `a=maxptime`: maximum packet duration in milliseconds that the author accepts.
    pub maxptime: Option<u16>,
    /// DTLS parameters, if the author supports DTLS-SRTP.
    pub dtls: Option<Dtls>,
    /// ICE parameters, if the author supports ICE.
    pub ice: Option<Ice>,
    /// `a=bundle-only`: the section has no address of its own and is refused by an answerer that does not bundle
    /// (RFC 8843 §6).
    pub bundle_only: bool,
    /// The canonical name of the SSRCs (RFC 5576 §6.1). Only written; the parser ignores it.
    pub cname: Option<String>,
    /// Additional `b=` and `a=` lines. Only written; the parser does not keep unknown lines.
    pub extra: Vec<ExtraLine>,
}

/// The transport protocol of an m-line (RFC 8866 §5.14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RtpProfile {
    /// `RTP/AVP` (RFC 3551)
    Avp,
    /// `RTP/AVPF` (RFC 4585)
    Avpf,
    /// `RTP/SAVP` (RFC 3711)
    Savp,
    /// `RTP/SAVPF` (RFC 5124)
    Savpf,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764)
    UdpTlsSavp,
    /// `UDP/TLS/RTP/SAVPF` (RFC 5764)
    UdpTlsSavpf,
    /// Another protocol; the relay cannot use the section.
    Other(String),
}

/// The address at which a section's author receives RTP (from `c=` and the port in the m-line).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectionAddress {
    /// An IP address and a port.
    At(SocketAddr),
    /// No address: 0.0.0.0, `::`, a multicast address or port 0.
    Nowhere {
        /// The port in the m-line.
        port: u16,
    },
    /// A host name that has not been resolved; see [`HostName`].
    Named {
        /// The host name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// `a=fingerprint` and `a=setup` (RFC 8122, RFC 8842).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dtls {
    /// Fingerprint of the author's certificate.
    pub fingerprint: Fingerprint,
    /// The author's DTLS role.
    pub setup: DtlsSetup,
}

/// `a=ice-ufrag`, `a=ice-pwd` and `a=candidate` (RFC 8839).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ice {
    /// Credentials of the author.
    pub credentials: IceCredentials,
    /// The author is ICE-lite.
    pub lite: bool,
    /// The author's candidates (UDP, component 1), highest priority first.
    pub candidates: Vec<SocketAddr>,
}

/// One `b=` or `a=` line without its line ending, validated by [`ExtraLine::parse`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraLine(String);

impl ConnectionAddress {
    /// Returns the address to send RTP to, if there is one.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::At(address) => Some(*address),
            Self::Nowhere { .. } | Self::Named { .. } => None,
        }
    }
}

impl SipSection {
    /// Returns the address to send RTCP to, if there is one. It is the RTP address if RTP and RTCP are multiplexed
    /// (`mux`: offer and answer have `a=rtcp-mux`), otherwise that of `a=rtcp`, or else the next port (RFC 3550 §11).
    #[must_use]
    pub fn rtcp_address(&self, mux: bool) -> Option<SocketAddr> {
        let rtp = self.connection.address()?;
        if mux {
            return Some(rtp);
        }
        self.rtcp.or_else(|| Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)))
    }

    /// Returns whether the relay can use the section: it is not refused, its protocol is supported, and its address is
    /// not an unresolved host name. A section without an address is usable, because a later description may contain
    /// one.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.section.rejected
            && !matches!(self.profile, RtpProfile::Other(_))
            && !matches!(self.connection, ConnectionAddress::Named { .. })
    }
}

impl SipDescription {
    /// Returns the media of all sections in order. Sections that the relay cannot use are marked as rejected.
    #[must_use]
    pub fn media(&self) -> Vec<Section> {
        let media = self.sections.iter();
        media.map(|section| Section { rejected: !section.is_usable(), ..section.section.clone() }).collect()
    }

    /// Returns whether the description has the address of one of the relay's own `sockets`, so that the call is looped.
    #[must_use]
    pub fn is_own(&self, sockets: &BTreeSet<SocketAddr>) -> bool {
        let mut addresses = self.sections.iter().filter_map(|section| section.connection.address());
        addresses.any(|address| sockets.contains(&SocketAddr::new(address.ip().to_canonical(), address.port())))
    }
}

impl RtpProfile {
    /// Returns the protocol as written in an m-line.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
            Self::Savp => "RTP/SAVP",
            Self::Savpf => "RTP/SAVPF",
            Self::UdpTlsSavp => "UDP/TLS/RTP/SAVP",
            Self::UdpTlsSavpf => "UDP/TLS/RTP/SAVPF",
            Self::Other(name) => name,
        }
    }

    /// Parses the protocol of an m-line.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let known = [Self::Avp, Self::Avpf, Self::Savp, Self::Savpf, Self::UdpTlsSavp, Self::UdpTlsSavpf].into_iter();
        known
            .clone()
            .find(|profile| profile.name().eq_ignore_ascii_case(name))
            .unwrap_or_else(|| Self::Other(name.to_owned()))
    }

    /// Returns whether the media are SRTP.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        matches!(self, Self::Savp | Self::Savpf | Self::UdpTlsSavp | Self::UdpTlsSavpf)
    }

    /// Returns whether the SRTP keys are negotiated by DTLS.
    #[must_use]
    pub const fn is_dtls(&self) -> bool {
        matches!(self, Self::UdpTlsSavp | Self::UdpTlsSavpf)
    }

    /// Returns whether the profile has RTCP feedback (RFC 4585).
    #[must_use]
    pub const fn has_feedback(&self) -> bool {
        matches!(self, Self::Avpf | Self::Savpf | Self::UdpTlsSavpf)
    }
}

impl ExtraLine {
    /// Validates a line supplied by a client: `a=name`, `a=name:value` or `b=type:value`. Returns `None` for other
    /// lines, for attributes that the relay writes itself, and for lines with control characters or of more than 512
    /// octets.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        const RESERVED: [&str; 27] = [
            "bundle-only",
            "candidate",
            "charset",
            "crypto",
            "end-of-candidates",
            "extmap",
            "fingerprint",
            "fmtp",
            "group",
            "ice-lite",
            "ice-options",
            "ice-pwd",
            "ice-ufrag",
            "inactive",
            "mid",
            "msid",
            "recvonly",
            "rtcp",
            "rtcp-fb",
            "rtcp-mux",
            "rtpmap",
            "sendonly",
            "sendrecv",
            "setup",
            "ssrc",
            "ssrc-group",
            "tls-id",
        ];
        let line = line.trim_end_matches(['\r', '\n', ' ']);
        let (kind, value) = line.split_once('=')?;
        let name = value.split(':').next()?;
        let is_token =
            !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
        let is_clean = line.len() <= 512 && !line.chars().any(char::is_control);
        let is_known = match kind {
            "a" => !RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)),
            "b" => value.contains(':'),
            _ => false,
        };
        (is_token && is_clean && is_known).then(|| Self(line.to_owned()))
    }

    /// Returns the line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
