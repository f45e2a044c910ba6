//! Starts recordings: creates their files, and gives the media threads sinks for their legs.

use super::disk;
use super::error::RecordingError;
use super::file_name::{RecordingFields, path_of};
use super::ogg_writer::OggWriter;
use super::sink::QueueSink;
use super::wav_writer::WavWriter;
use super::writer::{Closing, Job, Limits, Opened, RecordingFile, RecordingState, Writer};
use crate::config::{RecordingFormat, RecordingSettings};
use offhook_media::audio::AudioSink;
use offhook_media::command::{RecordedLeg, RecordingId};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The most queued jobs: 10 s of 200 recordings, about 13 MB.
const QUEUE: usize = 4096;
/// The most files of the same name.
const SAME_NAME: u32 = 1000;

/// A recording that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedRecording {
    /// For [`Command::Record`](offhook_media::command::Command::Record).
    pub id: RecordingId,
    /// The file.
    pub path: PathBuf,
}

/// The recordings of this process. Clones share the recordings.
#[derive(Clone, Debug)]
pub struct Recordings {
    settings: RecordingSettings,
    jobs: SyncSender<Job>,
    closed: Sender<Closing>,
    started: Arc<Mutex<Started>>,
}

/// The recordings that may get further legs.
#[derive(Debug, Default)]
struct Started {
    last: u64,
    states: BTreeMap<RecordingId, Arc<RecordingState>>,
}

/// The writer thread. Dropping it completes all recordings, and blocks meanwhile.
#[derive(Debug)]
pub struct RecordingThread {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for RecordingThread {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes recordings panicked");
        }
    }
}

impl Recordings {
    /// Starts the writer thread.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn new(settings: RecordingSettings) -> io::Result<(Self, RecordingThread)> {
        let (jobs, taken) = sync_channel(QUEUE);
        let (closed, ends) = channel();
        let limits = Limits { length: settings.max_length, min_free: settings.min_free };
        let stop = Arc::new(AtomicBool::new(false));
        let writer = Writer::new((taken, ends), Arc::clone(&stop), limits);
        let thread = std::thread::Builder::new().name("recordings".to_owned()).spawn(move || writer.run())?;
        let thread = RecordingThread { ends: stop, thread: Some(thread) };
        Ok((Self { settings, jobs, closed, started: Arc::default() }, thread))
    }

    /// Creates the file of a recording. Its legs are recorded with
    /// [`Command::Record`](offhook_media::command::Command::Record) until [`complete`](Self::complete); after 30 s without a
    /// leg it ends by itself. Blocks while the file is created.
    ///
    /// # Errors
    ///
    /// If the file cannot be created, or a limit is reached.
    pub fn start(&self, fields: &RecordingFields) -> Result<StartedRecording, RecordingError> {
        let directory = self.settings.directory.as_deref().ok_or(RecordingError::NotConfigured)?;
        let not_created = |error: io::Error| RecordingError::NotCreated(error.to_string());
        self.check_space(directory).map_err(not_created)??;
        let (file, path) = self.create(directory, fields).map_err(not_created)?;
        let id = self.next_id();
        let rate = self.settings.rate;
        let file: io::Result<Box<dyn RecordingFile>> = match self.settings.format {
            RecordingFormat::Wav => WavWriter::new(file, rate).map(|file| Box::new(file) as _),
            RecordingFormat::OggOpus => {
                // The serial number must differ only within a file.
                OggWriter::new(file, rate, u32::try_from(id.0 & 0xffff_ffff).unwrap_or(0))
                    .map(|file| Box::new(file) as _)
            }
        };
        let state = Arc::new(RecordingState::default());
        let opened = Opened { file: file.map_err(not_created)?, path: path.clone(), rate, state: Arc::clone(&state) };
        if let Err(error) = self.jobs.try_send(Job::Start(id, Box::new(opened))) {
            remove(&path);
            let reason = match error {
                TrySendError::Full(_) => "the disk is too slow for the recordings in progress",
                TrySendError::Disconnected(_) => "the thread that writes recordings has ended",
            };
            return Err(RecordingError::NotCreated(reason.to_owned()));
        }
        self.started().states.insert(id, state);
        Ok(StartedRecording { id, path })
    }

    /// Completes the file of a recording when the parts of its legs have ended.
    pub fn complete(&self, recording: RecordingId) {
        // Without a writer thread all files are complete.
        let _ = self.closed.send(Closing::Recording(recording));
    }

    /// Removes a recording whose command was refused, and its file. Blocks while the file is removed.
    pub fn discard(&self, recording: &StartedRecording) {
        self.complete(recording.id);
        self.started().states.remove(&recording.id);
        remove(&recording.path);
    }

    fn started(&self) -> MutexGuard<'_, Started> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_id(&self) -> RecordingId {
        let mut started = self.started();
        started.last += 1;
        // The state of a recording that has ended is not shared any more.
        started.states.retain(|_, state| Arc::strong_count(state) > 1);
        RecordingId(started.last)
    }

    /// Returns the sink for a leg; `None` if the recording is unknown or has ended.
    pub(super) fn sink(&self, recorded: RecordedLeg) -> Option<Box<dyn AudioSink>> {
        let RecordedLeg { recording, channel, .. } = recorded;
        let state = Arc::clone(self.started().states.get(&recording)?);
        state.check().ok()?;
        self.jobs.try_send(Job::Open { recording, channel }).ok()?;
        let (jobs, closed) = (self.jobs.clone(), self.closed.clone());
        Some(Box::new(QueueSink { recording, channel, rate: self.settings.rate, state, jobs, closed }))
    }

    fn check_space(&self, directory: &Path) -> io::Result<Result<(), RecordingError>> {
        fs::create_dir_all(directory)?;
        if disk::free_space(directory)? < self.settings.min_free {
            return Ok(Err(RecordingError::DiskFull));
        }
        let is_full = self.settings.max_total.is_some_and(|most| disk::size_of(directory) >= most);
        Ok(if is_full { Err(RecordingError::TotalReached) } else { Ok(()) })
    }

    /// Creates a new file. A number is added to its name if the name is in use.
    fn create(&self, directory: &Path, fields: &RecordingFields) -> io::Result<(File, PathBuf)> {
        let path = directory.join(path_of(&self.settings.pattern, fields));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let extension = match self.settings.format {
            RecordingFormat::Wav => "wav",
            RecordingFormat::OggOpus => "opus",
        };
        for number in 1..=SAME_NAME {
            let mut name = OsString::from(path.as_os_str());
            name.push(if number == 1 { format!(".{extension}") } else { format!("-{number}.{extension}") });
            // Recordings are private.
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&name) {
                Ok(file) => return Ok((file, PathBuf::from(name))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(file = %path.display(), %error, "file of a recording that was not started is not removed");
    }
}

#[cfg(test)]
mod tests;
