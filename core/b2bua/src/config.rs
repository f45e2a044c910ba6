//! Configuration of the relay machine: logins, client sessions, routing, media and SIP.

mod guards;
mod numbering;
mod pattern;
mod sip;

pub use guards::{DestinationRules, GuardRules};
pub use numbering::Numbering;
pub use pattern::Pattern;
pub use sip::{Destinations, ListedServer, MediaProfile, PortRules, RtpAddress, RtpWorker, Servers, Sip, Srtp, Trunk};

use core::time::Duration;
use offhook_sdp::plan::Conversions;
use offhook_sdp::webrtc::Fingerprint;
use offhook_sip::transport::Transport;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// A login: the address of record of a local user, compared as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginName(pub String);

/// The logins that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AcceptedLogins {
    /// The logins of the accounts in the shell's configuration, with their passwords.
    Accounts,
    /// Any login, without a password (`--demo`).
    Anyone,
}

/// The result of a call to a user who is in another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallWaiting {
    /// The second call is presented.
    Rings,
    /// The second call is rejected as busy.
    Busy,
}

/// The component that determines the targets of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Routing {
    /// The relay: it looks the targets up in its location table and its SIP accounts.
    Local,
    /// The shell, which answers [`Output::Route`](crate::io::Output::Route).
    External {
        /// The time after which the call is refused if the shell has not answered.
        timeout: Duration,
    },
}

/// The component that authorizes client sessions and the commands of browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authorization {
    /// The relay: whoever is authenticated may use it.
    Local,
    /// The shell, which answers the questions of [`AuthorizationOutput`](crate::authorization::AuthorizationOutput).
    External {
        /// The time after which a session or command is refused if the shell has not answered.
        timeout: Duration,
    },
}

/// The messages to the caller's page if the callee is busy (docs/signaling.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BusyStatus {
    /// `busy{BUSY}`, which the stock SDK ignores, then `finish{FAILED}`: stock pages return to idle.
    Failed,
    /// `finish{BUSY}`: for pages with a BUSY handler.
    Busy,
}

/// The names and addresses of this relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnNames {
    /// Host names in lower case and addresses, without brackets.
    pub hosts: BTreeSet<String>,
    /// The listening addresses of SIP.
    pub sip: Vec<(Transport, SocketAddr)>,
    /// The listening addresses of HTTP and WebSocket.
    pub http: Vec<SocketAddr>,
}

impl OwnNames {
    /// Returns whether the relay itself listens at `host`, `port` and `transport`. `host` must be one of its own hosts.
    ///
    /// A listening address must have the same port and transport, and the address family of a numeric `host`, because
    /// another server can use the same port of the other family or transport. Without a transport, the listening
    /// addresses of SIP over UDP and of HTTP are compared.
    #[must_use]
    pub fn listens(&self, host: &str, port: u16, transport: Option<Transport>) -> bool {
        let numeric: Option<IpAddr> = host.parse().ok();
        let leads_to = |local: &SocketAddr| {
            local.port() == port && numeric.is_none_or(|address| address.is_ipv6() == local.is_ipv6())
        };
        let sip = self.sip.iter().any(|(over, local)| *over == transport.unwrap_or(Transport::Udp) && leads_to(local));
        sip || transport.is_none() && self.http.iter().any(leads_to)
    }
}

