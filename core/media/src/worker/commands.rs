//! Execution of commands from the signaling plane.

use super::Worker;
use super::reports::InterimReports;
use crate::command::{Command, Event, LegKey, LocalTransport, RemoteTransport, ReportStage, Silence, Stream};
use crate::leg::Leg;
use offhook_clock::Time;
use offhook_sdp::webrtc::IceCredentials;

impl Worker {
    /// Executes a command of the signaling plane.
    pub fn handle_command(&mut self, command: Command, now: Time) {
        let is_executed = match command {
            Command::Open { leg, transport } => self.open(leg, transport, now),
            Command::Connect { leg, transport, streams, silence } => {
                self.connect(leg, transport, streams, silence, now)
            }
            Command::ReservePorts { pairs, addresses } => self.reserve(pairs, &addresses),
            Command::RestartIce { leg, ice } => self.restart_ice(leg, ice),
            Command::RequestKeyFrame { leg } => self.request_key_frame(leg, now),
            Command::Bridge { a, b } => self.bridge(a, b, now),
            Command::BridgeAcross { leg, partner, worker, bridge } => {
                self.bridge_across(leg, partner, worker, bridge, now)
            }
            Command::Unbridge { leg } => self.unbridge(leg),
            Command::SendDtmf { leg, digits } => {
                self.legs.get_mut(leg).map(|leg| leg.queue_digits(&digits)).is_some() && self.settle(leg, now)
            }
            Command::Play { leg, playback, source, repeat, mode } => {
                self.play(leg, playback, source, (repeat, mode), now)
            }
            Command::StopPlayback { leg, playback } => self.stop_playback(leg, playback),
            Command::Mute { leg, direction } => self.mute(leg, direction, true, now),
            Command::Unmute { leg, direction } => self.mute(leg, direction, false, now),
            Command::Record { leg, to } => self.record(leg, to, now),
            Command::PauseRecording { leg, recording } => self.pause_recording(leg, recording, true, now),
            Command::ResumeRecording { leg, recording } => self.pause_recording(leg, recording, false, now),
            Command::StopRecording { leg, recording } => self.stop_recording(leg, recording, now),
            Command::Close { leg } => self.close(leg, now),
        };
        if !is_executed {
            self.io.counters.dropped.bad_command += 1;
        }
    }

    fn open(&mut self, key: LegKey, transport: LocalTransport, now: Time) -> bool {
        let is_possible = !self.legs.contains(key)
            && match &transport {
                LocalTransport::WebRtc { ice } => !self.fragments.contains_key(&ice.ufrag),
                LocalTransport::Rtp { sections, .. } => self.are_free(sections),
            };
        if is_possible {
            let ports = self.bind(self.legs.next_index(), transport.sections());
            let leg = Leg::open(key, transport, &ports, self.rules(), now);
            self.fragments.extend(leg.ufrag().map(|ufrag| (ufrag.to_owned(), key)));
            self.legs.insert(leg);
        }
        is_possible
    }

    fn connect(
        &mut self,
        key: LegKey,
        transport: RemoteTransport,
        streams: Vec<Stream>,
        silence: Silence,
        now: Time,
    ) -> bool {
        let Some(leg) = self.legs.get_mut(key) else { return false };
        if !leg.connect(transport, streams, silence, &mut self.rng, now) {
            return false;
        }
        self.rejoin(key);
        self.settle(key, now)
    }

    fn request_key_frame(&mut self, key: LegKey, now: Time) -> bool {
        if !self.legs.contains(key) {
            return false;
        }
        self.request_key_frames_of_partner(key, false, now);
        true
    }

    fn restart_ice(&mut self, key: LegKey, ice: IceCredentials) -> bool {
        if self.fragments.contains_key(&ice.ufrag) {
            return false;
        }
        let Some(leg) = self.legs.get_mut(key) else { return false };
        let (before, ufrag) = (leg.ufrag().map(str::to_owned), ice.ufrag.clone());
        if !leg.restart_ice(ice) {
            return false;
        }
        if let Some(before) = before {
            self.fragments.remove(&before);
        }
        self.fragments.insert(ufrag, key);
        true
    }

    pub(super) fn close(&mut self, key: LegKey, now: Time) -> bool {
        self.unbridge(key);
        self.disconnect(key);
        let Some((index, mut leg)) = self.legs.remove(key) else { return false };
        leg.end_recordings(&mut self.io, now);
        leg.close(&mut self.io, now);
        self.io.event(Event::LegReports(vec![leg.report(ReportStage::Final)]));
        self.unbind(&leg.ports());
        if let Some(ufrag) = leg.ufrag() {
            self.fragments.remove(ufrag);
        }
        for pair in leg.pairs() {
            self.remove_pair(*pair, index);
        }
        self.wakes.set(key, None);
        if self.legs.len() == 0 {
            self.interim = InterimReports::default();
        }
        true
    }
}
