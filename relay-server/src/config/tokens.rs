//! Options of `[tokens]`: logins by JSON Web Tokens of an application.

use super::accounts::secret;
use super::value::Given;
use super::{ConfigError, Settings};
use crate::tokens::{LEAST_SECRET, public_key};
use axum::http::Uri;
use core::time::Duration;
use offhook_sip::auth::Secret;
use std::net::IpAddr;
use std::path::PathBuf;

/// The keys of the application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// None: tokens are not accepted.
    #[default]
    None,
    /// A secret for HS256.
    Secret(Secret),
    /// A public key.
    PublicKey {
        /// The file that it was read from.
        file: PathBuf,
        /// The key in PEM format.
        pem: String,
    },
    /// The URL of a JWK set.
    Remote(String),
}

/// Logins by token as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// The keys.
    pub keys: KeySource,
    /// More than one option for the keys is set.
    pub is_ambiguous: bool,
    /// The required issuer; empty: any.
    pub issuer: String,
    /// The required audience; empty: tokens for an audience are rejected.
    pub audience: String,
    /// The tolerated difference of clocks.
    pub leeway: Duration,
    /// The time before the expiry at which pages are informed.
    pub expiry_notice: Duration,
    /// The age at which the JWK set is fetched again.
    pub jwks_refresh: Duration,
    /// The least time between two fetches because of an unknown key.
    pub jwks_refetch_interval: Duration,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            keys: KeySource::None,
            is_ambiguous: false,
            issuer: String::new(),
            audience: String::new(),
            leeway: Duration::from_secs(30),
            expiry_notice: Duration::from_secs(60),
            jwks_refresh: Duration::from_secs(3_600),
            jwks_refetch_interval: Duration::from_secs(30),
        }
    }
}

impl TokenSettings {
    fn set_keys(&mut self, keys: KeySource) {
        self.is_ambiguous |= core::mem::discriminant(&self.keys) != core::mem::discriminant(&keys)
            && self.keys != KeySource::None
            && keys != KeySource::None;
        self.keys = keys;
    }
}

pub(super) fn set_secret(settings: &mut Settings, given: &Given) -> Result<(), String> {
    let text = given.one()?;
    if text.is_empty() {
        return Ok(());
    }
    settings.tokens.set_keys(KeySource::Secret(long_secret(text)?));
    Ok(())
}

pub(super) fn set_secret_file(settings: &mut Settings, given: &Given) -> Result<(), String> {
    let Some(path) = given.path()? else { return Ok(()) };
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    settings.tokens.set_keys(KeySource::Secret(long_secret(text.trim_end_matches(['\r', '\n']))?));
    Ok(())
}

fn long_secret(text: &str) -> Result<Secret, String> {
    if text.len() < LEAST_SECRET {
        let length = text.len();
        return Err(format!(
            "the secret has {length} octets, and HS256 requires at least {LEAST_SECRET}: create one with `openssl rand -base64 32`"
        ));
    }
    Ok(secret(text))
}

pub(super) fn set_public_key_file(settings: &mut Settings, given: &Given) -> Result<(), String> {
    let Some(file) = given.path()? else { return Ok(()) };
    let pem = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    public_key(&pem).map_err(|problem| format!("{}: {problem}", file.display()))?;
    settings.tokens.set_keys(KeySource::PublicKey { file, pem });
    Ok(())
}

pub(super) fn set_jwks_url(settings: &mut Settings, given: &Given) -> Result<(), String> {
    let text = given.one()?;
    if text.is_empty() {
        return Ok(());
    }
    let uri: Uri = text.parse().map_err(|_| format!("`{text}` is not a URL"))?;
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => {}
        Some("http") if is_loopback => {}
        _ => return Err(format!("`{text}` must begin with `https://`; `http://` is possible for loopback hosts only")),
    }
    settings.tokens.set_keys(KeySource::Remote(text.to_owned()));
    Ok(())
}

/// Checks combinations of the options.
pub(super) fn validate(settings: &TokenSettings) -> Result<(), ConfigError> {
    if settings.is_ambiguous {
        let problem = "set only one of `secret` (or `secret_file`), `public_key_file` and `jwks_url`";
        return Err(ConfigError::new("[tokens]", problem));
    }
    Ok(())
}

/// The lines of `check`, without the secret.
pub(super) fn explain(s: &TokenSettings) -> [(&'static str, String); 10] {
    let (mut secret, mut file, mut url) = ("none", "none".to_owned(), "none".to_owned());
    match &s.keys {
        KeySource::None => {}
        KeySource::Secret(_) => secret = "given",
        KeySource::PublicKey { file: path, .. } => file = path.display().to_string(),
        KeySource::Remote(given) => url.clone_from(given),
    }
    let text = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
    let seconds = |duration: Duration| format!("{} s", duration.as_secs_f64());
    [
        ("tokens.secret", secret.to_owned()),
        ("tokens.secret_file", secret.to_owned()),
        ("tokens.public_key_file", file),
        ("tokens.jwks_url", url),
        ("tokens.jwks_refresh", seconds(s.jwks_refresh)),
        ("tokens.jwks_refetch_interval", seconds(s.jwks_refetch_interval)),
        ("tokens.issuer", text(&s.issuer, "any")),
        ("tokens.audience", text(&s.audience, "none: tokens for an audience are rejected")),
        ("tokens.leeway", seconds(s.leeway)),
        ("tokens.expiry_notice", seconds(s.expiry_notice)),
    ]
}

#[cfg(test)]
mod tests {
    use crate::config::{KeySource, load, parse};

    #[test]
    fn short_secret_and_plain_http_are_rejected() {
        let error = |text: &str| parse("relay.toml", &format!("[tokens]\n{text}\n")).unwrap_err().to_string();
        assert!(error("secret = \"short\"").contains("at least 32"));
        assert!(!error("secret = \"short\"").contains("short\""));
        for url in ["http://example.org/keys", "ftp://example.org", "example.org", "https://"] {
            let error = error(&format!("jwks_url = \"{url}\""));
            assert!(error.starts_with("relay.toml:2: `jwks_url`:"), "{error}");
        }
        let two = "secret = \"0123456789abcdef0123456789abcdef\"\njwks_url = \"https://example.org/keys\"";
        assert!(error(two).contains("set only one of"));
    }

    #[test]
    fn one_source_of_keys_is_accepted() {
        let keys = |text: &str| parse("relay.toml", &format!("[tokens]\n{text}\n")).unwrap().tokens.keys;
        assert!(matches!(keys("secret = \"0123456789abcdef0123456789abcdef\""), KeySource::Secret(_)));
        for url in ["https://example.org/keys", "http://127.0.0.1:8000/keys", "http://[::1]/", "http://localhost/"] {
            assert_eq!(keys(&format!("jwks_url = \"{url}\"")), KeySource::Remote(url.to_owned()));
        }
        let variable = ("OFFHOOK_TOKENS_SECRET".to_owned(), "x".repeat(32));
        assert!(matches!(load(None, [variable], &[]).unwrap().tokens.keys, KeySource::Secret(_)));
    }

    #[test]
    fn private_key_is_rejected_as_public_key() {
        let directory = std::env::temp_dir().join(format!("offhook-tokens-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("key.pem");
        std::fs::write(&file, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        let text = format!("[tokens]\npublic_key_file = \"{}\"\n", file.display());
        let error = parse("relay.toml", &text).unwrap_err().to_string();
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(error.contains("contains a private key"), "{error}");
    }
}
