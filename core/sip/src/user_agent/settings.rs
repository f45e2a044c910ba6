//! The configuration of the user agent.

use super::destinations::{Destinations, NamedBy, Reach, Servers};
use super::io::Redirects;
use crate::auth::Verifier;
use crate::message::Host;
use crate::transaction::layer;
use crate::transport::{Inside, LocalAddress};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// A user that may register phones at the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneUser {
    /// The user name, for digest and for the address of record.
    pub user: String,
    /// The password or its hash.
    pub verifier: Verifier,
}

/// The configuration of the user agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAgentSettings {
    /// The addresses that the relay listens on. The first one of a transport and address family is used in `Via` and
    /// `Contact`.
    pub local: Vec<LocalAddress>,
    /// The relay's own SIP domain, for addresses of record of phones and as digest realm.
    pub domain: String,
    /// Whether phones may register for any domain. This is the case if the operator configured no domain.
    pub any_domain: bool,
    /// The users that may register phones.
    pub phones: Vec<PhoneUser>,
    /// The hosts that requests may be sent to.
    pub destinations: Destinations,
    /// Whether calls from unknown sources are accepted (and reported as
    /// [`Origin::Unknown`](super::io::Origin::Unknown)) or rejected with 403.
    pub accept_unknown: bool,
    /// The redirects that are followed.
    pub redirects: Redirects,
    /// The source addresses whose `P-Asserted-Identity` is trusted.
    pub trusted: Vec<IpAddr>,
    /// The value of `User-Agent` and `Server`.
    pub product: String,
    /// T1, the estimated round-trip time (RFC 3261 §17.1.1.1), usually 500 ms.
    pub t1: Duration,
    /// The requested session interval (RFC 4028). Zero disables session timers.
    pub session_expires: Duration,
    /// The minimum session interval that is accepted, at least 90 s.
    pub min_session_expires: Duration,
    /// The interval of keep-alives on flows (RFC 5626 §4.4.1).
    pub keep_alive: Duration,
    /// The addresses in `Via` and `Contact` for peers in the relay's own networks.
    pub inside: Inside,
    /// The interval of OPTIONS to phones behind a NAT that registered over UDP. Zero disables them.
    pub nat_keep_alive: Duration,
}

impl UserAgentSettings {
    /// Returns settings without any address, user or server.
    pub(super) fn empty() -> Self {
        Self {
            local: Vec::new(),
            // A reserved name (RFC 2606 §2), because a host cannot be empty.
            domain: "invalid".to_owned(),
            any_domain: false,
            phones: Vec::new(),
            destinations: Destinations::new(Servers::listed([]), false),
            accept_unknown: false,
            redirects: Redirects::Domain,
            trusted: Vec::new(),
            product: String::new(),
            t1: Duration::ZERO,
            session_expires: Duration::ZERO,
            min_session_expires: Duration::ZERO,
            keep_alive: Duration::ZERO,
            inside: Inside::default(),
            nat_keep_alive: Duration::ZERO,
        }
    }

    /// Limits a destination to the hosts that the element `named_by` may name. Returns `None` if nothing may be sent
    /// there.
    pub(super) fn narrow(&self, destination: layer::Destination, named_by: NamedBy) -> Option<layer::Destination> {
        match destination {
            layer::Destination::Resolve { host, port, transport, secure, .. } => {
                let reach = self.destinations.reach(&host, port, self.loopback_if_own(named_by))?;
                Some(layer::Destination::Resolve { host, port, transport, secure, reach })
            }
            // These are addresses of the peer itself.
            layer::Destination::Flow { .. } | layer::Destination::Targets(_) => Some(destination),
        }
    }

    /// Returns the addresses that a host in a session description from `peer` may resolve to. `None` if it must not be
    /// resolved.
    #[must_use]
    pub fn media_reach(&self, host: &Host, peer: IpAddr) -> Option<Reach> {
        self.destinations.reach(host, None, self.loopback_if_own(NamedBy::Peer(peer)))
    }

    /// Treats a peer at one of this machine's addresses as loopback.
    fn loopback_if_own(&self, named_by: NamedBy) -> NamedBy {
        let is_own = |address: IpAddr| {
            let own = |local: &LocalAddress| local.host.parse::<IpAddr>().is_ok_and(|host| host == address);
            self.local.iter().any(own)
        };
        match named_by {
            NamedBy::Peer(address) if is_own(address.to_canonical()) => NamedBy::Peer(Ipv4Addr::LOCALHOST.into()),
            NamedBy::Page | NamedBy::Account | NamedBy::Peer(_) => named_by,
        }
    }
}
