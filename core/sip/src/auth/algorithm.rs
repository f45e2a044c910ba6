//! Hash algorithms and quality-of-protection values of digest authentication (RFC 7616, RFC 8760).

use core::fmt;
use core::str::FromStr;
use hmac::digest::Digest;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Sha256, Sha512_256};

/// A hash function. Variants are ordered by strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hash {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256 (FIPS 180-4), which is not a truncated SHA-512.
    Sha512_256,
}

impl Hash {
    /// Returns the hash of `text` in lower-case hexadecimal digits.
    #[must_use]
    pub fn of(self, text: &[u8]) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Sha512_256 => hex(&Sha512_256::digest(text)),
        }
    }

    /// Returns the hash of `parts` joined by colons: the `KD` and `H` functions of RFC 7616 §3.3 are used only in this
    /// form.
    #[must_use]
    pub fn of_parts(self, parts: &[&str]) -> String {
        self.of(parts.join(":").as_bytes())
    }
}

/// Returns `octets` in lower-case hexadecimal digits.
pub(super) fn hex(octets: &[u8]) -> String {
    use fmt::Write as _;
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut digits, octet| {
        let _ = write!(digits, "{octet:02x}");
        digits
    })
}

/// The `algorithm` parameter (RFC 7616 §3.3, RFC 8760 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// `MD5`, the default of a challenge without the parameter.
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`.
    Sha512_256,
    /// `SHA-512-256-sess`.
    Sha512_256Sess,
}

impl Algorithm {
    const ALL: [Self; 6] =
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess, Self::Sha512_256, Self::Sha512_256Sess];

    /// Returns the value of the parameter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// Returns the hash function.
    #[must_use]
    pub const fn hash(self) -> Hash {
        match self {
            Self::Md5 | Self::Md5Sess => Hash::Md5,
            Self::Sha256 | Self::Sha256Sess => Hash::Sha256,
            Self::Sha512_256 | Self::Sha512_256Sess => Hash::Sha512_256,
        }
    }

    /// Returns whether the key is bound to both nonces (RFC 7616 §3.4.2).
    #[must_use]
    pub const fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = super::AuthError;

    fn from_str(name: &str) -> Result<Self, super::AuthError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| super::AuthError::Unsupported(format!("algorithm {name}")))
    }
}

/// Quality of protection (RFC 7616 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Qop {
    /// Protects the method and the URI.
    Auth,
    /// Protects the method, the URI and the body.
    AuthInt,
}

impl Qop {
    /// Returns the value of the parameter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

impl fmt::Display for Qop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Qop {
    type Err = super::AuthError;

    fn from_str(name: &str) -> Result<Self, super::AuthError> {
        let found = [Self::Auth, Self::AuthInt].into_iter().find(|qop| qop.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| super::AuthError::Unsupported(format!("qop {name}")))
    }
}
