//! Client sessions, and their admission by password, by token or, in demo mode, without either. Tokens of the application
//! are handled in `tokens.rs`.

use super::Relay;
use super::clients::{NewSession, Scheme, Session, Socket};
use super::deadlines::Owner;
use super::password_checks::{Attempt, Finished, Step};
use super::sip_accounts::Registration;
use super::sip_options::{PageAccount, RequestedServer, page_account, refused_server, selects_relay};
use super::tokens::TokenLogin;
use crate::address::Address;
use crate::authorization::{AuthorizationOutput, KeptGrant};
use crate::call::SessionId;
use crate::config::{AcceptedLogins, LoginName};
use crate::io::{ConnectionId, Output, RequestId};
use crate::token::is_json_web_token;
use core::time::Duration;
use offhook_clock::Time;
use offhook_limits::offense::Kind;
use offhook_signaling::message::{ClientMessage, ConnectionMessage, ServerMessage, SipOptions, UserData};
use offhook_signaling::server::{self, close_code};
use offhook_signaling::version::{self, Extension};
use offhook_sip::auth::Secret;
use rand_core::Rng;
use std::net::IpAddr;

/// The longest login, in octets.
const MAX_LOGIN: usize = 128;
/// The longest password, in octets.
const MAX_PASSWORD: usize = 1024;
/// The maximum size in octets of the `connection` message of a session whose login is not verified. The limit exists
/// because the message is stored with the session.
const MAX_ANONYMOUS_HELLO: usize = 8_192;

/// Returns the `connection` message if it is short enough for a session whose login is not verified; otherwise its
/// length in octets.
fn bounded(hello: ConnectionMessage) -> Result<ConnectionMessage, usize> {
    let message = ClientMessage::Connection(Box::new(hello));
    let octets = message.to_json().len();
    match message {
        ClientMessage::Connection(hello) if octets <= MAX_ANONYMOUS_HELLO => Ok(*hello),
        _ => Err(octets),
    }
}

/// Returns whether a login is short enough and can be called: as an address, its text denotes exactly this login.
pub(super) fn is_reachable(login: &str) -> bool {
    login.len() <= MAX_LOGIN && !login.contains(|c: char| c.is_control()) && Address::parse(login).login().0 == login
}

/// The result of the authentication of a `connection`.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) login: Option<LoginName>,
    pub(super) account: SessionAccount,
    /// The token of the application by which the session logs in.
    pub(super) token: Option<Box<TokenLogin>>,
}

impl Authenticated {
    /// Returns a session without a token of the application, whose login selects its account.
    const fn by_login(login: Option<LoginName>) -> Self {
        Self { login, account: SessionAccount::OfLogin, token: None }
    }
}

/// The account at a SIP server of a new session.
#[derive(Debug)]
pub(super) enum SessionAccount {
    /// The one that the operator assigned to the login, if there is one.
    OfLogin,
    /// The one that the operator assigned to this login.
    Configured(LoginName),
    /// One that the page or the token contains.
    Page(Box<PageAccount>),
}

impl Relay {
    /// Handles the first message of a socket.
    pub(super) fn admit(&mut self, connection: ConnectionId, mut hello: ConnectionMessage, now: Time) {
        if let Some(token) = hello.auth_token.take().filter(|token| !token.is_empty()) {
            if is_json_web_token(&token) {
                self.admit_by_token(connection, token, hello, now);
            } else {
                self.resume_session(connection, &token, hello, now);
            }
            return;
        }
        let password = hello.sip.password.take();
        let login = match hello.sip.login.clone().filter(|login| !login.is_empty()) {
            None => return self.admit_anonymous(connection, hello, now),
            Some(login) if !is_reachable(&login) => {
                let info = format!(
                    "sipLogin must be a plain name of 1 to {MAX_LOGIN} octets, without characters such as `@` and `;`"
                );
                let login = login.chars().take(MAX_LOGIN).collect::<String>();
                return self.refuse(connection, &login, info, now);
            }
            Some(login) => LoginName(login),
        };
        if password.as_ref().is_some_and(|password| password.len() > MAX_PASSWORD) {
            let info = format!("sipPassword is longer than {MAX_PASSWORD} octets");
            return self.refuse(connection, &login.0, info, now);
        }
        let config = self.config.sip.as_ref().filter(|_| !self.selects_relay(connection, &hello.sip));
        let page_account = config.map_or(Ok(RequestedServer::None), |config| {
            // The server verifies the password.
            page_account(&hello.sip, &login.0, password.clone(), config)
        });
        match page_account {
            Ok(RequestedServer::None | RequestedServer::Refused(_)) => {
                self.admit_locally(connection, login, password.unwrap_or_default(), hello, now);
            }
            Ok(RequestedServer::Account(account)) => {
                self.admit_to_server(connection, (*account, None), &login.0, hello, now);
            }
            Err(info) => self.refuse(connection, &login.0, info, now),
        }
    }

