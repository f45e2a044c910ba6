//! The state of an established call: its two legs, a transfer of one participant by the other, and direct media.

use super::context::Context;
use super::direct::DirectState;
use super::forking::end_forks;
use super::looped::LoopedDialogs;
use super::negotiation::end_reason_of;
use super::participant::{End, Leg, LegId, Participant, PerLeg};
use super::peer::Peer;
use super::refer::Referral;
use super::transfer::Transfer;
use super::{State, ending};
use offhook_clock::Time;
use offhook_media::command::{LegKey, TransportFailure};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Cause;
use serde::{Deserialize, Serialize};

/// An established call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Established {
    pub(super) legs: PerLeg<Leg>,
    pub(super) handover: Option<Handover>,
    /// The two dialogs with the server, if two browsers were bridged by a looped call.
    pub(super) looped: Option<Box<LoopedDialogs>>,
    pub(super) direct: DirectState,
}

/// A transfer of one participant by the other. There is one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Handover {
    /// The relay calls the target.
    Transfer(Transfer),
    /// The transferee, a SIP endpoint, was requested to call the target (RFC 3515).
    Referral(Referral),
}

impl Established {
    /// Creates the state, and updates whether the call has video.
    pub(super) fn new(legs: PerLeg<Leg>, cx: &mut Context) -> Box<Self> {
        cx.set_media(&legs.a.streams);
        Box::new(Self { legs, handover: None, looped: None, direct: DirectState::Off })
    }

    /// Applies an action that does not change the state.
    pub(super) fn with(mut self: Box<Self>, action: impl FnOnce(&mut Self)) -> State {
        action(&mut self);
        State::Established(self)
    }

    /// Returns the side of a leg.
    pub(super) fn side(&self, leg: LegKey) -> Option<LegId> {
        [LegId::A, LegId::B].into_iter().find(|id| self.key(*id) == leg)
    }

    /// Returns the key of a side's leg.
    pub(super) const fn key(&self, side: LegId) -> LegKey {
        self.legs.get(side).participant.leg
    }

    /// Returns the participant of a side.
    pub(super) const fn participant(&self, side: LegId) -> &Participant {
        &self.legs.get(side).participant
    }

    /// Returns the leg of that key.
    pub(super) fn leg(&self, leg: LegKey) -> Option<&Leg> {
        Some(self.legs.get(self.side(leg)?))
    }

    /// Returns the leg opposite to the one of that key.
    pub(super) fn other_leg(&self, leg: LegKey) -> Option<&Leg> {
        Some(self.legs.get(self.side(leg)?.other()))
    }

    pub(super) const fn transfer(&self) -> Option<&Transfer> {
        match &self.handover {
            Some(Handover::Transfer(transfer)) => Some(transfer),
            Some(Handover::Referral(_)) | None => None,
        }
    }

