//! Which way a SIP leg's media are protected: what the relay offers, and what it makes of offers and answers.
//!
//! | policy | offers | takes RTP/AVP | takes RTP/AVP with keys | takes RTP/SAVP | takes UDP/TLS/RTP/SAVPF |
//! |---|---|---|---|---|---|
//! | `Off` | RTP/AVP | yes | in the clear | no | no |
//! | `Offer` | RTP/AVP with keys (RFC 8643) | yes | encrypted | yes | yes |
//! | `Require` | RTP/SAVP | no | encrypted | yes | yes |
//!
//! One m-line with keys under RTP/AVP is what reaches every phone: those that know no SRTP skip `a=crypto`, while two
//! m-lines for one stream, or capability negotiation (RFC 5939), are read as two streams or not at all.

use super::{CryptoAttribute, Dtls, Profile, SipSection, Suite};
use crate::codec::MediaKind;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// What an operator wants of SRTP toward SIP peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SrtpPolicy {
    /// None, ever.
    #[default]
    Off,
    /// Where the peer can.
    Offer,
    /// Always, or there is no call.
    Require,
}

/// How one section's media are protected, once that is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// Not at all.
    Plain,
    /// By keys in the descriptions (RFC 4568).
    Sdes {
        /// What the relay sends with.
        local: CryptoAttribute,
        /// What the peer sends with.
        remote: CryptoAttribute,
    },
    /// By DTLS (RFC 5763).
    Dtls(Dtls),
}

impl Security {
    /// The `a=crypto` lines of an answer.
    #[must_use]
    pub fn crypto(&self) -> Vec<CryptoAttribute> {
        match self {
            Self::Sdes { local, .. } => vec![local.clone()],
            Self::Plain | Self::Dtls(_) => Vec::new(),
        }
    }
}

impl SrtpPolicy {
    /// The profile and the keys of a section that the relay offers. With `known`, keys of this session so far, they
    /// stay: a new key would make the peer begin anew (RFC 4568 §7.1.4).
    #[must_use]
    pub fn offer(self, known: &[CryptoAttribute], random: &mut impl CryptoRng) -> (Profile, Vec<CryptoAttribute>) {
        const OFFERED: [Suite; 3] = [Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1Tag80, Suite::AesCm128HmacSha1Tag32];
        let mut keys = || {
            if known.is_empty() {
                (1..).zip(OFFERED).map(|(tag, suite)| CryptoAttribute::generate(tag, suite, random)).collect()
            } else {
                known.to_vec()
            }
        };
        match self {
            Self::Off => (Profile::Avp, Vec::new()),
            Self::Offer => (Profile::Avp, keys()),
            Self::Require => (Profile::Savp, keys()),
        }
    }

    /// What to answer to an offered section; `None` is port 0. The answer's profile is that of the offer (RFC 3264 §6).
    /// The key in `known` goes on if the suite stays.
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
            // A peer whose packets carry an MKI expects one in those that it receives.
            let local = CryptoAttribute { tag: remote.tag, mki: remote.mki, ..local };
            Some(Security::Sdes { local, remote })
        };
        match (&offered.profile, self) {
            (Profile::Avp | Profile::Avpf, Self::Off) => Some(Security::Plain),
            (Profile::Avp | Profile::Avpf, Self::Offer) => Some(sdes(random).unwrap_or(Security::Plain)),
            (Profile::Avp | Profile::Avpf, Self::Require) => sdes(random),
            (Profile::Savp | Profile::Savpf, Self::Offer | Self::Require) => sdes(random),
            (Profile::UdpTlsSavp | Profile::UdpTlsSavpf, Self::Offer | Self::Require) => {
                offered.dtls.map(Security::Dtls)
            }
            (Profile::Savp | Profile::Savpf | Profile::UdpTlsSavp | Profile::UdpTlsSavpf, Self::Off)
            | (Profile::Other(_), _) => None,
        }
    }

    /// What a section of the peer's answer means for what the relay offered there; `None` when it cannot be: in the clear
    /// where that is forbidden, or with a key for no offered suite (RFC 4568 §5.1.3).
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

/// The offered key and the answered one that go together. The tag says which (RFC 4568 §5.1.3); answerers exist that number
/// their keys anew, and then the suite does, where one key of that suite was offered.
fn agreed_keys<'a>(
    offered: &'a [CryptoAttribute],
    answered: &'a [CryptoAttribute],
) -> Option<(&'a CryptoAttribute, &'a CryptoAttribute)> {
    let of_suite = |suite: Suite| offered.iter().filter(move |ours| ours.suite == suite);
    let by_tag = |remote: &CryptoAttribute| of_suite(remote.suite).find(|ours| ours.tag == remote.tag);
    let by_suite =
        |remote: &CryptoAttribute| of_suite(remote.suite).next().filter(|_| of_suite(remote.suite).count() == 1);
    let usable = || answered.iter().filter(|remote| remote.is_acceptable());
    let tagged = usable().find_map(|remote| Some((by_tag(remote)?, remote)));
    tagged.or_else(|| usable().find_map(|remote| Some((by_suite(remote)?, remote))))
}

/// Takes one of alternative sections: phones with optional encryption offer the same microphone once under RTP/SAVP and once
/// under RTP/AVP, and do not mean two streams. Where a secure section of a kind is taken, plain ones of that kind are not.
pub fn refuse_plain_alternatives(offered: &[SipSection], security: &mut [Option<Security>]) {
    let is_secure = |section: &SipSection| section.profile.is_secure();
    let taken = offered
        .iter()
        .zip(security.iter())
        .filter(|(section, security)| is_secure(section) && !section.section.rejected && security.is_some());
    let secured: Vec<MediaKind> = taken.map(|(section, _)| section.section.kind).collect();
    for (section, security) in offered.iter().zip(security) {
        if !is_secure(section) && secured.contains(&section.section.kind) {
            *security = None;
        }
    }
}

/// Of the keys that a peer offers, the one whose suite the relay prefers, without an MKI if there is one.
#[must_use]
pub fn choose(offered: &[CryptoAttribute]) -> Option<&CryptoAttribute> {
    let usable = offered.iter().filter(|attribute| attribute.is_acceptable());
    usable.min_by_key(|attribute| (attribute.suite, attribute.mki.is_some()))
}
