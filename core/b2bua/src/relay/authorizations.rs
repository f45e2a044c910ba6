//! Authorization of client sessions by the application ([`Authorization::External`]): open questions, their answers
//! and deadlines.
//!
//! ```text
//!  authenticated, or without credentials ──> open ──┬─ granted ────────> session, if its login is verified or supplied
//!                                                   ├─ refused ────────> `fail`, closed
//!                                                   ├─ deadline ───────> `fail`, closed
//!                                                   └─ socket closed ──> forgotten; a later answer is ignored
//! ```

use super::Relay;
use super::clients::Socket;
use super::deadlines::Owner;
use super::sessions::{Authenticated, SessionAccount, is_reachable};
use super::sip_options::{RequestedServer, page_account};
use super::tokens::TokenLogin;
use crate::authorization::{
    ApplicationRefusal, AuthorizationInput, AuthorizationOutput, CommandKind, KeptGrant, SessionApplicant,
    SessionGrant, Submission,
};
use crate::call::SessionId;
use crate::config::{AcceptedLogins, Authorization, LoginName};
use crate::io::{ConnectionId, Output, RequestId};
use offhook_clock::Time;
use offhook_limits::SourceNetwork;
use offhook_limits::offense::Kind;
use offhook_signaling::message::{ConnectionMessage, ServerMessage, SipOptions};
use offhook_sip::auth::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The maximum number of open questions. It is limited because each contains a `connection` message.
const MAX_OPEN: usize = 1_024;
/// The maximum number of open questions about clients of one source.
const MAX_OPEN_OF_SOURCE: usize = 32;

/// A client that waits for its authorization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OpenQuestion {
    connection: ConnectionId,
    session: SessionId,
    hello: ConnectionMessage,
    password: Option<Secret>,
    /// The login that the relay has verified.
    verified: Option<LoginName>,
    /// The login in the operator's configuration whose account the token selects.
    account_of: Option<LoginName>,
    /// The token by which the client has logged in.
    token: Option<Box<TokenLogin>>,
    until: Time,
}

/// All open questions about sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Authorizations {
    #[serde(with = "offhook_limits::pairs")]
    open: BTreeMap<RequestId, OpenQuestion>,
}

impl Authorizations {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns the deadlines of all questions.
    #[cfg(test)]
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Time> + '_ {
        self.open.values().map(|question| question.until)
    }

    /// Returns the connections whose login the relay has verified by the password of this account.
    pub(super) fn verified_as(&self, login: &LoginName) -> Vec<ConnectionId> {
        let is_meant = |question: &&OpenQuestion| question.verified.as_ref() == Some(login) && question.token.is_none();
        self.open.values().filter(is_meant).map(|question| question.connection).collect()
    }

    fn of(&self, connection: ConnectionId) -> Option<RequestId> {
        self.open.iter().find(|(_, question)| question.connection == connection).map(|(request, _)| *request)
    }
}

impl Relay {
    /// Returns whether the application authorizes sessions and commands.
    pub(super) const fn authorizes_externally(&self) -> bool {
        matches!(self.config.authorization, Authorization::External { .. })
    }

    /// Authorizes a client. Its session is created at once, or after the answer of the application.
    pub(super) fn authorize(
        &mut self,
        connection: ConnectionId,
        authenticated: Authenticated,
        hello: ConnectionMessage,
        now: Time,
    ) {
        if !self.authorizes_externally() {
            let id = SessionId(self.fresh_id());
            return self.accept(connection, id, authenticated, (hello, KeptGrant::default()), now);
        }
        self.request_authorization(connection, authenticated, hello, now);
    }

