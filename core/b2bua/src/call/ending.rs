//! The end of a call, and the removal of a participant from it.

use super::negotiation::end_reason_of;
use super::participant::{End, Leg, LegId, Participant};
use super::peer::{Peer, PeerDialog};
use super::{Call, CallEvent, Handover, Output, State};
use offhook_media::command::{Command, LegKey, TransportFailure};
use offhook_sdp::codec::MediaKind;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Cause, Command as SipCommand};
use std::net::IpAddr;

impl Call {
    /// Handles the hang-up of a participant of an established call, or of an alerted callee or transfer target.
    pub(super) fn hang_up(&mut self, leg: LegKey, end: impl Into<End>) {
        let end = end.into();
        let Some(side) = self.side(leg) else {
            let refused = match end.reason {
                EndReason::HungUp => End::from(EndReason::Rejected),
                EndReason::SessionLost => End::from(EndReason::Unavailable),
                _ => end,
            };
            return self.target_refuses(leg, refused);
        };
        let Some(established) = self.established() else { return };
        if established.transfer().is_some_and(|transfer| transfer.by == side) {
            self.hand_over();
        } else {
            self.end(end);
        }
    }

    /// Handles the end of a SIP dialog.
    pub(super) fn peer_ended(&mut self, leg: LegKey, cause: Cause) {
        if let Some(peer) = self.peer_mut(leg) {
            peer.dialog = PeerDialog::Over;
        }
        if self.request_redirect_targets(leg, &cause) {
            return;
        }
        let end = end_reason_of(cause, self.side(leg).is_some() || self.is_looped_dialog(leg));
        match &self.state {
            State::Ringing { .. } => self.ringing_leg_ended(leg, end),
            State::Established(established) => {
                let referred =
                    established.referral().map(|referral| established.legs.get(referral.by.other()).participant.leg);
                if self.is_looped_dialog(leg) {
                    self.end(end);
                    // The transferee ends its dialog as requested by REFER; not every peer sends the final NOTIFY
                    // before.
                } else if referred == Some(leg) && end.reason == EndReason::HungUp {
                    self.complete_referral();
                } else {
                    self.hang_up(leg, end);
                }
            }
            State::HandedOver { .. } => self.target_refuses(leg, end),
            State::Ended(_) => {}
        }
    }

    /// Returns the SIP endpoint of a leg in any state of the call.
    pub(super) fn peer_mut(&mut self, leg: LegKey) -> Option<&mut Peer> {
        self.participants_mut().find(|participant| participant.leg == leg)?.peer_mut()
    }

    /// Returns the source address of the SIP messages of a leg's peer, if one has been received.
    pub fn source_of(&mut self, leg: LegKey) -> Option<IpAddr> {
        self.peer_mut(leg)?.source
    }