    pub(super) fn selects_relay(&self, connection: ConnectionId, options: &SipOptions) -> bool {
        let host = self.clients.socket(connection).and_then(Socket::host);
        selects_relay(options, host, &self.config)
    }

    fn admit_locally(
        &mut self,
        connection: ConnectionId,
        login: LoginName,
        password: String,
        hello: ConnectionMessage,
        now: Time,
    ) {
        match self.config.admission {
            AcceptedLogins::Anyone => self.authorize(connection, Authenticated::by_login(Some(login)), hello, now),
            // The application may identify the user by other means than a password.
            AcceptedLogins::Accounts if password.is_empty() && self.authorizes_externally() => {
                self.admit_unverified(connection, hello, now);
            }
            AcceptedLogins::Accounts => {
                let Some(address) = self.clients.socket(connection).map(Socket::address) else { return };
                let attempt = Attempt { connection, address, login, password: Secret::new(password), hello };
                // A login without a free session is refused before its password is checked. Since this response reveals
                // that sessions of the login exist, it is limited to sources from which the login has succeeded before.
                if self.checks.is_known(&attempt) && self.is_full(&attempt.login) {
                    return self.refuse_session(connection, &attempt.login, now);
                }
                let request = RequestId(self.fresh_id());
                if let Some(attempt) = self.checks.submit(request, attempt, now) {
                    let info = "too many logins at once: try again in a few seconds".to_owned();
                    self.refuse(attempt.connection, &attempt.login.0, info, now);
                }
                self.check_passwords(now);
            }
        }
    }

    /// Starts the checks that may run, and refuses those whose source or login is locked out.
    fn check_passwords(&mut self, now: Time) {
        while let Some(step) = self.checks.next(self.config.password_checks, now) {
            match step {
                Step::Verify { request, login, password } => {
                    self.outputs.push_back(Output::VerifyPassword { request, login, password });
                }
                Step::Refuse { attempt, remaining } => {
                    self.refuse_locked(attempt.connection, attempt.address, &attempt.login.0, remaining, now);
                }
            }
        }
    }

    fn refuse_locked(
        &mut self,
        connection: ConnectionId,
        address: IpAddr,
        login: &str,
        remaining: Duration,
        now: Time,
    ) {
        let seconds = remaining.as_secs().saturating_add(1);
        let info = format!("too many wrong passwords from your address: try again in {seconds} s");
        self.note_offense(Kind::WrongPassword, address, true, now);
        self.refuse(connection, login, info, now);
    }

    /// Admits a `connection` whose password is verified by the SIP server that the page named. The session exists
    /// before the server has responded, and its size is limited until then.
    pub(super) fn admit_to_server(
        &mut self,
        connection: ConnectionId,
        (account, token): (PageAccount, Option<Box<TokenLogin>>),
        login: &str,
        hello: ConnectionMessage,
        now: Time,
    ) {
        let Some(address) = self.clients.socket(connection).map(Socket::address) else { return };
        let name = LoginName(account.settings.identity.uri.to_string());
        if let Some(remaining) = self.checks.lockout(address, &name, now) {
            return self.refuse_locked(connection, address, login, remaining, now);
        }
        match bounded(hello) {
            Ok(hello) => {
                let account = SessionAccount::Page(Box::new(account));
                self.authorize(connection, Authenticated { login: Some(name), account, token }, hello, now);
            }
            Err(octets) => {
                let info = format!(
                    "`connection` has {octets} octets; the maximum with an account at a SIP server is {MAX_ANONYMOUS_HELLO}"
                );
                self.refuse(connection, login, info, now);
            }
        }
    }

