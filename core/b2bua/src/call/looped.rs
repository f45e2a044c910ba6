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
    out: LegKey,
    /// The participant that stands for the received INVITE.
    pub(super) back: Participant,
    /// The legs of the callees that are alerted for it.
    rings: Vec<LegKey>,
    /// The leg of the callee that answered, and its answer.
    taken: Option<(LegKey, String)>,
}

/// The two SIP dialogs with the server behind the call of two browsers.
pub(super) type LoopedDialogs = PerLeg<Participant>;

impl Call {
    /// Returns whether the INVITE of `leg` may return: a browser calls, and the call is not answered.
    #[must_use]
    pub fn expects_back(&self, leg: LegKey) -> bool {
        let State::Ringing { caller, ring } = &self.state else { return false };
        let is_unanswered = |participant: &Participant| {
            participant.peer().is_some_and(|peer| matches!(peer.dialog, PeerDialog::Outbound))
        };
        let is_fork = ring.forks.iter().any(|fork| fork.participant.leg == leg && is_unanswered(&fork.participant));
        is_fork && caller.participant.browser().is_some() && caller.early().is_none()
    }

    /// Returns the `o=` session id of the relay's description in the INVITE of `leg`.
    #[must_use]
    pub fn session_of(&self, leg: LegKey) -> Option<u64> {
        let State::Ringing { ring, .. } = &self.state else { return None };
        ring.forks.iter().find(|fork| fork.participant.leg == leg)?.participant.peer()?.session_id()
    }

