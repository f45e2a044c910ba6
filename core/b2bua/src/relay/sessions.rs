//! Admission: from `connection` to a session, by password, by token or, in demo mode, just so.

use super::Relay;
use crate::call::SessionId;
use crate::config::{Admission, LoginName};
use crate::io::{ConnectionId, Output, RequestId};
use offhook_clock::Time;
use offhook_signaling::limits::RateLimit;
use offhook_signaling::message::{Connection, ServerMessage, UserData};
use offhook_signaling::server::{self, close_code};
use offhook_signaling::version::{self, Extension, feature};
use rand_core::Rng;
use serde::{Deserialize, Serialize};

/// A `connection` whose password is being checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) connection: ConnectionId,
    hello: Connection,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Attachment {
    /// Its browser is there.
    Online(ConnectionId),
    /// It may come back with its token.
    Away { until: Time },
}

/// One signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) login: Option<LoginName>,
    /// What it said of itself, without the password; its `auth_token` is the session's, its `offhook` is what was agreed.
    hello: Connection,
    attachment: Attachment,
    pub(super) digits: RateLimit,
}

/// The longest login, in octets.
const MAX_LOGIN: usize = 128;
/// The longest password, in octets.
const MAX_PASSWORD: usize = 1024;
/// Passwords being checked at once; each check takes tens of milliseconds.
const MAX_PENDING: usize = 64;
/// Digits a session may send on average in a second, and at once.
const DIGIT_RATE: u32 = 20;
/// See [`DIGIT_RATE`].
pub(super) const DIGIT_BURST: u32 = 64;

/// Whether a call to this very text would find this login.
fn is_reachable(login: &str) -> bool {
    login.len() <= MAX_LOGIN
        && !login.contains(|c: char| c.is_control())
        && super::calls::address_of_record(login).0 == login
}

impl Session {
    pub(super) const fn connection(&self) -> Option<ConnectionId> {
        match self.attachment {
            Attachment::Online(connection) => Some(connection),
            Attachment::Away { .. } => None,
        }
    }

    pub(super) const fn expires_at(&self) -> Option<Time> {
        match self.attachment {
            Attachment::Online(_) => None,
            Attachment::Away { until } => Some(until),
        }
    }

    pub(super) fn has(&self, feature: &str) -> bool {
        self.hello.offhook.as_ref().is_some_and(|extension| extension.has(feature))
    }

    /// Calls come in unless the page asked for none; without a login there is nothing to call.
    fn registers(&self) -> bool {
        self.login.is_some() && self.hello.sip.register_required != Some(false)
    }
}

impl Relay {
    /// The first message of a socket.
    pub(super) fn admit(&mut self, connection: ConnectionId, mut hello: Connection, now: Time) {
        if let Some(token) = hello.auth_token.take().filter(|token| !token.is_empty()) {
            return self.come_back(connection, &token, hello, now);
        }
        let password = hello.sip.password.take();
        let login = match hello.sip.login.clone().filter(|login| !login.is_empty()) {
            None => return self.accept(connection, None, hello, now),
            Some(login) if !is_reachable(&login) => {
                let info =
                    format!("sipLogin must be 1 to {MAX_LOGIN} octets of a plain name, without `@`, `;` and the like");
                let login = login.chars().take(MAX_LOGIN).collect::<String>();
                return self.refuse(connection, &login, info, now);
            }
            Some(login) => LoginName(login),
        };
        match self.config.admission {
            Admission::Anyone => self.accept(connection, Some(login), hello, now),
            Admission::Accounts if password.as_ref().is_some_and(|password| password.len() > MAX_PASSWORD) => {
                let info = format!("sipPassword is longer than {MAX_PASSWORD} octets");
                self.refuse(connection, &login.0, info, now);
            }
            Admission::Accounts if self.pending.len() >= MAX_PENDING => {
                self.refuse(connection, &login.0, "too many log-ins at once: try again".to_owned(), now);
            }
            Admission::Accounts => {
                let request = RequestId(self.fresh_id());
                self.pending.insert(request, Pending { connection, hello });
                let password = password.unwrap_or_default();
                self.outputs.push_back(Output::VerifyPassword { request, login, password });
            }
        }
    }

    pub(super) fn password_verified(&mut self, request: RequestId, matches: bool, now: Time) {
        let Some(Pending { connection, hello }) = self.pending.remove(&request) else { return };
        let login = hello.sip.login.clone().unwrap_or_default();
        if matches {
            self.accept(connection, Some(LoginName(login)), hello, now);
        } else {
            self.refuse(connection, &login, "wrong login or password".to_owned(), now);
        }
    }

