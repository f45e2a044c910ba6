//! Files of audio: playback files, which are decoded into memory before they are played, and recordings.
//!
//! ```text
//! MediaFiles::open ─ blocking thread ─▶ decoded samples ─ AudioSourceId ─▶ Command::Play ─▶ media thread reads memory
//!
//! Recordings::start ─ blocking thread ─▶ file ─ RecordingId ─▶ Command::Record ─▶ media thread ─ bounded queue ─▶
//!     writer thread: Timeline (both channels) ─▶ WAV or Ogg Opus
//! ```
//!
//! Media threads neither read nor write files. A call of [`MediaFiles::open`] or [`Recordings::start`] blocks and belongs on a
//! blocking thread.

mod audio;
mod disk;
mod error;
mod file_name;
mod library;
mod ogg_opus;
mod ogg_writer;
mod recordings;
mod sink;
mod timeline;
mod wav;
mod wav_writer;
mod writer;

pub use audio::ShellAudio;
pub use error::{MediaFileError, RecordingError};
pub use file_name::RecordingFields;
pub(crate) use file_name::check as check_pattern;
pub use library::MediaFiles;
pub use recordings::{RecordingThread, Recordings, StartedRecording};

#[cfg(test)]
mod tests;
