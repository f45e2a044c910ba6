//! Sessions that log in by a token of the application: verification by the shell, the rights of the token, its expiry
//! and its renewal.
//!
//! ```text
//!                              verified                  notice time           expiry            last call ends
//!  connection ──> VerifyToken ──────────> session, valid ───────────> announced ──────> expired ────────────────> closed
//!                      │ refused               ^                         │                │
//!                      v                       └──── offhookRenewToken ──┴────────────────┘
//!                  fail, closed
//! ```
//!
//! An expired session keeps its calls, and can neither place nor receive new ones. Verification costs little, and a
//! signature cannot be guessed, so that tokens are verified during a lockout too; their failures count for the source, except those of
//! tokens that were valid and have expired.

use super::Relay;
use super::clients::{Session, Socket};
use super::deadlines::Owner;
use super::guards::Guard;
use super::sessions::{Authenticated, SessionAccount, is_reachable};
use super::sip_options::{RequestedServer, page_account};
use crate::address::Address;
use crate::call::SessionId;
use crate::command::CallRef;
use crate::config::LoginName;
use crate::io::{ConnectionId, Output, RequestId};
use crate::token::{MAX_TOKEN, TokenAccount, TokenGrant, TokenRefusal, TokenRights, TokenUses};
use offhook_clock::Time;
use offhook_limits::SourceNetwork;
use offhook_signaling::message::{ConnectionMessage, DataStatus, ServerMessage, SipOptions};
use offhook_signaling::reason::EndReason;
use offhook_signaling::server::close_code;
use offhook_signaling::version::feature;
use offhook_sip::auth::Secret;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The maximum number of tokens that are verified at a time.
const MAX_CHECKS: usize = 256;
/// The same for one source.
const MAX_CHECKS_OF_SOURCE: usize = 32;
/// The maximum number of tokens with a limited number of uses that are remembered until they expire.
const MAX_USED: usize = 65_536;

/// The token of a session, and how far it is expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TokenLogin {
    /// The login in the token.
    subject: Option<LoginName>,
    rights: TokenRights,
    stage: TokenStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum TokenStage {
    Valid,
    /// The page has received the notice of expiry.
    Announced,
    Expired,
}

impl TokenLogin {
    const fn new(subject: Option<LoginName>, rights: TokenRights) -> Self {
        Self { subject, rights, stage: TokenStage::Valid }
    }

    pub(super) const fn rights(&self) -> &TokenRights {
        &self.rights
    }

    pub(super) fn is_expired(&self) -> bool {
        self.stage == TokenStage::Expired
    }

    fn deadline(&self, notice: core::time::Duration) -> Option<Time> {
        let expires_at = self.rights.expires_at;
        match self.stage {
            TokenStage::Valid => Some(expires_at - notice),
            TokenStage::Announced => Some(expires_at),
            TokenStage::Expired => None,
        }
    }
}

/// A token that is being verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TokenCheck {
    address: IpAddr,
    purpose: CheckPurpose,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum CheckPurpose {
    Login {
        connection: ConnectionId,
        hello: Box<ConnectionMessage>,
    },
    Renewal {
        session: SessionId,
        operation_id: String,
    },
    /// The connection is closed; the result is counted.
    Abandoned,
}

/// The uses of a token with a limited number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    logins: u32,
    calls: u32,
    expires_at: Time,
}

/// All tokens that are being verified, and the uses of those with a limited number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tokens {
    checks: BTreeMap<RequestId, TokenCheck>,
    used: BTreeMap<String, Used>,
    /// The expired sessions that still have calls.
    expired: BTreeSet<SessionId>,
}

impl Tokens {
    fn has_room(&self, address: IpAddr) -> bool {
        let source = SourceNetwork::of(address);
        let of_source = self.checks.values().filter(|check| SourceNetwork::of(check.address) == source);
        self.checks.len() < MAX_CHECKS && of_source.count() < MAX_CHECKS_OF_SOURCE
    }

    fn is_renewing(&self, id: SessionId) -> bool {
        let renews =
            |purpose: &CheckPurpose| matches!(purpose, CheckPurpose::Renewal { session, .. } if *session == id);
        self.checks.values().any(|check| renews(&check.purpose))
    }

    /// Drops the messages of a connection that is closed.
    pub(super) fn forget(&mut self, closed: ConnectionId) {
        for check in self.checks.values_mut() {
            if matches!(check.purpose, CheckPurpose::Login { connection, .. } if connection == closed) {
                check.purpose = CheckPurpose::Abandoned;
            }
        }
    }