    /// Returns all participants of the call, alerted callees included.
    fn participants_mut(&mut self) -> Box<dyn Iterator<Item = &mut Participant> + '_> {
        fn forks(forking: &mut super::Forking) -> impl Iterator<Item = &mut Participant> {
            forking.forks.iter_mut().map(|fork| &mut fork.participant)
        }
        match &mut self.state {
            State::Ringing { caller, forking } => {
                let back = forking.looped_invites.iter_mut().map(|looped_invite| &mut looped_invite.inbound);
                let forks = forking.forks.iter_mut().map(|fork| &mut fork.participant);
                Box::new(core::iter::once(&mut caller.participant).chain(forks).chain(back))
            }
            State::Established(established) => {
                let ringing = match &mut established.handover {
                    Some(Handover::Transfer(transfer)) => Some(forks(&mut transfer.forking)),
                    Some(Handover::Referral(_)) | None => None,
                };
                let legs = [&mut established.legs.a.participant, &mut established.legs.b.participant];
                let looped = established.looped.iter_mut().flat_map(|looped| [&mut looped.a, &mut looped.b]);
                Box::new(legs.into_iter().chain(ringing.into_iter().flatten()).chain(looped))
            }
            State::HandedOver { transferee, forking, .. } => {
                Box::new(core::iter::once(&mut transferee.participant).chain(forks(forking)))
            }
            State::Ended(_) => Box::new(core::iter::empty()),
        }
    }

    /// Ends the call, or the branch, of a leg whose media stopped.
    pub(super) fn media_lost(&mut self, leg: LegKey) {
        match self.side_of_media(leg) {
            Some(LegId::A) => self.end(EndReason::CallerMediaLost),
            Some(LegId::B) => self.end(EndReason::CalleeMediaLost),
            None => self.target_refuses(leg, EndReason::Unavailable),
        }
    }

    /// Ends the call, or the branch, of a leg whose transport was not established. The status messages name the
    /// failure.
    pub(super) fn media_failed(&mut self, leg: LegKey, failure: TransportFailure) {
        match (&self.state, self.side_of_media(leg)) {
            (State::Ringing { caller, .. }, _) => {
                let of = if caller.participant.leg == leg { "caller" } else { "callee" };
                self.ringing_leg_ended(leg, setup_failed(failure, of));
            }
            (_, Some(LegId::A)) => self.end(setup_failed(failure, "caller")),
            (_, Some(LegId::B)) => self.end(setup_failed(failure, "callee")),
            (_, None) => self.target_refuses(leg, setup_failed(failure, "transfer target")),
        }
    }

    /// Returns the side of a leg, also if its transferor has left.
    fn side_of_media(&self, leg: LegKey) -> Option<LegId> {
        match &self.state {
            State::HandedOver { transferee, transferee_side, .. } if transferee.participant.leg == leg => {
                Some(*transferee_side)
            }
            _ => self.side(leg),
        }
    }

    /// Ends the call for all participants.
    pub(super) fn end(&mut self, end: impl Into<End>) {
        let end = end.into();
        let state = core::mem::replace(&mut self.state, State::Ended(end.reason));
        let of_forks = match end.reason {
            EndReason::NoAnswer | EndReason::HungUp => EndReason::Canceled.into(),
            _ => end.clone(),
        };
        match state {
            State::Ringing { caller, forking } => {
                self.end_forks(forking.forks, &of_forks, None);
                for looped_invite in forking.looped_invites {
                    self.remove_participant(&looped_invite.inbound, &of_forks);
                }
                let is_open = caller.early().is_some();
                self.remove_caller(&caller.participant, &end);
                if is_open {
                    self.outputs.push_back(Output::Media(Command::CloseLeg { leg: caller.participant.leg }));
                }
            }
            State::Established(established) => {
                if let Some(Handover::Transfer(transfer)) = established.handover {
                    self.end_forks(transfer.forking.forks, &of_forks, None);
                }
                for leg in [established.legs.a, established.legs.b] {
                    self.remove_leg(&leg, &end);
                }
                if let Some(looped) = established.looped {
                    self.remove_looped_dialogs(&looped, &end);
                }
            }
            State::HandedOver { transferee, forking, .. } => {
                self.end_forks(forking.forks, &of_forks, None);
                self.remove_leg(&transferee, &end);
            }
            State::Ended(_) => return,
        }
        self.finish(end.reason);
    }

    /// Reports the end of the call, which is its last output.
    pub(super) fn finish(&mut self, reason: EndReason) {
        self.report(CallEvent::Ended { reason });
        self.outputs.push_back(Output::Ended(reason));
    }

    pub(super) fn remove_leg(&mut self, leg: &Leg, end: &End) {
        self.remove_participant(&leg.participant, end);
        self.outputs.push_back(Output::Media(Command::CloseLeg { leg: leg.participant.leg }));
    }

    /// Removes a participant from the call.
    pub(super) fn remove_participant(&mut self, participant: &Participant, end: &End) {
        self.end_dialog(participant, end);
        self.report(CallEvent::Left { leg: participant.leg, end: end.clone() });
        self.release_leg(participant);
    }

    /// Removes the caller of an unanswered call.
    pub(super) fn remove_caller(&mut self, caller: &Participant, end: &End) {
        self.end_dialog(caller, end);
        self.report(CallEvent::Unanswered { caller: caller.leg, end: end.clone() });
        self.release_leg(caller);
    }

    fn end_dialog(&mut self, participant: &Participant, end: &End) {
        let command = participant.peer().and_then(|peer| closing_command(peer, end));
        self.outputs.extend(command.map(Output::Sip));
    }

    pub(super) fn release_leg(&mut self, participant: &Participant) {
        self.outputs.push_back(Output::Release { leg: participant.leg, sip: participant.sip_resources() });
    }

    /// Reports an event to the participants and observers.
    pub(super) fn report(&mut self, event: CallEvent) {
        let has_video = self.has_video();
        self.outputs.push_back(Output::Event { event, has_video });
    }

    pub(super) fn has_video(&self) -> bool {
        let sections = match &self.state {
            State::Ringing { caller, .. } => caller.offer.as_deref().unwrap_or_default(),
            State::Established(established) => &established.legs.a.streams,
            State::HandedOver { transferee, .. } => &transferee.streams,
            State::Ended(_) => return false,
        };
        has_video(sections)
    }
}

