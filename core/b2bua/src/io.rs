//! Inputs and outputs of the relay machine.

use crate::address::Address;
use crate::authorization::{ApplicationRefusal, AuthorizationInput, AuthorizationOutput};
use crate::call::{CallEvent, CallKey, SessionId};
use crate::command::{CallCommand, CommandResult};
use crate::config::{Config, LoginName};
use crate::record::CallRecord;
use crate::token::{TokenGrant, TokenRefusal};
use core::time::Duration;
use offhook_clock::Time;
use offhook_limits::offense::OffenseReport;
use offhook_media::command::{Command, Event, WorkerId};
use offhook_signaling::message::CallObject;
use offhook_signaling::reason::EndReason;
use offhook_sip::auth::Secret;
use offhook_sip::transport;
use offhook_sip::user_agent::io::{self as user_agent, AccountId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Identifier of a WebSocket, assigned by the shell and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// Identifier of a request between the relay and the shell, which matches the later response to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// The originator of a call, whose rights determine the targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteSource {
    /// A browser.
    Session(SessionId),
    /// A registered phone.
    Phone(LoginName),
    /// The peer of a call of this account.
    Account(AccountId),
    /// The application, with the account through which it calls; `None` for users of the relay and the trunk.
    Application(Option<AccountId>),
    /// An unknown source, which can call users of the relay only.
    Unknown,
}

/// A target in the answer to a routing question. It is alerted if the originator may call it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteTarget {
    /// The sessions and phones of a login, according to the location table at the time of the answer.
    User(LoginName),
    /// An address at the SIP server of the originator's account, or else at the trunk.
    Address(Address),
}

/// The answer to a routing question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteAnswer {
    /// The relay determines the targets, as with [`Routing::Local`](crate::config::Routing::Local).
    Local,
    /// The relay determines the targets of this callee, which replaces the called one.
    Callee(Address),
    /// These targets, all of which are alerted.
    Targets(Vec<RouteTarget>),
    /// The call is refused for this reason.
    Refused(EndReason),
    /// The application refuses the call.
    RefusedBy(ApplicationRefusal),
}

/// A routed call as the application receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSubject {
    /// The client session that places the call, or to which an inbound call is addressed.
    pub session: Option<SessionId>,
    /// The call as its browser sees it, or would see it.
    pub call: CallObject,
}

/// An input of the relay.
#[derive(Clone, Debug)]
pub enum Input {
    /// A WebSocket was opened.
    Connected {
        /// The socket.
        connection: ConnectionId,
        /// The host in the URL of the WebSocket, with or without a port.
        host: Option<String>,
        /// The origin of the page that opened it (RFC 6454); `None` for a program that is not a browser.
        origin: Option<String>,
        /// The remote address, or the client's address behind a trusted proxy. Login limits apply to it.
        address: IpAddr,
    },
    /// A text frame arrived.
    Text {
        /// The socket.
        connection: ConnectionId,
        /// The frame.
        text: String,
    },
    /// A binary frame arrived.
    Binary {
        /// The socket.
        connection: ConnectionId,
        /// Its length in octets.
        length: usize,
    },
    /// The socket is closed, or a frame exceeded the size that the shell reads.
    Disconnected {
        /// The socket.
        connection: ConnectionId,
    },
    /// The response to [`Output::VerifyPassword`].
    PasswordVerified {
        /// The request.
        request: RequestId,
        /// The password is that of the login.
        matches: bool,
    },
    /// The response to [`Output::VerifyToken`].
    TokenVerified {
        /// The request.
        request: RequestId,
        /// The rights that the token grants, or the reason why it is refused.
        result: Result<Box<TokenGrant>, TokenRefusal>,
    },
    /// The response to [`Output::ResolveHost`].
    HostResolved {
        /// The request.
        request: RequestId,
        /// The addresses of the host, IPv4 and IPv6; empty if it has none.
        addresses: Vec<IpAddr>,
    },
    /// The answer to [`Output::Route`].
    Routed {
        /// The question.
        request: RequestId,
        /// The answer.
        answer: RouteAnswer,
    },
    /// An answer of the application.
    Authorization(AuthorizationInput),
    /// A command of the application.
    Command {
        /// Identifies the result.
        request: RequestId,
        /// The command.
        command: CallCommand,
    },
    /// An event of a media worker.
    Media(Event),
    /// An input of the SIP transports or the resolver.
    Sip(user_agent::Input),
    /// The configuration has changed. The relay adopts the parts that [`Config::adopt`] lists.
    Configure(Box<Config>),
    /// The process will terminate when the calls have ended: refuse new ones.
    Drain,
    /// The process terminates: end the calls, close the sockets.
    Shutdown,
}

