//! Authorization of the hosts that SIP requests are sent to.
//!
//! Hosts come from many sources: the `sipOptions` of a page, the called number, the `Contact`, `Record-Route` or `Path`
//! of a peer, redirects and DNS records. [`Destinations::reach`] decides on each of them before its name is resolved
//! and before a connection is opened. The returned [`Reach`] limits the addresses that DNS may yield.

use crate::message::Host;
use core::fmt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The lowest port that a host named by a page may use without an entry in the list. Lower ports belong to services
/// other than SIP.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// The network that an address belongs to, most distant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Network {
    /// The internet.
    Public,
    /// Private use (RFC 1918, RFC 4193), shared address space (RFC 6598), benchmarking (RFC 2544).
    Private,
    /// Link-local addresses (RFC 3927, RFC 4291 §2.5.6) and addresses that are not unicast.
    LinkLocal,
    /// Loopback addresses.
    Loopback,
}

impl Network {
    /// Returns the network of an address. An IPv6 address with an embedded IPv4 address belongs to the network of the
    /// latter.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_ipv4(address),
            IpAddr::V6(address) => Self::of_ipv6(address),
        }
    }

    const fn of_ipv4(address: Ipv4Addr) -> Self {
        let [first, second, third, _] = address.octets();
        match (first, second, third) {
            // Operating systems route 0.0.0.0 to the local host.
            (0 | 127, ..) => Self::Loopback,
            (169, 254, _) | (224..=255, ..) => Self::LinkLocal,
            (10, ..) | (172, 16..=31, _) | (192, 168, _) | (192, 0, 0) | (100, 64..=127, _) | (198, 18..=19, _) => {
                Self::Private
            }
            _ => Self::Public,
        }
    }

    fn of_ipv6(address: Ipv6Addr) -> Self {
        let [a, b, c, d, e, f, g, h] = address.segments();
        let ipv4 = |high: u16, low: u16| Self::of_ipv4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
        match (a, b, c, d, e, f) {
            // IPv4-compatible (RFC 4291 §2.5.5.1), including `::` and `::1`.
            (0, 0, 0, 0, 0, 0) => ipv4(g, h).max(if g == 0 { Self::Loopback } else { Self::Public }),
            // NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
            (0x64, 0xff9b, ..) => ipv4(g, h).max(if b == 0xff9b && c == 1 { Self::Private } else { Self::Public }),
            (0x2002, high, low, ..) => ipv4(high, low),
            // IPv4-translated (RFC 2765 §2.1) and ISATAP (RFC 5214 §6.1).
            (0, 0, 0, 0, 0xffff, 0) | (_, _, _, _, 0 | 0x200, 0x5efe) => ipv4(g, h),
            // Teredo (RFC 4380): the address of a host behind a NAT.
            (0x2001, 0, ..) => Self::Private,
            // Link-local and multicast.
            (0xfe80..=0xfebf | 0xff00..=0xffff, ..) => Self::LinkLocal,
            // Unique local, and the deprecated site-local range.
            (0xfc00..=0xfdff | 0xfec0..=0xfeff, ..) => Self::Private,
            _ => Self::Public,
        }
    }
}

/// The networks and ports that a host may resolve to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    nearest: Network,
    lowest_port: u16,
}

impl Reach {
    /// All networks and ports.
    pub const ANYWHERE: Self = Self::to(Network::Loopback);
    /// The internet only.
    pub const PUBLIC: Self = Self::to(Network::Public);

    /// Returns a network and those that are more distant.
    const fn to(nearest: Network) -> Self {
        Self { nearest, lowest_port: 0 }
    }

    /// Excludes the ports of other services, which SRV records could name.
    const fn unprivileged(self) -> Self {
        Self { lowest_port: FIRST_UNPRIVILEGED_PORT, ..self }
    }

    /// Returns whether the host may have this address.
    #[must_use]
    pub fn covers(self, address: IpAddr) -> bool {
        Network::of(address) <= self.nearest
    }

    /// Returns whether a name may resolve to this address and port.
    #[must_use]
    pub fn admits(self, target: SocketAddr) -> bool {
        self.covers(target.ip()) && target.port() >= self.lowest_port
    }
}

/// The element that named a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamedBy {
    /// A page, in its settings or as a callee.
    Page,
    /// The account of a request. Its settings come from a page or from the operator's configuration.
    Account,
    /// A SIP message from the peer at this address.
    Peer(IpAddr),
}

/// A server that pages may name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListedServer {
    /// A name in lower case, or an IP address without brackets.
    pub host: String,
    /// The only allowed port, if the entry has one.
    pub port: Option<u16>,
}

