//! Early media: media of the callees before the call is answered, and changes of these by callee or caller.

use super::negotiation::LegMaker;
use super::participant::{Alerting, Caller, EarlyMedia, Fork, Participant};
use super::peer::{Peer, PeerDialog, sdp_body};
use super::{Call, CallEvent, Output, State};
use offhook_media::command::{Command, LegKey, Silence};
use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::renegotiate;
use offhook_sdp::section::Section;
use offhook_sdp::sip::SipDescription;
use offhook_sip::user_agent::io::{Branch, Command as SipCommand};

const NOT_ACCEPTABLE_HERE: u16 = 488;
/// The status of a callee that is being alerted (RFC 3261 §21.1.2).
pub(super) const RINGING: u16 = 180;
const SESSION_PROGRESS: u16 = 183;

impl Call {
    /// Handles a provisional response of a SIP callee.
    pub(super) fn progress(&mut self, leg: LegKey, branch: Branch, status: u16, sdp: Option<String>) {
        let State::Ringing { caller, forking } = &mut self.state else { return };
        let is_alone = forking.forks.len() == 1 && forking.looped_invites.is_empty();
        let Some(fork) = forking.forks.iter_mut().find(|fork| fork.participant.leg == leg) else { return };
        if let (Some(sdp), Some(peer)) = (&sdp, fork.participant.peer_mut()) {
            peer.store_early(branch, sdp);
        }
        // A browser accepts one answer only: with several callees, it waits for the one that answers the call.
        if let Some(sdp) = sdp.filter(|_| is_alone && caller.offer.is_some())
            && self.early_media(leg, status, &sdp)
        {
            return;
        }
        let State::Ringing { caller, .. } = &mut self.state else { return };
        if caller.alerting != Alerting::None {
            return;
        }
        let participant = caller.participant.clone();
        if status == RINGING {
            caller.alerting = Alerting::Reported;
            self.report_ringing(&participant);
        } else {
            self.report(CallEvent::Progressing { caller: participant.leg });
            self.send_provisional(&participant, SESSION_PROGRESS);
        }
    }

    /// Informs the caller that a callee is being alerted.
    pub(super) fn report_ringing(&mut self, caller: &Participant) {
        self.report(CallEvent::Ringing { caller: caller.leg });
        self.send_provisional(caller, RINGING);
    }

    /// Sends a provisional response without a description to a SIP caller.
    pub(super) fn send_provisional(&mut self, caller: &Participant, status: u16) {
        if let Some(peer) = caller.peer() {
            self.outputs.push_back(Output::Sip(SipCommand::Ring { invite: peer.invite, status, body: None }));
        }
    }

    /// Connects the caller to the early media of its only callee. Returns false if that is impossible.
    fn early_media(&mut self, leg: LegKey, status: u16, sdp: &str) -> bool {
        let State::Ringing { caller, forking } = &self.state else { return false };
        let Some(fork) = forking.forks.iter().find(|fork| fork.participant.leg == leg) else { return false };
        let (mut caller, mut fork) = (caller.clone(), fork.clone());
        let parsed = LegMaker::parse_answer(&fork, sdp);
        let settled = parsed.and_then(|parsed| Ok((LegMaker::settle(&caller, &fork, &parsed)?, parsed)));
        let Ok((settled, parsed)) = settled else { return false };
        let connect = LegMaker::connect(&mut fork, parsed, &settled.callee, Silence::Tolerated);
        self.outputs.push_back(Output::Media(connect));
        let before = caller.early().cloned();
        let text = before.is_none().then(|| self.answer_caller(&mut caller.participant, &settled, Silence::Tolerated));
        if before.as_ref().is_none_or(|early| !early.is_bridged) {
            self.outputs.push_back(Output::Media(Command::Bridge { a: caller.participant.leg, b: leg }));
        }
        if let Some(text) = text {
            self.report_early_media(&caller.participant, status, text);
        }
        let answered = before.map_or(settled.caller, |early| early.answered);
        caller.alerting = Alerting::EarlyMedia(EarlyMedia { answered, received: settled.callee, is_bridged: true });
        if let State::Ringing { caller: known, forking } = &mut self.state {
            *known = caller;
            forking.forks = vec![fork];
        }
        true
    }

    fn report_early_media(&mut self, caller: &Participant, status: u16, text: String) {
        if let Some(peer) = caller.peer() {
            let status = if status == RINGING { RINGING } else { SESSION_PROGRESS };
            let response = SipCommand::Ring { invite: peer.invite, status, body: Some(sdp_body(&text)) };
            self.outputs.push_back(Output::Sip(response));
        }
        self.report(CallEvent::EarlyMedia { caller: caller.leg, answer: text });
    }

    /// Handles a provisional response of the target of a transfer.
    pub(super) fn target_progress(&mut self, leg: LegKey, branch: Branch, status: u16, sdp: Option<String>) {
        let Some(peer) = self.peer_mut(leg).filter(|peer| peer.dialog == PeerDialog::Outbound) else {
            return self.ignored += 1;
        };
        let has_description = sdp.is_some();
        if let Some(sdp) = sdp {
            peer.store_early(branch, &sdp);
        }
        let by = self
            .established()
            .and_then(|established| Some(established.legs.get(established.transfer()?.by).participant.clone()));
        if let Some(by) = by {
            self.notify(&by, status, "");
            self.report_transfer_progress(by.leg, status);
        }
        if has_description {
            self.connect_target_media();
        }
    }

