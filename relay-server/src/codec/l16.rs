//! L16: uncompressed samples in network byte order (RFC 3551 §4.5.11), with one channel.

use super::LONGEST_PAYLOAD;
use core::time::Duration;
use offhook_media::graph::codec::{CodecError, Decoder, Encoder, SampleFormat, samples_in};
use offhook_media::graph::concealment::Concealment;
use offhook_sdp::codec::Codec;

/// The supported sample rates.
const RATES: [u32; 3] = [8000, 16_000, 48_000];

fn rate_of(codec: &Codec) -> Option<u32> {
    let rate = codec.clock_rate;
    (codec.is("L16") && codec.channels == 1 && RATES.contains(&rate)).then_some(rate)
}

pub(super) fn decoder(codec: &Codec) -> Option<Box<dyn Decoder>> {
    let rate = rate_of(codec)?;
    Some(Box::new(L16Decoder { rate, concealment: Concealment::new(rate) }))
}

pub(super) fn encoder(codec: &Codec, packet: Duration) -> Option<Box<dyn Encoder>> {
    let rate = rate_of(codec)?;
    // Longer packets would exceed the usual size of a datagram.
    let frame_size =
        samples_in(packet, rate).clamp(samples_in(Duration::from_millis(10), rate), 640.max(rate as usize / 100));
    Some(Box::new(L16Encoder { rate, frame_size }))
}

#[derive(Debug)]
struct L16Decoder {
    rate: u32,
    concealment: Concealment,
}

impl Decoder for L16Decoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(self.rate)
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        let samples = payload.chunks_exact(2);
        if payload.is_empty()
            || !samples.remainder().is_empty()
            || samples.len() > samples_in(LONGEST_PAYLOAD, self.rate)
        {
            return Err(CodecError::Malformed);
        }
        let begin = out.len();
        out.extend(samples.filter_map(|octets| Some(i16::from_be_bytes(octets.try_into().ok()?))));
        self.concealment.decoded(out.get_mut(begin..).unwrap_or_default());
        Ok(())
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        self.concealment.conceal(samples, out);
    }
}

#[derive(Clone, Copy, Debug)]
struct L16Encoder {
    rate: u32,
    frame_size: usize,
}

impl Encoder for L16Encoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(self.rate)
    }

    fn frame_size(&self) -> usize {
        self.frame_size
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if samples.len() != self.frame_size {
            return Err(CodecError::FrameSize);
        }
        out.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
        Ok(())
    }
}
