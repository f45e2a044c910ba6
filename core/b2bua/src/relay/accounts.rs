//! Accounts at SIP servers: one registration for all browsers of one login.
//!
//! ```text
//!  first session        Registered                    last session is gone
//!  ─────────────> Asked ──────────> Accepted ───────────────────────────────> unregistered, forgotten
//!                   │                  │  RegistrationFailed, to be retried: reported, kept
//!                   └──────────────────┴─ RegistrationFailed: its sessions are closed
//! ```

use super::sessions::Session;
use super::sip_options::{PageAccount, domain_of};
use super::{CallRef, Relay};
use crate::address::Server;
use crate::call::{CallKey, SessionId};
use crate::config::{LoginName, Trunk};
use crate::io::Output;
use offhook_clock::Time;
use offhook_limits::offense::Kind;
use offhook_signaling::message::ServerMessage;
use offhook_signaling::server::close_code;
use offhook_sip::user_agent::io::{Account, AccountId, Command, Failure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The state of the registration of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Registration {
    /// The server has not answered, or the account does not register.
    Asked,
    /// The server has accepted it.
    Accepted,
    /// The server had accepted it, and has rejected or lost it since; the registration is retried.
    Lost,
}

/// An account and the sessions that use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServerAccount {
    pub(super) settings: Account,
    /// Host and port of calls that name none, in the form of a URI.
    domain: String,
    /// It is in the operator's configuration.
    pub(super) is_configured: bool,
    pub(super) registration: Registration,
    /// Empty for the trunk.
    pub(super) sessions: BTreeSet<SessionId>,
}

impl ServerAccount {
    /// Returns the host of calls that name none.
    pub(super) fn domain(&self) -> Option<Server> {
        Server::parse(&self.domain).ok()
    }
}

impl Relay {
    /// Adds the trunk to the user agent.
    pub(super) fn open_trunk(&mut self) {
        let Some(Trunk { account, .. }) = self.config.sip.as_ref().and_then(|sip| sip.trunk.clone()) else { return };
        self.trunk = domain_of(&account)
            .map(|domain| self.add_account(PageAccount { settings: account, domain, is_configured: true }));
    }

    /// Lets a session use an account, which the first session opens. Sessions share an account if they have the same
    /// password.
    pub(super) fn use_account(&mut self, account: PageAccount, session: SessionId) -> AccountId {
        let same = |known: &ServerAccount| {
            let settings = Account { contact_user: String::new(), ..known.settings.clone() };
            !known.sessions.is_empty() && settings == account.settings && known.is_configured == account.is_configured
        };
        let uri = account.settings.identity.uri.clone();
        let known = self.accounts_of.get(&uri).into_iter().flatten().copied();
        let known = known.into_iter().find(|id| self.accounts.get(id).is_some_and(same));
        let id = known.unwrap_or_else(|| {
            let id = self.add_account(account);
            self.accounts_of.entry(uri).or_default().insert(id);
            id
        });
        if let Some(account) = self.accounts.get_mut(&id) {
            account.sessions.insert(session);
        }
        id
    }

    /// Returns the account that the operator assigned to a login.
    pub(super) fn configured_account(&self, login: &LoginName) -> Option<PageAccount> {
        let settings = self.config.sip.as_ref()?.accounts.get(login)?.clone();
        let domain = domain_of(&settings)?;
        let settings = Account { contact_user: String::new(), ..settings };
        Some(PageAccount { settings, domain, is_configured: true })
    }

    fn add_account(&mut self, account: PageAccount) -> AccountId {
        let id = AccountId(self.fresh_id());
        // The contact is unguessable, so that only peers that received the registration can call the account without
        // its server.
        let contact_user = self.token().replace('-', "");
        let settings = Account { contact_user, ..account.settings };
        self.command(Command::AddAccount { account: id, settings: Box::new(settings.clone()) });
        let domain = account.domain.to_string();
        let account = ServerAccount {
            settings,
            domain,
            is_configured: account.is_configured,
            registration: Registration::Asked,
            sessions: BTreeSet::new(),
        };
        self.accounts.insert(id, account);
        id
    }

