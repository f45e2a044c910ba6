//! Probation of a sender: checks that its packets form one RTP stream (RFC 3550 A.1).

use super::ReceivedPacket;
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The largest sequence number step within one stream. Loss of 40 % and pauses in speech stay below it.
const MAX_STEP: u16 = 100;
/// Requirements for a source without evidence: the number of packets, the duration of the stream, and the longest
/// pause. A port scan sends to each port in bursts and does not meet them.
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
    /// Start of the current period without a pause.
    steady_since: Time,
    steady_packets: u8,
    received_at: Time,
}

impl Candidate {
    /// Starts the probation of a sender with its first packet.
    pub(super) const fn new(packet: ReceivedPacket, now: Time) -> Self {
        let ReceivedPacket { from, ssrc, sequence } = packet;
        Self { from, ssrc, sequence, packets: 1, steady_since: now, steady_packets: 1, received_at: now }
    }

    /// Returns the sender's state after another packet; `None` if the packet begins another stream. A reordered or
    /// duplicate packet has no effect.
    pub(super) fn next(self, packet: ReceivedPacket, now: Time) -> Option<Self> {
        let sequence = packet.sequence;
        if (self.from, self.ssrc) != (packet.from, packet.ssrc) {
            return None;
        }
        if is_little_ahead(sequence.wrapping_sub(1), self.sequence, MAX_STEP) {
            return Some(self);
        }
        let is_next = is_little_ahead(self.sequence, sequence, MAX_STEP);
        let is_paused = now.since(self.received_at) > STEADY_PAUSE;
        is_next.then(|| Self {
            sequence,
            packets: self.packets.saturating_add(1),
            steady_since: if is_paused { now } else { self.steady_since },
            steady_packets: if is_paused { 1 } else { self.steady_packets.saturating_add(1) },
            received_at: now,
            ..self
        })
    }

    /// The number of packets received in order.
    pub(super) const fn packets(&self) -> u8 {
        self.packets
    }

    /// Whether the sender sends in real time.
    pub(super) fn is_steady(&self) -> bool {
        self.steady_packets >= STEADY_PACKETS && self.received_at.since(self.steady_since) >= STEADY_FOR
    }
}

/// Whether a sequence number is ahead of another one by at most `most`.
pub(super) const fn is_little_ahead(before: u16, sequence: u16, most: u16) -> bool {
    let step = sequence.wrapping_sub(before);
    step >= 1 && step <= most
}
