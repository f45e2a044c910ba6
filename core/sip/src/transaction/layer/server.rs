//! Received requests: matching, overload protection, responses and CANCEL (RFC 3261 §8.2, §9.2).

use super::io::{Event, Output, ServerKey};
use super::matching::{Name, origin_name, transaction_name};
use super::via::{ResponseRoute, note_source};
use super::{Layer, Owner, Sender};
use crate::message::{HeaderName, Method, Request, Response, Via};
use crate::transaction::{Class, InviteServer, NonInviteServer, ServerInput, ServerOutput};
use crate::transport::{self, Hop, Source};
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Machine {
    Invite(InviteServer),
    NonInvite(NonInviteServer),
}

impl Machine {
    fn handle_input(&mut self, input: ServerInput, now: Time) {
        match self {
            Self::Invite(machine) => machine.handle_input(input, now),
            Self::NonInvite(machine) => machine.handle_input(input, now),
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        match self {
            Self::Invite(machine) => machine.handle_timeout(now),
            Self::NonInvite(machine) => machine.handle_timeout(now),
        }
    }

    fn poll_output(&mut self) -> Option<ServerOutput> {
        match self {
            Self::Invite(machine) => machine.poll_output(),
            Self::NonInvite(machine) => machine.poll_output(),
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Invite(machine) => machine.poll_timeout(),
            Self::NonInvite(machine) => machine.poll_timeout(),
        }
    }

    const fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::NonInvite(machine) => machine.is_terminated(),
        }
    }

    const fn is_cancellable(&self) -> bool {
        matches!(self, Self::Invite(machine) if machine.accepts(Class::Failure))
    }

    const fn accepts(&self, class: Class) -> bool {
        match self {
            Self::Invite(machine) => machine.accepts(class),
            Self::NonInvite(machine) => machine.accepts(class),
        }
    }
}

/// One server transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Server {
    machine: Machine,
    share_of: offhook_limits::SourceNetwork,
    /// Whether the request was accepted although the table was full. Its final response is not kept.
    is_beyond_limits: bool,
    response_route: ResponseRoute,
    /// The latest response. Until the transaction user responds, a 100 of the layer.
    latest: Vec<u8>,
    is_sent: bool,
    /// The memory it occupies, in octets.
    weight: usize,
    /// Whether the request arrived in a datagram, whose source address may be forged.
    is_datagram: bool,
    /// The `To` tag of the latest response.
    to_tag: Option<String>,
    name: Name,
    origin: Option<Name>,
}

/// A received request that is being checked.
struct Arrival {
    request: Request,
    via: Via,
    source: Source,
}

fn is_in_dialog(request: &Request) -> bool {
    request.headers.to().is_ok_and(|to| to.tag().is_some())
}

impl Layer {
    pub(super) fn receive_request(&mut self, mut request: Request, source: Source, now: Time) {
        let Ok(mut via) = request.headers.top_via() else {
            self.counters.malformed += 1;
            return;
        };
        note_source(&mut request.headers, &mut via, &source);
        let arrival = Arrival { request, via, source };
        if arrival.request.method == Method::Ack {
            return self.receive_ack(arrival, now);
        }
        let name = transaction_name(&arrival.request, &arrival.via, &arrival.request.method);
        if let Some(key) = self.names.get(&name).copied() {
            self.counters.repeated_requests += 1;
            return self.drive_server(key, ServerInput::Request, None, now);
        }
        // A CANCEL is accepted despite overload because it reduces the load.
        if arrival.request.method == Method::Cancel {
            return self.receive_cancel(&arrival, name, now);
        }
        let is_beyond_limits = self.is_overloaded(source.remote.ip());
        if is_beyond_limits {
            self.counters.overloaded += 1;
            // Only an INVITE outside a dialog creates more state than a response. All other requests are answered, in
            // particular the BYE of a call.
            if arrival.request.method == Method::Invite && !is_in_dialog(&arrival.request) {
                let mut response = Response::to(&arrival.request, 503, "");
                response.headers.push(HeaderName::RetryAfter, self.settings.limits.retry_after);
                return self.refuse_once(response, &source);
            }
        }
        self.receive_new(arrival, name, is_beyond_limits, now);
    }

