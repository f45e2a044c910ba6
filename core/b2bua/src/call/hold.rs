//! Hold, and re-INVITE offers in an established call. SIP endpoints take part in the exchange, browsers do not.

use super::negotiation::LegMaker;
use super::participant::{Leg, LegId, PerLeg, Side};
use super::peer::{NAME_WITHOUT_ADDRESS, Purpose, sdp_body};
use super::{Call, CallEvent, Established, Output, State};
use offhook_media::command::{Command, LegKey, Silence};
use offhook_sdp::codec::MediaKind;
use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::renegotiate;
use offhook_sdp::sip::{HostName, SipDescription};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Branch, Command as SipCommand, InviteId};

impl Established {
    /// Returns whether a side holds the other. A SIP endpoint does so if it does not accept the audio of the other
    /// side.
    pub(super) fn is_holding(&self, side: LegId) -> bool {
        let audio = |side| {
            let streams: &Leg = self.legs.get(side);
            streams.streams.iter().find(|stream| stream.kind == MediaKind::Audio && !stream.rejected)
        };
        let is_peer = self.legs.get(side).participant.peer().is_some();
        let is_on_hold = || {
            audio(side)
                .zip(audio(side.other()))
                .is_some_and(|(own, other)| !own.direction.receives() && other.direction.sends())
        };
        *self.held_by.get(side) || is_peer && is_on_hold()
    }
}

const fn hold_event(by: LegKey, is_holding: bool) -> CallEvent {
    if is_holding { CallEvent::Held { by } } else { CallEvent::Resumed { by } }
}

impl Call {
    /// Starts or ends the hold of the other side by a browser.
    pub(super) fn hold(&mut self, leg: LegKey, hold: bool) {
        let Some(side) = self.side(leg) else { return };
        let Some(established) = self.established_mut() else { return };
        *established.held_by.get_mut(side) = hold;
        let other = established.legs.get(side.other()).participant.leg;
        self.update_bridge();
        if self.peer_mut(other).is_some() {
            // The hold is reported when the peer accepts the offer.
            self.offer_to(side.other(), Purpose::Hold);
        } else {
            self.report_hold(side);
        }
    }

    /// Reports remote holds that began or ended.
    pub(super) fn notify_hold(&mut self) {
        let State::Established(established) = &mut self.state else { return };
        let mut changes = Vec::new();
        for side in [LegId::A, LegId::B] {
            let held = established.is_holding(side.other());
            let participant = &mut established.legs.get_mut(side).participant;
            let Side::Browser(browser) = &mut participant.side else { continue };
            if core::mem::replace(&mut browser.is_hold_reported, held) != held {
                changes.push(CallEvent::RemoteHoldChanged { leg: participant.leg, is_held: held });
            }
        }
        changes.into_iter().for_each(|event| self.report(event));
    }

    /// Updates the bridge to the holds of both sides.
    pub(super) fn update_bridge(&mut self) {
        let Some(established) = self.established() else { return };
        let PerLeg { a, b } = &established.legs;
        let command = if established.held_by.a || established.held_by.b {
            Command::Unbridge { leg: a.participant.leg }
        } else {
            Command::Bridge { a: a.participant.leg, b: b.participant.leg }
        };
        self.outputs.push_back(Output::Media(command));
    }

    /// Applies the hold of a transferee to the target that is not there yet: the target receives no media until the
    /// hold ends.
    pub(super) fn hold_target(&mut self, leg: LegKey, hold: bool) {
        let State::HandedOver { transferee, is_holding, .. } = &mut self.state else { return };
        if transferee.participant.leg == leg {
            *is_holding = hold;
            if hold {
                self.disconnect_target_media();
            } else {
                self.connect_target_media();
            }
            self.report(hold_event(leg, hold));
        }
    }

    pub(super) fn repeat_status(&mut self, leg: LegKey) {
        let Some(side) = self.side(leg) else { return };
        let Some(established) = self.established() else { return };
        let is_holding = *established.held_by.get(side);
        self.report(CallEvent::StateRepeated { leg, is_holding });
    }

    /// Reports that a participant has begun or ended its hold.
    fn report_hold(&mut self, side: LegId) {
        let Some(established) = self.established() else { return };
        let event = hold_event(established.legs.get(side).participant.leg, *established.held_by.get(side));
        self.report(event);
    }

