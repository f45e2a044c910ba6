use super::{cross_fade, period};

fn tone(hertz: f64, rate: u32, samples: usize) -> Vec<i16> {
    let step = hertz * core::f64::consts::TAU / f64::from(rate);
    (0..samples).map(|index| (8000.0 * (step * index as f64).sin()).round() as i16).collect()
}

#[test]
fn period_of_tone_is_multiple_of_its_wavelength() {
    for rate in [8000, 16_000, 48_000] {
        let signal = tone(200.0, rate, rate as usize / 50);
        let found = period(&signal, rate).unwrap();
        let wavelength = rate as usize / 200;
        assert!(found.samples % wavelength <= 1 && found.correlation > 0.99, "{rate}: {found:?}");
    }
}

#[test]
fn silence_has_perfect_correlation() {
    assert_eq!(period(&[0; 160], 8000).unwrap().correlation, 1.0);
    assert_eq!(period(&[0; 159], 8000), None, "shorter than 20 ms");
}

#[test]
fn fade_begins_with_first_and_ends_with_second() {
    let mut out = Vec::new();
    cross_fade(&[1000; 10], &[-1000; 10], &mut out);
    assert_eq!((out[0], out[5], out.len()), (1000, 0, 10));
    assert!(out.is_sorted_by(|a, b| a > b));
}