    /// Returns the uses of a token, or `None` if too many tokens are remembered.
    fn uses_of(&mut self, id: &str, expires_at: Time, now: Time) -> Option<&mut Used> {
        if !self.used.contains_key(id) {
            if self.used.len() >= MAX_USED {
                self.used.retain(|_, used| used.expires_at > now);
            }
            if self.used.len() >= MAX_USED {
                return None;
            }
            self.used.insert(id.to_owned(), Used { logins: 0, calls: 0, expires_at });
        }
        self.used.get_mut(id)
    }

    /// Counts a login or renewal. Returns the reason if the token was used before and may not be used again.
    fn take_login(&mut self, rights: &TokenRights, now: Time) -> Result<(), &'static str> {
        let TokenUses::Counted { id, logins, .. } = &rights.uses else { return Ok(()) };
        let most = logins.unwrap_or(u32::MAX);
        let used = self.uses_of(id, rights.expires_at, now).ok_or("too many tokens with limited uses are valid")?;
        if used.logins >= most {
            return Err("the token has been used before");
        }
        used.logins = used.logins.saturating_add(1);
        Ok(())
    }

    /// Counts a call. Returns whether the token permits it.
    fn take_call(&mut self, rights: &TokenRights, now: Time) -> bool {
        let TokenUses::Counted { id, calls: Some(most), .. } = &rights.uses else { return true };
        let Some(used) = self.uses_of(id, rights.expires_at, now).filter(|used| used.calls < *most) else {
            return false;
        };
        used.calls += 1;
        true
    }
}

impl Relay {
    /// Handles a `connection` with a token of the application.
    pub(super) fn admit_by_token(
        &mut self,
        connection: ConnectionId,
        token: String,
        hello: ConnectionMessage,
        now: Time,
    ) {
        let Some((address, origin)) = self.client_of(connection) else { return };
        let obstacle = self.obstacle_to_check(&token, address);
        if let Some(info) = obstacle {
            return self.refuse(connection, "", info, now);
        }
        let purpose = CheckPurpose::Login { connection, hello: Box::new(hello) };
        self.check_token(TokenCheck { address, purpose }, token, origin);
    }

    /// Handles the request of a session for a renewal.
    pub(super) fn renew_by_token(&mut self, session: SessionId, operation_id: String, token: String) {
        let Some(connection) = self.clients.get(session).and_then(Session::connection) else { return };
        let Some((address, origin)) = self.client_of(connection).filter(|_| operation_id.len() <= 128) else { return };
        let has_token = self.clients.get(session).is_some_and(|session| session.token().is_some());
        let obstacle = if !has_token {
            Some("this session did not log in by a token of the application".to_owned())
        } else if self.tokens.is_renewing(session) {
            Some("another renewal is in progress".to_owned())
        } else {
            self.obstacle_to_check(&token, address)
        };
        if let Some(info) = obstacle {
            return self.refuse_renewal(session, operation_id, info);
        }
        let purpose = CheckPurpose::Renewal { session, operation_id };
        self.check_token(TokenCheck { address, purpose }, token, origin);
    }

    fn client_of(&self, connection: ConnectionId) -> Option<(IpAddr, Option<String>)> {
        let socket: &Socket = self.clients.socket(connection)?;
        Some((socket.address(), socket.origin().map(str::to_owned)))
    }

    /// Returns the reason why a token is not verified.
    fn obstacle_to_check(&self, token: &str, address: IpAddr) -> Option<String> {
        if self.config.token_notice.is_none() {
            Some("this relay accepts no tokens of an application: its operator can configure [tokens]".to_owned())
        } else if token.len() > MAX_TOKEN {
            Some(format!("the token has {} octets; the maximum is {MAX_TOKEN}", token.len()))
        } else if !self.tokens.has_room(address) {
            Some("too many logins at once: try again in some seconds".to_owned())
        } else {
            None
        }
    }

    fn check_token(&mut self, check: TokenCheck, token: String, origin: Option<String>) {
        let request = RequestId(self.fresh_id());
        self.tokens.checks.insert(request, check);
        self.outputs.push_back(Output::VerifyToken { request, token: Secret::new(token), origin });
    }

