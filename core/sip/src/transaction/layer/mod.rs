//! SIP transaction layer: sends and receives all requests and responses of the relay (RFC 3261 §8.1.2, §8.2, §17, §18).
//!
//! ```text
//!               request, ack, cancel                    respond
//!                       │                                  │
//!   Resolve <── client: resolve ─── next server <┐         v
//!  Resolved ──>         │                        │      server: one transaction ── Request, Ack, Cancelled ──> user
//!                       v                        │         │  ^
//!            attempt: one transaction ── fails ──┘         │  │
//!                       │   └── Response, Failed ──> user  │  │
//!                       v                                  v  │
//!                     Send                               Send Received
//! ```
//!
//! A client is a request that the transaction user sends. It makes one attempt per server, each a transaction with its
//! own branch, until a server responds (RFC 3263 §4.3). A server is a request that was received. All deadlines are in
//! one ordered set, so that the cost per message or timer does not grow with the number of transactions.

mod attempt;
mod client;
mod io;
mod matching;
mod server;
mod via;

pub use io::{ClientKey, Counters, Destination, Event, Input, Limits, Output, ServerKey, Settings};
pub use via::{OWN_HOST, complete_contact};

use crate::message::{HeaderName, Message, Refused, Request, Response};
use crate::transport::{self, FlowId, Hop, Source, TransmissionId};
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
use via::ResponseRoute;

/// The branch of requests that are sent without a transaction. No attempt has the number 0.
const UNANSWERED: &str = "z9hG4bK0";

/// The object that a deadline or a flow belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Owner {
    Client(ClientKey),
    Attempt(AttemptId),
    Server(ServerKey),
}

