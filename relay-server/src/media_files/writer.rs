//! The thread that writes all recordings.
//!
//! Samples arrive through one bounded queue. If the disk is so slow that the queue is full, the media threads drop samples, and
//! the recordings have silence in their place.

use super::disk;
use super::timeline::Timeline;
use core::time::Duration;
use offhook_media::audio::SinkError;
use offhook_media::command::{RecordingChannel, RecordingId};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Instant;

/// The interval at which headers are updated and limits are checked.
const UPDATE: Duration = Duration::from_secs(2);
/// The time for which a recording without a leg waits for a leg or its end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file of a certain format.
pub(super) trait RecordingFile: std::fmt::Debug + Send {
    /// Appends interleaved stereo samples, and returns the number of octets that the file grows.
    fn write(&mut self, frames: &[i16]) -> io::Result<u64>;

    /// Makes what is written playable.
    fn update(&mut self) -> io::Result<()>;

    /// Completes the file.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Whether a recording accepts samples, shared with its sinks.
#[derive(Debug, Default)]
pub(super) struct RecordingState(AtomicU8);

const LIMIT: u8 = 1;
const FAILED: u8 = 2;

impl RecordingState {
    pub(super) fn check(&self) -> Result<(), SinkError> {
        match self.0.load(Ordering::Relaxed) {
            LIMIT => Err(SinkError::Limit),
            FAILED => Err(SinkError::Failed),
            _ => Ok(()),
        }
    }

    fn end(&self, error: SinkError) {
        let end = if error == SinkError::Limit { LIMIT } else { FAILED };
        self.0.store(end, Ordering::Relaxed);
    }
}

/// A request to the thread.
#[derive(Debug)]
pub(super) enum Job {
    Start(RecordingId, Box<Opened>),
    Open { recording: RecordingId, channel: RecordingChannel },
    Write { recording: RecordingId, channel: RecordingChannel, position: u64, samples: Vec<i16> },
    Advance { recording: RecordingId, channel: RecordingChannel, position: u64 },
}

/// An end, which is never lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// A leg's part has ended. Another leg may take its channel.
    Channel(RecordingId, RecordingChannel),
    /// All parts have ended, or none will begin.
    Recording(RecordingId),
}

/// A recording whose file has been created.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: Box<dyn RecordingFile>,
    pub(super) path: PathBuf,
    pub(super) rate: u32,
    pub(super) state: Arc<RecordingState>,
}

/// Limits of a recording.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) length: Duration,
    pub(super) min_free: u64,
}

#[derive(Debug)]
struct Recording {
    opened: Opened,
    timeline: Timeline,
    /// Stereo frames and octets written.
    frames: u64,
    octets: u64,
    /// The time at which the recording ends if it has no leg until then.
    give_up_at: Instant,
    /// No further leg is recorded.
    is_over: bool,
}

/// The state of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Receiver<Job>,
    closed: Receiver<Closing>,
    /// Whether the thread ends.
    ends: Arc<AtomicBool>,
    limits: Limits,
    recordings: BTreeMap<RecordingId, Recording>,
    frames: Vec<i16>,
}

impl Writer {
    pub(super) fn new(
        (jobs, closed): (Receiver<Job>, Receiver<Closing>),
        ends: Arc<AtomicBool>,
        limits: Limits,
    ) -> Self {
        Self { jobs, closed, ends, limits, recordings: BTreeMap::new(), frames: Vec::new() }
    }

    /// Writes until it is requested to end; then completes all files.
    pub(super) fn run(mut self) {
        let mut update_at = Instant::now() + UPDATE;
        loop {
            // A channel that was closed before the queue is emptied has no further samples in it.
            let is_requested = self.ends.load(Ordering::Relaxed);
            let closed: Vec<_> = self.closed.try_iter().collect();
            let is_over = self.take_jobs(closed.is_empty() && !is_requested) || is_requested;
            closed.into_iter().for_each(|closing| self.close(closing));
            if Instant::now() >= update_at {
                update_at = Instant::now() + UPDATE;
                self.update();
            }
            if is_over {
                break;
            }
        }
        for (id, recording) in core::mem::take(&mut self.recordings) {
            recording.finish(id, &mut self.frames);
        }
    }

