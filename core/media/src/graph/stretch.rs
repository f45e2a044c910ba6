//! Time stretching: removes or inserts one pitch period, so that the play-out of a jitter buffer becomes faster or slower
//! without a gap.

use super::pitch::{cross_fade, period};

/// The least correlation of two periods that are joined.
const LEAST_CORRELATION: f32 = 0.8;
/// Below this mean amplitude a signal counts as silence, in which any period may be used.
const SILENCE: i64 = 60;

/// The period at the end of the signal that can be removed or inserted without being noticed.
fn suitable(samples: &[i16], rate: u32) -> Option<usize> {
    let recent = samples.get(samples.len().checked_sub(rate as usize / 50)?..)?;
    let period = period(recent, rate)?;
    let sum: i64 = recent.iter().map(|sample| i64::from(*sample).abs()).sum();
    let is_silent = sum < SILENCE * i64::try_from(recent.len()).unwrap_or(1);
    (is_silent || period.correlation >= LEAST_CORRELATION).then_some(period.samples)
}

/// Removes one period from the last 20 ms; returns the number of samples that were removed.
pub fn shorten(samples: &mut Vec<i16>, rate: u32) -> usize {
    let Some(length) = suitable(samples, rate) else { return 0 };
    let (first, second) = (samples.len() - 2 * length, samples.len() - length);
    let mut joined = Vec::with_capacity(length);
    cross_fade(samples.get(first..second).unwrap_or_default(), samples.get(second..).unwrap_or_default(), &mut joined);
    samples.truncate(first);
    samples.append(&mut joined);
    length
}

/// Repeats one period of the last 20 ms; returns the number of samples that were inserted.
pub fn lengthen(samples: &mut Vec<i16>, rate: u32) -> usize {
    let Some(length) = suitable(samples, rate) else { return 0 };
    let (first, second) = (samples.len() - 2 * length, samples.len() - length);
    let last = samples.get(second..).unwrap_or_default().to_vec();
    let mut joined = Vec::with_capacity(length);
    cross_fade(&last, samples.get(first..second).unwrap_or_default(), &mut joined);
    samples.truncate(second);
    samples.append(&mut joined);
    samples.extend_from_slice(&last);
    length
}

#[cfg(test)]
mod tests;
