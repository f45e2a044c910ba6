//! The interface of audio codecs. The implementations are not part of the core: a shell provides them as a
//! [`CodecFactory`], which its [`StageFactory`](super::StageFactory) can use.

use core::fmt;
use offhook_sdp::codec::Codec;

/// The format of decoded audio: 16-bit samples, interleaved if there is more than one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleFormat {
    /// Samples per second and channel. It may differ from the RTP clock rate (RFC 3551 §4.5.2).
    pub rate: u32,
    /// The number of channels.
    pub channels: u8,
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
}

/// An encoder with the state of one sink.
pub trait Encoder: fmt::Debug + Send {
    /// The format of its input.
    fn format(&self) -> SampleFormat;

    /// The number of samples per channel in one payload.
    fn frame_size(&self) -> usize;

    /// Appends the payload for one frame.
    ///
    /// # Errors
    ///
    /// If `samples` is not one frame; nothing is appended.
    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError>;
}

/// Makes decoders and encoders.
pub trait CodecFactory: fmt::Debug + Send + Sync {
    /// Returns a decoder for a negotiated codec; `None` if it is not supported.
    fn decoder(&self, codec: &Codec) -> Option<Box<dyn Decoder>>;

    /// Returns an encoder for a negotiated codec; `None` if it is not supported.
    fn encoder(&self, codec: &Codec) -> Option<Box<dyn Encoder>>;
}

#[cfg(test)]
mod tests;
