//! Presenter for browsers: translates [`CallEvent`] to messages of the client protocol.
//!
//! A stock client receives the messages of the stock protocol only. A client that announced extensions also receives
//! their messages.

use crate::call::{CallEvent, DirectMediaStep, DtmfMethod, End, JsonText, SessionId, TransferProgress};
use crate::command::{CallCommand, CommandError};
use crate::config::BusyStatus;
use offhook_media::command::LegKey;
use offhook_signaling::message::{
    CallId, CallObject, CallStatus, DirectMessage, DirectStep, DtmfType, ServerMessage, TransferStatus,
};
use offhook_signaling::reason::EndReason;
use offhook_signaling::version::{Extension, feature};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A browser's view of one of its calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallView {
    /// The session of the browser.
    pub session: SessionId,
    /// The identifier of the call in that session.
    pub call_id: CallId,
    /// The extensions that the browser announced.
    pub features: Extension,
    /// The call is an incoming one for the browser.
    pub incoming: bool,
    /// The caller, as shown to the browser.
    pub caller: String,
    /// The callee, as shown to the browser.
    pub callee: String,
    /// The caller's display name.
    pub visible_name: String,
    /// The application data of the caller's page.
    pub custom: Option<JsonText>,
}

/// The browsers' views of all calls, by leg.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presenter {
    views: BTreeMap<LegKey, CallView>,
}

/// A message for the browser of a session.
pub type Addressed = (SessionId, ServerMessage);

impl Presenter {
    /// Adds the view of the browser at a leg.
    pub fn open(&mut self, leg: LegKey, view: CallView) {
        self.views.insert(leg, view);
    }

    /// Removes the view of a leg.
    pub fn close(&mut self, leg: LegKey) -> Option<CallView> {
        self.views.remove(&leg)
    }

    /// Returns the view of a leg; `None` for the leg of a SIP endpoint.
    #[must_use]
    pub fn view(&self, leg: LegKey) -> Option<&CallView> {
        self.views.get(&leg)
    }

