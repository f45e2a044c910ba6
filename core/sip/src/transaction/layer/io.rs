//! The vocabulary of the layer: what goes in, what comes out.

use crate::message::{Host, Request, Response, SipUri, Uri};
use crate::transaction::{Failure, Timers};
use crate::transport::{FlowId, Hop, Inside, LocalAddress, QueryId, Source, Target, TransmissionId, Transport};
use crate::user_agent::destinations::Reach;
use serde::{Deserialize, Serialize};

/// A request that the user sent, over all the servers that are tried; numbered by the layer, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientKey(pub u64);

/// A request that the user is to answer; numbered by the layer, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerKey(pub u64);

/// Where a request is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// On a connection that exists: that of a registration, or the one the peer's last request came on.
    Flow {
        /// The connection, as it was told with a message that came on it.
        flow: Source,
        /// Where to, in this order, when it is gone.
        fallback: Vec<Target>,
    },
    /// To the first of these that does not fail (RFC 3263 §4.3).
    Targets(Vec<Target>),
    /// To what the resolver finds (RFC 3263 §4); an address needs no resolver.
    Resolve {
        /// The host.
        host: Host,
        /// The port, if given.
        port: Option<u16>,
        /// The transport, if given.
        transport: Option<Transport>,
        /// `sips:`: TLS only.
        secure: bool,
        /// The networks and ports that the host may lead to.
        reach: Reach,
    },
}

impl Destination {
    /// Where a URI leads. `transport` counts where the URI names none. The reach is unlimited: the user agent narrows it.
    #[must_use]
    pub fn of_uri(uri: &SipUri, transport: Option<Transport>) -> Self {
        // RFC 3263 §4: `maddr` is the target where it is given.
        let maddr = uri.params().get("maddr").and_then(|maddr| maddr.parse().ok());
        Self::Resolve {
            host: maddr.unwrap_or_else(|| uri.host().clone()),
            port: uri.port(),
            transport: uri.transport().or(transport),
            secure: uri.is_secure(),
            reach: Reach::ANYWHERE,
        }
    }

    /// Where a request leads: to its first route, else to its Request-URI (RFC 3261 §8.1.2). None: to no SIP URI.
    #[must_use]
    pub fn of_request(request: &Request, transport: Option<Transport>) -> Option<Self> {
        let route = request.headers.routes().ok()?.into_iter().next().map(|route| route.uri);
        let uri: &Uri = route.as_ref().filter(|route| route.is_loose_router()).unwrap_or(&request.uri);
        uri.as_sip().map(|uri| Self::of_uri(uri, transport))
    }
}

/// What happens to the layer.
#[derive(Clone, Debug)]
pub enum Input {
    /// A datagram, or one message of a stream.
    Received {
        /// Where it came from.
        source: Source,
        /// The message.
        octets: Vec<u8>,
    },
    /// The resolver's answer, best first; empty: there is no such host.
    Resolved {
        /// The question.
        query: QueryId,
        /// Where to send.
        targets: Vec<Target>,
    },
    /// A message could not be handed to the network, or no connection could be made for it.
    SendFailed {
        /// Which.
        transmission: TransmissionId,
    },
    /// A connection is gone.
    FlowClosed {
        /// Which.
        flow: FlowId,
    },
}

/// What the layer wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a message.
    Send {
        /// To be named if it fails.
        transmission: TransmissionId,
        /// How and where to.
        hop: Hop,
        /// The message.
        octets: Vec<u8>,
    },
    /// Find out where a host name leads (RFC 3263).
    Resolve {
        /// To be named in the answer.
        query: QueryId,
        /// The name.
        host: String,
        /// The port, if given.
        port: Option<u16>,
        /// The transport, if given.
        transport: Option<Transport>,
        /// `sips:`: TLS only.
        secure: bool,
    },
    /// Tell the user.
    Event(Event),
}

/// What the user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request to be answered with [`super::Layer::respond`]; told once, however often it comes. Its top `Via` has
    /// `received` and `rport`.
    Request {
        /// To answer by.
        key: ServerKey,
        /// The request; neither ACK nor CANCEL.
        request: Box<Request>,
        /// Where it came from.
        source: Source,
    },
    /// An ACK that acknowledges a 2xx, or nothing that is known.
    Ack {
        /// The ACK.
        request: Box<Request>,
        /// Where it came from.
        source: Source,
    },
    /// The client canceled an INVITE that has no final response yet; the CANCEL was answered. The user answers the INVITE
    /// with 487.
    Cancelled {
        /// Which.
        key: ServerKey,
        /// The CANCEL, for its `Reason` header (RFC 3326).
        cancel: Box<Request>,
    },
    /// Nobody acknowledged the failure that the user answered an INVITE with.
    Unacknowledged {
        /// Which.
        key: ServerKey,
    },
    /// A response. After a final one nothing more follows, but for an INVITE: every 2xx is told, of all forks and each
    /// time it comes, for the user to (re)send the ACK (RFC 3261 §13.2.2.4), until [`Event::Ended`].
    Response {
        /// To which request.
        key: ClientKey,
        /// The response.
        response: Box<Response>,
        /// Where it came from.
        source: Source,
    },
    /// No final response will come: nothing more follows.
    Failed {
        /// To which request.
        key: ClientKey,
        /// Why.
        failure: Failure,
    },
    /// No more 2xx will come for an INVITE that had one: other early dialogs are over (RFC 3261 §13.2.2.4).
    Ended {
        /// Which.
        key: ClientKey,
    },
    /// The peer of a stream answered a keep-alive (RFC 5626 §3.5.1).
    Pong {
        /// Where it came from.
        source: Source,
    },
}

/// How much the layer takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Server transactions at a time. Beyond it, an INVITE outside a dialog is refused with 503, and the final responses to
    /// other requests are sent once and forgotten. Requests inside a dialog are always served.
    pub servers: usize,
    /// The share of one source (an IPv4 address or IPv6 /64) in [`Self::servers`]. A proxy brings the calls of many users.
    pub servers_per_source: usize,
    /// The octets that server transactions may occupy, as far as the peers decide it.
    pub server_octets: usize,
    /// Requests of the user's at a time; what comes beyond fails.
    pub clients: usize,
    /// What 503 says in `Retry-After`, in seconds.
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
    /// Where the relay listens; the first of a transport and family is what stands in `Via`.
    pub local: Vec<LocalAddress>,
    /// What stands there towards peers in the relay's own networks.
    pub inside: Inside,
    /// The timers.
    pub timers: Timers,
    /// How much it takes on.
    pub limits: Limits,
    /// Larger requests go over TCP rather than UDP: 1300 octets where the path is not known (RFC 3261 §18.1.1).
    pub largest_datagram: usize,
}

impl Settings {
    /// The usual timers and limits.
    #[must_use]
    pub fn new(local: Vec<LocalAddress>) -> Self {
        let inside = Inside::default();
        Self { local, inside, timers: Timers::default(), limits: Limits::default(), largest_datagram: 1_300 }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Messages that could not be read.
    pub malformed: u64,
    /// Responses that belong to no transaction.
    pub stray_responses: u64,
    /// Requests that came again and were absorbed.
    pub repeated_requests: u64,
    /// Requests that came a second way (RFC 3261 §8.2.2.2).
    pub merged_requests: u64,
    /// Requests that came while the table of server transactions, or the share of their source in it, was full.
    pub overloaded: u64,
    /// Messages sent again.
    pub resent: u64,
    /// Requests that went to another server after one failed.
    pub failovers: u64,
    /// What the user or the shell said about something that is no more.
    pub ignored: u64,
}
