//! Inputs, outputs, events, settings and limits of the transaction layer.

use crate::message::{Host, Request, Response, SipUri, Uri};
use crate::transaction::{Failure, TransactionTimers};
pub use crate::transport::io::Input;
use crate::transport::{self, Inside, LocalAddress, Source, Target, Transport};
use crate::user_agent::destinations::Reach;
use serde::{Deserialize, Serialize};

/// A request that the transaction user sends, over all servers that are tried. The layer assigns the number and never
/// reuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientKey(pub u64);

/// A request that the transaction user has to answer. The layer assigns the number and never reuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerKey(pub u64);

/// The destination of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// An existing connection: that of a registration, or the one that the peer's last request arrived on.
    Flow {
        /// The connection, as reported with a message that arrived on it.
        flow: Source,
        /// The targets to try, in this order, when the connection is gone.
        fallback: Vec<Target>,
    },
    /// The first of these targets that does not fail (RFC 3263 §4.3).
    Targets(Vec<Target>),
    /// The targets that the resolver finds (RFC 3263 §4). An IP address is not resolved.
    Resolve {
        /// The host.
        host: Host,
        /// The port, if given.
        port: Option<u16>,
        /// The transport, if given.
        transport: Option<Transport>,
        /// Whether the URI is `sips:`, which requires TLS.
        secure: bool,
        /// The networks and ports that the host may resolve to.
        reach: Reach,
    },
}

impl Destination {
    /// Returns the destination of a URI. `transport` applies if the URI names none. The reach is unlimited; the user
    /// agent narrows it.
    #[must_use]
    pub fn of_uri(uri: &SipUri, transport: Option<Transport>) -> Self {
        Self::Resolve {
            host: uri.next_hop(),
            port: uri.port(),
            transport: uri.transport().or(transport),
            secure: uri.is_secure(),
            reach: Reach::ANYWHERE,
        }
    }

    /// Returns the destination of a request: its first route, else its Request-URI (RFC 3261 §8.1.2). `None` if that is
    /// not a SIP URI.
    #[must_use]
    pub fn of_request(request: &Request, transport: Option<Transport>) -> Option<Self> {
        let route = request.headers.routes().ok()?.into_iter().next().map(|route| route.uri);
        let uri: &Uri = route.as_ref().filter(|route| route.is_loose_router()).unwrap_or(&request.uri);
        uri.as_sip().map(|uri| Self::of_uri(uri, transport))
    }
}

/// An output of the layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// For the transport.
    Transport(transport::io::Output),
    /// For the transaction user.
    Event(Event),
}

/// An event for the transaction user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request to be answered with [`super::Layer::respond`]. It is reported once, whatever the number of
    /// retransmissions. Its top `Via` has `received` and `rport`.
    Request {
        /// The key to answer it with.
        key: ServerKey,
        /// The request: neither ACK nor CANCEL.
        request: Box<Request>,
        /// The flow and addresses it was received on.
        source: Source,
    },
    /// An ACK for a 2xx, or an ACK that matches no transaction.
    Ack {
        /// The ACK.
        request: Box<Request>,
        /// The flow and addresses it was received on.
        source: Source,
    },
    /// The client canceled an INVITE that has no final response yet. The layer has answered the CANCEL; the transaction
    /// user answers the INVITE with 487.
    Cancelled {
        /// The INVITE.
        key: ServerKey,
        /// The CANCEL, for its `Reason` header (RFC 3326).
        cancel: Box<Request>,
    },
    /// No ACK arrived for the 300–699 response to an INVITE.
    Unacknowledged {
        /// The INVITE.
        key: ServerKey,
    },
    /// A response. Nothing follows a final response, except for an INVITE: each 2xx of every fork, and each
    /// retransmission of it, is reported until [`Event::Ended`], so that the transaction user sends the ACK (RFC 3261
    /// §13.2.2.4).
    Response {
        /// The request.
        key: ClientKey,
        /// The response.
        response: Box<Response>,
        /// The flow and addresses it was received on.
        source: Source,
    },
    /// No final response will arrive. Nothing follows.
    Failed {
        /// The request.
        key: ClientKey,
        /// The reason.
        failure: Failure,
    },
    /// No further 2xx will arrive for an INVITE that had one. Its remaining early dialogs are terminated (RFC 3261
    /// §13.2.2.4).
    Ended {
        /// The INVITE.
        key: ClientKey,
    },
    /// The peer of a stream answered a keep-alive ping (RFC 5626 §3.5.1).
    Pong {
        /// The flow and addresses it was received on.
        source: Source,
    },
}

/// The limits on the layer's load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Concurrent server transactions. Beyond this number, an INVITE outside a dialog is rejected with 503, and final
    /// responses to other requests are sent without keeping state. Requests inside a dialog are always served.
    pub servers: usize,
    /// The maximum number of [`Self::servers`] for one source (an IPv4 address or IPv6 /64). A proxy is one source for
    /// the calls of many users.
    pub servers_per_source: usize,
    /// The memory in octets that server transactions may occupy, as far as peers determine it.
    pub server_octets: usize,
    /// Concurrent client requests. Further requests fail.
    pub clients: usize,
    /// The value of `Retry-After` in a 503, in seconds.
    pub retry_after: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            servers: 100_000,
            servers_per_source: 12_500,
            server_octets: 256 << 20,
            clients: 100_000,
            retry_after: 10,
        }
    }
}

/// The layer's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The addresses that the relay listens on. The first one of a transport and address family is used in `Via`.
    pub local: Vec<LocalAddress>,
    /// The addresses that are used instead for peers in the relay's own networks.
    pub inside: Inside,
    /// The timers.
    pub timers: TransactionTimers,
    /// The limits.
    pub limits: Limits,
    /// Larger requests are sent over TCP instead of UDP. 1300 octets if the path MTU is not known (RFC 3261 §18.1.1).
    pub largest_datagram: usize,
}

impl Settings {
    /// Creates settings with the default timers and limits.
    #[must_use]
    pub fn new(local: Vec<LocalAddress>) -> Self {
        let inside = Inside::default();
        Self { local, inside, timers: TransactionTimers::default(), limits: Limits::default(), largest_datagram: 1_300 }
    }
}

/// Counters of the layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Messages that could not be parsed.
    pub malformed: u64,
    /// Responses that match no transaction.
    pub stray_responses: u64,
    /// Retransmitted requests that were absorbed.
    pub repeated_requests: u64,
    /// Requests that arrived by more than one path (RFC 3261 §8.2.2.2).
    pub merged_requests: u64,
    /// Requests that arrived while the table of server transactions, or the share of their source, was full.
    pub overloaded: u64,
    /// Retransmitted messages.
    pub resent: u64,
    /// Requests that were sent to another server after a failure.
    pub failovers: u64,
    /// Inputs for a request, query or transaction that no longer exists.
    pub ignored: u64,
}
