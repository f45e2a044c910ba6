//! Which telephone-event packets begin a digit.
//!
//! By RFC 4733 §2.5.1.2 all packets of an event have the timestamp of its beginning, and the first one the marker. Gateways
//! exist that count the timestamp on from packet to packet, and others whose timestamp stands still between two events. Hence
//! no single field decides: the marker, the E bit, the event and the duration are looked at together.

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// How far a packet may be overtaken.
const MAX_MISORDER: u16 = 100;
/// Within one event there are no longer pauses, even if some packets get lost.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// An event longer than the duration field can say goes on as another segment (RFC 4733 §2.5.1.3); a packet before that.
const ALMOST_FULL: u16 = 0xf000;

/// A telephone-event packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
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
    /// The duration so far.
    pub duration: u16,
}

impl Received {
    /// Reads a payload; `None` if it is too short.
    #[must_use]
    pub fn parse(sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Option<Self> {
        let &[event, flags, d0, d1] = payload.first_chunk()?;
        let duration = u16::from_be_bytes([d0, d1]);
        Some(Self { sequence, timestamp, marker, event, ends: flags & 0x80 != 0, duration })
    }
}

/// The events of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    last: Option<(Received, Time)>,
}

impl Events {
    /// Takes a packet; whether an event begins with it.
    pub fn begins(&mut self, packet: Received, now: Time) -> bool {
        let Some((last, heard_at)) = self.last else {
            self.last = Some((packet, now));
            return true;
        };
        if last.sequence.wrapping_sub(packet.sequence) < MAX_MISORDER {
            return false;
        }
        self.last = Some((packet, now));
        last.event != packet.event || now.since(heard_at) > MAX_PAUSE || !goes_on(last, packet)
    }
}

/// Whether a packet belongs to the event of the packet before, which is the same digit.
fn goes_on(last: Received, packet: Received) -> bool {
    let is_same_time = last.timestamp == packet.timestamp;
    let passed = packet.timestamp.wrapping_sub(last.timestamp);
    match (last.ends, packet.ends) {
        // The end is sent three times. A timestamp that counts on does so by the time between packets.
        (true, true) => is_same_time || passed <= u32::from(last.duration),
        (true, false) => is_same_time && !packet.marker && packet.duration > last.duration,
        (false, _) if is_same_time => packet.duration >= last.duration,
        (false, _) => last.duration >= ALMOST_FULL || (packet.duration > last.duration && !packet.marker),
    }
}

#[cfg(test)]
mod tests;
