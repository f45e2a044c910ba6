//! One channel of a recording, on the media thread.

use super::writer::{Closing, Job, RecordingState};
use offhook_media::audio::{AudioSink, SinkError};
use offhook_media::command::{RecordingChannel, RecordingId};
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, TrySendError};

/// Passes samples to the writer thread.
#[derive(Debug)]
pub(super) struct QueueSink {
    pub(super) recording: RecordingId,
    pub(super) channel: RecordingChannel,
    pub(super) rate: u32,
    pub(super) state: Arc<RecordingState>,
    pub(super) jobs: SyncSender<Job>,
    /// Ends are never lost.
    pub(super) closed: Sender<Closing>,
}

impl QueueSink {
    fn send(&self, job: Job) -> Result<(), SinkError> {
        self.state.check()?;
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => SinkError::Full,
            TrySendError::Disconnected(_) => SinkError::Failed,
        })
    }
}

impl AudioSink for QueueSink {
    fn rate(&self) -> u32 {
        self.rate
    }

    fn write(&mut self, position: u64, samples: &[i16]) -> Result<(), SinkError> {
        let (recording, channel) = (self.recording, self.channel);
        self.send(Job::Write { recording, channel, position, samples: samples.to_vec() })
    }

    fn advance(&mut self, position: u64) -> Result<(), SinkError> {
        self.send(Job::Advance { recording: self.recording, channel: self.channel, position })
    }
}

impl Drop for QueueSink {
    fn drop(&mut self) {
        // Without a writer thread there is nothing to end.
        let _ = self.closed.send(Closing::Channel(self.recording, self.channel));
    }
}
