//! The state of a call whose transferor has left before the target of its transfer answers: the transferee waits.

use super::context::Context;
use super::forking::{Forking, end_forks};
use super::negotiation::end_reason_of;
use super::participant::{End, Leg, LegId, Participant, PerLeg};
use super::peer::Peer;
use super::reinvite::{IncomingOffer, OtherSide, answer_reinvite};
use super::transfer::check_target;
use super::{CallEvent, Established, State, ending};
use offhook_media::command::{LegKey, TransportFailure};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Branch, Cause};
use serde::{Deserialize, Serialize};

/// The state of a call without transferor: the transferee, and the targets that are alerted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HandedOver {
    pub(super) transferee: Leg,
    /// The side of the transferee.
    pub(super) side: LegId,
    pub(super) forking: Forking,
}

impl HandedOver {
    /// Applies an action that does not change the state.
    pub(super) fn with(mut self: Box<Self>, action: impl FnOnce(&mut Self)) -> State {
        action(&mut self);
        State::HandedOver(self)
    }

    pub(super) fn is_transferee(&self, leg: LegKey) -> bool {
        self.transferee.participant.leg == leg
    }

    pub(super) fn participants_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        core::iter::once(&mut self.transferee.participant).chain(self.forking.participants_mut())
    }

    pub(super) fn peer_mut(&mut self, leg: LegKey) -> Option<&mut Peer> {
        self.participants_mut().find(|participant| participant.leg == leg)?.peer_mut()
    }

    /// Handles the answer of the target.
    pub(super) fn target_answers(mut self: Box<Self>, leg: LegKey, sdp: &str, cx: &mut Context) -> State {
        let Some(fork) = self.forking.get(leg) else { return State::HandedOver(self) };
        let checked = match check_target(&self.transferee, fork, sdp, cx.maker.conversions()) {
            Ok(checked) => checked,
            Err(reason) => return self.hang_up(leg, reason, cx),
        };
        let Some(fork) = self.forking.remove(leg) else { return State::HandedOver(self) };
        let Self { transferee, side, forking } = *self;
        let (target, connect) = checked.connect(fork);
        end_forks(forking.forks, &EndReason::AnsweredElsewhere.into(), cx);
        let legs = PerLeg::new(side, transferee, target);
        let established = Established::new(legs, cx);
        cx.media([connect]);
        // A hold by the transferee outlasts the transfer, because the transferee's page still shows it.
        if !established.has_hold() {
            cx.bridge(established.participant(side), established.participant(side.other()));
        }
        cx.report(CallEvent::TransferCompleted { by: None, target: Some(leg) });
        established.report_hold_by_description(side.other(), false, cx);
        established.with(|call| call.adapt_both(cx))
    }

    /// Handles the 2xx of a target.
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
        match peer.confirm(branch, sdp) {
            Some(sdp) => self.target_answers(leg, &sdp, cx),
            None => self.hang_up(leg, EndReason::BadSessionDescription, cx),
        }
    }

    /// Handles the hang-up of the transferee, or the end of a target's alerting: by command, by SIP or by a failure.
    pub(super) fn hang_up(mut self: Box<Self>, leg: LegKey, end: impl Into<End>, cx: &mut Context) -> State {
        let end = end.into();
        if self.is_transferee(leg) {
            return self.end(EndReason::HungUp, cx);
        }
        if self.forking.contains(leg) && self.forking.ends_with(&end) {
            return self.end(end, cx);
        }
        self.forking.end_some(&[leg], &end, cx);
        State::HandedOver(self)
    }

    /// Handles the end of a SIP dialog.
    pub(super) fn peer_ended(mut self: Box<Self>, leg: LegKey, cause: Cause, cx: &mut Context) -> State {
        if let Some(peer) = self.peer_mut(leg) {
            peer.end_dialog();
        }
        self.hang_up(leg, end_reason_of(cause, false), cx)
    }

    /// Ends the call, or the alerting of a target, after the media of a leg stopped.
    pub(super) fn media_lost(self: Box<Self>, leg: LegKey, cx: &mut Context) -> State {
        if self.is_transferee(leg) {
            let end = ending::media_lost(self.side);
            self.end(end, cx)
        } else {
            self.hang_up(leg, EndReason::Unavailable, cx)
        }
    }

    /// Ends the call, or the alerting of a target, after the transport of a leg was not established.
    pub(super) fn media_failed(self: Box<Self>, leg: LegKey, failure: TransportFailure, cx: &mut Context) -> State {
        if self.is_transferee(leg) {
            let end = ending::setup_failed(failure, ending::name_of(self.side));
            self.end(end, cx)
        } else {
            self.hang_up(leg, ending::setup_failed(failure, ending::TARGET), cx)
        }
    }

    /// Handles an offer of the transferee or of a target.
    pub(super) fn offered(&mut self, offer: &IncomingOffer, cx: &mut Context) {
        let Some(invite) = self.peer_mut(offer.leg).map(|peer| peer.invite()) else { return };
        let answer = if self.is_transferee(offer.leg) {
            // There is no other participant at the moment, so the answer is based on the negotiated codecs.
            let streams = self.transferee.streams_for_other().into_owned();
            let other = OtherSide { streams: &streams, is_browser: false, is_holding: false };
            answer_reinvite(&mut self.transferee, &other, offer, cx)
        } else {
            self.forking.answer_target_offer(offer, cx)
        };
        cx.set_media(&self.transferee.streams);
        offer.respond(invite, answer, cx);
    }

    /// Ends the call for all participants.
    pub(super) fn end(self, end: impl Into<End>, cx: &mut Context) -> State {
        let end = end.into();
        let Self { transferee, forking, .. } = self;
        cx.set_media(&[]);
        end_forks(forking.forks, &ending::end_of_forks(&end), cx);
        cx.remove_leg(&transferee, &end);
        cx.finish(end.reason)
    }
}
