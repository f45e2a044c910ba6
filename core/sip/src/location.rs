//! Locating SIP servers (RFC 3263): the DNS lookups that follow from one another, and the order of the targets.
//!
//! The shell performs the lookups. It begins with [`first`] and does what each [`Step`] requests, until it is [`Step::Done`].
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

/// The most names that are followed from one question, because the owner of a zone may write anything into it.
const MOST_NAMES: usize = 16;
/// The most targets of an answer.
const MOST_TARGETS: usize = 32;

/// A query for the servers of a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The port, if the URI gives it.
    pub port: Option<u16>,
    /// The transport, if the URI gives it.
    pub transport: Option<Transport>,
    /// `sips:`: TLS only.
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
    /// Whether the relay listens on the transport, so that it can receive responses.
    #[must_use]
    pub const fn speak(self, transport: Transport) -> bool {
        match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
            Transport::Ws | Transport::Wss => false,
        }
    }

    /// Whether a socket of the address's family exists.
    #[must_use]
    pub const fn reach(self, address: &IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.ipv4,
            IpAddr::V6(_) => self.ipv6,
        }
    }
}

/// A name that has SRV records for one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `_sip._udp.example.org`.
    pub name: String,
    /// The transport it is about.
    pub transport: Transport,
}

/// A name that has addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHost {
    /// `sip1.example.org`.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// NAPTR records of the host are wanted.
    Naptr,
    /// SRV records of these are wanted; then [`after_srv`].
    Srv(Vec<Service>),
    /// Addresses of these are wanted; then [`after_addresses`].
    Addresses(Vec<ServerHost>),
    /// The end, with the targets in the order in which they are tried.
    Done(Vec<Target>),
}

/// A NAPTR record (RFC 3403 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones first.
    pub order: u16,
    /// Among the same order, lower ones first.
    pub preference: u16,
    /// `s`: the replacement has SRV records.
    pub flags: String,
    /// `SIP+D2U`.
    pub service: String,
    /// The name to continue with.
    pub replacement: String,
}

/// A SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones first.
    pub priority: u16,
    /// Among the same priority, the share of the load.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// The host; `.` says that there is no such service.
    pub target: String,
}

/// The first step. `is_in_hosts_file`: the hosts file has the host's address, so that the DNS is not queried.
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
    // `localhost` is never asked of a server (RFC 6761 §6.3).
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

/// NAPTR records were found, or none (RFC 3263 §4.1).
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
        (is_followed && abilities.speak(transport)).then_some(Service { name: record.replacement, transport })
    });
    let services: Vec<Service> = usable.take(MOST_NAMES).collect();
    if !services.is_empty() {
        return Step::Srv(services);
    }
    let all: &[Transport] =
        if question.secure { &[Transport::Tls] } else { &[Transport::Udp, Transport::Tcp, Transport::Tls] };
    let spoken = all.iter().filter(|transport| abilities.speak(**transport));
    Step::Srv(spoken.map(|transport| service(&question.host, *transport)).collect())
}

/// SRV records were found, or none, for each service that was asked about, in its order (RFC 3263 §4.2).
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
    hosts.truncate(MOST_NAMES);
    if hosts.is_empty() { Step::Done(Vec::new()) } else { Step::Addresses(hosts) }
}

/// Addresses were found, or none, for each host that was asked about, in its order. The name that a certificate must prove
/// is the one that was asked for, not what the DNS made of it (RFC 5922 §4).
#[must_use]
pub fn after_addresses(
    question: &Question,
    found: Vec<(ServerHost, Vec<IpAddr>)>,
    abilities: Abilities,
) -> Vec<Target> {
    let all = found.into_iter().flat_map(|(host, addresses)| {
        let reached = addresses.into_iter().filter(move |address| abilities.reach(address));
        reached.map(move |address| (host.transport, SocketAddr::new(address, host.port)))
    });
    let mut targets: Vec<Target> = Vec::new();
    for (transport, address) in all {
        let target = Target { transport, address, host: Some(question.host.clone()) };
        if !targets.contains(&target) && targets.len() < MOST_TARGETS {
            targets.push(target);
        }
    }
    targets
}

/// The order in which the records of one service are tried: by priority, and by chance in proportion to weight (RFC 2782).
fn in_order(mut records: Vec<Srv>, random: &mut impl Rng) -> Vec<Srv> {
    // Those without weight come first, so that they have a chance at all.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    records.truncate(MOST_NAMES);
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

/// The transport that the question leaves no choice about; `None`: it asks for what is not possible here.
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

/// `localhost` and what is below it.
#[must_use]
pub fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit_once('.').map_or(host, |(_, last)| last);
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests;
