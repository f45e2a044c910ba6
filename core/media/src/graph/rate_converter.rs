//! Conversion of sample rates by a polyphase filter (windowed sinc), for rates whose ratio consists of small numbers.

use core::f32::consts::PI;

/// The length of the filter in samples of the lower rate. It determines the width of the transition band, which is 0.15 of
/// half the lower rate, and the delay, which is half of it: 3 ms at 8 kHz.
const LENGTH: usize = 48;
/// The middle of the transition band, relative to half of the lower rate.
const CUTOFF: f32 = 0.92;
/// The shape of the Kaiser window: 60 dB of attenuation.
const SHAPE: f32 = 5.65;
/// The largest factor.
const MOST: u32 = 12;

/// Converts the sample rate of one source.
#[derive(Clone, Debug)]
pub struct RateConverter {
    /// The filter by phase; each phase has the coefficients in the order of the samples.
    phases: Vec<Vec<f32>>,
    /// The interpolation factor is the number of phases; this is the decimation factor.
    decimation: usize,
    /// The last samples of the previous input, as many as a phase has coefficients less one.
    history: Vec<f32>,
    /// The position of the next output in the input, in units of an input sample divided by the number of phases.
    position: usize,
}

impl RateConverter {
    /// Creates a converter; `None` if the rates are equal or their ratio is not supported.
    #[must_use]
    pub fn new(from: u32, to: u32) -> Option<Self> {
        let divisor = greatest_common_divisor(from, to);
        if from == 0 || to == 0 || from == to {
            return None;
        }
        let (interpolation, decimation) = (to / divisor, from / divisor);
        if interpolation > MOST || decimation > MOST {
            return None;
        }
        let (interpolation, decimation) = (interpolation as usize, decimation as usize);
        let phases = filter(interpolation, interpolation.max(decimation));
        let history = vec![0.0; phases.first().map_or(0, Vec::len).saturating_sub(1)];
        Some(Self { phases, decimation, history, position: 0 })
    }

    /// Appends the converted samples.
    pub fn process(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        let kept = self.history.len();
        self.history.extend(samples.iter().map(|sample| f32::from(*sample)));
        let (count, end) = (self.phases.len(), samples.len() * self.phases.len());
        while self.position < end {
            let (index, phase) = (self.position / count, self.position % count);
            let coefficients = self.phases.get(phase).map(Vec::as_slice).unwrap_or_default();
            let window = self.history.get(index..index + coefficients.len()).unwrap_or_default();
            let sum: f32 = window.iter().zip(coefficients).map(|(sample, coefficient)| sample * coefficient).sum();
            out.push(sum.round() as i16);
            self.position += self.decimation;
        }
        self.position -= end;
        self.history.drain(..self.history.len() - kept);
    }
}

const fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The coefficients by phase. `factor` is the ratio of the rate of the filter to the lower rate.
fn filter(phases: usize, factor: usize) -> Vec<Vec<f32>> {
    let taps = (LENGTH * factor).div_ceil(phases);
    let length = taps * phases;
    let middle = (length - 1) as f32 / 2.0;
    let cutoff = CUTOFF / factor as f32;
    let coefficient = |index: usize| {
        let distance = index as f32 - middle;
        let angle = PI * distance * cutoff;
        let sinc = if angle.abs() < 1e-6 { 1.0 } else { angle.sin() / angle };
        let relative = distance / (middle + 1.0);
        sinc * bessel(SHAPE * (1.0 - relative * relative).max(0.0).sqrt()) / bessel(SHAPE)
    };
    (0..phases)
        .map(|phase| {
            let mut taps: Vec<f32> = (0..taps).rev().map(|tap| coefficient(tap * phases + phase)).collect();
            // Every phase has the same amplification, so that a constant remains constant.
            let sum: f32 = taps.iter().sum();
            taps.iter_mut().for_each(|tap| *tap /= sum);
            taps
        })
        .collect()
}

/// The modified Bessel function of order 0.
fn bessel(x: f32) -> f32 {
    let (mut sum, mut term) = (1.0, 1.0);
    for index in 1..24_u8 {
        let factor = x / (2.0 * f32::from(index));
        term *= factor * factor;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests;
