//! Session descriptions of a SIP endpoint and of the relay, and how they are carried in SIP messages.

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
    /// The relay's descriptions.
    pub(super) local: LocalDescriptions,
    /// Additional lines of a page for the relay's descriptions.
    pub(super) extra: Vec<ExtraLine>,
    /// The latest description of the peer.
    pub(super) remote: Option<SipDescription>,
    /// The encryption policy for its media.
    pub(super) srtp: Srtp,
    /// The encryption of each section.
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

    /// Returns whether a description has the address of the relay's latest one: many servers replace the session id and
    /// keep the addresses.
    pub(super) fn has_address_of(&self, description: &SipDescription) -> bool {
        let address = |description: &SipDescription| description.sections.first()?.connection.address();
        let local = self.local.last().and_then(address);
        local.is_some() && local == address(description)
    }

    /// Adds the page's lines.
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

/// Returns the session description in a body, if it is one.
#[must_use]
pub fn sdp_text(body: &Body) -> Option<String> {
    let kind = body.content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/sdp").then(|| String::from_utf8_lossy(&body.octets).into_owned())
}
