//! The reasons for which a call ends, and the SIP messages that end its dialogs.

use super::participant::{End, LegId};
use super::peer::{Peer, PeerDialog};
use offhook_media::command::TransportFailure;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Command as SipCommand;

/// The name of the target of a transfer in texts for users.
pub(super) const TARGET: &str = "transfer target";

/// Returns the name of a side in texts for users.
pub(super) const fn name_of(side: LegId) -> &'static str {
    match side {
        LegId::A => "caller",
        LegId::B => "callee",
    }
}

/// Returns the reason for the end of a call after the media of a side stopped.
pub(super) const fn media_lost(side: LegId) -> EndReason {
    match side {
        LegId::A => EndReason::CallerMediaLost,
        LegId::B => EndReason::CalleeMediaLost,
    }
}

/// Returns the end that is reported to the callees that are still alerted when the call ends.
pub(super) fn end_of_forks(end: &End) -> End {
    match end.reason {
        EndReason::NoAnswer | EndReason::HungUp => EndReason::Canceled.into(),
        _ => end.clone(),
    }
}

/// Returns the end of a call after a transport failure of the participant `of`. The text starts with one of the stock
/// SDK's `CALL_STATUS_INFO`.
pub(super) fn setup_failed(failure: TransportFailure, of: &str) -> End {
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

/// Returns the command that ends a SIP leg, if its INVITE was sent or received and its dialog is not over.
pub(super) fn closing_command(peer: &Peer, end: &End) -> Option<SipCommand> {
    let invite = peer.invite();
    match peer.dialog() {
        PeerDialog::Planned(_) | PeerDialog::Over => None,
        PeerDialog::Inbound => {
            let (status, reason) = match &end.status_line {
                // A 3xx is not forwarded, because its contacts are not known here.
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

/// Returns the status of the response that rejects an inbound INVITE.
const fn rejection(reason: EndReason) -> u16 {
    match reason {
        EndReason::NoAnswer => 480,
        reason => match reason.sip_status() {
            status @ 400..=699 => status,
            _ => 480,
        },
    }
}