    /// Sends the SIP endpoint of a side an offer with the current codecs and directions of the other side.
    pub(super) fn offer_to(&mut self, side: LegId, purpose: Purpose) {
        if let Some((invite, text)) = self.next_offer(side, purpose) {
            self.outputs.push_back(Output::Sip(SipCommand::Offer { invite, body: sdp_body(&text) }));
        }
    }

    /// Returns the text of the next offer; none while another offer is pending, whose answer then triggers it.
    fn next_offer(&mut self, side: LegId, purpose: Purpose) -> Option<(InviteId, String)> {
        let State::Established(established) = &mut self.state else { return None };
        let held = *established.held_by.get(side.other());
        let (leg, other) = established.legs.both_mut(side);
        let peer = leg.participant.peer_mut()?;
        if peer.pending.is_some() {
            peer.is_offer_due = true;
            return None;
        }
        let text = self.maker.next_offer_to(peer, &other.streams, purpose, held);
        Some((peer.invite, text))
    }

    /// Sends an offer after a change of the other participant, if the negotiated media no longer fit.
    pub(super) fn adapt(&mut self, side: LegId) {
        let Some(established) = self.established() else { return };
        let (leg, other) = (established.legs.get(side), established.legs.get(side.other()));
        let held = *established.held_by.get(side.other());
        let Some(peer) = leg.participant.peer() else { return };
        let passes = LegMaker::passes(&leg.streams, &other.streams) && LegMaker::passes(&other.streams, &leg.streams);
        if peer.held != held || (!passes && LegMaker::has_news(&peer.current(), &other.streams)) {
            self.offer_to(side, Purpose::Change);
        }
    }

    /// Sends an offer after a codec change of the other side, if the SIP endpoint cannot be received any more.
    pub(super) fn follow(&mut self, side: LegId) {
        let Some(established) = self.established() else { return };
        let (leg, other) = (established.legs.get(side), established.legs.get(side.other()));
        if !LegMaker::passes_where_wanted(&leg.streams, &other.streams) {
            self.adapt(side);
        }
    }

    /// Handles the answer to an offer of the relay.
    pub(super) fn offer_answered(&mut self, leg: LegKey, sdp: Option<String>) {
        let Some(side) = self.side(leg) else { return };
        let State::Established(established) = &mut self.state else { return };
        let own = established.legs.get_mut(side);
        let Some(peer) = own.participant.peer_mut() else { return };
        let Some(sdp) = sdp else { return self.offer_refused(leg) };
        let answer = peer.check_answer(&sdp).and_then(|answer| Ok((answer.streams()?, answer)));
        let (Some(pending), Ok((streams, answer))) = (&peer.pending, answer) else { return self.offer_refused(leg) };
        let (purpose, held) = (pending.purpose, pending.held);
        let connect = peer.apply_answer(leg, answer, &streams, Silence::EndsLeg);
        peer.pending = None;
        peer.held = held;
        let is_offer_due = core::mem::take(&mut peer.is_offer_due);
        own.streams = streams;
        self.outputs.push_back(Output::Media(connect));
        if purpose == Purpose::First {
            self.update_bridge();
            self.adapt(side);
        }
        if is_offer_due {
            self.offer_to(side, Purpose::Hold);
        } else if purpose == Purpose::Hold {
            self.report_hold(side.other());
        }
    }

    /// Handles the rejection of an offer of the relay, or an unusable answer: the negotiated media stay in force.
    pub(super) fn offer_refused(&mut self, leg: LegKey) {
        let Some(side) = self.side(leg) else { return };
        let State::Established(established) = &mut self.state else { return };
        let Some(peer) = established.legs.get_mut(side).participant.peer_mut() else { return };
        let Some(pending) = peer.pending.take() else { return };
        peer.is_offer_due = false;
        let held = peer.held;
        match pending.purpose {
            Purpose::First => self.end(EndReason::NoCommonCodecs),
            Purpose::Change => {}
            Purpose::Hold => {
                *established.held_by.get_mut(side.other()) = held;
                self.update_bridge();
                self.repeat_status_of(side.other());
            }
        }
    }

