//! Sending of requests: selection of the server and the transport, and failover (RFC 3263, RFC 3261 §18.1.1).

use super::attempt::AttemptId;
use super::io::{ClientKey, Destination, Event, Output};
use super::via::{complete_contact, own_contact, own_via};
use super::{Layer, Owner};
use crate::message::{HeaderName, Host, MAGIC_COOKIE, Method, NameAddr, Request, Response};
use crate::transaction::Failure;
use crate::transport::{self, LocalAddress, QueryId, Source, Target, Transport};
use crate::user_agent::destinations::Reach;
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// A request that the transaction user sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Client {
    /// The request, with the `Via` of the current attempt. No headers and body after a 2xx to an INVITE.
    pub(super) request: Request,
    /// The `Contact` as the transaction user wrote it, with the host [`super::OWN_HOST`].
    contact: Option<Box<NameAddr>>,
    pub(super) phase: Phase,
    /// The remaining candidates.
    rest: VecDeque<Candidate>,
    /// Whether the URI or the configuration demands UDP, so that the request's size does not select TCP.
    stays_on_udp: bool,
    /// If TCP was selected for the size of the request: the time at which UDP is tried if no response has arrived.
    pub(super) give_up_tcp_at: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// A resolver query is pending.
    Resolving { give_up_at: Time, reach: Reach },
    /// An attempt at a server is in progress.
    Trying { attempt: AttemptId, awaited: Awaited },
}