    /// Requests the authorization of a client.
    pub(super) fn request_authorization(
        &mut self,
        connection: ConnectionId,
        authenticated: Authenticated,
        hello: ConnectionMessage,
        now: Time,
    ) {
        let Authorization::External { timeout } = self.config.authorization else { return };
        let Some(address) = self.clients.socket(connection).map(Socket::address) else { return };
        if !self.has_room_for_question(address) {
            let login = hello.sip.login.clone().unwrap_or_default();
            return self.refuse(
                connection,
                &login,
                "too many logins at once: try again in some seconds".to_owned(),
                now,
            );
        }
        let Authenticated { login, account, token } = authenticated;
        // The login at a SIP server is verified by that server.
        let (verified, account_of, password) = match account {
            SessionAccount::OfLogin => (login, None, None),
            SessionAccount::Configured(of) => (login, Some(of), None),
            SessionAccount::Page(account) => (None, None, account.settings.login.map(|login| login.password)),
        };
        let (request, session) = (RequestId(self.fresh_id()), SessionId(self.fresh_id()));
        let until = now + timeout;
        self.deadlines.set(Owner::Authorization(request), Some(until));
        let applicant =
            SessionApplicant { hello: hello.clone(), password: password.clone(), verified: verified.clone(), address };
        self.report_authorization(AuthorizationOutput::Session { request, session, applicant: Box::new(applicant) });
        let question = OpenQuestion { connection, session, hello, password, verified, account_of, token, until };
        self.authorizations.open.insert(request, question);
    }

    /// Returns whether one more question about a client at this address may be open.
    fn has_room_for_question(&self, address: IpAddr) -> bool {
        let source = SourceNetwork::of(address);
        let open = &self.authorizations.open;
        let addresses = open.values().filter_map(|question| self.clients.socket(question.connection));
        let of_source = addresses.filter(|socket| SourceNetwork::of(socket.address()) == source);
        open.len() < MAX_OPEN && of_source.count() < MAX_OPEN_OF_SOURCE
    }

    pub(super) fn authorization_input(&mut self, input: AuthorizationInput, now: Time) {
        match input {
            AuthorizationInput::Session { request, answer } => self.session_authorized(request, answer, now),
            AuthorizationInput::Command { request, answer } => self.command_authorized(request, answer, now),
        }
    }

    fn take_applicant(&mut self, request: RequestId) -> Option<OpenQuestion> {
        self.deadlines.set(Owner::Authorization(request), None);
        self.authorizations.open.remove(&request)
    }

    fn session_authorized(
        &mut self,
        request: RequestId,
        answer: Result<Box<SessionGrant>, ApplicationRefusal>,
        now: Time,
    ) {
        let Some(question) = self.take_applicant(request) else { return };
        let (connection, session) = (question.connection, question.session);
        let login = question.hello.sip.login.clone().unwrap_or_default();
        let admitted = match answer {
            Ok(grant) => self.admit_granted(question, *grant, now),
            Err(refusal) => {
                // The answer to an unverified login is the result of a login attempt.
                let address = self.clients.socket(connection).map(Socket::address);
                if let (None, 401 | 403, Some(address)) = (&question.verified, refusal.sip_status, address) {
                    self.note_offense(Kind::WrongPassword, address, true, now);
                }
                Err(refusal.info)
            }
        };
        if let Err(info) = admitted {
            self.refuse(connection, &login, info, now);
        }
        if self.clients.get(session).is_none() {
            self.report_authorization(AuthorizationOutput::Disconnected { session, is_kept: false });
        }
    }

