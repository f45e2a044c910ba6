//! The keys of a JWK set (RFC 7517 §5) at a URL: cached, refreshed at intervals, and fetched again for a token with an
//! unknown `kid`, at most once in an interval.
//!
//! ```text
//!  find(kid) ── known, not outdated ──────────────────────────────────────> key   (refreshed in the background if old)
//!      │ unknown or outdated
//!      └──> one fetch at a time ── interval over ──> fetch ──┬─ known ────> key
//!                    └── interval not over ──────────────────┼─ unknown ──> invalid
//!                                                            └─ the last fetch failed ──> unavailable
//! ```

use super::key::{Jwk, VerificationKey};
use crate::config::TokenSettings;
use core::time::Duration;
use offhook_b2bua::token::TokenRefusal;
use serde::Deserialize;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Time limit for a fetch.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time for which keys are used that could not be refreshed.
const OUTDATED_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// The maximum length of a JWK set, in octets.
const MAX_SET: usize = 262_144;
/// The maximum number of keys of a set.
const MAX_KEYS: usize = 64;

/// The keys of the last successful fetch.
#[derive(Debug, Default)]
struct KeySet {
    keys: Vec<VerificationKey>,
    fetched_at: Option<Instant>,
}

impl KeySet {
    fn age(&self) -> Option<Duration> {
        self.fetched_at.map(|at| at.elapsed())
    }

    /// Returns the key with this `kid`. A token without `kid` belongs to the only key with its algorithm.
    fn find(&self, id: Option<&str>, algorithm: &str) -> Option<&VerificationKey> {
        if self.age().is_none_or(|age| age >= OUTDATED_AFTER) {
            return None;
        }
        let mut keys = self.keys.iter().filter(|key| match id {
            Some(id) => key.id() == Some(id),
            None => key.algorithm_name() == algorithm,
        });
        let first = keys.next()?;
        if id.is_some() || keys.next().is_none() { Some(first) } else { None }
    }
}

/// The last fetch.
#[derive(Debug)]
enum LastFetch {
    Never,
    Succeeded(Instant),
    Failed(Instant),
}

impl LastFetch {
    const fn at(&self) -> Option<Instant> {
        match self {
            Self::Never => None,
            Self::Succeeded(at) | Self::Failed(at) => Some(*at),
        }
    }
}

/// The cached keys of a JWK set.
#[derive(Debug)]
pub(super) struct RemoteKeys {
    url: String,
    client: reqwest::Client,
    refresh: Duration,
    refetch_interval: Duration,
    current: RwLock<Arc<KeySet>>,
    last: Mutex<LastFetch>,
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<serde_json::Value>,
}

impl RemoteKeys {
    pub(super) fn new(url: String, client: reqwest::Client, settings: &TokenSettings) -> Self {
        Self {
            url,
            client,
            refresh: settings.jwks_refresh,
            refetch_interval: settings.jwks_refetch_interval,
            current: RwLock::default(),
            last: Mutex::new(LastFetch::Never),
        }
    }

    fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the key of a token.
    pub(super) async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: &str,
    ) -> Result<VerificationKey, TokenRefusal> {
        let current = self.current();
        if let Some(key) = current.find(id, algorithm) {
            if current.age().is_some_and(|age| age >= self.refresh) {
                let this = Arc::clone(self);
                tokio::spawn(async move {
                    let mut last = this.last.lock().await;
                    this.fetch_if_due(&mut last, this.refresh).await;
                });
            }
            return Ok(key.clone());
        }
        let mut last = self.last.lock().await;
        if let Some(key) = self.current().find(id, algorithm) {
            return Ok(key.clone());
        }
        self.fetch_if_due(&mut last, self.refetch_interval).await;
        match (self.current().find(id, algorithm), &*last) {
            (Some(key), _) => Ok(key.clone()),
            (None, LastFetch::Failed(_)) => Err(TokenRefusal::Unavailable),
            (None, _) => Err(TokenRefusal::Invalid("its key (`kid`) is unknown".to_owned())),
        }
    }

    /// Fetches the set, unless it was fetched within the last `refetch_interval`, or is younger than `age`.
    async fn fetch_if_due(&self, last: &mut LastFetch, age: Duration) {
        let is_recent = last.at().is_some_and(|at| at.elapsed() < self.refetch_interval);
        if is_recent || self.current().age().is_some_and(|current| current < age) {
            return;
        }
        match self.fetch().await {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "keys of tokens fetched");
                let fetched_at = Some(Instant::now());
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(KeySet { keys, fetched_at });
                *last = LastFetch::Succeeded(Instant::now());
            }
            Err(reason) => {
                tracing::warn!(%reason, "keys of tokens cannot be fetched: check [tokens] jwks_url and its server");
                *last = LastFetch::Failed(Instant::now());
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<VerificationKey>, String> {
        let response = self.client.get(&self.url).header("accept", "application/jwk-set+json, application/json").send();
        let mut response = response.await.map_err(|error| error.without_url().to_string())?;
        if !response.status().is_success() {
            return Err(format!("the response has status {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
            if body.len() + chunk.len() > MAX_SET {
                return Err(format!("the response is longer than {MAX_SET} octets"));
            }
            body.extend_from_slice(&chunk);
        }
        keys_of(&body)
    }
}

/// Returns the usable keys of a set. Keys of unknown types are skipped (RFC 7517 §5).
fn keys_of(body: &[u8]) -> Result<Vec<VerificationKey>, String> {
    let set: JwkSet = serde_json::from_slice(body).map_err(|error| format!("the response is no JWK set: {error}"))?;
    let keys: Vec<VerificationKey> = set
        .keys
        .into_iter()
        .take(MAX_KEYS)
        .filter_map(|key| serde_json::from_value::<Jwk>(key).ok().and_then(Jwk::key))
        .collect();
    if keys.is_empty() { Err("the JWK set contains no key that can be used".to_owned()) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::keys_of;
    use serde_json::json;

    #[test]
    fn symmetric_short_and_foreign_keys_of_set_are_not_used() {
        let point = "A".repeat(43);
        let set = json!({ "keys": [
            { "kty": "oct", "kid": "a", "k": "AAAA" },
            { "kty": "RSA", "kid": "b", "n": "AQAB", "e": "AQAB" },
            { "kty": "EC", "crv": "P-384", "kid": "c", "x": point, "y": point },
            { "kty": "EC", "crv": "P-256", "kid": "d", "x": point, "y": "AQ" },
            { "kty": "OKP", "crv": "Ed25519", "kid": "e", "use": "enc", "x": point },
            { "kty": "OKP", "crv": "Ed25519", "kid": "f", "alg": "HS256", "x": point },
            { "kty": "new", "kid": 5 },
            { "kty": "EC", "crv": "P-256", "kid": "good", "alg": "ES256", "use": "sig", "x": point, "y": point },
        ]});
        let keys = keys_of(set.to_string().as_bytes()).unwrap();
        assert_eq!(
            keys.iter().map(|key| (key.id(), key.algorithm_name())).collect::<Vec<_>>(),
            [(Some("good"), "ES256")]
        );
        assert!(keys_of(b"{}").is_err() && keys_of(b"{\"keys\":[]}").is_err() && keys_of(b"<html>").is_err());
    }
}
