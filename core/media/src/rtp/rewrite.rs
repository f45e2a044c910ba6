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

/// An SSRC of a leg and the RTP session it is in: a number means something within one session only (RFC 3550 §3). A
/// browser bundles its streams into one session; a SIP peer has one for each section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(u64);

impl SourceId {
    /// In a browser's session.
    #[must_use]
    pub fn bundled(ssrc: u32) -> Self {
        Self(u64::from(ssrc))
    }

    /// In the session of a SIP peer's section.
    #[must_use]
    pub fn of_section(section: usize, ssrc: u32) -> Self {
        Self((section as u64) << 32 | u64::from(ssrc))
    }

    /// The SSRC.
    #[must_use]
    pub const fn ssrc(self) -> u32 {
        (self.0 & u32::MAX as u64) as u32
    }
}

/// Whose packets an outgoing stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The leg they come from.
    pub leg: LegKey,
    /// Which SSRC there.
    pub id: SourceId,
}

/// What an incoming packet says of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Whose it is.
    pub source: Source,
    /// Its sequence number.
    pub sequence: u16,
    /// Its timestamp.
    pub timestamp: u32,
    /// What the timestamp counts in.
    pub rate: u32,
}

/// A source may be this far ahead in sequence numbers after a loss, and its packets this late; else it has begun anew
/// (RFC 3550 Appendix A.1, but video repaired by NACK is later than what was thought of there).
pub(crate) const MAX_DROPOUT: u16 = 3000;
pub(crate) const MAX_MISORDER: u16 = 1000;
/// How far timestamp and clock may part before the source must have begun anew.
const MAX_DRIFT: Duration = Duration::from_secs(3);

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
    rate: u32,
    /// The newest packet's numbers, as the source wrote them, and when it came.
    newest: u16,
    newest_timestamp: u32,
    newest_at: Time,
    /// The number after that of a packet that fits nowhere.
    stray: Option<u16>,
}

/// How an incoming packet stands to the packets of before.
enum Relation {
    /// It goes on where its source was.
    Continues,
    /// Another source, or the same one begins anew.
    Begins,
    /// Far from all others: a leftover, unless the next one follows it.
    Strays,
}

impl Mapping {
    fn relation(&self, incoming: &Incoming, now: Time) -> Relation {
        // A source that changes its clock rate begins anew (RFC 7160).
        if self.source != incoming.source || self.rate != incoming.rate {
            return Relation::Begins;
        }
        let ahead = incoming.sequence.wrapping_sub(self.newest);
        if ahead >= MAX_DROPOUT && ahead.wrapping_neg() > MAX_MISORDER {
            return if self.stray == Some(incoming.sequence) { Relation::Begins } else { Relation::Strays };
        }
        let expected = self.newest_timestamp.wrapping_add(ticks(now.since(self.newest_at), self.rate));
        let apart = incoming.timestamp.wrapping_sub(expected);
        let drift = u64::from(apart.min(apart.wrapping_neg()));
        if drift > MAX_DRIFT.as_secs() * u64::from(self.rate) { Relation::Begins } else { Relation::Continues }
    }

    /// Notes a packet that may be the newest.
    fn note(&mut self, incoming: &Incoming, now: Time) {
        if incoming.sequence.wrapping_sub(self.newest) < 0x8000 {
            (self.newest, self.newest_timestamp, self.newest_at) = (incoming.sequence, incoming.timestamp, now);
        }
        self.stray = None;
    }
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
    pub fn place(&mut self, incoming: &Incoming, now: Time) -> Option<Place> {
        let (mut mapping, switched) = match &mut self.mapping {
            None => (self.take_over(incoming, now), true),
            Some(mapping) => match mapping.relation(incoming, now) {
                Relation::Continues => (*mapping, false),
                Relation::Begins => (self.take_over(incoming, now), true),
                Relation::Strays => {
                    mapping.stray = Some(incoming.sequence.wrapping_add(1));
                    return None;
                }
            },
        };
        let is_early = incoming.sequence.wrapping_sub(mapping.first) >= 0x8000;
        if is_early && mapping.count < 0x4000 {
            return None;
        }
        mapping.count = mapping.count.saturating_add(1);
        mapping.note(incoming, now);
        self.mapping = Some(mapping);
        let place = Place {
            sequence: incoming.sequence.wrapping_add(mapping.sequence),
            timestamp: incoming.timestamp.wrapping_add(mapping.timestamp),
            switched,
        };
        if switched || place.sequence.wrapping_sub(self.newest) < 0x8000 {
            self.newest = place.sequence;
            self.advance(place.timestamp, now);
        }
        Some(place)
    }

    fn take_over(&self, incoming: &Incoming, now: Time) -> Mapping {
        Mapping {
            source: incoming.source,
            sequence: self.newest.wrapping_add(1).wrapping_sub(incoming.sequence),
            timestamp: self.timestamp_at(incoming.rate, now).wrapping_sub(incoming.timestamp),
            first: incoming.sequence,
            count: 0,
            rate: incoming.rate,
            newest: incoming.sequence,
            newest_timestamp: incoming.timestamp,
            newest_at: now,
            stray: None,
        }
    }

    /// Time counts from the first packet of a timestamp: an event of seconds bears but one (RFC 4733 §2.2.1).
    fn advance(&mut self, timestamp: u32, now: Time) {
        if self.timestamp != timestamp || self.sent_at.is_none() {
            self.timestamp = timestamp;
            self.sent_at = Some(now);
        }
    }

    /// A packet of the source is not passed on, because the receiver does not understand it: the numbers close up, so that
    /// nothing seems lost. What is older and still under way is.
    pub fn skip(&mut self, source: Source, sequence: u16) {
        let Some(mapping) = self.mapping.as_mut().filter(|mapping| mapping.source == source) else { return };
        let ahead = sequence.wrapping_sub(mapping.newest);
        if (1..MAX_DROPOUT).contains(&ahead) {
            mapping.sequence = mapping.sequence.wrapping_sub(1);
            mapping.first = sequence.wrapping_add(1);
            mapping.count = 0;
            // Its timestamp says nothing of those to come: it may count by another clock.
            mapping.newest = sequence;
            mapping.stray = None;
        }
    }

    /// When the newest timestamp was first sent.
    #[must_use]
    pub const fn sent_at(&self) -> Option<Time> {
        self.sent_at
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
        self.advance(timestamp, now);
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
    let rate = u64::from(rate);
    // Whole seconds count whole ticks, so that nothing exceeds 64 bits and no division of 128 bits is needed.
    let ticks =
        duration.as_secs().wrapping_mul(rate).wrapping_add(u64::from(duration.subsec_micros()) * rate / 1_000_000);
    (ticks & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests;
