//! Reports of SIP sockets, connections and the resolver to the signaling plane.

use super::stream::MessageQueue;
use offhook_limits::SourceNetwork as Network;
use offhook_sip::transport::{FlowId, QueryId, Source, Target, TransmissionId};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OwnedSemaphorePermit;

/// An event of the SIP transport.
#[derive(Debug)]
pub enum Report {
    /// A peer with this address opened a connection.
    Opened(FlowId, IpAddr, MessageQueue),
    /// A message was received.
    Received {
        /// Its flow and addresses.
        source: Source,
        /// The message.
        octets: Vec<u8>,
        /// A permit of its connection, released when the message has been handled; none for a datagram.
        place: Option<OwnedSemaphorePermit>,
    },
    /// A connection was closed, or could not be opened.
    Closed {
        /// Its flow.
        flow: FlowId,
        /// The address of its peer.
        remote: IpAddr,
        /// Messages that were queued and not sent.
        unsent: Vec<TransmissionId>,
    },
    /// An ICMP error was received for a datagram.
    NotSent(TransmissionId),
    /// The result of a DNS query.
    Resolved {
        /// The query.
        query: QueryId,
        /// The targets, in order of preference.
        targets: Vec<Target>,
    },
    /// The addresses of this machine have changed.
    NetworkChanged(BTreeSet<IpAddr>),
}

/// The source of a report for fair queueing: the network of a peer, or the relay itself.
pub type ReportSource = Option<Network>;

impl Report {
    /// The source. The reports of one source stay in order.
    #[must_use]
    pub const fn source(&self) -> ReportSource {
        match self {
            Self::Opened(_, remote, _) | Self::Closed { remote, .. } => Some(Network::of(*remote)),
            Self::Received { source, .. } => Some(Network::of(source.remote.ip())),
            Self::NotSent(_) | Self::Resolved { .. } | Self::NetworkChanged(_) => None,
        }
    }

    /// Whether it is a datagram, which may be dropped.
    #[must_use]
    pub const fn is_datagram(&self) -> bool {
        matches!(self, Self::Received { place: None, .. })
    }
}

/// Counters for `/healthz`.
#[derive(Debug, Default)]
pub struct SipCounters {
    dropped: AtomicU64,
}

impl SipCounters {
    /// The number of datagrams that were dropped because there were too many.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn drop_one(&self) {
        self.drop_many(1);
    }

    pub(super) fn drop_many(&self, datagrams: u64) {
        self.dropped.fetch_add(datagrams, Ordering::Relaxed);
    }
}
