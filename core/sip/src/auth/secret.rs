//! What must not be seen.

use super::{Algorithm, Hash};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A password, or what is as good as one. It is not printed. It is saved as it is: a saved machine that holds one is to be
/// encrypted as a whole.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The name and password of a user. The realm is said by whoever challenges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The name, which need not be the user part of the address of record.
    pub username: String,
    /// The password.
    pub password: Secret,
}

impl Login {
    /// A login.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: Secret::new(password) }
    }

    /// What verifies it.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier::Password(self.password.clone())
    }
}

/// What a server keeps to verify a user by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verifier {
    /// The password: good for every algorithm.
    Password(Secret),
    /// `H(username:realm:password)` in hexadecimal digits (RFC 7616 §3.4.2): good for one hash function and one realm.
    Ha1 {
        /// The hash function it was made with.
        hash: Hash,
        /// The digits.
        digits: Secret,
    },
}

impl Verifier {
    /// Whether digests of this algorithm can be verified by it.
    #[must_use]
    pub fn is_good_for(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Password(_) => true,
            Self::Ha1 { hash, .. } => *hash == algorithm.hash(),
        }
    }

    /// `H(username:realm:password)`; none where this verifier is of another hash function.
    pub(super) fn ha1(&self, hash: Hash, username: &str, realm: &str) -> Option<String> {
        match self {
            Self::Password(password) => Some(hash.of_parts(&[username, realm, password.reveal()])),
            Self::Ha1 { hash: made_with, digits } if *made_with == hash => Some(digits.reveal().to_ascii_lowercase()),
            Self::Ha1 { .. } => None,
        }
    }
}

/// Equality in a time that tells nothing about where two texts of the same length differ.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0_u8, |all, (a, b)| core::hint::black_box(all | (a ^ b)));
    a.len() == b.len() && differences == 0
}