    pub(super) const fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        match &mut self.handover {
            Some(Handover::Transfer(transfer)) => Some(transfer),
            Some(Handover::Referral(_)) | None => None,
        }
    }

    pub(super) const fn referral(&self) -> Option<&Referral> {
        match &self.handover {
            Some(Handover::Referral(referral)) => Some(referral),
            Some(Handover::Transfer(_)) | None => None,
        }
    }

    /// Removes and returns the transfer by the relay, if there is one.
    pub(super) fn take_transfer(&mut self) -> Option<Transfer> {
        self.take_transfer_by(self.transfer()?.by)
    }

    /// Removes and returns the transfer by the relay, if its transferor is that side.
    fn take_transfer_by(&mut self, side: LegId) -> Option<Transfer> {
        let is_by_side = |handover: &mut Handover| matches!(handover, Handover::Transfer(one) if one.by == side);
        match self.handover.take_if(is_by_side)? {
            Handover::Transfer(transfer) => Some(transfer),
            Handover::Referral(_) => None,
        }
    }

    pub(super) fn participants_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        let forks = match &mut self.handover {
            Some(Handover::Transfer(transfer)) => Some(transfer.forking.participants_mut()),
            Some(Handover::Referral(_)) | None => None,
        };
        let legs = [&mut self.legs.a.participant, &mut self.legs.b.participant];
        let looped = self.looped.iter_mut().flat_map(|looped| [&mut looped.a, &mut looped.b]);
        legs.into_iter().chain(forks.into_iter().flatten()).chain(looped)
    }

    pub(super) fn peer_mut(&mut self, leg: LegKey) -> Option<&mut Peer> {
        self.participants_mut().find(|participant| participant.leg == leg)?.peer_mut()
    }

    /// Handles the end of a participant, or of a target of a transfer. The cause is a command, a SIP message or the
    /// loss of the client session.
    pub(super) fn hang_up(mut self: Box<Self>, leg: LegKey, end: impl Into<End>, cx: &mut Context) -> State {
        let end = end.into();
        let Some(side) = self.side(leg) else {
            let refused = match end.reason {
                EndReason::HungUp => End::from(EndReason::Rejected),
                EndReason::SessionLost => End::from(EndReason::Unavailable),
                _ => end,
            };
            return self.with(|call| call.target_refuses(leg, refused, cx));
        };
        match self.take_transfer_by(side) {
            Some(transfer) => self.hand_over(transfer, cx),
            None => self.end(end, cx),
        }
    }

    /// Handles the end of a SIP dialog.
    pub(super) fn peer_ended(mut self: Box<Self>, leg: LegKey, cause: Cause, cx: &mut Context) -> State {
        if let Some(peer) = self.peer_mut(leg) {
            peer.end_dialog();
        }
        let is_looped = self.is_looped_dialog(leg);
        let end = end_reason_of(cause, self.side(leg).is_some() || is_looped);
        let referral = self.referral().map(|referral| referral.by).filter(|by| self.key(by.other()) == leg);
        match referral {
            _ if is_looped => self.end(end, cx),
            // The transferee ends its dialog as requested by REFER; not every peer sends the final NOTIFY before.
            Some(by) if end.reason == EndReason::HungUp => self.complete_referral(by, cx),
            Some(_) | None => self.hang_up(leg, end, cx),
        }
    }

    /// Ends the call, or the alerting of a target, after the media of a leg stopped.
    pub(super) fn media_lost(self: Box<Self>, leg: LegKey, cx: &mut Context) -> State {
        match self.side(leg) {
            Some(side) => self.end(ending::media_lost(side), cx),
            None => self.with(|call| call.target_refuses(leg, EndReason::Unavailable, cx)),
        }
    }

    /// Ends the call, or the alerting of a target, after the transport of a leg was not established.
    pub(super) fn media_failed(self: Box<Self>, leg: LegKey, failure: TransportFailure, cx: &mut Context) -> State {
        match self.side(leg) {
            Some(side) => self.end(ending::setup_failed(failure, ending::name_of(side)), cx),
            None => self.with(|call| call.target_refuses(leg, ending::setup_failed(failure, ending::TARGET), cx)),
        }
    }

    /// Handles the deadlines of direct media and of a transfer.
    pub(super) fn time_out(&mut self, now: Time, cx: &mut Context) {
        self.time_out_direct(now, cx);
        if self.transfer().is_some_and(|transfer| transfer.forking.give_up_at <= now) {
            self.transfer_fails(&EndReason::NoAnswer.into(), cx);
        }
    }

    /// Ends the call for all participants.
    pub(super) fn end(self: Box<Self>, end: impl Into<End>, cx: &mut Context) -> State {
        let end = end.into();
        let Self { legs, handover, looped, .. } = *self;
        cx.set_media(&[]);
        if let Some(Handover::Transfer(transfer)) = handover {
            end_forks(transfer.forking.forks, &ending::end_of_forks(&end), cx);
        }
        for leg in [legs.a, legs.b] {
            cx.remove_leg(&leg, &end);
        }
        if let Some(looped) = looped {
            looped.remove(&end, cx);
        }
        cx.finish(end.reason)
    }
}
