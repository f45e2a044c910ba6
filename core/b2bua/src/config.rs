//! What the operator decides about calls and sessions.

mod numbering;
mod pattern;
mod sip;

pub use numbering::Numbering;
pub use pattern::Pattern;
pub use sip::{Destinations, ListedServer, MediaProfile, PortRules, RtpAddress, RtpWorker, Servers, Sip, Srtp, Trunk};

use core::time::Duration;
use offhook_sdp::webrtc::Fingerprint;
use offhook_sip::transport::Transport;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// A login: the address of record of a local user, compared as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginName(pub String);

/// Who may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// The accounts the shell knows, by password.
    Accounts,
    /// Any login, without a password (`--demo`).
    Anyone,
}

/// What a second call finds whose callee is in a call already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallWaiting {
    /// It rings too.
    Rings,
    /// It is busy.
    Busy,
}

/// What the page of a busy call's caller is told (contract 6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BusyStatus {
    /// `busy{BUSY}`, which the stock SDK passes over, then `finish{FAILED}`: stock pages return to idle.
    Failed,
    /// `finish{BUSY}`: for pages with a BUSY handler.
    Busy,
}

/// The names and addresses that lead to this relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnNames {
    /// Host names in lower case and addresses, without brackets.
    pub hosts: BTreeSet<String>,
    /// Where SIP is received.
    pub sip: Vec<(Transport, SocketAddr)>,
    /// Where HTTP and WebSocket connections are accepted.
    pub http: Vec<SocketAddr>,
}

impl OwnNames {
    /// Whether a SIP server that is named by `host`, `port` and `transport` is the relay, if `host` is one of its own hosts.
    ///
    /// A listening address of the other address family than a numeric `host` does not count, and neither does one of another
    /// transport than a named one: another server can have the same port there.
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
    /// Who may log in.
    pub admission: Admission,
    /// Sessions without a login are accepted where logins need a password: they can call and cannot be called.
    pub anonymous: bool,
    /// Passwords checked at a time.
    pub password_checks: usize,
    /// The logins that have an account: to tell a user who is away from one who does not exist.
    pub accounts: BTreeSet<LoginName>,
    /// What a second call finds.
    pub call_waiting: CallWaiting,
    /// What the caller of a busy user is told.
    pub busy_status: BusyStatus,
    /// Two browsers that can may exchange their media without the relay.
    pub direct_media: bool,
    /// How long a call rings before it ends as unanswered.
    pub ring_timeout: Duration,
    /// How long a session of a lost socket with `keepAlive` is kept, and a token is good for.
    pub keep_alive_for: Duration,
    /// How often the relay pings an idle socket; zero turns pings off.
    pub ping_interval: Duration,
    /// How many pongs may be missed before the socket is closed.
    pub ping_probes: u32,
    /// How long a socket may stay without its `connection` message.
    pub connection_timeout: Duration,
    /// Longest text frame taken, in octets.
    pub max_frame: usize,
    /// How many messages a second a socket may send on average, and in one burst.
    pub message_rate: u32,
    /// See `message_rate`.
    pub message_burst: u32,
    /// How many calls one session may have at once.
    pub max_calls_per_session: usize,
    /// How many sessions one login may have at once.
    pub max_sessions_per_login: usize,
    /// Which codecs may be used and in which order they are preferred, by encoding name; empty: the caller's choice.
    pub codecs: Vec<String>,
    /// SHA-256 of the relay's DTLS certificate.
    pub fingerprint: Fingerprint,
    /// The media workers: worker N's addresses, as browsers reach them, best first. At least one worker.
    pub workers: Vec<Vec<SocketAddr>>,
    /// The relay's own names, addresses and ports: a page that names one of them as its SIP server asks for the relay itself.
    pub own: OwnNames,
    /// SIP servers and phones; none: browsers only.
    pub sip: Option<Box<Sip>>,
}
