//! Offers and answers in the dialogs of SIP endpoints, by re-INVITE or UPDATE (RFC 3261 §14, RFC 3311). A browser at the
//! other side is not involved.

use super::context::Context;
use super::participant::{Leg, LegId};
use super::peer::{NAME_WITHOUT_ADDRESS, Purpose, sdp_body};
use super::{Established, State};
use offhook_media::command::{LegKey, Silence};
use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::renegotiate;
use offhook_sdp::plan::offers_other_codecs;
use offhook_sdp::section::Section;
use offhook_sdp::sip::{HostName, SipDescription};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Branch, Command as SipCommand, InviteId};

pub(super) const NOT_ACCEPTABLE_HERE: u16 = 488;
const REQUEST_PENDING: u16 = 491;

/// An offer of a SIP endpoint in one of its dialogs, or its request for an offer.
#[derive(Clone, Debug)]
pub(super) struct IncomingOffer {
    pub(super) leg: LegKey,
    pub(super) branch: Branch,
    /// The offer; none if the endpoint requests one.
    pub(super) sdp: Option<String>,
}

impl IncomingOffer {
    /// Returns the description of an endpoint that may not request an offer, because an UPDATE contains one.
    pub(super) fn update(&self) -> Result<(SipDescription, &str), u16> {
        let sdp = self.sdp.as_deref().ok_or(NOT_ACCEPTABLE_HERE)?;
        Ok((SipDescription::parse(sdp).map_err(|_| NOT_ACCEPTABLE_HERE)?, sdp))
    }

    /// Sends the answer, or the status of the rejection.
    pub(super) fn respond(&self, invite: InviteId, answer: Result<String, u16>, cx: &mut Context) {
        let branch = self.branch;
        cx.sip(match answer {
            Ok(text) => SipCommand::AnswerOffer { invite, branch, body: sdp_body(&text) },
            Err(status) => {
                let has_name = self.sdp.as_deref().is_some_and(|sdp| !HostName::all_in(sdp).is_empty());
                let reason = (status == NOT_ACCEPTABLE_HERE && has_name).then(|| NAME_WITHOUT_ADDRESS.to_owned());
                SipCommand::RefuseOffer { invite, branch, status, reason }
            }
        });
    }
}

/// The participant opposite to the one that makes an offer.
pub(super) struct OtherSide<'a> {
    pub(super) streams: &'a [Section],
    pub(super) is_browser: bool,
    /// It holds the participant that makes the offer.
    pub(super) is_holding: bool,
}

/// Answers an offer of an established leg: returns the text of the answer, or the status of the rejection.
pub(super) fn answer_reinvite(
    own: &mut Leg,
    other: &OtherSide<'_>,
    offer: &IncomingOffer,
    cx: &mut Context,
) -> Result<String, u16> {
    let peer = own.participant.peer_mut().ok_or(NOT_ACCEPTABLE_HERE)?;
    if peer.pending().is_some() {
        return Err(REQUEST_PENDING);
    }
    let Some(sdp) = &offer.sdp else {
        own.hold.offered(other.is_holding);
        return Ok(cx.maker.next_offer_to(peer, other.streams, Purpose::Change, other.is_holding));
    };
    let wanted = if other.is_holding { Direction::SendOnly } else { Direction::SendRecv };
    let description = SipDescription::parse(sdp).map_err(|_| NOT_ACCEPTABLE_HERE)?;
    let checked = peer.check_offer(description, &mut cx.maker.random);
    if checked.has_no_media() {
        return Err(NOT_ACCEPTABLE_HERE);
    }
    let agreed = renegotiate(other.streams, &checked.media(), wanted, cx.maker.conversions())
        .map_err(|_| NOT_ACCEPTABLE_HERE)?;
    if agreed.answer.iter().all(|section| section.rejected) {
        return Err(NOT_ACCEPTABLE_HERE);
    }
    // A browser keeps its codec. A peer that could not receive it keeps the negotiated media (RFC 3261 §14.2).
    if other.is_browser && !cx.maker.conversions().legs(other.streams, &agreed.peer).is_delivered_where_requested() {
        return Err(NOT_ACCEPTABLE_HERE);
    }
    let (connect, text) = peer.answer(offer.leg, checked, &agreed.answer, &agreed.peer, Silence::EndsLeg);
    own.streams = agreed.peer;
    cx.media(connect);
    Ok(text)
}

impl Established {
    /// Sends the SIP endpoint of a side an offer with the current codecs and directions of the other side. While
    /// another offer is pending, its answer triggers the next one.
    pub(super) fn offer_to(&mut self, side: LegId, purpose: Purpose, cx: &mut Context) {
        let held = self.is_hold_commanded(side.other());
        let (leg, other) = self.legs.both_mut(side);
        let Some(peer) = leg.participant.peer_mut() else { return };
        if peer.defer_offer() {
            return;
        }
        leg.hold.offered(held);
        let text = cx.maker.next_offer_to(peer, &other.streams_for_other(), purpose, held);
        cx.sip(SipCommand::Offer { invite: peer.invite(), body: sdp_body(&text) });
    }

    /// Sends an offer after a change of the other participant, if the negotiated media no longer fit.
    pub(super) fn adapt(&mut self, side: LegId, cx: &mut Context) {
        let (leg, other) = (self.legs.get(side), self.legs.get(side.other()));
        let is_hold_due = leg.hold.is_notified() != self.is_hold_commanded(side.other());
        let Some(peer) = leg.participant.peer() else { return };
        // The application accepts every codec that the relay offers.
        let passes = !other.participant.has_media()
            || cx.maker.conversions().legs(&leg.streams, &other.streams).is_delivered_both_ways();
        if is_hold_due || (!passes && offers_other_codecs(&peer.current(), &other.streams)) {
            self.offer_to(side, Purpose::Change, cx);
        }
    }

