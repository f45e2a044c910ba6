//! The pending offers between the relay and a SIP endpoint, and the endpoint's answers.

use offhook_sdp::offer_answer::sip::accepted;
use offhook_sdp::section::Section;
use offhook_sdp::sip::{Security, SipDescription};
use offhook_sdp::webrtc::IceCredentials;
use offhook_signaling::reason::EndReason;
use serde::{Deserialize, Serialize};

/// The pending offers in one dialog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingOffers {
    /// The relay's offer, until the peer answers it.
    pub(super) sent: Option<Pending>,
    /// The offer in the peer's INVITE, until the relay answers it.
    pub(super) received: Option<Box<RemoteOffer>>,
}

/// A pending offer of the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::call) struct Pending {
    pub(super) offered: Vec<Section>,
    pub(in crate::call) purpose: Purpose,
    /// Another offer is to be sent when this one is answered.
    pub(in crate::call) is_next_due: bool,
}

/// The purpose of an offer of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::call) enum Purpose {
    /// The first offer of the dialog. Without an answer, the call fails.
    First,
    /// The beginning or end of a hold. The browser that requested it expects the result.
    Hold,
    /// A change of the other side, or an offer that the peer requested. No browser expects the result.
    Change,
}

/// An offer of the peer that has been checked and is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteOffer {
    pub(super) description: SipDescription,
    pub(super) security: Vec<Option<Security>>,
    /// The relay's next ICE credentials, if the offer restarts ICE.
    pub(super) restart: Option<IceCredentials>,
}

impl RemoteOffer {
    /// Returns the media of the offer. Sections that the relay does not support are marked as rejected.
    #[must_use]
    pub fn media(&self) -> Vec<Section> {
        let sections = self.description.media().into_iter().zip(&self.security);
        sections
            .map(|(section, security)| Section { rejected: section.rejected || security.is_none(), ..section })
            .collect()
    }

    /// Returns whether no media section is usable: fax only, a host name as address, all ports 0, or unsupported keys.
    /// Such an offer is refused, because an answer without media would result in a silent call.
    pub(in crate::call) fn has_no_media(&self) -> bool {
        self.media().iter().all(|section| section.rejected)
    }
}

/// An answer of the peer that has been checked.
#[derive(Clone, Debug)]
pub(in crate::call) struct RemoteAnswer {
    pub(super) description: SipDescription,
    pub(super) security: Vec<Security>,
    pub(super) offered: Vec<Section>,
    pub(super) media: Vec<Section>,
}

impl RemoteAnswer {
    /// Returns the media of the answer. Sections that violate the encryption policy are marked as rejected.
    pub(in crate::call) fn media(&self) -> &[Section] {
        &self.media
    }

    /// Returns the streams in use: the part of the relay's offer that the answer accepts.
    pub(in crate::call) fn streams(&self) -> Result<Vec<Section>, EndReason> {
        accepted(&self.offered, &self.media).map_err(super::super::negotiation::end_reason)
    }
}
