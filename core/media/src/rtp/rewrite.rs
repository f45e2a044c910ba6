//! Sequence numbers and timestamps of one outgoing stream, mapped from those of its sources.
//!
//! ```text
//!            first packet of a source          packet of the same source
//! Silent ───────────────────────────▶ Following ──────────┐ offset added
//!    ▲                                  │  ▲  └───────────┘
//!    └──────── detach ──────────────────┘  └─ other source: next sequence number, timestamp plus elapsed time
//! ```

use crate::command::LegKey;
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// An SSRC of a leg together with its RTP session, because an SSRC is unique only within one session (RFC 3550 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(u64);

impl SourceId {
    /// A source in one of a leg's sessions: that of a section, or 0 if the sections are bundled in one session.
    #[must_use]
    pub fn new(session: usize, ssrc: u32) -> Self {
        Self((session as u64) << 32 | u64::from(ssrc))
    }

    /// The SSRC.
    #[must_use]
    pub const fn ssrc(self) -> u32 {
        (self.0 & u32::MAX as u64) as u32
    }
}

/// The source whose packets an outgoing stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSource {
    /// The leg of the source.
    pub leg: LegKey,
    /// The SSRC and session of the source.
    pub id: SourceId,
}

/// Source, sequence number and timestamp of an incoming packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The source of the packet.
    pub source: StreamSource,
    /// Its sequence number.
    pub sequence: u16,
    /// Its timestamp.
    pub timestamp: u32,
    /// The clock rate of the timestamp.
    pub rate: u32,
}

/// The largest gap in sequence numbers after a loss, and the largest reordering; beyond these the source has restarted
/// (RFC 3550 Appendix A.1; the reordering limit is larger than there because packets retransmitted after a NACK arrive
/// late).
pub(crate) const MAX_DROPOUT: u16 = 3000;
pub(crate) const MAX_MISORDER: u16 = 1000;
/// The largest difference between timestamp and clock; beyond it the source has restarted.
const MAX_DRIFT: Duration = Duration::from_secs(3);

/// The offsets that are added to the sequence numbers and timestamps of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mapping {
    source: StreamSource,
    sequence: u16,
    timestamp: u32,
    /// The first sequence number of this source that was mapped; older ones would map to numbers that are already used.
    first: u16,
    /// Number of packets mapped since.
    count: u32,
    rate: u32,
    /// The sequence number and timestamp of the newest packet, as the source wrote them, and its arrival time.
    newest: u16,
    newest_timestamp: u32,
    newest_at: Time,
    /// The sequence number after that of a packet that is out of range.
    stray: Option<u16>,
}

/// The relation of an incoming packet to earlier packets.
enum Relation {
    /// It continues the sequence of its source.
    Continues,
    /// It is the first packet of another source, or of the same source after a restart.
    Begins,
    /// It is out of range: ignored, unless the next packet continues from it.
    Strays,
}

impl Mapping {
    fn relation(&self, incoming: &Incoming, now: Time) -> Relation {
        // A source that changes its clock rate starts a new mapping (RFC 7160).
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

    /// Records a packet that may be the newest.
    fn note(&mut self, incoming: &Incoming, now: Time) {
        if incoming.sequence.wrapping_sub(self.newest) < 0x8000 {
            (self.newest, self.newest_timestamp, self.newest_at) = (incoming.sequence, incoming.timestamp, now);
        }
        self.stray = None;
    }
}

/// The sequence number and timestamp of a packet in the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPosition {
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Whether it is the first packet of another source, or of the same source after an interruption.
    pub switched: bool,
}

/// Maps sequence numbers and timestamps into one outgoing stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewriter {
    mapping: Option<Mapping>,
    newest: u16,
    timestamp: u32,
    /// The time at which the newest timestamp was first sent; `None` if nothing was sent.
    sent_at: Option<Time>,
}

impl Rewriter {
    /// Creates a rewriter that starts at the given sequence number and timestamp, which must be unpredictable (RFC 3550
    /// §5.1).
    #[must_use]
    pub const fn new(sequence: u16, timestamp: u32) -> Self {
        // Starts in the lower half of the range, so that the sequence number does not wrap soon. A receiver that misses
        // the first packets would otherwise assume a wrong rollover counter (RFC 3711 §3.3.1).
        Self { mapping: None, newest: sequence & 0x7fff, timestamp, sent_at: None }
    }

