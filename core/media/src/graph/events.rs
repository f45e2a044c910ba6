//! telephone-events (RFC 4733) beside transcoded audio: the duration and the timestamp are converted to the clock rate of the
//! sink. All packets of an event have the same timestamp.

use core::time::Duration;
use offhook_clock::Time;

/// Audio is not sent within this time after a packet of an event, unless the event has ended.
const PAUSE: Duration = Duration::from_millis(100);
const END: u8 = 0x80;

/// Maps the events of one source to a sink.
#[derive(Clone, Debug, Default)]
pub struct EventMapping {
    /// The payload types and clock rates of the source.
    formats: Vec<(u8, u32)>,
    /// The last event: its timestamp at the source and at the sink.
    event: Option<(u32, u32)>,
    /// The time until which the event is considered to last.
    until: Option<Time>,
}

/// An event packet for the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedEvent {
    /// The timestamp of the event.
    pub timestamp: u32,
    /// The payload.
    pub payload: [u8; 4],
    /// Whether it is the first packet of its event.
    pub begins: bool,
}

impl EventMapping {
    /// Creates a mapping for the telephone-event payload types of a source and their clock rates.
    #[must_use]
    pub const fn new(formats: Vec<(u8, u32)>) -> Self {
        Self { formats, event: None, until: None }
    }

    /// Whether a payload type carries events.
    #[must_use]
    pub fn takes(&self, payload_type: u8) -> bool {
        self.formats.iter().any(|(number, _)| *number == payload_type)
    }

    /// Whether an event is being sent.
    #[must_use]
    pub fn is_active(&self, now: Time) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Converts an event packet. `rate` is the clock rate of the sink, and `begin` the timestamp at the sink if the packet is
    /// the first one of its event. Returns `None` if the payload is not an event.
    pub fn map(
        &mut self,
        (payload_type, timestamp): (u8, u32),
        payload: &[u8],
        rate: u32,
        begin: u32,
        now: Time,
    ) -> Option<MappedEvent> {
        let [event, flags, d0, d1] = *payload.first_chunk::<4>()?;
        let from = self.formats.iter().find(|(number, _)| *number == payload_type).map(|(_, rate)| *rate)?;
        let begins = self.event.is_none_or(|(of_source, _)| of_source != timestamp);
        let (_, of_sink) = if begins { *self.event.insert((timestamp, begin)) } else { self.event? };
        let duration = u64::from(u16::from_be_bytes([d0, d1])) * u64::from(rate) / u64::from(from.max(1));
        let [d0, d1] = u16::try_from(duration).unwrap_or(u16::MAX).to_be_bytes();
        self.until = Some(if flags & END == 0 { now + PAUSE } else { now });
        Some(MappedEvent { timestamp: of_sink, payload: [event, flags, d0, d1], begins })
    }
}

#[cfg(test)]
mod tests;