    /// Returns whether no browser takes part in any call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Returns the messages that report an event. `has_video` states whether the call has video, `busy` selects the
    /// messages to the caller of a busy callee.
    #[must_use]
    pub fn present(&self, event: &CallEvent, has_video: bool, busy: BusyStatus) -> Vec<Addressed> {
        let status = |leg: LegKey, status| self.message(leg, |view| view.status(status, has_video));
        let description = |leg: LegKey, sdp: &str| self.message(leg, |view| view.description(sdp));
        let messages = match event {
            CallEvent::Placed { caller, .. } => vec![status(*caller, CallStatus::Trying)],
            // The order is mandatory: the stock SDK answers the description that it received before the incoming call.
            CallEvent::Routed { callee, offer, .. } => vec![
                offer.as_deref().and_then(|offer| description(*callee, offer)),
                self.message(*callee, |view| view.incoming_call(has_video)),
                status(*callee, CallStatus::Ring),
            ],
            CallEvent::Ringing { caller } => vec![status(*caller, CallStatus::Ring)],
            CallEvent::Progressing { caller } => vec![status(*caller, CallStatus::SessionProgress)],
            CallEvent::EarlyMedia { caller, answer } => {
                vec![description(*caller, answer), status(*caller, CallStatus::RingMedia)]
            }
            CallEvent::Answered { caller, callee, answer, .. } => vec![
                answer.as_deref().and_then(|answer| description(*caller, answer)),
                status(*caller, CallStatus::Established),
                status(*callee, CallStatus::Established),
            ],
            CallEvent::Held { by } => vec![status(*by, CallStatus::Hold)],
            CallEvent::Resumed { by } => vec![status(*by, CallStatus::Established)],
            CallEvent::StateRepeated { leg, is_holding } => vec![status(*leg, hold_status(*is_holding))],
            CallEvent::RemoteHoldChanged { leg, is_held } => vec![self.extension(*leg, feature::HOLD_EVENTS, |view| {
                ServerMessage::Hold { call_id: view.call_id.clone(), held: *is_held }
            })],
            CallEvent::DtmfReceived { to, digit, .. } => vec![self.extension(*to, feature::DTMF_EVENTS, |view| {
                ServerMessage::Dtmf { call_id: view.call_id.clone(), digit: *digit }
            })],
            CallEvent::TransferProgressed { by, progress } => vec![self.transfer_progress(*by, *progress)],
            CallEvent::TransferCompleted { by, target } => vec![
                target.and_then(|target| status(target, CallStatus::Established)),
                by.and_then(|by| self.message(by, |view| view.transfer(TransferStatus::Completed))),
            ],
            // The status is repeated, so that the page enables its call controls again.
            CallEvent::TransferFailed { by, end, is_holding } => {
                vec![self.message(*by, |view| view.transfer_failure(end)), status(*by, hold_status(*is_holding))]
            }
            CallEvent::DirectMedia { to, attempt, step } => {
                vec![self.message(*to, |view| view.direct_media(*attempt, step.clone()))]
            }
            CallEvent::Unanswered { caller, end } => self.unanswered(*caller, end, has_video, busy),
            CallEvent::Left { leg, end } => {
                vec![self.message(*leg, |view| view.ended(terminal_status(end.reason), end, has_video))]
            }
            CallEvent::DigitsCollected { .. }
            | CallEvent::PlaybackStarted { .. }
            | CallEvent::PlaybackEnded { .. }
            | CallEvent::Muted { .. }
            | CallEvent::Unmuted { .. }
            | CallEvent::RecordingStarted { .. }
            | CallEvent::RecordingPaused { .. }
            | CallEvent::RecordingResumed { .. }
            | CallEvent::RecordingEnded { .. }
            | CallEvent::Looped
            | CallEvent::TransferStarted { .. }
            | CallEvent::MediaPathChanged { .. }
            | CallEvent::QualityReported { .. }
            | CallEvent::Ended { .. } => vec![],
        };
        messages.into_iter().flatten().collect()
    }

    fn message(&self, leg: LegKey, message: impl FnOnce(&CallView) -> ServerMessage) -> Option<Addressed> {
        self.view(leg).map(|view| (view.session, message(view)))
    }

    /// Returns a message to a client that announced the feature `name`.
    fn extension(
        &self,
        leg: LegKey,
        name: &str,
        message: impl FnOnce(&CallView) -> ServerMessage,
    ) -> Option<Addressed> {
        let view = self.view(leg).filter(|view| view.features.has(name))?;
        Some((view.session, message(view)))
    }

    fn transfer_progress(&self, by: LegKey, progress: TransferProgress) -> Option<Addressed> {
        match progress {
            // Not for a stock client: it would attach the media of this call to the next incoming call.
            TransferProgress::Trying => {
                self.extension(by, feature::END_REASONS, |view| view.transfer(TransferStatus::Pending))
            }
            TransferProgress::Ringing => {
                self.extension(by, feature::TRANSFER_PROGRESS, |view| view.transfer(TransferStatus::Ringing))
            }
        }
    }

    /// Returns the last message to the caller of an unanswered call. If the callee is busy, [`BusyStatus::Failed`] adds
    /// another one before it.
    fn unanswered(&self, caller: LegKey, end: &End, has_video: bool, busy: BusyStatus) -> Vec<Option<Addressed>> {
        let ended = |status| self.message(caller, |view| view.ended(status, end, has_video));
        match (end.reason, busy) {
            (EndReason::Busy, BusyStatus::Busy) => vec![ended(CallStatus::Busy)],
            (EndReason::Busy, BusyStatus::Failed) => {
                let busy = self.message(caller, |view| view.busy(end, has_video));
                vec![busy, ended(CallStatus::Failed)]
            }
            (reason, _) => vec![ended(terminal_status(reason))],
        }
    }
}

