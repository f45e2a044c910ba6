//! Conversion of sample rates with a polyphase filter.

use core::f64::consts::PI;

/// Half the length of the filter, in samples of the lower rate. It determines the width of the transition band, which is
/// 0.3 of half the lower rate.
const CROSSINGS: usize = 12;
/// The same for continuous audio, whose transition band is half as wide.
const STREAMING_CROSSINGS: usize = 24;
/// The middle of the transition band as a fraction of half the lower rate.
const CUTOFF: f64 = 0.92;
/// The shape of the Kaiser window: 60 dB of attenuation.
const SHAPE: f64 = 5.65;

/// Converts 16-bit mono samples from one rate to another.
#[derive(Debug)]
pub struct Resampler {
    /// The ratio of the rates in lowest terms: `up` output samples for `down` input samples.
    up: usize,
    down: usize,
    /// Filter coefficients per output phase.
    taps: usize,
    coefficients: Vec<f32>,
    /// Input that is still needed.
    input: Vec<f32>,
    /// Index in `input` of the first coefficient for the next output sample, and the phase of that sample.
    next: usize,
    phase: usize,
}

impl Resampler {
    /// Creates a resampler between two rates, which are not zero. The output begins at the time of the first input sample;
    /// its end follows when later samples are processed, or with [`Resampler::finish`].
    #[must_use]
    pub fn new(from: u32, to: u32) -> Self {
        Self::with_filter(from, to, CROSSINGS)
    }

    fn with_filter(from: u32, to: u32, crossings: usize) -> Self {
        let (from, to) = (from.max(1) as usize, to.max(1) as usize);
        let divisor = greatest_common_divisor(from, to);
        let (up, down) = (to / divisor, from / divisor);
        if up == down {
            return Self { up, down, taps: 0, coefficients: Vec::new(), input: Vec::new(), next: 0, phase: 0 };
        }
        // A lower output rate needs a longer filter, because its cutoff frequency is lower.
        let taps = 2 * (crossings * down.max(up)).div_ceil(up);
        let input = vec![0.0; taps / 2 - 1];
        Self { up, down, taps, coefficients: coefficients(up, down, taps), input, next: 0, phase: 0 }
    }

    /// Creates a resampler for continuous audio: every block of input yields output of the same duration at once. The
    /// output is delayed by half the filter, 3 ms at 8 kHz.
    #[must_use]
    pub fn streaming(from: u32, to: u32) -> Self {
        let mut resampler = Self::with_filter(from, to, STREAMING_CROSSINGS);
        resampler.input.resize(resampler.taps.saturating_sub(1), 0.0);
        resampler
    }

    /// Appends the samples in the output rate.
    pub fn process(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        if self.up == self.down {
            return out.extend_from_slice(samples);
        }
        self.input.extend(samples.iter().map(|sample| f32::from(*sample)));
        while let Some(window) = self.input.get(self.next..self.next + self.taps) {
            let row = self.coefficients.get(self.phase * self.taps..).unwrap_or(&[]);
            let sum = weighted_sum(row, window);
            #[expect(clippy::cast_possible_truncation, reason = "the conversion saturates")]
            out.push(sum.round() as i16);
            self.phase += self.down;
            self.next += self.phase / self.up;
            self.phase %= self.up;
        }
        let used = self.next.min(self.input.len());
        self.input.drain(..used);
        self.next -= used;
    }

    /// Appends the end of the output, as if silence followed. The next output begins at the time of the next input
    /// sample.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        if !self.input.is_empty() {
            self.process(&vec![0; self.taps / 2], out);
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.input.clear();
        self.input.resize((self.taps / 2).saturating_sub(1), 0.0);
        (self.next, self.phase) = (0, 0);
    }
}

/// The sum of the samples with these weights, in eight partial sums that the compiler can compute at once.
fn weighted_sum(weights: &[f32], samples: &[f32]) -> f32 {
    let (eights, rest) = samples.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (samples, weights) in eights.iter().zip(weights.as_chunks::<8>().0) {
        for (sum, (sample, weight)) in sums.iter_mut().zip(samples.iter().zip(weights)) {
            *sum += sample * weight;
        }
    }
    let last = weights.get(8 * eights.len()..).unwrap_or(&[]);
    let last: f32 = rest.iter().zip(last).map(|(sample, weight)| sample * weight).sum();
    sums.iter().sum::<f32>() + last
}

const fn greatest_common_divisor(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The coefficients of a windowed sinc filter, a row of `taps` for each of the `up` phases.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "small integers; coefficients are f32"
)]
fn coefficients(up: usize, down: usize, taps: usize) -> Vec<f32> {
    let half = taps as f64 / 2.0;
    // Cycles per input sample.
    let cutoff = 0.5 * CUTOFF * (up as f64 / down as f64).min(1.0);
    let mut all = Vec::with_capacity(up * taps);
    for phase in 0..up {
        let weights = (0..taps).map(|tap| {
            let distance = phase as f64 / up as f64 + half - 1.0 - tap as f64;
            let angle = 2.0 * PI * cutoff * distance;
            let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
            let relative = distance / half;
            sinc * bessel(SHAPE * (1.0 - relative * relative).max(0.0).sqrt())
        });
        let row: Vec<f64> = weights.collect();
        let sum: f64 = row.iter().sum();
        all.extend(row.iter().map(|weight| (weight / sum) as f32));
    }
    all
}

/// The modified Bessel function of order 0, of which the Kaiser window consists.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for index in 1..24_u8 {
        let factor = x / (2.0 * f64::from(index));
        term *= factor * factor;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests;
