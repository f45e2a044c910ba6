//! The WebSockets and the client sessions, with their indexes.
//!
//! A socket has at most one session, and a session is online on at most one socket. The references between sockets and
//! sessions, the index by login and the index by token are changed together.

use super::ringing::ring_limit;
use super::tokens::TokenLogin;
use crate::authorization::KeptGrant;
use crate::call::SessionId;
use crate::config::LoginName;
use crate::io::ConnectionId;
use offhook_clock::Time;
use offhook_limits::RateLimit;
use offhook_signaling::message::{ConnectionMessage, SipOptions};
use offhook_signaling::server;
use offhook_signaling::version::Extension;
use offhook_sip::user_agent::io::AccountId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The number of digits that a session may send per second on average.
const DIGIT_RATE: u32 = 20;
/// The number of digits that a session may send in one burst.
pub(super) const DIGIT_BURST: u32 = 64;

/// A WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Socket {
    protocol: server::Connection,
    /// The host of the URL by which it was opened.
    host: Option<String>,
    /// The origin of its page (RFC 6454).
    origin: Option<String>,
    session: Option<SessionId>,
    address: IpAddr,
}

impl Socket {
    pub(super) const fn new(
        protocol: server::Connection,
        host: Option<String>,
        origin: Option<String>,
        address: IpAddr,
    ) -> Self {
        Self { protocol, host, origin, session: None, address }
    }

    /// Returns the origin of its page; `None` for a program that is not a browser.
    pub(super) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Returns the host of the URL by which it was opened.
    pub(super) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns the remote address.
    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Attachment {
    /// Its browser is connected.
    Online(ConnectionId),
    /// Its browser may reconnect with its token.
    Away { until: Time },
}

/// The server that routes a session's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Scheme {
    /// The relay.
    Local,
    /// The SIP server of the account that the operator assigned to the login. The login is also a local one.
    Configured(AccountId),
    /// The server that the page named; the login is valid only there.
    Page(AccountId),
}

/// The properties of a session that is to be created.
#[derive(Debug)]
pub(super) struct NewSession {
    pub(super) login: Option<LoginName>,
    pub(super) scheme: Scheme,
    pub(super) refused_server: Option<String>,
    /// Its `connection` message without the password, with the features that both sides support.
    pub(super) hello: ConnectionMessage,
    /// Its first token for reconnecting.
    pub(super) token: String,
    pub(super) granted: KeptGrant,
    /// The token of the application by which it logs in.
    pub(super) application_token: Option<Box<TokenLogin>>,
}

/// One client session, with or without a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    login: Option<LoginName>,
    scheme: Scheme,
    refused_server: Option<String>,
    /// Its browser has received `registered`, or requested no registration.
    pub(super) is_informed: bool,
    /// Its `connection` message without the password. In it, `auth_token` is the newest token of the session, and
    /// `offhook` contains the negotiated features.
    hello: ConnectionMessage,
    /// The properties that the application has granted.
    granted: KeptGrant,
    /// The token that its page used last, which is valid until the page shows that it has received the next one.
    used_token: Option<String>,
    attachment: Attachment,
    /// The source address of its login.
    address: IpAddr,
    pub(super) digits: RateLimit,
    /// The rate limit of calls that begin to ring.
    pub(super) rings: RateLimit,
    /// The token of the application by which it logged in.
    application_token: Option<Box<TokenLogin>>,
}

impl Session {
    /// Returns the login to which the limits per login apply: a local login, or the address of record at the server
    /// that the page named.
    pub(super) const fn login(&self) -> Option<&LoginName> {
        self.login.as_ref()
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the SIP server that its page requested but may not use. The relay routes its calls instead.
    pub(super) fn refused_server(&self) -> Option<&str> {
        self.refused_server.as_deref()
    }

    pub(super) const fn hello(&self) -> &ConnectionMessage {
        &self.hello
    }

    /// Returns what the application has granted.
    pub(super) const fn granted(&self) -> &KeptGrant {
        &self.granted
    }

    /// Returns the SIP options that apply: those of the application, or else those of its page.
    pub(super) fn sip(&self) -> &SipOptions {
        self.granted.sip.as_deref().unwrap_or(&self.hello.sip)
    }

    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }

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

