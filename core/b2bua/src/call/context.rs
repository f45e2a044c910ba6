//! The part of a call that all of its states share: settings, leg maker and output queue.

use super::direct::DirectMedia;
use super::negotiation::LegMaker;
use super::participant::{End, Leg, Participant};
use super::{CallEvent, Output, Setup, State};
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{Command, WorkerId};
use offhook_sdp::codec::MediaKind;
use offhook_sdp::section::Section;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Command as SipCommand;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Settings and output queue of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Context {
    pub(super) worker: WorkerId,
    ring_timeout: Duration,
    pub(super) maker: LegMaker,
    pub(super) direct: DirectMedia,
    /// The call has video, as far as it is negotiated.
    has_video: bool,
    ignored: u64,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Context {
    /// Creates the context of a new call.
    pub(super) fn new(setup: Setup) -> Self {
        let Setup { worker, ring_timeout, maker, direct_media } = setup;
        let direct = DirectMedia::new(direct_media);
        Self { worker, ring_timeout, maker, direct, has_video: false, ignored: 0, outputs: VecDeque::new() }
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the deadline for alerting that begins now.
    pub(super) fn alerting_ends(&self, now: Time) -> Time {
        now + self.ring_timeout
    }

    /// Counts an input that the state of the call does not permit.
    pub(super) const fn ignore(&mut self) {
        self.ignored += 1;
    }

    pub(super) const fn take_ignored(&mut self) -> u64 {
        core::mem::replace(&mut self.ignored, 0)
    }

    /// Stores whether the call has video from now on. `sections` is empty after the end of the call.
    pub(super) fn set_media(&mut self, sections: &[Section]) {
        self.has_video = has_video(sections);
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn extend(&mut self, outputs: impl IntoIterator<Item = Output>) {
        self.outputs.extend(outputs);
    }

    /// Sends commands to the worker.
    pub(super) fn media(&mut self, commands: impl IntoIterator<Item = Command>) {
        self.outputs.extend(commands.into_iter().map(Output::Media));
    }

    /// Bridges the legs of two participants, if both have one at a media worker.
    pub(super) fn bridge(&mut self, a: &Participant, b: &Participant) {
        if a.has_media() && b.has_media() {
            self.media([Command::Bridge { a: a.leg, b: b.leg }]);
        }
    }

    /// Removes the bridge of a participant's leg.
    pub(super) fn unbridge(&mut self, participant: &Participant) {
        if participant.has_media() {
            self.media([Command::Unbridge { leg: participant.leg }]);
        }
    }

    /// Sends a command to the user agent.
    pub(super) fn sip(&mut self, command: SipCommand) {
        self.push(Output::Sip(command));
    }

    /// Reports an event to the participants and observers.
    pub(super) fn report(&mut self, event: CallEvent) {
        let has_video = self.has_video;
        self.push(Output::Event { event, has_video });
    }

    /// Releases the legs of targets that are not alerted.
    pub(super) fn discard(&mut self, targets: &[Participant]) {
        for participant in targets {
            self.release_leg(participant);
        }
    }

    /// Removes a participant from the call, and closes its leg at the worker.
    pub(super) fn remove_leg(&mut self, leg: &Leg, end: &End) {
        self.remove_participant(&leg.participant, end);
        if leg.participant.has_media() {
            self.media([Command::Close { leg: leg.participant.leg }]);
        }
    }

    /// Removes a participant from the call: ends its SIP dialog, reports that it left, and releases its leg.
    pub(super) fn remove_participant(&mut self, participant: &Participant, end: &End) {
        self.end_dialog(participant, end);
        self.report(CallEvent::Left { leg: participant.leg, end: end.clone() });
        self.release_leg(participant);
    }

    /// Removes the caller of an unanswered call like [`Self::remove_participant`], but reports the call as unanswered.
    pub(super) fn remove_caller(&mut self, caller: &Participant, end: &End) {
        self.end_dialog(caller, end);
        self.report(CallEvent::Unanswered { caller: caller.leg, end: end.clone() });
        self.release_leg(caller);
    }

    fn end_dialog(&mut self, participant: &Participant, end: &End) {
        let command = participant.peer().and_then(|peer| super::ending::closing_command(peer, end));
        self.outputs.extend(command.map(Output::Sip));
    }

    pub(super) fn release_leg(&mut self, participant: &Participant) {
        self.push(Output::Release { leg: participant.leg, sip: participant.sip_resources() });
    }

    /// Reports the end of the call, which is its last output.
    pub(super) fn finish(&mut self, reason: EndReason) -> State {
        self.report(CallEvent::Ended { reason });
        self.push(Output::Ended(reason));
        State::Ended(reason)
    }
}

/// Returns whether sections contain video.
pub(super) fn has_video(sections: &[Section]) -> bool {
    sections.iter().any(|section| section.kind == MediaKind::Video && !section.rejected)
}
