//! The flows of UDP: one per socket and peer, as many as memory allows, and not more new ones than a flood would make.

use offhook_clock::Time;
use offhook_limits::RateLimit;
use offhook_sip::transport::{FlowId, TransmissionId};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Peers remembered besides those of registered phones and calls. The flow that was not used for longest is forgotten first.
const MOST: usize = 65_536;
/// Peers not heard of before that are taken, a second: with forged addresses, a flood has as many peers as it likes, and
/// would push out those who keep their flows alive every half minute.
const NEW_A_SECOND: u32 = 1_000;

/// One of the relay's UDP sockets, by its place in their list.
pub(super) type SocketIndex = usize;

/// What happens to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It belongs to this flow.
    Flow(FlowId),
    /// Its peer sends too much.
    TooFast,
    /// There are too many new peers.
    TooMany,
}

struct Flow {
    socket: SocketIndex,
    remote: SocketAddr,
    messages: RateLimit,
    /// Its place among the others by the time they were used last.
    used: u64,
    /// What was sent last, for when the network says that nobody is there.
    last: Option<TransmissionId>,
}

/// All of them.
pub(super) struct UdpFlows {
    numbers: Arc<AtomicU64>,
    rate: u32,
    new: RateLimit,
    flows: BTreeMap<FlowId, Flow>,
    by_peer: BTreeMap<(SocketIndex, SocketAddr), FlowId>,
    /// Flows that may be forgotten, by the time they were used last.
    by_use: BTreeMap<u64, FlowId>,
    /// How many registered phones and calls depend on a flow.
    kept: BTreeMap<FlowId, u32>,
    uses: u64,
}

impl UdpFlows {
    /// None yet. Numbers are drawn from `numbers`; each peer may send `rate` messages a second.
    pub(super) fn new(numbers: Arc<AtomicU64>, rate: u32, now: Time) -> Self {
        Self {
            numbers,
            rate,
            new: RateLimit::new(NEW_A_SECOND, NEW_A_SECOND, now),
            flows: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            by_use: BTreeMap::new(),
            kept: BTreeMap::new(),
            uses: 0,
        }
    }

    /// A datagram came.
    pub(super) fn received(&mut self, socket: SocketIndex, remote: SocketAddr, now: Time) -> Verdict {
        let known = self.by_peer.get(&(socket, remote)).copied();
        if known.is_none() && !self.new.take(now) {
            return Verdict::TooMany;
        }
        let flow = known.unwrap_or_else(|| self.insert(socket, remote, now));
        self.touch(flow);
        match self.flows.get_mut(&flow).map(|known| known.messages.take(now)) {
            Some(true) => Verdict::Flow(flow),
            Some(false) | None => Verdict::TooFast,
        }
    }

    /// Something goes to a peer; its answer will not come from somebody new.
    pub(super) fn toward(&mut self, socket: SocketIndex, remote: SocketAddr, now: Time) -> FlowId {
        let known = self.by_peer.get(&(socket, remote)).copied();
        let flow = known.unwrap_or_else(|| self.insert(socket, remote, now));
        self.touch(flow);
        flow
    }

    /// Where a flow leads.
    pub(super) fn peer(&self, flow: FlowId) -> Option<(SocketIndex, SocketAddr)> {
        self.flows.get(&flow).map(|flow| (flow.socket, flow.remote))
    }

    /// Remembers what went out last.
    pub(super) fn sent(&mut self, flow: FlowId, transmission: TransmissionId) {
        if let Some(flow) = self.flows.get_mut(&flow) {
            flow.last = Some(transmission);
        }
    }

    /// The network says that nobody is there: what was sent last did not arrive.
    pub(super) fn refused(&mut self, socket: SocketIndex, remote: SocketAddr) -> Option<TransmissionId> {
        let flow = self.by_peer.get(&(socket, remote))?;
        self.flows.get_mut(flow)?.last.take()
    }

    /// Protects a flow from being forgotten: a registered phone or a call depends on it.
    pub(super) fn keep(&mut self, flow: FlowId) {
        if let Some(known) = self.flows.get(&flow) {
            self.by_use.remove(&known.used);
            *self.kept.entry(flow).or_insert(0) += 1;
        }
    }

    /// Ends one protection of a flow.
    pub(super) fn release(&mut self, flow: FlowId) {
        let Some(count) = self.kept.get_mut(&flow) else { return };
        *count -= 1;
        if *count == 0 {
            self.kept.remove(&flow);
            self.touch(flow);
        }
    }

    fn insert(&mut self, socket: SocketIndex, remote: SocketAddr, now: Time) -> FlowId {
        // A flow that was released may have made one too many.
        while self.by_use.len() >= MOST
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            if let Some(gone) = self.flows.remove(&oldest) {
                self.by_peer.remove(&(gone.socket, gone.remote));
            }
        }
        let flow = FlowId(self.numbers.fetch_add(1, Ordering::Relaxed));
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
mod tests {
    use super::{MOST, NEW_A_SECOND, UdpFlows, Verdict};
    use core::time::Duration;
    use offhook_clock::Time;
    use offhook_sip::transport::{FlowId, TransmissionId};
    use std::net::SocketAddr;
    use std::sync::Arc;

