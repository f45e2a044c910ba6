//! What a leg's worker sends to the worker of the leg that it is bridged with, where these are two.
//!
//! ```text
//! worker of a                                        worker of b
//! BridgeAcross { leg: a, partner: b } ── Hello ──▶   (dropped while b does not know of the bridge)
//!              (a knows of the bridge) ◀── Hello ──  BridgeAcross { leg: b, partner: a }
//!                                      ── Hello ──▶  routes on both sides
//!                                      ◀── Rtp, Rtcp ──▶
//! Unbridge, CloseLeg                   ── Parted ──▶ b has no partner
//! ```
//!
//! Each command concerns the leg of one worker. The two commands of a bridge may arrive in any order, and messages may arrive
//! before or after them: what belongs to another bridge than the present one of the leg has no effect.

use crate::command::{BridgeId, LegKey, WorkerId};
use crate::leg::{Accepted, LegIndex, Relayed};
use offhook_sdp::webrtc::Section;

/// A message to another worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// The leg that it is for.
    pub(crate) to: Address,
    /// The leg that it comes from.
    pub(crate) from: Address,
    pub(crate) bridge: BridgeId,
    pub(crate) message: Message,
}

/// A leg of another worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) worker: WorkerId,
    pub(crate) leg: LegKey,
    /// Where its worker has it, once that is known.
    pub(crate) at: Option<LegIndex>,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The leg has the bridge, and this is what its peer sends. `answer` asks for the same of the other leg.
    Hello { incoming: Vec<Section>, answer: bool },
    /// A packet, opened.
    Rtp { accepted: Accepted, packet: Vec<u8> },
    /// What RTCP of the leg's peer means for the other leg.
    Rtcp(Relayed),
    /// The other leg's peer must send key frames: the receiver has just begun, or lost a picture and may ask once.
    KeyFrames { is_new: bool },
    /// The leg does not have the bridge any more.
    Parted,
}

impl Crossing {
    /// The worker that it is for.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.to.worker
    }

    /// Whether it carries media, which may be lost where a queue is full. All others must arrive.
    #[must_use]
    pub const fn is_media(&self) -> bool {
        matches!(self.message, Message::Rtp { .. } | Message::Rtcp(_))
    }
}