    /// Returns the token of the application by which it logged in.
    pub(super) fn token(&self) -> Option<&TokenLogin> {
        self.application_token.as_deref()
    }

    pub(super) fn token_mut(&mut self) -> Option<&mut TokenLogin> {
        self.application_token.as_deref_mut()
    }

    /// Returns the extensions of the stock protocol that its page supports.
    pub(super) fn features(&self) -> Extension {
        self.hello.offhook.clone().unwrap_or_default()
    }

    /// Returns whether its page waits for `registered`. If the relay routes the calls, the session can be called in
    /// either case.
    pub(super) fn registers(&self) -> bool {
        self.login.is_some() && self.sip().register_required != Some(false)
    }

    /// Returns the account at a SIP server through which its calls are routed.
    pub(super) const fn account(&self) -> Option<AccountId> {
        match self.scheme {
            Scheme::Local => None,
            Scheme::Configured(account) | Scheme::Page(account) => Some(account),
        }
    }

    /// Returns the login by which other users of this relay can call it.
    pub(super) fn local_login(&self) -> Option<&LoginName> {
        self.login.as_ref().filter(|_| !matches!(self.scheme, Scheme::Page(_)))
    }

    /// Returns its login as presented to others.
    pub(super) fn caller(&self) -> &str {
        self.login.as_ref().and(self.sip().login.as_deref()).unwrap_or("anonymous")
    }

    /// Replaces those parts of its `connection` message that may differ after a reconnect.
    pub(super) fn update_hello(&mut self, hello: ConnectionMessage) {
        self.hello.keep_alive = hello.keep_alive.or(self.hello.keep_alive);
        self.hello.offhook = hello.offhook;
        self.hello.client_browser_version = hello.client_browser_version;
    }

    fn tokens(&self) -> impl Iterator<Item = &String> {
        [&self.hello.auth_token, &self.used_token].into_iter().flatten()
    }
}

/// All WebSockets and client sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clients {
    sockets: BTreeMap<ConnectionId, Socket>,
    sessions: BTreeMap<SessionId, Session>,
    by_login: BTreeMap<LoginName, BTreeSet<SessionId>>,
    by_token: BTreeMap<String, SessionId>,
}

impl Clients {
    pub(super) fn open(&mut self, connection: ConnectionId, socket: Socket) {
        self.sockets.insert(connection, socket);
    }

    /// Removes a socket whose session was removed, or is online on another socket.
    pub(super) fn remove_socket(&mut self, connection: ConnectionId) {
        self.sockets.remove(&connection);
    }

    pub(super) fn socket(&self, connection: ConnectionId) -> Option<&Socket> {
        self.sockets.get(&connection)
    }

    pub(super) fn protocol(&self, connection: ConnectionId) -> Option<&server::Connection> {
        self.sockets.get(&connection).map(|socket| &socket.protocol)
    }

    pub(super) fn protocol_mut(&mut self, connection: ConnectionId) -> Option<&mut server::Connection> {
        self.sockets.get_mut(&connection).map(|socket| &mut socket.protocol)
    }

    /// Returns the session that is online on a socket.
    pub(super) fn session_at(&self, connection: ConnectionId) -> Option<SessionId> {
        self.socket(connection)?.session
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// Returns all sessions in the order of their identifiers.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// Returns whether the session exists and its browser is connected.
    pub(super) fn is_online(&self, id: SessionId) -> bool {
        self.get(id).and_then(Session::connection).is_some()
    }

    pub(super) fn socket_count(&self) -> usize {
        self.sockets.len()
    }

    pub(super) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        self.sockets.keys().copied().collect()
    }

    pub(super) fn ids(&self) -> Vec<SessionId> {
        self.sessions.keys().copied().collect()
    }