    /// Returns the fork whose ICE credentials are in an offer, which is then the relay's own.
    #[must_use]
    pub fn fork_that_offers(&self, offer: &SipDescription) -> Option<LegKey> {
        let State::Ringing { ring, .. } = &self.state else { return None };
        let is_own = |participant: &Participant| participant.peer().is_some_and(|peer| peer.has_ice_of(offer));
        ring.forks
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

    pub(super) fn come_back(&mut self, out: LegKey, back: Participant, targets: Vec<Participant>, now: Time) {
        let State::Ringing { caller, .. } = &self.state else {
            self.discard(&targets);
            return self.leave(&back, &EndReason::Unavailable.into());
        };
        let (side, offer) = (caller.participant.side.clone(), caller.offer.clone());
        let forks = self.ring(targets, &side, offer.as_deref(), now).forks;
        if forks.is_empty() {
            return self.leave(&back, &EndReason::NoCommonCodecs.into());
        }
        self.send_provisional(&back, RINGING);
        if let State::Ringing { ring, .. } = &mut self.state {
            let rings = forks.iter().map(|fork| fork.participant.leg).collect();
            ring.forks.extend(forks);
            ring.hairpins.push(LoopedInvite { out, back, rings, taken: None });
        }
    }

    /// Returns the index of the looped INVITE that the callee at `leg` is alerted for.
    pub(super) fn rings_for_hairpin(&self, leg: LegKey) -> Option<usize> {
        let State::Ringing { ring, .. } = &self.state else { return None };
        ring.hairpins.iter().position(|hairpin| hairpin.rings.contains(&leg))
    }

    /// Answers a looped INVITE with the answer of a callee. The server forwards the answer to the caller.
    pub(super) fn take_back(&mut self, index: usize, leg: LegKey, sdp: &str) {
        let State::Ringing { caller, ring } = &mut self.state else { return };
        let fork = ring.forks.iter().find(|fork| fork.participant.leg == leg);
        let (Some(fork), Some(hairpin)) = (fork, ring.hairpins.get_mut(index)) else { return };
        if hairpin.taken.is_some() {
            return;
        }
        let heard = LegMaker::parse_answer(fork, sdp).and_then(|heard| LegMaker::settle(caller, fork, &heard));
        if let Err(reason) = heard {
            return self.drop_out(leg, reason);
        }
        hairpin.taken = Some((leg, sdp.to_owned()));
        let others: Vec<LegKey> = hairpin.rings.drain(..).filter(|ringing| *ringing != leg).collect();
        hairpin.rings.push(leg);
        if let Some(peer) = hairpin.back.peer_mut() {
            peer.dialog = PeerDialog::Confirmed;
            let body = peer.last().map(|text| sdp_body(&text));
            self.outputs.push_back(Output::Sip(SipCommand::Accept { invite: peer.invite, body }));
        }
        self.stop_some(&others, &EndReason::AnsweredElsewhere.into());
    }

    /// Handles the answer to the caller's INVITE: if it is that of a callee of this relay, the two browsers are
    /// bridged.
    pub(super) fn closes_hairpin(&mut self, out: LegKey, sdp: Option<&str>) -> bool {
        let State::Ringing { ring, .. } = &mut self.state else { return false };
        let Some(said) = sdp.and_then(|sdp| SipDescription::parse(sdp).ok()) else { return false };
        let by = |is_it: &dyn Fn(&Peer) -> bool| {
            let is_taken = |hairpin: &LoopedInvite| hairpin.out == out && hairpin.taken.is_some();
            let matches = |hairpin: &LoopedInvite| is_taken(hairpin) && hairpin.back.peer().is_some_and(is_it);
            let found = |(index, hairpin)| matches(hairpin).then_some(index);
            ring.hairpins.iter().enumerate().filter_map(found).collect::<Vec<_>>()
        };
        let by_session = by(&|peer| peer.session_id() == Some(said.origin.session_id));
        // All answers to a server have the same address, so that the address alone does not identify one of two.
        let found = if by_session.is_empty() { by(&|peer| peer.is_at(&said)) } else { by_session };
        let [index] = found[..] else { return false };
        let Some(position) = ring.forks.iter().position(|fork| fork.participant.leg == out) else { return false };
        let hairpin = ring.hairpins.remove(index);
        let mut out = ring.forks.remove(position).participant;
        let Some((leg, sdp)) = hairpin.taken else { return false };
        self.outputs.push_back(Output::Media(Command::CloseLeg { leg: out.leg }));
        if let Some(peer) = out.peer_mut() {
            self.outputs.push_back(Output::FreePorts(core::mem::take(&mut peer.ports)));
        }
        self.report(CallEvent::Looped);
        self.answer(leg, &sdp);
        let detour = LoopedDialogs { a: out, b: hairpin.back };
        match self.talk_mut() {
            Some(talk) => talk.detour = Some(Box::new(detour)),
            None => self.leave_detour(&detour, &EndReason::InternalError.into()),
        }
        true
    }

    /// Ends the two dialogs with the server, because the call is transferred or has ended.
    pub(super) fn end_detour(&mut self, end: &End) {
        if let Some(detour) = self.talk_mut().and_then(|talk| talk.detour.take()) {
            self.leave_detour(&detour, end);
        }
    }

    pub(super) fn leave_detour(&mut self, detour: &LoopedDialogs, end: &End) {
        self.leave(&detour.a, end);
        self.leave(&detour.b, end);
    }

    /// Removes an alerted callee of a looped INVITE. When the last one is removed, the INVITE is rejected; the server
    /// then decides on the call.
    pub(super) fn leave_hairpin(&mut self, index: usize, leg: LegKey, end: &End) {
        let State::Ringing { ring, .. } = &mut self.state else { return };
        let Some(hairpin) = ring.hairpins.get_mut(index) else { return };
        let all = end.is_for_all() || hairpin.rings.len() == 1;
        let legs = if all { hairpin.rings.clone() } else { vec![leg] };
        hairpin.rings.retain(|ringing| !legs.contains(ringing));
        let gone = all.then(|| ring.hairpins.remove(index));
        self.stop_some(&legs, end);
        if let Some(gone) = gone {
            self.leave(&gone.back, end);
        }
    }

    /// Handles CANCEL or BYE of the server for a looped INVITE.
    pub(super) fn hairpin_ended(&mut self, back: LegKey, end: &End) -> bool {
        let State::Ringing { ring, .. } = &mut self.state else { return false };
        let Some(index) = ring.hairpins.iter().position(|hairpin| hairpin.back.leg == back) else { return false };
        let hairpin = ring.hairpins.remove(index);
        self.stop_some(&hairpin.rings, end);
        self.leave(&hairpin.back, end);
        true
    }

    /// Ends the looped INVITEs of a fork that has ended.
    pub(super) fn end_hairpins_of(&mut self, out: LegKey, end: &End) {
        while let State::Ringing { ring, .. } = &mut self.state
            && let Some(index) = ring.hairpins.iter().position(|hairpin| hairpin.out == out)
        {
            let hairpin = ring.hairpins.remove(index);
            self.stop_some(&hairpin.rings, end);
            self.leave(&hairpin.back, end);
        }
    }

    fn stop_some(&mut self, legs: &[LegKey], end: &End) {
        let State::Ringing { ring, .. } = &mut self.state else { return };
        let (gone, stay) =
            core::mem::take(&mut ring.forks).into_iter().partition(|f| legs.contains(&f.participant.leg));
        ring.forks = stay;
        self.stop_ringing(gone, end, None);
    }

    /// Returns whether a leg is one of the two dialogs with the server.
    pub(super) fn is_detour(&self, leg: LegKey) -> bool {
        let detour = self.talk().and_then(|talk| talk.detour.as_ref());
        detour.is_some_and(|detour| detour.a.leg == leg || detour.b.leg == leg)
    }
}