    /// Creates the session of an authorized client, or returns the reason why that is not possible.
    fn admit_granted(&mut self, question: OpenQuestion, grant: SessionGrant, now: Time) -> Result<(), String> {
        let OpenQuestion { connection, session, hello, password, verified, account_of, token, .. } = question;
        let configured = account_of.map_or(SessionAccount::OfLogin, SessionAccount::Configured);
        let supplied = grant.sip.as_deref();
        let options = supplied.unwrap_or(&hello.sip).clone();
        let password = options.password.clone().or_else(|| password.map(|password| password.reveal().to_owned()));
        let is_supplied = supplied.is_some_and(|supplied| {
            supplied.password.is_some() || supplied.login.is_some() && supplied.login != hello.sip.login
        });
        let login = options.login.clone().filter(|login| !login.is_empty());
        let is_changed = supplied.is_some_and(|supplied| *supplied != hello.sip);
        let sip = is_changed.then(|| Box::new(SipOptions { password: None, ..options.clone() }));
        let kept = KeptGrant { sip, visible_name: grant.visible_name, submitted: grant.submitted };
        let Some(login) = login else {
            let is_allowed =
                self.config.admission == AcceptedLogins::Anyone || self.config.anonymous || token.is_some();
            return if is_allowed {
                let authenticated = Authenticated { login: None, account: configured, token };
                self.accept(connection, session, authenticated, (hello, kept), now);
                Ok(())
            } else {
                Err("this relay requires a login: connect with sipLogin and sipPassword".to_owned())
            };
        };
        if !is_reachable(&login) {
            return Err("the application has supplied an invalid sipLogin".to_owned());
        }
        let account = match self.config.sip.as_ref().filter(|_| !self.selects_relay(connection, &options)) {
            Some(config) => page_account(&options, &login, password, config)?,
            None => RequestedServer::None,
        };
        let login = LoginName(login);
        match account {
            RequestedServer::Account(account) => {
                let name = LoginName(account.settings.identity.uri.to_string());
                let account = SessionAccount::Page(account);
                let authenticated = Authenticated { login: Some(name), account, token };
                self.accept(connection, session, authenticated, (hello, kept), now);
            }
            RequestedServer::None | RequestedServer::Refused(_) => {
                let is_verified = verified.as_ref() == Some(&login) || is_supplied;
                if !is_verified && self.config.admission == AcceptedLogins::Accounts {
                    return Err("wrong login or password".to_owned());
                }
                let authenticated = Authenticated { login: Some(login), account: configured, token };
                self.accept(connection, session, authenticated, (hello, kept), now);
            }
        }
        Ok(())
    }

    /// Refuses a client whose question was not answered in time.
    pub(super) fn authorization_timed_out(&mut self, request: RequestId, now: Time) {
        if self.authorizations.open.contains_key(&request) {
            let info = "the application did not answer in time: try again".to_owned();
            self.session_authorized(request, Err(ApplicationRefusal { sip_status: 504, info }), now);
        } else {
            let info = "the application did not answer in time".to_owned();
            self.command_authorized(request, Err(ApplicationRefusal { sip_status: 504, info }), now);
        }
    }

    /// Removes the question about a socket that is closed.
    pub(super) fn forget_applicant(&mut self, connection: ConnectionId) {
        if let Some(question) = self.authorizations.of(connection).and_then(|request| self.take_applicant(request)) {
            self.report_authorization(AuthorizationOutput::Disconnected { session: question.session, is_kept: false });
        }
    }

    /// Returns whether a command of a session is submitted to the application.
    pub(super) fn submission(&self, session: SessionId, kind: CommandKind) -> Option<Submission> {
        self.clients.get(session)?.granted().submitted.get(&kind).copied()
    }

    /// Sends a question or report to the application, if it authorizes the sessions.
    pub(super) fn report_authorization(&mut self, output: AuthorizationOutput) {
        if self.authorizes_externally() {
            self.outputs.push_back(Output::Authorization(output));
        }
    }

    /// Reports a message to a session that contains a status.
    pub(super) fn report_informed(&mut self, session: SessionId, message: &ServerMessage) {
        let is_status = matches!(
            message,
            ServerMessage::UserData(_)
                | ServerMessage::Registered
                | ServerMessage::IncomingCall(_)
                | ServerMessage::CallStatus(_)
                | ServerMessage::Busy(_)
                | ServerMessage::Transfer { .. }
                | ServerMessage::Fail { .. }
        );
        if is_status && self.authorizes_externally() {
            let message = Box::new(message.clone());
            self.report_authorization(AuthorizationOutput::Informed { session, message });
        }
    }
}
