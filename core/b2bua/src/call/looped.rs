//! A looped call: an INVITE to a SIP server that returns to this relay. The server takes part in the signaling only. It
//! selects the callees and may forward the call elsewhere; the media of two browsers are bridged here, from DTLS to
//! DTLS, and no RTP leaves the process.
//!
//! ```text
//!  caller ── INVITE ──> server ── INVITE ──> relay: recognizes the caller's INVITE
//!                                            and alerts the callee's browsers, on the caller's worker
//!  server <── 200 ── the first browser that answers
//!  caller's INVITE <── 200 with that answer ──> the two browsers are bridged, the RTP ports are released
//!                      with another answer  ──> the alerted browsers stop ringing
//! ```

use super::early::RINGING;
use super::negotiation::LegMaker;
use super::participant::{End, Participant, PerLeg};
use super::peer::{Peer, PeerDialog, sdp_body};
use super::{Call, CallEvent, Output, State};
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey};
use offhook_sdp::sip::SipDescription;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Command as SipCommand;
use serde::{Deserialize, Serialize};

/// An INVITE of this call that returned through a SIP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LoopedInvite {
    /// The fork whose INVITE returned.
    outbound: LegKey,
    /// The participant that stands for the received INVITE.
    pub(super) inbound: Participant,
    /// The legs of the callees that are alerted for it.
    callees: Vec<LegKey>,
    /// The leg of the callee that answered, and its answer.
    answered: Option<(LegKey, String)>,
}

/// The two SIP dialogs with the server behind the call of two browsers.
pub(super) type LoopedDialogs = PerLeg<Participant>;

impl Call {
    /// Returns whether the INVITE of `leg` may return: a browser calls, and the call is not answered.
    #[must_use]
    pub fn accepts_looped_invite(&self, leg: LegKey) -> bool {
        let State::Ringing { caller, forking } = &self.state else { return false };
        let is_unanswered = |participant: &Participant| {
            participant.peer().is_some_and(|peer| matches!(peer.dialog, PeerDialog::Outbound))
        };
        let is_fork = forking.forks.iter().any(|fork| fork.participant.leg == leg && is_unanswered(&fork.participant));
        is_fork && caller.participant.browser().is_some() && caller.early().is_none()
    }

    /// Returns the `o=` session id of the relay's description in the INVITE of `leg`.
    #[must_use]
    pub fn session_id_of_fork(&self, leg: LegKey) -> Option<u64> {
        let State::Ringing { forking, .. } = &self.state else { return None };
        forking.forks.iter().find(|fork| fork.participant.leg == leg)?.participant.peer()?.session_id()
    }

    /// Returns the fork whose ICE credentials are in an offer, which is then the relay's own.
    #[must_use]
    pub fn fork_with_ice_of(&self, offer: &SipDescription) -> Option<LegKey> {
        let State::Ringing { forking, .. } = &self.state else { return None };
        let is_own = |participant: &Participant| participant.peer().is_some_and(|peer| peer.has_ice_of(offer));
        forking
            .forks
            .iter()
            .map(|fork| &fork.participant)
            .find(|participant| is_own(participant))
            .map(|participant| participant.leg)
    }

    /// Returns the browser that placed the call.
    #[must_use]
    pub fn caller(&self) -> Option<&Participant> {
        match &self.state {
            State::Ringing { caller, .. } => Some(&caller.participant),
            State::Established(_) | State::HandedOver { .. } | State::Ended(_) => None,
        }
    }

    pub(super) fn alert_for_looped_invite(
        &mut self,
        outbound: LegKey,
        inbound: Participant,
        targets: Vec<Participant>,
        now: Time,
    ) {
        let State::Ringing { caller, .. } = &self.state else {
            self.discard(&targets);
            return self.remove_participant(&inbound, &EndReason::Unavailable.into());
        };
        let (side, offer) = (caller.participant.side.clone(), caller.offer.clone());
        let forks = self.alert(targets, &side, offer.as_deref(), now).forks;
        if forks.is_empty() {
            return self.remove_participant(&inbound, &EndReason::NoCommonCodecs.into());
        }
        self.send_provisional(&inbound, RINGING);
        if let State::Ringing { forking, .. } = &mut self.state {
            let callees = forks.iter().map(|fork| fork.participant.leg).collect();
            forking.forks.extend(forks);
            forking.looped_invites.push(LoopedInvite { outbound, inbound, callees, answered: None });
        }
    }

    /// Returns the index of the looped INVITE that the callee at `leg` is alerted for.
    pub(super) fn looped_invite_of(&self, leg: LegKey) -> Option<usize> {
        let State::Ringing { forking, .. } = &self.state else { return None };
        forking.looped_invites.iter().position(|looped_invite| looped_invite.callees.contains(&leg))
    }

    /// Answers a looped INVITE with the answer of a callee. The server forwards the answer to the caller.
    pub(super) fn answer_looped_invite(&mut self, index: usize, leg: LegKey, sdp: &str) {
        let State::Ringing { caller, forking } = &mut self.state else { return };
        let fork = forking.forks.iter().find(|fork| fork.participant.leg == leg);
        let (Some(fork), Some(looped_invite)) = (fork, forking.looped_invites.get_mut(index)) else { return };
        if looped_invite.answered.is_some() {
            return;
        }
        let parsed = LegMaker::parse_answer(fork, sdp).and_then(|parsed| LegMaker::settle(caller, fork, &parsed));
        if let Err(reason) = parsed {
            return self.ringing_leg_ended(leg, reason);
        }
        looped_invite.answered = Some((leg, sdp.to_owned()));
        let others: Vec<LegKey> = looped_invite.callees.drain(..).filter(|ringing| *ringing != leg).collect();
        looped_invite.callees.push(leg);
        if let Some(peer) = looped_invite.inbound.peer_mut() {
            peer.dialog = PeerDialog::Confirmed;
            let body = peer.last().map(|text| sdp_body(&text));
            self.outputs.push_back(Output::Sip(SipCommand::Accept { invite: peer.invite, body }));
        }
        self.remove_forks(&others, &EndReason::AnsweredElsewhere.into());
    }