/// An output of the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a text frame.
    Send {
        /// The socket.
        connection: ConnectionId,
        /// The frame.
        text: String,
    },
    /// Close a socket after all earlier frames are sent. The relay has already removed the socket, so
    /// [`Input::Disconnected`] is not required.
    Close {
        /// The socket.
        connection: ConnectionId,
        /// The WebSocket close code (RFC 6455 §7.4).
        code: u16,
        /// The error and its remedy, at most 123 octets.
        reason: String,
    },
    /// Check a password against the configured accounts, outside the signaling thread, since it takes tens of
    /// milliseconds. Each check requires a response. At most [`Config::password_checks`](crate::config::Config) are
    /// pending at a time.
    VerifyPassword {
        /// Identifies the response.
        request: RequestId,
        /// The login.
        login: LoginName,
        /// The password as it was received.
        password: Secret,
    },
    /// Verify a token of the application, outside the signaling thread. Each verification requires a response within a
    /// limited time, because the client waits for it.
    VerifyToken {
        /// Identifies the response.
        request: RequestId,
        /// The token as it was received.
        token: Secret,
        /// The origin of the page.
        origin: Option<String>,
    },
    /// Resolve the host name of a SIP peer's media address. Late responses are ignored.
    ResolveHost {
        /// Identifies the response.
        request: RequestId,
        /// The host name.
        host: String,
    },
    /// Determine the targets of a call ([`Routing::External`](crate::config::Routing)). Late answers are ignored and
    /// counted.
    Route {
        /// Identifies the answer.
        request: RequestId,
        /// The call, or the call that is transferred.
        call: CallKey,
        /// The originator.
        from: RouteSource,
        /// The called name or address.
        to: Address,
        /// The call for the application; `None` for the target of a transfer.
        subject: Option<Box<RouteSubject>>,
    },
    /// A question to the application, or a report for it.
    Authorization(AuthorizationOutput),
    /// An entry of the security log.
    Offense(OffenseReport),
    /// The result of [`Input::Command`].
    CommandResult {
        /// The command.
        request: RequestId,
        /// Its result.
        result: CommandResult,
    },
    /// An event of a call, for log, records and hooks.
    CallEvent {
        /// The event.
        event: CallEvent,
        /// The summary of the call, including the event.
        record: Box<CallRecord>,
        /// The time of the event.
        at: Time,
    },
    /// A command for a media worker.
    Media {
        /// The worker.
        worker: WorkerId,
        /// The command.
        command: Command,
    },
    /// An output for the SIP transports or the resolver.
    Sip(transport::io::Output),
    /// For the log: a server rejected the registration of an account in the operator's configuration.
    RegistrationFailed {
        /// The account is the trunk.
        is_trunk: bool,
        /// The reason.
        failure: user_agent::Failure,
        /// The time until the next attempt; `None` if there is no further one.
        retry_in: Option<Duration>,
    },
    /// For the log: a page named a SIP server that it is not permitted to use, so its calls are routed to users of this
    /// relay. Reported once for each server.
    ServerNotPermitted {
        /// The server, in lower case.
        server: String,
        /// Pages may name other servers, and those that name this one are informed.
        informed: bool,
    },
}
