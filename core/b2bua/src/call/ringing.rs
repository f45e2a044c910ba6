//! The call from its placement to the first answer.

use super::ending::has_video;
use super::negotiation::{ForkAnswer, LegMaker};
use super::participant::{Alerting, Caller, End, Fork, Leg, LegId, Participant, PerLeg, Side};
use super::peer::{PeerDialog, Purpose, sdp_body};
use super::{Call, CallEvent, Established, Forking, Output, State};
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey, Silence};
use offhook_sdp::offer_answer::Settled;
use offhook_sdp::section::Section;
use offhook_sdp::sip::ExtraLine;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Branch, Command as SipCommand};

/// Returns the names of the codecs in use, each once.
fn codec_names(legs: &PerLeg<Leg>) -> Vec<String> {
    let sections = legs.a.streams.iter().chain(&legs.b.streams).filter(|section| !section.rejected);
    let mut names: Vec<String> = Vec::new();
    for section in sections {
        let codec = section.payloads.iter().map(|payload| &payload.codec).find(|codec| codec.is_primary());
        if let Some(codec) = codec.filter(|codec| !names.iter().any(|name| codec.is(name))) {
            names.push(codec.name.clone());
        }
    }
    names
}

impl Call {
    pub(super) fn begin(
        &mut self,
        caller: Participant,
        offer: Result<Option<Vec<Section>>, EndReason>,
        targets: Result<Vec<Participant>, EndReason>,
        now: Time,
    ) {
        // Reported immediately: a stock client that hangs up before its first status sends no message.
        self.report(CallEvent::Placed {
            caller: caller.leg,
            endpoint: caller.endpoint(),
            from: caller.caller.clone(),
            to: caller.callee.clone(),
        });
        let (offer, targets) = match (offer, targets) {
            (Ok(offer), Ok(targets)) => (offer, targets),
            (_, Err(reason)) => return self.refuse(&caller, reason),
            (Err(reason), Ok(targets)) => {
                self.discard(&targets);
                return self.refuse(&caller, reason);
            }
        };
        let forking = self.alert(targets, &caller.side, offer.as_deref(), now);
        if forking.forks.is_empty() {
            return self.refuse(&caller, EndReason::NoCommonCodecs);
        }
        let alerts_at_once = forking.forks.iter().any(|fork| fork.participant.browser().is_some());
        if alerts_at_once {
            self.report_ringing(&caller);
        }
        let caller = Caller {
            participant: caller,
            offer,
            alerting: if alerts_at_once { Alerting::Reported } else { Alerting::None },
        };
        self.state = State::Ringing { caller: Box::new(caller), forking };
    }

    fn refuse(&mut self, caller: &Participant, reason: EndReason) {
        self.state = State::Ended(reason);
        self.remove_caller(caller, &reason.into());
        self.finish(reason);
    }

    /// Releases targets that are not going to be alerted.
    pub(super) fn discard(&mut self, targets: &[Participant]) {
        for participant in targets {
            self.release_leg(participant);
        }
    }

    /// Alerts all of `targets` on behalf of `from`, which offers `media`.
    pub(super) fn alert(
        &mut self,
        targets: Vec<Participant>,
        from: &Side,
        media: Option<&[Section]>,
        now: Time,
    ) -> Forking {
        let has_video = has_video(media.unwrap_or_default());
        let mut forks = Vec::with_capacity(targets.len());
        for participant in targets {
            match self.maker.alert(participant, from, media, has_video) {
                Ok((fork, outputs)) => {
                    self.outputs.extend(outputs);
                    forks.push(fork);
                }
                Err(participant) => self.release_leg(&participant),
            }
        }
        Forking { forks, looped_invites: Vec::new(), give_up_at: now + self.ring_timeout, redirections: 0 }
    }

    /// Connects the caller, and returns the text of its answer.
    pub(super) fn answer_caller(&mut self, caller: &mut Participant, settled: &Settled, silence: Silence) -> String {
        let leg = caller.leg;
        let (commands, text) = match &mut caller.side {
            Side::Browser(browser) => match browser.offer.take() {
                Some(offer) => self.maker.answer_browser(leg, &offer, &settled.answer, &settled.caller),
                None => return String::new(),
            },
            Side::Sip(peer) => match peer.offer.take() {
                Some(offer) => {
                    let open = peer.open(leg);
                    let (connect, text) = peer.answer(leg, *offer, &settled.answer, &settled.caller, silence);
                    (core::iter::once(open).chain(connect).collect(), text)
                }
                // The caller requested an offer: its answer is in the ACK.
                None => (vec![peer.open(leg)], self.maker.delayed_offer(peer, &settled.callee)),
            },
        };
        self.outputs.extend(commands.into_iter().map(Output::Media));
        text
    }

    /// Handles the answer of a browser, with lines for the answer to a SIP caller.
    pub(super) fn answer_with(&mut self, leg: LegKey, sdp: &str, lines: Vec<ExtraLine>) {
        if let State::Ringing { caller, .. } = &mut self.state
            && let Some(peer) = caller.participant.peer_mut()
        {
            peer.extra = lines;
        }
        self.answer(leg, sdp);
    }

    /// Handles the answer of a browser.
    pub(super) fn answer(&mut self, leg: LegKey, sdp: &str) {
        let State::Ringing { caller, forking } = &self.state else { return };
        let Some(fork) = forking.forks.iter().find(|fork| fork.participant.leg == leg) else { return };
        let parsed = LegMaker::parse_answer(fork, sdp);
        match parsed.and_then(|parsed| Ok((LegMaker::settle(caller, fork, &parsed)?, parsed))) {
            Ok((settled, parsed)) => {
                let (caller, fork) = (caller.clone(), fork.clone());
                self.establish(*caller, fork, parsed, settled);
            }
            Err(reason) => self.ringing_leg_ended(leg, reason),
        }
    }