    pub(super) fn password_verified(&mut self, request: RequestId, matches: bool, now: Time) {
        let Some(Finished { address, login, waiter }) = self.checks.finish(request, matches, now) else { return };
        if !matches {
            self.note_offense(Kind::WrongPassword, address, true, now);
        }
        match waiter {
            Some((connection, hello)) if matches => {
                self.authorize(connection, Authenticated::by_login(Some(login)), hello, now);
            }
            Some((connection, _)) => self.refuse(connection, &login.0, "wrong login or password".to_owned(), now),
            None => {}
        }
        self.check_passwords(now);
    }

    pub(super) fn note_offense(&mut self, kind: Kind, address: IpAddr, is_verified: bool, now: Time) {
        let report = self.offenses.note(kind, address, is_verified, now);
        self.outputs.extend(report.map(Output::Offense));
    }

    /// Admits a `connection` without a login: its page can call and cannot be called.
    fn admit_anonymous(&mut self, connection: ConnectionId, hello: ConnectionMessage, now: Time) {
        let is_allowed = self.config.admission == AcceptedLogins::Anyone || self.config.anonymous;
        if !is_allowed && !self.authorizes_externally() {
            let info = "this relay requires a login: connect with sipLogin and sipPassword".to_owned();
            return self.refuse(connection, "", info, now);
        }
        self.admit_unverified(connection, hello, now);
    }

    /// Admits a `connection` without a login, or with a login that only the application can verify.
    fn admit_unverified(&mut self, connection: ConnectionId, hello: ConnectionMessage, now: Time) {
        self.admit_without_login(connection, Authenticated::by_login(None), hello, now);
    }

    /// Admits a `connection` without a verified login, if its message is short enough.
    pub(super) fn admit_without_login(
        &mut self,
        connection: ConnectionId,
        authenticated: Authenticated,
        hello: ConnectionMessage,
        now: Time,
    ) {
        match bounded(hello) {
            Ok(hello) => self.authorize(connection, authenticated, hello, now),
            Err(octets) => {
                let info =
                    format!("`connection` has {octets} octets; the maximum without a login is {MAX_ANONYMOUS_HELLO}");
                self.refuse(connection, "", info, now);
            }
        }
    }

    fn resume_session(&mut self, connection: ConnectionId, token: &str, hello: ConnectionMessage, now: Time) {
        let Some(id) = self.clients.redeem(token) else {
            let reason = "the token is unknown or expired: connect with login and password".to_owned();
            return self.close(connection, close_code::POLICY, reason, now);
        };
        // The calls of the previous page cannot continue in the new one, whether or not the previous socket has failed.
        self.end_calls_of(id, now);
        if let Some(old) = self.clients.attach(id, connection) {
            self.close(old, close_code::NORMAL, "the session continues on another WebSocket".to_owned(), now);
        }
        self.arm_session(id);
        if let Some(session) = self.clients.get_mut(id) {
            session.update_hello(ConnectionMessage { offhook: agree(hello.offhook.clone()), ..hello });
        }
        // Each reconnect replaces the token, so that a leaked token is soon invalid. The used token stays valid until
        // the page has received the new one, because the page may lose its socket before.
        let next = self.token();
        self.clients.renew_token(id, next, token);
        self.greet(connection, id, now);
    }

