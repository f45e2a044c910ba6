//! What the signaling plane says of a leg that speaks plain RTP or SDES-SRTP.

use super::Stream;
use crate::transport::srtp::Profile;
use core::fmt;
use offhook_sdp::codec::Payload;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The relay's addresses of one media section; the worker binds them when the leg is opened and closes them with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LocalRtp {
    /// Where RTP is received and sent.
    pub rtp: SocketAddr,
    /// Where RTCP is, unless it shares the other (RFC 5761).
    pub rtcp: SocketAddr,
}

/// One media section of a leg as negotiated, with the peer's addresses and keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpStream {
    /// The section, seen from the peer. Its header extensions are ignored: none are sent to such a peer.
    pub stream: Stream,
    /// The payloads under the numbers with which the peer sends: those of the relay's own description, which may differ
    /// from those it wants to receive (RFC 3264 §5.1, §6.1).
    pub received: Vec<Payload>,
    /// Where the peer wants to receive; `None` while it names no address (`0.0.0.0`) or refused the section: then neither
    /// RTP nor RTCP is sent.
    pub remote: Option<RemoteRtp>,
    /// The keys of RTP/SAVP; `None` for RTP/AVP.
    pub srtp: Option<SdesKeys>,
}

/// The peer's addresses of one media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteRtp {
    /// `c=` and the port of `m=`.
    pub rtp: SocketAddr,
    /// Where its RTCP is.
    pub rtcp: RtcpPath,
}

/// How RTCP goes to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RtcpPath {
    /// On RTP's addresses (RFC 5761), because both sides said `a=rtcp-mux`.
    Muxed,
    /// To this address: `a=rtcp` (RFC 3605), else RTP's with the next port.
    Separate(SocketAddr),
}

/// What `a=crypto` agreed on for one section (RFC 4568), without session parameters. A key that was given up for
/// another one must not come back: its numbers would begin anew, and SRTP allows no number twice (RFC 3711 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdesKeys {
    /// The suite.
    pub suite: Profile,
    /// What the relay's own description offers: for what the relay sends.
    pub local: MasterKey,
    /// What the peer's offers: for what it sends.
    pub remote: MasterKey,
    /// The master key identifiers.
    pub mki: MkiPair,
}

/// The master key identifiers that packets carry behind the payload (RFC 3711 §3.1); empty where the description names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MkiPair {
    /// In what the relay sends.
    pub local: Vec<u8>,
    /// In what the peer sends.
    pub remote: Vec<u8>,
}

/// A master key followed by its master salt, as the base64 text after `inline:` holds them (RFC 4568 §6.1). Not to be
/// serialised: keys are saved under a seal only.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(pub Vec<u8>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({} octets)", self.0.len())
    }
}

/// What a leg's silence means to the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Silence {
    /// Nothing: the call is not answered yet, and who rings may be silent for minutes.
    #[default]
    Tolerated,
    /// The leg is dead when nothing came for the configured time from a peer that said it sends.
    EndsLeg,
}