    /// Returns the sequence number and timestamp of a packet in the outgoing stream; `None` if it is older than the
    /// first mapped packet of its source, or out of range.
    pub fn place(&mut self, incoming: &Incoming, now: Time) -> Option<StreamPosition> {
        let relation = self.mapping.as_ref().map_or(Relation::Begins, |mapping| mapping.relation(incoming, now));
        let switched = match relation {
            Relation::Continues => false,
            Relation::Begins => {
                self.mapping = Some(self.take_over(incoming, now));
                true
            }
            Relation::Strays => {
                if let Some(mapping) = &mut self.mapping {
                    mapping.stray = Some(incoming.sequence.wrapping_add(1));
                }
                return None;
            }
        };
        let mapping = self.mapping.as_mut()?;
        let is_early = incoming.sequence.wrapping_sub(mapping.first) >= 0x8000;
        if is_early && mapping.count < 0x4000 {
            return None;
        }
        mapping.count = mapping.count.saturating_add(1);
        mapping.note(incoming, now);
        let place = StreamPosition {
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

    /// Records the newest timestamp and the time at which it was first sent. Further packets with the same timestamp do
    /// not change the time, because all packets of a telephone-event have the same timestamp (RFC 4733 §2.2.1).
    fn advance(&mut self, timestamp: u32, now: Time) {
        if self.timestamp != timestamp || self.sent_at.is_none() {
            self.timestamp = timestamp;
            self.sent_at = Some(now);
        }
    }

    /// Closes the gap in sequence numbers for a packet that is not forwarded because the receiver does not support it,
    /// so that the receiver detects no loss. Older packets that have not arrived yet are dropped.
    pub fn skip(&mut self, source: StreamSource, sequence: u16) {
        let Some(mapping) = self.mapping.as_mut().filter(|mapping| mapping.source == source) else { return };
        let ahead = sequence.wrapping_sub(mapping.newest);
        if (1..MAX_DROPOUT).contains(&ahead) {
            mapping.sequence = mapping.sequence.wrapping_sub(1);
            mapping.first = sequence.wrapping_add(1);
            mapping.count = 0;
            // The packet's timestamp is not recorded, because it may use another clock rate than the following packets.
            mapping.newest = sequence;
            mapping.stray = None;
        }
    }

    /// The time at which the newest timestamp was first sent.
    #[must_use]
    pub const fn sent_at(&self) -> Option<Time> {
        self.sent_at
    }

    /// The timestamp of a sample taken now: that of the newest packet plus the time since it was sent.
    #[must_use]
    pub fn timestamp_at(&self, rate: u32, now: Time) -> u32 {
        match self.sent_at {
            Some(sent_at) => self.timestamp.wrapping_add(ticks(now.since(sent_at), rate).max(1)),
            None => self.timestamp,
        }
    }

    /// Returns the next sequence number for a packet that the relay generates, with this timestamp. The next packet of
    /// a source starts a new mapping.
    pub fn insert(&mut self, timestamp: u32, now: Time) -> u16 {
        self.mapping = None;
        self.newest = self.newest.wrapping_add(1);
        self.advance(timestamp, now);
        self.newest
    }

    /// Reserves the time until `at` for generated packets: the next packet of a source has at least this timestamp.
    pub fn reserve(&mut self, timestamp: u32, at: Time) {
        self.mapping = None;
        (self.timestamp, self.sent_at) = (timestamp, Some(at));
    }

    /// Ends the mapping of the current source. The next packet starts a new one.
    pub fn detach(&mut self) {
        self.mapping = None;
    }

    /// The source whose packets are forwarded.
    #[must_use]
    pub fn source(&self) -> Option<StreamSource> {
        self.mapping.map(|mapping| mapping.source)
    }

    /// The source's sequence number that corresponds to an outgoing one.
    #[must_use]
    pub fn sequence_of_source(&self, sequence: u16) -> Option<u16> {
        self.mapping.map(|mapping| sequence.wrapping_sub(mapping.sequence))
    }

    /// The outgoing timestamp that corresponds to a timestamp of this source.
    #[must_use]
    pub fn timestamp_from(&self, source: StreamSource, timestamp: u32) -> Option<u32> {
        let mapping = self.mapping.filter(|mapping| mapping.source == source)?;
        Some(timestamp.wrapping_add(mapping.timestamp))
    }
}

/// Converts a duration to units of a clock rate, modulo 2^32 like an RTP timestamp.
#[must_use]
pub fn ticks(duration: Duration, rate: u32) -> u32 {
    let rate = u64::from(rate);
    // Whole seconds are converted separately, so that the result fits into 64 bits and needs no 128-bit division.
    let ticks =
        duration.as_secs().wrapping_mul(rate).wrapping_add(u64::from(duration.subsec_micros()) * rate / 1_000_000);
    (ticks & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests;
