//! Passwords and verifiers: strings that are redacted in `Debug` output.

use super::{Algorithm, Hash};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A password or an equivalent secret. `Debug` does not print it. It is serialized only inside state that is encrypted
/// as a whole ([`offhook_secret`]).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(#[serde(serialize_with = "offhook_secret::serialize")] String);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
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

/// The user name and password of a user. The realm comes from the challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The user name, which may differ from the user part of the address of record.
    pub username: String,
    /// The password.
    pub password: Secret,
}

impl Login {
    /// Creates a login.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: Secret::new(password) }
    }

    /// Returns a verifier for it.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier::Password(self.password.clone())
    }
}

/// The data that a server verifies a user's credentials with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verifier {
    /// The password, which works with every algorithm.
    Password(Secret),
    /// `H(username:realm:password)` in hexadecimal digits (RFC 7616 §3.4.2), which works with one hash function and one
    /// realm.
    Ha1 {
        /// The hash function that it was computed with.
        hash: Hash,
        /// The digits.
        digits: Secret,
    },
}

impl Verifier {
    /// Returns whether credentials with this algorithm can be verified.
    #[must_use]
    pub fn is_good_for(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Password(_) => true,
            Self::Ha1 { hash, .. } => *hash == algorithm.hash(),
        }
    }

    /// Returns `H(username:realm:password)`, or `None` if this verifier uses another hash function.
    pub(super) fn ha1(&self, hash: Hash, username: &str, realm: &str) -> Option<String> {
        match self {
            Self::Password(password) => Some(hash.of_parts(&[username, realm, password.reveal()])),
            Self::Ha1 { hash: made_with, digits } if *made_with == hash => Some(digits.reveal().to_ascii_lowercase()),
            Self::Ha1 { .. } => None,
        }
    }
}

/// Compares two texts in constant time for equal lengths.
pub(super) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0_u8, |all, (a, b)| core::hint::black_box(all | (a ^ b)));
    a.len() == b.len() && differences == 0
}
