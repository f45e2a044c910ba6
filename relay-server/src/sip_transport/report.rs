//! What sockets and connections say to the signaling plane.

use super::stream::Outlet;
use offhook_sip::transport::{FlowId, QueryId, Source, Target, TransmissionId};
use std::sync::atomic::{AtomicU64, Ordering};

/// What has happened on the network.
#[derive(Debug)]
pub enum Report {
    /// Somebody connected.
    Opened(FlowId, Outlet),
    /// A message came.
    Received {
        /// Whence.
        source: Source,
        /// The message.
        octets: Vec<u8>,
    },
    /// A connection is gone, or never came about.
    Closed {
        /// Which.
        flow: FlowId,
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
    NetworkChanged,
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
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}
