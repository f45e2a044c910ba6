//! Transfers that the relay executes itself, without REFER to the transferee. In a blind transfer, the relay calls the
//! target while the transferee keeps its media. In an attended transfer, the relay bridges the remote participants of
//! two calls.

use super::context::Context;
use super::early::RINGING;
use super::forking::{Forking, end_forks};
use super::handed_over::HandedOver;
use super::negotiation::{ForkAnswer, LegMaker};
use super::participant::{End, Fork, Leg, LegId, Participant};
use super::{CallEvent, Established, State, TransferProgress, established::Handover};
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey, Silence};
use offhook_sdp::plan::Conversions;
use offhook_sdp::section::Section;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Branch, Command as SipCommand};
use serde::{Deserialize, Serialize};

/// A blind transfer in progress, which the relay executes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transfer {
    /// The side of the transferor.
    pub(super) by: LegId,
    pub(super) forking: Forking,
}

/// The checked answer of a transfer target, and the streams of the target that result from it.
pub(super) struct TargetAnswer {
    answer: ForkAnswer,
    streams: Vec<Section>,
}

impl TargetAnswer {
    /// Converts the fork that answered to a leg. Returns the leg, and the command that connects it at the worker.
    pub(super) fn connect(self, mut fork: Fork) -> (Leg, Command) {
        let connect = LegMaker::connect(&mut fork, self.answer, &self.streams, Silence::EndsLeg);
        if let Some(peer) = fork.participant.peer_mut() {
            peer.take_pending();
        }
        (Leg::new(fork.participant, self.streams), connect)
    }
}

/// Checks whether a target's answer matches the media of the transferee.
pub(super) fn check_target(
    transferee: &Leg,
    fork: &Fork,
    sdp: &str,
    conversions: Conversions,
) -> Result<TargetAnswer, EndReason> {
    let answer = LegMaker::parse_answer(fork, sdp)?;
    let streams = LegMaker::settle_transfer(transferee, fork, &answer)?;
    // The media of a browser cannot be renegotiated, so the target must be able to receive the audio that it sends.
    let is_browser = transferee.participant.browser().is_some();
    if is_browser && !conversions.legs(&transferee.streams, &streams).is_delivered() {
        return Err(EndReason::NoCommonCodecs);
    }
    Ok(TargetAnswer { answer, streams })
}

impl Established {
    /// Alerts the targets of a transfer.
    pub(super) fn transfer_to(
        &mut self,
        leg: LegKey,
        targets: Result<Vec<Participant>, EndReason>,
        now: Time,
        cx: &mut Context,
    ) {
        let Some(by) = self.side(leg) else { return cx.discard(&targets.unwrap_or_default()) };
        let targets = match targets {
            Ok(targets) => targets,
            Err(reason) => return self.report_failed_transfer(by, &reason.into(), cx),
        };
        if self.handover.is_some() {
            // Only one transfer is possible at a time, and the first one continues.
            cx.discard(&targets);
            return self.report_failed_transfer(by, &EndReason::Busy.into(), cx);
        }
        let transferee = self.legs.get(by.other());
        let streams = transferee.streams_for_other();
        let forking = Forking::alert(targets, &transferee.participant.side, Some(&streams), now, cx);
        let Some(forking) = forking else {
            return self.report_failed_transfer(by, &EndReason::NoCommonCodecs.into(), cx);
        };
        let alerts_at_once = forking.has_browser();
        self.handover = Some(Handover::Transfer(Transfer { by, forking }));
        cx.report(CallEvent::TransferStarted { by: leg });
        if alerts_at_once {
            cx.report_transfer_progress(leg, RINGING);
        }
    }

