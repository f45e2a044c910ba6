//! The interface of audio codecs. PCMU and PCMA are part of the core ([`super::g711::G711Codecs`]); a shell provides
//! further codecs as a [`CodecFactory`] in the configuration of a worker.

use core::fmt;
use core::time::Duration;
use offhook_sdp::codec::Codec;
use offhook_sdp::plan::Conversions;

/// The format of decoded audio: 16-bit samples, interleaved if there is more than one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleFormat {
    /// Samples per second and channel. It may differ from the RTP clock rate (RFC 3551 §4.5.2).
    pub rate: u32,
    /// The number of channels.
    pub channels: u8,
}

impl SampleFormat {
    /// One channel with this sample rate.
    #[must_use]
    pub const fn mono(rate: u32) -> Self {
        Self { rate, channels: 1 }
    }
}

/// The reason why a codec did not process a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The payload is malformed.
    Malformed,
    /// The number of samples is not a frame size of the codec.
    FrameSize,
}

/// A decoder with the state of one source.
pub trait Decoder: fmt::Debug + Send {
    /// The format of its output.
    fn format(&self) -> SampleFormat;

    /// Appends the samples of a payload.
    ///
    /// # Errors
    ///
    /// If the payload is malformed; nothing is appended.
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError>;

    /// Appends samples in place of a packet that was lost. `samples` is the number per channel.
    fn conceal(&mut self, samples: usize, out: &mut Vec<i16>);

    /// Appends samples in place of a packet that was lost, whose successor `next` has arrived. Codecs with forward error
    /// correction decode the copy of the lost frame in `next`; the others conceal it.
    fn recover(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) {
        let _ = next;
        self.conceal(samples, out);
    }
}

/// An encoder with the state of one sink.
pub trait Encoder: fmt::Debug + Send {
    /// The format of its input.
    fn format(&self) -> SampleFormat;

    /// The number of samples per channel in one payload.
    fn frame_size(&self) -> usize;

    /// Appends the payload for one frame. Appends nothing if the receiver expects no packet for this frame
    /// (discontinuous transmission).
    ///
    /// # Errors
    ///
    /// If `samples` is not one frame; nothing is appended.
    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError>;
}

/// Makes decoders and encoders.
pub trait CodecFactory: fmt::Debug + Send + Sync {
    /// Returns a decoder for a negotiated codec; `None` if it is not supported. Its output has the sample rate `rate` if the
    /// codec supports it, else another one ([`Decoder::format`]).
    fn decoder(&self, codec: &Codec, rate: u32) -> Option<Box<dyn Decoder>>;

    /// Returns an encoder for a negotiated codec; `None` if it is not supported. `codec` has the format parameters of
    /// the receiver. Its input has the sample rate `rate` if the codec supports it, else another one
    /// ([`Encoder::format`]). One payload has the duration `packet`, or the nearest one that the codec supports
    /// ([`Encoder::frame_size`]).
    fn encoder(&self, codec: &Codec, rate: u32, packet: Duration) -> Option<Box<dyn Encoder>>;

    /// The conversions between the codecs that it can decode and encode.
    fn conversions(&self) -> Conversions;
}

/// Returns the number of samples in a duration.
#[must_use]
pub fn samples_in(duration: Duration, rate: u32) -> usize {
    let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    usize::try_from(microseconds.saturating_mul(u64::from(rate)) / 1_000_000).unwrap_or(usize::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
