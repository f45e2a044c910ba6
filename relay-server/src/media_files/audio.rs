//! Sources and sinks for the media threads.

use super::library::MediaFiles;
use super::recordings::{RecordingThread, Recordings};
use crate::config::MediaFileSettings;
use offhook_media::audio::{AudioFactory, AudioSink, AudioSource};
use offhook_media::command::{AudioSourceId, RecordedLeg};
use std::io;

/// The audio of this process: loaded files, and recordings in progress.
#[derive(Clone, Debug)]
pub struct ShellAudio {
    /// The playback files.
    pub files: MediaFiles,
    /// The recordings.
    pub recordings: Recordings,
}

impl ShellAudio {
    /// Starts the thread that writes recordings.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn start(settings: &MediaFileSettings) -> io::Result<(Self, RecordingThread)> {
        let files = MediaFiles::new(settings.directory.clone(), settings.memory);
        let (recordings, thread) = Recordings::new(settings.recordings.clone())?;
        Ok((Self { files, recordings }, thread))
    }
}

impl AudioFactory for ShellAudio {
    fn source(&self, id: AudioSourceId) -> Option<Box<dyn AudioSource>> {
        self.files.source(id)
    }

    fn sink(&self, recorded: RecordedLeg) -> Option<Box<dyn AudioSink>> {
        self.recordings.sink(recorded)
    }
}
