//! Verification of JSON Web Tokens (RFC 7519) of an application, by which client sessions log in.
//!
//! The configuration determines the key, and the key determines the algorithm: the header of a token only selects one of
//! the keys of a JWK set by `kid`, and a header with another algorithm is rejected. The relay machine enforces the rights
//! that a token grants.

mod claims;
mod key;
mod remote_keys;

pub(crate) use key::LEAST_SECRET;
pub use key::{VerificationKey, public_key};

use crate::config::{KeySource, TokenSettings};
use crate::http_client;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claims::{Claims, Expected};
use offhook_b2bua::token::{TokenGrant, TokenRefusal};
use offhook_clock::Time;
use remote_keys::RemoteKeys;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io;
use std::sync::Arc;

/// The header of a token. Other members, such as `jwk`, `jku` and `x5u`, could name a key of an attacker and are ignored.
#[derive(Debug, Deserialize)]
struct TokenHeader {
    alg: String,
    kid: Option<String>,
    /// Extensions that the recipient must understand (RFC 7515 §4.1.11); none is understood.
    crit: Option<serde_json::Value>,
}

/// The keys of an application.
#[derive(Debug)]
enum Keys {
    One(VerificationKey),
    Remote(Arc<RemoteKeys>),
}

/// Verifies the tokens of an application.
#[derive(Debug)]
pub struct TokenVerifier {
    keys: Keys,
    expected: Expected,
}

impl TokenVerifier {
    /// Creates a verifier; `None` if no keys are configured.
    ///
    /// # Errors
    /// If the HTTP client for the keys cannot be created.
    pub fn new(settings: &TokenSettings) -> io::Result<Option<Self>> {
        let keys = match &settings.keys {
            KeySource::None => return Ok(None),
            KeySource::Secret(secret) => Keys::One(VerificationKey::of_secret(secret.reveal().as_bytes())),
            KeySource::PublicKey { pem, .. } => Keys::One(public_key(pem).map_err(io::Error::other)?),
            KeySource::Remote(url) => {
                let client = http_client::client(remote_keys::FETCH_TIMEOUT)?;
                Keys::Remote(Arc::new(RemoteKeys::new(url.clone(), client, settings)))
            }
        };
        Ok(Some(Self { keys, expected: Expected::new(settings) }))
    }

    /// Verifies a token that a page of `origin` presents.
    ///
    /// # Errors
    /// The reason why it is not accepted.
    pub async fn verify(&self, token: &str, origin: Option<&str>, now: Time) -> Result<Box<TokenGrant>, TokenRefusal> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid("it does not consist of three parts"));
        };
        let parsed: TokenHeader = decode(header).ok_or_else(|| invalid("its header is not valid"))?;
        if parsed.crit.is_some() {
            return Err(invalid("its header requires an extension (`crit`)"));
        }
        let key = match &self.keys {
            Keys::One(key) => key.clone(),
            Keys::Remote(keys) => keys.find(parsed.kid.as_deref(), &parsed.alg).await?,
        };
        if key.algorithm_name() != parsed.alg {
            return Err(TokenRefusal::Invalid(format!(
                "its algorithm is not that of the key, {}",
                key.algorithm_name()
            )));
        }
        let signed = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        if !key.verifies(signature, signed.as_bytes()) {
            return Err(invalid("its signature is wrong"));
        }
        // The content is parsed only after the signature has been verified.
        let claims: Claims = decode(payload).ok_or_else(|| invalid("its claims are not valid"))?;
        claims.grant(&self.expected, origin, now).map(Box::new)
    }
}

fn invalid(reason: &str) -> TokenRefusal {
    TokenRefusal::Invalid(reason.to_owned())
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
pub(crate) mod tests;
