//! The one transport of a SIP endpoint that is WebRTC itself: ICE and DTLS, with its sections bundled on it.

use super::{Description, Dtls, SipSection, choose};
use crate::webrtc::IceCredentials;
use core::fmt;
use serde::{Deserialize, Serialize};

/// What the section says that has the transport (RFC 8843 §2: the tagged one).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedTransport {
    /// The writer's credentials.
    pub ice: IceCredentials,
    /// Its certificate, and its DTLS role.
    pub dtls: Dtls,
    /// RTCP shares RTP's port; without, there is no place for it here.
    pub rtcp_mux: bool,
    /// Which section it is.
    index: usize,
}

/// Why the relay cannot speak WebRTC with who wrote a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// DTLS at a plain address: the relay has one port for all, and finds the leg by its ICE credentials.
    NoIce,
    /// The writer is ICE-lite as the relay is: neither would check.
    BothLite,
    /// No fingerprint by a hash that is known.
    NoFingerprint,
}

impl Unfit {
    /// As a reason phrase.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoIce => "DTLS-SRTP Needs ICE Here",
            Self::BothLite => "Two ICE-lite Agents Cannot Meet",
            Self::NoFingerprint => "No SHA-256, SHA-384 or SHA-512 Fingerprint",
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for Unfit {}

impl SipSection {
    /// Whether its keys are to come from DTLS: by its profile, or, where that says no more than SRTP as WebRTC's did at
    /// first, by what stands below.
    fn asks_for_dtls(&self) -> bool {
        let has_no_keys = choose(&self.crypto).is_none();
        let is_implied = self.profile.is_secure() && self.dtls.is_some() && (self.ice.is_some() || has_no_keys);
        self.profile.is_dtls() || is_implied
    }
}

impl Description {
    /// The transport of its first section in use, if DTLS keys that one; `None` for RTP and SDES-SRTP.
    ///
    /// # Errors
    ///
    /// When the relay cannot be at the other end of it.
    pub fn shared_transport(&self) -> Result<Option<SharedTransport>, Unfit> {
        let mut used = self.sections.iter().enumerate().filter(|(_, section)| section.is_usable());
        let Some((index, section)) = used.find(|(_, section)| !section.bundle_only) else { return Ok(None) };
        if !section.asks_for_dtls() {
            return Ok(None);
        }
        let dtls = section.dtls.ok_or(Unfit::NoFingerprint)?;
        let ice = section.ice.as_ref().ok_or(Unfit::NoIce)?;
        if ice.lite {
            return Err(Unfit::BothLite);
        }
        let (ice, rtcp_mux) = (ice.credentials.clone(), section.rtcp_mux);
        Ok(Some(SharedTransport { ice, dtls, rtcp_mux, index }))
    }

    /// Whether the section at `index` goes by `transport`: it is the one that has it, or is bundled with that one.
    #[must_use]
    pub fn shares(&self, transport: &SharedTransport, index: usize) -> bool {
        let is_bundled = |index: usize| {
            let section = self.sections.get(index);
            section.is_some_and(|section| section.is_usable() && self.bundle.contains(&section.section.mid))
        };
        index == transport.index || is_bundled(index) && is_bundled(transport.index)
    }
}
