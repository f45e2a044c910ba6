//! Transfers that the relay executes itself: the transferee keeps its media while the target is called, or is joined
//! with the remote participant of another call.

use super::early::RINGING;
use super::negotiation::LegMaker;
use super::participant::{End, Leg, Participant, PerLeg};
use super::{Call, CallEvent, Established, Forking, Handover, Output, Released, State, Transfer, TransferProgress};
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey, Silence};
use offhook_sdp::section::Section;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Command as SipCommand;

impl Call {
    pub(super) fn transfer(&mut self, leg: LegKey, targets: Result<Vec<Participant>, EndReason>, now: Time) {
        let Some(by) = self.side(leg) else { return self.discard(&targets.unwrap_or_default()) };
        let targets = match targets {
            Ok(targets) => targets,
            Err(reason) => return self.report_failed_transfer(leg, &reason.into()),
        };
        let State::Established(talk) = &self.state else { return self.discard(&targets) };
        if talk.handover.is_some() {
            // Only one transfer at a time: the first one continues.
            self.discard(&targets);
            return self.report_failed_transfer(leg, &EndReason::Busy.into());
        }
        let stays = talk.legs.get(by.other());
        let (side, streams) = (stays.participant.side.clone(), stays.streams.clone());
        let ring = self.ring(targets, &side, Some(&streams), now);
        if ring.forks.is_empty() {
            return self.report_failed_transfer(leg, &EndReason::NoCommonCodecs.into());
        }
        let alerts_at_once = ring.forks.iter().any(|fork| fork.participant.browser().is_some());
        if let Some(talk) = self.talk_mut() {
            talk.handover = Some(Handover::Transfer(Transfer { by, ring }));
            self.report(CallEvent::TransferStarted { by: leg });
            if alerts_at_once {
                self.report_transfer_progress(leg, RINGING);
            }
        }
    }

    /// Removes a transferor that hangs up before the target answers; the transferee waits for the target.
    pub(super) fn hand_over(&mut self) {
        let State::Established(talk) = &mut self.state else { return };
        let Some(Transfer { by, ring }) = talk.take_transfer() else { return };
        let detour = talk.detour.take();
        let (leaves, stays) = talk.legs.clone().split(by);
        let holds = *talk.held_by.get(by.other());
        self.state = State::HandedOver { stays: Box::new(stays), stays_as: by.other(), holds, ring };
        self.leave_with_media(&leaves, &EndReason::Transferred.into());
        if let Some(detour) = detour {
            self.leave_detour(&detour, &EndReason::Transferred.into());
        }
        self.connect_target_media();
    }

    /// Returns the transferee and the targets that are alerted on its behalf.
    fn waiting(&self) -> Option<(&Leg, &Forking)> {
        match &self.state {
            State::Established(talk) => {
                let transfer = talk.transfer()?;
                Some((talk.legs.get(transfer.by.other()), &transfer.ring))
            }
            State::HandedOver { stays, ring, .. } => Some((stays, ring)),
            State::Ringing { .. } | State::Ended(_) => None,
        }
    }

    pub(super) fn target_answers(&mut self, leg: LegKey, sdp: &str) {
        let Some((stays, ring)) = self.waiting() else { return self.ignored += 1 };
        let Some(fork) = ring.forks.iter().find(|fork| fork.participant.leg == leg) else { return };
        let heard = LegMaker::parse_answer(fork, sdp);
        let settled = heard.and_then(|heard| Ok((LegMaker::settle_transfer(stays, fork, &heard)?, heard)));
        let (stays, mut fork) = (stays.clone(), fork.clone());
        // A browser sends according to its only answer.
        let is_silent =
            |streams: &[Section]| stays.participant.browser().is_some() && !LegMaker::passes(&stays.streams, streams);
        let (streams, heard) = match settled {
            Ok((streams, _)) if is_silent(&streams) => return self.target_refuses(leg, EndReason::NoCommonCodecs),
            Ok(settled) => settled,
            Err(reason) => return self.target_refuses(leg, reason),
        };
        let connect = LegMaker::connect(&mut fork, heard, &streams, Silence::EndsLeg);
        let bridge = Command::Bridge { a: stays.participant.leg, b: leg };
        if let Some(peer) = fork.participant.peer_mut() {
            peer.pending = None;
        }
        self.put_through(stays, Leg { participant: fork.participant, streams }, vec![connect, bridge]);
    }

    fn put_through(&mut self, stays: Leg, joins: Leg, mut commands: Vec<Command>) {
        self.end_detour(&EndReason::Transferred.into());
        let (joined_as, ring, holds, leaves) = match &mut self.state {
            State::Established(talk) => {
                let Some(Transfer { by, ring }) = talk.take_transfer() else { return };
                (by, ring, *talk.held_by.get(by.other()), Some(talk.legs.get(by).clone()))
            }
            State::HandedOver { stays_as, ring, holds, .. } => (stays_as.other(), ring.clone(), *holds, None),
            State::Ringing { .. } | State::Ended(_) => return,
        };
        let participant = joins.participant.clone();
        self.stop_ringing(ring.forks, &EndReason::AnsweredElsewhere.into(), Some(participant.leg));
        let mut legs = PerLeg { a: stays.clone(), b: stays };
        *legs.get_mut(joined_as) = joins;
        let mut held_by = PerLeg { a: false, b: false };
        // The hold continues after the transferor has left, because the page of the holder still shows it.
        *held_by.get_mut(joined_as.other()) = holds;
        commands.retain(|command| !(holds && matches!(command, Command::Bridge { .. })));
        self.state = State::Established(Box::new(Established { legs, held_by, handover: None, detour: None }));
        self.outputs.extend(commands.into_iter().map(Output::Media));
        let by = leaves.as_ref().map(|leaves| leaves.participant.leg);
        self.report(CallEvent::TransferCompleted { by, target: Some(participant.leg) });
        if let Some(leaves) = leaves {
            self.notify(&leaves.participant, 200, "OK");
            self.leave_with_media(&leaves, &EndReason::Transferred.into());
            self.answer_hold_of(&leaves, joined_as.other());
        }
        self.adapt_both();
    }