    /// Returns the deadlines of all sockets and sessions.
    #[cfg(test)]
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Time> + '_ {
        let sockets = self.sockets.values().filter_map(|socket| socket.protocol.poll_timeout());
        sockets.chain(self.sessions.values().filter_map(Session::expires_at))
    }

    /// Creates a session that is online on a socket.
    pub(super) fn insert(&mut self, id: SessionId, connection: ConnectionId, new: NewSession, now: Time) {
        let Some(socket) = self.sockets.get_mut(&connection) else { return };
        let NewSession { login, scheme, refused_server, hello, token, granted, application_token } = new;
        socket.session = Some(id);
        self.by_token.insert(token.clone(), id);
        if let Some(login) = &login {
            self.by_login.entry(login.clone()).or_default().insert(id);
        }
        let session = Session {
            login,
            scheme,
            refused_server,
            is_informed: false,
            hello: ConnectionMessage { auth_token: Some(token), ..hello },
            granted,
            used_token: None,
            attachment: Attachment::Online(connection),
            address: socket.address,
            digits: RateLimit::new(DIGIT_RATE, DIGIT_BURST, now),
            rings: ring_limit(now),
            application_token,
        };
        self.sessions.insert(id, session);
    }

    /// Moves a session to a socket. Returns the socket on which it was online.
    pub(super) fn attach(&mut self, id: SessionId, connection: ConnectionId) -> Option<ConnectionId> {
        let (session, socket) = (self.sessions.get_mut(&id)?, self.sockets.get_mut(&connection)?);
        socket.session = Some(id);
        let before = session.connection().filter(|before| *before != connection);
        session.attachment = Attachment::Online(connection);
        self.clear_socket(before);
        before
    }

    /// Detaches a session from its socket. It is kept until its browser reconnects or `until` has passed.
    pub(super) fn suspend(&mut self, id: SessionId, until: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let before = session.connection();
        session.attachment = Attachment::Away { until };
        self.clear_socket(before);
    }

    /// Removes a session and its tokens.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.clear_socket(session.connection());
        for token in session.tokens() {
            self.by_token.remove(token);
        }
        if let Some(login) = &session.login
            && let Some(sessions) = self.by_login.get_mut(login)
        {
            sessions.remove(&id);
            if sessions.is_empty() {
                self.by_login.remove(login);
            }
        }
        Some(session)
    }

    fn clear_socket(&mut self, connection: Option<ConnectionId>) {
        if let Some(socket) = connection.and_then(|connection| self.sockets.get_mut(&connection)) {
            socket.session = None;
        }
    }

    /// Returns the session of a valid token.
    pub(super) fn redeem(&self, token: &str) -> Option<SessionId> {
        self.by_token.get(token).copied()
    }

    /// Assigns a new token to a session. The token that its page has used stays valid until [`Self::confirm_token`].
    pub(super) fn renew_token(&mut self, id: SessionId, token: String, used: &str) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let known = [session.hello.auth_token.replace(token.clone()), session.used_token.replace(used.to_owned())];
        for known in known.into_iter().flatten().filter(|known| known != used) {
            self.by_token.remove(&known);
        }
        self.by_token.insert(token, id);
    }

    /// Revokes the token that the page of this socket has used, because the page has received the next token.
    pub(super) fn confirm_token(&mut self, connection: ConnectionId) {
        let session = self.session_at(connection).and_then(|id| self.sessions.get_mut(&id));
        if let Some(used) = session.and_then(|session| session.used_token.take()) {
            self.by_token.remove(&used);
        }
    }

    /// Returns the sessions of a login, oldest first.
    pub(super) fn of_login(&self, login: &LoginName) -> impl Iterator<Item = SessionId> + '_ {
        self.by_login.get(login).into_iter().flatten().copied()
    }

    /// Returns the oldest of those sessions of a login that are not online.
    pub(super) fn first_away(&self, login: &LoginName) -> Option<SessionId> {
        self.of_login(login).find(|id| !self.is_online(*id))
    }
}

#[cfg(test)]
mod tests;