/// The transaction layer state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    settings: Settings,
    rng: ChaCha20Rng,
    last_number: u64,
    // Each node of an ordered map has room for eleven values, which are boxed for that reason.
    clients: BTreeMap<ClientKey, Box<Client>>,
    attempts: BTreeMap<AttemptId, Box<Attempt>>,
    servers: BTreeMap<ServerKey, Box<Server>>,
    /// Server transactions by transaction name, to match requests (RFC 3261 §17.2.3).
    names: BTreeMap<Name, ServerKey>,
    /// Server transactions by origin name, to detect merged requests (RFC 3261 §8.2.2.2).
    origins: BTreeMap<Name, ServerKey>,
    /// The number of server transactions per source.
    sources: BTreeMap<offhook_limits::SourceNetwork, usize>,
    /// The memory that server transactions occupy, in octets.
    server_octets: usize,
    /// Servers that do not respond over TCP, and the time until which TCP is not tried for a large request.
    without_tcp: BTreeMap<SocketAddr, Time>,
    /// The attempts and server transactions that depend on each stream connection.
    flows: BTreeSet<(FlowId, Owner)>,
    deadlines: Deadlines<Owner>,
    counters: Counters,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Layer {
    /// Replaces the settings. They apply to new transactions.
    pub(crate) fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Creates a layer without transactions. `rng` generates branches and tags, which must not be guessable.
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

    /// Processes one input.
    pub fn handle_input(&mut self, input: Input, now: Time) {
        match input {
            Input::Received { source, octets } => self.receive(source, &octets, now),
            Input::Resolved { query, targets } => self.resolved(query, targets, now),
            Input::SendFailed { transmission } => match Sender::from(transmission) {
                Sender::Attempt(attempt) => self.attempt_unreachable(attempt, now),
                Sender::Server(key) => self.server_unreachable(key, false, now),
                Sender::ServerFallback(key) => self.server_unreachable(key, true, now),
                // A message without a transaction is not sent again unless the peer retransmits its request.
                Sender::Stateless => {}
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

    /// Answers a ping on a stream with a pong (RFC 5626 §4.4.1). Over UDP, such a datagram only keeps a NAT binding
    /// open.
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

    /// Sends a keep-alive ping on a stream. The peer may answer it: [`Event::Pong`] (RFC 5626 §4.4.1).
    pub fn ping(&mut self, flow: FlowId) {
        self.send_line_ends(flow, b"\r\n\r\n");
    }

    /// Sends a request on a flow once, without a transaction. Its response is ignored.
    pub fn send_once(&mut self, mut request: Request, flow: &Source) {
        let Some(local) = self.settings.local(flow.transport, flow.remote.ip()).cloned() else { return };
        let branch = format!("{UNANSWERED}.{}", self.token());
        request.headers.push_front(HeaderName::Via, via::own_via(&local, &branch));
        if let Some(contact) = via::own_contact(&request.headers) {
            request.headers.set(HeaderName::Contact, complete_contact(&contact, &local));
        }
        let (transmission, octets) = (Sender::Stateless.into(), request.to_bytes());
        self.outputs.push_back(Output::Transport(transport::io::Output::Send {
            transmission,
            hop: Hop::Flow(flow.flow),
            octets,
        }));
    }

    fn send_line_ends(&mut self, flow: FlowId, octets: &[u8]) {
        let transmission = Sender::Stateless.into();
        self.outputs.push_back(Output::Transport(transport::io::Output::Send {
            transmission,
            hop: Hop::Flow(flow),
            octets: octets.to_vec(),
        }));
    }

    /// Sends a response without keeping state (RFC 3261 §8.2.7).
    fn respond_once(&mut self, response: &Response, source: &Source) {
        let response_route = ResponseRoute::new(response.headers.top_via().ok().as_ref(), source);
        let octets = response.to_bytes();
        self.outputs.push_back(Output::Transport(transport::io::Output::Send {
            transmission: Sender::Stateless.into(),
            hop: response_route.hop,
            octets,
        }));
    }

    fn flow_closed(&mut self, flow: FlowId, now: Time) {
        let first = (flow, Owner::Client(ClientKey(0)));
        let affected: Vec<Owner> =
            self.flows.range(first..).take_while(|(of, _)| *of == flow).map(|(_, owner)| *owner).collect();
        for owner in affected {
            self.flows.remove(&(flow, owner));
            match owner {
                Owner::Attempt(attempt) => self.attempt_unreachable(attempt, now),
                Owner::Server(key) => self.server_unreachable(key, false, now),
                Owner::Client(_) => {}
            }
        }
    }

    /// Processes the timers that have expired.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((due, owner)) = self.deadlines.pop_due(now) {
            match owner {
                Owner::Client(key) => self.client_timeout(key, now),
                Owner::Attempt(attempt) => self.attempt_timeout(attempt, now),
                Owner::Server(key) => self.server_timeout(key, now),
            }
            // A deadline that its handler did not move must not cause an endless loop.
            if self.deadlines.get(&owner) == Some(due) {
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
        self.deadlines.next()
    }

    /// Returns the counters.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns the number of client and of server transactions.
    #[must_use]
    pub fn transaction_count(&self) -> (usize, usize) {
        (self.clients.len().max(self.attempts.len()), self.servers.len())
    }

    /// Returns the number of sent requests that have no final response yet.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        let resolving = self.clients.values().filter(|client| matches!(client.phase, client::Phase::Resolving { .. }));
        resolving.count() + self.attempts.values().filter(|attempt| attempt.is_waiting()).count()
    }

    /// Returns the configuration.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns whether a request has passed through this relay before, according to the `Via` values below the top one.
    /// If the relay would route it as before, that is a loop (RFC 3261 §16.3); otherwise it is a call between two users
    /// of the relay.
    #[must_use]
    pub fn has_own_via(&self, request: &Request) -> bool {
        request.headers.vias().is_ok_and(|vias| vias.iter().skip(1).any(|via| self.settings.is_own(via)))
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Returns a token that cannot be guessed.
    fn token(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }
}

/// The sender of a transmission, encoded in its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Attempt(AttemptId),
    Server(ServerKey),
    /// A server transaction that sends to the fallback destination because the connection of the request was lost.
    ServerFallback(ServerKey),
    Stateless,
}

impl From<Sender> for TransmissionId {
    fn from(sender: Sender) -> Self {
        match sender {
            Sender::Attempt(AttemptId(number)) => Self(number << 2),
            Sender::Server(ServerKey(number)) => Self((number << 2) | 1),
            Sender::ServerFallback(ServerKey(number)) => Self((number << 2) | 2),
            Sender::Stateless => Self(3),
        }
    }
}

impl From<TransmissionId> for Sender {
    fn from(TransmissionId(id): TransmissionId) -> Self {
        let number = id >> 2;
        match id & 3 {
            0 => Self::Attempt(AttemptId(number)),
            1 => Self::Server(ServerKey(number)),
            2 => Self::ServerFallback(ServerKey(number)),
            _ => Self::Stateless,
        }
    }
}

#[cfg(test)]
mod tests;
