//! The INVITE dialog between the relay and a SIP endpoint.

use offhook_sip::message::Uri;
use offhook_sip::user_agent::io::{AccountId, InviteId, OutboundInvite};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The INVITE from or to a SIP endpoint, and the state of its dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InviteDialog {
    pub(super) invite: InviteId,
    /// The account of the call, outbound or inbound.
    pub(super) account: Option<AccountId>,
    /// The URI of the peer.
    pub(super) uri: Uri,
    pub(super) state: PeerDialog,
    /// The mark in the INVITE, by which a looped call is recognized.
    pub(super) mark: Option<String>,
    /// The source address of the peer's SIP messages, if a message has been received.
    pub(super) source: Option<IpAddr>,
}

/// The state of a dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerDialog {
    /// An outbound INVITE is prepared, except for the offer, and not sent yet.
    Planned(Box<OutboundInvite>),
    /// An outbound INVITE without a final response.
    Outbound,
    /// An inbound INVITE without a final response.
    Inbound,
    /// The INVITE was accepted.
    Confirmed,
    /// The dialog is over: the user agent sends no more events and expects no more commands.
    Over,
}

impl InviteDialog {
    /// Returns the prepared INVITE, which must be sent now; `None` if no INVITE is prepared.
    pub(super) fn begin(&mut self) -> Option<Box<OutboundInvite>> {
        if !matches!(self.state, PeerDialog::Planned(_)) {
            return None;
        }
        match core::mem::replace(&mut self.state, PeerDialog::Outbound) {
            PeerDialog::Planned(invite) => Some(invite),
            PeerDialog::Outbound | PeerDialog::Inbound | PeerDialog::Confirmed | PeerDialog::Over => None,
        }
    }
}
