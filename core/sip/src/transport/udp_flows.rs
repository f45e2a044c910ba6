//! The flows of UDP: one for each socket and peer. Their number is bounded, and new ones are limited by rate, so that a flood from
//! forged addresses does not replace those of real peers.

use super::{FlowId, TransmissionId};
use offhook_clock::Time;
use offhook_limits::RateLimit;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The most flows besides those of registered phones and calls. One more replaces the least recently used one.
const MOST: usize = 65_536;
/// The most new peers a second. A flood with forged addresses has any number of peers and would replace the flows of phones
/// that send a keep-alive every 30 s.
const NEW_A_SECOND: u32 = 1_000;

/// One of the relay's UDP sockets, by its position in their list.
pub type SocketIndex = usize;

/// The result for a received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to this flow.
    Flow(FlowId),
    /// Its peer exceeds its rate.
    TooFast,
    /// There are too many new peers a second.
    TooMany,
}

#[derive(Debug)]
struct Flow {
    socket: SocketIndex,
    remote: SocketAddr,
    messages: RateLimit,
    /// Its position in the order of last use.
    used: u64,
    /// The last transmission, which an ICMP error is about.
    last: Option<TransmissionId>,
}

/// The flows.
#[derive(Debug)]
pub struct UdpFlows {
    rate: u32,
    new: RateLimit,
    flows: BTreeMap<FlowId, Flow>,
    by_peer: BTreeMap<(SocketIndex, SocketAddr), FlowId>,
    /// Flows that may be replaced, in the order of last use.
    by_use: BTreeMap<u64, FlowId>,
    /// The number of registered phones and calls that depend on a flow.
    kept: BTreeMap<FlowId, u32>,
    uses: u64,
}

impl UdpFlows {
    /// No flows. Each peer may send `rate` messages a second.
    #[must_use]
    pub const fn new(rate: u32, now: Time) -> Self {
        Self {
            rate,
            new: RateLimit::new(NEW_A_SECOND, NEW_A_SECOND, now),
            flows: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            by_use: BTreeMap::new(),
            kept: BTreeMap::new(),
            uses: 0,
        }
    }

    /// Finds the flow of a received datagram. `number` numbers a new one.
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

    /// Finds the flow of a datagram to a peer, whose response is not limited as one from a new peer. `number` numbers a new one.
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

    /// The socket and the peer of a flow.
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

    /// Returns the transmission that an ICMP error of a peer is about.
    pub fn refused(&mut self, socket: SocketIndex, remote: SocketAddr) -> Option<TransmissionId> {
        let flow = self.by_peer.get(&(socket, remote))?;
        self.flows.get_mut(flow)?.last.take()
    }

    /// Keeps a flow, because a registered phone or a call depends on it.
    pub fn keep(&mut self, flow: FlowId) {
        if let Some(known) = self.flows.get(&flow) {
            self.by_use.remove(&known.used);
            *self.kept.entry(flow).or_insert(0) += 1;
        }
    }

    /// Ends one [`Self::keep`] of a flow.
    pub fn release(&mut self, flow: FlowId) {
        let Some(count) = self.kept.get_mut(&flow) else { return };
        *count -= 1;
        if *count == 0 {
            self.kept.remove(&flow);
            self.touch(flow);
        }
    }

    fn insert(&mut self, socket: SocketIndex, remote: SocketAddr, flow: FlowId, now: Time) -> FlowId {
        // A flow that was released may have made one too many.
        while self.by_use.len() >= MOST
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