    /// Handles the result of a verification.
    pub(super) fn token_verified(
        &mut self,
        request: RequestId,
        result: Result<Box<TokenGrant>, TokenRefusal>,
        now: Time,
    ) {
        let Some(TokenCheck { address, purpose }) = self.tokens.checks.remove(&request) else { return };
        let is_wanted = !matches!(purpose, CheckPurpose::Abandoned);
        let result = match result {
            Ok(grant) if is_wanted => match self.tokens.take_login(&grant.rights, now) {
                Ok(()) => Ok(grant),
                Err(reason) => Err(TokenRefusal::Invalid(reason.to_owned())),
            },
            result => result,
        };
        let result = result.map_err(|refusal| match refusal {
            TokenRefusal::Invalid(reason) => {
                self.checks.count_source(address, now);
                self.refuse_by(Guard::Token, Some((address, true)), now);
                format!("the token is not accepted: {reason}")
            }
            TokenRefusal::Expired => {
                self.refuse_by(Guard::TokenExpiry, None, now);
                "the token is not accepted: it has expired; request a new one from the application".to_owned()
            }
            TokenRefusal::Unavailable => "the token cannot be verified at present: try again later".to_owned(),
        });
        match (purpose, result) {
            (CheckPurpose::Login { connection, hello }, Ok(grant)) => {
                self.accept_token(connection, *grant, *hello, now);
            }
            (CheckPurpose::Login { connection, .. }, Err(info)) => self.refuse(connection, "", info, now),
            (CheckPurpose::Renewal { session, operation_id }, Ok(grant)) => {
                self.renew(session, operation_id, *grant, now);
            }
            (CheckPurpose::Renewal { session, operation_id }, Err(info)) => {
                self.refuse_renewal(session, operation_id, info);
            }
            (CheckPurpose::Abandoned, _) => {}
        }
    }

    /// Creates the session of a verified token. The token alone determines login and account.
    fn accept_token(&mut self, connection: ConnectionId, grant: TokenGrant, mut hello: ConnectionMessage, now: Time) {
        let TokenGrant { login, account, rights } = grant;
        let token = Box::new(TokenLogin::new(login.clone(), rights));
        if let Some(LoginName(wrong)) = login.as_ref().filter(|login| !is_reachable(&login.0)) {
            let info = "the login in the token must be a plain name, without `@`, `;` and the like".to_owned();
            return self.refuse(connection, wrong, info, now);
        }
        let register_required = hello.sip.register_required;
        hello.sip = SipOptions { register_required, ..SipOptions::default() };
        hello.sip.login = login.as_ref().map(|login| login.0.clone());
        let account = match account {
            TokenAccount::OfLogin => SessionAccount::OfLogin,
            TokenAccount::Configured(of) => match self.configured_account(&of) {
                Some(_) => SessionAccount::Configured(of),
                None => {
                    let info =
                        format!("the token selects the account of `{}`, which [[sip.accounts]] does not contain", of.0);
                    return self.refuse(connection, &of.0, info, now);
                }
            },
            TokenAccount::Inline { options, password } => {
                return self.accept_inline(connection, (*options, password), token, hello, now);
            }
        };
        let is_anonymous = login.is_none();
        let authenticated = Authenticated { login, account, token: Some(token) };
        if is_anonymous {
            self.admit_without_login(connection, authenticated, hello, now);
        } else {
            self.authorize(connection, authenticated, hello, now);
        }
    }

    /// Creates the session of a token that contains an account at a SIP server, which verifies its password.
    fn accept_inline(
        &mut self,
        connection: ConnectionId,
        (options, password): (SipOptions, Option<Secret>),
        token: Box<TokenLogin>,
        mut hello: ConnectionMessage,
        now: Time,
    ) {
        let login = options.login.clone().unwrap_or_default();
        if !is_reachable(&login) {
            let info = "the login of the SIP account in the token is not a plain name".to_owned();
            return self.refuse(connection, &login, info, now);
        }
        let password = password.map(|password| password.reveal().to_owned());
        let asked = match self.config.sip.as_ref() {
            Some(config) => page_account(&options, &login, password, config),
            None => Ok(RequestedServer::None),
        };
        hello.sip = options;
        match asked {
            Ok(RequestedServer::Account(account)) => {
                self.admit_to_server(connection, (*account, Some(token)), &login, hello, now);
            }
            Ok(RequestedServer::None | RequestedServer::Refused(_)) => {
                let info = "the SIP server in the token is not listed in [sip] servers".to_owned();
                self.refuse(connection, &login, info, now);
            }
            Err(info) => self.refuse(connection, &login, info, now),
        }
    }

    fn renew(&mut self, id: SessionId, operation_id: String, grant: TokenGrant, now: Time) {
        let Some(token) = self.clients.get_mut(id).and_then(Session::token_mut) else { return };
        if token.subject != grant.login {
            let info = "the token is for another login".to_owned();
            return self.refuse_renewal(id, operation_id, info);
        }
        let expires_in = grant.rights.expires_at.since(now).as_secs();
        *token = TokenLogin::new(grant.login, grant.rights);
        self.tokens.expired.remove(&id);
        let message = ServerMessage::TokenStatus {
            operation_id,
            status: DataStatus::Accepted,
            expires_in: Some(expires_in),
            info: None,
        };
        self.send_to_session(id, &message);
        self.watch_token(id, now);
    }

