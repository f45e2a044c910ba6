//! Tests of the table of UDP flows.

use super::{MAX_FLOWS, NEW_PEERS_PER_SECOND, SocketIndex, UdpFlows, Verdict};
use crate::transport::{FlowId, TransmissionId};
use core::cell::Cell;
use core::time::Duration;
use offhook_clock::Time;
use std::net::SocketAddr;

fn peer(number: u32) -> SocketAddr {
    SocketAddr::new(core::net::Ipv4Addr::from_bits(number).into(), 5_060)
}

/// A flow table that numbers flows in order of creation.
struct Flows {
    inner: UdpFlows,
    last: Cell<u64>,
}

impl Flows {
    fn new(now: Time) -> Self {
        Self { inner: UdpFlows::new(10, now), last: Cell::new(0) }
    }

    fn received(&mut self, socket: SocketIndex, remote: SocketAddr, now: Time) -> Verdict {
        let last = &self.last;
        self.inner.received(socket, remote, || FlowId(last.replace(last.get() + 1)), now)
    }

    fn toward(&mut self, socket: SocketIndex, remote: SocketAddr, now: Time) -> FlowId {
        let last = &self.last;
        self.inner.toward(socket, remote, || FlowId(last.replace(last.get() + 1)), now)
    }
}

fn flow(verdict: Verdict) -> FlowId {
    let Verdict::Flow(flow) = verdict else { panic!("{verdict:?}") };
    flow
}

#[test]
fn peer_has_one_flow_per_socket() {
    let now = Time::EPOCH;
    let mut flows = Flows::new(now);
    let first = flow(flows.received(0, peer(1), now));
    assert_eq!(flow(flows.received(0, peer(1), now)), first);
    assert_eq!(flows.toward(0, peer(1), now), first);
    let other_socket = flow(flows.received(1, peer(1), now));
    let other_peer = flows.toward(0, peer(2), now);
    assert!(first != other_socket && first != other_peer && other_socket != other_peer);
    assert_eq!(flows.inner.peer(other_socket), Some((1, peer(1))));
    assert_eq!(flows.inner.peer(FlowId(99)), None);
}

#[test]
fn peer_above_its_rate_is_dropped() {
    let now = Time::EPOCH;
    let mut flows = Flows::new(now);
    let heard = (0..100).filter(|_| flows.received(0, peer(1), now) != Verdict::TooFast).count();
    assert_eq!(heard, 10);
    assert!(matches!(flows.received(0, peer(2), now), Verdict::Flow(_)));
    assert!(matches!(flows.received(0, peer(1), now + Duration::from_millis(200)), Verdict::Flow(_)));
}

#[test]
fn flood_does_not_evict_active_peers() {
    let mut now = Time::EPOCH;
    let mut flows = Flows::new(now);
    let phone = flow(flows.received(0, peer(0), now));
    let server = flows.toward(0, peer(1), now);
    let mut taken = 0;
    let mut number = 2;
    for second in 0..100 {
        for _ in 0..2 * NEW_PEERS_PER_SECOND {
            number += 1;
            taken += u32::from(flows.received(0, peer(number), now) != Verdict::TooMany);
        }
        now = now + Duration::from_secs(1);
        if second % 30 == 0 {
            assert_eq!(flow(flows.received(0, peer(0), now)), phone);
            assert_eq!(flow(flows.received(0, peer(1), now)), server);
        }
    }
    assert!(taken <= 101 * NEW_PEERS_PER_SECOND && taken as usize > MAX_FLOWS, "{taken}");
    assert!(flows.inner.flows.len() <= MAX_FLOWS && flows.inner.by_peer.len() == flows.inner.by_use.len());
    assert_eq!(flow(flows.received(0, peer(0), now)), phone);
}

#[test]
fn flows_kept_for_phones_survive_a_flood() {
    let mut now = Time::EPOCH;
    let mut flows = Flows::new(now);
    let phone = flow(flows.received(0, peer(0), now));
    // Two bindings, or a binding and a call.
    flows.inner.keep(phone);
    flows.inner.keep(phone);
    flows.inner.release(phone);
    let mut flood = |flows: &mut Flows, first: u32| {
        for number in first..first + u32::try_from(MAX_FLOWS).unwrap() + 10 {
            now = now + Duration::from_millis(1);
            let _ = flows.received(0, peer(number), now);
        }
    };
    flood(&mut flows, 1);
    assert_eq!(flows.inner.peer(phone), Some((0, peer(0))));
    assert_eq!((flows.inner.by_use.len(), flows.inner.flows.len()), (MAX_FLOWS, MAX_FLOWS + 1));
    flows.inner.release(phone);
    assert_eq!(flows.inner.peer(phone), Some((0, peer(0))), "the flow was used recently");
    flood(&mut flows, 100_000);
    assert_eq!(flows.inner.peer(phone), None);
    assert_eq!(
        (flows.inner.by_use.len(), flows.inner.flows.len(), flows.inner.by_peer.len()),
        (MAX_FLOWS, MAX_FLOWS, MAX_FLOWS)
    );
    flows.inner.keep(phone);
    flows.inner.release(phone);
}

#[test]
fn icmp_error_refers_to_last_transmission() {
    let now = Time::EPOCH;
    let mut flows = Flows::new(now);
    let server = flows.toward(0, peer(1), now);
    flows.inner.sent(server, TransmissionId(1));
    flows.inner.sent(server, TransmissionId(2));
    assert_eq!(flows.inner.refused(1, peer(1)), None);
    assert_eq!(flows.inner.refused(0, peer(1)), Some(TransmissionId(2)));
    assert_eq!(flows.inner.refused(0, peer(1)), None);
}
