//! Location of SIP servers (RFC 3263): the sequence of DNS queries, and the order of the targets.
//!
//! The shell performs the queries. It starts with [`first`] and executes each [`Step`] until it is [`Step::Done`].
//!
//! ```text
//!            ┌────────────── address, hosts file ────────────────▶ targets
//! question ──┼── port or transport given ──────────┐
//!            └─▶ NAPTR ──▶ SRV ──▶ A and AAAA ◀─────┘ ───────────▶ targets
//!                  └ none: SRV of each transport  └ none: A and AAAA of the host itself
//! ```

use crate::transport::{Target, Transport};
use rand_core::Rng;
use std::net::{IpAddr, SocketAddr};

/// The maximum number of names that are resolved for one question, because the owner of a zone controls all records in
/// it.
const MAX_NAMES: usize = 16;
/// The maximum number of targets of a result.
const MAX_TARGETS: usize = 32;

/// A query for the servers of a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// A name or an IP address, IPv6 without brackets.
    pub host: String,
    /// The port, if the URI names one.
    pub port: Option<u16>,
    /// The transport, if the URI names one.
    pub transport: Option<Transport>,
    /// Whether the URI is `sips:`, which requires TLS.
    pub secure: bool,
}

/// The transports and address families of this relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// IPv4.
    pub ipv4: bool,
    /// IPv6.
    pub ipv6: bool,
    /// UDP.
    pub udp: bool,
    /// TCP.
    pub tcp: bool,
    /// TLS.
    pub tls: bool,
}

impl Abilities {
    /// Returns whether the relay listens on the transport, so that it can receive responses.
    #[must_use]
    pub const fn supports(self, transport: Transport) -> bool {
        match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
            Transport::Ws | Transport::Wss => false,
        }
    }

    /// Returns whether the relay has a socket of the address's family.
    #[must_use]
    pub const fn has_family(self, address: &IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.ipv4,
            IpAddr::V6(_) => self.ipv6,
        }
    }
}

/// A name that has SRV records for one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The name, such as `_sip._udp.example.org`.
    pub name: String,
    /// The transport of the service.
    pub transport: Transport,
}

/// A host name to be resolved to addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHost {
    /// The name, such as `sip1.example.org`.
    pub name: String,
    /// The port of the server.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Query the NAPTR records of the host, then call [`after_naptr`].
    Naptr,
    /// Query the SRV records of these services, then call [`after_srv`].
    Srv(Vec<Service>),
    /// Query the addresses of these hosts, then call [`after_addresses`].
    Addresses(Vec<ServerHost>),
    /// The result: the targets in the order in which they are tried.
    Done(Vec<Target>),
}

/// A NAPTR record (RFC 3403 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// The order. Lower values first.
    pub order: u16,
    /// The preference among records of the same order. Lower values first.
    pub preference: u16,
    /// The flags. `s`: the replacement has SRV records.
    pub flags: String,
    /// The service, such as `SIP+D2U`.
    pub service: String,
    /// The name of the next query.
    pub replacement: String,
}

/// A SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// The priority. Lower values first.
    pub priority: u16,
    /// The share of the load among records of the same priority.
    pub weight: u16,
    /// The port of the server.
    pub port: u16,
    /// The host. `.` means that the service does not exist.
    pub target: String,
}

/// Returns the first step. If `is_in_hosts_file` is set, the hosts file has the host's address and DNS is not queried.
#[must_use]
pub fn first(question: &Question, is_in_hosts_file: bool) -> Step {
    let Some(transport) = named_transport(question) else { return Step::Done(Vec::new()) };
    if question.host.is_empty() || question.port == Some(0) {
        return Step::Done(Vec::new());
    }
    let certain = transport.unwrap_or(default_transport(question));
    let port = |transport: Transport| question.port.unwrap_or(transport.default_port());
    if let Ok(ip) = question.host.parse::<IpAddr>() {
        let address = SocketAddr::new(ip, port(certain));
        return Step::Done(vec![Target { transport: certain, address, host: Some(question.host.clone()) }]);
    }
    // `localhost` is not resolved by DNS (RFC 6761 §6.3).
    if question.port.is_some() || is_in_hosts_file || is_localhost(&question.host) {
        return Step::Addresses(vec![ServerHost {
            name: question.host.clone(),
            port: port(certain),
            transport: certain,
        }]);
    }
    match transport {
        Some(transport) => Step::Srv(vec![service(&question.host, transport)]),
        None => Step::Naptr,
    }
}

