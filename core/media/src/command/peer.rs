//! Parameters of a leg whose SIP peer uses WebRTC (ICE and DTLS-SRTP).

use super::Stream;
use offhook_sdp::codec::Payload;
use serde::{Deserialize, Serialize};

/// A negotiated media section of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStream {
    /// The section, from the peer's point of view.
    pub stream: Stream,
    /// The payloads with the payload types that the peer uses for sending, as in [`RtpStream`](super::RtpStream).
    pub received: Vec<Payload>,
}

/// Whether a peer supports RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerRtcp {
    /// Multiplexed with RTP on one pair (RFC 5761).
    Muxed,
    /// No RTCP: the peer requires a separate component for it, which the relay does not support.
    Absent,
}