/// Displays the server in the form used in the configuration.
impl fmt::Display for ListedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// The SIP servers that a page may name in its `sipOptions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Servers {
    /// The listed servers. If the list is empty, every session is local.
    Listed(BTreeSet<ListedServer>),
    /// Any server.
    Any,
}

impl Servers {
    /// Creates a list of servers by name or address, at any unprivileged port.
    pub fn listed<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Listed(hosts.into_iter().map(|host| ListedServer { host: host.to_owned(), port: None }).collect())
    }

    /// Returns whether there is a server that a page may name.
    #[must_use]
    pub fn allow_some(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(hosts) => !hosts.is_empty(),
        }
    }
}

/// The operator's policy for destinations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destinations {
    /// The servers that pages may name.
    pub servers: Servers,
    /// Whether hosts that are not listed may resolve to private networks and to this machine.
    pub private_networks: bool,
    /// The servers in the operator's configuration: those of accounts and trunks.
    configured: BTreeSet<String>,
}

impl Destinations {
    /// Creates a policy without configured servers.
    #[must_use]
    pub const fn new(servers: Servers, private_networks: bool) -> Self {
        Self { servers, private_networks, configured: BTreeSet::new() }
    }

    /// Adds a server from the operator's configuration.
    pub fn add_configured(&mut self, host: &Host) {
        self.configured.extend(spelling(host));
    }

    /// Returns the hosts that are SIP servers by configuration, in the form of [`spelling`].
    pub(super) fn named_servers(&self) -> BTreeSet<String> {
        let listed = match &self.servers {
            Servers::Listed(servers) => Some(servers),
            Servers::Any => None,
        };
        let listed = listed.into_iter().flatten().map(|server| server.host.clone());
        listed.chain(self.configured.iter().cloned()).collect()
    }

    /// Returns the networks that a host may resolve to. `None` if it must be neither resolved nor used.
    #[must_use]
    pub fn reach(&self, host: &Host, port: Option<u16>, named_by: NamedBy) -> Option<Reach> {
        let host = canonical(host)?;
        let otherwise = if self.private_networks { Reach::ANYWHERE } else { Reach::PUBLIC };
        let reach = match named_by {
            NamedBy::Page | NamedBy::Account if self.is_listed(&host, port) => Reach::ANYWHERE,
            NamedBy::Account if self.configured.contains(&plain(&host)) => Reach::ANYWHERE,
            NamedBy::Page | NamedBy::Account => {
                let is_any = matches!(self.servers, Servers::Any) && is_unprivileged(port);
                is_any.then_some(otherwise.unprivileged())?
            }
            // A peer may not name a network that is nearer to this machine than its own.
            NamedBy::Peer(_) if self.private_networks => Reach::ANYWHERE,
            NamedBy::Peer(address) => Reach::to(Network::of(address)),
        };
        host.address().is_none_or(|address| reach.covers(address)).then_some(reach)
    }

    fn is_listed(&self, host: &Host, port: Option<u16>) -> bool {
        let Servers::Listed(servers) = &self.servers else { return false };
        let host = plain(host);
        let is = |port| servers.contains(&ListedServer { host: host.clone(), port });
        (is(None) && is_unprivileged(port)) || (port.is_some() && is(port))
    }
}

fn is_unprivileged(port: Option<u16>) -> bool {
    port.is_none_or(|port| port >= FIRST_UNPRIVILEGED_PORT)
}

/// Returns the canonical form of a host: names in lower case without trailing dot, IPv4 addresses as such. `None` if
/// the last label of a name is a number, which is not allowed in host names (RFC 1123 §2.1) and which some resolvers
/// parse as an address (`127.1`, `0x7f000001`).
fn canonical(host: &Host) -> Option<Host> {
    let name = match host {
        Host::Address(address) => return Some(Host::Address(address.to_canonical())),
        Host::Name(name) => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
    };
    if let Ok(address) = name.parse::<IpAddr>() {
        return Some(Host::Address(address.to_canonical()));
    }
    let last = name.rsplit('.').next().unwrap_or(&name);
    let is_hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let is_number = last.bytes().all(|digit| digit.is_ascii_digit()) || is_hexadecimal;
    (!is_number).then_some(Host::Name(name))
}

/// Returns the form of a host that lists use, or `None` if it is not a valid host name.
pub(crate) fn spelling(host: &Host) -> Option<String> {
    canonical(host).map(|host| plain(&host))
}

/// Returns a canonical host in the form that lists use: addresses without brackets.
fn plain(host: &Host) -> String {
    match host {
        Host::Name(name) => name.clone(),
        Host::Address(address) => address.to_string(),
    }
}

#[cfg(test)]
mod tests;