    /// Handles the 2xx of a SIP callee or transfer target.
    pub(super) fn peer_answers(&mut self, leg: LegKey, branch: Branch, sdp: Option<String>) {
        let Some(peer) = self.peer_mut(leg).filter(|peer| peer.dialog == PeerDialog::Outbound) else {
            return self.ignored += 1;
        };
        peer.dialog = PeerDialog::Confirmed;
        let sdp = peer.final_answer(branch, sdp);
        if self.bridge_looped(leg, sdp.as_deref()) {
            return;
        }
        if let (Some(index), Some(sdp)) = (self.looped_invite_of(leg), &sdp) {
            return self.answer_looped_invite(index, leg, sdp);
        }
        match (&self.state, sdp) {
            (State::Ringing { .. }, Some(sdp)) => self.answer(leg, &sdp),
            (State::Ringing { .. }, None) => self.ringing_leg_ended(leg, EndReason::BadSessionDescription),
            (_, Some(sdp)) => self.target_answers(leg, &sdp),
            (_, None) => self.target_refuses(leg, EndReason::BadSessionDescription),
        }
    }

    fn establish(&mut self, mut caller: Caller, mut fork: Fork, parsed: ForkAnswer, settled: Settled) {
        let State::Ringing { forking, .. } = &mut self.state else { return };
        let (forks, looped_invites) =
            (core::mem::take(&mut forking.forks), core::mem::take(&mut forking.looped_invites));
        self.end_forks(forks, &EndReason::AnsweredElsewhere.into(), Some(fork.participant.leg));
        for looped_invite in looped_invites {
            self.remove_participant(&looped_invite.inbound, &EndReason::AnsweredElsewhere.into());
        }
        let connect = LegMaker::connect(&mut fork, parsed, &settled.callee, Silence::EndsLeg);
        self.outputs.push_back(Output::Media(connect));
        if let Some(peer) = fork.participant.peer_mut() {
            peer.pending = None;
        }
        let is_late = caller.offer.is_none();
        let early = match caller.alerting {
            Alerting::EarlyMedia(early) => Some(early),
            Alerting::None | Alerting::Reported => None,
        };
        let was_early = early.is_some();
        let text = if let Some(early) = &early {
            let again = caller.participant.reconnect(&early.answered);
            self.outputs.extend(again.map(Output::Media));
            None
        } else {
            Some(self.answer_caller(&mut caller.participant, &settled, Silence::EndsLeg))
        };
        if early.as_ref().is_none_or(|early| !early.is_bridged) && !is_late {
            self.outputs
                .push_back(Output::Media(Command::Bridge { a: caller.participant.leg, b: fork.participant.leg }));
        }
        let a = Leg { streams: early.map_or(settled.caller, |early| early.answered), participant: caller.participant };
        let b = Leg { participant: fork.participant, streams: settled.callee };
        let mut legs = PerLeg { a, b };
        self.accept_caller(&mut legs.a.participant, text.as_deref());
        let (caller, callee) = (legs.a.participant.leg, legs.b.participant.leg);
        let codecs = codec_names(&legs);
        let cannot_receive = was_early && !LegMaker::passes_where_wanted(&legs.a.streams, &legs.b.streams);
        let held_by = PerLeg { a: false, b: false };
        self.state = State::Established(Box::new(Established { legs, held_by, handover: None, looped: None }));
        self.report(CallEvent::Answered { caller, callee, answer: text, codecs });
        if cannot_receive {
            // The caller was answered according to an earlier description of the callee than the latest.
            self.offer_to(LegId::B, Purpose::Change);
        }
    }

    /// Accepts the INVITE of a SIP caller, with the answer of the early media unless there is another.
    fn accept_caller(&mut self, caller: &mut Participant, text: Option<&str>) {
        if let Some(peer) = caller.peer_mut() {
            peer.dialog = PeerDialog::Confirmed;
            let body = text.map(str::to_owned).or_else(|| peer.last()).map(|text| sdp_body(&text));
            self.outputs.push_back(Output::Sip(SipCommand::Accept { invite: peer.invite, body }));
        }
    }

    /// Handles CANCEL by the caller, or the end of an alerted callee.
    pub(super) fn ringing_leg_ended(&mut self, leg: LegKey, end: impl Into<End>) {
        let end = end.into();
        let State::Ringing { caller, .. } = &self.state else { return };
        if caller.participant.leg == leg {
            let is_kept = matches!(end.reason, EndReason::AnsweredElsewhere | EndReason::MediaSetupFailed);
            return self.end(if is_kept { end } else { EndReason::Canceled.into() });
        }
        if self.looped_invite_ended(leg, &end) {
            return;
        }
        if let Some(index) = self.looped_invite_of(leg) {
            return self.remove_looped_callee(index, leg, &end);
        }
        self.end_looped_invites_of(leg, &end);
        let State::Ringing { forking, .. } = &mut self.state else { return };
        let Some(position) = forking.forks.iter().position(|fork| fork.participant.leg == leg) else { return };
        if end.is_for_all() || forking.forks.len() == 1 {
            return self.end(end);
        }
        let fork = forking.forks.remove(position);
        self.end_forks(vec![fork], &end, None);
    }

    /// Ends alerting at all forks except `except`.
    pub(super) fn end_forks(&mut self, forks: Vec<Fork>, end: &End, except: Option<LegKey>) {
        for fork in forks.into_iter().filter(|fork| Some(fork.participant.leg) != except) {
            self.remove_participant(&fork.participant, end);
            self.outputs.push_back(Output::Media(Command::CloseLeg { leg: fork.participant.leg }));
        }
    }
}
