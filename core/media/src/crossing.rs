//! Messages between two workers that each have one leg of a bridge.
//!
//! ```text
//! worker of a                                        worker of b
//! BridgeAcross { leg: a, partner: b } ── Hello ──▶   (dropped while b's worker has no bridge)
//!                     (bridge exists) ◀── Hello ──  BridgeAcross { leg: b, partner: a }
//!                                      ── Hello ──▶  routes on both sides
//!                                      ◀── Rtp, Rtcp ──▶
//! Unbridge, Close                      ── Parted ──▶ b has no partner
//! ```
//!
//! Each command concerns the leg of one worker. The two commands of a bridge may arrive in any order, and messages may
//! arrive before or after them. Messages for a bridge other than the current one of the leg are ignored.

use crate::command::{BridgeId, LegKey, WorkerId};
use crate::leg::{Accepted, LegIndex, Relayed};
use offhook_sdp::webrtc::Section;

/// A message to another worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// The destination leg.
    pub(crate) to: Address,
    /// The source leg.
    pub(crate) from: Address,
    pub(crate) bridge: BridgeId,
    pub(crate) message: Message,
}

/// A leg, with its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) worker: WorkerId,
    pub(crate) leg: LegKey,
    /// The index of the leg in its worker; `None` until the other worker has received it.
    pub(crate) at: Option<LegIndex>,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The leg has joined the bridge, and its peer sends `incoming`. `answer` requests a `Hello` of the other leg.
    Hello { incoming: Vec<Section>, answer: bool },
    /// A decrypted packet.
    Rtp { accepted: Accepted, packet: Vec<u8> },
    /// RTCP feedback from the leg's peer, translated for the other leg.
    Rtcp(Relayed),
    /// Requests a key frame from the peer of the destination leg. If the receiver is new, the request is repeated until
    /// a key frame arrives. If a receiver lost a picture, one request is sent.
    KeyFrames { is_new: bool },
    /// The leg has left the bridge, or was closed before it joined.
    Parted,
}

impl Crossing {
    /// The destination worker.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.to.worker
    }

    /// Whether it carries RTP or RTCP. Such messages may be dropped if a queue is full. The other messages have a
    /// separate limit, which is reached only if a worker is stuck.
    #[must_use]
    pub const fn is_media(&self) -> bool {
        matches!(self.message, Message::Rtp { .. } | Message::Rtcp(_))
    }
}
