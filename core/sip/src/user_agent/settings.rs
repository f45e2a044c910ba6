//! The configuration of the user agent.

use super::destinations::{Destinations, NamedBy, Reach};
use super::io::Redirects;
use crate::auth::Verifier;
use crate::message::Host;
use crate::transaction::layer;
use crate::transport::{Inside, LocalAddress};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// A SIP phone's user, who may register at the relay itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneUser {
    /// The user name, for digest and address of record.
    pub user: String,
    /// Password or digest.
    pub verifier: Verifier,
}

/// The user agent's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where the relay listens; the first of a transport and family is what it calls itself.
    pub local: Vec<LocalAddress>,
    /// The relay's own SIP domain: phones' addresses of record, digest realm.
    pub domain: String,
    /// Phones may register for any domain, as the operator named none.
    pub any_domain: bool,
    /// Phones that may register here.
    pub phones: Vec<PhoneUser>,
    /// The hosts that requests may go to.
    pub destinations: Destinations,
    /// Calls of unknown sources are taken (and reported as [`Origin::Unknown`](super::io::Origin::Unknown)); else they are refused with 403.
    pub accept_unknown: bool,
    /// Which redirections are followed.
    pub redirects: Redirects,
    /// Sources whose `P-Asserted-Identity` counts, by address.
    pub trusted: Vec<IpAddr>,
    /// `User-Agent` and `Server`.
    pub product: String,
    /// RFC 3261 §17.1.1.1: estimated round trip, 500 ms.
    pub t1: Duration,
    /// The session interval that is asked for and the shortest one taken (RFC 4028); zero: no session timers.
    pub session_expires: Duration,
    /// See `session_expires`; never below 90 s.
    pub min_session_expires: Duration,
    /// How long a keep-alive's flow may be silent (RFC 5626 §4.4.1).
    pub keep_alive: Duration,
    /// What `Via` and `Contact` say to peers in the relay's own networks.
    pub inside: Inside,
    /// How often the flow of a phone behind a NAT is used, where it registered over UDP; zero: never.
    pub nat_keep_alive: Duration,
}

impl Settings {
    /// Limits a destination to what the party that named it may reach; none: nothing is sent there.
    pub(super) fn narrow(&self, destination: layer::Destination, named_by: NamedBy) -> Option<layer::Destination> {
        match destination {
            layer::Destination::Resolve { host, port, transport, secure, .. } => {
                let reach = self.destinations.reach(&host, port, self.near(named_by))?;
                Some(layer::Destination::Resolve { host, port, transport, secure, reach })
            }
            // The peer's own address.
            layer::Destination::Flow { .. } | layer::Destination::Targets(_) => Some(destination),
        }
    }

    /// How far a host may lead that the session description of the peer at `peer` names; none: it is not looked up.
    #[must_use]
    pub fn media_reach(&self, host: &Host, peer: IpAddr) -> Option<Reach> {
        self.destinations.reach(host, None, self.near(NamedBy::Peer(peer)))
    }

    /// A peer at one of this machine's own addresses runs on this machine.
    fn near(&self, named_by: NamedBy) -> NamedBy {
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
