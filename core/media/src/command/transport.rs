//! The two kinds of transport of a leg, and their parameters.

use super::{LocalRtp, RemoteSection};
use offhook_sdp::webrtc::{DtlsSetup, Fingerprint, IceCredentials};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The relay's side of a leg's transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalTransport {
    /// ICE-lite and DTLS-SRTP; all sections are bundled on the worker's port.
    WebRtc {
        /// The credentials in the relay's description. The user name fragment is also the CNAME of the leg.
        ice: IceCredentials,
    },
    /// RTP or SDES-SRTP, with a port pair per media section.
    Rtp {
        /// The addresses of each media section, in the order of the description.
        sections: Vec<LocalRtp>,
        /// The CNAME in RTCP (RFC 3550 §6.5.1).
        cname: String,
    },
}

impl LocalTransport {
    /// The addresses of the media sections; none if all sections are bundled on the worker's port.
    #[must_use]
    pub fn sections(&self) -> &[LocalRtp] {
        match self {
            Self::WebRtc { .. } => &[],
            Self::Rtp { sections, .. } => sections,
        }
    }
}

/// The peer's side of a leg's transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteTransport {
    /// ICE and DTLS-SRTP.
    WebRtc(RemoteWebRtc),
    /// RTP or SDES-SRTP.
    Rtp {
        /// The addresses and keys of each stream, in the order of the sections with which the leg was opened.
        sections: Vec<RemoteSection>,
        /// The source address of the peer's SIP messages, from which media are accepted even if the description names
        /// another address.
        signaling: Option<IpAddr>,
    },
}

/// The parameters of a peer that uses WebRTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteWebRtc {
    /// Its ICE credentials.
    pub ice: IceCredentials,
    /// The fingerprint of its DTLS certificate.
    pub fingerprint: Fingerprint,
    /// Its `a=setup` attribute, from which the relay's DTLS role follows.
    pub setup: DtlsSetup,
    /// Whether it supports RTCP.
    pub rtcp: PeerRtcp,
    /// The kind of peer, which determines behavior that its description does not state.
    pub endpoint: WebRtcEndpoint,
}

/// Whether a peer supports RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerRtcp {
    /// Multiplexed with RTP on one pair (RFC 5761).
    Muxed,
    /// No RTCP: the peer requires a separate component for it, which the relay does not support.
    Absent,
}

/// The kind of a WebRTC peer, which determines behavior that its description does not state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebRtcEndpoint {
    /// A browser: one description per leg, a nominated pair (RFC 8445 §8), announced SSRCs, and consent checks for as
    /// long as the leg exists (RFC 7675).
    Browser,
    /// A SIP peer. It may send further descriptions, and may change its SSRCs at any time, for example for music on
    /// hold. It may send no consent checks. It may never nominate a pair: rtpengine takes the controlled role with each
    /// offer, regardless of `a=ice-lite`.
    SipPeer,
}

impl WebRtcEndpoint {
    /// Whether the peer may send another description.
    #[must_use]
    pub const fn accepts_new_description(self) -> bool {
        matches!(self, Self::SipPeer)
    }

    /// Whether the peer nominates the pair for media.
    #[must_use]
    pub const fn nominates(self) -> bool {
        matches!(self, Self::Browser)
    }

    /// Whether the peer keeps the SSRCs that it announced.
    #[must_use]
    pub const fn keeps_ssrcs(self) -> bool {
        matches!(self, Self::Browser)
    }

    /// Whether the peer sends consent checks, even if it sends no media.
    #[must_use]
    pub const fn sends_consent_checks(self) -> bool {
        matches!(self, Self::Browser)
    }
}
