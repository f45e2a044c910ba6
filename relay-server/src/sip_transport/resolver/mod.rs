//! Location of SIP servers (RFC 3263): performs the queries of [`offhook_sip::location`] with DNS and the hosts file.

use core::time::Duration;
use futures_util::future::join_all;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use offhook_sip::location::{self, Abilities, Naptr, Question, Srv, Step};
use offhook_sip::transport::Target;
use rand_core::Rng;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Time limit of a DNS server for one response; each query is sent twice.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Time limit for all queries of one host. Transactions time out after 32 s, which leaves time to try other servers.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of cached records.
const CACHE: u64 = 4_096;
/// Maximum time for which a negative response is cached, whatever the zone specifies, so that a new server is soon found.
const LONGEST_ABSENCE: Duration = Duration::from_secs(60);

/// The hosts file of the system.
pub const HOSTS_FILE: &str = "/etc/hosts";

/// A resolver with a cache.
pub struct Resolver {
    dns: TokioResolver,
    hosts_file: PathBuf,
    abilities: Abilities,
    timeout: Duration,
}

impl Resolver {
    /// Creates a resolver that uses `servers`, or, if there are none, those of the system.
    ///
    /// # Errors
    /// If the resolver cannot be created.
    pub fn new(servers: &[SocketAddr], hosts_file: &Path, abilities: Abilities) -> io::Result<Self> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().unwrap_or_else(|error| {
                tracing::warn!(
                    %error,
                    "this system has no DNS server configured: SIP servers are reached by IP address only; set [sip] dns"
                );
                TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
            })
        } else {
            let servers = servers.iter().map(|server| name_server(*server)).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts, options.cache_size) = (ANSWER_TIMEOUT, 1, CACHE);
        options.negative_max_ttl = Some(LONGEST_ABSENCE);
        // The hosts file is read by `known`, so that a name in it needs no DNS query.
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = match (abilities.ipv4, abilities.ipv6) {
            (true, true) => LookupIpStrategy::Ipv4AndIpv6,
            (false, true) => LookupIpStrategy::Ipv6Only,
            (_, false) => LookupIpStrategy::Ipv4Only,
        };
        let dns = builder.build().map_err(io::Error::other)?;
        Ok(Self { dns, hosts_file: hosts_file.to_owned(), abilities, timeout: TIMEOUT })
    }

    /// Returns the targets in order of preference; empty if there is no such host or the queries failed.
    pub async fn resolve(&self, question: &Question, random: impl Rng) -> Vec<Target> {
        tokio::time::timeout(self.timeout, self.follow(question, random)).await.unwrap_or_else(|_| {
            tracing::debug!(host = question.host, "DNS query timed out");
            Vec::new()
        })
    }

    /// Returns the addresses of a host; empty if there are none or the query failed.
    pub async fn addresses_of(&self, name: &str) -> Vec<IpAddr> {
        tokio::time::timeout(self.timeout, self.addresses(name)).await.unwrap_or_else(|_| {
            tracing::debug!(host = name, "DNS query timed out");
            Vec::new()
        })
    }

    async fn follow(&self, question: &Question, mut random: impl Rng) -> Vec<Target> {
        let known = self.known(&question.host);
        let mut step = location::first(question, known.is_some());
        loop {
            step = match step {
                Step::Naptr => location::after_naptr(question, self.naptr(&question.host).await, self.abilities),
                Step::Srv(services) => {
                    let answers = join_all(services.iter().map(|service| self.srv(&service.name))).await;
                    location::after_srv(question, services.into_iter().zip(answers).collect(), &mut random)
                }
                Step::Addresses(hosts) => {
                    let answers = join_all(hosts.iter().map(|host| self.addresses(&host.name))).await;
                    let found = hosts.into_iter().zip(answers).collect();
                    Step::Done(location::after_addresses(question, found, self.abilities))
                }
                Step::Done(targets) => return targets,
            };
        }
    }

    async fn naptr(&self, host: &str) -> Vec<Naptr> {
        let found = answered(host, self.dns.lookup(absolute(host), RecordType::NAPTR).await);
        found.map_or_else(Vec::new, |lookup| lookup.answers().iter().filter_map(|r| naptr(&r.data)).collect())
    }

    async fn srv(&self, name: &str) -> Vec<Srv> {
        let found = answered(name, self.dns.lookup(absolute(name), RecordType::SRV).await);
        found.map_or_else(Vec::new, |lookup| lookup.answers().iter().filter_map(|r| srv(&r.data)).collect())
    }

    async fn addresses(&self, name: &str) -> Vec<IpAddr> {
        if let Ok(address) = name.parse() {
            return vec![address];
        }
        if let Some(known) = self.known(name) {
            return known;
        }
        let found = answered(name, self.dns.lookup_ip(absolute(name)).await);
        found.map_or_else(Vec::new, |found| found.iter().collect())
    }

    /// Returns the addresses in the hosts file; `localhost` needs no entry.
    fn known(&self, host: &str) -> Option<Vec<IpAddr>> {
        if location::is_localhost(host) {
            return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let name = Name::from_utf8(host).ok()?;
        let mut hosts = Hosts::default();
        // Read for every query, so that changes take effect immediately; queries are rare.
        let file = std::fs::File::open(&self.hosts_file).ok()?;
        hosts.read_hosts_conf(file).ok()?;
        let lookups = [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|family| hosts.lookup_static_host(&Query::query(name.clone(), family)));
        let addresses: Vec<IpAddr> = lookups
            .flat_map(|lookup| lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>())
            .collect();
        (!addresses.is_empty()).then_some(addresses)
    }
}

impl core::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Resolver").field("abilities", &self.abilities).finish_non_exhaustive()
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

/// Makes a name of several labels absolute. A name of one label is not changed, so that the system's search list can
/// complete it.
fn absolute(name: &str) -> String {
    let host = name.trim_start_matches("_sips._tcp.").trim_start_matches("_sip._tcp.").trim_start_matches("_sip._udp.");
    if host.contains('.') && !host.ends_with('.') { format!("{name}.") } else { name.to_owned() }
}

/// Logs a failed query. It is treated like a query without records, so that the next step is tried.
fn answered<T>(name: &str, result: Result<T, NetError>) -> Option<T> {
    result.inspect_err(|error| tracing::debug!(name, %error, "DNS query failed")).ok()
}

fn naptr(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(record) = data else { return None };
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let replacement = &record.replacement;
    Some(Naptr {
        order: record.order,
        preference: record.preference,
        flags: text(&record.flags),
        service: text(&record.services),
        replacement: if replacement.is_root() { String::new() } else { replacement.to_ascii() },
    })
}

fn srv(data: &RData) -> Option<Srv> {
    let RData::SRV(record) = data else { return None };
    let (priority, weight, port) = (record.priority, record.weight, record.port);
    Some(Srv { priority, weight, port, target: record.target.to_ascii() })
}

#[cfg(test)]
mod tests;