/// The response that the transaction user expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Awaited {
    Response,
    /// Only the response that follows a CANCEL, which is sent with this `Reason` (RFC 3326).
    Cancel {
        reason: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Candidate {
    endpoint: Endpoint,
    after: After,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Endpoint {
    Flow(Source),
    Target(Target),
}

/// The maximum time until a response if TCP was selected for the size of the request. It equals the maximum time for
/// opening a connection.
pub(super) const TCP_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The time for which TCP is not tried again for large requests to a server that did not respond over TCP.
const WITHOUT_TCP: Duration = Duration::from_secs(600);

/// The maximum number of stored servers that did not respond over TCP.
const MAX_WITHOUT_TCP: usize = 1_024;

/// The kind of failure after which a candidate is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum After {
    AnyFailure,
    /// The same server could not be reached over the preferred transport (RFC 3261 §18.1.1).
    NoConnection,
}

/// The reason that an attempt failed.
#[derive(Clone, Debug)]
pub(super) enum AttemptFailure {
    Failed(Failure),
    /// A 503: the server is overloaded (RFC 3263 §4.3).
    Refused(Box<(Response, Source)>),
}

impl Layer {
    /// Sends a request in a transaction. The transaction user provides all of it except the `Via`.
    pub fn request(&mut self, request: Request, destination: Destination, now: Time) -> ClientKey {
        let key = ClientKey(self.number());
        if self.clients.len() >= self.settings.limits.clients {
            self.counters.overloaded += 1;
            self.event(Event::Failed { key, failure: Failure::Unreachable });
        } else {
            self.open_client(key, request, destination, now);
        }
        key
    }

    /// Sends the ACK of a 2xx, which has its own branch and no response (RFC 3261 §13.2.2.4).
    pub fn ack(&mut self, request: Request, destination: Destination, now: Time) {
        self.request(request, destination, now);
    }

    /// Cancels an INVITE. `reason` is the `Reason` header of the CANCEL (RFC 3326). If no provisional response has
    /// arrived, the CANCEL is deferred until one does (RFC 3261 §9.1). The INVITE still receives a final response,
    /// usually 487.
    pub fn cancel(&mut self, key: ClientKey, reason: Option<String>, now: Time) {
        let Some(client) = self.clients.get_mut(&key).filter(|client| client.request.method == Method::Invite) else {
            self.counters.ignored += 1;
            return;
        };
        match &mut client.phase {
            Phase::Resolving { .. } => self.close_client(key, Some(Failure::Withdrawn)),
            Phase::Trying { attempt, awaited } => {
                let attempt = *attempt;
                *awaited = Awaited::Cancel { reason };
                self.cancel_attempt(attempt, now);
            }
        }
    }

    fn open_client(&mut self, key: ClientKey, mut request: Request, destination: Destination, now: Time) {
        request.headers.remove(HeaderName::Via);
        let reach = match &destination {
            Destination::Resolve { reach, .. } => *reach,
            Destination::Flow { .. } | Destination::Targets(_) => Reach::ANYWHERE,
        };
        let phase = Phase::Resolving { give_up_at: now + self.settings.timers.transaction_timeout(), reach };
        let contact = own_contact(&request.headers).map(Box::new);
        let stays_on_udp = matches!(&destination, Destination::Resolve { transport: Some(Transport::Udp), .. });
        let rest = VecDeque::new();
        let mut client = Box::new(Client { request, contact, phase, rest, stays_on_udp, give_up_tcp_at: None });
        let to = |target| Candidate { endpoint: Endpoint::Target(target), after: After::AnyFailure };
        match destination {
            Destination::Flow { flow, fallback } => {
                client.rest.push_back(Candidate { endpoint: Endpoint::Flow(flow), after: After::AnyFailure });
                client.rest.extend(fallback.into_iter().map(to));
            }
            Destination::Targets(targets) => client.rest.extend(targets.into_iter().map(to)),
            Destination::Resolve { host: Host::Address(address), port, transport, secure, .. } => {
                client.rest.push_back(to(target_of_address(address, port, transport, secure)));
            }
            Destination::Resolve { host: Host::Name(host), port, transport, secure, .. } => {
                self.clients.insert(key, client);
                let query = QueryId(key.0);
                self.outputs.push_back(Output::Transport(transport::io::Output::Resolve {
                    query,
                    host,
                    port,
                    transport,
                    secure,
                }));
                return self.settle_client(key);
            }
        }
        self.clients.insert(key, client);
        self.try_next(key, AttemptFailure::Failed(Failure::Unreachable), now);
    }

    pub(super) fn resolved(&mut self, query: QueryId, targets: Vec<Target>, now: Time) {
        let key = ClientKey(query.0);
        let Some((client, reach)) = self.clients.get_mut(&key).and_then(|client| match client.phase {
            Phase::Resolving { reach, .. } => Some((client, reach)),
            Phase::Trying { .. } => None,
        }) else {
            self.counters.ignored += 1;
            return;
        };
        // The owner of a DNS zone can publish any address, and any port in an SRV record.
        let targets: Vec<Target> = targets.into_iter().filter(|target| reach.admits(target.address)).collect();
        let failure = if targets.is_empty() { Failure::NoSuchHost } else { Failure::Unreachable };
        let to = |target| Candidate { endpoint: Endpoint::Target(target), after: After::AnyFailure };
        client.rest.extend(targets.into_iter().map(to));
        self.try_next(key, AttemptFailure::Failed(failure), now);
    }

    /// Tries the next server. After the last one, reports the latest failure to the transaction user.
    pub(super) fn try_next(&mut self, key: ClientKey, cause: AttemptFailure, now: Time) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        if matches!(client.phase, Phase::Trying { awaited: Awaited::Cancel { .. }, .. }) {
            client.rest.clear();
        }
        if !matches!(cause, AttemptFailure::Failed(Failure::Unreachable)) {
            client.drop_udp_fallback();
        }
        let is_first = matches!(client.phase, Phase::Resolving { .. });
        loop {
            let Some(candidate) = self.clients.get_mut(&key).and_then(|client| client.rest.pop_front()) else {
                return self.give_up(key, cause);
            };
            if let (Endpoint::Target(target), After::NoConnection) = (&candidate.endpoint, candidate.after) {
                self.note_without_tcp(target.address, now);
            }
            if let Some((endpoint, branch, octets)) = self.prepare(key, candidate, now) {
                self.counters.failovers += u64::from(!is_first);
                return self.start_attempt(key, &endpoint, branch, octets, now);
            }
        }
    }

    fn give_up(&mut self, key: ClientKey, cause: AttemptFailure) {
        match cause {
            AttemptFailure::Failed(failure) => self.close_client(key, Some(failure)),
            AttemptFailure::Refused(refused) => {
                let (response, source) = *refused;
                self.event(Event::Response { key, response: Box::new(response), source });
                self.close_client(key, None);
            }
        }
    }

    /// Prepares the request for a candidate. Returns `None` if the relay does not support its transport.
    fn prepare(&mut self, key: ClientKey, candidate: Candidate, now: Time) -> Option<(Endpoint, String, Vec<u8>)> {
        // The number before the dot finds the attempt; the token after it makes the branch hard to guess.
        let branch = format!("{MAGIC_COOKIE}{:x}.{}", self.last_number + 1, self.token());
        let Candidate { mut endpoint, after } = candidate;
        let (transport, address) = endpoint.peer();
        let local = self.settings.local(transport, address)?;
        let is_without_tcp = |target: &Target| self.without_tcp.get(&target.address).is_some_and(|until| *until > now);
        let client = self.clients.get_mut(&key)?;
        client.set_local_address(local, &branch);
        let mut octets = client.request.to_bytes();
        if let Endpoint::Target(target) = &mut endpoint
            && transport == Transport::Udp
            && after == After::AnyFailure
            && !client.stays_on_udp
            && !is_without_tcp(target)
            && octets.len() > self.settings.largest_datagram
            && let Some(local) = self.settings.local(Transport::Tcp, address)
        {
            // UDP would fragment the request and has no congestion control (RFC 3261 §18.1.1).
            let datagram = Candidate { endpoint: Endpoint::Target(target.clone()), after: After::NoConnection };
            client.rest.push_front(datagram);
            target.transport = Transport::Tcp;
            client.set_local_address(local, &branch);
            octets = client.request.to_bytes();
        }
        Some((endpoint, branch, octets))
    }

    fn note_without_tcp(&mut self, server: SocketAddr, now: Time) {
        if self.without_tcp.len() >= MAX_WITHOUT_TCP {
            self.without_tcp.retain(|_, until| *until > now);
        }
        if self.without_tcp.len() < MAX_WITHOUT_TCP {
            self.without_tcp.insert(server, now + WITHOUT_TCP);
        }
    }

    pub(super) fn client_timeout(&mut self, key: ClientKey, now: Time) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        match client.phase {
            Phase::Resolving { .. } => self.close_client(key, Some(Failure::NoSuchHost)),
            Phase::Trying { attempt, .. } => {
                client.give_up_tcp_at = None;
                if client.is_tcp_for_size()
                    && self.attempts.get(&attempt).is_some_and(|attempt| attempt.is_unanswered())
                {
                    self.attempt_unreachable(attempt, now);
                }
            }
        }
    }

    pub(super) fn settle_client(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        let due = match client.phase {
            Phase::Resolving { give_up_at, .. } => Some(give_up_at),
            Phase::Trying { .. } => client.give_up_tcp_at,
        };
        self.deadlines.set(Owner::Client(key), due);
    }

    /// Removes a request and reports the failure, if any.
    pub(super) fn close_client(&mut self, key: ClientKey, failure: Option<Failure>) {
        let Some(client) = self.clients.remove(&key) else { return };
        self.deadlines.set(Owner::Client(key), None);
        if let Some(failure) = failure
            && client.request.method != Method::Ack
        {
            self.event(Event::Failed { key, failure });
        }
    }
}

