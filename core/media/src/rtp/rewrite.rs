//! The relay's own sequence and timestamp space of one outgoing stream.
//!
//! ```text
//!            first packet of a source          packet of the same source
//! Silent ───────────────────────────▶ Following ──────────┐ offset added
//!    ▲                                  │  ▲  └───────────┘
//!    └──────── detach ──────────────────┘  └─ other source: next number, real time has passed
//! ```

use crate::command::LegKey;
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// Whose packets an outgoing stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The leg they come from.
    pub leg: LegKey,
    /// Their SSRC there.
    pub ssrc: u32,
}

/// What is added to a source's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mapping {
    source: Source,
    sequence: u16,
    timestamp: u32,
    /// The first number of this source that was mapped; older ones would fall on numbers already used.
    first: u16,
    /// Packets mapped since.
    count: u32,
}

/// A packet's place in the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Whether it is the first of its source.
    pub switched: bool,
}

/// The numbers of one outgoing stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewriter {
    mapping: Option<Mapping>,
    newest: u16,
    timestamp: u32,
    /// When the newest packet left; nothing was sent before.
    sent_at: Option<Time>,
}

impl Rewriter {
    /// Starts at numbers that nobody can guess (RFC 3550 §5.1).
    #[must_use]
    pub const fn new(sequence: u16, timestamp: u32) -> Self {
        // Half the space stays free, so that the first packets do not wrap the rollover counter (RFC 3711 §3.3.1).
        Self { mapping: None, newest: sequence & 0x7fff, timestamp, sent_at: None }
    }

    /// A packet's place, unless it is older than the point where its source took over.
    pub fn place(&mut self, source: Source, sequence: u16, timestamp: u32, rate: u32, now: Time) -> Option<Place> {
        let (mut mapping, switched) = match self.mapping {
            Some(mapping) if mapping.source == source => (mapping, false),
            Some(_) | None => (self.take_over(source, sequence, timestamp, rate, now), true),
        };
        let is_early = sequence.wrapping_sub(mapping.first) >= 0x8000;
        if is_early && mapping.count < 0x4000 {
            return None;
        }
        mapping.count = mapping.count.saturating_add(1);
        self.mapping = Some(mapping);
        let place = Place {
            sequence: sequence.wrapping_add(mapping.sequence),
            timestamp: timestamp.wrapping_add(mapping.timestamp),
            switched,
        };
        if switched || place.sequence.wrapping_sub(self.newest) < 0x8000 {
            self.newest = place.sequence;
            self.timestamp = place.timestamp;
            self.sent_at = Some(now);
        }
        Some(place)
    }

    fn take_over(&self, source: Source, sequence: u16, timestamp: u32, rate: u32, now: Time) -> Mapping {
        Mapping {
            source,
            sequence: self.newest.wrapping_add(1).wrapping_sub(sequence),
            timestamp: self.timestamp_at(rate, now).wrapping_sub(timestamp),
            first: sequence,
            count: 0,
        }
    }

    /// The timestamp of something sampled now: real time has passed since the newest packet.
    #[must_use]
    pub fn timestamp_at(&self, rate: u32, now: Time) -> u32 {
        match self.sent_at {
            Some(sent_at) => self.timestamp.wrapping_add(ticks(now.since(sent_at), rate).max(1)),
            None => self.timestamp,
        }
    }

    /// The next number for a packet that the relay makes itself, of this timestamp. The source, if any, takes over anew.
    pub fn insert(&mut self, timestamp: u32, now: Time) -> u16 {
        self.mapping = None;
        self.newest = self.newest.wrapping_add(1);
        if self.timestamp != timestamp || self.sent_at.is_none() {
            self.timestamp = timestamp;
            self.sent_at = Some(now);
        }
        self.newest
    }

    /// Nobody's packets are carried from now on.
    pub fn detach(&mut self) {
        self.mapping = None;
    }

    /// Whose packets are carried.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        self.mapping.map(|mapping| mapping.source)
    }

    /// The source's number that an outgoing number stands for.
    #[must_use]
    pub fn sequence_of_source(&self, sequence: u16) -> Option<u16> {
        self.mapping.map(|mapping| sequence.wrapping_sub(mapping.sequence))
    }

    /// A timestamp of this source in the outgoing stream.
    #[must_use]
    pub fn timestamp_from(&self, source: Source, timestamp: u32) -> Option<u32> {
        let mapping = self.mapping.filter(|mapping| mapping.source == source)?;
        Some(timestamp.wrapping_add(mapping.timestamp))
    }
}

/// A duration in units of a clock rate, as an RTP timestamp counts: modulo 2^32.
#[must_use]
pub fn ticks(duration: Duration, rate: u32) -> u32 {
    let ticks = duration.as_micros().wrapping_mul(u128::from(rate)) / 1_000_000;
    u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
