//! Routing: determines the targets of a call, which are client sessions, registered phones or URIs at SIP servers.

use super::Relay;
use super::clients::Session;
use crate::address::Address;
use crate::call::SessionId;
use crate::config::{AcceptedLogins, CallWaiting, LoginName};
pub(super) use crate::io::RouteSource as Source;
use crate::token::AllowedCallees;
use offhook_signaling::reason::EndReason;
use offhook_sip::message::SipUri;
use offhook_sip::user_agent::destinations::NamedBy;
use offhook_sip::user_agent::io::{AccountId, BindingId};

/// A destination that can be alerted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A browser.
    Session(SessionId),
    /// A registered SIP phone.
    Phone(BindingId),
    /// An address at a SIP server.
    Uri { account: AccountId, uri: SipUri },
}

impl Relay {
    /// Returns the targets of a call from `from` to `callee`.
    pub(super) fn route(&self, from: &Source, callee: &Address) -> Result<Vec<Target>, EndReason> {
        if let Some(account) = self.account_of(from) {
            return self.route_out(account, callee);
        }
        let login = callee.login();
        match self.accounts.trunk().filter(|_| *from != Source::Unknown && !self.is_user(login)) {
            Some(trunk) => self.route_out(trunk, callee),
            None => self.route_here(from, login),
        }
    }

    /// Returns the account, other than the trunk, through which calls of the originator are routed.
    fn account_of(&self, from: &Source) -> Option<AccountId> {
        match from {
            Source::Session(session) => self.clients.get(*session).and_then(Session::account),
            Source::Account(account) => Some(*account).filter(|account| !self.accounts.is_trunk(*account)),
            Source::Application(account) => *account,
            Source::Phone(_) | Source::Unknown => None,
        }
    }

    /// Returns the source of the calls of a session. If the relay requires logins, a session without a login is an
    /// unknown source: it can call users of the relay only, so that it causes no costs at the trunk.
    pub(super) fn source_of_session(&self, session: SessionId) -> Source {
        let has_login = self.clients.get(session).is_some_and(|session| {
            // A token that lists the callees was issued for these calls.
            session.login().is_some()
                || session.token().is_some_and(|token| token.rights().callees != AllowedCallees::Any)
        });
        if has_login || self.config.admission == AcceptedLogins::Anyone {
            Source::Session(session)
        } else {
            Source::Unknown
        }
    }

    /// Returns whether a name is that of a user of this relay.
    pub(super) fn is_user(&self, login: &LoginName) -> bool {
        self.config.accounts.contains(login) || self.locations.is_registered(login) || self.users.has_phone(login)
    }

    /// Returns the sessions and phones of a local login. The calling session is excluded. If a phone of this login
    /// calls, all phones of the login are excluded.
    pub(super) fn route_here(&self, from: &Source, login: &LoginName) -> Result<Vec<Target>, EndReason> {
        let registered: Vec<SessionId> =
            self.locations.sessions(login).filter(|id| self.is_open_for_calls(*id)).collect();
        // The calling phone must not be alerted. The source contains only its user, so that all phones of the user are
        // excluded.
        let is_own = matches!(from, Source::Phone(user) if user == login);
        let phones: Vec<BindingId> = self.locations.phones(login).filter(|_| !is_own).collect();
        if registered.is_empty() && phones.is_empty() {
            return Err(if self.is_user(login) { EndReason::Unavailable } else { EndReason::NotFound });
        }
        let free = |id: &SessionId| match self.config.call_waiting {
            CallWaiting::Rings => true,
            CallWaiting::Busy => self.calls.count_of_session(*id) == 0,
        };
        let sessions = registered.into_iter().filter(|id| *from != Source::Session(*id) && free(id));
        let targets: Vec<Target> = sessions.map(Target::Session).chain(phones.into_iter().map(Target::Phone)).collect();
        if targets.is_empty() { Err(EndReason::Busy) } else { Ok(targets) }
    }

    /// Returns the sessions of an account as targets of an inbound call from its server.
    pub(super) fn route_in(&self, account: AccountId) -> Result<Vec<Target>, EndReason> {
        let Some(account) = self.accounts.get(account) else { return Err(EndReason::NotFound) };
        let open = |id: &SessionId| self.is_open_for_calls(*id);
        let sessions: Vec<SessionId> = account.sessions().iter().copied().filter(open).collect();
        if sessions.is_empty() {
            return Err(EndReason::Unavailable);
        }
        let free = |id: &SessionId| match self.config.call_waiting {
            CallWaiting::Rings => true,
            CallWaiting::Busy => self.calls.count_of_session(*id) == 0,
        };
        let free: Vec<Target> = sessions.into_iter().filter(free).map(Target::Session).collect();
        if free.is_empty() { Err(EndReason::Busy) } else { Ok(free) }
    }

    /// Returns an address as a target at the server of the originator's account. If the originator has no account, it
    /// is a target at the trunk.
    pub(super) fn route_to_address(&self, from: &Source, address: &Address) -> Result<Vec<Target>, EndReason> {
        let account = self.account_of(from).or_else(|| self.accounts.trunk().filter(|_| *from != Source::Unknown));
        self.route_out(account.ok_or(EndReason::Forbidden)?, address)
    }

    pub(super) fn route_out(&self, account: AccountId, callee: &Address) -> Result<Vec<Target>, EndReason> {
        let uri = self.uri_at(account, callee)?;
        Ok(vec![Target::Uri { account, uri }])
    }

    /// Returns the URI of a callee for calls through an account. If the account has no proxy, the INVITE is sent to the
    /// host in the URI. This host must be the account's own server, or a server that pages may use.
    pub(super) fn uri_at(&self, account: AccountId, callee: &Address) -> Result<SipUri, EndReason> {
        let known = self.accounts.get(account).ok_or(EndReason::Unavailable)?;
        let config = self.config.sip.as_ref().ok_or(EndReason::InternalError)?;
        let domain = known.domain();
        let uri = callee.uri_at(domain).ok_or(EndReason::NotFound)?;
        self.check_destination(account, &uri)?;
        let (host, port) = (uri.next_hop(), uri.port());
        let is_usual = port.is_none_or(|port| Some(port) == domain.port || matches!(port, 5060 | 5061));
        let is_own = host == domain.host && is_usual;
        let is_listed = || config.user_agent.destinations.reach(&host, port, NamedBy::Page).is_some();
        if known.settings().route.is_empty() && !is_own && !is_listed() {
            return Err(EndReason::Forbidden);
        }
        // A callee at the account's own host without a port is called at the port of the account's domain.
        let names_none = port.is_none() && uri.user().is_some() && !uri.has_parameters() && *uri.host() == domain.host;
        Ok(if names_none { uri.with_port(domain.port) } else { uri })
    }

    /// Checks whether the operator permits calls to a URI through an account.
    fn check_destination(&self, account: AccountId, uri: &SipUri) -> Result<(), EndReason> {
        let trunk = self.config.sip.as_ref().and_then(|config| config.trunk.as_ref());
        let numbering = trunk.filter(|_| self.accounts.is_trunk(account)).map(|trunk| trunk.numbering.clone());
        let user = uri.user().unwrap_or_default();
        let is_permitted = self.config.guards.destinations.permit(&user, &numbering.unwrap_or_default());
        if is_permitted { Ok(()) } else { Err(EndReason::DestinationDenied) }
    }
}
