//! Snapshots of calls for the REST API and other observers: phase, participants and their progress.

use super::established::Handover;
use super::participant::{EndpointKind, Fork, LegId, Participant, SessionId};
use super::{Call, Established, State};
use offhook_media::command::LegKey;
use offhook_signaling::message::CallId;

/// A call and its participants at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSnapshot {
    /// The progress of the call.
    pub phase: CallPhase,
    /// The participants: the caller, the callees and the targets of a transfer.
    pub participants: Vec<ParticipantSnapshot>,
}

/// The progress of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPhase {
    /// Callees are being alerted.
    Ringing,
    /// Two participants are connected.
    Established,
    /// Two participants are connected, and one transfers the other.
    Transferring,
    /// The transferor has left, and the target has not answered yet.
    HandedOver,
}

/// A participant of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantSnapshot {
    /// Its leg.
    pub leg: LegKey,
    /// Its role in the call.
    pub role: ParticipantRole,
    /// The progress at its leg.
    pub progress: LegProgress,
    /// The participant has the other one on hold.
    pub is_holding: bool,
    /// Its endpoint.
    pub endpoint: EndpointKind,
    /// The session of a browser, and the identifier of the call in that session.
    pub browser: Option<(SessionId, CallId)>,
    /// The identifier of the call that the application has placed, if the participant is the application.
    pub application: Option<CallId>,
    /// The caller, as shown to the participant.
    pub caller: String,
    /// The callee, as shown to the participant.
    pub callee: String,
    /// The caller's display name.
    pub visible_name: String,
    /// The participant received the call.
    pub is_incoming: bool,
}

/// The role of a participant in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParticipantRole {
    /// The caller, or the participant that replaced it.
    Caller,
    /// A callee, or the participant that replaced it.
    Callee,
    /// The target of a transfer that has not answered yet.
    Target,
}

/// The progress at the leg of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegProgress {
    /// The caller waits for an answer.
    Calling,
    /// A callee or a target is being alerted.
    Alerting,
    /// The participant is connected.
    Connected,
}

impl Call {
    /// Returns the call and its participants; `None` if it has ended. `call_id` returns, for a browser's leg, the
    /// identifier of the call in the browser's session.
    pub(crate) fn snapshot(&self, call_id: impl Fn(LegKey) -> Option<CallId>) -> Option<CallSnapshot> {
        let (phase, participants) = match &self.state {
            State::Ringing(ringing) => {
                let caller = snapshot(&ringing.caller.participant, ParticipantRole::Caller, LegProgress::Calling);
                let callees = alerted(&ringing.forking.forks, ParticipantRole::Callee);
                (CallPhase::Ringing, core::iter::once(caller).chain(callees).collect())
            }
            State::Established(established) => established.snapshot(),
            State::HandedOver(call) => {
                let transferee = snapshot(&call.transferee.participant, role(call.side), LegProgress::Connected);
                let transferee = ParticipantSnapshot { is_holding: call.transferee.hold.is_holding(), ..transferee };
                let targets = alerted(&call.forking.forks, ParticipantRole::Target);
                (CallPhase::HandedOver, core::iter::once(transferee).chain(targets).collect())
            }
            State::Ended(_) => return None,
        };
        let mut call = CallSnapshot { phase, participants };
        for participant in &mut call.participants {
            if let Some((_, id)) = &mut participant.browser
                && let Some(known) = call_id(participant.leg)
            {
                *id = known;
            }
        }
        Some(call)
    }
}

impl Established {
    fn snapshot(&self) -> (CallPhase, Vec<ParticipantSnapshot>) {
        let side = |id: LegId| {
            let connected = snapshot(&self.legs.get(id).participant, role(id), LegProgress::Connected);
            ParticipantSnapshot { is_holding: self.is_holding(id), ..connected }
        };
        let mut participants = vec![side(LegId::A), side(LegId::B)];
        participants.extend(
            self.transfer().into_iter().flat_map(|transfer| alerted(&transfer.forking.forks, ParticipantRole::Target)),
        );
        let phase = match self.handover {
            None => CallPhase::Established,
            Some(Handover::Transfer(_) | Handover::Referral(_)) => CallPhase::Transferring,
        };
        (phase, participants)
    }
}

const fn role(side: LegId) -> ParticipantRole {
    match side {
        LegId::A => ParticipantRole::Caller,
        LegId::B => ParticipantRole::Callee,
    }
}

fn alerted(forks: &[Fork], role: ParticipantRole) -> impl Iterator<Item = ParticipantSnapshot> {
    forks.iter().map(move |fork| snapshot(&fork.participant, role, LegProgress::Alerting))
}

fn snapshot(participant: &Participant, role: ParticipantRole, progress: LegProgress) -> ParticipantSnapshot {
    let Participant { leg, incoming, caller, callee, visible_name, .. } = participant;
    ParticipantSnapshot {
        leg: *leg,
        role,
        progress,
        is_holding: false,
        endpoint: participant.endpoint(),
        browser: participant.browser().map(|browser| (browser.session, CallId(String::new()))),
        application: participant.application().map(|application| application.call_id.clone()),
        caller: caller.to_string(),
        callee: callee.to_string(),
        visible_name: visible_name.clone(),
        is_incoming: *incoming,
    }
}
