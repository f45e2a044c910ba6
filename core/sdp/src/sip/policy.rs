//! SRTP policy of SIP legs: the profile and keys that the relay offers, and its response to offers and answers.
//!
//! | policy | offers | accepts RTP/AVP | accepts RTP/AVP with keys | accepts RTP/SAVP | accepts UDP/TLS/RTP/SAVPF |
//! |---|---|---|---|---|---|
//! | `Off` | RTP/AVP | yes | in the clear | no | no |
//! | `Offer` | RTP/AVP with keys (RFC 8643) | yes | encrypted | yes | yes |
//! | `Require` | RTP/SAVP | no | encrypted | yes | yes |
//!
//! An offer of optional SRTP has one m-line with keys under RTP/AVP, because phones without SRTP ignore `a=crypto`. The
//! alternatives are less compatible: many phones treat two m-lines as two streams, or do not support capability
//! negotiation (RFC 5939).

use super::{CryptoAttribute, Dtls, RtpProfile, SipSection, Suite};
use crate::codec::MediaKind;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// The operator's SRTP policy for SIP peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SrtpPolicy {
    /// SRTP is never used.
    #[default]
    Off,
    /// SRTP is used if the peer supports it.
    Offer,
    /// SRTP is mandatory; calls without it are refused.
    Require,
}

/// The negotiated protection of one section's media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// RTP without encryption.
    Plain,
    /// SRTP with keys in the descriptions (RFC 4568).
    Sdes {
        /// Parameters of the SRTP that the relay sends.
        local: CryptoAttribute,
        /// Parameters of the SRTP that the peer sends.
        remote: CryptoAttribute,
    },
    /// DTLS-SRTP (RFC 5763).
    Dtls(Dtls),
}

impl Security {
    /// Returns the `a=crypto` lines of an answer.
    #[must_use]
    pub fn crypto(&self) -> Vec<CryptoAttribute> {
        match self {
            Self::Sdes { local, .. } => vec![local.clone()],
            Self::Plain | Self::Dtls(_) => Vec::new(),
        }
    }
}

impl SrtpPolicy {
    /// Returns the profile and the keys of a section that the relay offers. The session's existing keys, `known`, are reused,
    /// because a new key would make the peer restart SRTP (RFC 4568 §7.1.4).
    #[must_use]
    pub fn offer(self, known: &[CryptoAttribute], random: &mut impl CryptoRng) -> (RtpProfile, Vec<CryptoAttribute>) {
        const OFFERED: [Suite; 3] = [Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1Tag80, Suite::AesCm128HmacSha1Tag32];
        let mut keys = || {
            if known.is_empty() {
                (1..).zip(OFFERED).map(|(tag, suite)| CryptoAttribute::generate(tag, suite, random)).collect()
            } else {
                known.to_vec()
            }
        };
        match self {
            Self::Off => (RtpProfile::Avp, Vec::new()),
            Self::Offer => (RtpProfile::Avp, keys()),
            Self::Require => (RtpProfile::Savp, keys()),
        }
    }

    /// Selects the protection for an offered section; `None` means that the section is refused. The answer's profile is that
    /// of the offer (RFC 3264 §6). The session's existing key, `known`, is reused if the suite is the same.
    #[must_use]
    pub fn answer(
        self,
        offered: &SipSection,
        known: Option<&CryptoAttribute>,
        random: &mut impl CryptoRng,
    ) -> Option<Security> {
        let sdes = |random| {
            let remote = choose(&offered.crypto)?.clone();
            let local = match known.filter(|known| known.suite == remote.suite) {
                Some(known) => known.clone(),
                None => CryptoAttribute::generate(remote.tag, remote.suite, random),
            };
            // A peer that sends an MKI expects one in the packets that it receives.
            let local = CryptoAttribute { tag: remote.tag, mki: remote.mki, ..local };
            Some(Security::Sdes { local, remote })
        };
        match (&offered.profile, self) {
            (RtpProfile::Avp | RtpProfile::Avpf, Self::Off) => Some(Security::Plain),
            (RtpProfile::Avp | RtpProfile::Avpf, Self::Offer) => Some(sdes(random).unwrap_or(Security::Plain)),
            (RtpProfile::Avp | RtpProfile::Avpf, Self::Require) => sdes(random),
            (RtpProfile::Savp | RtpProfile::Savpf, Self::Offer | Self::Require) => sdes(random),
            (RtpProfile::UdpTlsSavp | RtpProfile::UdpTlsSavpf, Self::Offer | Self::Require) => {
                offered.dtls.map(Security::Dtls)
            }
            (RtpProfile::Savp | RtpProfile::Savpf | RtpProfile::UdpTlsSavp | RtpProfile::UdpTlsSavpf, Self::Off)
            | (RtpProfile::Other(_), _) => None,
        }
    }

