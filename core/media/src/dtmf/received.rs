//! Detects the beginning of a digit in received telephone-event packets.
//!
//! By RFC 4733 §2.5.1.2 all packets of an event have the timestamp of its beginning, and the first one has the marker.
//! Some gateways increase the timestamp from packet to packet, others do not change it between two events. Therefore no
//! single field is sufficient: the marker, the E bit, the event and the duration are evaluated together.

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// The largest reordering of packets, in sequence numbers.
const MAX_MISORDER: u16 = 100;
/// The longest pause within one event, even if some packets are lost.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// A duration close to the maximum of the duration field. An event that is longer continues in another segment, with
/// another timestamp (RFC 4733 §2.5.1.3).
const ALMOST_FULL: u16 = 0xf000;

/// A received telephone-event packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedEvent {
    /// The RTP sequence number.
    pub sequence: u16,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The RTP marker.
    pub marker: bool,
    /// The event.
    pub event: u8,
    /// The E bit.
    pub ends: bool,
    /// The duration so far, in timestamp units.
    pub duration: u16,
}

impl ReceivedEvent {
    /// Parses a payload; `None` if it is too short.
    #[must_use]
    pub fn parse(sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Option<Self> {
        let &[event, flags, d0, d1] = payload.first_chunk()?;
        let duration = u16::from_be_bytes([d0, d1]);
        Some(Self { sequence, timestamp, marker, event, ends: flags & 0x80 != 0, duration })
    }
}

/// Detects the events of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    last: Option<(ReceivedEvent, Time)>,
}

impl Events {
    /// Processes a packet and returns whether an event begins with it.
    pub fn begins(&mut self, packet: ReceivedEvent, now: Time) -> bool {
        let Some((last, last_at)) = self.last else {
            self.last = Some((packet, now));
            return true;
        };
        if last.sequence.wrapping_sub(packet.sequence) < MAX_MISORDER {
            return false;
        }
        self.last = Some((packet, now));
        last.event != packet.event || now.since(last_at) > MAX_PAUSE || !goes_on(last, packet)
    }
}

/// Whether a packet continues the event of the previous packet, which has the same digit.
fn goes_on(last: ReceivedEvent, packet: ReceivedEvent) -> bool {
    let is_same_time = last.timestamp == packet.timestamp;
    let passed = packet.timestamp.wrapping_sub(last.timestamp);
    match (last.ends, packet.ends) {
        // The end packet is sent three times. If a sender increases the timestamp, it does so by the time between
        // packets.
        (true, true) => is_same_time || passed <= u32::from(last.duration),
        (true, false) => is_same_time && !packet.marker && packet.duration > last.duration,
        (false, _) if is_same_time => packet.duration >= last.duration,
        (false, _) => last.duration >= ALMOST_FULL || (packet.duration > last.duration && !packet.marker),
    }
}

#[cfg(test)]
mod tests;
