//! PCMU and PCMA as codecs: conversion to samples and back.

use super::{decode_a, decode_mu, encode_a, encode_mu};
use crate::graph::codec::{CodecError, CodecFactory, Decoder, Encoder, SampleFormat, samples_in};
use crate::graph::concealment::Concealment;
use core::time::Duration;
use offhook_sdp::codec::Codec;
use offhook_sdp::plan::Conversions;

const RATE: u32 = 8000;
/// The longest payload, 240 ms.
const LONGEST: usize = 1920;

static MU_SAMPLES: [i16; 256] = samples(true);
static A_SAMPLES: [i16; 256] = samples(false);

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, the index is an octet")]
const fn samples(is_mu: bool) -> [i16; 256] {
    let mut samples = [0; 256];
    let mut octet: u8 = 0;
    loop {
        let amplitude = if is_mu { decode_mu(octet) } else { decode_a(octet) };
        samples[octet as usize] = amplitude as i16;
        if octet == u8::MAX {
            return samples;
        }
        octet += 1;
    }
}

/// The decoders and encoders of the two laws, and no others.
#[derive(Clone, Copy, Debug, Default)]
pub struct G711Codecs;

impl CodecFactory for G711Codecs {
    fn decoder(&self, codec: &Codec, _: u32) -> Option<Box<dyn Decoder>> {
        let samples = if is(codec, "PCMU") {
            &MU_SAMPLES
        } else if is(codec, "PCMA") {
            &A_SAMPLES
        } else {
            return None;
        };
        Some(Box::new(G711Decoder { samples, concealment: Concealment::new(RATE) }))
    }

    fn encoder(&self, codec: &Codec, _: u32, packet: Duration) -> Option<Box<dyn Encoder>> {
        let encode = if is(codec, "PCMU") {
            encode_mu
        } else if is(codec, "PCMA") {
            encode_a
        } else {
            return None;
        };
        Some(Box::new(G711Encoder { encode, frame_size: samples_in(packet, RATE).clamp(80, LONGEST) }))
    }

    fn conversions(&self) -> Conversions {
        Conversions::G711
    }
}

fn is(codec: &Codec, name: &str) -> bool {
    codec.is(name) && codec.clock_rate == RATE && codec.channels == 1
}

#[derive(Debug)]
struct G711Decoder {
    samples: &'static [i16; 256],
    concealment: Concealment,
}

impl Decoder for G711Decoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(RATE)
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        if payload.is_empty() || payload.len() > LONGEST {
            return Err(CodecError::Malformed);
        }
        let begin = out.len();
        out.extend(payload.iter().map(|octet| self.samples.get(usize::from(*octet)).copied().unwrap_or_default()));
        self.concealment.decoded(out.get_mut(begin..).unwrap_or_default());
        Ok(())
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        self.concealment.conceal(samples, out);
    }
}

#[derive(Clone, Copy, Debug)]
struct G711Encoder {
    encode: fn(i32) -> u8,
    frame_size: usize,
}

impl Encoder for G711Encoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(RATE)
    }

    fn frame_size(&self) -> usize {
        self.frame_size
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if samples.len() != self.frame_size {
            return Err(CodecError::FrameSize);
        }
        out.extend(samples.iter().map(|sample| (self.encode)(i32::from(*sample))));
        Ok(())
    }
}
