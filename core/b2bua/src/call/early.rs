//! Early media: media that callees send before the call is answered, and offers in UPDATE requests that change them
//! (RFC 3311).

use super::CallEvent;
use super::context::Context;
use super::forking::Forking;
use super::handed_over::HandedOver;
use super::negotiation::LegMaker;
use super::participant::{Alerting, Caller, EarlyMedia, Participant};
use super::peer::{Peer, sdp_body};
use super::reinvite::{IncomingOffer, NOT_ACCEPTABLE_HERE};
use super::ringing::Ringing;
use offhook_media::command::{Command, LegKey, Silence};
use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::renegotiate;
use offhook_sdp::section::Section;
use offhook_sdp::sip::SipDescription;
use offhook_sip::user_agent::io::{Branch, Command as SipCommand};

/// The status of the response of a callee that is being alerted (RFC 3261 §21.1.2).
pub(super) const RINGING: u16 = 180;
const SESSION_PROGRESS: u16 = 183;

impl Context {
    /// Informs the caller that a callee is being alerted.
    pub(super) fn report_ringing(&mut self, caller: &Participant) {
        self.report(CallEvent::Ringing { caller: caller.leg });
        self.send_provisional(caller, RINGING);
    }

    /// Sends a provisional response without a description to a SIP caller.
    pub(super) fn send_provisional(&mut self, caller: &Participant, status: u16) {
        if let Some(peer) = caller.peer() {
            self.sip(SipCommand::Ring { invite: peer.invite(), status, body: None });
        }
    }

    fn report_early_media(&mut self, caller: &Participant, status: u16, text: String) {
        if let Some(peer) = caller.peer() {
            let status = if status == RINGING { RINGING } else { SESSION_PROGRESS };
            self.sip(SipCommand::Ring { invite: peer.invite(), status, body: Some(sdp_body(&text)) });
        }
        self.report(CallEvent::EarlyMedia { caller: caller.leg, answer: text });
    }
}

impl Ringing {
    /// Handles a provisional response of a SIP callee.
    pub(super) fn progress(&mut self, leg: LegKey, branch: Branch, status: u16, sdp: Option<String>, cx: &mut Context) {
        let is_alone = self.forking.forks.len() == 1 && self.looped_invites.is_empty();
        let Some(fork) = self.forking.get_mut(leg) else { return };
        if let (Some(sdp), Some(peer)) = (&sdp, fork.participant.peer_mut()) {
            peer.store_early(branch, sdp);
        }
        // The caller receives one answer only, since a browser does not accept another one. With several callees, it is
        // that of the callee that answers the call.
        if let Some(sdp) = sdp.filter(|_| is_alone && self.caller.offer.is_some())
            && self.connect_early_media(leg, status, &sdp, cx)
        {
            return;
        }
        if self.caller.alerting != Alerting::None {
            return;
        }
        if status == RINGING {
            self.caller.alerting = Alerting::Reported;
            cx.report_ringing(&self.caller.participant);
        } else {
            cx.report(CallEvent::Progressing { caller: self.caller.participant.leg });
            cx.send_provisional(&self.caller.participant, SESSION_PROGRESS);
        }
    }

    /// Connects the caller to the early media of its only callee. Returns false if that is impossible.
    fn connect_early_media(&mut self, leg: LegKey, status: u16, sdp: &str, cx: &mut Context) -> bool {
        let caller = &mut self.caller;
        let Some(fork) = self.forking.get_mut(leg) else { return false };
        let answer = LegMaker::parse_answer(fork, sdp);
        let settled = answer.and_then(|answer| Ok((cx.maker.settle(caller, fork, &answer)?, answer)));
        let Ok((settled, answer)) = settled else { return false };
        cx.media([LegMaker::connect(fork, answer, &settled.callee, Silence::Tolerated)]);
        let before = caller.early().cloned();
        let text = before.is_none().then(|| cx.answer_caller(&mut caller.participant, &settled, Silence::Tolerated));
        if before.as_ref().is_none_or(|early| !early.is_bridged) {
            cx.media([Command::Bridge { a: caller.participant.leg, b: leg }]);
        }
        if let Some(text) = text {
            cx.report_early_media(&caller.participant, status, text);
        }
        let answered = before.map_or(settled.caller, |early| early.answered);
        caller.alerting = Alerting::EarlyMedia(EarlyMedia { answered, received: settled.callee, is_bridged: true });
        true
    }

    /// Handles an offer in an UPDATE before the call is answered (RFC 3311 §5.2).
    pub(super) fn offered(&mut self, offer: &IncomingOffer, cx: &mut Context) {
        let Some(invite) = self.peer_mut(offer.leg).map(|peer| peer.invite()) else { return };
        let answer = if self.caller.participant.leg == offer.leg {
            self.answer_caller_offer(offer, cx)
        } else {
            let Caller { participant, alerting, .. } = &mut self.caller;
            let early = match alerting {
                Alerting::EarlyMedia(early) => Some((early, participant.browser().is_some())),
                Alerting::None | Alerting::Reported => None,
            };
            change_fork(&mut self.forking, offer, early, cx)
        };
        offer.respond(invite, answer, cx);
    }

