//! G.722 at 64 kbit/s. It samples at 16 kHz, although its RTP clock rate is 8000 Hz (RFC 3551 §4.5.2).

use super::{LONGEST_PAYLOAD, frames_in};
use core::fmt;
use core::time::Duration;
use ezk_g722::libg722::Bitrate;
use ezk_g722::libg722::{decoder, encoder};
use offhook_media::graph::codec::{CodecError, Decoder, Encoder, SampleFormat, samples_in};
use offhook_media::graph::concealment::Concealment;
use offhook_sdp::codec::Codec;

const RATE: u32 = 16_000;
const SAMPLES_PER_OCTET: usize = 2;

fn is_g722(codec: &Codec) -> bool {
    codec.is("G722") && codec.clock_rate == 8000 && codec.channels == 1
}

pub(super) fn decoder(codec: &Codec) -> Option<Box<dyn Decoder>> {
    let state = || decoder::Decoder::new(Bitrate::Mode1_64000, false, false);
    is_g722(codec).then(|| Box::new(G722Decoder { state: state(), concealment: Concealment::new(RATE) }) as _)
}

pub(super) fn encoder(codec: &Codec, packet: Duration) -> Option<Box<dyn Encoder>> {
    let state = || encoder::Encoder::new(Bitrate::Mode1_64000, false, false);
    let frame_size = 160 * frames_in(packet, 10);
    is_g722(codec).then(|| Box::new(G722Encoder { state: state(), frame_size }) as _)
}

struct G722Decoder {
    state: decoder::Decoder,
    concealment: Concealment,
}

impl fmt::Debug for G722Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("G722Decoder").finish_non_exhaustive()
    }
}

impl Decoder for G722Decoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(RATE)
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        if payload.is_empty() || payload.len() * SAMPLES_PER_OCTET > samples_in(LONGEST_PAYLOAD, RATE) {
            return Err(CodecError::Malformed);
        }
        let mut samples = self.state.decode(payload);
        self.concealment.decoded(&mut samples);
        out.append(&mut samples);
        Ok(())
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        self.concealment.conceal(samples, out);
    }
}

struct G722Encoder {
    state: encoder::Encoder,
    frame_size: usize,
}

impl fmt::Debug for G722Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("G722Encoder").field("frame_size", &self.frame_size).finish_non_exhaustive()
    }
}

impl Encoder for G722Encoder {
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
        out.append(&mut self.state.encode(samples));
        Ok(())
    }
}
