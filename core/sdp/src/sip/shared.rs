//! The ICE and DTLS transport of a SIP endpoint that uses WebRTC, which the bundled sections share.

use super::{Dtls, SipDescription, SipSection, choose};
use crate::webrtc::IceCredentials;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Transport attributes of the section that defines the transport of the bundle (the tagged section, RFC 8843 §2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedTransport {
    /// The author's ICE credentials.
    pub ice: IceCredentials,
    /// The author's certificate fingerprint and DTLS role.
    pub dtls: Dtls,
    /// RTP and RTCP are multiplexed. Otherwise RTCP cannot be exchanged on this transport.
    pub rtcp_mux: bool,
    /// Index of the tagged section.
    index: usize,
}

/// The reason why the relay cannot establish a WebRTC transport with the author of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// DTLS without ICE. ICE is necessary, because the relay uses one port for all legs and identifies a leg by its ICE
    /// credentials.
    NoIce,
    /// The author is ICE-lite like the relay, so neither would send connectivity checks.
    BothLite,
    /// There is no fingerprint with a supported hash.
    NoFingerprint,
}

impl Unfit {
    /// Returns a SIP reason phrase.
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
    /// Returns whether the SRTP keys are negotiated by DTLS. Normally, the profile states this. Early WebRTC endpoints
    /// wrote RTP/SAVP or RTP/SAVPF, so that DTLS is derived from the attributes for these profiles.
    fn uses_dtls(&self) -> bool {
        let has_no_keys = choose(&self.crypto).is_none();
        let is_implied = self.profile.is_secure() && self.dtls.is_some() && (self.ice.is_some() || has_no_keys);
        self.profile.is_dtls() || is_implied
    }
}

impl SipDescription {
    /// Returns the transport of the first section in use if it is DTLS-SRTP; `None` for RTP and SDES-SRTP.
    ///
    /// # Errors
    ///
    /// Returns an error if the relay cannot be the peer of this transport.
    pub fn shared_transport(&self) -> Result<Option<SharedTransport>, Unfit> {
        let mut used = self.sections.iter().enumerate().filter(|(_, section)| section.is_usable());
        let Some((index, section)) = used.find(|(_, section)| !section.bundle_only) else { return Ok(None) };
        if !section.uses_dtls() {
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

    /// Returns whether the section at `index` uses `transport`: it is the tagged section or bundled with it.
    #[must_use]
    pub fn shares(&self, transport: &SharedTransport, index: usize) -> bool {
        let is_bundled = |index: usize| {
            let section = self.sections.get(index);
            section.is_some_and(|section| section.is_usable() && self.bundle.contains(&section.section.mid))
        };
        index == transport.index || is_bundled(index) && is_bundled(transport.index)
    }
}