    fn peer(number: u32) -> SocketAddr {
        SocketAddr::new(core::net::Ipv4Addr::from_bits(number).into(), 5_060)
    }

    fn flow(verdict: Verdict) -> FlowId {
        let Verdict::Flow(flow) = verdict else { panic!("{verdict:?}") };
        flow
    }

    #[test]
    fn a_peer_keeps_its_flow_and_has_one_on_each_socket() {
        let now = Time::EPOCH;
        let mut flows = UdpFlows::new(Arc::default(), 10, now);
        let first = flow(flows.received(0, peer(1), now));
        assert_eq!(flow(flows.received(0, peer(1), now)), first);
        assert_eq!(flows.toward(0, peer(1), now), first);
        let other_socket = flow(flows.received(1, peer(1), now));
        let other_peer = flows.toward(0, peer(2), now);
        assert!(first != other_socket && first != other_peer && other_socket != other_peer);
        assert_eq!(flows.peer(other_socket), Some((1, peer(1))));
        assert_eq!(flows.peer(FlowId(99)), None);
    }

    #[test]
    fn who_sends_too_much_is_not_heard_and_others_are() {
        let now = Time::EPOCH;
        let mut flows = UdpFlows::new(Arc::default(), 10, now);
        let heard = (0..100).filter(|_| flows.received(0, peer(1), now) != Verdict::TooFast).count();
        assert_eq!(heard, 10);
        assert!(matches!(flows.received(0, peer(2), now), Verdict::Flow(_)));
        assert!(matches!(flows.received(0, peer(1), now + Duration::from_millis(200)), Verdict::Flow(_)));
    }

    #[test]
    fn a_flood_from_forged_addresses_pushes_nobody_out_who_speaks_now_and_then() {
        let mut now = Time::EPOCH;
        let mut flows = UdpFlows::new(Arc::default(), 10, now);
        let phone = flow(flows.received(0, peer(0), now));
        let server = flows.toward(0, peer(1), now);
        let mut taken = 0;
        let mut number = 2;
        for second in 0..100 {
            for _ in 0..2 * NEW_A_SECOND {
                number += 1;
                taken += u32::from(flows.received(0, peer(number), now) != Verdict::TooMany);
            }
            now = now + Duration::from_secs(1);
            if second % 30 == 0 {
                assert_eq!(flow(flows.received(0, peer(0), now)), phone);
                assert_eq!(flow(flows.received(0, peer(1), now)), server);
            }
        }
        assert!(taken <= 101 * NEW_A_SECOND && taken as usize > MOST, "{taken}");
        assert!(flows.flows.len() <= MOST && flows.by_peer.len() == flows.by_use.len());
        assert_eq!(flow(flows.received(0, peer(0), now)), phone);
    }

    #[test]
    fn flows_that_phones_depend_on_survive_a_flood() {
        let mut now = Time::EPOCH;
        let mut flows = UdpFlows::new(Arc::default(), 10, now);
        let phone = flow(flows.received(0, peer(0), now));
        // Two bindings, or a binding and a call.
        flows.keep(phone);
        flows.keep(phone);
        flows.release(phone);
        let mut flood = |flows: &mut UdpFlows, first: u32| {
            for number in first..first + u32::try_from(MOST).unwrap() + 10 {
                now = now + Duration::from_millis(1);
                let _ = flows.received(0, peer(number), now);
            }
        };
        flood(&mut flows, 1);
        assert_eq!(flows.peer(phone), Some((0, peer(0))));
        assert_eq!((flows.by_use.len(), flows.flows.len()), (MOST, MOST + 1));
        flows.release(phone);
        assert_eq!(flows.peer(phone), Some((0, peer(0))), "it was used just now");
        flood(&mut flows, 100_000);
        assert_eq!(flows.peer(phone), None);
        assert_eq!((flows.by_use.len(), flows.flows.len(), flows.by_peer.len()), (MOST, MOST, MOST));
        flows.keep(phone);
        flows.release(phone);
    }

    #[test]
    fn what_was_sent_last_is_what_the_network_refuses() {
        let now = Time::EPOCH;
        let mut flows = UdpFlows::new(Arc::default(), 10, now);
        let server = flows.toward(0, peer(1), now);
        flows.sent(server, TransmissionId(1));
        flows.sent(server, TransmissionId(2));
        assert_eq!(flows.refused(1, peer(1)), None);
        assert_eq!(flows.refused(0, peer(1)), Some(TransmissionId(2)));
        assert_eq!(flows.refused(0, peer(1)), None);
    }
}
