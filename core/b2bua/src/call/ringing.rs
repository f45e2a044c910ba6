//! The state of a call from its placement until a callee answers.

use super::context::Context;
use super::forking::{Forking, end_forks};
use super::looped::LoopedInvite;
use super::negotiation::{ForkAnswer, LegMaker, end_reason_of};
use super::participant::{Alerting, Caller, End, Leg, LegId, Participant, PerLeg, Side};
use super::peer::{Peer, Purpose, sdp_body};
use super::{CallEvent, Established, State, application, ending};
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey, Silence, TransportFailure};
use offhook_sdp::codec::Codec;
use offhook_sdp::offer_answer::Settled;
use offhook_sdp::section::Section;
use offhook_sdp::sip::ExtraLine;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Branch, Cause, Command as SipCommand};
use serde::{Deserialize, Serialize};

/// The state of an unanswered call: the caller, and the callees that are alerted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ringing {
    pub(super) caller: Caller,
    pub(super) forking: Forking,
    /// Looped INVITEs of this call; their callees are among the forks.
    pub(super) looped_invites: Vec<LoopedInvite>,
    /// The number of redirects by alerted phones.
    pub(super) redirections: u8,
}

/// Returns the names of the codecs of the negotiated streams, each once.
fn codec_names(legs: &PerLeg<Leg>) -> Vec<String> {
    let of_leg = |leg: &Leg| if leg.participant.has_media() { leg.streams.clone() } else { Vec::new() };
    let sections = [&legs.a, &legs.b].into_iter().flat_map(of_leg).filter(|section| !section.rejected);
    let mut names: Vec<String> = Vec::new();
    for section in sections {
        let codec = section.payloads.into_iter().map(|payload| payload.codec).find(Codec::is_primary);
        if let Some(codec) = codec.filter(|codec| !names.iter().any(|name| codec.is(name))) {
            names.push(codec.name);
        }
    }
    names
}

/// Alerts the targets of a new call, or refuses it.
pub(super) fn place(
    caller: Participant,
    offer: Result<Option<Vec<Section>>, EndReason>,
    targets: Result<Vec<Participant>, EndReason>,
    now: Time,
    cx: &mut Context,
) -> State {
    // Reported before anything else, because a stock client that hangs up before it receives a status sends no message.
    cx.report(caller.placed());
    alert(caller, offer, targets.map_err(End::from), now, cx)
}

/// Alerts the targets of a call whose placement has been reported, or refuses it.
pub(super) fn alert(
    caller: Participant,
    offer: Result<Option<Vec<Section>>, EndReason>,
    targets: Result<Vec<Participant>, End>,
    now: Time,
    cx: &mut Context,
) -> State {
    let (offer, targets) = match (offer, targets) {
        (Ok(offer), Ok(targets)) => (offer, targets),
        (_, Err(end)) => return refuse(&caller, &end, cx),
        (Err(reason), Ok(targets)) => {
            cx.discard(&targets);
            return refuse(&caller, &reason.into(), cx);
        }
    };
    let Some(forking) = Forking::alert(targets, &caller.side, offer.as_deref(), now, cx) else {
        return refuse(&caller, &EndReason::NoCommonCodecs.into(), cx);
    };
    let alerting = if forking.has_browser() {
        cx.report_ringing(&caller);
        Alerting::Reported
    } else {
        Alerting::None
    };
    cx.set_media(offer.as_deref().unwrap_or_default());
    let caller = Caller { participant: caller, offer, alerting };
    State::Ringing(Box::new(Ringing { caller, forking, looped_invites: Vec::new(), redirections: 0 }))
}

fn refuse(caller: &Participant, end: &End, cx: &mut Context) -> State {
    cx.remove_caller(caller, end);
    cx.finish(end.reason)
}

impl Ringing {
    /// Applies an action that does not change the state.
    pub(super) fn with(mut self: Box<Self>, action: impl FnOnce(&mut Self)) -> State {
        action(&mut self);
        State::Ringing(self)
    }