    /// Handles the queued jobs, after waiting for one if `waits`. Returns whether there are no more senders.
    fn take_jobs(&mut self, waits: bool) -> bool {
        if waits {
            match self.jobs.recv_timeout(Duration::from_millis(100)) {
                Ok(job) => self.handle(job),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
        loop {
            match self.jobs.try_recv() {
                Ok(job) => self.handle(job),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    fn handle(&mut self, job: Job) {
        match job {
            Job::Start(id, opened) => {
                let give_up_at = Instant::now() + PATIENCE;
                let timeline = Timeline::default();
                let recording =
                    Recording { opened: *opened, timeline, frames: 0, octets: 0, give_up_at, is_over: false };
                self.recordings.insert(id, recording);
            }
            Job::Open { recording, channel } => {
                if let Some(recording) = self.recordings.get_mut(&recording) {
                    recording.timeline.open(channel);
                }
            }
            Job::Write { recording, channel, position, samples } => {
                if let Some(recording) = self.recordings.get_mut(&recording) {
                    recording.timeline.write(channel, position, &samples);
                }
            }
            Job::Advance { recording, channel, position } => {
                if let Some(recording) = self.recordings.get_mut(&recording) {
                    recording.timeline.advance(channel, position);
                    recording.write(&mut self.frames, self.limits.length);
                }
            }
        }
    }

    /// Ends a channel or a recording. The file is completed when the recording is over and its last channel has ended.
    fn close(&mut self, closing: Closing) {
        let (Closing::Channel(id, _) | Closing::Recording(id)) = closing;
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        match closing {
            Closing::Channel(_, channel) => {
                recording.timeline.close(channel);
                recording.give_up_at = Instant::now() + PATIENCE;
            }
            Closing::Recording(_) => recording.is_over = true,
        }
        if recording.is_over
            && !recording.timeline.is_open()
            && let Some(recording) = self.recordings.remove(&id)
        {
            recording.finish(id, &mut self.frames);
        }
    }

    /// Updates headers, and ends recordings that have no leg or no space.
    fn update(&mut self) {
        let now = Instant::now();
        let is_abandoned = |recording: &Recording| !recording.timeline.is_open() && recording.give_up_at <= now;
        let abandoned = self.recordings.iter().filter(|(_, recording)| is_abandoned(recording));
        let abandoned: Vec<RecordingId> = abandoned.map(|(id, _)| *id).collect();
        for id in abandoned {
            if let Some(recording) = self.recordings.remove(&id) {
                tracing::warn!(recording = id.0, "recording ended: no leg of the call is recorded");
                recording.finish(id, &mut self.frames);
            }
        }
        let path = self.recordings.values().next().and_then(|recording| recording.opened.path.parent());
        let free = path.and_then(|path| disk::free_space(path).ok());
        for (id, recording) in &mut self.recordings {
            recording.update(*id, free.is_some_and(|free| free < self.limits.min_free));
        }
    }
}

impl Recording {
    /// Writes the frames that are complete.
    fn write(&mut self, frames: &mut Vec<i16>, most: Duration) {
        if self.opened.state.check().is_err() {
            return;
        }
        frames.clear();
        self.timeline.read(frames);
        let limit = most.as_secs().saturating_mul(u64::from(self.opened.rate));
        if self.frames + frames.len() as u64 / 2 > limit {
            frames.truncate(usize::try_from(2 * (limit.saturating_sub(self.frames))).unwrap_or(0));
            self.opened.state.end(SinkError::Limit);
        }
        self.append(frames);
    }

    fn append(&mut self, frames: &[i16]) {
        match self.opened.file.write(frames) {
            Ok(octets) => {
                self.frames += frames.len() as u64 / 2;
                self.octets += octets;
            }
            Err(error) => {
                tracing::error!(%error, "recording not written");
                self.opened.state.end(SinkError::Failed);
            }
        }
    }

    fn update(&mut self, id: RecordingId, is_disk_full: bool) {
        if let Err(error) = self.opened.file.update() {
            tracing::error!(recording = id.0, %error, "recording not written");
            self.opened.state.end(SinkError::Failed);
        } else if is_disk_full && self.opened.state.check().is_ok() {
            tracing::error!(recording = id.0, "recording ended: the disk has less free space than min_free_mb");
            self.opened.state.end(SinkError::Limit);
        }
    }

    fn finish(mut self, id: RecordingId, frames: &mut Vec<i16>) {
        if self.opened.state.check().is_ok() {
            frames.clear();
            self.timeline.finish(frames);
            self.append(frames);
        }
        // A leg that is recorded later is refused.
        self.opened.state.end(SinkError::Failed);
        let seconds = self.frames / u64::from(self.opened.rate.max(1));
        let octets = self.octets;
        match self.opened.file.finish() {
            Ok(()) => tracing::info!(recording = id.0, seconds, octets, "recording completed"),
            Err(error) => tracing::error!(recording = id.0, %error, "recording not completed"),
        }
    }
}