    /// Handles the rejection or end of a target, or the hang-up of the waiting transferee.
    pub(super) fn target_refuses(&mut self, leg: LegKey, end: impl Into<End>) {
        let end = end.into();
        let ring = match &mut self.state {
            State::HandedOver { stays, .. } if stays.participant.leg == leg => return self.end(EndReason::HungUp),
            State::HandedOver { ring, .. } => ring,
            State::Established(talk) => match talk.transfer_mut() {
                Some(transfer) => &mut transfer.ring,
                None => return,
            },
            State::Ringing { .. } | State::Ended(_) => return,
        };
        let Some(position) = ring.forks.iter().position(|fork| fork.participant.leg == leg) else { return };
        // As in a first call: a user's decline ends it, a device that fails does not.
        if end.is_for_all() || ring.forks.len() == 1 {
            return self.transfer_fails(&end);
        }
        let fork = ring.forks.remove(position);
        self.stop_ringing(vec![fork], &end, None);
    }

    /// Ends a transfer that no target accepted: the call continues unless the transferor has left.
    pub(super) fn transfer_fails(&mut self, end: &End) {
        let (by, ring) = match &mut self.state {
            State::HandedOver { .. } => return self.end(end.clone()),
            State::Established(talk) => {
                let Some(Transfer { by, ring }) = talk.take_transfer() else { return };
                (talk.legs.get(by).participant.leg, ring)
            }
            State::Ringing { .. } | State::Ended(_) => return,
        };
        let told = if end.reason == EndReason::NoAnswer { EndReason::Canceled.into() } else { end.clone() };
        self.stop_ringing(ring.forks, &told, None);
        self.report_failed_transfer(by, end);
    }

    /// Reports to the transferor that the transfer failed.
    pub(super) fn report_failed_transfer(&mut self, by: LegKey, end: &End) {
        let Some(side) = self.side(by) else { return };
        let Some(talk) = self.talk() else { return };
        let (transferor, is_holding) = (talk.legs.get(side).participant.clone(), *talk.held_by.get(side));
        self.report(CallEvent::TransferFailed { by, end: end.clone(), is_holding });
        let status = end.status();
        self.notify(&transferor, if status < 300 { 603 } else { status }, &end.info());
    }

    /// Reports that the relay cannot execute a transfer.
    pub fn refuse_transfer(&mut self, leg: LegKey, info: &str) {
        let said = Some((EndReason::NoCommonCodecs.sip_status(), info.to_owned()));
        self.report_failed_transfer(leg, &End { reason: EndReason::NoCommonCodecs, said });
    }

    pub(super) fn report_transfer_progress(&mut self, by: LegKey, status: u16) {
        if let Some(progress) = TransferProgress::of_status(status) {
            self.report(CallEvent::TransferProgressed { by, progress });
        }
    }

    /// Notifies a SIP endpoint of the progress of the transfer that it requested (RFC 3515 §2.4.4).
    pub(super) fn notify(&mut self, participant: &Participant, status: u16, reason: &str) {
        if let Some(peer) = participant.peer() {
            let (invite, reason) = (peer.invite, reason.to_owned());
            self.outputs.push_back(Output::Sip(SipCommand::NotifyRefer { invite, status, reason }));
        }
    }

    /// Removes both sides from a call that is to be joined to another one: the transferor leaves both calls. Returns
    /// none, and changes nothing, unless both calls are established.
    pub fn release(&mut self, by: LegKey) -> Option<Released> {
        let side = self.side(by)?;
        self.end_detour(&EndReason::Transferred.into());
        let State::Established(talk) = &mut self.state else { return None };
        let holds = *talk.held_by.get(side.other());
        let (leaves, leg) = talk.legs.clone().split(side);
        let transfer = talk.take_transfer();
        self.state = State::Ended(EndReason::Transferred);
        if let Some(transfer) = transfer {
            self.stop_ringing(transfer.ring.forks, &EndReason::Canceled.into(), None);
        }
        self.leave_with_media(&leaves, &EndReason::Transferred.into());
        self.finish(EndReason::Transferred);
        Some(Released { leg, holds })
    }

    /// Replaces the transferor by `released`, the participant of another call.
    pub fn join(&mut self, by: LegKey, released: Released) {
        let Some(side) = self.side(by) else { return };
        self.end_detour(&EndReason::Transferred.into());
        if let Some(transfer) = self.talk_mut().and_then(Established::take_transfer) {
            self.stop_ringing(transfer.ring.forks, &EndReason::Canceled.into(), None);
        }
        let Some(talk) = self.talk_mut() else { return };
        talk.handover = None;
        let leaves = core::mem::replace(talk.legs.get_mut(side), released.leg);
        *talk.held_by.get_mut(side) = released.holds;
        let heard = !talk.held_by.a && !talk.held_by.b;
        self.report(CallEvent::TransferCompleted { by: Some(leaves.participant.leg), target: None });
        self.notify(&leaves.participant, 200, "OK");
        self.leave_with_media(&leaves, &EndReason::Transferred.into());
        self.answer_hold_of(&leaves, side.other());
        if heard {
            self.bridge_again();
        }
        self.adapt_both();
    }
}
