//! Hold in an established call, and by a transferee that waits for the target.

use super::context::Context;
use super::handed_over::HandedOver;
use super::participant::{Leg, LegId, Side};
use super::peer::Purpose;
use super::{CallEvent, Established};
use offhook_media::command::{Command, LegKey};
use offhook_sdp::codec::MediaKind;

const fn hold_event(by: LegKey, is_holding: bool) -> CallEvent {
    if is_holding { CallEvent::Held { by } } else { CallEvent::Resumed { by } }
}

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

    /// Starts or ends the hold of the other side by a browser.
    pub(super) fn hold(&mut self, leg: LegKey, hold: bool, cx: &mut Context) {
        let Some(side) = self.side(leg) else { return };
        *self.held_by.get_mut(side) = hold;
        self.update_bridge(cx);
        if self.legs.get(side.other()).participant.peer().is_some() {
            // The hold is reported when the peer accepts the offer.
            self.offer_to(side.other(), Purpose::Hold, cx);
        } else {
            self.report_hold(side, cx);
        }
    }

    /// Reports remote holds that began or ended.
    pub(super) fn notify_hold(&mut self, cx: &mut Context) {
        for side in [LegId::A, LegId::B] {
            let held = self.is_holding(side.other());
            let participant = &mut self.legs.get_mut(side).participant;
            let Side::Browser(browser) = &mut participant.side else { continue };
            if core::mem::replace(&mut browser.is_hold_reported, held) != held {
                cx.report(CallEvent::RemoteHoldChanged { leg: participant.leg, is_held: held });
            }
        }
    }

    /// Updates the bridge to the holds of both sides.
    pub(super) fn update_bridge(&self, cx: &mut Context) {
        let (a, b) = (self.key(LegId::A), self.key(LegId::B));
        let is_held = self.held_by.a || self.held_by.b;
        cx.media([if is_held { Command::Unbridge { leg: a } } else { Command::Bridge { a, b } }]);
    }

    /// Repeats the state of the call to a participant.
    pub(super) fn repeat_status(&self, leg: LegKey, cx: &mut Context) {
        if let Some(side) = self.side(leg) {
            self.repeat_status_of(side, cx);
        }
    }

    pub(super) fn repeat_status_of(&self, side: LegId, cx: &mut Context) {
        cx.report(CallEvent::StateRepeated { leg: self.key(side), is_holding: *self.held_by.get(side) });
    }

    /// Reports that a participant has begun or ended its hold.
    pub(super) fn report_hold(&self, side: LegId, cx: &mut Context) {
        cx.report(hold_event(self.key(side), *self.held_by.get(side)));
    }

    /// Repeats the state of the call to the browser that waits for an answer to its hold from a leg that has left.
    pub(super) fn repeat_status_after_hold(&self, left: &Leg, holder: LegId, cx: &mut Context) {
        let pending = left.participant.peer().and_then(|peer| peer.pending.as_ref());
        if pending.is_some_and(|pending| pending.purpose == Purpose::Hold) {
            self.repeat_status_of(holder, cx);
        }
    }
}

impl HandedOver {
    /// Applies the hold of the transferee to the target that is not there yet: the target receives no media until the
    /// hold ends.
    pub(super) fn hold(&mut self, leg: LegKey, hold: bool, cx: &mut Context) {
        if !self.is_transferee(leg) {
            return;
        }
        self.is_holding = hold;
        if hold {
            self.disconnect_target_media(cx);
        } else {
            self.connect_target_media(cx);
        }
        cx.report(hold_event(leg, hold));
    }
}
