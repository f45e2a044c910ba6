//! Options of the REST API, `[api]` and `[api.tokens]`.

use super::value::Given;
use crate::api::token::{TokenEntry, token_name};
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The REST API as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSettings {
    /// Its addresses; `None`: the default address, empty: off.
    pub listen: Option<Vec<SocketAddr>>,
    /// Whether a token is also accepted as the password of HTTP Basic authentication.
    pub basic_authentication: bool,
    /// The origin of pages that may use the compatible API (`Access-Control-Allow-Origin`); empty: none.
    pub allow_origin: String,
    /// Maximum length of a request body, in octets.
    pub body_size: usize,
    /// Time limit for a request, including its body.
    pub request_timeout: Duration,
    /// The tokens by name.
    pub tokens: BTreeMap<String, TokenEntry>,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            listen: None,
            basic_authentication: false,
            allow_origin: String::new(),
            body_size: 65_536,
            request_timeout: Duration::from_secs(10),
            tokens: BTreeMap::new(),
        }
    }
}

/// Adds a token. Errors do not contain the value, because it may be a token in plain text instead of a hash.
pub(super) fn token(settings: &mut ApiSettings, name: &str, given: &Given) -> Result<(), String> {
    token_name(name)?;
    let entry = given.one()?.parse::<TokenEntry>().map_err(|problem| format!("`tokens.{name}`: {problem}"))?;
    settings.tokens.insert(name.to_owned(), entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::api::token::Scope;
    use crate::config::{load, parse};

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn tokens_are_read_from_the_file() {
        let text = format!("[api]\nbasic_authentication = true\n[api.tokens]\nbackend = \"control:sha256:{HASH}\"\n");
        let settings = parse("relay.toml", &text).unwrap().api;
        assert!(settings.basic_authentication);
        assert_eq!(settings.tokens["backend"].scope, Scope::Control);
    }

    #[test]
    fn token_in_plain_text_is_rejected_without_repeating_it() {
        let error = parse("relay.toml", "[api.tokens]\nbackend = \"offhook_secret\"\n").unwrap_err().to_string();
        assert!(error.starts_with("relay.toml:2: `tokens.backend`: ") && error.contains("api-token"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        let error = parse("relay.toml", "[api]\ntokens = \"x\"\n").unwrap_err().to_string();
        assert!(error.contains("[api.tokens]"), "{error}");
    }

    #[test]
    fn token_can_be_set_by_a_variable() {
        let variable = ("OFFHOOK_API_TOKENS_BACKEND".to_owned(), format!("read:sha256:{HASH}"));
        assert_eq!(load(None, [variable], &[]).unwrap().api.tokens["backend"].scope, Scope::Read);
    }
}