    fn come_back(&mut self, connection: ConnectionId, token: &str, hello: Connection, now: Time) {
        let Some(id) = self.registrar.redeem(token) else {
            let reason = "the token is unknown or expired: connect with login and password".to_owned();
            return self.close(connection, close_code::POLICY, reason, now);
        };
        // The socket it had may be dead without our knowing; its calls cannot go on in a new page either way.
        self.end_calls_of(id, now);
        if let Some(old) = self.sessions.get(&id).and_then(Session::connection) {
            if let Some(socket) = self.sockets.get_mut(&old) {
                socket.session = None;
            }
            self.close(old, close_code::NORMAL, "the session went on with another socket".to_owned(), now);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.attachment = Attachment::Online(connection);
        session.hello.keep_alive = hello.keep_alive.or(session.hello.keep_alive);
        session.hello.offhook = agree(hello.offhook);
        session.hello.client_browser_version = hello.client_browser_version;
        self.greet(connection, id, now);
    }

    fn accept(&mut self, connection: ConnectionId, login: Option<LoginName>, hello: Connection, now: Time) {
        if let Some(login) = &login
            && !self.has_room_for(login)
        {
            let most = self.config.max_sessions_per_login;
            let info = format!("{most} sessions of this login are the most: close one of them");
            return self.refuse(connection, &login.0.clone(), info, now);
        }
        let id = SessionId(self.fresh_id());
        let token = self.token();
        let offhook = agree(hello.offhook);
        let hello = Connection { auth_token: Some(token.clone()), offhook, ..hello };
        let digits = RateLimit::new(DIGIT_RATE, DIGIT_BURST, now);
        let session = Session { login, hello, attachment: Attachment::Online(connection), digits };
        if session.registers()
            && let Some(login) = &session.login
        {
            self.registrar.register(login, id);
        }
        self.registrar.issue(token, id);
        self.sessions.insert(id, session);
        self.greet(connection, id, now);
    }

    fn greet(&mut self, connection: ConnectionId, id: SessionId, now: Time) {
        let (Some(socket), Some(session)) = (self.sockets.get_mut(&connection), self.sessions.get(&id)) else { return };
        socket.session = Some(id);
        socket.protocol.handle_input(&server::Input::Accepted, now);
        let registered = session.registers();
        let data = UserData {
            connection: session.hello.clone(),
            status: "ESTABLISHED".to_owned(),
            demo: self.config.admission == Admission::Anyone,
        };
        self.send(connection, &ServerMessage::UserData(Box::new(data)));
        if registered {
            self.send(connection, &ServerMessage::Registered);
        }
    }

    fn refuse(&mut self, connection: ConnectionId, login: &str, info: String, now: Time) {
        let fail = ServerMessage::Fail {
            api_method: "RegistrationStatusEvent".to_owned(),
            id: Some(login.to_owned()),
            status: "FAILED".to_owned(),
            info: info.clone(),
        };
        self.send(connection, &fail);
        self.close(connection, close_code::POLICY, info, now);
    }

    /// The session's socket is gone.
    pub(super) fn detach(&mut self, id: SessionId, now: Time) {
        self.end_calls_of(id, now);
        let keep_for = self.config.keep_alive_for;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        // Who never logged in has nothing to come back to.
        let is_kept = session.login.is_some() && session.hello.keep_alive == Some(true) && !keep_for.is_zero();
        if is_kept {
            session.attachment = Attachment::Away { until: now + keep_for };
        } else {
            self.forget_session(id);
        }
    }

    /// Whether one more session of this login may be; those that are away make room, the oldest first.
    fn has_room_for(&mut self, login: &LoginName) -> bool {
        loop {
            let of_login = || self.sessions.iter().filter(|(_, session)| session.login.as_ref() == Some(login));
            if of_login().count() < self.config.max_sessions_per_login {
                return true;
            }
            let away = of_login().find(|(_, session)| session.connection().is_none()).map(|(id, _)| *id);
            let Some(away) = away else { return false };
            self.forget_session(away);
        }
    }

    pub(super) fn expire_sessions(&mut self, now: Time) {
        let expired = |session: &Session| session.expires_at().is_some_and(|at| at <= now);
        let expired: Vec<SessionId> =
            self.sessions.iter().filter(|(_, session)| expired(session)).map(|(id, _)| *id).collect();
        for id in expired {
            self.forget_session(id);
        }
    }

    fn forget_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if let Some(login) = &session.login {
            self.registrar.unregister(login, id);
        }
        if let Some(token) = &session.hello.auth_token {
            self.registrar.revoke(token);
        }
    }

    /// 128 bits as a version 4 UUID (RFC 9562 §5.4).
    pub(super) fn token(&mut self) -> String {
        let mut octets = [0; 16];
        self.random.fill_bytes(&mut octets);
        uuid::Builder::from_random_bytes(octets).into_uuid().to_string()
    }
}

/// What both sides can do, in the version both speak.
fn agree(theirs: Option<Extension>) -> Option<Extension> {
    let theirs = theirs.filter(|theirs| theirs.version >= version::OLDEST)?;
    let mut ours = Extension::ours();
    ours.version = ours.version.min(theirs.version);
    ours.features.retain(|name| theirs.has(name));
    Some(ours)
}

/// The features that a call's parties are told apart by.
pub(super) fn features(session: &Session) -> (bool, bool, bool) {
    (session.has(feature::DTMF_EVENTS), session.has(feature::END_REASONS), session.has(feature::DIRECT_MEDIA))
}