    /// Handles the answer to the caller's INVITE: if it is that of a callee of this relay, the two browsers are
    /// bridged.
    pub(super) fn bridge_looped(&mut self, outbound: LegKey, sdp: Option<&str>) -> bool {
        let State::Ringing { forking, .. } = &mut self.state else { return false };
        let Some(description) = sdp.and_then(|sdp| SipDescription::parse(sdp).ok()) else { return false };
        let by = |is_same: &dyn Fn(&Peer) -> bool| {
            let is_answered =
                |looped_invite: &LoopedInvite| looped_invite.outbound == outbound && looped_invite.answered.is_some();
            let matches = |looped_invite: &LoopedInvite| {
                is_answered(looped_invite) && looped_invite.inbound.peer().is_some_and(is_same)
            };
            let found = |(index, looped_invite)| matches(looped_invite).then_some(index);
            forking.looped_invites.iter().enumerate().filter_map(found).collect::<Vec<_>>()
        };
        let by_session = by(&|peer| peer.session_id() == Some(description.origin.session_id));
        // All answers to a server have the same address, so that the address alone does not identify one of two.
        let found = if by_session.is_empty() { by(&|peer| peer.has_address_of(&description)) } else { by_session };
        let [index] = found[..] else { return false };
        let Some(position) = forking.forks.iter().position(|fork| fork.participant.leg == outbound) else {
            return false;
        };
        let looped_invite = forking.looped_invites.remove(index);
        let mut outbound = forking.forks.remove(position).participant;
        let Some((leg, sdp)) = looped_invite.answered else { return false };
        self.outputs.push_back(Output::Media(Command::CloseLeg { leg: outbound.leg }));
        if let Some(peer) = outbound.peer_mut() {
            self.outputs.push_back(Output::FreePorts(core::mem::take(&mut peer.ports)));
        }
        self.report(CallEvent::Looped);
        self.answer(leg, &sdp);
        let looped = LoopedDialogs { a: outbound, b: looped_invite.inbound };
        match self.established_mut() {
            Some(established) => established.looped = Some(Box::new(looped)),
            None => self.remove_looped_dialogs(&looped, &EndReason::InternalError.into()),
        }
        true
    }

    /// Ends the two dialogs with the server, because the call is transferred or has ended.
    pub(super) fn end_looped_dialogs(&mut self, end: &End) {
        if let Some(looped) = self.established_mut().and_then(|established| established.looped.take()) {
            self.remove_looped_dialogs(&looped, end);
        }
    }

    pub(super) fn remove_looped_dialogs(&mut self, looped: &LoopedDialogs, end: &End) {
        self.remove_participant(&looped.a, end);
        self.remove_participant(&looped.b, end);
    }

    /// Removes an alerted callee of a looped INVITE. When the last one is removed, the INVITE is rejected; the server
    /// then decides on the call.
    pub(super) fn remove_looped_callee(&mut self, index: usize, leg: LegKey, end: &End) {
        let State::Ringing { forking, .. } = &mut self.state else { return };
        let Some(looped_invite) = forking.looped_invites.get_mut(index) else { return };
        let all = end.is_for_all() || looped_invite.callees.len() == 1;
        let legs = if all { looped_invite.callees.clone() } else { vec![leg] };
        looped_invite.callees.retain(|ringing| !legs.contains(ringing));
        let removed = all.then(|| forking.looped_invites.remove(index));
        self.remove_forks(&legs, end);
        if let Some(removed) = removed {
            self.remove_participant(&removed.inbound, end);
        }
    }

    /// Handles CANCEL or BYE of the server for a looped INVITE.
    pub(super) fn looped_invite_ended(&mut self, inbound: LegKey, end: &End) -> bool {
        let State::Ringing { forking, .. } = &mut self.state else { return false };
        let Some(index) = forking.looped_invites.iter().position(|looped_invite| looped_invite.inbound.leg == inbound)
        else {
            return false;
        };
        let looped_invite = forking.looped_invites.remove(index);
        self.remove_forks(&looped_invite.callees, end);
        self.remove_participant(&looped_invite.inbound, end);
        true
    }

    /// Ends the looped INVITEs of a fork that has ended.
    pub(super) fn end_looped_invites_of(&mut self, outbound: LegKey, end: &End) {
        while let State::Ringing { forking, .. } = &mut self.state
            && let Some(index) =
                forking.looped_invites.iter().position(|looped_invite| looped_invite.outbound == outbound)
        {
            let looped_invite = forking.looped_invites.remove(index);
            self.remove_forks(&looped_invite.callees, end);
            self.remove_participant(&looped_invite.inbound, end);
        }
    }

    fn remove_forks(&mut self, legs: &[LegKey], end: &End) {
        let State::Ringing { forking, .. } = &mut self.state else { return };
        let (removed, stay) =
            core::mem::take(&mut forking.forks).into_iter().partition(|f| legs.contains(&f.participant.leg));
        forking.forks = stay;
        self.end_forks(removed, end, None);
    }

    /// Returns whether a leg is one of the two dialogs with the server.
    pub(super) fn is_looped_dialog(&self, leg: LegKey) -> bool {
        let looped = self.established().and_then(|established| established.looped.as_ref());
        looped.is_some_and(|looped| looped.a.leg == leg || looped.b.leg == leg)
    }
}
