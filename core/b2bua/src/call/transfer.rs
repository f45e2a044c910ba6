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
        let State::Established(established) = &self.state else { return self.discard(&targets) };
        if established.handover.is_some() {
            // Only one transfer at a time: the first one continues.
            self.discard(&targets);
            return self.report_failed_transfer(leg, &EndReason::Busy.into());
        }
        let transferee = established.legs.get(by.other());
        let (side, streams) = (transferee.participant.side.clone(), transferee.streams.clone());
        let forking = self.alert(targets, &side, Some(&streams), now);
        if forking.forks.is_empty() {
            return self.report_failed_transfer(leg, &EndReason::NoCommonCodecs.into());
        }
        let alerts_at_once = forking.forks.iter().any(|fork| fork.participant.browser().is_some());
        if let Some(established) = self.established_mut() {
            established.handover = Some(Handover::Transfer(Transfer { by, forking }));
            self.report(CallEvent::TransferStarted { by: leg });
            if alerts_at_once {
                self.report_transfer_progress(leg, RINGING);
            }
        }
    }

    /// Removes a transferor that hangs up before the target answers; the transferee waits for the target.
    pub(super) fn hand_over(&mut self) {
        let State::Established(established) = &mut self.state else { return };
        let Some(Transfer { by, forking }) = established.take_transfer() else { return };
        let looped = established.looped.take();
        let (transferor, transferee) = established.legs.clone().split(by);
        let is_holding = *established.held_by.get(by.other());
        self.state =
            State::HandedOver { transferee: Box::new(transferee), transferee_side: by.other(), is_holding, forking };
        self.remove_leg(&transferor, &EndReason::Transferred.into());
        if let Some(looped) = looped {
            self.remove_looped_dialogs(&looped, &EndReason::Transferred.into());
        }
        self.connect_target_media();
    }

    /// Returns the transferee and the targets that are alerted on its behalf.
    fn waiting(&self) -> Option<(&Leg, &Forking)> {
        match &self.state {
            State::Established(established) => {
                let transfer = established.transfer()?;
                Some((established.legs.get(transfer.by.other()), &transfer.forking))
            }
            State::HandedOver { transferee, forking, .. } => Some((transferee, forking)),
            State::Ringing { .. } | State::Ended(_) => None,
        }
    }

    pub(super) fn target_answers(&mut self, leg: LegKey, sdp: &str) {
        let Some((transferee, forking)) = self.waiting() else { return self.ignored += 1 };
        let Some(fork) = forking.forks.iter().find(|fork| fork.participant.leg == leg) else { return };
        let parsed = LegMaker::parse_answer(fork, sdp);
        let settled = parsed.and_then(|parsed| Ok((LegMaker::settle_transfer(transferee, fork, &parsed)?, parsed)));
        let (transferee, mut fork) = (transferee.clone(), fork.clone());
        // A browser sends according to its only answer.
        let is_silent = |streams: &[Section]| {
            transferee.participant.browser().is_some() && !LegMaker::passes(&transferee.streams, streams)
        };
        let (streams, parsed) = match settled {
            Ok((streams, _)) if is_silent(&streams) => return self.target_refuses(leg, EndReason::NoCommonCodecs),
            Ok(settled) => settled,
            Err(reason) => return self.target_refuses(leg, reason),
        };
        let connect = LegMaker::connect(&mut fork, parsed, &streams, Silence::EndsLeg);
        let bridge = Command::Bridge { a: transferee.participant.leg, b: leg };
        if let Some(peer) = fork.participant.peer_mut() {
            peer.pending = None;
        }
        self.complete_transfer(transferee, Leg { participant: fork.participant, streams }, vec![connect, bridge]);
    }

    fn complete_transfer(&mut self, transferee: Leg, target: Leg, mut commands: Vec<Command>) {
        self.end_looped_dialogs(&EndReason::Transferred.into());
        let (joined_as, forking, is_holding, transferor) = match &mut self.state {
            State::Established(established) => {
                let Some(Transfer { by, forking }) = established.take_transfer() else { return };
                (by, forking, *established.held_by.get(by.other()), Some(established.legs.get(by).clone()))
            }
            State::HandedOver { transferee_side, forking, is_holding, .. } => {
                (transferee_side.other(), forking.clone(), *is_holding, None)
            }
            State::Ringing { .. } | State::Ended(_) => return,
        };
        let participant = target.participant.clone();
        self.end_forks(forking.forks, &EndReason::AnsweredElsewhere.into(), Some(participant.leg));
        let mut legs = PerLeg { a: transferee.clone(), b: transferee };
        *legs.get_mut(joined_as) = target;
        let mut held_by = PerLeg { a: false, b: false };
        // The hold continues after the transferor has left, because the page of the holder still shows it.
        *held_by.get_mut(joined_as.other()) = is_holding;
        commands.retain(|command| !(is_holding && matches!(command, Command::Bridge { .. })));
        self.state = State::Established(Box::new(Established { legs, held_by, handover: None, looped: None }));
        self.outputs.extend(commands.into_iter().map(Output::Media));
        let by = transferor.as_ref().map(|transferor| transferor.participant.leg);
        self.report(CallEvent::TransferCompleted { by, target: Some(participant.leg) });
        if let Some(transferor) = transferor {
            self.notify(&transferor.participant, 200, "OK");
            self.remove_leg(&transferor, &EndReason::Transferred.into());
            self.repeat_status_after_hold(&transferor, joined_as.other());
        }
        self.adapt_both();
    }

    /// Handles the rejection or end of a target, or the hang-up of the waiting transferee.
    pub(super) fn target_refuses(&mut self, leg: LegKey, end: impl Into<End>) {
        let end = end.into();
        let forking = match &mut self.state {
            State::HandedOver { transferee, .. } if transferee.participant.leg == leg => {
                return self.end(EndReason::HungUp);
            }
            State::HandedOver { forking, .. } => forking,
            State::Established(established) => match established.transfer_mut() {
                Some(transfer) => &mut transfer.forking,
                None => return,
            },
            State::Ringing { .. } | State::Ended(_) => return,
        };
        let Some(position) = forking.forks.iter().position(|fork| fork.participant.leg == leg) else { return };
        // As in a first call: a user's decline ends it, a device that fails does not.
        if end.is_for_all() || forking.forks.len() == 1 {
            return self.transfer_fails(&end);
        }
        let fork = forking.forks.remove(position);
        self.end_forks(vec![fork], &end, None);
    }

    /// Ends a transfer that no target accepted: the call continues unless the transferor has left.
    pub(super) fn transfer_fails(&mut self, end: &End) {
        let (by, forking) = match &mut self.state {
            State::HandedOver { .. } => return self.end(end.clone()),
            State::Established(established) => {
                let Some(Transfer { by, forking }) = established.take_transfer() else { return };
                (established.legs.get(by).participant.leg, forking)
            }
            State::Ringing { .. } | State::Ended(_) => return,
        };
        let reported = if end.reason == EndReason::NoAnswer { EndReason::Canceled.into() } else { end.clone() };
        self.end_forks(forking.forks, &reported, None);
        self.report_failed_transfer(by, end);
    }

    /// Reports to the transferor that the transfer failed.
    pub(super) fn report_failed_transfer(&mut self, by: LegKey, end: &End) {
        let Some(side) = self.side(by) else { return };
        let Some(established) = self.established() else { return };
        let (transferor, is_holding) = (established.legs.get(side).participant.clone(), *established.held_by.get(side));
        self.report(CallEvent::TransferFailed { by, end: end.clone(), is_holding });
        let status = end.status();
        self.notify(&transferor, if status < 300 { 603 } else { status }, &end.info());
    }

    /// Reports that the relay cannot execute a transfer.
    pub fn refuse_transfer(&mut self, leg: LegKey, info: &str) {
        let status_line = Some((EndReason::NoCommonCodecs.sip_status(), info.to_owned()));
        self.report_failed_transfer(leg, &End { reason: EndReason::NoCommonCodecs, status_line });
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
        self.end_looped_dialogs(&EndReason::Transferred.into());
        let State::Established(established) = &mut self.state else { return None };
        let is_holding = *established.held_by.get(side.other());
        let (transferor, leg) = established.legs.clone().split(side);
        let transfer = established.take_transfer();
        self.state = State::Ended(EndReason::Transferred);
        if let Some(transfer) = transfer {
            self.end_forks(transfer.forking.forks, &EndReason::Canceled.into(), None);
        }
        self.remove_leg(&transferor, &EndReason::Transferred.into());
        self.finish(EndReason::Transferred);
        Some(Released { leg, is_holding })
    }

    /// Replaces the transferor by `released`, the participant of another call.
    pub fn join(&mut self, by: LegKey, released: Released) {
        let Some(side) = self.side(by) else { return };
        self.end_looped_dialogs(&EndReason::Transferred.into());
        if let Some(transfer) = self.established_mut().and_then(Established::take_transfer) {
            self.end_forks(transfer.forking.forks, &EndReason::Canceled.into(), None);
        }
        let Some(established) = self.established_mut() else { return };
        established.handover = None;
        let transferor = core::mem::replace(established.legs.get_mut(side), released.leg);
        *established.held_by.get_mut(side) = released.is_holding;
        let is_bridged = !established.held_by.a && !established.held_by.b;
        self.report(CallEvent::TransferCompleted { by: Some(transferor.participant.leg), target: None });
        self.notify(&transferor.participant, 200, "OK");
        self.remove_leg(&transferor, &EndReason::Transferred.into());
        self.repeat_status_after_hold(&transferor, side.other());
        if is_bridged {
            self.update_bridge();
        }
        self.adapt_both();
    }
}
