//! A UDP NAT between a phone and the relay, like that of a home router: each mapping has a separate port, accepts only datagrams
//! of the relay, and expires after a time without datagrams.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// A running NAT. It ends when dropped.
pub struct Nat {
    inside: SocketAddr,
    /// The datagrams from outside to inside, in order.
    passed: watch::Receiver<Vec<String>>,
    _tasks: JoinSet<()>,
}

/// The mappings, by the address inside.
type Mappings = Arc<Mutex<BTreeMap<SocketAddr, Arc<UdpSocket>>>>;

impl Nat {
    /// Starts a NAT with the address `outside` toward `target`. Mappings expire after `lifetime` without a datagram from outside.
    ///
    /// # Panics
    /// Panics if there is no port for it.
    pub async fn start(outside: IpAddr, target: SocketAddr, lifetime: Duration) -> Self {
        let near = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port"));
        let inside = near.local_addr().expect("an address");
        let (seen, passed) = watch::channel(Vec::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(outward(near, outside, target, lifetime, seen));
        Self { inside, passed, _tasks: tasks }
    }

    /// The address that phones inside send to.
    #[must_use]
    pub const fn inside(&self) -> SocketAddr {
        self.inside
    }

    /// Waits until `count` requests of this method have passed from outside to inside.
    ///
    /// # Panics
    /// Panics if they do not.
    pub async fn passes(&mut self, method: &str, count: usize) {
        let start = format!("{method} ");
        let enough = |passed: &Vec<String>| passed.iter().filter(|text| text.starts_with(&start)).count() >= count;
        let waited = timeout(crate::wait::PATIENCE, self.passed.wait_for(enough)).await.is_ok();
        assert!(waited, "{count} {method} requests pass the NAT: {:?}", self.passed.borrow());
    }
}

async fn outward(
    near: Arc<UdpSocket>,
    outside: IpAddr,
    target: SocketAddr,
    lifetime: Duration,
    seen: watch::Sender<Vec<String>>,
) {
    let mappings = Mappings::default();
    let seen = Arc::new(seen);
    let mut returning = JoinSet::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, from)) = near.recv_from(&mut buffer).await else { continue };
        let known = mappings.lock().expect("no task panicked").get(&from).cloned();
        let far = match known {
            Some(far) => far,
            None => {
                let far = Arc::new(UdpSocket::bind((outside, 0)).await.expect("a port"));
                mappings.lock().expect("no task panicked").insert(from, Arc::clone(&far));
                let ends = End { inside: from, target, lifetime };
                returning.spawn(inward(Arc::clone(&near), ends, Arc::clone(&mappings), Arc::clone(&seen)));
                far
            }
        };
        let _ = far.send_to(buffer.get(..length).unwrap_or_default(), target).await;
    }
}

/// The two ends of a mapping.
#[derive(Clone, Copy)]
struct End {
    inside: SocketAddr,
    target: SocketAddr,
    lifetime: Duration,
}

/// Forwards datagrams to the inside until none was received for the lifetime, and then closes the socket.
async fn inward(near: Arc<UdpSocket>, ends: End, mappings: Mappings, seen: Arc<watch::Sender<Vec<String>>>) {
    let far = mappings.lock().expect("no task panicked").get(&ends.inside).cloned();
    let Some(far) = far else { return };
    let mut buffer = vec![0; 65_536];
    let mut until = Instant::now() + ends.lifetime;
    while let Ok(received) = timeout_at(until, far.recv_from(&mut buffer)).await {
        let Ok((length, from)) = received else { continue };
        if from != ends.target {
            continue;
        }
        until = Instant::now() + ends.lifetime;
        let datagram = buffer.get(..length).unwrap_or_default();
        let start = String::from_utf8_lossy(datagram).lines().next().unwrap_or_default().to_owned();
        let _ = near.send_to(datagram, ends.inside).await;
        seen.send_modify(|seen| seen.push(start));
    }
    mappings.lock().expect("no task panicked").remove(&ends.inside);
}