    /// Removes a session from an account; without sessions, the account is unregistered.
    pub(super) fn leave_account(&mut self, id: AccountId, session: SessionId) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        account.sessions.remove(&session);
        if account.sessions.is_empty() {
            let uri = account.settings.identity.uri.clone();
            self.registrations -= usize::from(account.registration == Registration::Accepted);
            self.accounts.remove(&id);
            if let Some(accounts) = self.accounts_of.get_mut(&uri) {
                accounts.remove(&id);
                if accounts.is_empty() {
                    self.accounts_of.remove(&uri);
                }
            }
            self.command(Command::RemoveAccount { account: id });
        }
    }

    pub(super) fn registered(&mut self, id: AccountId, now: Time) {
        let Some(account) = self.accounts.get(&id) else { return };
        if account.registration == Registration::Asked {
            self.count_login(id, true, now);
        }
        let Some(account) = self.accounts.get_mut(&id) else { return };
        if account.registration != Registration::Accepted {
            account.registration = Registration::Accepted;
            self.registrations += 1;
        }
        for session in account.sessions.clone() {
            if self.sessions.get_mut(&session).is_some_and(|session| !core::mem::replace(&mut session.told, true)) {
                self.send_to_session(session, &ServerMessage::Registered);
            }
        }
    }

    /// The server has accepted or refused the login of a page: this counts for the addresses that use it.
    fn count_login(&mut self, id: AccountId, matches: bool, now: Time) {
        let Some(account) = self.accounts.get(&id).filter(|account| !account.is_configured) else { return };
        let uri = account.settings.identity.uri.clone();
        let address = |session| self.sessions.get(session).map(|session: &Session| session.address);
        let addresses: BTreeSet<IpAddr> = account.sessions.iter().filter_map(address).collect();
        for address in addresses {
            self.checks.count(address, &uri, matches, now);
            if !matches {
                self.note_offense(Kind::WrongPassword, address, true, now);
            }
        }
    }

    /// Counts a login that a server rejected in a call; without a registration, only calls verify it.
    pub(super) fn call_login_refused(&mut self, call: CallKey, now: Time) {
        let is_party = |calls: &BTreeMap<_, CallRef>| calls.values().any(|reference| reference.call == call);
        let sessions = self.call_ids.iter().filter(|(_, calls)| is_party(calls)).map(|(session, _)| session);
        let accounts = sessions.filter_map(|session| self.sessions.get(session)?.account());
        let is_unproved =
            |id: &AccountId| self.accounts.get(id).is_some_and(|account| account.registration == Registration::Asked);
        let accounts: BTreeSet<AccountId> = accounts.filter(is_unproved).collect();
        accounts.into_iter().for_each(|account| self.count_login(account, false, now));
    }

    /// Handles a failed registration. Before the first success, and after the last attempt, the page is informed and
    /// its socket closed, because a stock page would wait forever. In other cases the page is informed and the
    /// registration is retried.
    pub(super) fn registration_failed(&mut self, id: AccountId, failure: &Failure, retry_at: Option<Time>, now: Time) {
        if self.accounts.get(&id).is_some_and(|account| account.registration == Registration::Asked)
            && is_wrong_login(failure)
        {
            self.count_login(id, false, now);
        }
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let goes_on = account.registration != Registration::Asked && retry_at.is_some();
        if account.registration == Registration::Accepted {
            account.registration = Registration::Lost;
            self.registrations -= 1;
        }
        if account.is_configured {
            let retry_in = retry_at.map(|at| at.since(now));
            let failure = failure.clone();
            self.outputs.push_back(Output::RegistrationFailed { is_trunk: Some(id) == self.trunk, failure, retry_in });
        }
        let info = failure_text(failure);
        for session in account.sessions.clone() {
            let Some(login) = self.sessions.get(&session).map(|session| session.caller().to_owned()) else { continue };
            let fail = ServerMessage::Fail {
                api_method: "RegistrationStatusEvent".to_owned(),
                id: Some(login),
                status: "FAILED".to_owned(),
                info: info.clone(),
            };
            self.send_to_session(session, &fail);
            if !goes_on {
                self.dismiss(session, close_code::POLICY, info.clone(), now);
            }
        }
    }
}

/// Returns whether a server's response means that login or password are wrong.
const fn is_wrong_login(failure: &Failure) -> bool {
    match failure {
        Failure::WrongPassword { .. } => true,
        Failure::Refused { status, .. } => matches!(status, 401 | 403 | 404 | 407),
        Failure::Timeout | Failure::Unreachable | Failure::NoSuchHost => false,
    }
}

/// Returns the reason of a failed registration, as text for the page.
fn failure_text(failure: &Failure) -> String {
    match failure {
        Failure::Refused { status, reason } => format!("the SIP server refused the registration: {status} {reason}"),
        Failure::WrongPassword { realm } => format!("the SIP server `{realm}` does not accept login and password"),
        Failure::Timeout => "the SIP server does not answer".to_owned(),
        Failure::Unreachable => "the SIP server cannot be reached".to_owned(),
        Failure::NoSuchHost => "the SIP server's name does not resolve".to_owned(),
    }
}
