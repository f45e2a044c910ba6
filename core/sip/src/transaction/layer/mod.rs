//! The transaction layer: every request the relay sends or answers, on all its sockets (RFC 3261 §8.1.2, §8.2, §17, §18).
//!
//! ```text
//!               request, ack, cancel                    respond
//!                       │                                  │
//!   Resolve <── client: where to ── next server <┐         v
//!  Resolved ──>         │                        │      server: one transaction ── Request, Ack, Cancelled ──> user
//!                       v                        │         │  ^
//!            attempt: one transaction ── fails ──┘         │  │
//!                       │   └── Response, Failed ──> user  │  │
//!                       v                                  v  │
//!                     Send                               Send Received
//! ```
//!
//! A client is a request of the user's; it makes one attempt after another, each a transaction with a branch of its own,
//! until a server answers (RFC 3263 §4.3). A server is a request of somebody else's. Deadlines are in one ordered set, so
//! that neither a message nor a timer costs more where there are many transactions.

mod attempt;
mod client;
mod io;
mod matching;
mod server;
mod via;

pub use io::{ClientKey, Counters, Destination, Event, Input, Limits, Output, ServerKey, Settings};
pub use via::{OWN_HOST, complete_contact};

use crate::message::{HeaderName, Message, Refused, Request, Response};
use crate::transport::{FlowId, Hop, Source, TransmissionId};
use attempt::{Attempt, AttemptId};
use client::Client;
use matching::Name;
use offhook_clock::{Deadlines, Time};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use serde::{Deserialize, Serialize};
use server::Server;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use via::WayBack;

/// The branch of requests without transaction: number 0 is never given to an attempt.
const UNANSWERED: &str = "z9hG4bK0";