    /// Removes a transferor that hangs up before the target answers. The transferee waits for the target.
    pub(super) fn hand_over(self: Box<Self>, transfer: Transfer, cx: &mut Context) -> State {
        let Transfer { by, forking } = transfer;
        let Self { legs, looped, .. } = *self;
        let (transferor, transferee) = legs.split(by);
        cx.set_media(&transferee.streams);
        cx.remove_leg(&transferor, &EndReason::Transferred.into());
        if let Some(looped) = looped {
            looped.remove(&EndReason::Transferred.into(), cx);
        }
        let handed_over = HandedOver { transferee, side: by.other(), forking };
        Box::new(handed_over).with(|call| call.connect_target_media(cx))
    }

    /// Handles the answer of the target.
    pub(super) fn target_answers(&mut self, leg: LegKey, sdp: &str, cx: &mut Context) {
        let Some(Transfer { by, forking }) = self.transfer() else { return cx.ignore() };
        let Some(fork) = forking.get(leg) else { return };
        match check_target(self.legs.get(by.other()), fork, sdp, cx.maker.conversions()) {
            Ok(answer) => self.complete_transfer(leg, answer, cx),
            Err(reason) => self.target_refuses(leg, reason, cx),
        }
    }

    /// Replaces the transferor by the target.
    fn complete_transfer(&mut self, leg: LegKey, answer: TargetAnswer, cx: &mut Context) {
        let Some(Transfer { by, mut forking }) = self.take_transfer() else { return };
        let Some(fork) = forking.remove(leg) else { return };
        let (target, connect) = answer.connect(fork);
        self.end_looped_dialogs(&EndReason::Transferred.into(), cx);
        end_forks(forking.forks, &EndReason::AnsweredElsewhere.into(), cx);
        let transferor = core::mem::replace(self.legs.get_mut(by), target);
        cx.set_media(&self.legs.a.streams);
        cx.media([connect]);
        // A hold by the transferee outlasts the transfer, because the transferee's page still shows it.
        if !self.has_hold() {
            cx.bridge(self.participant(by.other()), self.participant(by));
        }
        cx.report(CallEvent::TransferCompleted { by: Some(transferor.participant.leg), target: Some(leg) });
        self.report_hold_by_description(by, false, cx);
        cx.notify_refer(&transferor.participant, 200, "OK");
        self.remove_transferor(&transferor, by, cx);
        self.adapt_both(cx);
    }

    /// Removes a transferor after another participant has replaced it.
    fn remove_transferor(&self, transferor: &Leg, side: LegId, cx: &mut Context) {
        cx.remove_leg(transferor, &EndReason::Transferred.into());
        self.repeat_status_after_hold(transferor, side.other(), cx);
    }

    /// Handles a provisional response of the target.
    pub(super) fn target_progress(
        &mut self,
        leg: LegKey,
        branch: Branch,
        status: u16,
        sdp: Option<&str>,
        cx: &mut Context,
    ) {
        let Some(peer) = self.peer_mut(leg).filter(|peer| peer.is_unanswered()) else {
            return cx.ignore();
        };
        if let Some(sdp) = sdp {
            peer.store_early(branch, sdp);
        }
        if let Some(transfer) = self.transfer() {
            let by = &self.legs.get(transfer.by).participant;
            cx.notify_refer(by, status, "");
            cx.report_transfer_progress(by.leg, status);
        }
    }

    /// Handles the 2xx of the target.
    pub(super) fn peer_answers(&mut self, leg: LegKey, branch: Branch, sdp: Option<String>, cx: &mut Context) {
        let Some(peer) = self.peer_mut(leg).filter(|peer| peer.is_unanswered()) else {
            return cx.ignore();
        };
        match peer.confirm(branch, sdp) {
            Some(sdp) => self.target_answers(leg, &sdp, cx),
            None => self.target_refuses(leg, EndReason::BadSessionDescription, cx),
        }
    }

    /// Handles the rejection or end of a target.
    pub(super) fn target_refuses(&mut self, leg: LegKey, end: impl Into<End>, cx: &mut Context) {
        let end = end.into();
        let Some(Transfer { forking, .. }) = self.transfer_mut() else { return };
        if forking.contains(leg) && forking.ends_with(&end) {
            return self.transfer_fails(&end, cx);
        }
        forking.end_some(&[leg], &end, cx);
    }

