//! Levels, signal-to-noise ratios, concealment and malformed payloads of all codecs.

use super::{CodecOptions, Codecs};
use core::f64::consts::TAU;
use core::time::Duration;
use offhook_media::graph::codec::{CodecError, CodecFactory, Decoder, Encoder};
use offhook_sdp::codec::Codec;
use offhook_sdp::plan::AudioCodec;

const PACKET: Duration = Duration::from_millis(20);

/// The codecs of this process, with the rate of decoded audio and the smallest ratio of signal to noise in dB.
const CODECS: [(&str, u32, u8, u32, f64); 10] = [
    ("PCMU", 8000, 1, 8000, 40.0),
    ("PCMA", 8000, 1, 8000, 40.0),
    ("L16", 8000, 1, 8000, 80.0),
    ("L16", 16_000, 1, 16_000, 80.0),
    ("G722", 8000, 1, 16_000, 40.0),
    ("opus", 48_000, 2, 48_000, 30.0),
    ("opus", 48_000, 2, 8000, 25.0),
    ("speex", 8000, 1, 8000, 30.0),
    ("speex", 16_000, 1, 16_000, 30.0),
    ("G729", 8000, 1, 8000, 20.0),
];

fn codec(name: &str, clock_rate: u32, channels: u8) -> Codec {
    Codec { name: name.to_owned(), clock_rate, channels, fmtp: None }
}

fn codecs() -> Codecs {
    Codecs::load(CodecOptions::default())
}

fn available() -> Vec<(Codec, u32, f64)> {
    let missing = codecs().unavailable();
    let all =
        CODECS.into_iter().map(|(name, clock, channels, rate, noise)| (codec(name, clock, channels), rate, noise));
    all.filter(|(codec, ..)| !missing.iter().any(|missing| codec.is(missing.codec))).collect()
}

fn pair(codec: &Codec, rate: u32) -> (Box<dyn Decoder>, Box<dyn Encoder>) {
    (codecs().decoder(codec, rate).unwrap(), codecs().encoder(codec, rate, PACKET).unwrap())
}

fn tone(rate: u32, samples: usize) -> Vec<i16> {
    let step = 1000.0 * TAU / f64::from(rate);
    (0..samples).map(|index| (8000.0 * (step * index as f64).sin()).round() as i16).collect()
}

/// The amplitudes of the 1000 Hz tone and of the rest of a signal.
fn analysed(samples: &[i16], rate: u32) -> (f64, f64) {
    let step = 1000.0 * TAU / f64::from(rate);
    let project = |part: fn(f64) -> f64| {
        let sum = samples.iter().enumerate().map(|(index, sample)| f64::from(*sample) * part(step * index as f64));
        2.0 * sum.sum::<f64>() / samples.len() as f64
    };
    let (sine, cosine) = (project(f64::sin), project(f64::cos));
    let rest = samples.iter().enumerate().map(|(index, sample)| {
        let angle = step * index as f64;
        (f64::from(*sample) - sine * angle.sin() - cosine * angle.cos()).powi(2)
    });
    (sine.hypot(cosine), (2.0 * rest.sum::<f64>() / samples.len() as f64).sqrt())
}

/// Encodes and decodes a tone of one second; returns the payloads and the samples.
fn passed(codec: &Codec, rate: u32) -> (Vec<Vec<u8>>, Vec<i16>) {
    let (mut decoder, mut encoder) = pair(codec, rate);
    assert_eq!((decoder.format(), encoder.format().rate), (encoder.format(), rate));
    assert_eq!(encoder.frame_size() as u32, rate / 50);
    let (mut payloads, mut out) = (Vec::new(), Vec::new());
    for frame in tone(rate, rate as usize).chunks(encoder.frame_size()) {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload).unwrap();
        decoder.decode(&payload, &mut out).unwrap();
        payloads.push(payload);
    }
    assert_eq!(out.len(), rate as usize, "{codec:?}");
    (payloads, out)
}

#[test]
fn tone_keeps_its_level_and_little_noise_is_added() {
    for (codec, rate, least) in available() {
        let (_, out) = passed(&codec, rate);
        // The second half, which begins after the adaptation of the codecs.
        let (tone, noise) = analysed(&out[rate as usize / 2..], rate);
        let (change, ratio) = (20.0 * (tone / 8000.0).log10(), 20.0 * (tone / noise).log10());
        println!("{} {rate}: level {change:+.2} dB, signal to noise {ratio:.1} dB", codec.name);
        // The post-filter of G.729 changes the level of a tone by itself.
        let tolerance = if codec.is("G729") { 0.6 } else { 0.5 };
        assert!(change.abs() <= tolerance, "{codec:?} changes the level by {change} dB");
        assert!(ratio >= least, "{codec:?}: {ratio} dB");
    }
}

