//! Use of the accounts at SIP servers. All client sessions and calls of the application with the same account settings
//! share one registration.
//!
//! ```text
//!  first session            Registered                last session has ended
//!  ─────────────> Requested ──────────> Accepted ───────────────────────────────> unregistered, removed
//!                   │                      │  RegistrationFailed, to be retried: reported, kept
//!                   └──────────────────────┴─ RegistrationFailed: its sessions are closed
//! ```

use super::Relay;
use super::clients::Session;
use super::sip_accounts::ServerAccount;
use super::sip_options::{PageAccount, domain_of};
use crate::call::{CallKey, SessionId};
use crate::config::{LoginName, Trunk};
use crate::io::Output;
use offhook_clock::Time;
use offhook_limits::offense::Kind;
use offhook_media::command::LegKey;
use offhook_signaling::message::ServerMessage;
use offhook_signaling::reason::EndReason;
use offhook_signaling::server::close_code;
use offhook_sip::user_agent::io::{Account, AccountId, Command, Failure};
use std::collections::BTreeSet;
use std::net::IpAddr;

impl Relay {
    /// Adds the configured trunk, if there is one.
    pub(super) fn open_trunk(&mut self) {
        if let Some(account) = self.configured_trunk() {
            let (id, account) = self.add_account(account);
            self.accounts.insert_trunk(id, account);
        }
    }

    /// Replaces the trunk of a restored state, if the configuration has another one.
    pub(super) fn renew_trunk(&mut self) {
        let configured = self.configured_trunk();
        if let Some(id) = self.accounts.trunk() {
            if configured.is_some_and(|account| self.accounts.has_settings(id, &account)) {
                return;
            }
            self.accounts.remove_trunk();
            self.command(Command::RemoveAccount { account: id });
        }
        self.open_trunk();
    }

    fn configured_trunk(&self) -> Option<PageAccount> {
        let Trunk { account, .. } = self.config.sip.as_ref()?.trunk.as_ref()?;
        let domain = domain_of(account)?;
        let settings = Account { contact_user: String::new(), ..account.clone() };
        Some(PageAccount { settings, domain, is_configured: true })
    }

    /// Adds a session to an account with these settings. The first session creates the account; sessions with the same
    /// settings and password share it.
    pub(super) fn use_account(&mut self, account: PageAccount, session: SessionId) -> AccountId {
        let id = self.shared_account(account);
        self.accounts.join(id, session);
        id
    }

    /// Adds a call of the application to an account with these settings, like [`Self::use_account`].
    pub(super) fn use_account_for_call(&mut self, account: PageAccount, leg: LegKey) -> AccountId {
        let id = self.shared_account(account);
        self.accounts.join_call(id, leg);
        id
    }

    fn shared_account(&mut self, account: PageAccount) -> AccountId {
        if let Some(id) = self.accounts.find(&account) {
            return id;
        }
        let (id, account) = self.add_account(account);
        self.accounts.insert(id, account);
        id
    }

    /// Returns the account that the operator assigned to a login.
    pub(super) fn configured_account(&self, login: &LoginName) -> Option<PageAccount> {
        let settings = self.config.sip.as_ref()?.accounts.get(login)?.clone();
        let domain = domain_of(&settings)?;
        let settings = Account { contact_user: String::new(), ..settings };
        Some(PageAccount { settings, domain, is_configured: true })
    }

    /// Adds an account to the user agent. Its contact is random, so that only a recipient of the registration can send
    /// requests to the account without its server.
    fn add_account(&mut self, account: PageAccount) -> (AccountId, PageAccount) {
        let id = AccountId(self.fresh_id());
        let contact_user = self.token().replace('-', "");
        let settings = Account { contact_user, ..account.settings };
        self.command(Command::AddAccount { account: id, settings: Box::new(settings.clone()) });
        (id, PageAccount { settings, ..account })
    }

    /// Removes a session from an account; without sessions, the account is unregistered.
    pub(super) fn leave_account(&mut self, id: AccountId, session: SessionId) {
        if self.accounts.leave(id, session) {
            self.command(Command::RemoveAccount { account: id });
        }
    }

