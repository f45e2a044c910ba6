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
                Some(known) => CryptoAttribute { tag: remote.tag, ..known.clone() },
                None => CryptoAttribute::generate(remote.tag, remote.suite, random),
            };
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
        if let [remote, ..] = answer.crypto.as_slice() {
            let same = |ours: &&CryptoAttribute| ours.tag == remote.tag && ours.suite == remote.suite;
            let local = offered.crypto.iter().find(same).filter(|_| remote.is_acceptable())?.clone();
            return Some(Security::Sdes { local, remote: remote.clone() });
        }
        let may_be_plain = self != Self::Require && !offered.profile.is_secure() && !answer.profile.is_secure();
        may_be_plain.then_some(Security::Plain)
    }
}

/// Of the keys that a peer offers, the one whose suite the relay prefers.
#[must_use]
pub fn choose(offered: &[CryptoAttribute]) -> Option<&CryptoAttribute> {
    offered.iter().filter(|attribute| attribute.is_acceptable()).min_by_key(|attribute| attribute.suite)
}
