//! Playback, recording and muting by command of the application.
//!
//! Media commands concern legs, so that playback and muting need no state of the call. A recording belongs to a call: its
//! left channel has the audio of the caller's side, its right channel that of the callee's side. When another leg takes a
//! side, it continues the channel of that side.

use super::Relay;
use crate::call::{CallEvent, CallKey, LegId};
use crate::command::{Accepted, CallRef, CommandError, CommandResult, Playback, RecordingAction};
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{
    Command, LegKey, MuteDirection, PlaybackEnd, PlaybackId, RecordedLeg, RecordingChannel, RecordingEnd, RecordingId,
    WorkerId,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A recording of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CallRecording {
    call: CallKey,
    file: String,
    origin: Time,
    is_paused: bool,
    /// The legs that are recorded, by channel.
    legs: BTreeMap<RecordingChannel, LegKey>,
    /// The legs whose part has not ended.
    open: BTreeSet<LegKey>,
    /// The longest part, and the audio that is missing in all parts.
    duration: Duration,
    lost: Duration,
}

/// The playbacks and recordings of all calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CallAudio {
    /// The playback of each leg that has one.
    playbacks: BTreeMap<LegKey, PlaybackId>,
    recordings: BTreeMap<RecordingId, CallRecording>,
    /// The recordings that have not been stopped, one for a call.
    active: BTreeMap<CallKey, RecordingId>,
}

impl CallAudio {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.playbacks.is_empty() && self.recordings.is_empty() && self.active.is_empty()
    }

    /// Removes the recordings of a call whose record is complete: no report of a worker is expected any more.
    pub(super) fn forget(&mut self, call: CallKey) {
        self.active.remove(&call);
        self.recordings.retain(|_, recording| recording.call != call);
    }

    /// Removes a leg that has left its call. Its worker reports no end of its playback.
    pub(super) fn forget_leg(&mut self, leg: LegKey) {
        self.playbacks.remove(&leg);
    }
}

impl Relay {
    /// Plays audio to a participant.
    pub(super) fn play(&mut self, at: CallRef, playback: Playback, now: Time) -> CommandResult {
        let worker = self.audio_worker(at)?;
        self.keep_media_here(at.call, now);
        let id = PlaybackId(self.fresh_id());
        let Playback { source, repeat, mode } = playback;
        self.dispatch_media(Command::Play { leg: at.leg, playback: id, source, repeat, mode }, at.call, worker);
        self.audio.playbacks.insert(at.leg, id);
        self.record_event(at.call, CallEvent::PlaybackStarted { to: at.leg, playback: id }, now);
        Ok(Accepted::Playing(id))
    }

    /// Stops the playback to a participant. Its end is reported by the worker.
    pub(super) fn stop_playback(&mut self, at: CallRef) -> CommandResult {
        let worker = self.audio_worker(at)?;
        let playback = *self.audio.playbacks.get(&at.leg).ok_or(CommandError::NotPlaying)?;
        self.dispatch_media(Command::StopPlayback { leg: at.leg, playback }, at.call, worker);
        Ok(Accepted::Passed)
    }

    /// Handles the end of a playback.
    pub(super) fn playback_ended(&mut self, leg: LegKey, playback: PlaybackId, end: PlaybackEnd, now: Time) {
        if self.audio.playbacks.get(&leg) == Some(&playback) {
            self.audio.playbacks.remove(&leg);
        }
        if let Some(call) = self.calls.call_of(leg) {
            self.record_event(call, CallEvent::PlaybackEnded { to: leg, playback, end }, now);
        }
    }

    /// Mutes a participant in one direction, or ends that.
    pub(super) fn mute(&mut self, at: CallRef, direction: MuteDirection, is_muted: bool, now: Time) -> CommandResult {
        let (worker, leg) = (self.audio_worker(at)?, at.leg);
        self.keep_media_here(at.call, now);
        let (command, event) = if is_muted {
            (Command::Mute { leg, direction }, CallEvent::Muted { leg, direction })
        } else {
            (Command::Unmute { leg, direction }, CallEvent::Unmuted { leg, direction })
        };
        self.dispatch_media(command, at.call, worker);
        self.record_event(at.call, event, now);
        Ok(Accepted::Passed)
    }

    /// Begins to record a call in a file that the shell has created.
    pub(super) fn record(&mut self, call: CallKey, id: RecordingId, file: String, now: Time) -> CommandResult {
        let known = self.calls.get(call).ok_or(CommandError::UnknownCall)?;
        if known.media_sides().is_empty() {
            return Err(CommandError::NotEstablished);
        }
        if self.audio.active.contains_key(&call) {
            return Err(CommandError::AlreadyRecording);
        }
        self.keep_media_here(call, now);
        let recording = CallRecording {
            call,
            file: file.clone(),
            origin: now,
            is_paused: false,
            legs: BTreeMap::new(),
            open: BTreeSet::new(),
            duration: Duration::ZERO,
            lost: Duration::ZERO,
        };
        self.audio.recordings.insert(id, recording);
        self.audio.active.insert(call, id);
        self.record_event(call, CallEvent::RecordingStarted { recording: id, file }, now);
        self.follow_sides(call);
        Ok(Accepted::Passed)
    }

