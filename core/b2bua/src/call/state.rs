//! Transitions of the call machine, for each state and input.
//!
//! Commands and SIP messages with the same meaning call the same method: a hang-up by command, BYE, CANCEL and a
//! rejection call `hang_up` of the state.

use super::context::Context;
use super::forking::Forking;
use super::peer::Peer;
use super::refer::ReferProgress;
use super::reinvite::IncomingOffer;
use super::{Input, SipEvent, State};
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_signaling::reason::EndReason;

impl State {
    /// Handles one input, and returns the next state.
    pub(super) fn step(self, input: Input, now: Time, cx: &mut Context) -> Self {
        match (self, input) {
            (state, Input::Sip { leg, event }) => state.sip_event(leg, event, cx),

            (Self::Ringing(call), Input::Answer { leg, sdp, lines }) => call.browser_answers(leg, &sdp, lines, cx),
            (Self::Ringing(call), Input::HangUp { leg, reason: Some(reason) }) => call.hang_up_for(leg, reason, cx),
            (Self::Ringing(call), Input::HangUp { leg, reason: None }) => call.hang_up(leg, EndReason::Rejected, cx),
            (Self::Ringing(call), Input::SessionLost { leg } | Input::LegDead { leg }) => {
                call.hang_up(leg, EndReason::Unavailable, cx)
            }
            (Self::Ringing(call), Input::LegFailed { leg, failure }) => call.media_failed(leg, failure, cx),
            (Self::Ringing(call), Input::Redirect { leg, targets }) => call.redirect(leg, targets, now, cx),
            (Self::Ringing(call), Input::LoopedInvite { leg, participant, targets }) => {
                call.with(|call| call.alert_for_looped_invite(leg, *participant, targets, now, cx))
            }
            (Self::Ringing(call), Input::End { reason }) => call.end(reason, cx),

            (Self::Established(call), Input::Answer { leg, sdp, .. }) => {
                call.with(|call| call.target_answers(leg, &sdp, cx))
            }
            (Self::Established(call), Input::HangUp { leg, reason }) => {
                call.hang_up(leg, reason.unwrap_or(EndReason::HungUp), cx)
            }
            (Self::Established(call), Input::SessionLost { leg }) => call.hang_up(leg, EndReason::SessionLost, cx),
            (Self::Established(call), Input::LegDead { leg }) => call.media_lost(leg, cx),
            (Self::Established(call), Input::LegFailed { leg, failure }) => call.media_failed(leg, failure, cx),
            (Self::Established(call), Input::Hold { leg }) => call.with(|call| call.hold(leg, true, cx)),
            (Self::Established(call), Input::Unhold { leg }) => call.with(|call| call.hold(leg, false, cx)),
            (Self::Established(call), Input::RepeatStatus { leg }) => call.with(|call| call.repeat_status(leg, cx)),
            (Self::Established(call), Input::SendDtmf { leg, method, digits }) => {
                call.with(|call| call.send_dtmf(leg, method, &digits, cx))
            }
            (Self::Established(call), Input::DtmfReceived { leg, digit }) => {
                call.with(|call| call.digit_received(leg, digit, cx))
            }
            (Self::Established(call), Input::KeyFrameWanted { leg }) => {
                call.with(|call| call.request_key_frame(leg, cx))
            }
            (Self::Established(call), Input::Direct { leg, attempt, step }) => {
                call.with(|call| call.direct_step(leg, attempt, step, cx))
            }
            (Self::Established(call), Input::Transfer { leg, targets }) => {
                call.with(|call| call.transfer_to(leg, targets, now, cx))
            }
            (Self::Established(call), Input::Refer { leg, target, fallback }) => {
                call.with(|call| call.refer(leg, target, fallback, cx))
            }
            (Self::Established(call), Input::Replace { leg, participant, offer }) => {
                call.with(|call| call.replace(leg, *participant, offer, cx))
            }
            (Self::Established(call), Input::End { reason }) => call.end(reason, cx),

            (Self::HandedOver(call), Input::Answer { leg, sdp, .. }) => call.target_answers(leg, &sdp, cx),
            (Self::HandedOver(call), Input::HangUp { leg, reason }) => {
                call.hang_up(leg, reason.unwrap_or(EndReason::Rejected), cx)
            }
            (Self::HandedOver(call), Input::SessionLost { leg }) => call.hang_up(leg, EndReason::Unavailable, cx),
            (Self::HandedOver(call), Input::LegDead { leg }) => call.media_lost(leg, cx),
            (Self::HandedOver(call), Input::LegFailed { leg, failure }) => call.media_failed(leg, failure, cx),
            (Self::HandedOver(call), Input::Hold { leg }) => call.with(|call| call.hold(leg, true, cx)),
            (Self::HandedOver(call), Input::Unhold { leg }) => call.with(|call| call.hold(leg, false, cx)),
            (Self::HandedOver(call), Input::End { reason }) => call.end(reason, cx),

            (state, input) => state.refuse(input, cx),
        }
    }

