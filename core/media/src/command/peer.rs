//! What the signaling plane says of a leg whose SIP peer is WebRTC itself.

use super::Stream;
use offhook_sdp::codec::Payload;
use serde::{Deserialize, Serialize};

/// One media section of a leg as negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStream {
    /// The section, seen from the peer.
    pub stream: Stream,
    /// The payloads under the numbers with which the peer sends, as in [`RtpStream`](super::RtpStream).
    pub received: Vec<Payload>,
}

/// Whether a peer takes RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerRtcp {
    /// On RTP's pair (RFC 5761).
    Muxed,
    /// Not at all: it wants a component of its own for it, which the relay has not.
    Absent,
}