#[test]
fn lost_packet_is_concealed_at_reduced_level() {
    for (codec, rate, _) in available() {
        let (payloads, _) = passed(&codec, rate);
        let mut decoder = codecs().decoder(&codec, rate).unwrap();
        let mut out = Vec::new();
        payloads[..20].iter().for_each(|payload| decoder.decode(payload, &mut out).unwrap());
        let begin = out.len();
        decoder.conceal(rate as usize / 50, &mut out);
        assert_eq!(out.len(), begin + rate as usize / 50);
        let (tone, _) = analysed(&out[begin..], rate);
        assert!(tone > 2000.0, "{codec:?}: {tone}");
        decoder.decode(&payloads[21], &mut out).unwrap();
        decoder.recover(&payloads[23], rate as usize / 50, &mut out);
        assert_eq!(out.len(), begin + 3 * rate as usize / 50, "{codec:?}");
        // A long loss ends in silence.
        out.clear();
        decoder.conceal(rate as usize, &mut out);
        let (tone, noise) = analysed(&out[rate as usize / 2..], rate);
        assert!(tone < 100.0 && noise < 300.0, "{codec:?}: {tone} {noise}");
    }
}

/// Deterministic octets.
fn noise(seed: &mut u32) -> u8 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*seed >> 24) as u8
}

#[test]
fn malformed_payload_is_error_or_sound() {
    let mut seed = 1;
    for (codec, rate, _) in available() {
        let mut decoder = codecs().decoder(&codec, rate).unwrap();
        let mut out = vec![7];
        assert_eq!(decoder.decode(&[], &mut out), Err(CodecError::Malformed), "{codec:?}");
        assert_eq!(out, [7], "nothing is appended");
        for length in (1..60).chain([160, 961, 1400, 8000]) {
            out.clear();
            let payload: Vec<u8> = (0..length).map(|_| noise(&mut seed)).collect();
            let result = decoder.decode(&payload, &mut out);
            assert_eq!(result.is_err(), out.is_empty(), "{codec:?} {length}");
            assert!(out.len() <= rate as usize / 4, "{codec:?}: {length} octets make {} samples", out.len());
        }
    }
}

#[test]
fn encoder_refuses_other_frame_size() {
    for (codec, rate, _) in available() {
        let (_, mut encoder) = pair(&codec, rate);
        let mut out = Vec::new();
        let wrong = vec![0; encoder.frame_size() - 1];
        assert_eq!(encoder.encode(&wrong, &mut out), Err(CodecError::FrameSize));
        assert!(out.is_empty());
    }
}

#[test]
fn packet_duration_is_that_of_the_receiver() {
    for (codec, rate, _) in available() {
        let size = |milliseconds| {
            codecs().encoder(&codec, rate, Duration::from_millis(milliseconds)).unwrap().frame_size() as u32 * 1000
                / rate
        };
        let sizes = [10, 20, 30, 40].map(size);
        let expected = match codec.name.as_str() {
            "opus" => [10, 20, 20, 40],
            "speex" => [20, 20, 20, 40],
            _ => [10, 20, 30, 40],
        };
        assert_eq!(sizes, expected, "{codec:?}");
        assert!(size(1000) <= 240, "{codec:?}");
    }
}

#[test]
fn unknown_codec_is_not_supported() {
    for unknown in [codec("G723", 8000, 1), codec("PCMU", 16_000, 1), codec("opus", 16_000, 1), codec("L16", 44_100, 2)]
    {
        assert!(codecs().decoder(&unknown, 8000).is_none() && codecs().encoder(&unknown, 8000, PACKET).is_none());
    }
}

fn opus(fmtp: &str) -> Codec {
    Codec { fmtp: Some(fmtp.to_owned()), ..codec("opus", 48_000, 2) }
}

/// The payloads of two seconds of a sound with many frequencies.
fn encoded(codec: &Codec) -> Vec<Vec<u8>> {
    let mut encoder = codecs().encoder(codec, 48_000, PACKET).unwrap();
    let mut seed = 5;
    let frames = (0..100).map(|_| (0..960).map(|_| i16::from(noise(&mut seed) as i8) * 50).collect::<Vec<i16>>());
    let payload = |frame: Vec<i16>| {
        let mut payload = Vec::new();
        encoder.encode(&frame, &mut payload).unwrap();
        payload
    };
    frames.map(payload).collect()
}

#[test]
fn opus_bandwidth_and_bitrate_are_those_of_the_receiver() {
    let bandwidth = |fmtp: &str| opus::packet::get_bandwidth(&encoded(&opus(fmtp))[50]).unwrap();
    assert_eq!(bandwidth("maxplaybackrate=8000"), opus::Bandwidth::Narrowband);
    assert_eq!(bandwidth("maxplaybackrate=16000"), opus::Bandwidth::Wideband);
    assert_eq!(bandwidth("minptime=10"), opus::Bandwidth::Fullband);
    let octets = |fmtp: &str| encoded(&opus(fmtp)).iter().map(Vec::len).sum::<usize>();
    assert!(octets("maxaveragebitrate=12000") * 2 < octets("minptime=10"));
    let sizes = encoded(&opus("cbr=1;maxaveragebitrate=16000"));
    assert!(sizes[50..].iter().all(|payload| payload.len() == 40), "16 kbit/s");
}

