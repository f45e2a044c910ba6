//! Hold in an established call, and by a transferee that waits for the target. A browser or the application holds by
//! command; a SIP endpoint holds by a description in which it does not accept the audio of the other side (RFC 3264
//! §8.4), and may continue to send, for example music. Both are reported by the same events.

use super::context::Context;
use super::handed_over::HandedOver;
use super::participant::{Leg, LegId};
use super::peer::{Peer, Purpose};
use super::{CallEvent, Established};
use offhook_media::command::LegKey;
use offhook_sdp::direction::Direction;
use offhook_sdp::section::Section;
use serde::{Deserialize, Serialize};

/// The hold state of one side of an established call, which moves with its leg to other states and calls. The bridge,
/// the offers to SIP endpoints, events and repeated statuses are derived from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hold {
    /// This side holds the other.
    is_holding: bool,
    /// The relay's latest offer puts this side, a SIP endpoint, on hold.
    is_offered: bool,
    /// This side has been informed that the other holds it: a SIP endpoint has accepted an offer that puts it on hold, a
    /// browser has received the event.
    is_notified: bool,
}

impl Hold {
    /// Returns whether this side holds the other.
    pub(super) const fn is_holding(self) -> bool {
        self.is_holding
    }

    /// Returns whether this side is on remote hold, as far as it has been informed.
    pub(super) const fn is_notified(self) -> bool {
        self.is_notified
    }

    /// Stores whether the relay's offer to this side puts it on hold.
    pub(super) const fn offered(&mut self, held: bool) {
        self.is_offered = held;
    }

    /// Handles the answer to the offer.
    pub(super) const fn offer_accepted(&mut self) {
        self.is_notified = self.is_offered;
    }

    /// Stores whether the relay's answer to an offer of this side puts it on hold.
    pub(super) const fn answered(&mut self, held: bool) {
        self.is_notified = held;
    }
}

const fn hold_event(by: LegKey, is_holding: bool) -> CallEvent {
    if is_holding { CallEvent::Held { by } } else { CallEvent::Resumed { by } }
}

impl Established {
    /// Returns whether a side holds the other by command, so that the relay does not bridge them.
    pub(super) const fn is_hold_commanded(&self, side: LegId) -> bool {
        self.legs.get(side).hold.is_holding
    }

    /// Returns whether one of the sides holds the other by command.
    pub(super) const fn has_hold(&self) -> bool {
        self.is_hold_commanded(LegId::A) || self.is_hold_commanded(LegId::B)
    }

    /// Returns whether a side holds the other. A SIP endpoint also does so if it does not accept the audio of the other
    /// side. Two of them may hold each other: one that is inactive sends again when it resumes.
    pub(super) fn is_holding(&self, side: LegId) -> bool {
        let (own, other) = (self.legs.get(side), self.legs.get(side.other()));
        // The offer of an endpoint may have been limited by the answer.
        let described = |peer: &Peer, direction: fn(Direction) -> bool| peer.described_audio().is_some_and(direction);
        let may_send = match (other.audio(), other.participant.peer()) {
            (Some(audio), None) => audio.direction.sends(),
            (Some(audio), Some(peer)) => {
                let is_limited = audio.direction == Direction::Inactive || described(peer, Direction::sends);
                audio.direction.sends() || is_limited
            }
            // It has not yet answered the relay's offer.
            (None, _) => other.streams.is_empty(),
        };
        let is_on_hold = |peer: &Peer| {
            let accepts = |audio: &Section| audio.direction.receives() || described(peer, Direction::receives);
            may_send && own.audio().is_some_and(|audio| !accepts(audio))
        };
        self.is_hold_commanded(side) || own.participant.peer().is_some_and(is_on_hold)
    }

    /// Starts or ends a hold by command: the participant of `leg` holds the other side.
    pub(super) fn hold(&mut self, leg: LegKey, hold: bool, cx: &mut Context) {
        let Some(side) = self.side(leg) else { return };
        self.legs.get_mut(side).hold.is_holding = hold;
        self.update_bridge(cx);
        if self.legs.get(side.other()).participant.peer().is_some() {
            // The hold is reported when the peer accepts the offer.
            self.offer_to(side.other(), Purpose::Hold, cx);
        } else {
            self.report_hold(side, cx);
        }
    }

    /// Reports to browsers that a remote hold has begun or ended.
    pub(super) fn notify_hold(&mut self, cx: &mut Context) {
        for side in [LegId::A, LegId::B] {
            let held = self.is_holding(side.other());
            let Leg { participant, hold, .. } = self.legs.get_mut(side);
            if participant.browser().is_some() && core::mem::replace(&mut hold.is_notified, held) != held {
                cx.report(CallEvent::RemoteHoldChanged { leg: participant.leg, is_held: held });
            }
        }
    }

    /// Bridges the legs, or removes the bridge while one side holds the other by command.
    pub(super) fn update_bridge(&self, cx: &mut Context) {
        let (a, b) = (&self.legs.a.participant, &self.legs.b.participant);
        if self.has_hold() {
            cx.unbridge(a);
        } else {
            cx.bridge(a, b);
        }
    }

    /// Reverts the hold of a side after the SIP endpoint at the other side has rejected its change. The hold that this
    /// endpoint accepted before applies again.
    pub(super) const fn revert_hold(&mut self, side: LegId) {
        let accepted = self.legs.get(side.other()).hold.is_notified;
        self.legs.get_mut(side).hold.is_holding = accepted;
    }

    /// Repeats the state of the call to a participant.
    pub(super) fn repeat_status(&self, leg: LegKey, cx: &mut Context) {
        if let Some(side) = self.side(leg) {
            self.repeat_status_of(side, cx);
        }
    }

    pub(super) fn repeat_status_of(&self, side: LegId, cx: &mut Context) {
        cx.report(CallEvent::StateRepeated { leg: self.key(side), is_holding: self.is_hold_commanded(side) });
    }

    /// Reports that a participant has begun or ended its hold.
    pub(super) fn report_hold(&self, side: LegId, cx: &mut Context) {
        cx.report(hold_event(self.key(side), self.is_hold_commanded(side)));
    }

    /// Reports that a SIP endpoint has begun or ended its hold with a description, like a hold by command.
    pub(super) fn report_hold_by_description(&self, side: LegId, was_holding: bool, cx: &mut Context) {
        let is_holding = self.is_holding(side);
        if is_holding != was_holding {
            cx.report(hold_event(self.key(side), is_holding));
        }
    }

    /// Repeats the state of the call to `holder`, if the leg that has left did not answer the offer with the holder's
    /// hold.
    pub(super) fn repeat_status_after_hold(&self, left: &Leg, holder: LegId, cx: &mut Context) {
        let pending = left.participant.peer().and_then(|peer| peer.pending());
        if pending.is_some_and(|pending| pending.purpose == Purpose::Hold) {
            self.repeat_status_of(holder, cx);
        }
    }
}

impl HandedOver {
    /// Starts or ends a hold of the transferee before a target has answered. While the hold lasts, the transferee is
    /// not bridged to the early media of the target.
    pub(super) fn hold(&mut self, leg: LegKey, hold: bool, cx: &mut Context) {
        if !self.is_transferee(leg) {
            return;
        }
        self.transferee.hold.is_holding = hold;
        if hold {
            self.disconnect_target_media(cx);
        } else {
            self.connect_target_media(cx);
        }
        cx.report(hold_event(leg, hold));
    }
}
