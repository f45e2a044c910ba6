//! Adaptive jitter buffer in front of a decoder: orders the packets of one source, and determines when each is due.
//!
//! ```text
//! packet ──▶ in order ──▶ next due packet, loss, or nothing ──▶ decoder ──▶ stretched by `correction`
//!    └─ transit time ──▶ jitter ──▶ target delay ──────────────────────────────┘
//! ```
//!
//! The delay of a packet is the time between its earliest possible arrival and its play-out. The earliest possible
//! arrival follows from its timestamp and the shortest transit time of the last seconds, so that a difference between the
//! clocks of the sender and the relay is compensated as well. The target is the jitter that 97 % of the packets do not exceed.

use crate::rtp::rewrite::{MAX_MISORDER, ticks};
use core::time::Duration;
use offhook_clock::Time;
use std::collections::VecDeque;

/// The delay without jitter.
pub const SHORTEST_DELAY: Duration = Duration::from_millis(20);
/// The largest target, and the most media that are stored.
pub const LONGEST_DELAY: Duration = Duration::from_millis(240);
/// The most packets that are stored.
const MOST_PACKETS: usize = 64;
/// The most payload buffers that are kept for further packets.
const MOST_SPARE: usize = 8;
/// The difference between delay and target that is not corrected.
const TOLERANCE: Duration = Duration::from_millis(15);
/// The width of a class of the histogram of the jitter, in µs.
const CLASS: i64 = 5000;
const CLASSES: usize = 48;
/// The share of the packets that arrive in time.
const QUANTILE: f32 = 0.97;
/// The weight of the last packet in the histogram, after the first packets.
const WEIGHT: f32 = 0.005;
/// The time after which a shortest transit time is forgotten: once to twice this duration.
const WINDOW: Duration = Duration::from_secs(4);
/// A larger difference between the transit times of two packets, in µs, is a step of the timestamp.
const LARGEST_STEP: u64 = 1_000_000;
/// A larger step of the timestamp is not a loss, but a new beginning.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// A packet that is received from a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivingPacket<'a> {
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The payload type.
    pub payload_type: u8,
    /// The payload without padding.
    pub payload: &'a [u8],
}

/// A packet in the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferedPacket {
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The payload type.
    pub payload_type: u8,
    /// The payload without padding.
    pub payload: Vec<u8>,
}

/// The input of a decoder that needs samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextPacket {
    /// The next packet.
    Due(BufferedPacket),
    /// The packets before the next one were lost or not sent.
    Lost {
        /// The duration that is missing, in timestamp units.
        units: u32,
    },
    /// No packet has arrived.
    Empty,
}

/// The change of the play-out that brings the delay closer to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// The delay is right.
    None,
    /// The delay is too long: play faster.
    Shorten,
    /// The delay is too short: play more slowly.
    Lengthen,
}

/// The jitter buffer of one source with one clock rate.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    rate: u32,
    packets: VecDeque<BufferedPacket>,
    /// The sequence number and timestamp after the last packet that was taken.
    expected: Option<(u16, u32)>,
    transit: Transit,
    target: Duration,
    /// The delay of the last packet that was taken.
    delay: Duration,
    late: u64,
    /// Payload buffers of packets that were taken.
    spare: Vec<Vec<u8>>,
}

