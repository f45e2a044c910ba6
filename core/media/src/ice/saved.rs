//! ICE credentials and agents in saved form: passwords are sealed, the rest is plain.

use super::agent::{LiteAgent, Pair};
use crate::seal::{Sealed, SealingKey, Unsealable};
use offhook_clock::Time;
use offhook_sdp::webrtc::IceCredentials;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

/// [`IceCredentials`] in saved form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedCredentials {
    ufrag: String,
    pwd: Sealed,
}

impl SavedCredentials {
    /// Seals the password. `name` must be unique among all sealed secrets.
    pub(crate) fn new(ice: IceCredentials, name: &str, key: &SealingKey, rng: &mut impl Rng) -> Self {
        Self { ufrag: ice.ufrag, pwd: key.seal(ice.pwd.as_bytes(), name, rng) }
    }

    pub(crate) fn open(self, name: &str, key: &SealingKey) -> Result<IceCredentials, Unsealable> {
        let pwd = String::from_utf8(key.open(&self.pwd, name)?).map_err(|_| Unsealable)?;
        Ok(IceCredentials { ufrag: self.ufrag, pwd })
    }
}

/// A [`LiteAgent`] in saved form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedAgent {
    local: SavedCredentials,
    pairs: Vec<Pair>,
    nominated: Option<Pair>,
    is_outdated: bool,
    checked: Option<Pair>,
    last_check: Option<Time>,
}

impl LiteAgent {
    /// Returns the agent in saved form. `name` must be unique among all sealed secrets.
    pub(crate) fn save(self, name: &str, key: &SealingKey, rng: &mut impl Rng) -> SavedAgent {
        let Self { local, pairs, nominated, is_outdated, checked, last_check } = self;
        let local = SavedCredentials::new(local, name, key, rng);
        SavedAgent { local, pairs, nominated, is_outdated, checked, last_check }
    }

    pub(crate) fn restore(saved: SavedAgent, name: &str, key: &SealingKey) -> Result<Self, Unsealable> {
        let SavedAgent { local, pairs, nominated, is_outdated, checked, last_check } = saved;
        Ok(Self { local: local.open(name, key)?, pairs, nominated, is_outdated, checked, last_check })
    }
}
