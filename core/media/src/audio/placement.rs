//! Position of a leg's samples in a recording.
//!
//! A run of samples begins at the position of its arrival time and continues by RTP timestamps. The difference from the
//! arrival times, which grows if the sender's clock differs from the relay's, is bounded: both channels of a recording
//! use the relay's clock.

use super::{DecodedRun, RunPart};
use core::time::Duration;

/// The most by which samples are placed later than they arrived. They are so late if the first packet of the run was
/// delayed by the network.
const MAX_AHEAD: Duration = Duration::from_millis(40);
/// The most by which samples are placed earlier than they arrived: later ones are not written any more.
pub(crate) const MAX_BEHIND: Duration = Duration::from_millis(500);
/// The most by which all samples of an interval are placed earlier than they arrived, and that interval.
const MAX_DRIFT: Duration = Duration::from_millis(60);
const DRIFT_INTERVAL: Duration = Duration::from_secs(5);

/// Assigns positions to the runs of one stream.
#[derive(Debug)]
pub(crate) struct Placement {
    rate: u32,
    /// The position at which the current run begins.
    anchor: i64,
    /// The end of the drift interval, and the position relative to the arrival that was greatest in it.
    measured_until: i64,
    greatest: i64,
}

impl Placement {
    pub(crate) const fn new(rate: u32) -> Self {
        Self { rate, anchor: 0, measured_until: i64::MIN, greatest: i64::MIN }
    }

    /// The number of samples in a duration.
    fn samples(&self, duration: Duration) -> i64 {
        i64::try_from(position(duration, self.rate)).unwrap_or(i64::MAX)
    }

    /// Returns the position of samples that have arrived at this time since the beginning of the recording. It is negative
    /// for samples that were taken before.
    pub(crate) fn place(&mut self, run: &DecodedRun<'_>, arrival: Duration) -> i64 {
        let arrival = self.samples(arrival);
        let offset = i64::try_from(run.offset).unwrap_or(i64::MAX);
        let end = offset.saturating_add(i64::try_from(run.samples.len()).unwrap_or(0));
        // The last sample of a packet is taken just before the packet is sent.
        let lead = self.anchor.saturating_add(end).saturating_sub(arrival);
        if run.part == RunPart::Tail {
            return self.anchor.saturating_add(offset);
        }
        if run.part == RunPart::First || lead > self.samples(MAX_AHEAD) || lead < -self.samples(MAX_BEHIND) {
            self.anchor = arrival.saturating_sub(end);
            self.measure_from(arrival);
        } else if arrival >= self.measured_until {
            if self.greatest < -self.samples(MAX_DRIFT) {
                self.anchor = self.anchor.saturating_sub(self.greatest);
            }
            self.measure_from(arrival);
        } else {
            self.greatest = self.greatest.max(lead);
        }
        self.anchor.saturating_add(offset)
    }

    fn measure_from(&mut self, arrival: i64) {
        self.measured_until = arrival.saturating_add(self.samples(DRIFT_INTERVAL));
        self.greatest = i64::MIN;
    }
}

/// The number of samples in a duration.
pub(crate) fn position(duration: Duration, rate: u32) -> u64 {
    let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    microseconds.saturating_mul(u64::from(rate)) / 1_000_000
}

#[cfg(test)]
mod tests;