    pub(super) fn participants_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        let inbound = self.looped_invites.iter_mut().map(|looped| &mut looped.inbound);
        core::iter::once(&mut self.caller.participant).chain(self.forking.participants_mut()).chain(inbound)
    }

    pub(super) fn peer_mut(&mut self, leg: LegKey) -> Option<&mut Peer> {
        self.participants_mut().find(|participant| participant.leg == leg)?.peer_mut()
    }

    /// Handles the answer of a browser. `lines` are its additional SDP lines for the relay's answer to a SIP caller.
    pub(super) fn browser_answers(
        mut self: Box<Self>,
        leg: LegKey,
        sdp: &str,
        lines: Vec<ExtraLine>,
        cx: &mut Context,
    ) -> State {
        if let Some(index) = self.looped_invite_of(leg) {
            return self.answer_looped_invite(index, leg, sdp, cx);
        }
        if let Some(peer) = self.caller.participant.peer_mut() {
            peer.set_extra(lines);
        }
        self.answer(leg, sdp, cx)
    }

    /// Handles the 2xx of a SIP callee.
    pub(super) fn peer_answers(
        mut self: Box<Self>,
        leg: LegKey,
        branch: Branch,
        sdp: Option<String>,
        cx: &mut Context,
    ) -> State {
        let Some(peer) = self.peer_mut(leg).filter(|peer| peer.is_unanswered()) else {
            return self.with(|_| cx.ignore());
        };
        let Some(sdp) = peer.confirm(branch, sdp) else {
            return self.hang_up(leg, EndReason::BadSessionDescription, cx);
        };
        if let Some(looped) = self.take_looped_invite_answered_by(leg, &sdp) {
            return self.bridge_looped(leg, looped, cx);
        }
        match self.looped_invite_of(leg) {
            Some(index) => self.answer_looped_invite(index, leg, &sdp, cx),
            None => self.answer(leg, &sdp, cx),
        }
    }

    /// Handles the answer of a callee that is not alerted for a looped INVITE.
    pub(super) fn answer(self: Box<Self>, leg: LegKey, sdp: &str, cx: &mut Context) -> State {
        let Some(fork) = self.forking.get(leg) else { return State::Ringing(self) };
        let answer = LegMaker::parse_answer(fork, sdp);
        match answer.and_then(|answer| Ok((cx.maker.settle(&self.caller, fork, &answer)?, answer))) {
            Ok((settled, answer)) => self.establish(leg, answer, settled, cx),
            Err(reason) => self.hang_up(leg, reason, cx),
        }
    }

    /// Connects the caller with the callee that answers.
    fn establish(mut self: Box<Self>, leg: LegKey, answer: ForkAnswer, settled: Settled, cx: &mut Context) -> State {
        let Some(mut fork) = self.forking.remove(leg) else { return State::Ringing(self) };
        let Self { mut caller, forking, looped_invites, .. } = *self;
        end_forks(forking.forks, &EndReason::AnsweredElsewhere.into(), cx);
        for looped in looped_invites {
            cx.remove_participant(&looped.inbound, &EndReason::AnsweredElsewhere.into());
        }
        cx.media([LegMaker::connect(&mut fork, answer, &settled.callee, Silence::EndsLeg)]);
        if let Some(peer) = fork.participant.peer_mut() {
            peer.take_pending();
        }
        let (was_early, is_bridged) = caller.early().map_or((false, false), |early| (true, early.is_bridged));
        let is_delayed_offer = caller.offer.is_none();
        let (text, streams) = match caller.alerting {
            Alerting::EarlyMedia(early) => {
                cx.media(caller.participant.reconnect(&early.answered));
                (None, early.answered)
            }
            Alerting::None | Alerting::Reported if caller.participant.application().is_some() => {
                (None, application::streams(&fork.offered))
            }
            Alerting::None | Alerting::Reported => {
                let text = if is_delayed_offer {
                    let streams = fork.participant.streams_for_other(&settled.callee);
                    cx.offer_to_caller(&mut caller.participant, &streams)
                } else {
                    cx.answer_caller(&mut caller.participant, &settled, Silence::EndsLeg)
                };
                (Some(text), settled.caller)
            }
        };
        if !is_bridged && !is_delayed_offer {
            cx.media([Command::Bridge { a: caller.participant.leg, b: leg }]);
        }
        cx.accept_caller(&mut caller.participant, text.as_deref());
        let a = Leg::new(caller.participant, streams);
        let b = Leg::new(fork.participant, settled.callee);
        let mut established = Established::new(PerLeg { a, b }, cx);
        let legs = &established.legs;
        cx.report(CallEvent::Answered {
            caller: legs.a.participant.leg,
            callee: leg,
            answer: text,
            codecs: codec_names(legs),
        });
        // A SIP endpoint may begin the call on hold.
        established.report_hold_by_description(LegId::A, false, cx);
        established.report_hold_by_description(LegId::B, false, cx);
        if was_early && !cx.maker.conversions().legs(&legs.a.streams, &legs.b.streams).is_delivered_where_requested() {
            // The caller's answer matches an earlier description of the callee. With the latest description, the callee
            // cannot receive the caller's audio, so it receives a new offer.
            established.offer_to(LegId::B, Purpose::Change, cx);
        }
        State::Established(established)
    }

    /// Handles the hang-up of the caller, or the end of a callee's alerting: by command, by SIP or by a failure.
    pub(super) fn hang_up(mut self: Box<Self>, leg: LegKey, end: impl Into<End>, cx: &mut Context) -> State {
        let end = end.into();
        if self.caller.participant.leg == leg {
            let is_kept = matches!(end.reason, EndReason::AnsweredElsewhere | EndReason::MediaSetupFailed);
            return self.end(if is_kept { end } else { EndReason::Canceled.into() }, cx);
        }
        if self.end_looped_invite_at(leg, &end, cx) {
            return State::Ringing(self);
        }
        if let Some(index) = self.looped_invite_of(leg) {
            return self.with(|call| call.remove_looped_callee(index, leg, &end, cx));
        }
        self.end_looped_invites_of(leg, &end, cx);
        if self.forking.contains(leg) && self.forking.ends_with(&end) {
            return self.end(end, cx);
        }
        self.forking.end_some(&[leg], &end, cx);
        State::Ringing(self)
    }

    /// Handles a hang-up with a reason of the application: the caller's is the end of the call.
    pub(super) fn hang_up_for(self: Box<Self>, leg: LegKey, reason: EndReason, cx: &mut Context) -> State {
        if self.caller.participant.leg == leg { self.end(reason, cx) } else { self.hang_up(leg, reason, cx) }
    }

    /// Handles the end of a SIP dialog.
    pub(super) fn peer_ended(mut self: Box<Self>, leg: LegKey, cause: Cause, cx: &mut Context) -> State {
        if let Some(peer) = self.peer_mut(leg) {
            peer.end_dialog();
        }
        if self.request_redirect_targets(leg, &cause, cx) {
            return State::Ringing(self);
        }
        self.hang_up(leg, end_reason_of(cause, false), cx)
    }

    /// Ends the call, or the alerting of a callee, after the transport of a leg was not established.
    pub(super) fn media_failed(self: Box<Self>, leg: LegKey, failure: TransportFailure, cx: &mut Context) -> State {
        let side = if self.caller.participant.leg == leg { LegId::A } else { LegId::B };
        self.hang_up(leg, ending::setup_failed(failure, ending::name_of(side)), cx)
    }

    /// Ends the call for all participants.
    pub(super) fn end(self: Box<Self>, end: impl Into<End>, cx: &mut Context) -> State {
        let end = end.into();
        let Self { caller, forking, looped_invites, .. } = *self;
        cx.set_media(&[]);
        let of_forks = ending::end_of_forks(&end);
        end_forks(forking.forks, &of_forks, cx);
        for looped in looped_invites {
            cx.remove_participant(&looped.inbound, &of_forks);
        }
        let is_open = caller.early().is_some();
        cx.remove_caller(&caller.participant, &end);
        if is_open {
            cx.media([Command::Close { leg: caller.participant.leg }]);
        }
        cx.finish(end.reason)
    }
}

