//! Audio that the relay itself sends or receives: playback and recording.
//!
//! ```text
//! AudioSource (16-bit samples) ─▶ Resampler ─▶ (+ mixed audio) ─▶ Encoder ─▶ RTP to the leg's peer, every 20 ms
//!
//! RTP of the leg's peer ─▶ StreamDecoder: reorder, decode, conceal ─▶ Resampler ─▶ AudioSink, one per leg and channel
//! ```
//!
//! The shell provides sources and sinks through an [`AudioFactory`] in the worker's configuration. They run on the media
//! thread: a source reads from memory, and a sink passes samples to another thread without waiting.

mod decode;
mod mix;
mod placement;
mod reader;
mod resample;
mod tone;

pub(crate) use decode::{DecodedRun, EncodedAudio, RunPart, StreamDecoder};
pub(crate) use mix::MixBuffer;
pub(crate) use placement::{MAX_BEHIND, Placement, position};
pub(crate) use reader::{FrameRead, FrameReader};
pub use resample::Resampler;
pub(crate) use tone::Tone;

use crate::command::{AudioSourceId, RecordedLeg};
use core::fmt;

/// Mono audio for playback, read from its beginning.
pub trait AudioSource: fmt::Debug + Send {
    /// Samples per second.
    fn rate(&self) -> u32;

    /// Reads the next samples into `out` and returns their number, which is less than the length of `out` only at the
    /// end.
    ///
    /// # Errors
    ///
    /// If the samples cannot be read; the playback fails.
    fn read(&mut self, out: &mut [i16]) -> Result<usize, SourceError>;

    /// Returns to the beginning.
    fn rewind(&mut self);
}

/// A source could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceError;

/// One channel of a recording. Dropping it ends the channel.
pub trait AudioSink: fmt::Debug + Send {
    /// Samples per second.
    fn rate(&self) -> u32;

    /// Takes samples without waiting. `position` is the number of samples from the beginning of the recording. Positions
    /// may leave gaps, which are silence, and may overlap earlier samples, which they replace if they are not written
    /// yet.
    ///
    /// # Errors
    ///
    /// If the samples are not accepted.
    fn write(&mut self, position: u64, samples: &[i16]) -> Result<(), SinkError>;

    /// Declares that no samples before `position` follow, so that they can be written to the recording.
    ///
    /// # Errors
    ///
    /// If this is not accepted. After [`SinkError::Full`], a later call includes it.
    fn advance(&mut self, position: u64) -> Result<(), SinkError>;
}

/// The reason why a sink did not accept samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkError {
    /// The queue is full; later samples may be accepted.
    Full,
    /// The recording has reached its maximum length or size.
    Limit,
    /// The recording can no longer be written.
    Failed,
}

/// Makes sources and sinks for the identifiers in commands.
pub trait AudioFactory: fmt::Debug + Send + Sync {
    /// Returns loaded audio from its beginning; `None` if it is unknown.
    fn source(&self, id: AudioSourceId) -> Option<Box<dyn AudioSource>>;

    /// Returns a channel of a recording; `None` if the recording is unknown or has ended.
    fn sink(&self, recorded: RecordedLeg) -> Option<Box<dyn AudioSink>>;
}

/// A factory without audio: only tones can be played.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLoadedAudio;

impl AudioFactory for NoLoadedAudio {
    fn source(&self, _: AudioSourceId) -> Option<Box<dyn AudioSource>> {
        None
    }

    fn sink(&self, _: RecordedLeg) -> Option<Box<dyn AudioSink>> {
        None
    }
}
