//! Blind transfer: the side that stays keeps its browser's media while somebody new rings.

use super::negotiation::{self, LegMaker};
use super::party::{Leg, Party, PerLeg};
use super::{Call, Output, State, Transfer};
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey};
use offhook_sdp::webrtc::Description;
use offhook_signaling::message::{CallStatus, ServerMessage, TransferStatus};
use offhook_signaling::reason::EndReason;

impl Call {
    pub(super) fn transfer(&mut self, leg: LegKey, targets: Result<Vec<Party>, EndReason>, now: Time) {
        let Some(by) = self.side(leg) else { return self.discard(&targets.unwrap_or_default()) };
        let targets = match targets {
            Ok(targets) => targets,
            Err(reason) => return self.report_failed_transfer(leg, reason),
        };
        let State::Established { legs, transfer: None, .. } = &self.state else {
            // One at a time: the first transfer goes on.
            self.discard(&targets);
            return self.report_failed_transfer(leg, EndReason::Busy);
        };
        let offer = negotiation::negotiated(legs.get(by.other()));
        let ring = self.ring(targets, &offer, now);
        if let State::Established { transfer, .. } = &mut self.state {
            *transfer = Some(Transfer { by, ring });
        }
    }

    /// The one that transfers hangs up without waiting: it is out, the other waits for the target.
    pub(super) fn hand_over(&mut self) {
        let State::Established { legs, held_by, transfer: Some(Transfer { by, ring }) } =
            core::mem::replace(&mut self.state, State::Ended(EndReason::InternalError))
        else {
            return;
        };
        let (leaves, stays) = legs.split(by);
        let holds = *held_by.get(by.other());
        self.state = State::HandedOver { stays: Box::new(stays), stays_as: by.other(), holds, ring };
        self.leave(&leaves.party, CallStatus::Finish, EndReason::Transferred);
        self.outputs.push_back(Output::Media(Command::CloseLeg { leg: leaves.party.leg }));
    }

    pub(super) fn target_answers(&mut self, leg: LegKey, sdp: &str) {
        let (stays, ring) = match &self.state {
            State::Established { legs, transfer: Some(Transfer { by, ring }), .. } => (legs.get(by.other()), ring),
            State::HandedOver { stays, ring, .. } => (&**stays, ring),
            _ => return,
        };
        let Some(fork) = ring.forks.iter().find(|fork| fork.party.leg == leg).cloned() else { return };
        let Ok(description) = Description::parse(sdp) else {
            return self.target_refuses(leg, EndReason::BadSessionDescription);
        };
        let Ok((streams, commands)) = LegMaker::answer_transfer(stays, &fork, &description) else {
            return self.target_refuses(leg, EndReason::NoCommonCodecs);
        };
        let stays = stays.clone();
        let joins = Leg { party: fork.party, description, streams };
        self.put_through(stays, joins, commands);
    }

    fn put_through(&mut self, stays: Leg, joins: Leg, mut commands: Vec<Command>) {
        let state = core::mem::replace(&mut self.state, State::Ended(EndReason::InternalError));
        let (joined_as, ring, holds, leaves) = match state {
            State::Established { legs, held_by, transfer: Some(Transfer { by, ring }) } => {
                (by, ring, *held_by.get(by.other()), Some(legs.split(by).0))
            }
            State::HandedOver { stays_as, ring, holds, .. } => (stays_as.other(), ring, holds, None),
            state => {
                self.state = state;
                return;
            }
        };
        let party = joins.party.clone();
        self.stop_ringing(ring.forks, EndReason::AnsweredElsewhere, Some(party.leg));
        let mut legs = PerLeg { a: stays.clone(), b: stays };
        *legs.get_mut(joined_as) = joins;
        let mut held_by = PerLeg { a: false, b: false };
        // A hold outlasts the one it was meant for: its page still says so.
        *held_by.get_mut(joined_as.other()) = holds;
        commands.retain(|command| !(holds && matches!(command, Command::Bridge { .. })));
        self.state = State::Established { legs: Box::new(legs), held_by, transfer: None };
        self.outputs.extend(commands.into_iter().map(Output::Media));
        self.tell_status(&party, CallStatus::Established);
        if let Some(leaves) = leaves {
            let Leg { party, .. } = leaves;
            self.tell_transfer(&party, TransferStatus::Completed);
            self.leave(&party, CallStatus::Finish, EndReason::Transferred);
            self.outputs.push_back(Output::Media(Command::CloseLeg { leg: party.leg }));
        }
    }

    /// A target rejects, or drops out; or the one that waits for it hangs up.
    pub(super) fn target_refuses(&mut self, leg: LegKey, reason: EndReason) {
        let ring = match &mut self.state {
            State::HandedOver { stays, .. } if stays.party.leg == leg => return self.end(EndReason::HungUp),
            State::HandedOver { ring, .. } | State::Established { transfer: Some(Transfer { ring, .. }), .. } => ring,
            State::Ringing { .. } | State::Established { .. } | State::Ended(_) => return,
        };
        let Some(position) = ring.forks.iter().position(|fork| fork.party.leg == leg) else { return };
        // As in a first call: a person's no is for all devices, a device that fails is one less.
        if reason == EndReason::Rejected || ring.forks.len() == 1 {
            return self.transfer_fails(reason);
        }
        let fork = ring.forks.remove(position);
        self.stop_ringing(vec![fork], reason, None);
    }

    /// Nobody took it: the call goes on as it was, if there is still somebody to go on with.
    pub(super) fn transfer_fails(&mut self, reason: EndReason) {
        let (by, ring) = match &mut self.state {
            State::HandedOver { .. } => return self.end(reason),
            State::Established { legs, transfer, .. } => {
                let Some(Transfer { by, ring }) = transfer.take() else { return };
                (legs.get(by).party.leg, ring)
            }
            State::Ringing { .. } | State::Ended(_) => return,
        };
        let told = if reason == EndReason::NoAnswer { EndReason::Canceled } else { reason };
        self.stop_ringing(ring.forks, told, None);
        self.report_failed_transfer(by, reason);
    }

    /// Says why, and repeats the call's status so that the page releases its buttons.
    fn report_failed_transfer(&mut self, leg: LegKey, reason: EndReason) {
        let Some(side) = self.side(leg) else { return };
        let State::Established { legs, .. } = &self.state else { return };
        let party = legs.get(side).party.clone();
        self.tell(
            &party,
            ServerMessage::Fail {
                api_method: "TransferStatusEvent".to_owned(),
                id: Some(party.call_id.as_str().to_owned()),
                status: TransferStatus::Failed.name().to_owned(),
                info: reason.info().to_owned(),
            },
        );
        self.repeat_status(leg);
    }

    fn tell_transfer(&mut self, party: &Party, status: TransferStatus) {
        self.tell(party, ServerMessage::Transfer { call_id: party.call_id.clone(), status });
    }
}
