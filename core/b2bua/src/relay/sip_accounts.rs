//! The table of the accounts at SIP servers, with the sessions that use them and the states of their registrations.

use super::sip_options::PageAccount;
use crate::address::Server;
use crate::call::SessionId;
use offhook_media::command::LegKey;
use offhook_sip::user_agent::io::{Account, AccountId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The maximum number of servers that are logged as not permitted. It is limited because pages can name any server.
const MAX_REFUSED_SERVERS: usize = 64;

/// The state of the registration of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Registration {
    /// The server has not accepted the registration yet, or the account does not register.
    Requested,
    /// The server has accepted it.
    Accepted,
    /// The server had accepted it, and has rejected or lost it since; the registration is retried.
    Lost,
}

/// An account and the sessions that use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServerAccount {
    settings: Account,
    /// The server for calls whose destination contains no host.
    domain: Server,
    /// It is in the operator's configuration.
    is_configured: bool,
    registration: Registration,
    /// The reason of the last failed registration; `None` after a success.
    last_failure: Option<String>,
    /// Empty for the trunk.
    sessions: BTreeSet<SessionId>,
    /// The legs of the application that use the account.
    calls: BTreeSet<LegKey>,
}

impl ServerAccount {
    fn new(account: PageAccount) -> Self {
        let PageAccount { settings, domain, is_configured } = account;
        let (registration, last_failure) = (Registration::Requested, None);
        let (sessions, calls) = (BTreeSet::new(), BTreeSet::new());
        Self { settings, domain, is_configured, registration, last_failure, sessions, calls }
    }

    pub(super) const fn settings(&self) -> &Account {
        &self.settings
    }

    /// Returns the server for calls whose destination contains no host.
    pub(super) const fn domain(&self) -> &Server {
        &self.domain
    }

    pub(super) const fn is_configured(&self) -> bool {
        self.is_configured
    }

    pub(super) const fn registration(&self) -> Registration {
        self.registration
    }

    /// Returns the reason of the last failed registration; `None` after a success.
    pub(super) fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    pub(super) const fn sessions(&self) -> &BTreeSet<SessionId> {
        &self.sessions
    }

    /// Returns whether this account has the given settings, apart from the generated contact.
    fn is_same(&self, other: &PageAccount) -> bool {
        let settings = Account { contact_user: String::new(), ..self.settings.clone() };
        settings == other.settings && self.is_configured == other.is_configured
    }
}

/// All accounts at SIP servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SipAccounts {
    accounts: BTreeMap<AccountId, ServerAccount>,
    /// The accounts of sessions by address of record.
    by_address: BTreeMap<String, BTreeSet<AccountId>>,
    trunk: Option<AccountId>,
    /// The number of accounts that are [`Registration::Accepted`].
    registered: usize,
    /// Servers that pages named without permission and that have been logged.
    refused_servers: BTreeSet<String>,
}

impl SipAccounts {
    pub(super) fn get(&self, id: AccountId) -> Option<&ServerAccount> {
        self.accounts.get(&id)
    }

