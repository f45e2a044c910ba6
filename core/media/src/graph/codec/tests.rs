//! Linear codecs for the tests of the graph, made by a factory as a shell makes it.

use super::{CodecError, CodecFactory, Decoder, Encoder, SampleFormat, samples_in};
use crate::graph::g711::G711Codecs;
use core::time::Duration;
use offhook_sdp::codec::{Codec, Payload};
use offhook_sdp::plan::{AudioCodec, Conversions};

/// G.711, and L16 at 8 and 16 kHz. L16 repeats the last sample in place of a loss, and restores a lost packet from the first
/// sample of the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearCodecs;

#[derive(Debug)]
struct Linear {
    rate: u32,
    frame_size: usize,
    last: i16,
}

impl Linear {
    fn of(codec: &Codec, packet: Duration) -> Option<Self> {
        let rate = codec.clock_rate;
        codec.is("L16").then_some(Self { rate, frame_size: samples_in(packet, rate), last: 0 })
    }
}

impl Decoder for Linear {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(self.rate)
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        let samples: Vec<i16> =
            payload.chunks_exact(2).map(|octets| i16::from_be_bytes([octets[0], octets[1]])).collect();
        self.last = *samples.last().ok_or(CodecError::Malformed)?;
        out.extend(samples);
        Ok(())
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        out.resize(out.len() + samples, self.last);
    }

    fn recover(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) {
        let first = next.first_chunk().map_or(0, |octets| i16::from_be_bytes(*octets));
        out.resize(out.len() + samples, first);
    }
}

impl Encoder for Linear {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(self.rate)
    }

    fn frame_size(&self) -> usize {
        self.frame_size
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        assert_eq!(samples.len(), self.frame_size);
        out.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
        Ok(())
    }
}

impl CodecFactory for LinearCodecs {
    fn decoder(&self, codec: &Codec, rate: u32) -> Option<Box<dyn Decoder>> {
        let linear = Linear::of(codec, Duration::ZERO).map(|linear| Box::new(linear) as _);
        linear.or_else(|| G711Codecs.decoder(codec, rate))
    }

    fn encoder(&self, codec: &Codec, rate: u32, packet: Duration) -> Option<Box<dyn Encoder>> {
        let linear = Linear::of(codec, packet).map(|linear| Box::new(linear) as _);
        linear.or_else(|| G711Codecs.encoder(codec, rate, packet))
    }

    fn conversions(&self) -> Conversions {
        Conversions::G711.with(AudioCodec::L16Narrowband).with(AudioCodec::L16Wideband)
    }
}

pub(crate) fn payload(number: u8, name: &str, clock_rate: u32) -> Payload {
    let codec = Codec { name: name.to_owned(), clock_rate, channels: 1, fmtp: None };
    Payload { number, codec, feedback: Vec::new() }
}

/// The payload of L16 with these samples.
pub(crate) fn linear(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_be_bytes()).collect()
}

/// The samples of a payload of L16.
pub(crate) fn samples(payload: &[u8]) -> Vec<i16> {
    payload.chunks_exact(2).map(|octets| i16::from_be_bytes([octets[0], octets[1]])).collect()
}

#[test]
fn samples_of_duration_depend_on_rate() {
    let samples = [8000, 16_000, 44_100].map(|rate| samples_in(Duration::from_millis(20), rate));
    assert_eq!(samples, [160, 320, 882]);
}

#[test]
fn g711_is_encoded_as_decoded() {
    let packet = Duration::from_millis(20);
    for (number, name) in [(0, "PCMU"), (8, "PCMA")] {
        let codec = payload(number, name, 8000).codec;
        let (mut decoder, mut encoder) =
            (G711Codecs.decoder(&codec, 8000).unwrap(), G711Codecs.encoder(&codec, 8000, packet).unwrap());
        // 0x7f is the negative zero of the µ-law.
        let octets: Vec<u8> = (0..=u8::MAX).filter(|octet| *octet != 0x7f).take(160).collect();
        let (mut decoded, mut encoded) = (Vec::new(), Vec::new());
        decoder.decode(&octets, &mut decoded).unwrap();
        encoder.encode(&decoded, &mut encoded).unwrap();
        assert_eq!(encoded, octets);
        assert_eq!(decoder.decode(&[], &mut decoded), Err(CodecError::Malformed));
        assert_eq!(encoder.encode(&decoded[1..], &mut encoded), Err(CodecError::FrameSize));
    }
    assert!(G711Codecs.decoder(&payload(9, "G722", 8000).codec, 8000).is_none());
}
