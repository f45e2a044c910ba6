//! Secrets at rest: what holds keys is saved only through here (AES-256-GCM, NIST SP 800-38D).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use core::fmt;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

/// The key of the operator that secrets are saved under.
pub struct SealingKey(LessSafeKey);

/// A secret under a [`SealingKey`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    nonce: [u8; 12],
    text: Vec<u8>,
}

/// A seal that was made with another key, for another thing, or changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsealable;

impl fmt::Display for Unsealable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the saved state cannot be opened: it was saved under another key, or damaged; \
             start with the key it was saved under, or without saved state",
        )
    }
}

impl core::error::Error for Unsealable {}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} octets)", self.text.len())
    }
}

impl SealingKey {
    /// A key of 256 bits, which must be secret.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "the only error is a key of another length")]
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("a key of 32 octets");
        Self(LessSafeKey::new(key))
    }

    /// Seals `secret`, which opens again only as what `name` names. `rng` must not have been seeded as before.
    pub(crate) fn seal(&self, secret: &[u8], name: &str, rng: &mut impl Rng) -> Sealed {
        let mut nonce = [0; 12];
        rng.fill_bytes(&mut nonce);
        let mut text = secret.to_vec();
        let aad = Aad::from(name.as_bytes());
        #[expect(clippy::expect_used, reason = "the only error is a text of more than 2^36 octets")]
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .expect("a secret of a few octets");
        Sealed { nonce, text }
    }

    /// The secret.
    pub(crate) fn open(&self, sealed: &Sealed, name: &str) -> Result<Vec<u8>, Unsealable> {
        let mut text = sealed.text.clone();
        let aad = Aad::from(name.as_bytes());
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let length = self.0.open_in_place(nonce, aad, &mut text).map_err(|_| Unsealable)?.len();
        text.truncate(length);
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
