//! What the operator decides about SIP: servers, accounts, phones, and the media towards them.

use super::{LoginName, Numbering, Pattern};
use crate::address::next_hop_of;
use core::time::Duration;
pub use offhook_sip::user_agent::destinations::{Destinations, ListedServer, Servers};
use offhook_sip::user_agent::io::{Account, Settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One account at a SIP server that many logins call through, and are called through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunk {
    /// The account; its `contact_user` is drawn by the relay.
    pub account: Account,
    /// The number or name by which the server knows a login; by the login itself where none is given.
    pub numbers: BTreeMap<LoginName, String>,
    /// How the server writes numbers.
    pub numbering: Numbering,
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

/// How RTP ports are given out to calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRules {
    /// How long a port stays unused after a call, so that late packets reach no other call.
    pub rest: Duration,
    /// How many pairs each worker keeps bound for calls to come; 0: none, and a call whose port is in use fails.
    pub reserved: usize,
    /// How many ports the calls of one user have at most: of a login, a phone, or an unknown address.
    pub per_user: usize,
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
    /// Local logins with an account at a server: their pages log in here, the relay logs in there. The `contact_user`
    /// of each is drawn by the relay.
    pub accounts: BTreeMap<LoginName, Account>,
    /// Where local logins' calls go that ring nobody here.
    pub trunk: Option<Trunk>,
    /// The numbers that a call which came in at an operator's account may be sent on to through such an account, by REFER of
    /// the peer or by redirect of a phone; empty: none.
    pub forward_to: Vec<Pattern>,
    /// How long a registration on behalf of a page is asked for.
    pub expires: Duration,
    /// Encryption of media.
    pub srtp: Srtp,
    /// What servers are offered.
    pub profile: MediaProfile,
    /// How RTP ports are given out.
    pub ports: PortRules,
    /// Worker N's RTP addresses: as many as [`super::Config::workers`].
    pub workers: Vec<RtpWorker>,
}

impl Sip {
    /// Lets requests for the operator's accounts and trunk go to the servers that these name.
    pub fn admit_configured(&mut self) {
        let accounts = self.accounts.values().chain(self.trunk.as_ref().map(|trunk| &trunk.account));
        let uris = accounts.flat_map(|account| {
            account.route.iter().chain(&account.registrar).chain(core::iter::once(&account.identity.uri))
        });
        for (host, _) in uris.filter_map(|uri| next_hop_of(uri)) {
            self.user_agent.destinations.add_configured(&host);
        }
    }
}