#[test]
fn opus_sends_nothing_in_silence_if_receiver_uses_dtx() {
    let silent = |fmtp: &str| {
        let mut encoder = codecs().encoder(&opus(fmtp), 16_000, PACKET).unwrap();
        let payload = |_| {
            let mut payload = Vec::new();
            encoder.encode(&[0; 320], &mut payload).unwrap();
            payload
        };
        (0..100).map(payload).filter(Vec::is_empty).count()
    };
    assert_eq!(silent("usedtx=0"), 0);
    assert!(silent("usedtx=1") > 60);
}

#[test]
fn opus_forward_error_correction_restores_lost_frame() {
    let speech = |index: usize| {
        // Pulses of 120 Hz with a changing amplitude: voiced speech for the encoder.
        let position = index % 133;
        let amplitude = 9000.0 * (1.0 + (index as f64 / 3000.0).sin());
        (amplitude * (-(position as f64) / 12.0).exp() * (position as f64 / 4.0).cos()) as i16
    };
    let recovered = |fmtp: &str| {
        let mut encoder = codecs().encoder(&opus(fmtp), 16_000, PACKET).unwrap();
        let mut complete = codecs().decoder(&opus(""), 16_000).unwrap();
        let mut lossy = codecs().decoder(&opus(""), 16_000).unwrap();
        let payloads: Vec<Vec<u8>> = (0..60)
            .map(|frame| {
                let samples: Vec<i16> = (frame * 320..(frame + 1) * 320).map(speech).collect();
                let mut payload = Vec::new();
                encoder.encode(&samples, &mut payload).unwrap();
                payload
            })
            .collect();
        let mut error = 0.0;
        for pair in payloads.windows(2) {
            let (mut expected, mut out) = (Vec::new(), Vec::new());
            complete.decode(&pair[0], &mut expected).unwrap();
            lossy.recover(&pair[1], 320, &mut out);
            assert_eq!(out.len(), 320);
            let distance = |(a, b): (&i16, &i16)| (f64::from(*a) - f64::from(*b)).powi(2);
            error += out.iter().zip(&expected).map(distance).sum::<f64>();
        }
        error
    };
    assert!(recovered("useinbandfec=1") * 2.0 < recovered("useinbandfec=0"));
}

#[test]
fn stereo_opus_is_mixed_down() {
    let mut encoder = opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(96_000)).unwrap();
    encoder.set_force_channels(Some(opus::Channels::Stereo)).unwrap();
    let mut decoder = codecs().decoder(&opus("stereo=1"), 16_000).unwrap();
    let mut out = Vec::new();
    for frame in tone(48_000, 48_000).chunks(960) {
        // The tone is only in the left channel.
        let stereo: Vec<i16> = frame.iter().flat_map(|sample| [*sample, 0]).collect();
        let payload = encoder.encode_vec(&stereo, 1275).unwrap();
        decoder.decode(&payload, &mut out).unwrap();
    }
    let (tone, _) = analysed(&out[8000..], 16_000);
    assert!((3500.0..4500.0).contains(&tone), "half of both channels: {tone}");
}

#[test]
fn g729_silence_is_a_descriptor_only_with_annex_b() {
    if codecs().unavailable().iter().any(|missing| missing.codec == "G729") {
        return;
    }
    let lengths = |fmtp: Option<&str>| {
        let codec = Codec { fmtp: fmtp.map(str::to_owned), ..codec("G729", 8000, 1) };
        let mut encoder = codecs().encoder(&codec, 8000, PACKET).unwrap();
        let payload = |_| {
            let mut payload = Vec::new();
            encoder.encode(&[0; 160], &mut payload).unwrap();
            payload.len()
        };
        (0..50).map(payload).collect::<Vec<_>>()
    };
    assert!(lengths(None).iter().chain(&lengths(Some("annexb=no"))).all(|length| *length == 20));
    let silent = lengths(Some("annexb=yes"));
    assert!(silent.contains(&2) && silent.iter().filter(|length| **length == 0).count() > 20, "{silent:?}");
    let mut out = Vec::new();
    codecs().decoder(&codec("G729", 8000, 1), 8000).unwrap().decode(&[1, 2], &mut out).unwrap();
    assert_eq!(out.len(), 80);
}

#[test]
fn missing_library_is_reported_with_its_package() {
    let error = super::unavailable("G729", "libbcg729-0", &libloading::Error::IncompatibleSize);
    assert!(error.to_string().starts_with("G729: ") && error.reason.ends_with("install the package libbcg729-0"));
}

#[test]
fn conversions_are_those_of_the_available_codecs() {
    let conversions = codecs().conversions();
    for known in AudioCodec::ALL {
        let (name, clock_rate, channels) = known.format();
        let codec = codec(name, clock_rate, channels);
        let is_supported = codecs().decoder(&codec, 8000).is_some() && codecs().encoder(&codec, 8000, PACKET).is_some();
        assert_eq!(conversions.codecs().any(|listed| listed == known), is_supported, "{name}");
    }
}
