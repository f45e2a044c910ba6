//! Parameters of playback, recording and muting.

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// Identifies one playback; never used twice while the relay runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlaybackId(pub u64);

/// Identifies one recording, which has a channel for each of its legs; never used twice while the relay runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordingId(pub u64);

/// Identifies decoded audio that the shell has loaded ([`AudioFactory`](crate::audio::AudioFactory)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AudioSourceId(pub u64);

/// The audio of a playback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlaybackSource {
    /// Audio that the shell has loaded, for example a file.
    Loaded(AudioSourceId),
    /// A sine tone that the worker generates, at −13 dBm0.
    Tone {
        /// Its frequency in Hz, below 4000 for telephones.
        frequency: u16,
        /// Its duration. A repeated tone continues without a click.
        duration: Duration,
    },
}

/// Whether audio starts again when it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Repeat {
    /// The playback ends with the audio.
    #[default]
    Once,
    /// The audio starts again until the playback is stopped.
    Forever,
}

/// The treatment of audio that the bridged leg sends during a playback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlaybackMode {
    /// The playback replaces it.
    #[default]
    Replace,
    /// It is decoded and mixed with the playback. Audio with a codec that cannot be decoded is replaced.
    Mix,
}

/// The reason why a playback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlaybackEnd {
    /// The audio was played to its end.
    Completed,
    /// [`Command::StopPlayback`](super::Command::StopPlayback), or another playback has replaced it.
    Stopped,
    /// It could not be played, or not to its end.
    Failed(PlaybackFailure),
}

/// The reason why a playback failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlaybackFailure {
    /// The source is unknown, empty, or could not be read.
    Source,
    /// The relay has no encoder for any codec that the peer receives, or the peer's description has no audio.
    NoCodec,
}

impl PlaybackFailure {
    /// Describes the failure and its remedy, for logs and API errors.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Source => "the audio is not loaded any more or contains no samples; play the file again",
            Self::NoCodec => "the relay cannot encode audio for any codec that the peer receives",
        }
    }
}

/// The direction in which the audio of a leg is muted, from the point of view of its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MuteDirection {
    /// Audio that the peer sends is neither forwarded nor recorded. Its DTMF digits are still reported.
    Sent,
    /// Audio of the bridged leg is not forwarded to the peer. Playback is not affected.
    Received,
}

/// A channel of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RecordingChannel {
    /// The first channel.
    Left,
    /// The second channel.
    Right,
}

/// Selects what a recording receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedLeg {
    /// The recording.
    pub recording: RecordingId,
    /// The channel for the audio that the leg's peer sends.
    pub channel: RecordingChannel,
    /// The time of the first sample of the recording, the same for all its legs.
    pub origin: Time,
}

/// The reason why the recording of a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordingEnd {
    /// [`Command::StopRecording`](super::Command::StopRecording).
    Stopped,
    /// The leg was closed or has failed.
    LegClosed,
    /// The recording has reached its maximum length or size.
    Limit,
    /// The recording is unknown to the shell, or can no longer be written.
    Failed,
}
