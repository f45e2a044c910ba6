//! The vocabulary of the relay machine: what goes in, what comes out.

use crate::call::CallEvent;
use crate::command::{CallCommand, CommandResult};
use crate::config::LoginName;
use crate::record::CallRecord;
use core::time::Duration;
use offhook_clock::Time;
use offhook_limits::offense::OffenseReport;
use offhook_media::command::{Command, Event, WorkerId};
use offhook_sip::auth::Secret;
use offhook_sip::transport;
use offhook_sip::user_agent::io as user_agent;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One WebSocket, numbered by the shell; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// One question for the shell that it answers later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// What happens to the relay.
#[derive(Clone, Debug)]
pub enum Input {
    /// A WebSocket was opened.
    Connected {
        /// The socket.
        connection: ConnectionId,
        /// The host of the URL that it was opened by, with a port or without.
        host: Option<String>,
        /// The remote address, or the client's behind a trusted proxy. Logins are limited by it.
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
    /// The socket is gone, or a frame was too large for the shell to read on.
    Disconnected {
        /// The socket.
        connection: ConnectionId,
    },
    /// The answer to [`Output::VerifyPassword`].
    PasswordVerified {
        /// The question.
        request: RequestId,
        /// Whether login and password belong together.
        matches: bool,
    },
    /// The answer to [`Output::ResolveHost`].
    HostResolved {
        /// The question.
        request: RequestId,
        /// The addresses of the host, IPv4 and IPv6; empty: there are none.
        addresses: Vec<IpAddr>,
    },
    /// A command of the application.
    Command {
        /// To be named in the result.
        request: RequestId,
        /// The command.
        command: CallCommand,
    },
    /// A media worker reports.
    Media(Event),
    /// The SIP transports or the resolver report.
    Sip(user_agent::Input),
    /// The process ends: end the calls, close the sockets.
    Shutdown,
}

/// What the relay wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a text frame.
    Send {
        /// The socket.
        connection: ConnectionId,
        /// The frame.
        text: String,
    },
    /// Close a socket after what was sent. The machine has forgotten it: no `Disconnected` is needed.
    Close {
        /// The socket.
        connection: ConnectionId,
        /// The WebSocket close code (RFC 6455 §7.4).
        code: u16,
        /// What was wrong and what to do, at most 123 octets.
        reason: String,
    },
    /// Check a password against the configured accounts, off the signaling thread: it takes tens of milliseconds. Every
    /// check is answered. No more than [`Config::password_checks`](crate::config::Config) are asked for at a time.
    VerifyPassword {
        /// To be named in the answer.
        request: RequestId,
        /// The login.
        login: LoginName,
        /// The password as it came.
        password: Secret,
    },
    /// Find the addresses of a host that a SIP peer receives media at. Addresses that come late are ignored.
    ResolveHost {
        /// To be named in the answer.
        request: RequestId,
        /// The host name.
        host: String,
    },
    /// For the security log.
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
        /// The summary of the call, the event included.
        record: Box<CallRecord>,
        /// The time of the event.
        at: Time,
    },
    /// An order for a media worker.
    Media {
        /// Which one.
        worker: WorkerId,
        /// The order.
        command: Command,
    },
    /// For the SIP transports or the resolver.
    Sip(transport::io::Output),
    /// For the log: a server does not take the registration of an account in the operator's configuration.
    RegistrationFailed {
        /// It is the trunk.
        is_trunk: bool,
        /// Why.
        failure: user_agent::Failure,
        /// When it is tried again; none: never.
        retry_in: Option<Duration>,
    },
    /// For the log: pages name a SIP server that they may not use, so their calls go to users of this relay. Once for each
    /// server.
    PassedOver {
        /// The server, in lower case.
        server: String,
        /// Whether pages may name others, and those that name this one are told.
        told: bool,
    },
}
