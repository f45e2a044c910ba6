//! A stage of a decoder and an encoder, made by a factory as a shell makes it.

use super::{CodecFactory, Decoder, Encoder, samples_in};
use crate::command::LegKey;
use crate::graph::g711::{G711Codecs, Law, encode_a};
use crate::graph::route::Route;
use crate::graph::{EncodedFrame, MediaStage, StageFactory};
use core::time::Duration;
use offhook_sdp::codec::{Codec, MediaKind, Payload};
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::Section;

/// 10 ms, the shortest payload of the encoders.
const SAMPLES: usize = 80;

#[derive(Debug)]
struct Codecs;

/// Decodes and encodes. A frame that cannot be decoded is concealed.
#[derive(Debug)]
struct Transcoder(Box<dyn Decoder>, Box<dyn Encoder>);

impl MediaStage for Transcoder {
    fn process(&mut self, frame: EncodedFrame<'_>, out: &mut Vec<u8>) {
        let mut samples = Vec::new();
        if self.0.decode(frame.payload, &mut samples).is_err() {
            self.0.recover(frame.payload, self.1.frame_size(), &mut samples);
        }
        self.1.encode(&samples, out).unwrap();
    }
}

impl StageFactory for Codecs {
    fn stage(&self, from: &Codec, to: &Codec) -> Option<Box<dyn MediaStage>> {
        let packet = Duration::from_millis(10);
        let (decoder, encoder) = (G711Codecs.decoder(from, 8000)?, G711Codecs.encoder(to, 8000, packet)?);
        assert_eq!(decoder.format(), encoder.format(), "nothing resamples");
        Some(Box::new(Transcoder(decoder, encoder)))
    }
}

fn section(number: u8, name: &str) -> Section {
    let codec = Codec { name: name.to_owned(), clock_rate: 8000, channels: 1, fmtp: None };
    Section {
        kind: MediaKind::Audio,
        mid: String::new(),
        direction: Direction::SendRecv,
        rejected: false,
        payloads: vec![Payload { number, codec, feedback: Vec::new() }],
        extensions: Vec::new(),
        ssrcs: Vec::new(),
    }
}

#[test]
fn stage_of_codecs_equals_law_conversion() {
    let (mu, a) = (section(0, "PCMU"), section(8, "PCMA"));
    for (from, to, law) in [(&mu, &a, Law::MuToA), (&a, &mu, Law::AToMu)] {
        let mut route = Route::between((LegKey(1), 0), from, to, &Codecs).unwrap();
        let number = from.payloads[0].number;
        let octets: Vec<u8> = (0..=u8::MAX).cycle().take(4 * SAMPLES).collect();
        for (sequence, payload) in (0..).zip(octets.chunks(SAMPLES)) {
            let (mut converted, mut expected) = (Vec::new(), Vec::new());
            let timestamp = 80 * u32::from(sequence);
            let frame = EncodedFrame { payload, sequence, timestamp, rate: 8000 };
            route.stage(number).unwrap().process(frame, &mut converted);
            law.convert(payload, &mut expected);
            assert_eq!(converted, expected);
        }
    }
}

#[test]
fn malformed_frame_is_concealed() {
    let mut route = Route::between((LegKey(1), 0), &section(0, "PCMU"), &section(8, "PCMA"), &Codecs).unwrap();
    let mut converted = Vec::new();
    let frame = EncodedFrame { payload: &[], sequence: 1, timestamp: 0, rate: 8000 };
    route.stage(0).unwrap().process(frame, &mut converted);
    assert_eq!(converted, [encode_a(0); SAMPLES]);
}

#[test]
fn codec_without_factory_has_no_stage() {
    let mut route = Route::between((LegKey(1), 0), &section(0, "PCMU"), &section(9, "G722"), &Codecs).unwrap();
    assert!(route.payload(0).is_none() && route.stage(0).is_none());
}

#[test]
fn samples_of_duration_depend_on_rate() {
    let samples = [8000, 16_000, 44_100].map(|rate| samples_in(Duration::from_millis(20), rate));
    assert_eq!(samples, [160, 320, 882]);
}
