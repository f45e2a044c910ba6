//! Execution of call commands from browsers, SIP endpoints and the shell.

use super::Relay;
use crate::call::{self, Call, CallKey, CallSnapshot};
use crate::command::{Accepted, CallCommand, CallRef, CommandError, CommandResult};
use crate::presenter;
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_signaling::message::CallId;

impl Relay {
    /// Returns a call and its participants; `None` if it has ended.
    #[must_use]
    pub fn call(&self, call: CallKey) -> Option<CallSnapshot> {
        self.calls.get(call)?.snapshot(|leg| self.presenter.view(leg).map(|view| view.call_id.clone()))
    }

    /// Executes a command.
    pub(super) fn execute(&mut self, command: CallCommand, now: Time) -> CommandResult {
        match command {
            CallCommand::Place(new_call) => self.place(*new_call, now),
            CallCommand::Start(call) => self.start(*call, now),
            CallCommand::Bridge { call, other } => self.bridge(call, other, now),
            CallCommand::CollectDigits { at, limits } => self.collect(at, limits, now),
            CallCommand::Play { at, playback } => self.play(at, playback, now),
            CallCommand::StopPlayback { at } => self.stop_playback(at),
            CallCommand::Mute { at, direction } => self.mute(at, direction, true, now),
            CallCommand::Unmute { at, direction } => self.mute(at, direction, false, now),
            CallCommand::Record { call, recording, file } => self.record(call, recording, file, now),
            CallCommand::ControlRecording { call, action } => self.control_recording(call, action, now),
            CallCommand::EndSession { session } => self.end_session(session, now),
            CallCommand::Answer { at, sdp, lines } => {
                let can_answer = |call: &Call| call.is_alerting(at.leg).then_some(()).ok_or(CommandError::NotAlerting);
                self.pass(at, can_answer, |leg| call::Input::Answer { leg, sdp, lines }, now)
            }
            CallCommand::HangUp { at, reason } if self.is_unrouted(at) => {
                self.call_input(at.call, call::Input::HangUp { leg: at.leg, reason }, now);
                Ok(Accepted::Passed)
            }
            CallCommand::HangUp { at, reason } => {
                self.pass(at, |_| Ok(()), |leg| call::Input::HangUp { leg, reason }, now)
            }
            CallCommand::Hold { at } => self.pass(at, established(at), |leg| call::Input::Hold { leg }, now),
            CallCommand::Resume { at } => self.pass(at, established(at), |leg| call::Input::Unhold { leg }, now),
            CallCommand::SendDtmf { at, method, digits } => {
                let digits = digits.as_str().to_owned();
                let sent = digits.clone();
                self.pass(at, established(at), |leg| call::Input::SendDtmf { leg, method, digits }, now)?;
                self.collect_digits(at.leg, &sent, now);
                Ok(Accepted::Passed)
            }
            CallCommand::TransferBlind { at, target, refer } => self.transfer_blind(at, &target, refer, now),
            CallCommand::TransferAttended { at, other } => self.transfer_attended(at, other, now),
        }
    }

    /// Passes a command to its call, if `check` permits it in the state of the call.
    fn pass(
        &mut self,
        at: CallRef,
        check: impl FnOnce(&Call) -> Result<(), CommandError>,
        input: impl FnOnce(LegKey) -> call::Input,
        now: Time,
    ) -> CommandResult {
        check(self.participant(at)?)?;
        self.call_input(at.call, input(at.leg), now);
        Ok(Accepted::Passed)
    }

    /// Returns the call of a participant.
    pub(super) fn participant(&self, at: CallRef) -> Result<&Call, CommandError> {
        let is_known = self.calls.call_of(at.leg) == Some(at.call);
        self.calls.get(at.call).filter(|_| is_known).ok_or(CommandError::UnknownCall)
    }

    /// Executes a command of a browser. If it fails because of an error of the page, the browser is informed.
    pub(super) fn execute_for(&mut self, session: call::SessionId, call_id: &CallId, command: CallCommand, now: Time) {
        let method = presenter::method_of(&command);
        if let Err(error) = self.execute(command, now)
            && let Some(message) = presenter::refusal(method, call_id, error)
        {
            self.send_to_session(session, &message);
        }
    }
}

fn established(at: CallRef) -> impl FnOnce(&Call) -> Result<(), CommandError> {
    move |call| call.is_connected(at.leg).then_some(()).ok_or(CommandError::NotEstablished)
}