impl JitterBuffer {
    /// Creates an empty buffer for a clock rate.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        Self {
            rate: rate.max(1),
            packets: VecDeque::new(),
            expected: None,
            transit: Transit::default(),
            target: SHORTEST_DELAY,
            delay: Duration::ZERO,
            late: 0,
            spare: Vec::new(),
        }
    }

    /// The clock rate.
    #[must_use]
    pub const fn rate(&self) -> u32 {
        self.rate
    }

    /// The present target of the delay.
    #[must_use]
    pub const fn target(&self) -> Duration {
        self.target
    }

    /// The delay of the last packet that was taken.
    #[must_use]
    pub const fn delay(&self) -> Duration {
        self.delay
    }

    /// The number of packets that arrived after they were due.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Whether it contains no packet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Stores a packet. Late and repeated packets are dropped. If the buffer is full, the oldest packet is dropped.
    pub fn insert(&mut self, arriving: ArrivingPacket<'_>, now: Time) {
        let ArrivingPacket { sequence, timestamp, payload_type, payload } = arriving;
        let jitter = self.transit.observe(timestamp, self.rate, now);
        self.target = jitter.clamp(SHORTEST_DELAY, LONGEST_DELAY);
        if let Some((expected, _)) = self.expected
            && precedes(sequence, expected)
        {
            if expected.wrapping_sub(sequence) <= MAX_MISORDER {
                self.late += 1;
                return;
            }
            // The source has restarted.
            self.packets.clear();
            self.expected = None;
        }
        let place = self.packets.iter().rposition(|known| !precedes(sequence, known.sequence));
        if place.and_then(|place| self.packets.get(place)).is_some_and(|known| known.sequence == sequence) {
            return;
        }
        let mut stored = self.spare.pop().unwrap_or_default();
        stored.clear();
        stored.extend_from_slice(payload);
        let packet = BufferedPacket { sequence, timestamp, payload_type, payload: stored };
        self.packets.insert(place.map_or(0, |place| place + 1), packet);
        while self.packets.len() > MOST_PACKETS || self.stored() > ticks(LONGEST_DELAY, self.rate) {
            self.drop_oldest();
        }
    }

    /// The timestamp units between the oldest and the newest packet.
    fn stored(&self) -> u32 {
        match (self.packets.front(), self.packets.back()) {
            (Some(first), Some(last)) => last.timestamp.wrapping_sub(first.timestamp),
            _ => 0,
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(packet) = self.packets.pop_front() {
            self.recycle(packet);
        }
        self.expected = self.packets.front().map(|first| (first.sequence, first.timestamp));
    }

    /// The oldest packet, which remains in the buffer.
    #[must_use]
    pub fn peek(&self) -> Option<&BufferedPacket> {
        self.packets.front()
    }

    /// Takes the next packet. `concealed` is the number of timestamp units that were played since the last packet without one.
    /// After [`NextPacket::Lost`], the next call returns the packet after the gap.
    pub fn take(&mut self, concealed: u32, now: Time) -> NextPacket {
        let Some(first) = self.packets.front() else { return NextPacket::Empty };
        if let Some((sequence, timestamp)) = self.expected
            && (first.sequence != sequence || first.timestamp != timestamp)
        {
            let gap = first.timestamp.wrapping_sub(timestamp);
            self.expected = Some((first.sequence, first.timestamp));
            let missing = gap.saturating_sub(concealed);
            if gap <= ticks(LONGEST_GAP, self.rate) && missing > 0 {
                return NextPacket::Lost { units: missing };
            }
        }
        let Some(packet) = self.packets.pop_front() else { return NextPacket::Empty };
        self.delay = self.transit.delay(packet.timestamp, self.rate, now);
        NextPacket::Due(packet)
    }

    /// Records the duration of the packet that was taken last, in timestamp units, and takes its buffer back. The packet
    /// after it is expected then.
    pub fn played(&mut self, packet: BufferedPacket, units: u32) {
        self.expected = Some((packet.sequence.wrapping_add(1), packet.timestamp.wrapping_add(units)));
        self.recycle(packet);
    }

    fn recycle(&mut self, packet: BufferedPacket) {
        if self.spare.len() < MOST_SPARE {
            self.spare.push(packet.payload);
        }
    }

    /// The correction after the last packet that was taken.
    #[must_use]
    pub fn correction(&self) -> Correction {
        if self.delay > self.target + TOLERANCE {
            Correction::Shorten
        } else if self.delay + TOLERANCE < self.target {
            Correction::Lengthen
        } else {
            Correction::None
        }
    }
}

