//! Lossy network for SIP over UDP: the first copy of each message is lost, in both directions.

use crate::wire::header;
use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::UdpSocket;

/// Forwards datagrams to one address, and responses to their source.
pub struct Lossy {
    address: SocketAddr,
    lost: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lossy {
    /// Starts a forwarder to `target`.
    ///
    /// # Panics
    /// Panics if no port is available.
    pub async fn to(target: SocketAddr) -> Self {
        let near = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port"));
        let address = near.local_addr().expect("an address");
        let lost = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(forward(near, target, Arc::clone(&lost)));
        Self { address, lost, task }
    }

    /// Returns the address that it receives datagrams on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of lost datagrams.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Returns the parts that a message and its retransmissions have in common. A repeated ACK may have another branch.
fn identity(datagram: &[u8]) -> String {
    let text = String::from_utf8_lossy(datagram);
    let start = text.lines().next().unwrap_or_default();
    let header = |name| header(&text, name).unwrap_or_default();
    format!("{start}|{}|{}", header("Call-ID"), header("CSeq"))
}

async fn forward(near: Arc<UdpSocket>, target: SocketAddr, lost: Arc<AtomicUsize>) {
    let mut seen = BTreeSet::new();
    // One socket per source, so that responses can be assigned to it.
    let mut sockets: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut answering = tokio::task::JoinSet::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, from)) = near.recv_from(&mut buffer).await else { continue };
        let datagram = buffer.get(..length).unwrap_or_default();
        let far = match sockets.get(&from) {
            Some(far) => Arc::clone(far),
            None => {
                let far = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port"));
                answering.spawn(back(Arc::clone(&far), Arc::clone(&near), from, Arc::clone(&lost)));
                sockets.insert(from, Arc::clone(&far));
                far
            }
        };
        if seen.insert(identity(datagram)) {
            lost.fetch_add(1, Ordering::Relaxed);
        } else {
            let _ = far.send_to(datagram, target).await;
        }
    }
}

async fn back(far: Arc<UdpSocket>, near: Arc<UdpSocket>, to: SocketAddr, lost: Arc<AtomicUsize>) {
    let mut seen = BTreeSet::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, _)) = far.recv_from(&mut buffer).await else { continue };
        let datagram = buffer.get(..length).unwrap_or_default();
        if seen.insert(identity(datagram)) {
            lost.fetch_add(1, Ordering::Relaxed);
        } else {
            let _ = near.send_to(datagram, to).await;
        }
    }
}
