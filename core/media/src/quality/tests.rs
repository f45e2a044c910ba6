use super::{SpeechCodec, SpeechPath, effective_impairment, mos, rating};
use core::time::Duration;

fn is_close(value: f64, expected: f64, tolerance: f64) -> bool {
    (value - expected).abs() <= tolerance
}

/// G.107 Annex B, table B.1.
#[test]
fn mos_of_rating_is_that_of_annex_b() {
    let table =
        [(93.2, 4.41), (90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58), (0.0, 1.0), (100.0, 4.5)];
    for (rating, expected) in table {
        assert!(is_close(mos(rating), expected, 0.007), "{rating}: {}", mos(rating));
    }
    assert!(mos(3.0) >= 1.0 && mos(120.0) <= 4.5);
}

/// Computed with all equations of G.107 and its default parameters by an independent script; the first value is stated in
/// G.107 clause 7.7.
#[test]
fn rating_falls_with_delay_as_in_the_recommendation() {
    let table = [
        (0, 93.2),
        (50, 91.76),
        (100, 90.66),
        (150, 89.54),
        (200, 85.80),
        (250, 79.18),
        (300, 72.67),
        (400, 62.25),
        (500, 54.80),
    ];
    for (millis, expected) in table {
        let found = rating(0.0, Duration::from_millis(millis));
        assert!(is_close(found, expected, 0.01), "{millis} ms: {found}");
    }
}

/// G.113 Appendix I: impairments without and with random losses.
#[test]
fn losses_impair_codecs_by_their_robustness() {
    for (codec, loss, expected) in [
        (SpeechCodec::Pcm, 0.0, 0.0),
        (SpeechCodec::Pcm, 0.02, 95.0 * 2.0 / 27.1),
        (SpeechCodec::G729, 0.0, 11.0),
        (SpeechCodec::G729, 0.02, 11.0 + 84.0 * 2.0 / 21.0),
        (SpeechCodec::G723, 0.05, 15.0 + 80.0 * 5.0 / 21.1),
    ] {
        let (impairment, robustness) = codec.impairment();
        let found = effective_impairment(impairment, robustness, loss);
        assert!(is_close(found, expected, 1e-9), "{codec:?}: {found}");
    }
}

#[test]
fn quality_is_bounded_and_falls_with_each_impairment() {
    let good = SpeechPath {
        codec: SpeechCodec::Pcm,
        loss: 0.0,
        jitter: Duration::from_millis(2),
        round_trip: Duration::from_millis(20),
    };
    // R is 91.76 for a delay of 50 ms.
    assert!(is_close(good.quality().mos, 4.38, 0.005), "{:?}", good.quality());
    for worse in [
        SpeechPath { codec: SpeechCodec::G729, ..good },
        SpeechPath { loss: 0.01, ..good },
        SpeechPath { jitter: Duration::from_millis(80), ..good },
        SpeechPath { round_trip: Duration::from_millis(300), ..good },
    ] {
        assert!(worse.quality() < good.quality(), "{worse:?}");
    }
    let unusable = SpeechPath { loss: 7.0, jitter: Duration::from_secs(60), round_trip: Duration::MAX, ..good };
    assert_eq!((unusable.quality().rating, unusable.quality().mos), (0.0, 1.0));
}
