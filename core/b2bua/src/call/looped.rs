//! Looped calls (hairpin): a SIP server returns the INVITE of a browser's call to this relay, for another user.
//!
//! The server takes part in the signaling only: it selects the callees, and may forward the call elsewhere. The relay
//! bridges the WebRTC media of the two browsers itself, so that no RTP passes through the server.
//!
//! ```text
//!  caller ── INVITE ──> server ── INVITE ──> relay: recognizes the caller's INVITE
//!                                            and alerts the callee's browsers, on the caller's worker
//!  server <── 200 ── the first browser that answers
//!  caller's INVITE <── 200 with that answer ──> the two browsers are bridged, the RTP ports are released
//!                      with another answer  ──> the alerted browsers stop ringing
//! ```

use super::context::Context;
use super::early::RINGING;
use super::forking::Forking;
use super::negotiation::LegMaker;
use super::participant::{Caller, End, Participant, PerLeg};
use super::peer::{Peer, sdp_body};
use super::ringing::Ringing;
use super::{CallEvent, Established, Output, State};
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey};
use offhook_sdp::sip::SipDescription;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Command as SipCommand;
use serde::{Deserialize, Serialize};

/// An INVITE of this call that a SIP server returned to the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LoopedInvite {
    /// The fork whose INVITE returned.
    outbound: LegKey,
    /// The participant that represents the received INVITE.
    pub(super) inbound: Participant,
    /// The legs of the callees that are alerted for it.
    callees: Vec<LegKey>,
    /// The leg of the callee that answered, and its answer.
    answered: Option<(LegKey, String)>,
}

/// A looped INVITE that a callee of this relay answered, with the leg and the answer of that callee.
pub(super) struct AnsweredLoop {
    inbound: Participant,
    leg: LegKey,
    sdp: String,
}

/// The two SIP dialogs with the server that belong to an established looped call.
pub(super) type LoopedDialogs = PerLeg<Participant>;

impl LoopedDialogs {
    /// Ends both dialogs.
    pub(super) fn remove(&self, end: &End, cx: &mut Context) {
        cx.remove_participant(&self.a, end);
        cx.remove_participant(&self.b, end);
    }
}

impl Ringing {
    /// Returns whether a received INVITE can be that of `leg`, looped through a SIP server: the INVITE has no final
    /// response, and the caller is a browser without early media.
    pub(super) fn accepts_looped_invite(&self, leg: LegKey) -> bool {
        let peer = self.forking.get(leg).and_then(|fork| fork.participant.peer());
        let is_unanswered = peer.is_some_and(Peer::is_unanswered);
        is_unanswered && self.caller.participant.browser().is_some() && self.caller.early().is_none()
    }

    /// Returns the fork whose offer contains the same ICE credentials as `offer`. A SIP server has then returned the
    /// relay's own offer.
    pub(super) fn fork_with_ice_of(&self, offer: &SipDescription) -> Option<LegKey> {
        let is_own = |participant: &&Participant| participant.peer().is_some_and(|peer| peer.has_ice_of(offer));
        self.forking.forks.iter().map(|fork| &fork.participant).find(is_own).map(|participant| participant.leg)
    }

    /// Alerts the callees of a looped INVITE. `outbound` is the fork that sent the INVITE, and `inbound` represents the
    /// received one.
    pub(super) fn alert_for_looped_invite(
        &mut self,
        outbound: LegKey,
        inbound: Participant,
        targets: Vec<Participant>,
        now: Time,
        cx: &mut Context,
    ) {
        let Caller { participant: caller, offer, .. } = &self.caller;
        let Some(Forking { forks, .. }) = Forking::alert(targets, &caller.side, offer.as_deref(), now, cx) else {
            return cx.remove_participant(&inbound, &EndReason::NoCommonCodecs.into());
        };
        cx.send_provisional(&inbound, RINGING);
        let callees = forks.iter().map(|fork| fork.participant.leg).collect();
        self.forking.forks.extend(forks);
        self.looped_invites.push(LoopedInvite { outbound, inbound, callees, answered: None });
    }

    /// Returns the index of the looped INVITE that the callee at `leg` is alerted for.
    pub(super) fn looped_invite_of(&self, leg: LegKey) -> Option<usize> {
        self.looped_invites.iter().position(|looped| looped.callees.contains(&leg))
    }

    /// Answers a looped INVITE with the answer of a callee. The server forwards the answer to the caller.
    pub(super) fn answer_looped_invite(
        mut self: Box<Self>,
        index: usize,
        leg: LegKey,
        sdp: &str,
        cx: &mut Context,
    ) -> State {
        let (Some(fork), Some(looped)) = (self.forking.get(leg), self.looped_invites.get_mut(index)) else {
            return State::Ringing(self);
        };
        if looped.answered.is_some() {
            return State::Ringing(self);
        }
        let settled = LegMaker::parse_answer(fork, sdp);
        let settled = settled.and_then(|answer| cx.maker.settle(&self.caller, fork, &answer));
        if let Err(reason) = settled {
            return self.hang_up(leg, reason, cx);
        }
        looped.answered = Some((leg, sdp.to_owned()));
        let others = core::mem::replace(&mut looped.callees, vec![leg]);
        let others: Vec<LegKey> = others.into_iter().filter(|callee| *callee != leg).collect();
        if let Some(peer) = looped.inbound.peer_mut() {
            peer.accept();
            let body = peer.last().map(|text| sdp_body(&text));
            cx.sip(SipCommand::Accept { invite: peer.invite(), body });
        }
        self.forking.end_some(&others, &EndReason::AnsweredElsewhere.into(), cx);
        State::Ringing(self)
    }