impl Context {
    /// Connects a caller that made an offer, and returns the relay's answer to it.
    pub(super) fn answer_caller(&mut self, caller: &mut Participant, settled: &Settled, silence: Silence) -> String {
        let leg = caller.leg;
        let (commands, text) = match &mut caller.side {
            Side::Browser(browser) => match browser.offer.take() {
                Some(offer) => self.maker.answer_browser(leg, &offer, &settled.answer, &settled.caller),
                None => return String::new(),
            },
            Side::Application(_) => return String::new(),
            Side::Sip(peer) => match peer.take_offer() {
                Some(offer) => {
                    let open = peer.open(leg);
                    let (connect, text) = peer.answer(leg, *offer, &settled.answer, &settled.caller, silence);
                    (core::iter::once(open).chain(connect).collect(), text)
                }
                None => return String::new(),
            },
        };
        self.media(commands);
        text
    }

    /// Returns the relay's offer to a SIP caller whose INVITE contained none. The offer is in the 2xx, and the caller's
    /// answer in the ACK. `streams` are those of the callee.
    fn offer_to_caller(&mut self, caller: &mut Participant, streams: &[Section]) -> String {
        let leg = caller.leg;
        let Some(peer) = caller.peer_mut() else { return String::new() };
        self.media([peer.open(leg)]);
        self.maker.delayed_offer(peer, streams)
    }

    /// Accepts the INVITE of a SIP caller with the description `text` or, without it, with the answer that was sent for
    /// early media.
    fn accept_caller(&mut self, caller: &mut Participant, text: Option<&str>) {
        if let Some(peer) = caller.peer_mut() {
            peer.accept();
            let body = text.map(str::to_owned).or_else(|| peer.last()).map(|text| sdp_body(&text));
            self.sip(SipCommand::Accept { invite: peer.invite(), body });
        }
    }
}
