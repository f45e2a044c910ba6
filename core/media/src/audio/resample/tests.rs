use super::Resampler;
use core::f64::consts::TAU;

fn tone(rate: u32, frequency: f64, count: u32) -> Vec<i16> {
    (0..count).map(|n| (10_000.0 * (TAU * frequency * f64::from(n) / f64::from(rate)).sin()).round() as i16).collect()
}

/// The level of a frequency in dB, relative to the amplitude of [`tone`].
pub(crate) fn level(samples: &[i16], rate: u32, frequency: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, sample) in (0_u32..).zip(samples) {
        let angle = TAU * frequency * f64::from(n) / f64::from(rate);
        sine += f64::from(*sample) * angle.sin();
        cosine += f64::from(*sample) * angle.cos();
    }
    let amplitude = 2.0 * sine.hypot(cosine) / samples.len() as f64;
    20.0 * (amplitude / 10_000.0).max(1e-9).log10()
}

fn resampled(from: u32, to: u32, frequency: f64) -> Vec<i16> {
    let (mut resampler, mut out) = (Resampler::new(from, to), Vec::new());
    // Blocks of an odd size.
    for block in tone(from, frequency, from).chunks(441) {
        resampler.process(block, &mut out);
    }
    out
}

#[test]
fn level_and_length_are_kept_between_rates() {
    for (from, to) in [(8000, 16_000), (16_000, 8000), (48_000, 16_000), (8000, 48_000), (44_100, 16_000), (8000, 8000)]
    {
        let out = resampled(from, to, 1000.0);
        let tail = (to as usize).saturating_sub(out.len());
        assert!(tail <= 2 * 12 * to as usize / from.min(to) as usize, "{from} to {to}: {tail} samples are missing");
        let steady = &out[to as usize / 10..to as usize / 10 * 9];
        let level = level(steady, to, 1000.0);
        assert!(level.abs() < 0.1, "{from} to {to}: {level} dB");
    }
}

#[test]
fn frequencies_above_the_lower_rate_are_removed() {
    let out = resampled(48_000, 8000, 5000.0);
    let steady = &out[800..7200];
    let peak = steady.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!(peak < 20, "an alias of amplitude {peak}");
}

#[test]
fn output_is_aligned_with_input() {
    let (mut resampler, mut out) = (Resampler::new(8000, 16_000), Vec::new());
    let mut impulse = vec![0; 400];
    impulse[100] = 20_000;
    resampler.process(&impulse, &mut out);
    let peak = (0..out.len()).max_by_key(|index| out[*index]).unwrap();
    assert_eq!(peak, 200);
    out.clear();
    resampler.finish(&mut out);
    assert_eq!(out.len(), 24, "the length of the input is kept");
    out.clear();
    resampler.process(&impulse, &mut out);
    assert_eq!((0..out.len()).max_by_key(|index| out[*index]).unwrap(), 200);
}

/// A tone in blocks of 20 ms. Each block yields 20 ms.
fn streamed(from: u32, to: u32, frequency: f64) -> Vec<i16> {
    let (mut resampler, mut out) = (Resampler::streaming(from, to), Vec::new());
    for (blocks, block) in (1..).zip(tone(from, frequency, from / 2).chunks(from as usize / 50)) {
        resampler.process(block, &mut out);
        assert_eq!(out.len(), blocks * to as usize / 50, "{from} to {to}");
    }
    out
}

/// The level of a frequency relative to the original tone, and of the rest, in dB.
fn levels(samples: &[i16], rate: u32, frequency: f64) -> (f64, f64) {
    let samples = &samples[samples.len() / 5..];
    let level = level(samples, rate, frequency);
    let square: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64;
    let amplitude = 10_000.0 * 10_f64.powf(level / 20.0);
    let rest = (square - amplitude * amplitude / 2.0).max(1e-9);
    (level, 10.0 * (rest / 50_000_000.0).log10())
}

const PAIRS: [(u32, u32); 8] = [
    (8000, 16_000),
    (16_000, 8000),
    (8000, 48_000),
    (48_000, 8000),
    (16_000, 48_000),
    (48_000, 16_000),
    (32_000, 48_000),
    (48_000, 32_000),
];

#[test]
fn streamed_tone_keeps_its_level() {
    for (from, to) in PAIRS {
        for frequency in [300.0, 1000.0, 3000.0] {
            let (level, rest) = levels(&streamed(from, to, frequency), to, frequency);
            assert!(level.abs() < 0.1 && rest < -50.0, "{from} to {to}, {frequency} Hz: {level} dB, rest {rest} dB");
        }
    }
}

#[test]
fn streamed_frequency_above_lower_band_is_removed() {
    for (from, to) in [(16_000, 8000), (48_000, 8000)] {
        let out = streamed(from, to, 4700.0);
        let (_, rest) = levels(&out, to, 1000.0);
        assert!(rest < -45.0, "{from} to {to}: {rest} dB");
    }
}
