//! Transfers that a SIP endpoint executes because of a REFER (RFC 3515), and the replacement of a leg by an INVITE with
//! Replaces (RFC 3891).

use super::context::Context;
use super::established::Handover;
use super::forking::end_forks;
use super::io::Fallback;
use super::participant::{LegId, Participant};
use super::peer::{RemoteOffer, sdp_body};
use super::{CallEvent, Established, Leg, Output, State};
use offhook_media::command::{Command, LegKey, Silence};
use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::renegotiate;
use offhook_signaling::reason::EndReason;
use offhook_sip::message::Uri;
use offhook_sip::user_agent::io::Command as SipCommand;
use serde::{Deserialize, Serialize};

/// A transfer that the relay requested from the peer by REFER.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Referral {
    /// The side of the transferor.
    pub(super) by: LegId,
    fallback: Fallback,
}

impl Established {
    /// Sends REFER to the SIP endpoint at the other side of the transferor, so that it calls the target.
    pub(super) fn refer(&mut self, leg: LegKey, target: Uri, fallback: Fallback, cx: &mut Context) {
        let Some(by) = self.side(leg) else { return };
        if self.handover.is_some() {
            // Only one transfer is possible at a time, and the first one continues.
            return self.report_failed_transfer(by, &EndReason::Busy.into(), cx);
        }
        let Some(peer) = self.legs.get(by.other()).participant.peer() else { return };
        let replaces = match &fallback {
            Fallback::CallTarget { .. } => None,
            Fallback::Join { replaces, .. } => Some(*replaces),
        };
        cx.sip(SipCommand::Refer { invite: peer.invite(), target: Box::new(target), replaces });
        self.handover = Some(Handover::Referral(Referral { by, fallback }));
        cx.report(CallEvent::TransferStarted { by: leg });
    }

    /// Handles the progress of the call that the peer places because of the REFER.
    pub(super) fn refer_progress(mut self: Box<Self>, leg: LegKey, progress: ReferProgress, cx: &mut Context) -> State {
        let side = self.side(leg);
        let referral = self.referral().filter(|referral| side == Some(referral.by.other())).cloned();
        let Some(Referral { by, fallback }) = referral else { return State::Established(self) };
        match progress {
            ReferProgress::Refused => {
                self.handover = None;
                cx.push(Output::ReferRefused { leg: self.key(by), fallback });
            }
            ReferProgress::Provisional(status) => cx.report_transfer_progress(self.key(by), status),
            ReferProgress::Final(200..=299) => return self.complete_referral(by, cx),
            ReferProgress::Final(status) => {
                self.handover = None;
                self.report_failed_transfer(by, &super::negotiation::end_of_status(status), cx);
            }
        }
        State::Established(self)
    }

    /// Ends the call after the peer has reached the target. `by` is the side of the transferor.
    pub(super) fn complete_referral(self: Box<Self>, by: LegId, cx: &mut Context) -> State {
        cx.report(CallEvent::TransferCompleted { by: Some(self.key(by)), target: None });
        self.end(EndReason::Transferred, cx)
    }

    /// Replaces the participant at `leg` by another SIP endpoint.
    pub(super) fn replace(
        &mut self,
        leg: LegKey,
        mut participant: Participant,
        offer: Option<Box<RemoteOffer>>,
        cx: &mut Context,
    ) {
        let Some(side) = self.side(leg) else {
            return cx.remove_participant(&participant, &EndReason::Unavailable.into());
        };
        let is_connected = offer.is_some();
        let streams = match self.accept_replacement(side, &mut participant, offer, cx) {
            Ok(streams) => streams,
            Err(reason) => {
                cx.remove_participant(&participant, &reason.into());
                return cx.media([Command::Close { leg: participant.leg }]);
            }
        };
        let removed = core::mem::replace(self.legs.get_mut(side), Leg::new(participant, streams));
        let held = self.is_hold_commanded(side.other());
        self.legs.get_mut(side).hold.answered(held);
        cx.set_media(&self.legs.a.streams);
        let handover = self.handover.take();
        if let Some(Handover::Transfer(transfer)) = &handover {
            end_forks(transfer.forking.forks.clone(), &EndReason::Canceled.into(), cx);
        }
        self.end_looped_dialogs(&EndReason::Transferred.into(), cx);
        if is_connected {
            self.update_bridge(cx);
        }
        cx.remove_leg(&removed, &EndReason::Transferred.into());
        self.repeat_status_after_hold(&removed, side.other(), cx);
        if matches!(handover, Some(Handover::Referral(referral)) if referral.by == side.other()) {
            // The transferor remains in the call, with another participant. The repeated state ends the transfer in its
            // client.
            let is_holding = self.is_hold_commanded(side.other());
            cx.report(CallEvent::StateRepeated { leg: self.key(side.other()), is_holding });
        }
        self.report_hold_by_description(side, false, cx);
        self.adapt(side.other(), cx);
    }

    /// Accepts the INVITE of an endpoint that replaces the participant of a side. Returns its streams. Without an offer
    /// in the INVITE, they are empty until the endpoint has answered the relay's offer.
    fn accept_replacement(
        &self,
        side: LegId,
        participant: &mut Participant,
        offer: Option<Box<RemoteOffer>>,
        cx: &mut Context,
    ) -> Result<Vec<offhook_sdp::section::Section>, EndReason> {
        let new = participant.leg;
        let (other, held) = (self.legs.get(side.other()), self.is_hold_commanded(side.other()));
        let peer = participant.peer_mut().ok_or(EndReason::InternalError)?;
        cx.media([peer.open(new)]);
        let wanted = if held { Direction::SendOnly } else { Direction::SendRecv };
        let of_other = other.streams_for_other();
        let (streams, connect, text) = match offer {
            None => (Vec::new(), Vec::new(), cx.maker.delayed_offer(peer, &of_other)),
            Some(offer) => {
                let agreed = renegotiate(&of_other, &offer.media(), wanted, cx.maker.conversions());
                let agreed = agreed.map_err(|_| EndReason::NoCommonCodecs)?;
                let (connect, text) = peer.answer(new, *offer, &agreed.answer, &agreed.peer, Silence::EndsLeg);
                (agreed.peer, connect, text)
            }
        };
        peer.accept();
        cx.media(connect);
        cx.sip(SipCommand::Accept { invite: peer.invite(), body: Some(sdp_body(&text)) });
        Ok(streams)
    }

    /// Sends new offers, if they are needed, after a participant was replaced.
    pub(super) fn adapt_both(&mut self, cx: &mut Context) {
        self.adapt(LegId::A, cx);
        self.adapt(LegId::B, cx);
    }
}

/// The progress of the call that a peer places because of a REFER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReferProgress {
    /// The REFER was rejected.
    Refused,
    /// A provisional status of that call.
    Provisional(u16),
    /// The final status of that call.
    Final(u16),
}

impl ReferProgress {
    pub(super) const fn new(status: u16, is_final: bool, is_refused: bool) -> Self {
        match (is_refused, is_final) {
            (true, _) => Self::Refused,
            (false, true) => Self::Final(status),
            (false, false) => Self::Provisional(status),
        }
    }
}
