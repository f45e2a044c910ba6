//! Transfers that a SIP endpoint executes by REFER (RFC 3515), and replaced endpoints (RFC 3891).

use super::io::Fallback;
use super::participant::{LegId, Participant};
use super::peer::{PeerDialog, RemoteOffer, sdp_body};
use super::{Call, CallEvent, Handover, Leg, Output};
use offhook_media::command::{Command, LegKey, Silence};
use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::renegotiate;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Command as SipCommand;
use serde::{Deserialize, Serialize};

/// A transfer that the peer was requested to execute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Referral {
    /// The side of the transferor.
    pub(super) by: LegId,
    fallback: Fallback,
}

impl Call {
    /// Requests the SIP endpoint at the other side of a browser to call the target.
    pub(super) fn refer(&mut self, leg: LegKey, target: String, fallback: Fallback) {
        let Some(by) = self.side(leg) else { return };
        let Some(established) = self.established_mut() else { return };
        if established.handover.is_some() {
            // Only one transfer at a time: the first one continues.
            return self.report_failed_transfer(leg, &EndReason::Busy.into());
        }
        let Some(peer) = established.legs.get(by.other()).participant.peer() else { return };
        let replaces = match &fallback {
            Fallback::CallTarget { .. } => None,
            Fallback::Join { replaces, .. } => Some(*replaces),
        };
        let order = SipCommand::Refer { invite: peer.invite, target, replaces };
        established.handover = Some(Handover::Referral(Referral { by, fallback }));
        self.outputs.push_back(Output::Sip(order));
        self.report(CallEvent::TransferStarted { by: leg });
    }

    /// Handles the progress of the call that the peer makes as requested.
    pub(super) fn refer_progress(&mut self, leg: LegKey, status: u16, is_final: bool, is_refused: bool) {
        let Some(side) = self.side(leg) else { return };
        let Some(established) = self.established_mut() else { return };
        let Some(referral) = established.referral().filter(|referral| referral.by == side.other()).cloned() else {
            return;
        };
        let by = established.legs.get(referral.by).participant.clone();
        if is_refused {
            established.handover = None;
            self.outputs.push_back(Output::ReferRefused { leg: by.leg, fallback: referral.fallback });
        } else if !is_final {
            self.report_transfer_progress(by.leg, status);
        } else if (200..300).contains(&status) {
            self.complete_referral();
        } else {
            established.handover = None;
            self.report_failed_transfer(by.leg, &super::negotiation::end_of_status(status));
        }
    }

    /// Ends the call after the peer has reached the target.
    pub(super) fn complete_referral(&mut self) {
        let Some(established) = self.established_mut() else { return };
        let Some(Referral { by, .. }) = established.referral().cloned() else { return };
        established.handover = None;
        let by = established.legs.get(by).participant.leg;
        self.report(CallEvent::TransferCompleted { by: Some(by), target: None });
        self.end(EndReason::Transferred);
    }

    /// Replaces the participant at `leg` by another SIP endpoint.
    pub(super) fn replace(&mut self, leg: LegKey, mut participant: Participant, offer: Option<Box<RemoteOffer>>) {
        let Some(side) = self.side(leg) else {
            return self.remove_participant(&participant, &EndReason::Unavailable.into());
        };
        let new = participant.leg;
        let super::State::Established(established) = &mut self.state else { return };
        let (streams, held) =
            (established.legs.get(side.other()).streams.clone(), *established.held_by.get(side.other()));
        let Some(peer) = participant.peer_mut() else { return };
        let wanted = if held { Direction::SendOnly } else { Direction::SendRecv };
        self.outputs.push_back(Output::Media(peer.open(new)));
        let settled = match offer {
            None => Ok((Vec::new(), Vec::new(), self.maker.delayed_offer(peer, &streams))),
            Some(offer) => renegotiate(&streams, &offer.media(), wanted).map(|agreed| {
                let (connect, text) = peer.answer(new, *offer, &agreed.answer, &agreed.peer, Silence::EndsLeg);
                (agreed.peer, connect, text)
            }),
        };
        let Ok((streams, connect, text)) = settled else {
            self.remove_participant(&participant, &EndReason::NoCommonCodecs.into());
            return self.outputs.push_back(Output::Media(Command::CloseLeg { leg: new }));
        };
        peer.dialog = PeerDialog::Confirmed;
        peer.held = held;
        let accept = SipCommand::Accept { invite: peer.invite, body: Some(sdp_body(&text)) };
        let is_connected = !connect.is_empty();
        self.outputs.extend(connect.into_iter().map(Output::Media));
        self.outputs.push_back(Output::Sip(accept));
        let removed = core::mem::replace(established.legs.get_mut(side), Leg { participant, streams });
        *established.held_by.get_mut(side) = false;
        let (handover, looped) = (established.handover.take(), established.looped.take());
        if let Some(Handover::Transfer(transfer)) = &handover {
            self.end_forks(transfer.forking.forks.clone(), &EndReason::Canceled.into(), None);
        }
        if let Some(looped) = looped {
            self.remove_looped_dialogs(&looped, &EndReason::Transferred.into());
        }
        if is_connected {
            self.update_bridge();
        }
        self.remove_leg(&removed, &EndReason::Transferred.into());
        self.repeat_status_after_hold(&removed, side.other());
        if matches!(handover, Some(Handover::Referral(referral)) if referral.by == side.other()) {
            // The page that requested a transfer is still in its call, with another participant.
            let by = self.established().map(|established| established.legs.get(side.other()).participant.leg);
            if let Some(leg) = by {
                self.report(CallEvent::StateRepeated { leg, is_holding: false });
            }
        }
        self.adapt(side.other());
    }

    /// Sends new offers, if they are needed, after a participant was replaced.
    pub(super) fn adapt_both(&mut self) {
        self.adapt(LegId::A);
        self.adapt(LegId::B);
    }
}