impl CallView {
    /// Returns the call object of status messages.
    pub(crate) fn object(&self, status: CallStatus, has_video: bool) -> CallObject {
        CallObject {
            call_id: self.call_id.clone(),
            status,
            incoming: self.incoming,
            caller: self.caller.clone(),
            callee: self.callee.clone(),
            visible_name: self.visible_name.clone(),
            media_provider: "WebRTC".to_owned(),
            has_audio: true,
            has_video,
            custom: self.custom.as_ref().map(|custom| custom.0.clone()),
            sip_status: None,
            info: None,
            end_reason: None,
        }
    }

    fn status(&self, status: CallStatus, has_video: bool) -> ServerMessage {
        ServerMessage::CallStatus(Box::new(self.object(status, has_video)))
    }

    fn incoming_call(&self, has_video: bool) -> ServerMessage {
        ServerMessage::IncomingCall(Box::new(self.object(CallStatus::Ring, has_video)))
    }

    fn description(&self, sdp: &str) -> ServerMessage {
        ServerMessage::RemoteSdp { call_id: self.call_id.clone(), sdp: sdp.to_owned() }
    }

    fn end_object(&self, status: CallStatus, end: &End, has_video: bool) -> CallObject {
        CallObject {
            sip_status: Some(end.status()),
            info: Some(end.info()),
            end_reason: self.features.has(feature::END_REASONS).then_some(end.reason),
            ..self.object(status, has_video)
        }
    }

    fn ended(&self, status: CallStatus, end: &End, has_video: bool) -> ServerMessage {
        ServerMessage::CallStatus(Box::new(self.end_object(status, end, has_video)))
    }

    fn busy(&self, end: &End, has_video: bool) -> ServerMessage {
        ServerMessage::Busy(Box::new(self.end_object(CallStatus::Busy, end, has_video)))
    }

    fn transfer(&self, status: TransferStatus) -> ServerMessage {
        ServerMessage::Transfer { call_id: self.call_id.clone(), status }
    }

    fn transfer_failure(&self, end: &End) -> ServerMessage {
        ServerMessage::Fail {
            api_method: "TransferStatusEvent".to_owned(),
            id: Some(self.call_id.as_str().to_owned()),
            status: TransferStatus::Failed.name().to_owned(),
            info: end.info(),
        }
    }

    fn direct_media(&self, attempt: u32, step: DirectMediaStep) -> ServerMessage {
        ServerMessage::Direct(Box::new(DirectMessage { call_id: self.call_id.clone(), attempt, step: step.into() }))
    }
}

impl From<DirectMediaStep> for DirectStep {
    fn from(step: DirectMediaStep) -> Self {
        match step {
            DirectMediaStep::Begin => Self::Begin,
            DirectMediaStep::Offer(sdp) => Self::Offer(sdp),
            DirectMediaStep::Answer(sdp) => Self::Answer(sdp),
            DirectMediaStep::Candidate(JsonText(candidate)) => Self::Candidate(candidate),
            DirectMediaStep::Connected => Self::Up,
            DirectMediaStep::Switch => Self::Switch,
            DirectMediaStep::End => Self::End,
        }
    }
}

impl From<DirectStep> for DirectMediaStep {
    fn from(step: DirectStep) -> Self {
        match step {
            DirectStep::Begin => Self::Begin,
            DirectStep::Offer(sdp) => Self::Offer(sdp),
            DirectStep::Answer(sdp) => Self::Answer(sdp),
            DirectStep::Candidate(candidate) => Self::Candidate(JsonText(candidate)),
            DirectStep::Up => Self::Connected,
            DirectStep::Switch => Self::Switch,
            DirectStep::End => Self::End,
        }
    }
}

impl From<DtmfType> for DtmfMethod {
    fn from(kind: DtmfType) -> Self {
        match kind {
            DtmfType::Rfc2833 => Self::TelephoneEvent,
            DtmfType::Info => Self::Info,
            DtmfType::InfoRelay => Self::InfoRelay,
        }
    }
}

