//! A sine tone as a playback source.

use super::{AudioSource, SourceError};
use core::f64::consts::TAU;
use core::time::Duration;

/// Samples per second: enough for the wideband codecs.
const RATE: u32 = 16_000;
/// −13 dBm0. The largest sine of 16-bit samples is +3.14 dBm0 (ITU-T G.711 §4).
const AMPLITUDE: f64 = 32_767.0 * 0.156;

/// A sine tone. Its phase continues when it is repeated.
#[derive(Debug)]
pub(crate) struct Tone {
    /// The phase and its increment per sample, as a fraction of the period.
    phase: f64,
    step: f64,
    length: u64,
    position: u64,
}

impl Tone {
    pub(crate) fn new(frequency: u16, duration: Duration) -> Self {
        let length =
            u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).saturating_mul(u64::from(RATE)) / 1_000_000;
        Self { phase: 0.0, step: f64::from(frequency) / f64::from(RATE), length, position: 0 }
    }
}

impl AudioSource for Tone {
    fn rate(&self) -> u32 {
        RATE
    }

    fn read(&mut self, out: &mut [i16]) -> Result<usize, SourceError> {
        let left = usize::try_from(self.length - self.position).unwrap_or(usize::MAX);
        let count = left.min(out.len());
        // The angle addition theorem replaces a sine for each sample.
        let ((mut sine, mut cosine), (turn_sine, turn_cosine)) =
            ((TAU * self.phase).sin_cos(), (TAU * self.step).sin_cos());
        for sample in out.iter_mut().take(count) {
            #[expect(clippy::cast_possible_truncation, reason = "the amplitude is below the largest sample")]
            {
                *sample = (AMPLITUDE * sine).round() as i16;
            }
            (sine, cosine) = (sine * turn_cosine + cosine * turn_sine, cosine * turn_cosine - sine * turn_sine);
        }
        #[expect(clippy::cast_precision_loss, reason = "a block is short")]
        {
            self.phase = (self.phase + self.step * count as f64).fract();
        }
        self.position += count as u64;
        Ok(count)
    }

    fn rewind(&mut self) {
        self.position = 0;
    }
}