    /// Answers an offer of the caller with media that match the early media of the callee.
    fn answer_caller_offer(&mut self, offer: &IncomingOffer, cx: &mut Context) -> Result<String, u16> {
        let (description, _) = offer.update()?;
        let Caller { participant, alerting: Alerting::EarlyMedia(early), .. } = &mut self.caller else {
            return Err(NOT_ACCEPTABLE_HERE);
        };
        let (text, streams, connect) = cx.maker.answer_change(participant, &early.received, description)?;
        early.answered = streams;
        cx.media(connect);
        Ok(text)
    }
}

/// Answers an offer of an alerted callee. The answer is limited to the media in the answer to the caller or, if the
/// caller receives no early media, to those in the relay's offer. `early` contains the early media of the caller, and
/// whether the caller is a browser.
pub(super) fn change_fork(
    forking: &mut Forking,
    offer: &IncomingOffer,
    early: Option<(&mut EarlyMedia, bool)>,
    cx: &mut Context,
) -> Result<String, u16> {
    let (description, sdp) = offer.update()?;
    let fork = forking.get_mut(offer.leg).ok_or(NOT_ACCEPTABLE_HERE)?;
    // The relay has the same description in all branches, so that it cannot change the media of one branch only.
    if fork.participant.peer().is_some_and(Peer::is_forked) {
        return Err(NOT_ACCEPTABLE_HERE);
    }
    let is_browser = early.as_ref().is_some_and(|(_, is_browser)| *is_browser);
    let other = early.as_ref().map_or(&fork.offered, |(early, _)| &early.answered).clone();
    let before = fork.participant.clone();
    let (text, streams, connect) = cx.maker.answer_change(&mut fork.participant, &other, description)?;
    // The codec of a browser cannot change before the call is answered, so that an offer without it is rejected with
    // 488 (RFC 3261 §14.2).
    if is_browser && !cx.maker.conversions().legs(&other, &streams).is_delivered_where_requested() {
        fork.participant = before;
        return Err(NOT_ACCEPTABLE_HERE);
    }
    if let Some(peer) = fork.participant.peer_mut() {
        peer.change_early(offer.branch, sdp);
    }
    if let Some((early, _)) = early {
        early.received = streams;
    }
    cx.media(connect);
    Ok(text)
}

impl HandedOver {
    /// Handles a provisional response of a target.
    pub(super) fn target_progress(&mut self, leg: LegKey, branch: Branch, sdp: Option<&str>, cx: &mut Context) {
        let Some(peer) = self.peer_mut(leg).filter(|peer| peer.is_unanswered()) else {
            return cx.ignore();
        };
        if let Some(sdp) = sdp {
            peer.store_early(branch, sdp);
            self.connect_target_media(cx);
        }
    }

    /// Connects the transferee, unless it is holding, to the early media of the only target.
    pub(super) fn connect_target_media(&mut self, cx: &mut Context) {
        let (transferee, is_holding) = (&self.transferee, self.transferee.hold.is_holding());
        let Some(fork) = self.forking.only_mut().filter(|_| !is_holding) else { return };
        let Some(sdp) = fork.participant.peer().and_then(Peer::latest_early) else { return };
        let answer = LegMaker::parse_answer(fork, sdp);
        let settled = answer.and_then(|answer| Ok((LegMaker::settle_transfer(transferee, fork, &answer)?, answer)));
        let Ok((streams, answer)) = settled else { return };
        if !cx.maker.conversions().legs(&streams, &transferee.streams).is_delivered() {
            return;
        }
        let connect = LegMaker::connect(fork, answer, &streams, Silence::Tolerated);
        cx.media([connect]);
        cx.bridge(&transferee.participant, &fork.participant);
    }

    /// Disconnects the transferee, which is holding now, from the early media of the target.
    pub(super) fn disconnect_target_media(&mut self, cx: &mut Context) {
        let fork = self.forking.only_mut();
        if fork.is_some_and(|fork| fork.participant.peer().is_some_and(|peer| peer.latest_early().is_some())) {
            cx.unbridge(&self.transferee.participant);
        }
    }
}

impl LegMaker {
    /// Answers an offer of a SIP endpoint before the call is answered, for a bridge with `other`: returns the text, the
    /// new streams of the endpoint and the commands for the worker.
    fn answer_change(
        &mut self,
        participant: &mut Participant,
        other: &[Section],
        description: SipDescription,
    ) -> Result<(String, Vec<Section>, Vec<Command>), u16> {
        let leg = participant.leg;
        let peer = participant.peer_mut().ok_or(NOT_ACCEPTABLE_HERE)?;
        let offer = peer.check_offer(description, &mut self.random);
        if offer.has_no_media() {
            return Err(NOT_ACCEPTABLE_HERE);
        }
        let agreed = renegotiate(other, &offer.media(), Direction::SendRecv, self.conversions())
            .map_err(|_| NOT_ACCEPTABLE_HERE)?;
        let (connect, text) = peer.answer(leg, offer, &agreed.answer, &agreed.peer, Silence::Tolerated);
        Ok((text, agreed.peer, connect))
    }
}