    /// Handles an input that the state does not permit, and releases the participants that it contains.
    fn refuse(self, input: Input, cx: &mut Context) -> Self {
        match input {
            Input::Redirect { targets, .. } => cx.discard(&targets.unwrap_or_default()),
            Input::LoopedInvite { participant, targets, .. } => {
                cx.discard(&targets);
                cx.remove_participant(&participant, &EndReason::Unavailable.into());
            }
            Input::Replace { participant, .. } => cx.remove_participant(&participant, &EndReason::Unavailable.into()),
            Input::Transfer { targets, .. } => {
                cx.discard(&targets.unwrap_or_default());
                cx.ignore();
            }
            Input::Answer { .. }
            | Input::HangUp { .. }
            | Input::Hold { .. }
            | Input::Unhold { .. }
            | Input::SendDtmf { .. }
            | Input::Refer { .. }
            | Input::Direct { .. }
            | Input::RepeatStatus { .. }
            | Input::SessionLost { .. }
            | Input::Sip { .. }
            | Input::DtmfReceived { .. }
            | Input::KeyFrameWanted { .. }
            | Input::LegFailed { .. }
            | Input::LegDead { .. }
            | Input::End { .. } => cx.ignore(),
        }
        self
    }

    /// Handles an event of a SIP leg.
    fn sip_event(self, leg: LegKey, event: SipEvent, cx: &mut Context) -> Self {
        match (self, event) {
            (Self::Ringing(call), SipEvent::Progress { branch, status, sdp }) => {
                call.with(|call| call.progress(leg, branch, status, sdp, cx))
            }
            (Self::Ringing(call), SipEvent::Answered { branch, sdp }) => call.peer_answers(leg, branch, sdp, cx),
            (Self::Ringing(call), SipEvent::Offered { branch, sdp }) => {
                call.with(|call| call.offered(&IncomingOffer { leg, branch, sdp }, cx))
            }
            (Self::Ringing(call), SipEvent::Ended(cause)) => call.peer_ended(leg, cause, cx),

            (Self::Established(call), SipEvent::Progress { branch, status, sdp }) => {
                call.with(|call| call.target_progress(leg, branch, status, sdp.as_deref(), cx))
            }
            (Self::Established(call), SipEvent::Answered { branch, sdp }) => {
                call.with(|call| call.peer_answers(leg, branch, sdp, cx))
            }
            (Self::Established(call), SipEvent::OfferAnswered { sdp }) => call.offer_answered(leg, sdp, cx),
            (Self::Established(call), SipEvent::OfferRefused) => call.offer_refused(leg, cx),
            (Self::Established(call), SipEvent::Offered { branch, sdp }) => {
                call.with(|call| call.offered(&IncomingOffer { leg, branch, sdp }, cx))
            }
            (Self::Established(call), SipEvent::ReferProgress { status, is_final, is_refused }) => {
                call.refer_progress(leg, ReferProgress::new(status, is_final, is_refused), cx)
            }
            (Self::Established(call), SipEvent::KeyFrameRequested) => {
                call.with(|call| call.key_frame_requested(leg, cx))
            }
            (Self::Established(call), SipEvent::Ended(cause)) => call.peer_ended(leg, cause, cx),

            (Self::HandedOver(call), SipEvent::Progress { branch, sdp, .. }) => {
                call.with(|call| call.target_progress(leg, branch, sdp.as_deref(), cx))
            }
            (Self::HandedOver(call), SipEvent::Answered { branch, sdp }) => call.peer_answers(leg, branch, sdp, cx),
            (Self::HandedOver(call), SipEvent::Offered { branch, sdp }) => {
                call.with(|call| call.offered(&IncomingOffer { leg, branch, sdp }, cx))
            }
            (Self::HandedOver(call), SipEvent::Ended(cause)) => call.peer_ended(leg, cause, cx),

            (mut state, SipEvent::SourceChanged(source)) => {
                if let Some(peer) = state.peer_mut(leg) {
                    peer.set_source(source);
                }
                state
            }
            (state @ Self::Ended(_), SipEvent::Offered { .. }) => state,
            (
                state @ (Self::Ringing(_) | Self::HandedOver(_) | Self::Ended(_)),
                SipEvent::OfferAnswered { .. }
                | SipEvent::OfferRefused
                | SipEvent::ReferProgress { .. }
                | SipEvent::KeyFrameRequested,
            )
            | (state @ Self::Ended(_), SipEvent::Progress { .. } | SipEvent::Answered { .. } | SipEvent::Ended(_)) => {
                cx.ignore();
                state
            }
        }
    }

    /// Handles the deadlines of alerting and of direct media.
    pub(super) fn time_out(self, now: Time, cx: &mut Context) -> Self {
        match self {
            Self::Ringing(call) if call.forking.give_up_at <= now => call.end(EndReason::NoAnswer, cx),
            Self::HandedOver(call) if call.forking.give_up_at <= now => call.end(EndReason::NoAnswer, cx),
            Self::Established(call) => call.with(|call| call.time_out(now, cx)),
            state @ (Self::Ringing(_) | Self::HandedOver(_) | Self::Ended(_)) => state,
        }
    }

    /// Returns the callees, or targets, that are being alerted.
    pub(super) fn forking(&self) -> Option<&Forking> {
        match self {
            Self::Ringing(call) => Some(&call.forking),
            Self::Established(call) => call.transfer().map(|transfer| &transfer.forking),
            Self::HandedOver(call) => Some(&call.forking),
            Self::Ended(_) => None,
        }
    }

    /// Returns the SIP endpoint of a leg, also of an alerted callee or of a looped dialog.
    pub(super) fn peer_mut(&mut self, leg: LegKey) -> Option<&mut Peer> {
        match self {
            Self::Ringing(call) => call.peer_mut(leg),
            Self::Established(call) => call.peer_mut(leg),
            Self::HandedOver(call) => call.peer_mut(leg),
            Self::Ended(_) => None,
        }
    }
}