/// What a deadline or a connection belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Owner {
    Client(ClientKey),
    Attempt(AttemptId),
    Server(ServerKey),
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    settings: Settings,
    rng: ChaCha20Rng,
    last_number: u64,
    clients: BTreeMap<ClientKey, Client>,
    attempts: BTreeMap<AttemptId, Attempt>,
    servers: BTreeMap<ServerKey, Server>,
    /// By the names that requests give them.
    names: BTreeMap<Name, ServerKey>,
    /// By what merged requests have in common.
    origins: BTreeMap<Name, ServerKey>,
    /// How many server transactions each source has.
    sources: BTreeMap<offhook_limits::Source, usize>,
    /// What the server transactions weigh in octets.
    server_octets: usize,
    /// Servers that large requests do not reach over TCP, and until when that is remembered.
    without_tcp: BTreeMap<SocketAddr, Time>,
    /// What depends on each stream.
    flows: BTreeSet<(FlowId, Owner)>,
    deadlines: Deadlines<Owner>,
    counters: Counters,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Layer {
    /// A layer without transactions. `rng` makes branches and tags: they must be hard to guess.
    #[must_use]
    pub fn new(settings: Settings, rng: ChaCha20Rng) -> Self {
        Self {
            settings,
            rng,
            last_number: 0,
            clients: BTreeMap::new(),
            attempts: BTreeMap::new(),
            servers: BTreeMap::new(),
            names: BTreeMap::new(),
            origins: BTreeMap::new(),
            sources: BTreeMap::new(),
            server_octets: 0,
            without_tcp: BTreeMap::new(),
            flows: BTreeSet::new(),
            deadlines: Deadlines::new(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Time) {
        match input {
            Input::Received { source, octets } => self.receive(source, &octets, now),
            Input::Resolved { query, targets } => self.resolved(query, targets, now),
            Input::SendFailed { transmission } => match Sender::from(transmission) {
                Sender::Attempt(attempt) => self.attempt_unreachable(attempt, now),
                Sender::Server(key) => self.server_unreachable(key, false, now),
                Sender::ServerAnotherWay(key) => self.server_unreachable(key, true, now),
                // What was said once without remembering it is said again when it is asked for again.
                Sender::Nobody => {}
            },
            Input::FlowClosed { flow } => self.flow_closed(flow, now),
        }
    }

    fn receive(&mut self, source: Source, octets: &[u8], now: Time) {
        if octets.iter().all(|octet| matches!(octet, b'\r' | b'\n')) {
            return self.receive_keep_alive(source, octets);
        }
        match Message::parse(octets) {
            Ok(Message::Request(request)) => self.receive_request(request, source, now),
            Ok(Message::Response(response)) => self.receive_response(response, source, now),
            Err(Refused { response, .. }) => {
                self.counters.malformed += 1;
                if let Some(response) = response {
                    self.respond_once(&response, &source);
                }
            }
        }
    }

    /// A ping is answered with a pong, over streams (RFC 5626 §4.4.1); datagrams of that kind only keep a NAT open.
    fn receive_keep_alive(&mut self, source: Source, octets: &[u8]) {
        if !source.transport.is_reliable() {
            return;
        }
        if octets.len() >= 4 {
            self.send_line_ends(source.flow, b"\r\n");
        } else {
            self.event(Event::Pong { source });
        }
    }

    /// Sends a keep-alive, which a stream's peer may answer: [`Event::Pong`] (RFC 5626 §4.4.1).
    pub fn ping(&mut self, flow: FlowId) {
        self.send_line_ends(flow, b"\r\n\r\n");
    }

    /// Sends a request on a flow once, without a transaction: whoever answers, and whether, does not matter.
    pub fn send_once(&mut self, mut request: Request, flow: &Source) {
        let Some(local) = self.settings.local(flow.transport, flow.remote.ip()).cloned() else { return };
        let branch = format!("{UNANSWERED}.{}", self.token());
        request.headers.push_front(HeaderName::Via, via::own_via(&local, &branch));
        if let Some(contact) = via::own_contact(&request.headers) {
            request.headers.set(HeaderName::Contact, complete_contact(&contact, &local));
        }
        let (transmission, octets) = (Sender::Nobody.into(), request.to_bytes());
        self.outputs.push_back(Output::Send { transmission, hop: Hop::Flow(flow.flow), octets });
    }

    fn send_line_ends(&mut self, flow: FlowId, octets: &[u8]) {
        let transmission = Sender::Nobody.into();
        self.outputs.push_back(Output::Send { transmission, hop: Hop::Flow(flow), octets: octets.to_vec() });
    }

    /// Sends a response that is not remembered (RFC 3261 §8.2.7).
    fn respond_once(&mut self, response: &Response, source: &Source) {
        let way = WayBack::new(response.headers.top_via().ok().as_ref(), source);
        let octets = response.to_bytes();
        self.outputs.push_back(Output::Send { transmission: Sender::Nobody.into(), hop: way.hop, octets });
    }

    fn flow_closed(&mut self, flow: FlowId, now: Time) {
        let first = (flow, Owner::Client(ClientKey(0)));
        let concerned: Vec<Owner> =
            self.flows.range(first..).take_while(|(of, _)| *of == flow).map(|(_, owner)| *owner).collect();
        for owner in concerned {
            self.flows.remove(&(flow, owner));
            match owner {
                Owner::Attempt(attempt) => self.attempt_unreachable(attempt, now),
                Owner::Server(key) => self.server_unreachable(key, false, now),
                Owner::Client(_) => {}
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((due, owner)) = self.deadlines.pop_due(now) {
            match owner {
                Owner::Client(key) => self.client_timeout(key, now),
                Owner::Attempt(attempt) => self.attempt_timeout(attempt, now),
                Owner::Server(key) => self.server_timeout(key, now),
            }
            // A deadline that does not move when it is served must not hold the relay up.
            if self.deadlines.get(&owner) == Some(due) {
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
        self.deadlines.next()
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// How many transactions there are: of the user's requests, and of those it answers.
    #[must_use]
    pub fn transaction_count(&self) -> (usize, usize) {
        (self.clients.len().max(self.attempts.len()), self.servers.len())
    }

    /// How many of the user's requests have no final response yet.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        let resolving = self.clients.values().filter(|client| matches!(client.phase, client::Phase::Resolving { .. }));
        resolving.count() + self.attempts.values().filter(|attempt| attempt.is_waiting()).count()
    }

    /// The configuration.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A request that passed through this relay before it came, by the `Via`s below the top one. That is a loop where the
    /// relay would send it the same way again (RFC 3261 §16.3), and a call between two of its own users where not.
    #[must_use]
    pub fn has_been_here(&self, request: &Request) -> bool {
        request.headers.vias().is_ok_and(|vias| vias.iter().skip(1).any(|via| self.settings.is_own(via)))
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// A token that nobody guesses.
    fn token(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }
}

/// What a transmission tells about itself: who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Attempt(AttemptId),
    Server(ServerKey),
    /// After the connection it came on was lost.
    ServerAnotherWay(ServerKey),
    Nobody,
}

impl From<Sender> for TransmissionId {
    fn from(sender: Sender) -> Self {
        match sender {
            Sender::Attempt(AttemptId(number)) => Self(number << 2),
            Sender::Server(ServerKey(number)) => Self((number << 2) | 1),
            Sender::ServerAnotherWay(ServerKey(number)) => Self((number << 2) | 2),
            Sender::Nobody => Self(3),
        }
    }
}

impl From<TransmissionId> for Sender {
    fn from(TransmissionId(id): TransmissionId) -> Self {
        let number = id >> 2;
        match id & 3 {
            0 => Self::Attempt(AttemptId(number)),
            1 => Self::Server(ServerKey(number)),
            2 => Self::ServerAnotherWay(ServerKey(number)),
            _ => Self::Nobody,
        }
    }
}

#[cfg(test)]
mod tests;
