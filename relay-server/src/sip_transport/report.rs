//! What sockets and connections say to the signaling plane.

use super::stream::Outlet;
use offhook_limits::Source as Network;
use offhook_sip::transport::{FlowId, QueryId, Source, Target, TransmissionId};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OwnedSemaphorePermit;

/// What has happened on the network.
#[derive(Debug)]
pub enum Report {
    /// The peer with this address connected.
    Opened(FlowId, IpAddr, Outlet),
    /// A message came.
    Received {
        /// Whence.
        source: Source,
        /// The message.
        octets: Vec<u8>,
        /// The place among the messages of its connection that are not handled yet; none for a datagram.
        place: Option<OwnedSemaphorePermit>,
    },
    /// A connection is gone, or never came about.
    Closed {
        /// Which.
        flow: FlowId,
        /// The address of its peer.
        remote: IpAddr,
        /// What it did not carry any more.
        unsent: Vec<TransmissionId>,
    },
    /// Nobody took a datagram.
    NotSent(TransmissionId),
    /// The resolver's answer.
    Resolved {
        /// To which question.
        query: QueryId,
        /// Where to send, best first.
        targets: Vec<Target>,
    },
    /// The machine's addresses are others than before.
    NetworkChanged(BTreeSet<IpAddr>),
}

/// The source that a report is accounted to: the network of a peer, or the relay itself.
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

/// Numbers for `/healthz`.
#[derive(Debug, Default)]
pub struct Counters {
    dropped: AtomicU64,
}

impl Counters {
    /// Datagrams that were not looked at, because there were too many.
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
