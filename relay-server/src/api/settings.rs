//! The settings of the REST API that a reload of the configuration replaces.

use super::admin_token::{self, AdminToken};
use super::token::{AcceptedTokens, ApiToken, TokenEntry, TokenHash};
use crate::config::ApiSettings;
use axum::http::HeaderValue;
use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The settings of one version of the configuration.
#[derive(Debug)]
pub(super) struct AccessSettings {
    pub(super) tokens: AcceptedTokens,
    pub(super) basic_authentication: bool,
    pub(super) body_size: usize,
    /// The origin of pages that may use the compatible API.
    pub(super) allowed_origin: Option<HeaderValue>,
    pub(super) request_timeout: Duration,
}

impl AccessSettings {
    /// Converts the settings. Returns the admin token if it was created.
    fn new(settings: &ApiSettings, admin: &AdminTokens) -> io::Result<(Self, Option<ApiToken>)> {
        let allowed_origin = Some(settings.allow_origin.as_str()).filter(|origin| !origin.is_empty());
        let allowed_origin = allowed_origin.map(HeaderValue::from_str).transpose().map_err(io::Error::other)?;
        // The last step that can fail, because a token whose hash is stored must be printed.
        let (tokens, created) = admin.complete(settings.tokens.clone())?;
        let access = Self {
            tokens: AcceptedTokens::new(tokens),
            basic_authentication: settings.basic_authentication,
            body_size: settings.body_size,
            allowed_origin,
            request_timeout: settings.request_timeout,
        };
        Ok((access, created))
    }
}

/// The present settings.
#[derive(Debug)]
pub(super) struct CurrentSettings {
    current: watch::Sender<Arc<AccessSettings>>,
    admin: AdminTokens,
}

impl CurrentSettings {
    /// Creates the settings. Without a configured token, the admin token is accepted. It is returned if it was created.
    pub(super) fn new(
        settings: &ApiSettings,
        state_directory: Option<PathBuf>,
    ) -> io::Result<(Self, Option<ApiToken>)> {
        let admin = AdminTokens { state_directory, known: Mutex::default() };
        let (access, created) = AccessSettings::new(settings, &admin)?;
        Ok((Self { current: watch::Sender::new(Arc::new(access)), admin }, created))
    }

    /// Returns the present settings.
    pub(super) fn get(&self) -> Arc<AccessSettings> {
        Arc::clone(&self.current.borrow())
    }

    /// Waits until the token with this hash is not accepted.
    pub(super) async fn token_removed(&self, hash: &TokenHash) {
        // The sender exists as long as `self`.
        let _ = self.current.subscribe().wait_for(|settings| !settings.tokens.has(hash)).await;
    }

    /// Prepares other settings, without a change. Returns the admin token if it was created.
    pub(super) fn prepare(&self, settings: &ApiSettings) -> io::Result<(AccessSettings, Option<ApiToken>)> {
        AccessSettings::new(settings, &self.admin)
    }

    /// Replaces the settings.
    pub(super) fn replace(&self, settings: AccessSettings) {
        self.current.send_replace(Arc::new(settings));
    }
}

/// The admin token for configurations without a token. It stays the same until the relay ends.
#[derive(Debug)]
struct AdminTokens {
    state_directory: Option<PathBuf>,
    known: Mutex<Option<TokenEntry>>,
}

impl AdminTokens {
    /// Adds the admin token if `tokens` is empty. Returns it if it was created.
    fn complete(
        &self,
        mut tokens: BTreeMap<String, TokenEntry>,
    ) -> io::Result<(BTreeMap<String, TokenEntry>, Option<ApiToken>)> {
        if !tokens.is_empty() {
            return Ok((tokens, None));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (entry, created) = match known.clone() {
            Some(entry) => (entry, None),
            None => {
                let admin = AdminToken::obtain(self.state_directory.as_deref())?;
                (admin.entry(), admin.created())
            }
        };
        *known = Some(entry.clone());
        tokens.insert(admin_token::NAME.to_owned(), entry);
        Ok((tokens, created))
    }
}

#[cfg(test)]
mod tests;
