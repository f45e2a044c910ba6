//! Bindings of logins to sessions and phones, and of tokens to sessions.

use crate::call::SessionId;
use crate::config::LoginName;
use offhook_sip::user_agent::io::BindingId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Bindings of addresses of record (RFC 3261 §10) and of tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Registrar {
    logins: BTreeMap<LoginName, BTreeSet<SessionId>>,
    phones: BTreeMap<LoginName, BTreeSet<BindingId>>,
    tokens: BTreeMap<String, SessionId>,
}

impl Registrar {
    pub(super) fn register(&mut self, login: &LoginName, session: SessionId) {
        self.logins.entry(login.clone()).or_default().insert(session);
    }

    pub(super) fn unregister(&mut self, login: &LoginName, session: SessionId) {
        if let Some(sessions) = self.logins.get_mut(login) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.logins.remove(login);
            }
        }
    }

    /// Returns the sessions that are registered under a login, oldest first.
    pub(super) fn sessions(&self, login: &LoginName) -> impl Iterator<Item = SessionId> + '_ {
        self.logins.get(login).into_iter().flatten().copied()
    }

    /// Adds a registered SIP phone.
    pub(super) fn bind(&mut self, login: LoginName, binding: BindingId) {
        self.phones.entry(login).or_default().insert(binding);
    }

    pub(super) fn unbind(&mut self, login: &LoginName, binding: BindingId) {
        if let Some(phones) = self.phones.get_mut(login) {
            phones.remove(&binding);
            if phones.is_empty() {
                self.phones.remove(login);
            }
        }
    }

    /// Returns the phones that are registered under a login, oldest first.
    pub(super) fn phones(&self, login: &LoginName) -> impl Iterator<Item = BindingId> + '_ {
        self.phones.get(login).into_iter().flatten().copied()
    }

    pub(super) fn issue(&mut self, token: String, session: SessionId) {
        self.tokens.insert(token, session);
    }

    pub(super) fn redeem(&self, token: &str) -> Option<SessionId> {
        self.tokens.get(token).copied()
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.tokens.remove(token);
    }
}
