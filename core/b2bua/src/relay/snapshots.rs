//! Read-only views of sessions, accounts and phones for management interfaces.

use super::Relay;
use super::sip_accounts::{Registration, ServerAccount};
use crate::call::SessionId;
use offhook_clock::Time;
use offhook_sip::message::Uri;
use offhook_sip::user_agent::UserAgent;
use offhook_sip::user_agent::io::{AccountId, BindingId};
use std::net::IpAddr;

/// A client session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSnapshot<'a> {
    /// Its identifier.
    pub id: SessionId,
    /// Its login; `None` for an anonymous session.
    pub login: Option<&'a str>,
    /// The source address from which it logged in.
    pub address: IpAddr,
    /// Its browser is connected. Otherwise, the browser may reconnect.
    pub is_connected: bool,
    /// The account at a SIP server that its calls are routed through.
    pub account: Option<AccountId>,
    /// The number of its calls.
    pub calls: usize,
}

/// An account at a SIP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSnapshot<'a> {
    /// Its identifier.
    pub id: AccountId,
    /// Its address of record.
    pub uri: &'a Uri,
    /// It is the trunk.
    pub is_trunk: bool,
    /// It is in the operator's configuration.
    pub is_configured: bool,
    /// The state of its registration.
    pub registration: AccountRegistration,
    /// The reason of the last failed registration; `None` after a success.
    pub last_failure: Option<&'a str>,
    /// The number of sessions that use it.
    pub sessions: usize,
}

/// The state of the registration of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountRegistration {
    /// The account has no registrar.
    Off,
    /// The server has not accepted the registration yet.
    Pending,
    /// The account is registered.
    Registered,
    /// The account was registered, and the server has rejected or lost the registration since.
    Lost,
}

/// A phone that is registered at the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneSnapshot<'a> {
    /// The identifier of the binding.
    pub id: BindingId,
    /// The user.
    pub user: &'a str,
    /// The contact URI.
    pub contact: String,
    /// The source address of the REGISTER.
    pub address: IpAddr,
    /// The expiry time.
    pub expires_at: Time,
}

impl Relay {
    /// Returns the client sessions in the order of their identifiers.
    pub fn sessions(&self) -> impl Iterator<Item = SessionSnapshot<'_>> {
        self.clients.sessions().map(|(id, session)| SessionSnapshot {
            id,
            login: session.login().map(|login| login.0.as_str()),
            address: session.address(),
            is_connected: session.connection().is_some(),
            account: session.account(),
            calls: self.calls.count_of_session(id),
        })
    }

    /// Returns the accounts at SIP servers in the order of their identifiers.
    pub fn accounts(&self) -> impl Iterator<Item = AccountSnapshot<'_>> {
        self.accounts.iter().map(|(id, account)| AccountSnapshot {
            id,
            uri: &account.settings().identity.uri,
            is_trunk: self.accounts.is_trunk(id),
            is_configured: account.is_configured(),
            registration: registration(account),
            last_failure: account.last_failure(),
            sessions: account.sessions().len(),
        })
    }

    /// Returns the phones that are registered at the relay in the order of their bindings.
    pub fn phones(&self) -> impl Iterator<Item = PhoneSnapshot<'_>> {
        self.agent.as_deref().into_iter().flat_map(UserAgent::phones).map(|(id, user, binding)| PhoneSnapshot {
            id,
            user,
            contact: binding.uri.to_string(),
            address: binding.registered_from,
            expires_at: binding.expires_at,
        })
    }
}

fn registration(account: &ServerAccount) -> AccountRegistration {
    match account.registration() {
        Registration::Requested if account.settings().registrar.is_none() => AccountRegistration::Off,
        Registration::Requested => AccountRegistration::Pending,
        Registration::Accepted => AccountRegistration::Registered,
        Registration::Lost => AccountRegistration::Lost,
    }
}
