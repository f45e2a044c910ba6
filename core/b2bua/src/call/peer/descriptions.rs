//! Session descriptions of a SIP peer: its offer and its answer, and how they are carried in SIP messages.

use offhook_sdp::offer_answer::sip::accepted;
use offhook_sdp::section::Section;
use offhook_sdp::sip::{Security, SipDescription};
use offhook_sdp::webrtc::IceCredentials;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Body;
use serde::{Deserialize, Serialize};

/// The reason phrase of a 488 to an offer with a host name that has no usable address.
pub const NAME_WITHOUT_ADDRESS: &str = "Host Name in SDP Has No Usable Address";

/// An offer of the peer that has been checked and is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteOffer {
    pub(super) description: SipDescription,
    pub(super) security: Vec<Option<Security>>,
    /// The relay's next ICE credentials, if the offer restarts ICE.
    pub(super) restart: Option<IceCredentials>,
}

impl RemoteOffer {
    /// Its media; sections that the relay does not support are marked as rejected.
    #[must_use]
    pub fn media(&self) -> Vec<Section> {
        let sections = self.description.media().into_iter().zip(&self.security);
        sections
            .map(|(section, security)| Section { rejected: section.rejected || security.is_none(), ..section })
            .collect()
    }

    /// Returns whether no media section is usable: fax only, a host name as address, all ports 0, or unsupported keys.
    /// An answer without media would leave an established call that is silent.
    pub(in crate::call) fn has_no_media(&self) -> bool {
        self.media().iter().all(|section| section.rejected)
    }
}

/// An answer of the peer.
#[derive(Clone, Debug)]
pub(in crate::call) struct RemoteAnswer {
    pub(super) description: SipDescription,
    pub(super) security: Vec<Security>,
    pub(super) offered: Vec<Section>,
    pub(super) media: Vec<Section>,
}

impl RemoteAnswer {
    /// Its media; sections that violate the encryption policy are marked as rejected.
    pub(in crate::call) fn media(&self) -> &[Section] {
        &self.media
    }

    /// Returns the streams in use, which are the part of the offer that it accepts.
    pub(in crate::call) fn streams(&self) -> Result<Vec<Section>, EndReason> {
        accepted(&self.offered, &self.media).map_err(super::super::negotiation::end_reason)
    }
}

/// Returns a session description as the body of a SIP message.
#[must_use]
pub fn sdp_body(text: &str) -> Body {
    Body { content_type: "application/sdp".to_owned(), octets: text.as_bytes().to_vec() }
}

/// Returns the session description in a body, if it is one.
#[must_use]
pub fn sdp_text(body: &Body) -> Option<String> {
    let kind = body.content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/sdp").then(|| String::from_utf8_lossy(&body.octets).into_owned())
}
