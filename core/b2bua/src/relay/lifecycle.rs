//! Changes of the relay while it runs: another configuration, and the drain before a shutdown.

use super::Relay;
use super::clients::Session;
use super::configured_users::ConfiguredUsers;
use crate::config::{AcceptedLogins, Config, LoginName};
use offhook_clock::Time;
use offhook_signaling::reason::EndReason;
use offhook_signaling::server::close_code;

/// Whether new calls are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CallAdmission {
    /// They are.
    #[default]
    Open,
    /// They are refused, and the calls that exist continue, because the relay shuts down when they have ended.
    Draining,
}

impl CallAdmission {
    /// Returns the reason why a new call is refused.
    pub(super) const fn check(self) -> Result<(), EndReason> {
        match self {
            Self::Open => Ok(()),
            Self::Draining => Err(EndReason::ShuttingDown),
        }
    }
}

impl Relay {
    /// Refuses new calls from now on.
    pub(super) const fn drain_calls(&mut self) {
        self.admission = CallAdmission::Draining;
    }

    /// Returns whether there is neither a call nor a call that waits for its targets or for the registration of its account.
    #[must_use]
    pub fn is_without_calls(&self) -> bool {
        self.counts().calls == 0 && self.questions.is_empty()
    }

    /// Adopts the parts of a configuration that may change ([`Config::adopt`]), and ends the sessions of logins that
    /// have no account any more.
    pub(super) fn configure(&mut self, config: Config, now: Time) {
        let mut removed = core::mem::take(&mut self.config.accounts);
        removed.retain(|login| !config.accounts.contains(login));
        self.config.adopt(config);
        self.users = ConfiguredUsers::new(&self.config);
        self.guards.reset_rates();
        if self.config.admission == AcceptedLogins::Accounts {
            removed.iter().for_each(|login| {
                self.dismiss_login(login, now);
                self.refuse_applicants(login, now);
            });
        }
    }

    fn dismiss_login(&mut self, login: &LoginName, now: Time) {
        for session in self.clients.of_login(login).collect::<Vec<_>>() {
            // A login by a token of the application needs no account.
            let needs_account = |session: &Session| session.local_login().is_some() && session.token().is_none();
            if self.clients.get(session).is_some_and(needs_account) {
                self.dismiss(session, close_code::POLICY, "the account was removed from the relay".to_owned(), now);
            }
        }
    }

    /// Refuses the connections whose login by this account is not complete: the running password check uses the
    /// removed account, and the answer of the application relies on that account.
    fn refuse_applicants(&mut self, login: &LoginName, now: Time) {
        let checked = self.checks.connections_of(login).into_iter();
        for connection in checked.chain(self.authorizations.verified_as(login)).collect::<Vec<_>>() {
            self.refuse(connection, &login.0, "wrong login or password".to_owned(), now);
        }
    }
}
