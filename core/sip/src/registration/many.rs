//! The registrations of all accounts, with one deadline and one index of what was asked for whom.

use super::keep_alive::{KeepAlives, Ping};
use super::{Event, Input, Registration, Settings};
use crate::message::{NameAddr, Request, Response};
use crate::transaction::Failure;
use crate::transaction::layer::{ClientKey, Destination};
use crate::transport::{FlowId, Source, Transport};
use crate::user_agent::io::AccountId;
use core::time::Duration;
use offhook_clock::{Deadlines, Time, earliest};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

/// What the registrations want done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a REGISTER, and say by which key with [`Registrations::sent`].
    Request {
        /// For whom.
        account: AccountId,
        /// The request.
        request: Box<Request>,
        /// Where to.
        destination: Destination,
    },
    /// Send a keep-alive: two line ends (RFC 5626 §4.4.1).
    Ping(FlowId),
    /// Close a connection whose peer has stopped answering (RFC 5626 §4.4.1): on it, nothing would get through.
    Close(FlowId),
    /// Tell the user.
    Event {
        /// About whom.
        account: AccountId,
        /// What happened.
        event: Event,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    registration: Registration,
    transport: Option<Transport>,
    /// The request that is out.
    asked: Option<ClientKey>,
    /// The connection that the latest success came on.
    flow: Option<FlowId>,
    /// The relay's own address that it came to.
    local: Option<IpAddr>,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registrations {
    rng: ChaCha20Rng,
    /// How long a connection may be silent; zero: for ever.
    keep_alive: Duration,
    entries: BTreeMap<AccountId, Entry>,
    asked: BTreeMap<ClientKey, AccountId>,
    flows: BTreeSet<(FlowId, AccountId)>,
    keep_alives: KeepAlives,
    deadlines: Deadlines<AccountId>,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Registrations {
    /// None yet.
    #[must_use]
    pub fn new(keep_alive: Duration, rng: ChaCha20Rng) -> Self {
        Self {
            rng,
            keep_alive,
            entries: BTreeMap::new(),
            asked: BTreeMap::new(),
            flows: BTreeSet::new(),
            keep_alives: KeepAlives::default(),
            deadlines: Deadlines::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Registers an account; one of that number is replaced without a word to its server, which keeps it until it expires.
    /// `transport` counts where the URIs name none.
    pub fn add(&mut self, account: AccountId, settings: Settings, transport: Option<Transport>, now: Time) {
        self.forget(account);
        let registration = Registration::new(settings, &mut self.rng);
        self.entries.insert(account, Entry { registration, transport, asked: None, flow: None, local: None });
        self.settle(account, now);
    }

    /// Unregisters an account, and forgets it when that is done; false: it is not known.
    pub fn remove(&mut self, account: AccountId, now: Time) -> bool {
        let is_known = self.entries.contains_key(&account);
        self.drive(account, Input::Unregister, now);
        is_known
    }

    /// The machine has other addresses than before. Registrations from an address that it still has are left alone.
    pub fn network_changed(&mut self, addresses: &BTreeSet<IpAddr>, now: Time) {
        let is_concerned = |entry: &Entry| {
            let is_lost = entry.local.is_none_or(|local| !addresses.contains(&local));
            is_lost || !entry.registration.is_registered()
        };
        let concerned = self.entries.iter().filter(|(_, entry)| is_concerned(entry)).map(|(account, _)| *account);
        for account in concerned.collect::<Vec<_>>() {
            self.drive(account, Input::NetworkChanged, now);
        }
    }

    /// Notes by which key a request was sent.
    pub fn sent(&mut self, account: AccountId, key: ClientKey) {
        if let Some(entry) = self.entries.get_mut(&account) {
            if let Some(earlier) = entry.asked.replace(key) {
                self.asked.remove(&earlier);
            }
            self.asked.insert(key, account);
        }
    }

    /// Takes a response; false: it is not to a request of these.
    pub fn receive(&mut self, key: ClientKey, response: &Response, source: &Source, now: Time) -> bool {
        let Some(account) = self.asked.get(&key).copied() else { return false };
        if !response.is_provisional() {
            self.answered(account, key);
        }
        if response.is_success() {
            self.rest_on(account, source, response, now);
        }
        self.drive(account, Input::Response(response), now);
        true
    }

    /// Takes the news that no response will come; false: not to a request of these.
    pub fn failed(&mut self, key: ClientKey, failure: Failure, now: Time) -> bool {
        let Some(account) = self.asked.get(&key).copied() else { return false };
        self.answered(account, key);
        self.drive(account, Input::Failed(failure), now);
        true
    }

    /// Takes the news that a REGISTER leads to a host that the account may not use.
    pub fn refused(&mut self, account: AccountId, now: Time) {
        self.drive(account, Input::Failed(Failure::NoSuchHost), now);
    }

    /// A connection is gone: whoever registered on it does so anew.
    pub fn flow_closed(&mut self, flow: FlowId, now: Time) {
        self.keep_alives.forget(flow);
        let first = (flow, AccountId(0));
        let concerned: Vec<AccountId> =
            self.flows.range(first..).take_while(|(of, _)| *of == flow).map(|(_, account)| *account).collect();
        for account in concerned {
            self.flows.remove(&(flow, account));
            if let Some(entry) = self.entries.get_mut(&account) {
                entry.flow = None;
            }
            self.drive(account, Input::NetworkChanged, now);
        }
    }

    /// A peer answered a ping.
    pub fn pong(&mut self, flow: FlowId, now: Time) {
        self.keep_alives.pong(flow, &mut self.rng, now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.keep_alives.handle_timeout(&mut self.rng, now);
        while let Some(ping) = self.keep_alives.poll_output() {
            match ping {
                Ping::Send(flow) => self.outputs.push_back(Output::Ping(flow)),
                Ping::Lost(flow) => {
                    self.outputs.push_back(Output::Close(flow));
                    self.flow_closed(flow, now);
                }
            }
        }
        while let Some((due, account)) = self.deadlines.pop_due(now) {
            if let Some(entry) = self.entries.get_mut(&account) {
                entry.registration.handle_timeout(&mut self.rng, now);
            }
            self.settle(account, now);
            // A deadline that does not move when it is served must not hold the relay up.
            if self.deadlines.get(&account) == Some(due) {
                break;
            }
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] must be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.deadlines.next(), self.keep_alives.poll_timeout())
    }

    /// The proxies that other requests of an account go through (RFC 3608 §6.1).
    #[must_use]
    pub fn service_route(&self, account: AccountId) -> &[NameAddr] {
        self.entries.get(&account).map_or(&[], |entry| entry.registration.service_route())
    }

    /// The server knows the account, as far as can be said.
    #[must_use]
    pub fn is_registered(&self, account: AccountId) -> bool {
        self.entries.get(&account).is_some_and(|entry| entry.registration.is_registered())
    }

    /// How many accounts there are, those included that are being unregistered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn drive(&mut self, account: AccountId, input: Input<'_>, now: Time) {
        if let Some(entry) = self.entries.get_mut(&account) {
            entry.registration.handle_input(input, &mut self.rng, now);
            self.settle(account, now);
        }
    }

    /// Passes on what one registration wants, and sets its alarm.
    fn settle(&mut self, account: AccountId, now: Time) {
        let mut lost = false;
        let Some(entry) = self.entries.get_mut(&account) else { return };
        while let Some(output) = entry.registration.poll_output() {
            self.outputs.push_back(match output {
                super::Output::Event(event) => Output::Event { account, event },
                super::Output::Send(request) => match Destination::of_request(&request, entry.transport) {
                    Some(destination) => Output::Request { account, request, destination },
                    None => {
                        lost = true;
                        continue;
                    }
                },
            });
        }
        self.deadlines.set(account, entry.registration.poll_timeout());
        if entry.registration.is_unregistered() {
            self.forget(account);
        } else if lost {
            self.drive(account, Input::Failed(Failure::NoSuchHost), now);
        }
    }

    fn answered(&mut self, account: AccountId, key: ClientKey) {
        self.asked.remove(&key);
        if let Some(entry) = self.entries.get_mut(&account) {
            entry.asked = entry.asked.filter(|asked| *asked != key);
        }
    }

    /// Notes the connection that a registration rests on from now on.
    fn rest_on(&mut self, account: AccountId, source: &Source, response: &Response, now: Time) {
        let Some(entry) = self.entries.get_mut(&account) else { return };
        entry.local = Some(source.local.ip().to_canonical());
        let earlier = entry.flow.replace(source.flow);
        if earlier == Some(source.flow) {
            return;
        }
        if let Some(earlier) = earlier {
            self.flows.remove(&(earlier, account));
            self.keep_alives.release(earlier);
        }
        self.flows.insert((source.flow, account));
        // The server may know better when it would close the connection (RFC 5626 §4.4).
        let named = response.headers.get("Flow-Timer").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let interval = named.filter(|named| !named.is_zero()).unwrap_or(self.keep_alive);
        if !self.keep_alive.is_zero() {
            self.keep_alives.hold(source, interval, &mut self.rng, now);
        }
    }

    fn forget(&mut self, account: AccountId) {
        let Some(entry) = self.entries.remove(&account) else { return };
        if let Some(key) = entry.asked {
            self.asked.remove(&key);
        }
        if let Some(flow) = entry.flow {
            self.flows.remove(&(flow, account));
            self.keep_alives.release(flow);
        }
        self.deadlines.set(account, None);
    }
}

#[cfg(test)]
mod tests;
