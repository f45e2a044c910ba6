//! Registrations of all accounts: routes responses to accounts and shares keep-alives.

use super::keep_alive::{KeepAlives, Ping};
use super::{Event, Input, Registration, RegistrationSettings};
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

/// An output of the registrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a REGISTER and report its key with [`Registrations::sent`].
    Request {
        /// The account.
        account: AccountId,
        /// The request.
        request: Box<Request>,
        /// The destination.
        destination: Destination,
    },
    /// Send a keep-alive: a double CRLF (RFC 5626 §4.4.1).
    Ping(FlowId),
    /// Close a connection whose peer has stopped answering keep-alives (RFC 5626 §4.4.1).
    Close(FlowId),
    /// Report an event.
    Event {
        /// The account.
        account: AccountId,
        /// The event.
        event: Event,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    registration: Registration,
    transport: Option<Transport>,
    /// The pending request.
    pending: Option<ClientKey>,
    /// The flow that the latest 2xx arrived on.
    flow: Option<FlowId>,
    /// The local address that it arrived on.
    local: Option<IpAddr>,
}

/// The state machine of all registrations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registrations {
    rng: ChaCha20Rng,
    /// The interval of keep-alives. Zero disables them.
    keep_alive: Duration,
    entries: BTreeMap<AccountId, Entry>,
    pending: BTreeMap<ClientKey, AccountId>,
    flows: BTreeSet<(FlowId, AccountId)>,
    keep_alives: KeepAlives,
    deadlines: Deadlines<AccountId>,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Registrations {
    /// Replaces the interval of keep-alives.
    pub(crate) const fn configure(&mut self, keep_alive: Duration) {
        self.keep_alive = keep_alive;
    }

    /// Creates a machine without registrations.
    #[must_use]
    pub fn new(keep_alive: Duration, rng: ChaCha20Rng) -> Self {
        Self {
            rng,
            keep_alive,
            entries: BTreeMap::new(),
            pending: BTreeMap::new(),
            flows: BTreeSet::new(),
            keep_alives: KeepAlives::default(),
            deadlines: Deadlines::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Registers an account. An account with the same number is replaced without being unregistered, so its binding
    /// remains until it expires. `transport` applies if the URIs name none.
    pub fn add(&mut self, account: AccountId, settings: RegistrationSettings, transport: Option<Transport>, now: Time) {
        self.forget(account);
        let registration = Registration::new(settings, &mut self.rng);
        self.entries.insert(account, Entry { registration, transport, pending: None, flow: None, local: None });
        self.settle(account, now);
    }

    /// Unregisters an account and removes it when that is complete. Returns false if the account is unknown.
    pub fn remove(&mut self, account: AccountId, now: Time) -> bool {
        let is_known = self.entries.contains_key(&account);
        self.drive(account, Input::Unregister, now);
        is_known
    }

    /// Processes a change of the host's IP addresses. Registrations from an address that remains are unchanged.
    pub fn network_changed(&mut self, addresses: &BTreeSet<IpAddr>, now: Time) {
        let is_affected = |entry: &Entry| {
            let is_lost = entry.local.is_none_or(|local| !addresses.contains(&local));
            is_lost || !entry.registration.is_registered()
        };
        let affected = self.entries.iter().filter(|(_, entry)| is_affected(entry)).map(|(account, _)| *account);
        for account in affected.collect::<Vec<_>>() {
            self.drive(account, Input::NetworkChanged, now);
        }
    }

    /// Stores the key of a request that was sent.
    pub fn sent(&mut self, account: AccountId, key: ClientKey) {
        if let Some(entry) = self.entries.get_mut(&account) {
            if let Some(earlier) = entry.pending.replace(key) {
                self.pending.remove(&earlier);
            }
            self.pending.insert(key, account);
        }
    }

    /// Processes a response. Returns false if it does not belong to a request of this machine.
    pub fn receive(&mut self, key: ClientKey, response: &Response, source: &Source, now: Time) -> bool {
        let Some(account) = self.pending.get(&key).copied() else { return false };
        if !response.is_provisional() {
            self.answered(account, key);
        }
        if response.is_success() {
            self.use_flow(account, source, response, now);
        }
        self.drive(account, Input::Response(response), now);
        true
    }

    /// Processes the failure of a request. Returns false if it does not belong to a request of this machine.
    pub fn failed(&mut self, key: ClientKey, failure: Failure, now: Time) -> bool {
        let Some(account) = self.pending.get(&key).copied() else { return false };
        self.answered(account, key);
        self.drive(account, Input::Failed(failure), now);
        true
    }

    /// Processes the rejection of a destination that the account may not use.
    pub fn refused(&mut self, account: AccountId, now: Time) {
        self.drive(account, Input::Failed(Failure::NoSuchHost), now);
    }

    /// Processes the closing of a flow: accounts that registered on it register again.
    pub fn flow_closed(&mut self, flow: FlowId, now: Time) {
        self.keep_alives.forget(flow);
        let first = (flow, AccountId(0));
        let affected: Vec<AccountId> =
            self.flows.range(first..).take_while(|(of, _)| *of == flow).map(|(_, account)| *account).collect();
        for account in affected {
            self.flows.remove(&(flow, account));
            if let Some(entry) = self.entries.get_mut(&account) {
                entry.flow = None;
            }
            self.drive(account, Input::NetworkChanged, now);
        }
    }

    /// Processes a received pong.
    pub fn pong(&mut self, flow: FlowId, now: Time) {
        self.keep_alives.pong(flow, &mut self.rng, now);
    }

    /// Processes the timers that have expired.
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
            // A deadline that its handler did not move must not cause an endless loop.
            if self.deadlines.get(&account) == Some(due) {
                break;
            }
        }
    }

    /// Returns the next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the time at which [`Self::handle_timeout`] must be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.deadlines.next(), self.keep_alives.poll_timeout())
    }

    /// Returns the service route for other requests of an account (RFC 3608 §6.1).
    #[must_use]
    pub fn service_route(&self, account: AccountId) -> &[NameAddr] {
        self.entries.get(&account).map_or(&[], |entry| entry.registration.service_route())
    }

    /// Returns whether a binding of the account was accepted and has not expired.
    #[must_use]
    pub fn is_registered(&self, account: AccountId) -> bool {
        self.entries.get(&account).is_some_and(|entry| entry.registration.is_registered())
    }

    /// Returns the number of accounts, including those that are being unregistered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are no accounts.
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

    /// Forwards the outputs of one registration and updates its deadline.
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
        self.pending.remove(&key);
        if let Some(entry) = self.entries.get_mut(&account) {
            entry.pending = entry.pending.filter(|pending| *pending != key);
        }
    }

    /// Stores the flow that a registration uses.
    fn use_flow(&mut self, account: AccountId, source: &Source, response: &Response, now: Time) {
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
        // `Flow-Timer` is the server's time-out for idle flows (RFC 5626 §4.4).
        let named = response.headers.get("Flow-Timer").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let interval = named.filter(|named| !named.is_zero()).unwrap_or(self.keep_alive);
        if !self.keep_alive.is_zero() {
            self.keep_alives.hold(source, interval, &mut self.rng, now);
        }
    }

    fn forget(&mut self, account: AccountId) {
        let Some(entry) = self.entries.remove(&account) else { return };
        if let Some(key) = entry.pending {
            self.pending.remove(&key);
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
