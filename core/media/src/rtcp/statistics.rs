//! Reception statistics of one source, for receiver reports and for reports of the leg (RFC 3550 §6.4.1, Appendix A).

use super::packet::SenderReport;
use crate::rtp::rewrite::{MAX_DROPOUT, MAX_MISORDER, ticks};
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// A report block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Fraction lost since the last report, in units of 1/256.
    pub fraction_lost: u8,
    /// Cumulative number of packets lost, 24 bits, two's complement.
    pub lost: u32,
    /// Extended highest sequence number received.
    pub highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP timestamp of the last sender report.
    pub last_sr: u32,
    /// Delay since the arrival of that sender report, in 1/65536 s.
    pub delay: u32,
}

/// The meaning of a packet's timestamp for the calculation of jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// It is the sampling time, in units of this clock rate.
    Sampled {
        /// The timestamp.
        timestamp: u32,
        /// The clock rate.
        rate: u32,
    },
    /// It is the beginning of a telephone-event. All packets of the event have the same timestamp (RFC 4733 §2.2.1), so
    /// that it is not used for the jitter.
    OfEvent,
}

/// Totals of received packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceptionTotals {
    /// Packets received.
    pub packets: u64,
    /// Payload octets received.
    pub octets: u64,
    /// Packets expected but not received (RFC 3550 Appendix A.3). Duplicates of a source make up for its losses.
    pub lost: u64,
}

impl ReceptionTotals {
    /// The sums of two totals.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { packets: self.packets + other.packets, octets: self.octets + other.octets, lost: self.lost + other.lost }
    }
}

/// Reception statistics of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reception {
    base: u64,
    highest: u64,
    received: u64,
    octets: u64,
    /// The totals from before the source restarted its sequence numbers.
    before_restart: ReceptionTotals,
    expected_before: u64,
    received_before: u64,
    /// Jitter times 16 (RFC 3550 Appendix A.8), which needs four bits more than a timestamp.
    jitter: u64,
    /// The clock rate of the jitter; 0 until known.
    rate: u32,
    transit: Option<u32>,
    received_at: Time,
    /// The sequence number after that of a packet that is out of range: if it arrives next, the source has restarted.
    stray: Option<u16>,
    sender_report: Option<(u32, Time)>,
}

impl Reception {
    /// Starts with the sequence number of the first packet.
    #[must_use]
    pub fn new(sequence: u16, now: Time) -> Self {
        let base = 0x1_0000 + u64::from(sequence);
        Self {
            base,
            highest: base,
            received: 0,
            octets: 0,
            before_restart: ReceptionTotals::default(),
            expected_before: 0,
            received_before: 0,
            jitter: 0,
            rate: 0,
            transit: None,
            received_at: now,
            stray: None,
            sender_report: None,
        }
    }

    /// Counts a packet that is authentic and not replayed, with this number of payload octets.
    pub fn count(&mut self, sequence: u16, octets: usize, timing: Timing, now: Time) {
        self.received_at = now;
        let ahead = sequence.wrapping_sub((self.highest & 0xffff) as u16);
        if self.received > 0 && ahead >= MAX_DROPOUT && ahead.wrapping_neg() > MAX_MISORDER {
            if self.stray != Some(sequence) {
                self.stray = Some(sequence.wrapping_add(1));
                return;
            }
            let (sender_report, before_restart) = (self.sender_report, self.totals());
            *self = Self { sender_report, before_restart, ..Self::new(sequence, now) };
        }
        self.stray = None;
        self.received += 1;
        self.octets += octets as u64;
        if ahead < 0x8000 && self.received > 1 {
            self.highest += u64::from(ahead);
        }
        if let Timing::Sampled { timestamp, rate } = timing {
            self.update_jitter(timestamp, rate, now);
        }
    }

    /// Updates the interarrival jitter (RFC 3550 §6.4.1, Appendix A.8).
    fn update_jitter(&mut self, timestamp: u32, rate: u32, now: Time) {
        self.rate = rate;
        let arrival = ticks(now.since(Time::EPOCH), rate);
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit {
            let difference = transit.wrapping_sub(before);
            let distance = difference.min(difference.wrapping_neg());
            // A jump in the source's timestamps is not network jitter.
            if distance < rate {
                self.jitter = self.jitter + u64::from(distance) - ((self.jitter + 8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    /// The totals since the first packet.
    #[must_use]
    pub const fn totals(&self) -> ReceptionTotals {
        let lost = self.expected().saturating_sub(self.received);
        self.before_restart.plus(ReceptionTotals { packets: self.received, octets: self.octets, lost })
    }

    /// The interarrival jitter.
    #[must_use]
    pub fn jitter(&self) -> Duration {
        duration_of_ticks(self.jitter >> 4, self.rate)
    }

    const fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }

    /// The arrival time of the last packet.
    #[must_use]
    pub const fn received_at(&self) -> Time {
        self.received_at
    }

    /// Whether packets arrived since the last report.
    #[must_use]
    pub const fn has_new_packets(&self) -> bool {
        self.received > self.received_before
    }

    /// Records the arrival of a sender report.
    pub fn note(&mut self, report: &SenderReport, now: Time) {
        self.sender_report = Some((middle_of(report.ntp), now));
    }

    /// Returns the next report block and starts a new interval.
    pub fn report(&mut self, ssrc: u32, now: Time) -> ReportBlock {
        let expected = self.expected();
        let expected_here = expected - self.expected_before;
        let received_here = self.received - self.received_before;
        let lost_here = expected_here.saturating_sub(received_here);
        (self.expected_before, self.received_before) = (expected, self.received);
        let fraction = (lost_here * 256).checked_div(expected_here).unwrap_or(0);
        let lost = i64::try_from(expected).unwrap_or(i64::MAX) - i64::try_from(self.received).unwrap_or(i64::MAX);
        let (last_sr, delay) = match self.sender_report {
            Some((middle, at)) => (middle, ticks(now.since(at), 65_536)),
            None => (0, 0),
        };
        ReportBlock {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: (lost.clamp(-0x80_0000, 0x7f_ffff) & 0xff_ffff) as u32,
            highest: ((self.highest - 0x1_0000) & u64::from(u32::MAX)) as u32,
            jitter: u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX),
            last_sr,
            delay,
        }
    }
}

/// The middle 32 bits of an NTP timestamp.
#[must_use]
pub const fn middle_of(ntp: u64) -> u32 {
    (ntp >> 16 & u32::MAX as u64) as u32
}

/// Converts a time in units of a clock rate; zero if the rate is zero.
#[must_use]
pub fn duration_of_ticks(ticks: u64, rate: u32) -> Duration {
    Duration::from_micros(ticks.saturating_mul(1_000_000).checked_div(u64::from(rate)).unwrap_or(0))
}

#[cfg(test)]
mod tests;