    /// Finds the looped INVITE that the relay answered with `sdp`, which the fork `outbound` has received through the
    /// server. Removes and returns it.
    pub(super) fn take_looped_invite_answered_by(&mut self, outbound: LegKey, sdp: &str) -> Option<AnsweredLoop> {
        let description = SipDescription::parse(sdp).ok()?;
        let find = |is_same: &dyn Fn(&Peer) -> bool| -> Vec<usize> {
            let is_answered = |looped: &LoopedInvite| looped.outbound == outbound && looped.answered.is_some();
            let looped = self.looped_invites.iter().enumerate();
            let matching =
                looped.filter(|(_, looped)| is_answered(looped) && looped.inbound.peer().is_some_and(is_same));
            matching.map(|(index, _)| index).collect()
        };
        let by_session = find(&|peer| peer.session_id() == Some(description.origin.session_id));
        // The server has replaced the session id. All answers to a server have the same address, so the address
        // identifies the INVITE only if no other one was answered.
        let found = if by_session.is_empty() { find(&|peer| peer.has_address_of(&description)) } else { by_session };
        let [index] = found[..] else { return None };
        if !self.forking.contains(outbound) {
            return None;
        }
        let LoopedInvite { inbound, answered, .. } = self.looped_invites.remove(index);
        let (leg, sdp) = answered?;
        Some(AnsweredLoop { inbound, leg, sdp })
    }

    /// Bridges the caller with the callee of a looped INVITE, after the server has forwarded the callee's answer to the
    /// fork `outbound`.
    pub(super) fn bridge_looped(
        mut self: Box<Self>,
        outbound: LegKey,
        looped: AnsweredLoop,
        cx: &mut Context,
    ) -> State {
        let AnsweredLoop { inbound, leg, sdp } = looped;
        let Some(fork) = self.forking.remove(outbound) else { return State::Ringing(self) };
        let mut outbound = fork.participant;
        cx.media([Command::Close { leg: outbound.leg }]);
        if let Some(peer) = outbound.peer_mut() {
            cx.push(Output::FreePorts(peer.take_ports()));
        }
        cx.report(CallEvent::Looped);
        let looped = LoopedDialogs { a: outbound, b: inbound };
        match self.answer(leg, &sdp, cx) {
            State::Established(established) => {
                established.with(|established| established.looped = Some(Box::new(looped)))
            }
            state => {
                looped.remove(&EndReason::InternalError.into(), cx);
                state
            }
        }
    }

    /// Removes an alerted callee of a looped INVITE. If it is the last one, or if its end applies to all devices, the
    /// INVITE is rejected, and the server determines how the call continues.
    pub(super) fn remove_looped_callee(&mut self, index: usize, leg: LegKey, end: &End, cx: &mut Context) {
        let Some(looped) = self.looped_invites.get_mut(index) else { return };
        if end.is_for_all() || looped.callees.len() == 1 {
            let looped = self.looped_invites.remove(index);
            return self.end_looped_invite(&looped, end, cx);
        }
        looped.callees.retain(|callee| *callee != leg);
        self.forking.end_some(&[leg], end, cx);
    }

    /// Handles CANCEL or BYE of the server for a looped INVITE. Returns false if `inbound` is not the leg of one.
    pub(super) fn end_looped_invite_at(&mut self, inbound: LegKey, end: &End, cx: &mut Context) -> bool {
        let index = self.looped_invites.iter().position(|looped| looped.inbound.leg == inbound);
        let looped = index.map(|index| self.looped_invites.remove(index));
        if let Some(looped) = &looped {
            self.end_looped_invite(looped, end, cx);
        }
        looped.is_some()
    }

    /// Ends the looped INVITEs of a fork that has ended.
    pub(super) fn end_looped_invites_of(&mut self, outbound: LegKey, end: &End, cx: &mut Context) {
        let looped = self.looped_invites.extract_if(.., |looped| looped.outbound == outbound);
        for looped in looped.collect::<Vec<_>>() {
            self.end_looped_invite(&looped, end, cx);
        }
    }

    /// Ends alerting at the callees of a looped INVITE, and its dialog.
    fn end_looped_invite(&mut self, looped: &LoopedInvite, end: &End, cx: &mut Context) {
        self.forking.end_some(&looped.callees, end, cx);
        cx.remove_participant(&looped.inbound, end);
    }
}

impl Established {
    /// Ends the two dialogs with the server, because a transfer or replacement changes the participants.
    pub(super) fn end_looped_dialogs(&mut self, end: &End, cx: &mut Context) {
        if let Some(looped) = self.looped.take() {
            looped.remove(end, cx);
        }
    }

    /// Returns whether a leg is one of the two dialogs with the server.
    pub(super) fn is_looped_dialog(&self, leg: LegKey) -> bool {
        self.looped.as_ref().is_some_and(|looped| looped.a.leg == leg || looped.b.leg == leg)
    }
}