    /// Removes a call of the application from an account; an account that nothing uses is unregistered.
    pub(super) fn leave_account_of_call(&mut self, id: AccountId, leg: LegKey) {
        if self.accounts.leave_call(id, leg) {
            self.command(Command::RemoveAccount { account: id });
        }
    }

    pub(super) fn registered(&mut self, id: AccountId, now: Time) {
        if self.accounts.is_unproved(id) {
            self.count_login(id, true, now);
        }
        self.accounts.accept(id);
        for session in self.sessions_with(id) {
            if self.clients.get_mut(session).is_some_and(|session| !core::mem::replace(&mut session.is_informed, true))
            {
                self.send_to_session(session, &ServerMessage::Registered);
            }
        }
        self.end_wait_for_registration(id, Ok(()), now);
    }

    fn sessions_with(&self, id: AccountId) -> BTreeSet<SessionId> {
        self.accounts.get(id).map(|account| account.sessions().clone()).unwrap_or_default()
    }

    /// Counts the result of a login at a SIP server for each source address of the account's sessions.
    fn count_login(&mut self, id: AccountId, matches: bool, now: Time) {
        let Some(account) = self.accounts.get(id).filter(|account| !account.is_configured()) else { return };
        let uri = account.settings().identity.uri.to_string();
        let address = |session: &SessionId| self.clients.get(*session).map(Session::address);
        let addresses: BTreeSet<IpAddr> = account.sessions().iter().filter_map(address).collect();
        for address in addresses {
            self.checks.count(address, &uri, matches, now);
            if !matches {
                self.note_offense(Kind::WrongPassword, address, true, now);
            }
        }
    }

    /// Counts a login that a server rejected in a call. Calls are the only verification of an account that does not
    /// register.
    pub(super) fn call_login_refused(&mut self, call: CallKey, now: Time) {
        let sessions = self.calls.sessions_in(call);
        let accounts = sessions.filter_map(|session| self.clients.get(session)?.account());
        let accounts: BTreeSet<AccountId> = accounts.filter(|id| self.accounts.is_unproved(*id)).collect();
        accounts.into_iter().for_each(|account| self.count_login(account, false, now));
    }

    /// Handles a failed registration. The pages that use the account are informed. If no registration has succeeded
    /// before, or none will be attempted again, their sessions are ended, because a stock page would wait forever.
    pub(super) fn registration_failed(&mut self, id: AccountId, failure: &Failure, retry_at: Option<Time>, now: Time) {
        let is_unproved = self.accounts.is_unproved(id);
        if is_unproved && is_wrong_login(failure) {
            self.count_login(id, false, now);
        }
        let Some(is_configured) = self.accounts.get(id).map(ServerAccount::is_configured) else { return };
        let goes_on = !is_unproved && retry_at.is_some();
        let info = failure_text(failure);
        self.accounts.fail(id, info.clone());
        if is_configured {
            let retry_in = retry_at.map(|at| at.since(now));
            let (is_trunk, failure) = (self.accounts.is_trunk(id), failure.clone());
            self.outputs.push_back(Output::RegistrationFailed { is_trunk, failure, retry_in });
        }
        self.end_wait_for_registration(id, Err(end_reason_of(failure)), now);
        for session in self.sessions_with(id) {
            let Some(login) = self.clients.get(session).map(|session| session.caller().to_owned()) else { continue };
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

/// Returns the end of a call that waits for a registration.
const fn end_reason_of(failure: &Failure) -> EndReason {
    match failure {
        Failure::Timeout => EndReason::ServerTimeout,
        Failure::Unreachable | Failure::NoSuchHost => EndReason::ServerUnreachable,
        failure if is_wrong_login(failure) => EndReason::Forbidden,
        Failure::WrongPassword { .. } | Failure::Refused { .. } => EndReason::SipFailure,
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
        Failure::WrongPassword { realm } => format!("the SIP server `{realm}` rejected the login or the password"),
        Failure::Timeout => "the SIP server does not answer".to_owned(),
        Failure::Unreachable => "the SIP server cannot be reached".to_owned(),
        Failure::NoSuchHost => "the SIP server's name does not resolve".to_owned(),
    }
}