pub(super) fn has_video(sections: &[offhook_sdp::section::Section]) -> bool {
    sections.iter().any(|section| section.kind == MediaKind::Video && !section.rejected)
}

/// The end of a call because of a transport failure. The text starts with one of the stock SDK's `CALL_STATUS_INFO`.
fn setup_failed(failure: TransportFailure, of: &str) -> End {
    let text = match failure {
        TransportFailure::IceTimeout => format!("Failed by ICE error: no ICE check of the {of} arrives at the relay"),
        TransportFailure::DtlsTimeout => format!("Failed by DTLS error: the handshake with the {of} timed out"),
        TransportFailure::DtlsError => format!(
            "Failed by DTLS error: the handshake with the {of} failed; certificates must be ECDSA P-256, RSA is not supported"
        ),
        TransportFailure::FingerprintMismatch => format!(
            "Failed by DTLS fingerprint error: the {of}'s certificate does not match the fingerprint in its session description"
        ),
        TransportFailure::NoPort => format!("Failed by error: the relay has no free RTP port for the {of}"),
        TransportFailure::BadKeys => format!("Failed by error: the SRTP keys of the {of} have the wrong length"),
    };
    let reason = EndReason::MediaSetupFailed;
    End { reason, status_line: Some((reason.sip_status(), text)) }
}

/// Returns the command that ends a SIP leg, if its dialog is not over.
fn closing_command(peer: &Peer, end: &End) -> Option<SipCommand> {
    let invite = peer.invite;
    match peer.dialog {
        PeerDialog::Planned(_) | PeerDialog::Over => None,
        PeerDialog::Inbound => {
            let (status, reason) = match &end.status_line {
                // A 3xx without an address is not forwarded.
                Some((status, text)) if *status >= 400 => (*status, Some(text.clone()).filter(|text| !text.is_empty())),
                _ => (rejection(end.reason), None),
            };
            Some(SipCommand::Reject { invite, status, reason, contacts: Vec::new() })
        }
        PeerDialog::Outbound | PeerDialog::Confirmed => {
            let is_normal = matches!(end.reason, EndReason::HungUp | EndReason::Canceled | EndReason::Transferred);
            let reason = (!is_normal).then(|| (end.status(), end.info()));
            Some(SipCommand::HangUp { invite, reason })
        }
    }
}

/// Returns the status that rejects a call.
const fn rejection(reason: EndReason) -> u16 {
    match reason {
        EndReason::NoAnswer => 480,
        reason => match reason.sip_status() {
            status @ 400..=699 => status,
            _ => 480,
        },
    }
}