    fn receive_new(&mut self, arrival: Arrival, name: Name, is_beyond_limits: bool, now: Time) {
        let origin = origin_name(&arrival.request);
        let is_merged = origin.as_ref().is_some_and(|origin| self.origins.contains_key(origin));
        // A UAS answers a request that has reached its destination even if Max-Forwards is 0; only an INVITE that
        // begins a call may be forwarded to another leg (RFC 7332). OPTIONS with Max-Forwards 0 addresses this element
        // itself (RFC 3261 §11.2).
        let may_go_on = arrival.request.method == Method::Invite && origin.is_some();
        let is_exhausted = may_go_on && matches!(arrival.request.headers.max_forwards(), Some(Ok(0)));
        let key = self.open_server(&arrival, name, origin.filter(|_| !is_merged), now);
        if let Some(server) = self.servers.get_mut(&key) {
            server.is_beyond_limits = is_beyond_limits;
        }
        if is_merged {
            self.counters.merged_requests += 1;
            // The transaction is kept: a delayed copy must not begin another call after the first request has ended.
            let mut response = Response::to(&arrival.request, 482, "");
            response.set_stateless_tag();
            self.respond(key, &response, now);
        } else if is_exhausted {
            let mut response = Response::to(&arrival.request, 483, "");
            response.set_stateless_tag();
            self.respond_statelessly(key, &response, now);
        } else {
            self.event(Event::Request { key, request: Box::new(arrival.request), source: arrival.source });
        }
    }

    /// Processes a CANCEL (RFC 3261 §9.2).
    fn receive_cancel(&mut self, arrival: &Arrival, name: Name, now: Time) {
        let invite = transaction_name(&arrival.request, &arrival.via, &Method::Invite);
        let Some(invite) = self.names.get(&invite).copied() else {
            return self.refuse_once(Response::to(&arrival.request, 481, ""), &arrival.source);
        };
        let Some(of) = self.servers.get(&invite) else { return };
        let (to_tag, is_cancellable) = (of.to_tag.clone(), of.machine.is_cancellable());
        let mut response = Response::to(&arrival.request, 200, "");
        response.set_to_tag(&to_tag.unwrap_or_else(|| self.token()));
        let key = self.open_server(arrival, name, None, now);
        self.respond(key, &response, now);
        if is_cancellable {
            self.event(Event::Cancelled { key: invite, cancel: Box::new(arrival.request.clone()) });
        }
    }

    fn receive_ack(&mut self, arrival: Arrival, now: Time) {
        let name = transaction_name(&arrival.request, &arrival.via, &Method::Invite);
        match self.names.get(&name).copied() {
            Some(key) => self.drive_server(key, ServerInput::Ack, Some(arrival), now),
            None => self.event(Event::Ack { request: Box::new(arrival.request), source: arrival.source }),
        }
    }

    fn is_overloaded(&self, address: IpAddr) -> bool {
        let limits = &self.settings.limits;
        let of_source = self.sources.get(&address.into()).copied().unwrap_or(0);
        self.servers.len() >= limits.servers
            || self.server_octets >= limits.server_octets
            || of_source >= limits.servers_per_source
    }

    /// Sends a final response without creating a transaction, so that a request beyond the limits occupies no memory.
    fn refuse_once(&mut self, mut response: Response, source: &Source) {
        response.set_stateless_tag();
        self.respond_once(&response, source);
    }

    fn open_server(&mut self, arrival: &Arrival, mut name: Name, origin: Option<Name>, now: Time) -> ServerKey {
        let key = ServerKey(self.number());
        let Arrival { request, via, source } = arrival;
        let (timers, transport) = (self.settings.timers, source.transport);
        let machine = match request.method {
            Method::Invite => Machine::Invite(InviteServer::new(timers, transport, now)),
            _ => Machine::NonInvite(NonInviteServer::new(timers, transport, now)),
        };
        name.shrink_to_fit();
        self.names.insert(name.clone(), key);
        self.origins.extend(origin.clone().map(|origin| (origin, key)));
        let share_of = source.remote.ip().into();
        *self.sources.entry(share_of).or_insert(0) += 1;
        if source.transport.is_reliable() {
            self.flows.insert((source.flow, Owner::Server(key)));
        }
        let mut latest = Response::to(request, 100, "").to_bytes();
        latest.shrink_to_fit();
        let response_route = ResponseRoute::new(Some(via), source);
        // The names are stored twice: here and as keys.
        let weight = latest.len() + 2 * (name.len() + origin.as_ref().map_or(0, String::len));
        self.server_octets += weight;
        let server = Server {
            machine,
            share_of,
            is_beyond_limits: false,
            response_route,
            latest,
            is_sent: false,
            weight,
            is_datagram: !transport.is_reliable(),
            to_tag: None,
            name,
            origin,
        };
        self.servers.insert(key, Box::new(server));
        self.settle_server(key);
        key
    }

