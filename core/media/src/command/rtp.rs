//! Parameters of a leg that uses RTP or SDES-SRTP.

use crate::transport::srtp::Profile;
use core::fmt;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The relay's addresses of one media section. The worker binds them when the leg is opened and closes them with the
/// leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LocalRtp {
    /// The address for RTP.
    pub rtp: SocketAddr,
    /// The address for RTCP, unless RTCP is multiplexed (RFC 5761).
    pub rtcp: SocketAddr,
}

/// The peer's addresses and keys of one media section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSection {
    /// The address at which the peer receives; `None` if its description has no address (`0.0.0.0`) or rejects the
    /// section: then neither RTP nor RTCP is sent.
    pub address: Option<RemoteRtp>,
    /// The keys of RTP/SAVP; `None` for RTP/AVP.
    pub srtp: Option<SdesKeys>,
}

/// The peer's addresses of one media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteRtp {
    /// The address of `c=` and the port of `m=`.
    pub rtp: SocketAddr,
    /// The path of its RTCP.
    pub rtcp: RtcpPath,
}

/// The path of RTCP to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RtcpPath {
    /// Multiplexed with RTP (RFC 5761), because both descriptions contain `a=rtcp-mux`.
    Muxed,
    /// To this address: that of `a=rtcp` (RFC 3605), else RTP's address with the next port.
    Separate(SocketAddr),
}

/// The keys that `a=crypto` negotiated for one section (RFC 4568), without session parameters. A key that was replaced
/// must never be used again: its packet indexes would start again, and SRTP forbids reusing an index with a key (RFC
/// 3711 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdesKeys {
    /// The crypto suite.
    pub suite: Profile,
    /// The key of the relay's description, for packets that the relay sends.
    pub local: MasterKey,
    /// The key of the peer's description, for packets that the peer sends.
    pub remote: MasterKey,
    /// The master key identifiers.
    pub mki: MkiPair,
}

/// The master key identifiers (MKI) that follow the payload in packets (RFC 3711 §3.1); empty if the description
/// contains none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MkiPair {
    /// In packets that the relay sends.
    pub local: Vec<u8>,
    /// In packets that the peer sends.
    pub remote: Vec<u8>,
}

/// A master key followed by its master salt, as in the base64 text after `inline:` (RFC 4568 §6.1). It does not
/// implement `Serialize`: keys are saved only in sealed form.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(pub Vec<u8>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({} octets)", self.0.len())
    }
}
