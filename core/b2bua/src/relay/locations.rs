//! The location table: the sessions and phones of each login (RFC 3261 §10).

use super::ringing::ring_limit;
use crate::call::SessionId;
use crate::config::LoginName;
use offhook_clock::Time;
use offhook_limits::RateLimit;
use offhook_sip::user_agent::io::BindingId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The sessions and phones that are registered here, by address of record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Locations {
    sessions: BTreeMap<LoginName, BTreeSet<SessionId>>,
    phones: BTreeMap<LoginName, BTreeSet<BindingId>>,
    /// The rate limit of calls that begin to ring, for each registered phone.
    ring_limits: BTreeMap<BindingId, RateLimit>,
}

impl Locations {
    pub(super) fn register(&mut self, login: &LoginName, session: SessionId) {
        self.sessions.entry(login.clone()).or_default().insert(session);
    }

    pub(super) fn unregister(&mut self, login: &LoginName, session: SessionId) {
        if let Some(sessions) = self.sessions.get_mut(login) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.sessions.remove(login);
            }
        }
    }

    /// Returns the sessions that are registered under a login, oldest first.
    pub(super) fn sessions(&self, login: &LoginName) -> impl Iterator<Item = SessionId> + '_ {
        self.sessions.get(login).into_iter().flatten().copied()
    }

    /// Adds a registered SIP phone.
    pub(super) fn bind(&mut self, login: LoginName, binding: BindingId, now: Time) {
        self.phones.entry(login).or_default().insert(binding);
        self.ring_limits.entry(binding).or_insert_with(|| ring_limit(now));
    }

    pub(super) fn unbind(&mut self, login: &LoginName, binding: BindingId) {
        if let Some(phones) = self.phones.get_mut(login) {
            phones.remove(&binding);
            if phones.is_empty() {
                self.phones.remove(login);
            }
        }
        self.ring_limits.remove(&binding);
    }

    /// Returns the phones that are registered under a login, oldest first.
    pub(super) fn phones(&self, login: &LoginName) -> impl Iterator<Item = BindingId> + '_ {
        self.phones.get(login).into_iter().flatten().copied()
    }

    /// Returns whether one more call may begin to ring at a phone now, and counts it.
    pub(super) fn take_ring(&mut self, binding: BindingId, now: Time) -> bool {
        self.ring_limits.get_mut(&binding).is_some_and(|limit| limit.take(now))
    }

    /// Returns whether a login has a session or a phone here.
    pub(super) fn is_registered(&self, login: &LoginName) -> bool {
        self.sessions.contains_key(login) || self.phones.contains_key(login)
    }
}

#[cfg(test)]
mod tests;
