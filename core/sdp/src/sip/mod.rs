//! What a SIP endpoint's description says, typed (RFC 8866, RFC 3264, RFC 4568).

mod crypto;
mod names;
mod parse;
mod policy;
mod session;
mod shared;
mod write;

pub use crypto::{CryptoAttribute, MasterKey, Mki, Suite};
pub use names::HostName;
pub use policy::{Security, SrtpPolicy, choose, refuse_plain_alternatives};
pub use session::Session;
pub use shared::{SharedTransport, Unfit};

use crate::section::{OtherSection, Section};
use crate::webrtc::{Fingerprint, IceCredentials, Setup};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// A SIP session description, offer or answer, the peer's or the relay's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Whose session it is, and which version of it.
    pub origin: Origin,
    /// `s=`
    pub session_name: String,
    /// Audio and video sections in order. Sections of other kinds stand in [`Description::others`].
    pub sections: Vec<SipSection>,
    /// Sections that are neither audio nor video (`m=image`, `m=application`); answered with port 0, in their place.
    pub others: Vec<OtherSection>,
    /// `a=group:BUNDLE`: the names of sections that share one transport (RFC 8843); none where the writer does not bundle.
    pub bundle: Vec<String>,
}

/// `o=` (RFC 8866 §5.2)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The writer's user name, `-` for none.
    pub username: String,
    /// The session's number.
    pub session_id: u64,
    /// Raised by one with each change of the description (RFC 3264 §8).
    pub version: u64,
    /// The writer's address or host name.
    pub address: String,
}

/// One `m=audio` or `m=video` of a SIP description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipSection {
    /// The media: kind, direction, payloads. Its `mid` is the index of the m-line where the description gives no name.
    ///
    /// A connection address of 0.0.0.0 (hold before RFC 3264, §8.4) is in its direction already: the writer does not
    /// receive.
    pub section: Section,
    /// What follows the port in the m-line.
    pub profile: Profile,
    /// Where the writer receives RTP.
    pub connection: Connection,
    /// Where it receives RTCP, if said by `a=rtcp` (RFC 3605) and not beside the RTP port.
    pub rtcp: Option<SocketAddr>,
    /// `a=rtcp-mux` (RFC 5761 §5.1.1)
    pub rtcp_mux: bool,
    /// `a=crypto`: SRTP keys, the writer's own, in its order of preference. Those of unknown suites are left out.
    pub crypto: Vec<CryptoAttribute>,
    /// `a=ptime`: milliseconds of sound that the writer likes to have in a packet.
    pub ptime: Option<u16>,
    /// `a=maxptime`: milliseconds of sound that a packet to the writer may have.
    pub maxptime: Option<u16>,
    /// Of a writer that does DTLS-SRTP.
    pub dtls: Option<Dtls>,
    /// Of a writer that does ICE.
    pub ice: Option<Ice>,
    /// `a=bundle-only`: the section has no address of its own, and is refused by who does not bundle (RFC 8843 §6).
    pub bundle_only: bool,
    /// The name that goes with the SSRCs (RFC 5576 §6.1); not kept of what is read.
    pub cname: Option<String>,
    /// Further lines (`b=`, `a=`) as they are to be written; none is kept of what is read.
    pub extra: Vec<ExtraLine>,
}

/// The transport protocol of an m-line (RFC 8866 §5.14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
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
    /// Another one; the section is of no use to the relay.
    Other(String),
}

/// Where a section's writer wants to receive (`c=` and the port).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connection {
    /// At this address.
    At(SocketAddr),
    /// Nowhere for now: 0.0.0.0 or `::`, or port 0.
    Nowhere {
        /// The port that it was said with.
        port: u16,
    },
    /// At a host by name, which was not resolved; see [`HostName`].
    Named {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// `a=fingerprint` and `a=setup` (RFC 8122, RFC 8842).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dtls {
    /// SHA-256 of the writer's certificate.
    pub fingerprint: Fingerprint,
    /// Its DTLS role.
    pub setup: Setup,
}

/// `a=ice-ufrag`, `a=ice-pwd` and `a=candidate` (RFC 8839).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ice {
    /// Credentials of the writer.
    pub credentials: IceCredentials,
    /// The writer is ICE-lite.
    pub lite: bool,
    /// Its host candidates (UDP, component 1), best first.
    pub candidates: Vec<SocketAddr>,
}

/// One `b=` or `a=` line, without its end; made by [`ExtraLine::parse`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraLine(String);

impl Connection {
    /// Where to send RTP, if anywhere.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::At(address) => Some(*address),
            Self::Nowhere { .. } | Self::Named { .. } => None,
        }
    }
}

impl SipSection {
    /// Where to send RTCP, if anywhere: the RTP address under `a=rtcp-mux`, what `a=rtcp` says, or the next port
    /// (RFC 3550 §11). What the writer offers is not agreed: `mux` says whether the answer has it too.
    #[must_use]
    pub fn rtcp_address(&self, mux: bool) -> Option<SocketAddr> {
        let rtp = self.connection.address()?;
        if mux {
            return Some(rtp);
        }
        self.rtcp.or_else(|| Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)))
    }

    /// Whether the section is of any use: neither refused nor of a protocol, or at an address, that the relay cannot
    /// use. (Nowhere is a place that becomes another one later.)
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.section.rejected
            && !matches!(self.profile, Profile::Other(_))
            && !matches!(self.connection, Connection::Named { .. })
    }
}

impl Description {
    /// The media of all sections, in order. Those that the relay cannot use are marked as rejected.
    #[must_use]
    pub fn media(&self) -> Vec<Section> {
        let media = self.sections.iter();
        media.map(|section| Section { rejected: !section.is_usable(), ..section.section.clone() }).collect()
    }

    /// Whether it sends media to one of these sockets: then the other end of the call is the relay itself.
    #[must_use]
    pub fn is_own(&self, sockets: &BTreeSet<SocketAddr>) -> bool {
        let mut addresses = self.sections.iter().filter_map(|section| section.connection.address());
        addresses.any(|address| sockets.contains(&SocketAddr::new(address.ip().to_canonical(), address.port())))
    }
}

impl Profile {
    /// As an m-line names it.
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

    /// Read from an m-line.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let known = [Self::Avp, Self::Avpf, Self::Savp, Self::Savpf, Self::UdpTlsSavp, Self::UdpTlsSavpf].into_iter();
        known
            .clone()
            .find(|profile| profile.name().eq_ignore_ascii_case(name))
            .unwrap_or_else(|| Self::Other(name.to_owned()))
    }

    /// Whether its packets are SRTP.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        matches!(self, Self::Savp | Self::Savpf | Self::UdpTlsSavp | Self::UdpTlsSavpf)
    }

    /// Whether its keys come from DTLS.
    #[must_use]
    pub const fn is_dtls(&self) -> bool {
        matches!(self, Self::UdpTlsSavp | Self::UdpTlsSavpf)
    }

    /// Whether it has RTCP feedback (RFC 4585).
    #[must_use]
    pub const fn has_feedback(&self) -> bool {
        matches!(self, Self::Avpf | Self::Savpf | Self::UdpTlsSavpf)
    }
}

impl ExtraLine {
    /// One line of a page: `a=name`, `a=name:value` or `b=type:value`. No other line may be added, none that says
    /// what the relay says itself, and nothing that would begin another line.
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

    /// The line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