    /// Repeats the state of the call to the browser that waits for an answer to its hold from a leg that has left.
    pub(super) fn repeat_status_after_hold(&mut self, left: &Leg, holder: LegId) {
        let pending = left.participant.peer().and_then(|peer| peer.pending.as_ref());
        if pending.is_some_and(|pending| pending.purpose == Purpose::Hold) {
            self.repeat_status_of(holder);
        }
    }

    fn repeat_status_of(&mut self, side: LegId) {
        if let Some(leg) = self.established().map(|established| established.legs.get(side).participant.leg) {
            self.repeat_status(leg);
        }
    }

    /// Handles an offer of the peer, or its request for one. A browser at the other side is not involved.
    pub(super) fn offered(&mut self, leg: LegKey, branch: Branch, sdp: Option<String>) {
        let Some(invite) = self.peer_mut(leg).map(|peer| peer.invite) else { return };
        let has_changed = sdp.is_some();
        let has_name = sdp.as_deref().is_some_and(|sdp| !HostName::all_in(sdp).is_empty());
        let command = match self.answer_offer(leg, branch, sdp) {
            Err(status) => {
                let reason = (status == 488 && has_name).then(|| NAME_WITHOUT_ADDRESS.to_owned());
                SipCommand::RefuseOffer { invite, branch, status, reason }
            }
            Ok(text) => SipCommand::AnswerOffer { invite, branch, body: sdp_body(&text) },
        };
        let is_answered = matches!(command, SipCommand::AnswerOffer { .. });
        self.outputs.push_back(Output::Sip(command));
        if let Some(side) = self.side(leg).filter(|_| has_changed && is_answered) {
            self.follow(side.other());
        }
    }

    fn answer_offer(&mut self, leg: LegKey, branch: Branch, sdp: Option<String>) -> Result<String, u16> {
        const NOT_ACCEPTABLE_HERE: u16 = 488;
        const REQUEST_PENDING: u16 = 491;
        let side = self.side(leg);
        if self.is_looped_dialog(leg) {
            // No media are exchanged with this peer: the previous description stays in force, for any offer or offer
            // request.
            return self.peer_mut(leg).and_then(|peer| peer.last()).ok_or(NOT_ACCEPTABLE_HERE);
        }
        let (own, other, is_browser, held) = match (&mut self.state, side) {
            (State::Established(established), Some(side)) => {
                let held = *established.held_by.get(side.other());
                let (own, other) = established.legs.both_mut(side);
                (own, other.streams.clone(), other.participant.browser().is_some(), held)
            }
            // There is no other participant at the moment: the negotiated media stay in force.
            (State::HandedOver { transferee, .. }, _) if transferee.participant.leg == leg => {
                let streams = transferee.streams.clone();
                (&mut **transferee, streams, false, false)
            }
            // An UPDATE has an offer.
            _ => return self.answer_early_offer(leg, branch, &sdp.ok_or(NOT_ACCEPTABLE_HERE)?),
        };
        let peer = own.participant.peer_mut().ok_or(NOT_ACCEPTABLE_HERE)?;
        if peer.pending.is_some() {
            return Err(REQUEST_PENDING);
        }
        let Some(sdp) = sdp else {
            return Ok(self.maker.next_offer_to(peer, &other, Purpose::Change, held));
        };
        let wanted = if held { Direction::SendOnly } else { Direction::SendRecv };
        let description = SipDescription::parse(&sdp).map_err(|_| NOT_ACCEPTABLE_HERE)?;
        let offer = peer.check_offer(description, &mut self.maker.random);
        if offer.has_no_media() {
            return Err(NOT_ACCEPTABLE_HERE);
        }
        let agreed = renegotiate(&other, &offer.media(), wanted).map_err(|_| NOT_ACCEPTABLE_HERE)?;
        if agreed.answer.iter().all(|section| section.rejected) {
            return Err(NOT_ACCEPTABLE_HERE);
        }
        // A browser keeps its codec. A peer that could not receive it keeps the negotiated media (RFC 3261 §14.2).
        if is_browser && !LegMaker::passes_where_wanted(&other, &agreed.peer) {
            return Err(NOT_ACCEPTABLE_HERE);
        }
        let (connect, text) = peer.answer(leg, offer, &agreed.answer, &agreed.peer, Silence::EndsLeg);
        own.streams = agreed.peer;
        self.outputs.extend(connect.into_iter().map(Output::Media));
        Ok(text)
    }
}