    fn refuse_renewal(&mut self, session: SessionId, operation_id: String, info: String) {
        let message =
            ServerMessage::TokenStatus { operation_id, status: DataStatus::Failed, expires_in: None, info: Some(info) };
        self.send_to_session(session, &message);
    }

    /// Announces the expiry of a session's token, or ends the validity of the session, if it is time, and sets the next
    /// deadline.
    pub(super) fn watch_token(&mut self, id: SessionId, now: Time) {
        let notice = self.config.token_notice.unwrap_or_default();
        let mut announced = None;
        if let Some(token) = self.clients.get_mut(id).and_then(Session::token_mut) {
            let expires_at = token.rights.expires_at;
            if expires_at <= now {
                token.stage = TokenStage::Expired;
                self.tokens.expired.insert(id);
            } else if token.stage == TokenStage::Valid && expires_at - notice <= now {
                token.stage = TokenStage::Announced;
                announced = Some(expires_at.since(now).as_secs());
            }
        }
        if let Some(expires_in) = announced
            && self.clients.get(id).is_some_and(|session| session.features().has(feature::TOKEN_RENEWAL))
        {
            self.send_to_session(id, &ServerMessage::TokenExpiring { expires_in });
        }
        self.arm_token(id);
    }

    /// Announces the expiry again, to a page that has reconnected.
    pub(super) fn restart_token_watch(&mut self, id: SessionId, now: Time) {
        if let Some(token) = self.clients.get_mut(id).and_then(Session::token_mut)
            && token.stage == TokenStage::Announced
        {
            token.stage = TokenStage::Valid;
        }
        self.watch_token(id, now);
    }

    /// Updates the deadline of a session's token, or removes it if the session is removed.
    fn arm_token(&mut self, id: SessionId) {
        let notice = self.config.token_notice.unwrap_or_default();
        let token = self.clients.get(id).and_then(Session::token);
        self.deadlines.set(Owner::Token(id), token.and_then(|token| token.deadline(notice)));
    }

    /// Closes the sessions whose token has expired and that have no call any more. Returns whether there was one.
    pub(super) fn close_expired(&mut self, now: Time) -> bool {
        let calls = &self.calls;
        let over: Vec<SessionId> =
            self.tokens.expired.iter().copied().filter(|id| calls.count_of_session(*id) == 0).collect();
        for id in &over {
            let reason = "the token of this session has expired: connect with a new one".to_owned();
            self.dismiss(*id, close_code::POLICY, reason, now);
        }
        !over.is_empty()
    }

    /// Removes the deadline of a session that is removed.
    pub(super) fn forget_token(&mut self, id: SessionId) {
        self.tokens.expired.remove(&id);
        self.arm_token(id);
    }

    #[cfg(test)]
    pub(super) fn token_deadlines(&self) -> impl Iterator<Item = Time> + '_ {
        let notice = self.config.token_notice.unwrap_or_default();
        self.clients.sessions().filter_map(move |(_, session)| session.token()?.deadline(notice))
    }

    /// Returns whether a session may receive calls.
    pub(super) fn is_open_for_calls(&self, id: SessionId) -> bool {
        self.clients.is_online(id) && !self.clients.get(id).and_then(Session::token).is_some_and(TokenLogin::is_expired)
    }

    /// Checks the rights of a session's token, if it has one, to place a call or to transfer one to `callee`, and counts
    /// the call. Returns the address to call.
    pub(super) fn check_rights(&mut self, id: SessionId, callee: &Address, now: Time) -> Result<Address, EndReason> {
        let Some(token) = self.clients.get(id).and_then(Session::token) else { return Ok(callee.clone()) };
        let rights = token.rights().clone();
        if token.is_expired() || rights.expires_at <= now {
            return Err(self.refuse_session_by(Guard::TokenExpiry, id, now));
        }
        let Some(dialed) = rights.callees.dialed(callee) else {
            return Err(self.refuse_session_by(Guard::TokenCallee, id, now));
        };
        if !self.tokens.take_call(&rights, now) {
            return Err(self.refuse_session_by(Guard::TokenCalls, id, now));
        }
        Ok(dialed)
    }

    /// Returns the session of the browser at a leg.
    pub(super) fn session_of(&self, at: CallRef) -> Option<SessionId> {
        self.calls.get(at.call)?.leg(at.leg)?.participant.browser().map(|browser| browser.session)
    }

    /// Returns the login by which a session is known to the token of its application.
    pub(super) fn token_name(&self, id: SessionId) -> Option<&str> {
        self.clients.get(id)?.token()?.rights().name.as_deref()
    }
}

#[cfg(test)]
mod tests;