/// Returns the step after the NAPTR query, which may have found no records (RFC 3263 §4.1).
#[must_use]
pub fn after_naptr(question: &Question, mut records: Vec<Naptr>, abilities: Abilities) -> Step {
    records.sort_by_key(|record| (record.order, record.preference));
    let usable = records.into_iter().filter_map(|record| {
        let transport = match record.service.to_ascii_uppercase().as_str() {
            "SIP+D2U" if !question.secure => Transport::Udp,
            "SIP+D2T" if !question.secure => Transport::Tcp,
            "SIPS+D2T" => Transport::Tls,
            _ => return None,
        };
        let is_followed = record.flags.eq_ignore_ascii_case("s") && !record.replacement.is_empty();
        (is_followed && abilities.supports(transport)).then_some(Service { name: record.replacement, transport })
    });
    let services: Vec<Service> = usable.take(MAX_NAMES).collect();
    if !services.is_empty() {
        return Step::Srv(services);
    }
    let all: &[Transport] =
        if question.secure { &[Transport::Tls] } else { &[Transport::Udp, Transport::Tcp, Transport::Tls] };
    let supported = all.iter().filter(|transport| abilities.supports(**transport));
    Step::Srv(supported.map(|transport| service(&question.host, *transport)).collect())
}

/// Returns the step after the SRV queries (RFC 3263 §4.2). `found` lists each queried service, in order, with its
/// records.
#[must_use]
pub fn after_srv(question: &Question, found: Vec<(Service, Vec<Srv>)>, random: &mut impl Rng) -> Step {
    if found.iter().all(|(_, records)| records.is_empty()) {
        let transport = named_transport(question).flatten().unwrap_or(default_transport(question));
        let host = ServerHost { name: question.host.clone(), port: transport.default_port(), transport };
        return Step::Addresses(vec![host]);
    }
    let mut hosts = Vec::new();
    for (service, records) in found {
        let there = records.into_iter().filter(|record| record.port != 0 && !matches!(&*record.target, "" | "."));
        for record in in_order(there.collect(), random) {
            hosts.push(ServerHost { name: record.target, port: record.port, transport: service.transport });
        }
    }
    hosts.truncate(MAX_NAMES);
    if hosts.is_empty() { Step::Done(Vec::new()) } else { Step::Addresses(hosts) }
}

/// Returns the targets after the address queries. `found` lists each queried host, in order, with its addresses. The
/// certificate must match the host of the question, not a name that DNS returned (RFC 5922 §4).
#[must_use]
pub fn after_addresses(
    question: &Question,
    found: Vec<(ServerHost, Vec<IpAddr>)>,
    abilities: Abilities,
) -> Vec<Target> {
    let all = found.into_iter().flat_map(|(host, addresses)| {
        let reached = addresses.into_iter().filter(move |address| abilities.has_family(address));
        reached.map(move |address| (host.transport, SocketAddr::new(address, host.port)))
    });
    let mut targets: Vec<Target> = Vec::new();
    for (transport, address) in all {
        let target = Target { transport, address, host: Some(question.host.clone()) };
        if !targets.contains(&target) && targets.len() < MAX_TARGETS {
            targets.push(target);
        }
    }
    targets
}

/// Orders the records of one service by priority, and randomly in proportion to their weight (RFC 2782).
fn in_order(mut records: Vec<Srv>, random: &mut impl Rng) -> Vec<Srv> {
    // Records with weight 0 come first, so that they have a small chance to be selected (RFC 2782).
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    records.truncate(MAX_NAMES);
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let same = records.iter().take_while(|record| record.priority == priority);
        let weights: Vec<u64> = same.map(|record| u64::from(record.weight)).collect();
        let chosen = u64::from(random.next_u32()) % (weights.iter().sum::<u64>() + 1);
        let mut sum = 0;
        let place = weights.iter().position(|weight| {
            sum += weight;
            sum >= chosen
        });
        ordered.push(records.remove(place.unwrap_or(0)));
    }
    ordered
}

/// Returns the transport that the question determines, if any. The outer `None` means that the combination is not
/// supported.
fn named_transport(question: &Question) -> Option<Option<Transport>> {
    match (question.transport, question.secure) {
        // `sips:…;transport=tcp` is TLS over TCP (RFC 3261 §19.1.2, RFC 5630 §3.1.3).
        (Some(Transport::Tcp | Transport::Tls), true) => Some(Some(Transport::Tls)),
        (Some(Transport::Udp), true) | (Some(Transport::Ws | Transport::Wss), _) => None,
        (transport @ Some(Transport::Udp | Transport::Tcp | Transport::Tls), false) => Some(transport),
        (None, _) => Some(None),
    }
}

const fn default_transport(question: &Question) -> Transport {
    if question.secure { Transport::Tls } else { Transport::Udp }
}

fn service(host: &str, transport: Transport) -> Service {
    let prefix = match transport {
        Transport::Tls => "_sips._tcp",
        Transport::Tcp => "_sip._tcp",
        Transport::Udp | Transport::Ws | Transport::Wss => "_sip._udp",
    };
    Service { name: format!("{prefix}.{host}"), transport }
}

/// Returns whether the host is `localhost` or a subdomain of it.
#[must_use]
pub fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit_once('.').map_or(host, |(_, last)| last);
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests;
