//! Commands of browsers that are submitted to the application before they are executed.
//!
//! ```text
//!  command ──> submitted? ─ no ──────────────────────────────> executed
//!                 │ held                   ┌─ granted ───────> executed, then the commands behind it
//!                 └──> waits ──────────────┼─ refused ───────> dropped, reported; then the commands behind it
//!                        ^ later commands  ├─ deadline ──────> as refused
//!                        └ of the session  └─ session lost ──> forgotten
//! ```
//!
//! Commands of one session are executed in order. A hang-up does not wait, except behind the command that places its
//! call.

use super::Relay;
use super::deadlines::Owner;
use crate::authorization::{ApplicationRefusal, AuthorizationOutput, CommandGrant, CommandKind, Submission};
use crate::call::SessionId;
use crate::command::CallRef;
use crate::config::Authorization;
use crate::io::RequestId;
use crate::presenter;
use offhook_clock::Time;
use offhook_signaling::message::{CallId, ClientMessage, ServerMessage};
use offhook_signaling::server::close_code;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, VecDeque};

/// The maximum number of commands that wait in a session.
const MAX_WAITING: usize = 256;
/// The maximum total length of the commands that wait in a session, in octets.
const MAX_WAITING_OCTETS: usize = 262_144;

/// A message as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Received {
    message: ClientMessage,
    /// The length of its text.
    octets: usize,
}

impl Received {
    fn new(message: ClientMessage) -> Self {
        let octets = message.to_json().len();
        Self { message, octets }
    }
}

impl Serialize for Received {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.message.to_json())
    }
}

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        ClientMessage::parse(&text).map(Self::new).map_err(serde::de::Error::custom)
    }
}

/// The command of a session that the application authorizes, and the commands behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HeldCommand {
    request: RequestId,
    message: Received,
    until: Time,
    behind: VecDeque<Received>,
}

impl HeldCommand {
    /// Returns whether one more command may wait.
    fn has_room_for(&self, next: &Received) -> bool {
        let octets: usize = self.behind.iter().map(|waiting| waiting.octets).sum();
        self.behind.len() < MAX_WAITING && octets + next.octets <= MAX_WAITING_OCTETS
    }
}

/// The held commands of all sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Submissions {
    #[serde(with = "offhook_limits::pairs")]
    held: BTreeMap<SessionId, HeldCommand>,
}

impl Submissions {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Returns the deadlines of all held commands.
    #[cfg(test)]
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Time> + '_ {
        self.held.values().map(|held| held.until)
    }

    /// Returns whether the command that places a call waits.
    fn has_waiting_call(&self, session: SessionId, id: &CallId) -> bool {
        let behind = self.held.get(&session).into_iter().flat_map(|held| &held.behind);
        behind
            .into_iter()
            .any(|Received { message, .. }| matches!(message, ClientMessage::Call(call) if call.call_id == *id))
    }
}

/// Returns the call of a command for a call, and the kind of the command if it can be submitted.
fn classify(message: &ClientMessage) -> Option<(&CallId, Option<CommandKind>)> {
    Some(match message {
        ClientMessage::Call(call) => (&call.call_id, None),
        ClientMessage::Answer(answer) => (&answer.call_id, Some(CommandKind::Answer)),
        ClientMessage::Hangup(id) => (id, Some(CommandKind::HangUp)),
        ClientMessage::Hold { call_id, .. } => (call_id, Some(CommandKind::Hold)),
        ClientMessage::Unhold(id) => (id, Some(CommandKind::Resume)),
        ClientMessage::Transfer { call_id, .. } => (call_id, Some(CommandKind::Transfer)),
        ClientMessage::SendDtmf { call_id, .. } => (call_id, Some(CommandKind::SendDtmf)),
        _ => return None,
    })
}

impl Relay {
    /// Submits a message of a browser. Returns the message if it is to be executed now.
    pub(super) fn submit(&mut self, session: SessionId, message: ClientMessage, now: Time) -> Option<ClientMessage> {
        let Some((id, kind)) = classify(&message) else { return Some(message) };
        let is_hang_up = kind == Some(CommandKind::HangUp) && !self.submissions.has_waiting_call(session, id);
        if !is_hang_up && let Some(held) = self.submissions.held.get_mut(&session) {
            let message = Received::new(message);
            if held.has_room_for(&message) {
                held.behind.push_back(message);
            } else {
                let reason = "too many commands while the application decides about one".to_owned();
                self.dismiss(session, close_code::POLICY, reason, now);
            }
            return None;
        }
        let Some((at, kind)) = self.find_call(session, id).zip(kind) else { return Some(message) };
        match self.submission(session, kind) {
            None => Some(message),
            Some(Submission::Held) if !is_hang_up => {
                self.hold_command(session, at, message, now);
                None
            }
            Some(_) => {
                self.report_command(None, session, at, &message);
                Some(message)
            }
        }
    }

    fn hold_command(&mut self, session: SessionId, at: CallRef, message: ClientMessage, now: Time) {
        let Authorization::External { timeout } = self.config.authorization else { return };
        let request = RequestId(self.fresh_id());
        let until = now + timeout;
        self.deadlines.set(Owner::Authorization(request), Some(until));
        self.report_command(Some(request), session, at, &message);
        let held = HeldCommand { request, message: Received::new(message), until, behind: VecDeque::new() };
        self.submissions.held.insert(session, held);
    }

    fn report_command(&mut self, request: Option<RequestId>, session: SessionId, at: CallRef, message: &ClientMessage) {
        let (call, message) = (self.call(at.call).map(Box::new), Box::new(message.clone()));
        self.report_authorization(AuthorizationOutput::Command { request, session, at, call, message });
    }

    /// Handles the answer of the application, or its absence.
    pub(super) fn command_authorized(
        &mut self,
        request: RequestId,
        answer: Result<CommandGrant, ApplicationRefusal>,
        now: Time,
    ) {
        let session = self.submissions.held.iter().find(|(_, held)| held.request == request).map(|(id, _)| *id);
        let Some(session) = session else { return };
        let Some(HeldCommand { message: Received { message, .. }, behind, .. }) = self.forget_held(session) else {
            return;
        };
        match answer {
            Ok(grant) => self.perform(session, grant.apply(message), now),
            Err(refusal) => self.refuse_command(session, &message, &refusal),
        }
        for Received { message, .. } in behind {
            if let Some(message) = self.submit(session, message, now) {
                self.perform(session, message, now);
            }
        }
    }

    /// Informs a browser that the application has refused a command. The call is unchanged.
    fn refuse_command(&mut self, session: SessionId, message: &ClientMessage, refusal: &ApplicationRefusal) {
        let Some((id, kind)) = classify(message) else { return };
        let method = match kind {
            Some(CommandKind::Transfer) => "TransferStatusEvent",
            Some(CommandKind::SendDtmf) => "sendDtmf",
            _ => "CallStatusEvent",
        };
        let fail: ServerMessage = presenter::failure(method, Some(id), refusal.info.clone());
        self.send_to_session(session, &fail);
    }

    /// Removes the held commands of a session.
    pub(super) fn forget_held_commands(&mut self, session: SessionId) {
        self.forget_held(session);
    }

    fn forget_held(&mut self, session: SessionId) -> Option<HeldCommand> {
        let held = self.submissions.held.remove(&session)?;
        self.deadlines.set(Owner::Authorization(held.request), None);
        Some(held)
    }
}
