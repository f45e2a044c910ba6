//! Keys for the verification of tokens. Each key has one algorithm.

use core::fmt;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// The least length of a secret, in octets: that of the hash (RFC 7518 §3.2).
pub(crate) const LEAST_SECRET: usize = 32;
/// The least length of an RSA modulus, in octets: 2048 bits (RFC 7518 §3.3).
const LEAST_RSA: usize = 256;
/// The length of an uncompressed point of P-256.
const P256_POINT: usize = 65;
/// The length of an Ed25519 key.
const ED25519_KEY: usize = 32;

/// A key and its algorithm.
#[derive(Clone)]
pub struct VerificationKey {
    algorithm: Algorithm,
    key: DecodingKey,
    id: Option<String>,
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey({:?})", self.algorithm)
    }
}

impl VerificationKey {
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        Self { algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret), id: None }
    }

    /// Returns the name of its algorithm in the header of tokens (RFC 7518 §3.1, RFC 8037 §3.1).
    pub(super) const fn algorithm_name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::HS256 => "HS256",
            Algorithm::RS256 => "RS256",
            Algorithm::ES256 => "ES256",
            Algorithm::EdDSA => "EdDSA",
            // No key with another algorithm is created.
            _ => "",
        }
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(super) fn verifies(&self, signature: &str, signed: &[u8]) -> bool {
        jsonwebtoken::crypto::verify(signature, signed, &self.key, self.algorithm).unwrap_or(false)
    }

    fn length(&self) -> usize {
        self.key.try_get_as_bytes().map_or(0, <[u8]>::len)
    }
}

/// Parses a public key in PEM format: RSA of at least 2048 bits, P-256 or Ed25519.
///
/// # Errors
/// The reason why the file cannot be used.
pub fn public_key(pem: &str) -> Result<VerificationKey, String> {
    if pem.contains("PRIVATE KEY-----") {
        return Err(
            "the file contains a private key: use only the public key, and keep the private key secret".to_owned()
        );
    }
    if !pem.contains("PUBLIC KEY-----") {
        return Err("the file contains no public key in PEM format (`-----BEGIN PUBLIC KEY-----`)".to_owned());
    }
    let new = |algorithm, key| VerificationKey { algorithm, key, id: None };
    let octets = pem.as_bytes();
    if let Ok(key) = DecodingKey::from_ed_pem(octets) {
        let key = new(Algorithm::EdDSA, key);
        return if key.length() == ED25519_KEY {
            Ok(key)
        } else {
            Err("the curve of the key is not Ed25519".to_owned())
        };
    }
    if let Ok(key) = DecodingKey::from_ec_pem(octets) {
        let key = new(Algorithm::ES256, key);
        return if key.length() == P256_POINT { Ok(key) } else { Err("the curve of the key is not P-256".to_owned()) };
    }
    match DecodingKey::from_rsa_pem(octets) {
        Ok(key) => {
            let key = new(Algorithm::RS256, key);
            // The structure contains the modulus and a few more octets.
            let is_long = key.length() > LEAST_RSA;
            if is_long { Ok(key) } else { Err("the RSA key has less than 2048 bits".to_owned()) }
        }
        Err(error) => Err(format!("the public key cannot be used ({error}): use RSA, P-256 or Ed25519")),
    }
}

/// A key of a JWK set (RFC 7517 §4).
#[derive(Debug, Deserialize)]
pub(super) struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    /// Returns the key; `None` if it is not a usable public key for signatures. A symmetric key in a published set is no
    /// secret, so that it is not used.
    pub(super) fn key(self) -> Option<VerificationKey> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let (algorithm, key) = match (self.kty.as_str(), self.crv.as_str()) {
            ("RSA", _) => {
                let (n, e) = (self.n?, self.e?);
                // Four characters contain three octets.
                let is_long = n.len() * 3 / 4 >= LEAST_RSA;
                (Algorithm::RS256, DecodingKey::from_rsa_components(&n, &e).ok().filter(|_| is_long)?)
            }
            ("EC", "P-256") => (Algorithm::ES256, DecodingKey::from_ec_components(&self.x?, &self.y?).ok()?),
            ("OKP", "Ed25519") => (Algorithm::EdDSA, DecodingKey::from_ed_components(&self.x?).ok()?),
            _ => return None,
        };
        let key = VerificationKey { algorithm, key, id: self.kid };
        let has_length = match algorithm {
            Algorithm::ES256 => key.length() == P256_POINT,
            Algorithm::EdDSA => key.length() == ED25519_KEY,
            _ => true,
        };
        let is_meant = self.alg.is_none_or(|alg| alg == key.algorithm_name());
        (has_length && is_meant).then_some(key)
    }
}
