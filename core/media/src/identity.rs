//! The relay's DTLS certificate.

use crate::seal::{Sealed, SealingKey, Unsealable};
use aws_lc_rs::{digest, signature};
use core::fmt;
use offhook_sdp::webrtc::{Fingerprint, FingerprintHash};
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A certificate with its private key, created by the shell at start and shared by all legs.
#[derive(Clone)]
pub struct DtlsIdentity {
    certificate: Arc<[u8]>,
    private_key: Arc<[u8]>,
}

/// A [`DtlsIdentity`] in saved form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedIdentity {
    certificate: Vec<u8>,
    private_key: Sealed,
}

/// The name under which the private key is sealed.
const SEAL_NAME: &str = "private key of the DTLS certificate";

impl SavedIdentity {
    pub(crate) fn open(&self, key: &SealingKey) -> Result<DtlsIdentity, Unsealable> {
        let private_key = key.open(&self.private_key, SEAL_NAME)?;
        DtlsIdentity::from_der(&self.certificate, &private_key).map_err(|_| Unsealable)
    }
}

/// The reason why a certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// The private key is not a PKCS#8 ECDSA key on the curve P-256 or P-384.
    UnsupportedKey,
    /// The certificate is empty.
    NoCertificate,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnsupportedKey => "the private key is not a PKCS#8 ECDSA key on P-256 or P-384",
            Self::NoCertificate => "the certificate is empty",
        })
    }
}

impl core::error::Error for IdentityError {}

impl DtlsIdentity {
    /// Creates an identity from an X.509 certificate and its PKCS#8 private key, both in DER.
    ///
    /// # Errors
    ///
    /// If the certificate is empty, or the DTLS implementation does not support the type of the key.
    pub fn from_der(certificate: &[u8], private_key: &[u8]) -> Result<Self, IdentityError> {
        if certificate.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let algorithms = [&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &signature::ECDSA_P384_SHA384_ASN1_SIGNING];
        if !algorithms.iter().any(|a| signature::EcdsaKeyPair::from_pkcs8(a, private_key).is_ok()) {
            return Err(IdentityError::UnsupportedKey);
        }
        Ok(Self { certificate: certificate.into(), private_key: private_key.into() })
    }

    /// The fingerprint for the session description (RFC 8122 §5).
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint_of(&self.certificate)
    }

    pub(crate) fn save(&self, key: &SealingKey, rng: &mut impl Rng) -> SavedIdentity {
        SavedIdentity {
            certificate: self.certificate.to_vec(),
            private_key: key.seal(&self.private_key, SEAL_NAME, rng),
        }
    }

    pub(crate) fn for_dtls(&self) -> dimpl::DtlsCertificate {
        dimpl::DtlsCertificate { certificate: self.certificate.to_vec(), private_key: self.private_key.to_vec() }
    }
}

impl fmt::Debug for DtlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DtlsIdentity({:?})", self.fingerprint())
    }
}

/// The SHA-256 fingerprint of a DER certificate.
fn fingerprint_of(certificate: &[u8]) -> Fingerprint {
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(digest::digest(&digest::SHA256, certificate).as_ref()) {
        *to = *from;
    }
    Fingerprint::sha256(hash)
}

/// Whether a DER certificate has this fingerprint.
pub(crate) fn has_fingerprint(certificate: &[u8], fingerprint: &Fingerprint) -> bool {
    let algorithm = match fingerprint.hash() {
        FingerprintHash::Sha256 => &digest::SHA256,
        FingerprintHash::Sha384 => &digest::SHA384,
        FingerprintHash::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, certificate).as_ref() == fingerprint.octets()
}

#[cfg(test)]
mod tests;
