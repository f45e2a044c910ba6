//! SRTP contexts in saved form: master keys are sealed, packet indexes are plain.

use super::windows::Windows;
use super::{BadKeyLength, Cipher, Inbound, Outbound, Profile, Window};
use crate::seal::{Sealed, SealingKey, Unsealable};
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The master key and salt of one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedCipher {
    profile: Profile,
    master: Sealed,
    mki: Vec<u8>,
}

impl SavedCipher {
    fn new(cipher: &Cipher, name: &str, key: &SealingKey, rng: &mut impl Rng) -> Self {
        let master = [cipher.master.key.as_slice(), &cipher.master.salt].concat();
        let mki = cipher.master.mki.clone();
        Self { profile: cipher.master.profile, master: key.seal(&master, name, rng), mki }
    }

    fn restore(&self, name: &str, key: &SealingKey) -> Result<Cipher, Unsealable> {
        let master = key.open(&self.master, name)?;
        let (length, _) = self.profile.lengths();
        let (key, salt) = master.split_at_checked(length).ok_or(Unsealable)?;
        let mut cipher = Cipher::new(self.profile, key, salt).map_err(|BadKeyLength| Unsealable)?;
        cipher.master.mki.clone_from(&self.mki);
        Ok(cipher)
    }
}

/// An [`Inbound`] in saved form, including its replay windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedInbound {
    cipher: SavedCipher,
    rtp: BTreeMap<u32, Window>,
    rtcp: BTreeMap<u32, Window>,
}

/// An [`Outbound`] in saved form, with its packet indexes, so that none is used twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedOutbound {
    cipher: SavedCipher,
    rtp: BTreeMap<u32, Window>,
    rtcp_index: u32,
}

impl Inbound {
    /// Returns the context in saved form. `name` must be unique among all sealed secrets.
    pub(crate) fn save(&self, name: &str, key: &SealingKey, rng: &mut impl Rng) -> SavedInbound {
        let cipher = SavedCipher::new(&self.cipher, &format!("{name} rx"), key, rng);
        SavedInbound { cipher, rtp: self.rtp.to_map(), rtcp: self.rtcp.to_map() }
    }

    pub(crate) fn restore(saved: SavedInbound, name: &str, key: &SealingKey) -> Result<Self, Unsealable> {
        let cipher = saved.cipher.restore(&format!("{name} rx"), key)?;
        Ok(Self { cipher, rtp: Windows::from_map(saved.rtp), rtcp: Windows::from_map(saved.rtcp) })
    }
}

impl Outbound {
    /// Returns the context in saved form. `name` must be unique among all sealed secrets.
    pub(crate) fn save(&self, name: &str, key: &SealingKey, rng: &mut impl Rng) -> SavedOutbound {
        let cipher = SavedCipher::new(&self.cipher, &format!("{name} tx"), key, rng);
        SavedOutbound { cipher, rtp: self.rtp.to_map(), rtcp_index: self.rtcp_index }
    }

    pub(crate) fn restore(saved: SavedOutbound, name: &str, key: &SealingKey) -> Result<Self, Unsealable> {
        let cipher = saved.cipher.restore(&format!("{name} tx"), key)?;
        Ok(Self { cipher, rtp: Windows::from_map(saved.rtp), rtcp_index: saved.rtcp_index })
    }
}
