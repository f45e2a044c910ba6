//! Probation of a sender: whether its packets look like one RTP stream (RFC 3550 A.1).

use super::Received;
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The largest step between two packets that count as one stream. Loss of 40 % and pauses in speech stay below it.
const MAX_STEP: u16 = 100;
/// What a stream must be like that nothing speaks for but itself: that many packets in real time, over that long, without a
/// pause. A sweep over many ports sends to each port in bursts.
const STEADY_PACKETS: u8 = 10;
const STEADY_FOR: Duration = Duration::from_millis(500);
const STEADY_PAUSE: Duration = Duration::from_millis(200);

/// A sender on probation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    /// The highest sequence number.
    sequence: u16,
    packets: u8,
    /// Since when its packets have come without a pause.
    steady_since: Time,
    steady_packets: u8,
    heard_at: Time,
}

impl Candidate {
    /// A sender with its first packet.
    pub(super) const fn new(packet: Received, now: Time) -> Self {
        let Received { from, ssrc, sequence } = packet;
        Self { from, ssrc, sequence, packets: 1, steady_since: now, steady_packets: 1, heard_at: now }
    }

    /// The sender after another packet; `None` if that begins another stream. A packet that was overtaken, or comes twice,
    /// counts neither for nor against it.
    pub(super) fn next(self, packet: Received, now: Time) -> Option<Self> {
        let sequence = packet.sequence;
        if (self.from, self.ssrc) != (packet.from, packet.ssrc) {
            return None;
        }
        if is_little_ahead(sequence.wrapping_sub(1), self.sequence, MAX_STEP) {
            return Some(self);
        }
        let is_next = is_little_ahead(self.sequence, sequence, MAX_STEP);
        let is_paused = now.since(self.heard_at) > STEADY_PAUSE;
        is_next.then(|| Self {
            sequence,
            packets: self.packets.saturating_add(1),
            steady_since: if is_paused { now } else { self.steady_since },
            steady_packets: if is_paused { 1 } else { self.steady_packets.saturating_add(1) },
            heard_at: now,
            ..self
        })
    }

    /// How many packets in order have come.
    pub(super) const fn packets(&self) -> u8 {
        self.packets
    }

    /// Whether it sends in real time.
    pub(super) fn is_steady(&self) -> bool {
        self.steady_packets >= STEADY_PACKETS && self.heard_at.since(self.steady_since) >= STEADY_FOR
    }
}

/// Whether a sequence number comes after another one, by no more than `most`.
pub(super) const fn is_little_ahead(before: u16, sequence: u16, most: u16) -> bool {
    let step = sequence.wrapping_sub(before);
    step >= 1 && step <= most
}