/// The relay machine's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The number of this relay among the nodes of a cluster, which is part of its identifiers; 0 if it is alone.
    pub node: u16,
    /// The logins that are accepted.
    pub admission: AcceptedLogins,
    /// Client sessions without a login are accepted although logins require a password. They can place calls, but
    /// cannot be called.
    pub anonymous: bool,
    /// The maximum number of password checks at a time.
    pub password_checks: usize,
    /// The logins that have an account. They distinguish a user who is offline from one who does not exist.
    pub accounts: BTreeSet<LoginName>,
    /// The component that determines the targets of a call.
    pub routing: Routing,
    /// The component that authorizes client sessions and the commands of browsers.
    pub authorization: Authorization,
    /// The result of a call to a user who is in another call.
    pub call_waiting: CallWaiting,
    /// The messages to the caller of a busy user.
    pub busy_status: BusyStatus,
    /// Two browsers that support it may exchange their media without the relay.
    pub direct_media: bool,
    /// The time that a call rings before it ends as unanswered.
    pub ring_timeout: Duration,
    /// The time for which a session with `keepAlive` is kept after its socket is lost, and for which a token is valid.
    pub keep_alive_for: Duration,
    /// The interval of pings on an idle socket; zero disables pings.
    pub ping_interval: Duration,
    /// The number of pongs that may be missed before the socket is closed.
    pub ping_probes: u32,
    /// The time in which a socket must send its `connection` message.
    pub connection_timeout: Duration,
    /// The maximum length of a received text frame, in octets.
    pub max_frame: usize,
    /// The maximum average rate of messages on a socket, per second.
    pub message_rate: u32,
    /// The maximum number of messages on a socket in one burst.
    pub message_burst: u32,
    /// The maximum number of simultaneous calls of one session.
    pub max_calls_per_session: usize,
    /// The maximum number of simultaneous sessions of one login.
    pub max_sessions_per_login: usize,
    /// The limits of calls.
    pub guards: GuardRules,
    /// Tokens of the application are accepted, and a page is informed this long before its token expires.
    pub token_notice: Option<Duration>,
    /// The encoding names of the permitted codecs, in order of preference. If empty, the caller's offer determines the
    /// codecs.
    pub codecs: Vec<String>,
    /// The conversions between codecs that the media workers perform.
    pub conversions: Conversions,
    /// The SHA-256 fingerprint of the relay's DTLS certificate.
    pub fingerprint: Fingerprint,
    /// The addresses of each media worker as browsers reach them, best first. There is at least one worker.
    pub workers: Vec<Vec<SocketAddr>>,
    /// The relay's own names, addresses and ports. A page that names one of them as its SIP server selects the relay
    /// itself.
    pub own: OwnNames,
    /// The configuration of SIP; `None` if the relay serves browsers only.
    pub sip: Option<Box<Sip>>,
}

impl Config {
    /// Adopts the parts of another configuration that may change while the relay runs. Limits of a socket apply to new
    /// sockets, and those of a call to new calls. The other parts need a restart and are not changed.
    pub fn adopt(&mut self, other: Self) {
        // The pattern names every field, so that a new field does not compile until it is decided here.
        let Self {
            node: _,
            admission: _,
            anonymous,
            password_checks,
            accounts,
            routing: _,
            authorization: _,
            call_waiting,
            busy_status,
            direct_media,
            ring_timeout,
            keep_alive_for,
            ping_interval,
            ping_probes,
            connection_timeout,
            max_frame,
            message_rate,
            message_burst,
            max_calls_per_session,
            max_sessions_per_login,
            guards,
            token_notice: _,
            codecs,
            conversions: _,
            fingerprint: _,
            workers: _,
            own: _,
            sip: _,
        } = other;
        self.anonymous = anonymous;
        self.password_checks = password_checks;
        self.accounts = accounts;
        self.call_waiting = call_waiting;
        self.busy_status = busy_status;
        self.direct_media = direct_media;
        self.ring_timeout = ring_timeout;
        self.keep_alive_for = keep_alive_for;
        self.ping_interval = ping_interval;
        self.ping_probes = ping_probes;
        self.connection_timeout = connection_timeout;
        self.max_frame = max_frame;
        self.message_rate = message_rate;
        self.message_burst = message_burst;
        self.max_calls_per_session = max_calls_per_session;
        self.max_sessions_per_login = max_sessions_per_login;
        self.guards = guards;
        self.codecs = codecs;
    }
}
