use super::{lengthen, shorten};
use crate::graph::pitch::period;

fn tone(samples: usize) -> Vec<i16> {
    let step = 300.0 * core::f64::consts::TAU / 16_000.0;
    (0..samples).map(|index| (8000.0 * (step * index as f64).sin()).round() as i16).collect()
}

/// The largest difference of neighbouring samples.
fn roughness(samples: &[i16]) -> u16 {
    samples.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap()
}

#[test]
fn tone_is_stretched_by_periods_without_a_step() {
    let original = tone(640);
    for (stretch, sign) in [(shorten as fn(&mut Vec<i16>, u32) -> usize, -1_isize), (lengthen, 1)] {
        let mut samples = original.clone();
        let changed = stretch(&mut samples, 16_000);
        assert!((40..=160).contains(&changed), "2.5 to 10 ms");
        assert_eq!(samples.len(), 640_usize.checked_add_signed(sign * changed as isize).unwrap());
        assert!(roughness(&samples) <= roughness(&original) + 100);
        assert!(period(&samples, 16_000).unwrap().correlation > 0.98);
        assert_eq!((samples[0], samples.last()), (original[0], original.last()));
    }
}

#[test]
fn signal_without_period_is_not_changed() {
    let mut state = 1_u32;
    let noise: Vec<i16> = (0..320)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u16 as i16
        })
        .collect();
    let mut samples = noise.clone();
    assert_eq!((shorten(&mut samples, 16_000), lengthen(&mut samples, 16_000)), (0, 0));
    assert_eq!(samples, noise);
}

#[test]
fn silence_is_stretched_and_short_signal_is_not() {
    let mut samples = vec![3; 320];
    assert!(shorten(&mut samples, 16_000) > 0);
    let mut short = vec![0; 319];
    assert_eq!(lengthen(&mut short, 16_000), 0);
}