impl Client {
    /// Sets `Via` and `Contact` to the socket that the request is sent from.
    fn set_local_address(&mut self, local: &LocalAddress, branch: &str) {
        let headers = &mut self.request.headers;
        headers.remove(HeaderName::Via);
        headers.push_front(HeaderName::Via, own_via(local, branch));
        if let Some(contact) = &self.contact {
            headers.set(HeaderName::Contact, complete_contact(contact, local));
        }
    }

    /// Drops what only an INVITE without a final response needs. After a 2xx it is neither sent again nor canceled, and
    /// the transaction user sends the ACK.
    pub(super) fn answered(&mut self) {
        self.request.reduce_to(&[]);
        self.contact = None;
        self.rest = VecDeque::new();
    }

    /// Removes the UDP candidate of a server that responded over TCP or timed out.
    fn drop_udp_fallback(&mut self) {
        while self.is_tcp_for_size() {
            self.rest.pop_front();
        }
    }

    /// Returns whether the attempt is the current one.
    pub(super) fn is_trying(&self, attempt: AttemptId) -> bool {
        matches!(self.phase, Phase::Trying { attempt: current, .. } if current == attempt)
    }

    /// Returns whether TCP was selected for the size of the request, with UDP to the same server as the next candidate.
    pub(super) fn is_tcp_for_size(&self) -> bool {
        self.rest.front().is_some_and(|next| next.after == After::NoConnection)
    }

    /// Returns whether another server can be tried: there is one, and the request is not canceled.
    pub(super) fn may_try_another(&self) -> bool {
        matches!(self.phase, Phase::Trying { awaited: Awaited::Response, .. })
            && self.rest.iter().any(|candidate| candidate.after == After::AnyFailure)
    }

    /// Returns whether there is another candidate, including one that differs only in transport.
    pub(super) fn has_candidates(&self) -> bool {
        !self.rest.is_empty()
    }
}

impl Endpoint {
    /// Returns the transport and address of the peer.
    pub(super) const fn peer(&self) -> (Transport, IpAddr) {
        match self {
            Self::Flow(source) => (source.transport, source.remote.ip()),
            Self::Target(target) => (target.transport, target.address.ip()),
        }
    }
}

/// Returns the target for an IP address, which is not resolved (RFC 3263 §4.1, §4.2).
fn target_of_address(address: IpAddr, port: Option<u16>, transport: Option<Transport>, secure: bool) -> Target {
    let transport = if secure { Transport::Tls } else { transport.unwrap_or(Transport::Udp) };
    let host = (transport == Transport::Tls).then(|| address.to_string());
    Target { transport, address: SocketAddr::new(address, port.unwrap_or(transport.default_port())), host }
}
