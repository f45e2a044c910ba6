use super::RateConverter;
use core::f64::consts::TAU;

fn tone(hertz: f64, rate: u32) -> Vec<i16> {
    let step = hertz * TAU / f64::from(rate);
    (0..rate / 2).map(|index| (8000.0 * (step * f64::from(index)).sin()).round() as i16).collect()
}

fn resampled(from: u32, to: u32, hertz: f64) -> Vec<i16> {
    let (mut resampler, mut out) = (RateConverter::new(from, to).unwrap(), Vec::new());
    tone(hertz, from).chunks(from as usize / 50).for_each(|chunk| resampler.process(chunk, &mut out));
    assert_eq!(out.len() as u32, to / 2, "{from} to {to}");
    out
}

/// The level of a frequency relative to the original tone, and of the rest, in dB.
fn levels(samples: &[i16], rate: u32, hertz: f64) -> (f64, f64) {
    let samples = &samples[samples.len() / 5..];
    let step = hertz * TAU / f64::from(rate);
    let project = |part: fn(f64) -> f64| {
        let sum: f64 = samples.iter().enumerate().map(|(n, sample)| f64::from(*sample) * part(step * n as f64)).sum();
        2.0 * sum / samples.len() as f64
    };
    let amplitude = project(f64::sin).hypot(project(f64::cos));
    let square: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64;
    let rest = (square - amplitude * amplitude / 2.0).max(1e-9);
    (20.0 * (amplitude / 8000.0).log10(), 10.0 * (rest / 32_000_000.0).log10())
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
fn tone_keeps_its_level() {
    for (from, to) in PAIRS {
        for hertz in [300.0, 1000.0, 3000.0] {
            let (level, rest) = levels(&resampled(from, to, hertz), to, hertz);
            assert!(level.abs() < 0.1 && rest < -50.0, "{from} to {to}, {hertz} Hz: {level} dB, rest {rest} dB");
        }
    }
}

#[test]
fn frequency_above_lower_band_is_removed() {
    for (from, to) in [(16_000, 8000), (48_000, 8000)] {
        let out = resampled(from, to, 4700.0);
        let (_, rest) = levels(&out, to, 1000.0);
        assert!(rest < -45.0, "{from} to {to}: {rest} dB");
    }
}

#[test]
fn unsupported_ratio_has_no_resampler() {
    for (from, to) in [(8000, 8000), (44_100, 48_000), (0, 0), (8000, 0)] {
        assert!(RateConverter::new(from, to).is_none(), "{from} to {to}");
    }
}