/// Whether a sequence number is before another.
const fn precedes(sequence: u16, other: u16) -> bool {
    sequence.wrapping_sub(other) >= 0x8000
}

/// The transit times of packets, relative to the first one.
#[derive(Clone, Debug)]
struct Transit {
    first: Option<(u32, Time)>,
    /// The last timestamp minus the first one, which may exceed the range of timestamps.
    last: i64,
    /// The last transit time.
    newest: i64,
    /// The shortest transit times, in µs, of the present and the previous window.
    shortest: [i64; 2],
    window_ends: Time,
    /// The weights of the classes of the jitter.
    classes: [f32; CLASSES],
    count: u32,
}

impl Default for Transit {
    fn default() -> Self {
        let (shortest, classes) = ([i64::MAX; 2], [0.0; CLASSES]);
        Self { first: None, last: 0, newest: 0, shortest, window_ends: Time::EPOCH, classes, count: 0 }
    }
}

impl Transit {
    /// The time from the first packet to a timestamp, in µs of the sender's clock.
    fn sent_at(&self, timestamp: u32, rate: u32) -> i64 {
        let Some((first, _)) = self.first else { return 0 };
        let last = (self.last & i64::from(u32::MAX)) as u32;
        // The difference to the last timestamp, which is at most half of the range in either direction.
        let step = timestamp.wrapping_sub(first).wrapping_sub(last).cast_signed();
        (self.last + i64::from(step)) * 1_000_000 / i64::from(rate)
    }

    fn arrived_at(&self, now: Time) -> i64 {
        let since = self.first.map_or(Duration::ZERO, |(_, at)| now.since(at));
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// Records the arrival of a packet; returns the jitter that most packets do not exceed. If the timestamp has made a
    /// step that time has not, the transit times before are forgotten.
    fn observe(&mut self, timestamp: u32, rate: u32, now: Time) -> Duration {
        let mut transit = self.arrived_at(now) - self.sent_at(timestamp, rate);
        if self.first.is_some() && transit.abs_diff(self.newest) > LARGEST_STEP {
            *self = Self::default();
            transit = 0;
        }
        let (first, _) = *self.first.get_or_insert((timestamp, now));
        self.newest = transit;
        let last = (self.last & i64::from(u32::MAX)) as u32;
        self.last += i64::from(timestamp.wrapping_sub(first).wrapping_sub(last).cast_signed());
        if now >= self.window_ends {
            let [present, _] = self.shortest;
            self.shortest = [i64::MAX, present];
            self.window_ends = now + WINDOW;
        }
        let [present, previous] = &mut self.shortest;
        *present = transit.min(*present);
        let jitter = transit - (*present).min(*previous);
        let class = usize::try_from(jitter / CLASS).unwrap_or(0).min(CLASSES - 1);
        self.count = self.count.saturating_add(1);
        let weight = WEIGHT.max(1.0 / self.count as f32);
        for (index, value) in self.classes.iter_mut().enumerate() {
            *value *= 1.0 - weight;
            if index == class {
                *value += weight;
            }
        }
        self.quantile()
    }

    fn quantile(&self) -> Duration {
        let mut sum = 0.0;
        let found = self.classes.iter().position(|value| {
            sum += value;
            sum >= QUANTILE
        });
        let class = i64::try_from(found.unwrap_or(CLASSES - 1)).unwrap_or(0);
        Duration::from_micros(((class + 1) * CLASS).unsigned_abs())
    }

    /// The time since a packet with this timestamp could have arrived at the earliest.
    fn delay(&self, timestamp: u32, rate: u32, now: Time) -> Duration {
        let [present, previous] = self.shortest;
        let earliest = self.sent_at(timestamp, rate).saturating_add(present.min(previous));
        Duration::from_micros(u64::try_from(self.arrived_at(now).saturating_sub(earliest)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