    /// Sends an offer after a change of the other side, if the SIP endpoint cannot be received any more, or if its
    /// direction was limited and need not be any more.
    fn adapt_to_change(&mut self, side: LegId, cx: &mut Context) {
        if self.is_limited(side) {
            return self.offer_to(side, Purpose::Change, cx);
        }
        let (leg, other) = (self.legs.get(side), self.legs.get(side.other()));
        let fits = !other.participant.has_media() || !leg.participant.has_media();
        if !fits && !cx.maker.conversions().legs(&leg.streams, &other.streams).is_delivered_where_requested() {
            self.adapt(side, cx);
        }
    }

    /// Returns whether an earlier answer of the relay limits the audio direction of a SIP endpoint, although its offer
    /// and the other side now permit more. A pending offer of the relay removes that limit.
    fn is_limited(&self, side: LegId) -> bool {
        let (leg, other) = (self.legs.get(side), self.legs.get(side.other()));
        let Some(peer) = leg.participant.peer().filter(|peer| peer.pending().is_none()) else { return false };
        let wanted = if self.is_hold_commanded(side.other()) { Direction::RecvOnly } else { Direction::SendRecv };
        let described = peer.described_audio().map(|described| described.and(wanted));
        let audio = described.zip(leg.audio()).zip(other.audio());
        audio.is_some_and(|((described, own), other)| {
            let possible = described.and(other.direction.reversed());
            possible.and(own.direction) != possible
        })
    }

    /// Handles the answer to an offer of the relay.
    pub(super) fn offer_answered(mut self: Box<Self>, leg: LegKey, sdp: Option<String>, cx: &mut Context) -> State {
        let Some(side) = self.side(leg) else { return State::Established(self) };
        let was_holding = self.is_holding(side);
        let own = self.legs.get_mut(side);
        let Some(peer) = own.participant.peer_mut() else { return State::Established(self) };
        let answer = sdp.ok_or(EndReason::BadSessionDescription).and_then(|sdp| peer.check_answer(&sdp));
        let answer = answer.and_then(|answer| Ok((answer.streams()?, answer)));
        let (Some(pending), Ok((streams, answer))) = (peer.pending(), answer) else {
            return self.offer_refused(leg, cx);
        };
        let (purpose, is_next_due) = (pending.purpose, pending.is_next_due);
        let connect = peer.apply_answer(leg, answer, &streams, Silence::EndsLeg);
        peer.take_pending();
        own.hold.offer_accepted();
        own.streams = streams;
        cx.set_media(&self.legs.a.streams);
        cx.media([connect]);
        self.report_hold_by_description(side, was_holding, cx);
        if purpose == Purpose::First {
            self.update_bridge(cx);
            self.adapt(side, cx);
        }
        if is_next_due {
            self.offer_to(side, Purpose::Hold, cx);
        } else if purpose == Purpose::Hold {
            self.report_hold(side.other(), cx);
        }
        State::Established(self)
    }

    /// Handles the rejection of an offer of the relay, or an unusable answer: the negotiated media stay in force.
    pub(super) fn offer_refused(mut self: Box<Self>, leg: LegKey, cx: &mut Context) -> State {
        let Some(side) = self.side(leg) else { return State::Established(self) };
        let Some(peer) = self.legs.get_mut(side).participant.peer_mut() else { return State::Established(self) };
        let Some(pending) = peer.take_pending() else { return State::Established(self) };
        match pending.purpose {
            Purpose::First => return self.end(EndReason::NoCommonCodecs, cx),
            Purpose::Change => {}
            Purpose::Hold => {
                self.revert_hold(side.other());
                self.update_bridge(cx);
                self.repeat_status_of(side.other(), cx);
            }
        }
        State::Established(self)
    }

    /// Handles an offer of a peer, or its request for one.
    pub(super) fn offered(&mut self, offer: &IncomingOffer, cx: &mut Context) {
        let Some(invite) = self.peer_mut(offer.leg).map(|peer| peer.invite()) else { return };
        let side = self.side(offer.leg);
        let was_holding = side.is_some_and(|side| self.is_holding(side));
        let answer = self.answer_offer(offer, cx);
        let has_changed = offer.sdp.is_some() && answer.is_ok();
        offer.respond(invite, answer, cx);
        if let Some(side) = side.filter(|_| has_changed) {
            self.report_hold_by_description(side, was_holding, cx);
            self.adapt_to_change(side.other(), cx);
        }
    }

    fn answer_offer(&mut self, offer: &IncomingOffer, cx: &mut Context) -> Result<String, u16> {
        if self.is_looped_dialog(offer.leg) {
            // No media are exchanged with this peer: the previous description stays in force, for any offer or offer
            // request.
            return self.peer_mut(offer.leg).and_then(|peer| peer.last()).ok_or(NOT_ACCEPTABLE_HERE);
        }
        let Some(side) = self.side(offer.leg) else {
            let transfer = self.transfer_mut().ok_or(NOT_ACCEPTABLE_HERE)?;
            return transfer.forking.answer_target_offer(offer, cx);
        };
        let is_holding = self.is_hold_commanded(side.other());
        let (own, other) = self.legs.both_mut(side);
        let is_browser = other.participant.browser().is_some();
        let other = OtherSide { streams: &other.streams_for_other(), is_browser, is_holding };
        let text = answer_reinvite(own, &other, offer, cx)?;
        cx.set_media(&self.legs.a.streams);
        Ok(text)
    }
}