    /// Determines the protection from a section of the peer's answer to the relay's offer. Returns `None` if the
    /// section is not acceptable: it is unencrypted although SRTP is mandatory, has no key of an offered suite
    /// (RFC 4568 §5.1.3), or uses DTLS that was not offered.
    #[must_use]
    pub fn answered(self, offered: &SipSection, answer: &SipSection) -> Option<Security> {
        if answer.profile.is_dtls() {
            return answer.dtls.filter(|_| offered.dtls.is_some()).map(Security::Dtls);
        }
        if !answer.crypto.is_empty() {
            let (local, remote) = agreed_keys(&offered.crypto, &answer.crypto)?;
            return Some(Security::Sdes { local: local.clone(), remote: remote.clone() });
        }
        let may_be_plain = self != Self::Require && !offered.profile.is_secure() && !answer.profile.is_secure();
        may_be_plain.then_some(Security::Plain)
    }
}

/// Matches an answered key to an offered one by its tag (RFC 4568 §5.1.3). Some answerers renumber their keys.
/// Such a key is matched by its suite, if exactly one key of that suite was offered.
fn agreed_keys<'a>(
    offered: &'a [CryptoAttribute],
    answered: &'a [CryptoAttribute],
) -> Option<(&'a CryptoAttribute, &'a CryptoAttribute)> {
    let of_suite = |suite: Suite| offered.iter().filter(move |local| local.suite == suite);
    let by_tag = |remote: &CryptoAttribute| of_suite(remote.suite).find(|local| local.tag == remote.tag);
    let by_suite =
        |remote: &CryptoAttribute| of_suite(remote.suite).next().filter(|_| of_suite(remote.suite).count() == 1);
    let usable = || answered.iter().filter(|remote| remote.is_acceptable());
    let tagged = usable().find_map(|remote| Some((by_tag(remote)?, remote)));
    tagged.or_else(|| usable().find_map(|remote| Some((by_suite(remote)?, remote))))
}

/// Refuses RTP sections if an SRTP section of the same media kind is accepted. Some phones with optional encryption
/// offer one stream as two alternative sections, RTP/SAVP and RTP/AVP.
pub fn refuse_plain_alternatives(offered: &[SipSection], security: &mut [Option<Security>]) {
    let is_secure = |section: &SipSection| section.profile.is_secure();
    let accepted = offered
        .iter()
        .zip(security.iter())
        .filter(|(section, security)| is_secure(section) && !section.section.rejected && security.is_some());
    let secured: Vec<MediaKind> = accepted.map(|(section, _)| section.section.kind).collect();
    for (section, security) in offered.iter().zip(security) {
        if !is_secure(section) && secured.contains(&section.section.kind) {
            *security = None;
        }
    }
}

/// Selects the key with the most preferred suite among those offered by a peer, preferably one without an MKI.
#[must_use]
pub fn choose(offered: &[CryptoAttribute]) -> Option<&CryptoAttribute> {
    let usable = offered.iter().filter(|attribute| attribute.is_acceptable());
    usable.min_by_key(|attribute| (attribute.suite, attribute.mki.is_some()))
}