    /// Creates the session of an authenticated `connection`.
    pub(super) fn accept(
        &mut self,
        connection: ConnectionId,
        id: SessionId,
        authenticated: Authenticated,
        (hello, granted): (ConnectionMessage, KeptGrant),
        now: Time,
    ) {
        if self.clients.socket(connection).is_none() {
            return;
        }
        let Authenticated { login, account, token: application_token } = authenticated;
        if let Some(login) = &login
            && !self.has_room_for(login)
        {
            return self.refuse_session(connection, login, now);
        }
        let token = self.token();
        let options = granted.sip.as_deref().unwrap_or(&hello.sip).clone();
        let hello = ConnectionMessage { offhook: agree(hello.offhook.clone()), ..hello };
        let scheme = self.scheme_of(account, login.as_ref(), id);
        let refused_server = match scheme {
            Scheme::Local if login.is_some() && !self.selects_relay(connection, &options) => {
                refused_server(&options, self.config.sip.as_deref())
            }
            Scheme::Local | Scheme::Configured(_) | Scheme::Page(_) => None,
        };
        let session = NewSession { login, scheme, refused_server, hello, token, granted, application_token };
        self.clients.insert(id, connection, session, now);
        if let Some(login) = self.clients.get(id).and_then(Session::local_login) {
            self.locations.register(login, id);
        }
        self.greet(connection, id, now);
    }

    /// Returns the server that routes the calls of a new session, and adds the session to its account.
    fn scheme_of(&mut self, account: SessionAccount, login: Option<&LoginName>, id: SessionId) -> Scheme {
        match account {
            SessionAccount::Page(account) => Scheme::Page(self.use_account(*account, id)),
            SessionAccount::Configured(of) => self.configured_scheme(Some(&of), id),
            SessionAccount::OfLogin => self.configured_scheme(login, id),
        }
    }

    fn configured_scheme(&mut self, login: Option<&LoginName>, id: SessionId) -> Scheme {
        match login.and_then(|login| self.configured_account(login)) {
            Some(account) => Scheme::Configured(self.use_account(account, id)),
            None => Scheme::Local,
        }
    }

    fn greet(&mut self, connection: ConnectionId, id: SessionId, now: Time) {
        let Some(session) = self.clients.get_mut(id).filter(|session| session.connection() == Some(connection)) else {
            return;
        };
        // If the account registers, `registered` is sent when its server has accepted the registration.
        let account = session.account().and_then(|account| self.accounts.get(account));
        let waits = account.is_some_and(|account| {
            account.settings().registrar.is_some() && account.registration() != Registration::Accepted
        });
        let registered = session.registers() && !waits;
        session.is_informed = registered || !session.registers();
        let refused_server = session.refused_server().map(str::to_owned);
        let data = UserData {
            connection: session.hello().clone(),
            status: "ESTABLISHED".to_owned(),
            demo: self.config.admission == AcceptedLogins::Anyone,
        };
        if let Some(protocol) = self.clients.protocol_mut(connection) {
            protocol.handle_input(&server::Input::Accepted, now);
        }
        self.arm_socket(connection);
        self.send_to_session(id, &ServerMessage::UserData(Box::new(data)));
        if registered {
            self.send_to_session(id, &ServerMessage::Registered);
        }
        if let Some(server) = refused_server {
            self.handle_server_not_permitted(connection, server);
        }
        self.restart_token_watch(id, now);
    }

    /// Handles a SIP server that the page named and may not use. If pages may use other servers, the page is informed
    /// that its calls are routed to users of this relay. Otherwise it is not informed, because a page that
    /// was written for a relay with SIP servers always names one.
    fn handle_server_not_permitted(&mut self, connection: ConnectionId, server: String) {
        let informed = self.config.sip.as_ref().is_some_and(|sip| sip.user_agent.destinations.servers.allow_some());
        if informed {
            let fail = ServerMessage::Fail {
                api_method: "RegistrationStatusEvent".to_owned(),
                id: None,
                status: "WARN".to_owned(),
                info: format!(
                    "the relay does not call through {server}, only to its own users: its operator can allow that server in \
                     [sip] servers"
                ),
            };
            self.send(connection, &fail);
        }
        if self.accounts.note_refused_server(&server) {
            self.outputs.push_back(Output::ServerNotPermitted { server, informed });
        }
    }

    pub(super) fn refuse(&mut self, connection: ConnectionId, login: &str, info: String, now: Time) {
        let fail = ServerMessage::Fail {
            api_method: "RegistrationStatusEvent".to_owned(),
            id: Some(login.to_owned()),
            status: "FAILED".to_owned(),
            info: info.clone(),
        };
        self.send(connection, &fail);
        self.close(connection, close_code::POLICY, info, now);
    }

