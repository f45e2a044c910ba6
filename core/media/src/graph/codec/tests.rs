//! A stage of a decoder and an encoder, made by a factory as a shell makes it.

use super::{CodecError, CodecFactory, Decoder, Encoder, SampleFormat};
use crate::command::LegKey;
use crate::graph::g711::{Law, decode_a, decode_mu, encode_a, encode_mu};
use crate::graph::route::Route;
use crate::graph::{EncodedFrame, MediaStage, StageFactory};
use offhook_sdp::codec::{Codec, MediaKind, Payload};
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::Section;

/// One law of G.711, by way of samples.
#[derive(Clone, Copy, Debug)]
struct G711 {
    decode: fn(u8) -> i32,
    encode: fn(i32) -> u8,
}

/// 1 ms.
const SAMPLES: usize = 8;

impl G711 {
    fn of(codec: &Codec) -> Option<Self> {
        match codec.name.as_str() {
            "PCMU" => Some(Self { decode: decode_mu, encode: encode_mu }),
            "PCMA" => Some(Self { decode: decode_a, encode: encode_a }),
            _ => None,
        }
    }
}

impl Decoder for G711 {
    fn format(&self) -> SampleFormat {
        SampleFormat { rate: 8000, channels: 1 }
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        if payload.is_empty() {
            return Err(CodecError::Malformed);
        }
        out.extend(payload.iter().map(|octet| i16::try_from((self.decode)(*octet)).unwrap()));
        Ok(())
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        out.resize(out.len() + samples, 0);
    }
}

impl Encoder for G711 {
    fn format(&self) -> SampleFormat {
        SampleFormat { rate: 8000, channels: 1 }
    }

    fn frame_size(&self) -> usize {
        SAMPLES
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if samples.len() != self.frame_size() {
            return Err(CodecError::FrameSize);
        }
        out.extend(samples.iter().map(|sample| (self.encode)(i32::from(*sample))));
        Ok(())
    }
}

#[derive(Debug)]
struct Codecs;

impl CodecFactory for Codecs {
    fn decoder(&self, codec: &Codec) -> Option<Box<dyn Decoder>> {
        Some(Box::new(G711::of(codec)?))
    }

    fn encoder(&self, codec: &Codec) -> Option<Box<dyn Encoder>> {
        Some(Box::new(G711::of(codec)?))
    }
}

/// Decodes and encodes. A frame that cannot be decoded is concealed.
#[derive(Debug)]
struct Transcoder(Box<dyn Decoder>, Box<dyn Encoder>);

impl MediaStage for Transcoder {
    fn process(&mut self, frame: EncodedFrame<'_>, out: &mut Vec<u8>) {
        let mut samples = Vec::new();
        if self.0.decode(frame.payload, &mut samples).is_err() {
            self.0.conceal(self.1.frame_size(), &mut samples);
        }
        self.1.encode(&samples, out).unwrap();
    }
}

impl StageFactory for Codecs {
    fn stage(&self, from: &Codec, to: &Codec) -> Option<Box<dyn MediaStage>> {
        let (decoder, encoder) = (self.decoder(from)?, self.encoder(to)?);
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
        for (sequence, payload) in (0..).zip((0..=u8::MAX).collect::<Vec<_>>().chunks(SAMPLES)) {
            let (mut converted, mut expected) = (Vec::new(), Vec::new());
            let timestamp = 8 * u32::from(sequence);
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