    /// Sends a response to a request. A 2xx to an INVITE may be sent repeatedly until its ACK arrives (RFC 3261
    /// §13.3.1.4); the layer retransmits all other responses. Returns false if the transaction accepts no such response
    /// any more.
    pub fn respond(&mut self, key: ServerKey, response: &Response, now: Time) -> bool {
        let Some(server) = self.servers.get_mut(&key) else {
            self.counters.ignored += 1;
            return false;
        };
        let class = Class::of(response.status);
        if !server.machine.accepts(class) {
            self.counters.ignored += 1;
            return false;
        }
        if server.is_beyond_limits && class != Class::Provisional {
            self.respond_statelessly(key, response, now);
            return true;
        }
        server.latest = response.to_bytes();
        server.latest.shrink_to_fit();
        server.to_tag = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned));
        self.drive_server(key, ServerInput::Respond(class), None, now);
        true
    }

    /// Sends a final response and removes the transaction, like a stateless UAS (RFC 3261 §8.2.7). If the response is
    /// lost, the retransmitted request is answered again, with the same tag if the response has
    /// [`Response::set_stateless_tag`]. This is for unauthenticated requests over UDP, whose source may be forged: they
    /// must not occupy the table of transactions, and the rejection of an INVITE must not be retransmitted up to eleven
    /// times to an address that never sent it.
    ///
    /// Over a stream, after a provisional response and for a 2xx to an INVITE, this is the same as [`Self::respond`].
    pub fn respond_statelessly(&mut self, key: ServerKey, response: &Response, now: Time) {
        let is_once = |server: &Server| match &server.machine {
            Machine::Invite(_) => !server.is_sent && !response.is_success(),
            Machine::NonInvite(machine) => machine.accepts(Class::Failure),
        };
        let Some(server) = self.servers.get_mut(&key).filter(|server| server.is_datagram && is_once(server)) else {
            if let Some(server) = self.servers.get_mut(&key) {
                server.is_beyond_limits = false;
            }
            self.respond(key, response, now);
            return;
        };
        server.latest = response.to_bytes();
        self.deadlines.set(Owner::Server(key), None);
        self.send_latest(key);
        self.close_server(key);
    }

    /// Returns whether a request has no final response yet.
    #[must_use]
    pub fn is_waiting(&self, key: ServerKey) -> bool {
        self.servers.get(&key).is_some_and(|server| server.machine.accepts(Class::Failure))
    }

    pub(super) fn server_unreachable(&mut self, key: ServerKey, is_fallback: bool, now: Time) {
        let is_on = self.servers.get(&key).is_some_and(|server| match server.response_route.hop {
            Hop::Flow(_) => !is_fallback,
            Hop::Target(_) => is_fallback,
        });
        if is_on {
            self.drive_server(key, ServerInput::Unreachable, None, now);
        }
    }

    pub(super) fn server_timeout(&mut self, key: ServerKey, now: Time) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        server.machine.handle_timeout(now);
        self.drain_server(key, None);
    }

    fn drive_server(&mut self, key: ServerKey, input: ServerInput, arrival: Option<Arrival>, now: Time) {
        if let Some(server) = self.servers.get_mut(&key) {
            server.machine.handle_input(input, now);
            self.drain_server(key, arrival);
        }
    }

    fn drain_server(&mut self, key: ServerKey, mut arrival: Option<Arrival>) {
        while let Some(output) = self.servers.get_mut(&key).and_then(|server| server.machine.poll_output()) {
            match output {
                ServerOutput::Send | ServerOutput::Trying => self.send_latest(key),
                ServerOutput::DeliverAck => {
                    if let Some(Arrival { request, source, .. }) = arrival.take() {
                        self.event(Event::Ack { request: Box::new(request), source });
                    }
                }
                ServerOutput::Unacknowledged => self.event(Event::Unacknowledged { key }),
                ServerOutput::Reroute => self.reroute(key),
            }
        }
        self.settle_server(key);
    }

    fn send_latest(&mut self, key: ServerKey) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        let sender = match (&server.response_route.hop, &server.response_route.fallback) {
            (Hop::Flow(_), _) => Sender::Server(key),
            (Hop::Target(_), _) => Sender::ServerFallback(key),
        };
        server.is_sent = true;
        let (hop, octets) = (server.response_route.hop.clone(), server.latest.clone());
        self.outputs.push_back(Output::Transport(transport::io::Output::Send {
            transmission: sender.into(),
            hop,
            octets,
        }));
    }

    fn reroute(&mut self, key: ServerKey) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        if let Hop::Flow(flow) = server.response_route.hop {
            self.flows.remove(&(flow, Owner::Server(key)));
        }
        if server.response_route.reroute() && server.is_sent {
            self.send_latest(key);
        }
    }

    /// Updates the deadline, or removes a transaction that has ended.
    fn settle_server(&mut self, key: ServerKey) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        let is_over = server.machine.is_terminated();
        let due = if is_over { None } else { server.machine.poll_timeout() };
        self.deadlines.set(Owner::Server(key), due);
        if is_over {
            self.close_server(key);
        }
    }

    fn close_server(&mut self, key: ServerKey) {
        let Some(server) = self.servers.remove(&key) else { return };
        self.names.remove(&server.name);
        self.server_octets -= server.weight;
        if let Some(origin) = server.origin {
            self.origins.remove(&origin);
        }
        if let Hop::Flow(flow) = server.response_route.hop {
            self.flows.remove(&(flow, Owner::Server(key)));
        }
        if let Some(count) = self.sources.get_mut(&server.share_of) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&server.share_of);
            }
        }
    }
}