    /// Ends a transfer that no target accepted. The call continues.
    pub(super) fn transfer_fails(&mut self, end: &End, cx: &mut Context) {
        let Some(Transfer { by, forking }) = self.take_transfer() else { return };
        let of_forks = if end.reason == EndReason::NoAnswer { EndReason::Canceled.into() } else { end.clone() };
        end_forks(forking.forks, &of_forks, cx);
        self.report_failed_transfer(by, end, cx);
    }

    /// Reports to the transferor that the transfer failed.
    pub(super) fn report_failed_transfer(&self, by: LegId, end: &End, cx: &mut Context) {
        let (transferor, is_holding) = (&self.legs.get(by).participant, self.is_hold_commanded(by));
        cx.report(CallEvent::TransferFailed { by: transferor.leg, end: end.clone(), is_holding });
        let status = end.status();
        cx.notify_refer(transferor, if status < 300 { 603 } else { status }, &end.info());
    }

    /// Reports that the relay cannot execute a transfer.
    pub(super) fn refuse_transfer(&self, leg: LegKey, info: &str, cx: &mut Context) {
        let Some(by) = self.side(leg) else { return };
        let status_line = Some((EndReason::NoCommonCodecs.sip_status(), info.to_owned()));
        self.report_failed_transfer(by, &End { reason: EndReason::NoCommonCodecs, status_line }, cx);
    }

    /// Ends the call because of an attended transfer: removes the transferor `by`, and returns the other leg.
    pub(super) fn release(mut self: Box<Self>, by: LegId, cx: &mut Context) -> (State, Leg) {
        self.end_looped_dialogs(&EndReason::Transferred.into(), cx);
        let transfer = self.take_transfer();
        let (transferor, leg) = self.legs.split(by);
        cx.set_media(&[]);
        if let Some(transfer) = transfer {
            end_forks(transfer.forking.forks, &EndReason::Canceled.into(), cx);
        }
        cx.remove_leg(&transferor, &EndReason::Transferred.into());
        (cx.finish(EndReason::Transferred), leg)
    }

    /// Completes an attended transfer: replaces the transferor `by` by `released`, a leg of its other call.
    pub(super) fn join(&mut self, by: LegKey, released: Leg, cx: &mut Context) {
        let Some(side) = self.side(by) else { return };
        self.end_looped_dialogs(&EndReason::Transferred.into(), cx);
        if let Some(transfer) = self.take_transfer() {
            end_forks(transfer.forking.forks, &EndReason::Canceled.into(), cx);
        }
        self.handover = None;
        let transferor = core::mem::replace(self.legs.get_mut(side), released);
        cx.set_media(&self.legs.a.streams);
        cx.report(CallEvent::TransferCompleted { by: Some(transferor.participant.leg), target: None });
        cx.notify_refer(&transferor.participant, 200, "OK");
        self.remove_transferor(&transferor, side, cx);
        if !self.has_hold() {
            self.update_bridge(cx);
        }
        self.adapt_both(cx);
    }
}

impl Context {
    /// Reports the progress of a target to the transferor.
    pub(super) fn report_transfer_progress(&mut self, by: LegKey, status: u16) {
        if let Some(progress) = TransferProgress::of_status(status) {
            self.report(CallEvent::TransferProgressed { by, progress });
        }
    }

    /// Notifies a SIP endpoint of the progress of the transfer that it requested (RFC 3515 §2.4.4).
    pub(super) fn notify_refer(&mut self, participant: &Participant, status: u16, reason: &str) {
        if let Some(peer) = participant.peer() {
            self.sip(SipCommand::NotifyRefer { invite: peer.invite(), status, reason: reason.to_owned() });
        }
    }
}
