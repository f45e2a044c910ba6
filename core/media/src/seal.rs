//! Encryption of saved secrets (AES-256-GCM, NIST SP 800-38D). Keys, and the state of the call model, are saved only in
//! this form.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use core::fmt;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

/// The operator's key that encrypts saved secrets.
pub struct SealingKey(LessSafeKey);

/// A secret encrypted with a [`SealingKey`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    nonce: [u8; 12],
    text: Vec<u8>,
}

/// The error for a sealed secret that cannot be decrypted: it was sealed with another key or another name, or was
/// changed.
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
    /// Creates a key from 256 secret bits.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "the only error is a key of another length")]
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("a key of 32 octets");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts `secret`; it can only be decrypted with the same `name`. `rng` must never be seeded with the same value
    /// again, because a nonce must not be used twice with a key.
    #[must_use]
    pub fn seal(&self, secret: &[u8], name: &str, rng: &mut impl Rng) -> Sealed {
        let mut nonce = [0; 12];
        rng.fill_bytes(&mut nonce);
        let mut text = secret.to_vec();
        let aad = Aad::from(name.as_bytes());
        #[expect(clippy::expect_used, reason = "the only error is a text of more than 2^36 octets")]
        self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text).expect("a shorter text");
        Sealed { nonce, text }
    }

    /// Decrypts a secret.
    ///
    /// # Errors
    ///
    /// If it was sealed with another key or name, or changed.
    pub fn open(&self, sealed: &Sealed, name: &str) -> Result<Vec<u8>, Unsealable> {
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