    /// Pauses, resumes or stops the recording of a call.
    pub(super) fn control_recording(&mut self, call: CallKey, action: RecordingAction, now: Time) -> CommandResult {
        let worker = self.calls.get(call).ok_or(CommandError::UnknownCall)?.worker();
        let recording = *self.audio.active.get(&call).ok_or(CommandError::NotRecording)?;
        let known = self.audio.recordings.get_mut(&recording).ok_or(CommandError::NotRecording)?;
        let event = match action {
            RecordingAction::Pause => {
                known.is_paused = true;
                Some(CallEvent::RecordingPaused { recording })
            }
            RecordingAction::Resume => {
                known.is_paused = false;
                Some(CallEvent::RecordingResumed { recording })
            }
            RecordingAction::Stop => {
                self.audio.active.remove(&call);
                None
            }
        };
        for leg in known.open.clone() {
            let command = match action {
                RecordingAction::Pause => Command::PauseRecording { leg, recording },
                RecordingAction::Resume => Command::ResumeRecording { leg, recording },
                RecordingAction::Stop => Command::StopRecording { leg, recording },
            };
            self.dispatch_media(command, call, worker);
        }
        if let Some(event) = event {
            self.record_event(call, event, now);
        }
        Ok(Accepted::Passed)
    }

    /// Records the legs that have taken a side of a recorded call, in place of the former ones.
    pub(super) fn follow_sides(&mut self, call: CallKey) {
        let Some(recording) = self.audio.active.get(&call).copied() else { return };
        let Some(known) = self.calls.get(call) else { return self.end_recordings_of(call) };
        let (worker, sides) = (known.worker(), known.media_sides());
        let Some(state) = self.audio.recordings.get_mut(&recording) else { return };
        let mut commands = Vec::new();
        for (side, leg) in sides {
            let channel = match side {
                LegId::A => RecordingChannel::Left,
                LegId::B => RecordingChannel::Right,
            };
            let before = state.legs.insert(channel, leg);
            if before == Some(leg) {
                continue;
            }
            let moved = before.filter(|leg| self.calls.call_of(*leg).is_some());
            commands.extend(moved.map(|leg| Command::StopRecording { leg, recording }));
            state.open.insert(leg);
            commands.push(Command::Record { leg, to: RecordedLeg { recording, channel, origin: state.origin } });
            if state.is_paused {
                commands.push(Command::PauseRecording { leg, recording });
            }
        }
        commands.into_iter().for_each(|command| self.dispatch_media(command, call, worker));
    }

    /// Ends the recording of a call that is over. Its legs have been closed, or have joined another call.
    pub(super) fn end_recordings_of(&mut self, call: CallKey) {
        let Some(recording) = self.audio.active.remove(&call) else { return };
        let open = self.audio.recordings.get(&recording).map(|known| known.open.clone()).unwrap_or_default();
        for leg in open {
            if let Some(worker) = self.calls.worker_of(leg).filter(|_| self.calls.call_of(leg).is_some()) {
                self.dispatch_media(Command::StopRecording { leg, recording }, call, worker);
            }
        }
    }

    /// Handles the end of one leg's part of a recording. The last one ends the recording.
    pub(super) fn recording_ended(&mut self, ended: RecordedPart, now: Time) {
        let RecordedPart { leg, recording, end, duration, lost } = ended;
        let Some(known) = self.audio.recordings.get_mut(&recording) else { return };
        known.open.remove(&leg);
        known.duration = known.duration.max(duration);
        known.lost += lost;
        if !known.open.is_empty() {
            return;
        }
        let Some(CallRecording { call, duration, lost, .. }) = self.audio.recordings.remove(&recording) else { return };
        if self.audio.active.get(&call) == Some(&recording) {
            self.audio.active.remove(&call);
        }
        self.record_event(call, CallEvent::RecordingEnded { recording, end, duration, lost }, now);
    }

    /// Returns the worker of a participant to which audio can be played, or whose audio can be recorded.
    fn audio_worker(&self, at: CallRef) -> Result<WorkerId, CommandError> {
        let call = self.participant(at)?;
        if !call.is_connected(at.leg) {
            return Err(CommandError::NotEstablished);
        }
        let has_media = call.media_sides().iter().any(|(_, leg)| *leg == at.leg);
        if has_media { Ok(call.worker()) } else { Err(CommandError::NoMedia) }
    }

    /// Ends direct media of a call, because the relay has to process them.
    fn keep_media_here(&mut self, call: CallKey, now: Time) {
        self.calls.update(call, |call| call.keep_media_here(now));
        self.drain_call(call, now);
    }
}

/// The end of one leg's part of a recording.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordedPart {
    pub(super) leg: LegKey,
    pub(super) recording: RecordingId,
    pub(super) end: RecordingEnd,
    pub(super) duration: Duration,
    pub(super) lost: Duration,
}