    /// Connects the transferee to the early media of the only target.
    pub(super) fn connect_target_media(&mut self) {
        let State::HandedOver { transferee, is_holding: false, forking, .. } = &self.state else { return };
        let [fork] = forking.forks.as_slice() else { return };
        let Some(sdp) = fork.participant.peer().and_then(|peer| peer.latest_early()) else { return };
        let parsed = LegMaker::parse_answer(fork, &sdp);
        let settled = parsed.and_then(|parsed| Ok((LegMaker::settle_transfer(transferee, fork, &parsed)?, parsed)));
        let Ok((streams, parsed)) = settled else { return };
        if !LegMaker::passes(&streams, &transferee.streams) {
            return;
        }
        let (mut fork, a) = (fork.clone(), transferee.participant.leg);
        let bridge = Command::Bridge { a, b: fork.participant.leg };
        let connect = LegMaker::connect(&mut fork, parsed, &streams, Silence::Tolerated);
        self.outputs.extend([connect, bridge].map(Output::Media));
        if let State::HandedOver { forking, .. } = &mut self.state {
            forking.forks = vec![fork];
        }
    }

    /// Disconnects the transferee, which is holding now, from the early media of the target.
    pub(super) fn disconnect_target_media(&mut self) {
        let State::HandedOver { transferee, forking, .. } = &self.state else { return };
        let has_early_media = |fork: &Fork| fork.participant.peer().is_some_and(|peer| peer.latest_early().is_some());
        if matches!(forking.forks.as_slice(), [fork] if has_early_media(fork)) {
            self.outputs.push_back(Output::Media(Command::Unbridge { leg: transferee.participant.leg }));
        }
    }

    /// Answers an offer in an UPDATE before the call is answered (RFC 3311 §5.2): returns the text of the answer, or
    /// the status of the rejection.
    pub(super) fn answer_early_offer(&mut self, leg: LegKey, branch: Branch, sdp: &str) -> Result<String, u16> {
        let description = SipDescription::parse(sdp).map_err(|_| NOT_ACCEPTABLE_HERE)?;
        let is_caller = matches!(&self.state, State::Ringing { caller, .. } if caller.participant.leg == leg);
        if is_caller { self.caller_changes(description) } else { self.fork_changes(leg, branch, description, sdp) }
    }

    /// Answers an offer of the caller, within the early media that it receives.
    fn caller_changes(&mut self, description: SipDescription) -> Result<String, u16> {
        let State::Ringing { caller, .. } = &mut self.state else { return Err(NOT_ACCEPTABLE_HERE) };
        let Caller { participant, alerting: Alerting::EarlyMedia(early), .. } = &mut **caller else {
            return Err(NOT_ACCEPTABLE_HERE);
        };
        let (text, streams, connect) = self.maker.answer_change(participant, &early.received, description)?;
        early.answered = streams;
        self.outputs.extend(connect.into_iter().map(Output::Media));
        Ok(text)
    }

    /// Answers an offer of a callee, within the answer to the caller or, if the caller receives no early media, within
    /// the relay's offer.
    fn fork_changes(
        &mut self,
        leg: LegKey,
        branch: Branch,
        description: SipDescription,
        sdp: &str,
    ) -> Result<String, u16> {
        let (caller, forking) = match &mut self.state {
            State::Ringing { caller, forking } => (Some(&mut **caller), forking),
            State::Established(established) => {
                (None, &mut established.transfer_mut().ok_or(NOT_ACCEPTABLE_HERE)?.forking)
            }
            State::HandedOver { forking, .. } => (None, forking),
            State::Ended(_) => return Err(NOT_ACCEPTABLE_HERE),
        };
        let (early, is_browser) = match caller {
            Some(Caller { participant, alerting: Alerting::EarlyMedia(early), .. }) => {
                (Some(early), participant.browser().is_some())
            }
            Some(_) | None => (None, false),
        };
        let fork = forking.forks.iter_mut().find(|fork| fork.participant.leg == leg).ok_or(NOT_ACCEPTABLE_HERE)?;
        // One set of descriptions applies to all branches, whose answers to the INVITE are still to come.
        if fork.participant.peer().is_some_and(Peer::is_forked) {
            return Err(NOT_ACCEPTABLE_HERE);
        }
        let other = early.as_ref().map_or(&fork.offered, |early| &early.answered).clone();
        let before = fork.participant.clone();
        let (text, streams, connect) = self.maker.answer_change(&mut fork.participant, &other, description)?;
        // A browser keeps its codec (RFC 3261 §14.2).
        if is_browser && !LegMaker::passes_where_wanted(&other, &streams) {
            fork.participant = before;
            return Err(NOT_ACCEPTABLE_HERE);
        }
        if let Some(peer) = fork.participant.peer_mut() {
            peer.change_early(branch, sdp);
        }
        if let Some(early) = early {
            early.received = streams;
        }
        self.outputs.extend(connect.into_iter().map(Output::Media));
        Ok(text)
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
        let agreed = renegotiate(other, &offer.media(), Direction::SendRecv).map_err(|_| NOT_ACCEPTABLE_HERE)?;
        let (connect, text) = peer.answer(leg, offer, &agreed.answer, &agreed.peer, Silence::Tolerated);
        Ok((text, agreed.peer, connect))
    }
}