/// The method of the client protocol that a command belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMethod {
    /// `call`
    Call,
    /// `sendDtmf`
    SendDtmf,
    /// `transfer`
    Transfer,
    /// Any other method. Its errors are not reported to browsers.
    Other,
}

/// Returns the method of the client protocol that a command belongs to.
#[must_use]
pub const fn method_of(command: &CallCommand) -> ClientMethod {
    match command {
        CallCommand::Place(_) => ClientMethod::Call,
        CallCommand::SendDtmf { .. } => ClientMethod::SendDtmf,
        CallCommand::TransferBlind { .. } | CallCommand::TransferAttended { .. } => ClientMethod::Transfer,
        CallCommand::Start(_)
        | CallCommand::Bridge { .. }
        | CallCommand::EndSession { .. }
        | CallCommand::CollectDigits { .. }
        | CallCommand::Play { .. }
        | CallCommand::StopPlayback { .. }
        | CallCommand::Mute { .. }
        | CallCommand::Unmute { .. }
        | CallCommand::Record { .. }
        | CallCommand::ControlRecording { .. }
        | CallCommand::Answer { .. }
        | CallCommand::HangUp { .. }
        | CallCommand::Hold { .. }
        | CallCommand::Resume { .. } => ClientMethod::Other,
    }
}

/// Returns the message that refuses a command of a browser; `None` for errors that are not reported to browsers.
#[must_use]
pub fn refusal(method: ClientMethod, call_id: &CallId, error: CommandError) -> Option<ServerMessage> {
    let name = match (method, error) {
        (ClientMethod::Call, CommandError::CallIdInUse) => "call",
        (ClientMethod::SendDtmf, CommandError::InvalidDigit(_) | CommandError::TooManyDigits { .. }) => "sendDtmf",
        (ClientMethod::Transfer, CommandError::NotEstablished) => "transfer",
        _ => return None,
    };
    Some(failure(name, Some(call_id), error.to_string()))
}

/// Returns the message that reports the failure of a method.
#[must_use]
pub fn failure(method: &str, call_id: Option<&CallId>, info: String) -> ServerMessage {
    ServerMessage::Fail {
        api_method: method.to_owned(),
        id: call_id.map(|id| id.as_str().to_owned()),
        status: CallStatus::Failed.name().to_owned(),
        info,
    }
}

const fn hold_status(is_holding: bool) -> CallStatus {
    if is_holding { CallStatus::Hold } else { CallStatus::Established }
}

/// Returns FINISH for a normal end of the call, and FAILED otherwise.
const fn terminal_status(reason: EndReason) -> CallStatus {
    match reason {
        EndReason::HungUp
        | EndReason::Canceled
        | EndReason::Rejected
        | EndReason::AnsweredElsewhere
        | EndReason::Transferred
        | EndReason::SessionLost
        | EndReason::DurationExceeded
        | EndReason::ShuttingDown => CallStatus::Finish,
        EndReason::Busy
        | EndReason::NoAnswer
        | EndReason::NotFound
        | EndReason::Unavailable
        | EndReason::CallerMediaLost
        | EndReason::CalleeMediaLost
        | EndReason::MediaSetupFailed
        | EndReason::BadSessionDescription
        | EndReason::NoCommonCodecs
        | EndReason::Redirected
        | EndReason::Forbidden
        | EndReason::ServerTimeout
        | EndReason::ServerUnreachable
        | EndReason::SipFailure
        | EndReason::Overloaded
        | EndReason::TooManyCalls
        | EndReason::CallRateExceeded
        | EndReason::DestinationDenied
        | EndReason::TokenExpired
        | EndReason::CalleeNotAllowed
        | EndReason::TokenUsedUp
        | EndReason::InternalError => CallStatus::Failed,
    }
}

#[cfg(test)]
pub(crate) mod tests;
