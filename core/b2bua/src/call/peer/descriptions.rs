//! The session descriptions (SDP) between the relay and a SIP endpoint, and their conversion to and from bodies of SIP
//! messages.

use super::early::EarlyDescriptions;
use crate::config::Srtp;
use offhook_sdp::section::Section;
use offhook_sdp::sip::{ExtraLine, LocalDescriptions, Security, SipDescription, SipSection, SrtpPolicy};
use offhook_sip::user_agent::io::Body;
use serde::{Deserialize, Serialize};

/// The reason phrase of a 488 to an offer with a host name that has no usable address.
pub const NAME_WITHOUT_ADDRESS: &str = "Host Name in SDP Has No Usable Address";

/// The descriptions that are in force between the relay and a SIP endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Descriptions {
    /// The relay's latest description, and its origin (`o=`).
    pub(super) local: LocalDescriptions,
    /// Additional SDP lines, provided by a browser's page, for the relay's descriptions.
    pub(super) extra: Vec<ExtraLine>,
    /// The latest description of the peer.
    pub(super) remote: Option<SipDescription>,
    /// The encryption policy for the media.
    pub(super) srtp: Srtp,
    /// The negotiated encryption of each section.
    pub(super) security: Vec<Security>,
    /// The descriptions of early dialogs.
    pub(super) early: EarlyDescriptions,
}

impl Descriptions {
    /// Returns the policy for offers of the peer.
    pub(super) const fn policy(&self) -> SrtpPolicy {
        match self.srtp {
            Srtp::Off => SrtpPolicy::Off,
            Srtp::Accepted | Srtp::Offered => SrtpPolicy::Offer,
            Srtp::Required => SrtpPolicy::Require,
        }
    }

    /// Returns the policy for offers of the relay.
    pub(super) const fn offered_policy(&self) -> SrtpPolicy {
        match self.srtp {
            Srtp::Off | Srtp::Accepted => SrtpPolicy::Off,
            Srtp::Offered => SrtpPolicy::Offer,
            Srtp::Required => SrtpPolicy::Require,
        }
    }

    /// Returns the sections of the relay's latest description.
    pub(super) fn local_sections(&self) -> &[SipSection] {
        self.local.last().map_or(&[], |description| &description.sections)
    }

    /// Returns the media of the relay's latest description, in the same order.
    pub(super) fn local_media(&self) -> Vec<Section> {
        self.local_sections().iter().map(|section| section.section.clone()).collect()
    }

    /// Returns whether a description has the same media address as the relay's latest one. This identifies a
    /// description of the relay that a server returned: many servers replace the session id, but keep the addresses.
    pub(super) fn has_address_of(&self, description: &SipDescription) -> bool {
        let address = |description: &SipDescription| description.sections.first()?.connection.address();
        let local = self.local.last().and_then(address);
        local.is_some() && local == address(description)
    }

    /// Adds the additional lines to the first section.
    pub(super) fn with_extra(&self, mut sections: Vec<SipSection>) -> Vec<SipSection> {
        if let Some(first) = sections.first_mut() {
            first.extra.clone_from(&self.extra);
        }
        sections
    }
}

/// Returns a session description as the body of a SIP message.
#[must_use]
pub fn sdp_body(text: &str) -> Body {
    Body { content_type: "application/sdp".to_owned(), octets: text.as_bytes().to_vec() }
}

/// Returns the session description in a body; `None` if the body has another type.
#[must_use]
pub fn sdp_text(body: &Body) -> Option<String> {
    let kind = body.content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/sdp").then(|| String::from_utf8_lossy(&body.octets).into_owned())
}
