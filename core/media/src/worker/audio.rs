//! Commands for playback, recording and muting.

use super::Worker;
use crate::audio::{AudioSource, Tone};
use crate::command::{
    Event, LegKey, MuteDirection, PlaybackEnd, PlaybackFailure, PlaybackId, PlaybackMode, PlaybackSource, RecordedLeg,
    RecordingEnd, RecordingId, Repeat,
};
use crate::leg::{Partner, Playback, Recorder};
use core::time::Duration;
use offhook_clock::Time;

impl Worker {
    pub(super) fn play(
        &mut self,
        key: LegKey,
        id: PlaybackId,
        source: PlaybackSource,
        (repeat, mode): (Repeat, PlaybackMode),
        now: Time,
    ) -> bool {
        let Some(partner) = self.legs.get(key).map(|leg| leg.partner.clone()) else { return false };
        let source: Option<Box<dyn AudioSource>> = match source {
            PlaybackSource::Loaded(source) => self.config.audio.source(source),
            PlaybackSource::Tone { frequency, duration } => Some(Box::new(Tone::new(frequency, duration))),
        };
        let Some(source) = source else {
            let end = PlaybackEnd::Failed(PlaybackFailure::Source);
            self.io.event(Event::PlaybackEnded { leg: key, playback: id, end });
            return true;
        };
        let incoming = match partner {
            Some(Partner::Here { key: partner, .. }) => self.legs.get(partner).map(crate::leg::Leg::incoming),
            Some(Partner::Across(across)) => Some(across.incoming),
            None => None,
        };
        let Some(leg) = self.legs.get_mut(key) else { return false };
        leg.start_playback(Playback::new(id, source, repeat, mode), &mut self.io);
        leg.describe_mixed(&incoming.unwrap_or_default());
        self.settle(key, now)
    }

    pub(super) fn stop_playback(&mut self, key: LegKey, id: PlaybackId) -> bool {
        self.legs.get_mut(key).map(|leg| leg.stop_playback(id, &mut self.io)).is_some()
    }

    pub(super) fn mute(&mut self, key: LegKey, direction: MuteDirection, is_muted: bool, now: Time) -> bool {
        self.legs.get_mut(key).map(|leg| leg.mute(direction, is_muted, now)).is_some()
    }

    pub(super) fn record(&mut self, key: LegKey, to: RecordedLeg, now: Time) -> bool {
        let Some(leg) = self.legs.get_mut(key).filter(|leg| !leg.is_recorded_by(to.recording)) else { return false };
        match self.config.audio.sink(to) {
            Some(sink) => leg.start_recording(Recorder::new(to, sink, &self.config.codecs, now)),
            None => self.io.event(Event::RecordingEnded {
                leg: key,
                recording: to.recording,
                end: RecordingEnd::Failed,
                duration: Duration::ZERO,
                lost: Duration::ZERO,
            }),
        }
        self.settle(key, now)
    }

    pub(super) fn pause_recording(&mut self, key: LegKey, id: RecordingId, is_paused: bool, now: Time) -> bool {
        self.legs.get_mut(key).is_some_and(|leg| leg.pause_recording(id, is_paused, now))
    }

    pub(super) fn stop_recording(&mut self, key: LegKey, id: RecordingId, now: Time) -> bool {
        self.legs.get_mut(key).is_some_and(|leg| leg.stop_recording(id, &mut self.io, now))
    }
}
