use super::Concealment;

fn tone(from: usize, samples: usize) -> Vec<i16> {
    let step = 250.0 * core::f64::consts::TAU / 8000.0;
    (from..from + samples).map(|index| (8000.0 * (step * index as f64).sin()).round() as i16).collect()
}

fn level(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    10.0 * (sum / samples.len() as f64).log10()
}

#[test]
fn lost_frame_of_tone_continues_the_tone() {
    let mut concealment = Concealment::new(8000);
    concealment.decoded(&mut tone(0, 160));
    let mut out = Vec::new();
    concealment.conceal(80, &mut out);
    let expected = tone(160, 80);
    let error: Vec<i16> = out.iter().zip(&expected).map(|(a, b)| a - b).collect();
    assert!(level(&error) < level(&expected) - 20.0);
}

#[test]
fn long_loss_becomes_silent_and_next_frame_fades_in() {
    let mut concealment = Concealment::new(8000);
    concealment.decoded(&mut tone(0, 160));
    let mut out = Vec::new();
    concealment.conceal(960, &mut out);
    assert!(out[480..].iter().all(|sample| *sample == 0));
    let mut next = vec![8000; 160];
    concealment.decoded(&mut next);
    assert!(next[0] < 500 && next[20] < next[31] && next[32] == 8000);
}

#[test]
fn loss_before_first_packet_is_silent() {
    let mut out = Vec::new();
    Concealment::new(16_000).conceal(320, &mut out);
    assert_eq!(out, [0; 320]);
}
