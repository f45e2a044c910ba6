use super::ComfortNoise;

#[test]
fn noise_has_the_level_of_the_payload() {
    for level in [30_u8, 50, 70] {
        let mut out = Vec::new();
        ComfortNoise::of(&[level, 1, 2, 3]).unwrap().generate(16_000, &mut out);
        let square: f64 = out.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / 16_000.0;
        let measured = 20.0 * (square.sqrt() / 32_767.0).log10();
        assert!((measured + f64::from(level)).abs() < 1.0, "{level}: {measured}");
    }
    assert_eq!(ComfortNoise::of(&[]), None);
}
