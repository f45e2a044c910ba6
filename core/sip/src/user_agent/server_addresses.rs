//! Resolution of the servers in the operator's accounts to all addresses that RFC 3263 yields, because calls may come
//! from each of them.
//!
//! Accounts that list their `sources` need no resolution. Accounts of pages are not resolved: a page could name a host
//! that resolves to the address of another server.

use super::UserAgent;
use super::destinations::NamedBy;
use super::io::{Account, AccountId, Output};
use crate::message::Host;
use crate::transaction::layer::Destination;
use crate::transport::{self, QueryId, Target, Transport};
use core::time::Duration;
use offhook_clock::{Deadlines, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The time after which addresses are resolved again.
const REFRESH: Duration = Duration::from_secs(300);

/// The time after which a query without result is repeated.
const RETRY: Duration = Duration::from_secs(30);

/// A bit that is set in the query identifiers of this module. Those of the transaction layer count up from zero.
const OWN_QUERY: u64 = 1 << 63;

/// Returns whether a query belongs to [`ServerAddresses`].
pub(super) const fn is_own(query: QueryId) -> bool {
    query.0 & OWN_QUERY != 0
}

/// A server in the settings of an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Server {
    host: String,
    port: Option<u16>,
    transport: Option<Transport>,
    secure: bool,
}

/// The accounts that use a server, and its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lookup {
    accounts: BTreeSet<AccountId>,
    addresses: BTreeSet<IpAddr>,
}

/// The resolved addresses of the servers that accounts use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServerAddresses {
    /// Servers given by IP address.
    fixed: BTreeMap<AccountId, BTreeSet<IpAddr>>,
    #[serde(with = "offhook_limits::pairs")]
    lookups: BTreeMap<Server, Lookup>,
    due: Deadlines<Server>,
    pending: BTreeMap<QueryId, Server>,
    queries: u64,
}

impl ServerAddresses {
    pub(super) fn deadline(&self) -> Option<Time> {
        self.due.next()
    }

    fn add(&mut self, account: AccountId, destination: Destination, now: Time) {
        match destination {
            Destination::Resolve { host: Host::Address(address), .. } => {
                self.fixed.entry(account).or_default().insert(address);
            }
            Destination::Resolve { host: Host::Name(host), port, transport, secure, .. } => {
                let server = Server { host, port, transport, secure };
                if !self.lookups.contains_key(&server) {
                    self.due.set(server.clone(), Some(now));
                }
                self.lookups.entry(server).or_default().accounts.insert(account);
            }
            Destination::Flow { .. } | Destination::Targets(_) => {}
        }
    }

    fn remove(&mut self, account: AccountId) {
        self.fixed.remove(&account);
        self.lookups.retain(|_, lookup| {
            lookup.accounts.remove(&account);
            !lookup.accounts.is_empty()
        });
        self.due.retain(|server| self.lookups.contains_key(server));
        self.pending.retain(|_, server| self.lookups.contains_key(server));
    }

    /// Returns the next query that is due.
    fn next_query(&mut self, now: Time) -> Option<(QueryId, Server)> {
        let (_, server) = self.due.pop_due(now)?;
        self.due.set(server.clone(), Some(now + RETRY));
        self.pending.retain(|_, of| *of != server);
        let query = QueryId(OWN_QUERY | self.queries);
        self.queries += 1;
        self.pending.insert(query, server.clone());
        Some((query, server))
    }

    /// Stores the result of a query and returns the affected accounts. A query without result keeps the previous
    /// addresses.
    fn resolved(&mut self, query: QueryId, targets: &[Target], now: Time) -> Option<BTreeSet<AccountId>> {
        let server = self.pending.remove(&query)?;
        if targets.is_empty() {
            return None;
        }
        self.due.set(server.clone(), Some(now + REFRESH));
        let lookup = self.lookups.get_mut(&server)?;
        lookup.addresses = targets.iter().map(|target| target.address.ip()).collect();
        Some(lookup.accounts.clone())
    }

    fn of(&self, account: AccountId) -> BTreeSet<IpAddr> {
        let named = self.lookups.values().filter(|lookup| lookup.accounts.contains(&account));
        let named = named.flat_map(|lookup| &lookup.addresses);
        named.chain(self.fixed.get(&account).into_iter().flatten()).copied().collect()
    }
}

impl UserAgent {
    /// Starts or stops resolving the servers of an account.
    pub(super) fn track_servers(&mut self, id: AccountId, now: Time) {
        self.server_addresses.remove(id);
        let Some(account) = self.accounts.get(id) else { return };
        if account.persists && account.sources.is_empty() {
            for destination in servers(account) {
                if let Some(destination) = self.context.settings.narrow(destination, NamedBy::Account) {
                    self.server_addresses.add(id, destination, now);
                }
            }
            self.accounts.set_resolved(id, &self.server_addresses.of(id));
            self.look_up_servers(now);
        }
    }

    pub(super) fn look_up_servers(&mut self, now: Time) {
        while let Some((query, server)) = self.server_addresses.next_query(now) {
            let Server { host, port, transport, secure } = server;
            self.context.outputs.push_back(Output::Transport(transport::io::Output::Resolve {
                query,
                host,
                port,
                transport,
                secure,
            }));
        }
    }

    /// Processes the result of a query.
    pub(super) fn located(&mut self, query: QueryId, targets: &[Target], now: Time) {
        for account in self.server_addresses.resolved(query, targets, now).unwrap_or_default() {
            self.accounts.set_resolved(account, &self.server_addresses.of(account));
        }
    }
}

/// Returns the destinations of an account's proxies, registrar and domain.
fn servers(account: &Account) -> impl Iterator<Item = Destination> {
    account.server_uris().map(|uri| Destination::of_uri(uri, account.transport))
}