    /// Returns all accounts in the order of their identifiers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (AccountId, &ServerAccount)> {
        self.accounts.iter().map(|(id, account)| (*id, account))
    }

    pub(super) const fn trunk(&self) -> Option<AccountId> {
        self.trunk
    }

    pub(super) fn is_trunk(&self, id: AccountId) -> bool {
        self.trunk == Some(id)
    }

    /// Returns whether the operator is charged for the calls of an account: it is the trunk, or in the configuration.
    pub(super) fn is_operators(&self, id: AccountId) -> bool {
        self.is_trunk(id) || self.get(id).is_some_and(ServerAccount::is_configured)
    }

    /// Returns whether the server has never accepted a registration of the account.
    pub(super) fn is_unproved(&self, id: AccountId) -> bool {
        self.get(id).is_some_and(|account| account.registration == Registration::Requested)
    }

    /// Returns the number of accounts that their server has accepted.
    pub(super) const fn registered(&self) -> usize {
        self.registered
    }

    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.by_address.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Returns the account with the lowest identifier.
    #[cfg(test)]
    pub(super) fn first(&self) -> Option<AccountId> {
        self.accounts.keys().next().copied()
    }

    /// Returns the account with the same settings, including the password. Sessions with the same settings share it.
    pub(super) fn find(&self, account: &PageAccount) -> Option<AccountId> {
        let address = account.settings.identity.uri.to_string();
        let mut known = self.by_address.get(&address).into_iter().flatten().copied();
        known.find(|id| self.has_settings(*id, account))
    }

    /// Adds the trunk.
    pub(super) fn insert_trunk(&mut self, id: AccountId, account: PageAccount) {
        self.accounts.insert(id, ServerAccount::new(account));
        self.trunk = Some(id);
    }

    /// Removes the trunk.
    pub(super) fn remove_trunk(&mut self) {
        if let Some(id) = self.trunk.take() {
            self.remove(id);
        }
    }

    /// Returns whether an account has these settings, apart from the generated contact.
    pub(super) fn has_settings(&self, id: AccountId, account: &PageAccount) -> bool {
        self.get(id).is_some_and(|known| known.is_same(account))
    }

    /// Adds an account, which a session or a call of the application is to join.
    pub(super) fn insert(&mut self, id: AccountId, account: PageAccount) {
        let uri = account.settings.identity.uri.to_string();
        self.by_address.entry(uri).or_default().insert(id);
        self.accounts.insert(id, ServerAccount::new(account));
    }

    /// Adds a session to an account.
    pub(super) fn join(&mut self, id: AccountId, session: SessionId) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.sessions.insert(session);
        }
    }

    /// Adds a call of the application to an account.
    pub(super) fn join_call(&mut self, id: AccountId, leg: LegKey) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.calls.insert(leg);
        }
    }

    /// Removes a session from an account. Returns whether the account was removed, because nothing else uses it.
    pub(super) fn leave(&mut self, id: AccountId, session: SessionId) -> bool {
        let account = self.accounts.get_mut(&id);
        let is_member = account.is_some_and(|account| account.sessions.remove(&session));
        is_member && self.remove_unused(id)
    }

    /// Removes a call of the application from an account, like [`Self::leave`].
    pub(super) fn leave_call(&mut self, id: AccountId, leg: LegKey) -> bool {
        let account = self.accounts.get_mut(&id);
        let is_member = account.is_some_and(|account| account.calls.remove(&leg));
        is_member && self.remove_unused(id)
    }

    fn remove_unused(&mut self, id: AccountId) -> bool {
        let is_unused = self.get(id).is_some_and(|account| account.sessions.is_empty() && account.calls.is_empty());
        if is_unused {
            self.remove(id);
        }
        is_unused
    }

    fn remove(&mut self, id: AccountId) {
        let Some(account) = self.accounts.remove(&id) else { return };
        self.registered -= usize::from(account.registration == Registration::Accepted);
        let uri = account.settings.identity.uri.to_string();
        if let Some(accounts) = self.by_address.get_mut(&uri) {
            accounts.remove(&id);
            if accounts.is_empty() {
                self.by_address.remove(&uri);
            }
        }
    }

    /// Records that the server has accepted the registration.
    pub(super) fn accept(&mut self, id: AccountId) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        account.last_failure = None;
        if account.registration != Registration::Accepted {
            account.registration = Registration::Accepted;
            self.registered += 1;
        }
    }

    /// Records that a registration has failed. If the server had accepted the registration before, it is lost.
    pub(super) fn fail(&mut self, id: AccountId, reason: String) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        account.last_failure = Some(reason);
        if account.registration == Registration::Accepted {
            account.registration = Registration::Lost;
            self.registered -= 1;
        }
    }

    /// Records a server that a page named without permission. Returns whether it is to be logged.
    pub(super) fn note_refused_server(&mut self, server: &str) -> bool {
        self.refused_servers.len() < MAX_REFUSED_SERVERS && self.refused_servers.insert(server.to_owned())
    }
}

#[cfg(test)]
mod tests;
