//! UDP flows: one for each pair of socket and peer address. The number of flows is limited, and so is the rate of new
//! ones, so that a flood from forged addresses does not evict the flows of real peers.

use super::{FlowId, TransmissionId};
use offhook_clock::Time;
use offhook_limits::RateLimit;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The maximum number of flows, in addition to those of registered phones and calls. A further one replaces the least
/// recently used one.
const MAX_FLOWS: usize = 65_536;
/// The maximum number of new peers per second. Otherwise a flood from forged addresses would evict the flows of phones
/// that send a keep-alive every 30 s.
const NEW_PEERS_PER_SECOND: u32 = 1_000;

/// The index of one of the relay's UDP sockets.
pub type SocketIndex = usize;

/// The result for a received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The datagram belongs to this flow.
    Flow(FlowId),
    /// The peer exceeds its rate.
    TooFast,
    /// There are too many new peers per second.
    TooMany,
}

#[derive(Debug)]
struct Flow {
    socket: SocketIndex,
    remote: SocketAddr,
    messages: RateLimit,
    /// The position in the order of last use.
    used: u64,
    /// The last transmission, to which an ICMP error refers.
    last: Option<TransmissionId>,
}

/// The UDP flows of the relay.
#[derive(Debug)]
pub struct UdpFlows {
    rate: u32,
    new: RateLimit,
    flows: BTreeMap<FlowId, Flow>,
    by_peer: BTreeMap<(SocketIndex, SocketAddr), FlowId>,
    /// The flows that may be evicted, in the order of last use.
    by_use: BTreeMap<u64, FlowId>,
    /// The number of registered phones and calls that depend on each flow.
    kept: BTreeMap<FlowId, u32>,
    uses: u64,
}

impl UdpFlows {
    /// Creates an empty table. Each peer may send `rate` messages per second.
    #[must_use]
    pub const fn new(rate: u32, now: Time) -> Self {
        Self {
            rate,
            new: RateLimit::new(NEW_PEERS_PER_SECOND, NEW_PEERS_PER_SECOND, now),
            flows: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            by_use: BTreeMap::new(),
            kept: BTreeMap::new(),
            uses: 0,
        }
    }

    /// Returns the flow of a received datagram. `number` assigns the identifier of a new one.
    pub fn received(
        &mut self,
        socket: SocketIndex,
        remote: SocketAddr,
        number: impl FnOnce() -> FlowId,
        now: Time,
    ) -> Verdict {
        let known = self.by_peer.get(&(socket, remote)).copied();
        if known.is_none() && !self.new.take(now) {
            return Verdict::TooMany;
        }
        let flow = known.unwrap_or_else(|| self.insert(socket, remote, number(), now));
        self.touch(flow);
        match self.flows.get_mut(&flow).map(|known| known.messages.take(now)) {
            Some(true) => Verdict::Flow(flow),
            Some(false) | None => Verdict::TooFast,
        }
    }

    /// Returns the flow of a datagram to a peer. The peer's response then does not count toward the limit on new peers.
    /// `number` assigns the identifier of a new flow.
    pub fn toward(
        &mut self,
        socket: SocketIndex,
        remote: SocketAddr,
        number: impl FnOnce() -> FlowId,
        now: Time,
    ) -> FlowId {
        let known = self.by_peer.get(&(socket, remote)).copied();
        let flow = known.unwrap_or_else(|| self.insert(socket, remote, number(), now));
        self.touch(flow);
        flow
    }

    /// Returns the socket and the peer address of a flow.
    #[must_use]
    pub fn peer(&self, flow: FlowId) -> Option<(SocketIndex, SocketAddr)> {
        self.flows.get(&flow).map(|flow| (flow.socket, flow.remote))
    }

    /// Stores the last transmission of a flow.
    pub fn sent(&mut self, flow: FlowId, transmission: TransmissionId) {
        if let Some(flow) = self.flows.get_mut(&flow) {
            flow.last = Some(transmission);
        }
    }

    /// Returns the transmission to which an ICMP error from a peer refers.
    pub fn refused(&mut self, socket: SocketIndex, remote: SocketAddr) -> Option<TransmissionId> {
        let flow = self.by_peer.get(&(socket, remote))?;
        self.flows.get_mut(flow)?.last.take()
    }

    /// Protects a flow from eviction, because a registered phone or a call depends on it.
    pub fn keep(&mut self, flow: FlowId) {
        if let Some(known) = self.flows.get(&flow) {
            self.by_use.remove(&known.used);
            *self.kept.entry(flow).or_insert(0) += 1;
        }
    }

    /// Reverts one [`Self::keep`] of a flow.
    pub fn release(&mut self, flow: FlowId) {
        let Some(count) = self.kept.get_mut(&flow) else { return };
        *count -= 1;
        if *count == 0 {
            self.kept.remove(&flow);
            self.touch(flow);
        }
    }

    fn insert(&mut self, socket: SocketIndex, remote: SocketAddr, flow: FlowId, now: Time) -> FlowId {
        // Releasing a flow may have exceeded the maximum by one.
        while self.by_use.len() >= MAX_FLOWS
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            if let Some(gone) = self.flows.remove(&oldest) {
                self.by_peer.remove(&(gone.socket, gone.remote));
            }
        }
        let used = self.next_use();
        self.by_use.insert(used, flow);
        self.by_peer.insert((socket, remote), flow);
        let messages = RateLimit::new(self.rate, self.rate, now);
        self.flows.insert(flow, Flow { socket, remote, messages, used, last: None });
        flow
    }

    fn touch(&mut self, flow: FlowId) {
        if self.kept.contains_key(&flow) {
            return;
        }
        let used = self.next_use();
        if let Some(known) = self.flows.get_mut(&flow) {
            self.by_use.remove(&known.used);
            known.used = used;
            self.by_use.insert(used, flow);
        }
    }

    const fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}

#[cfg(test)]
mod tests;