    /// Ends the session and closes its socket, if it has one.
    pub(super) fn dismiss(&mut self, id: SessionId, code: u16, reason: String, now: Time) {
        self.end_calls_of(id, now);
        let session = self.forget_session(id);
        if let Some(connection) = session.as_ref().and_then(Session::connection) {
            self.close(connection, code, reason, now);
        }
    }

    /// Handles the loss of the session's socket.
    pub(super) fn detach(&mut self, id: SessionId, now: Time) {
        self.end_calls_of(id, now);
        self.forget_held_commands(id);
        let keep_for = self.config.keep_alive_for;
        let keeps_alive = self.clients.get(id).is_some_and(|session| session.hello().keep_alive == Some(true));
        // Sessions without a verified login are not kept, so that they do not accumulate.
        if keeps_alive && self.is_proved(id) && !keep_for.is_zero() {
            self.clients.suspend(id, now + keep_for);
            self.report_authorization(AuthorizationOutput::Disconnected { session: id, is_kept: true });
            self.arm_session(id);
        } else {
            self.forget_session(id);
        }
    }

    /// Returns whether the relay or the SIP server has accepted the session's login.
    fn is_proved(&self, id: SessionId) -> bool {
        let session = self.clients.get(id).filter(|session| session.login().is_some());
        session.is_some_and(|session| match session.scheme() {
            Scheme::Local | Scheme::Configured(_) => true,
            Scheme::Page(account) => self.accounts.get(account).is_some() && !self.accounts.is_unproved(account),
        })
    }

    /// Returns whether a login has the maximum number of sessions, all with a connected browser.
    fn is_full(&self, login: &LoginName) -> bool {
        let online = self.clients.of_login(login).filter(|id| self.clients.is_online(*id));
        online.count() >= self.config.max_sessions_per_login
    }

    fn refuse_session(&mut self, connection: ConnectionId, login: &LoginName, now: Time) {
        let most = self.config.max_sessions_per_login;
        let info = format!("the maximum of {most} sessions of this login is reached: close one of them");
        self.refuse(connection, &login.0, info, now);
    }

    /// Returns whether one more session of this login is possible. If necessary, disconnected sessions are removed for
    /// it, the oldest first.
    fn has_room_for(&mut self, login: &LoginName) -> bool {
        while self.clients.of_login(login).count() >= self.config.max_sessions_per_login {
            let Some(away) = self.clients.first_away(login) else { return false };
            self.forget_session(away);
        }
        true
    }

    /// Ends a session whose browser has not reconnected.
    pub(super) fn expire_session(&mut self, id: SessionId, now: Time) {
        if self.clients.get(id).and_then(Session::expires_at).is_some_and(|at| at <= now) {
            self.forget_session(id);
        }
    }

    /// Updates the deadline of a session after its browser connected or disconnected.
    fn arm_session(&mut self, id: SessionId) {
        let at = self.clients.get(id).and_then(Session::expires_at);
        self.deadlines.set(Owner::Session(id), at);
    }

    fn forget_session(&mut self, id: SessionId) -> Option<Session> {
        let session = self.clients.remove(id)?;
        self.arm_session(id);
        self.forget_held_commands(id);
        self.report_authorization(AuthorizationOutput::Disconnected { session: id, is_kept: false });
        self.forget_token(id);
        if let Some(account) = session.account() {
            self.leave_account(account, id);
        }
        if let Some(login) = session.local_login() {
            self.locations.unregister(login, id);
        }
        Some(session)
    }

    /// Returns 128 random bits as a version 4 UUID (RFC 9562 §5.4).
    pub(super) fn token(&mut self) -> String {
        let mut octets = [0; 16];
        self.random.fill_bytes(&mut octets);
        uuid::Builder::from_random_bytes(octets).into_uuid().to_string()
    }
}

/// Returns the features that both sides support, in the highest common version.
fn agree(theirs: Option<Extension>) -> Option<Extension> {
    let theirs = theirs.filter(|theirs| theirs.version >= version::OLDEST)?;
    let mut ours = Extension::ours();
    ours.version = ours.version.min(theirs.version);
    ours.features.retain(|name| theirs.has(name));
    Some(ours)
}
