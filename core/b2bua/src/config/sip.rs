//! What the operator decides about SIP: servers, accounts, phones, and the media towards them.

use super::LoginName;
use core::time::Duration;
use offhook_sip::user_agent::io::{Account, Settings};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Which SIP servers a page may name in its `sipOptions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Servers {
    /// These hosts, by domain or outbound proxy, in lower case and without a port; empty: none, every session is local.
    Listed(BTreeSet<String>),
    /// Any: only behind a firewall, for the relay connects where pages tell it to.
    Any,
}

impl Servers {
    /// Whether a page may name this host.
    #[must_use]
    pub fn allow(&self, host: &str) -> bool {
        match self {
            Self::Any => !host.is_empty(),
            Self::Listed(hosts) => hosts.contains(&host.to_ascii_lowercase()),
        }
    }

    /// Whether there is any that a page may name.
    #[must_use]
    pub fn allow_some(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(hosts) => !hosts.is_empty(),
        }
    }
}

/// One account at a SIP server that many logins call through, and are called through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunk {
    /// The account; its `contact_user` is drawn by the relay.
    pub account: Account,
    /// The number or name by which the server knows a login; by the login itself where none is given.
    pub numbers: BTreeMap<LoginName, String>,
    /// Who calls is told by `P-Asserted-Identity` too (RFC 3325): the server must trust this relay.
    pub asserts_identity: bool,
}

/// Encryption of media on SIP legs (SRTP keyed by SDES, RFC 4568).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Srtp {
    /// Plain RTP only.
    Off,
    /// Taken where the peer offers it; the relay offers plain RTP.
    Accepted,
    /// Offered beside plain RTP on the same line (RFC 8643) and taken where it is offered.
    Offered,
    /// No media without it.
    Required,
}

/// What the relay offers to SIP servers. What they offer is taken either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaProfile {
    /// RTP, encrypted as [`Srtp`] says.
    Rtp,
    /// ICE-lite, DTLS-SRTP and BUNDLE as toward browsers, for a server that is WebRTC itself.
    WebRtc,
}

/// One address of a worker's RTP sockets towards SIP peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RtpAddress {
    /// What session descriptions say: the public address where there is one.
    pub advertised: IpAddr,
    /// What the worker binds.
    pub local: IpAddr,
}

/// Where one media worker takes RTP of SIP peers. No two workers share a port of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RtpWorker {
    /// At most one IPv4 and one IPv6 address, the preferred one first.
    pub addresses: Vec<RtpAddress>,
    /// Lowest port, for RTP; RTCP takes the next one where the peer does not multiplex.
    pub first_port: u16,
    /// Highest port.
    pub last_port: u16,
}

/// SIP beside the browsers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sip {
    /// The relay as a user agent: its addresses, its domain, the phones that may register here.
    pub user_agent: Settings,
    /// Which servers pages may name.
    pub servers: Servers,
    /// Local logins with an account at a server: their pages log in here, the relay logs in there. The `contact_user`
    /// of each is drawn by the relay.
    pub accounts: BTreeMap<LoginName, Account>,
    /// Where local logins' calls go that ring nobody here.
    pub trunk: Option<Trunk>,
    /// How long a registration on behalf of a page is asked for.
    pub expires: Duration,
    /// Encryption of media.
    pub srtp: Srtp,
    /// What servers are offered.
    pub profile: MediaProfile,
    /// How long an RTP port rests after a call, so that late packets meet nobody.
    pub port_rest: Duration,
    /// Worker N's RTP addresses: as many as [`super::Config::workers`].
    pub workers: Vec<RtpWorker>,
}
