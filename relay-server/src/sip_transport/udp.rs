//! SIP over UDP: one socket per address, so that a response is sent from the address that received the request (RFC 3581 §4).

use super::icmp;
use super::numbers::FlowNumbers;
use super::report::{Report, SipCounters};
use crate::clock::Clock;
use crate::supervisor::Supervisor;
use offhook_sip::transport::udp_flows::{SocketIndex, UdpFlows, Verdict};
use offhook_sip::transport::{FlowId, Source, Target, TransmissionId, Transport};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Size of the kernel's receive and send buffers, which store bursts of datagrams.
const KERNEL_BUFFER: usize = 4_194_304;
/// Maximum length of a datagram.
const DATAGRAM: usize = 65_535;
/// Maximum number of cached routes.
const ROUTES: usize = 4_096;

/// The flows of all sockets.
pub(super) struct SharedFlows {
    flows: Mutex<UdpFlows>,
    numbers: FlowNumbers,
    clock: Clock,
}

impl SharedFlows {
    /// Creates an empty table. Each peer may send `rate` messages a second.
    pub(super) fn new(numbers: FlowNumbers, rate: u32, clock: Clock) -> Self {
        Self { flows: Mutex::new(UdpFlows::new(rate, clock.now())), numbers, clock }
    }

    fn lock(&self) -> MutexGuard<'_, UdpFlows> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn received(&self, socket: SocketIndex, remote: SocketAddr) -> Verdict {
        self.lock().received(socket, remote, || self.numbers.next(), self.clock.now())
    }
}

/// The UDP sockets and their flows.
pub(super) struct Udp {
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
    flows: Arc<SharedFlows>,
    /// Cached routes: the socket from which an address is reached.
    routes: BTreeMap<IpAddr, SocketIndex>,
    _receivers: JoinSet<()>,
}

impl Udp {
    /// Starts receiving on bound sockets.
    pub(super) fn start(
        bound: Vec<StdSocket>,
        flows: SharedFlows,
        reports: &mpsc::Sender<Report>,
        counters: &Arc<SipCounters>,
        supervisor: &Supervisor,
    ) -> io::Result<Self> {
        let flows = Arc::new(flows);
        let mut receivers = JoinSet::new();
        let mut sockets = Vec::with_capacity(bound.len());
        for (index, socket) in bound.into_iter().enumerate() {
            let local = socket.local_addr()?;
            icmp::listen(socket.as_fd(), local.is_ipv6())?;
            let socket = Arc::new(UdpSocket::from_std(socket)?);
            let receiver = Receiver {
                index,
                local,
                socket: Arc::clone(&socket),
                flows: Arc::clone(&flows),
                reports: reports.clone(),
                counters: Arc::clone(counters),
            };
            receivers.spawn(supervisor.supervise("SIP socket", receiver.run()));
            sockets.push((local, socket));
        }
        Ok(Self { sockets, flows, routes: BTreeMap::new(), _receivers: receivers })
    }

    /// Sends on a flow. `None`: it is not a UDP flow.
    pub(super) fn answer(&self, flow: FlowId, transmission: TransmissionId, octets: &[u8]) -> Option<bool> {
        let mut flows = self.flows.lock();
        let (socket, remote) = flows.peer(flow)?;
        flows.sent(flow, transmission);
        drop(flows);
        Some(self.send(socket, remote, octets))
    }

    /// Sends to an address. Returns false if there is no route.
    pub(super) fn send_to(&mut self, target: &Target, transmission: TransmissionId, octets: &[u8]) -> bool {
        let Some(socket) = self.route(target.address) else { return false };
        let mut flows = self.flows.lock();
        let flow = flows.toward(socket, target.address, || self.flows.numbers.next(), self.flows.clock.now());
        flows.sent(flow, transmission);
        drop(flows);
        self.send(socket, target.address, octets)
    }

    /// See [`UdpFlows::keep`].
    pub(super) fn keep_flow(&self, flow: FlowId) {
        self.flows.lock().keep(flow);
    }

    /// See [`UdpFlows::release`].
    pub(super) fn release_flow(&self, flow: FlowId) {
        self.flows.lock().release(flow);
    }

    /// Clears the cached routes, after the addresses of this machine have changed.
    pub(super) fn forget_routes(&mut self) {
        self.routes.clear();
    }

    /// Sends a datagram. It is lost silently if the buffer is full, as in any router; other errors are reported.
    fn send(&self, socket: SocketIndex, remote: SocketAddr, octets: &[u8]) -> bool {
        let Some((_, socket)) = self.sockets.get(socket) else { return false };
        // The first attempt may return the error of an earlier datagram (ECONNREFUSED).
        for _ in 0..2 {
            match socket2::SockRef::from(&**socket).send_to(octets, &remote.into()) {
                Ok(_) => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) => tracing::debug!(%error, %remote, "sending a SIP datagram failed"),
            }
        }
        false
    }

    fn route(&mut self, remote: SocketAddr) -> Option<SocketIndex> {
        if let Some(known) = self.routes.get(&remote.ip()) {
            return Some(*known);
        }
        let same_family = |(_, (local, _)): &(usize, &(SocketAddr, _))| local.is_ipv6() == remote.is_ipv6();
        let mut candidates = self.sockets.iter().enumerate().filter(same_family);
        let from = source_toward(remote);
        let exact = candidates.clone().find(|(_, (local, _))| Some(local.ip()) == from);
        let (found, _) = exact.or_else(|| candidates.next())?;
        if self.routes.len() >= ROUTES {
            self.routes.clear();
        }
        self.routes.insert(remote.ip(), found);
        Some(found)
    }
}

/// Returns the source address of packets to `remote`. Connecting a UDP socket selects a route without sending a packet.
pub(super) fn source_toward(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = StdSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

/// Binds a socket with large kernel buffers.
pub(super) fn bind(address: SocketAddr) -> io::Result<StdSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    Ok(socket.into())
}

struct Receiver {
    index: SocketIndex,
    local: SocketAddr,
    socket: Arc<UdpSocket>,
    flows: Arc<SharedFlows>,
    reports: mpsc::Sender<Report>,
    counters: Arc<SipCounters>,
}

impl Receiver {
    async fn run(self) {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            match self.socket.ready(Interest::READABLE | Interest::ERROR).await {
                Ok(ready) => {
                    if ready.is_error() {
                        self.read_errors();
                    }
                    self.read(&mut buffer);
                }
                Err(error) => {
                    tracing::error!(%error, local = %self.local, "reading a SIP socket failed");
                    return;
                }
            }
            // Other tasks run, even if a flood keeps the socket readable.
            tokio::task::yield_now().await;
        }
    }

    fn read(&self, buffer: &mut [u8]) {
        const TURN: usize = 64;
        for _ in 0..TURN {
            match self.socket.try_recv_from(buffer) {
                Ok((length, remote)) => self.take(buffer.get(..length).unwrap_or_default(), remote),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The error of an earlier datagram; the error queue contains the details.
                Err(error) => tracing::trace!(%error, "receiving a SIP datagram failed"),
            }
        }
    }

    fn take(&self, octets: &[u8], remote: SocketAddr) {
        let flow = match self.flows.received(self.index, remote) {
            Verdict::Flow(flow) => flow,
            Verdict::TooFast | Verdict::TooMany => return self.counters.drop_one(),
        };
        // Keep-alives of phones behind NATs (line ends, zeros) contain no message and need no response.
        if octets.iter().all(|octet| matches!(octet, b'\r' | b'\n' | b' ' | 0)) {
            return;
        }
        let source = Source { flow, transport: Transport::Udp, local: self.local, remote };
        // If the queue is full, the datagram is dropped and its sender retransmits it, so that other sources are not delayed.
        if self.reports.try_send(Report::Received { source, octets: octets.to_vec(), place: None }).is_err() {
            self.counters.drop_one();
        }
    }

    fn read_errors(&self) {
        // Clears the readiness if the queue is empty.
        let next = || self.socket.try_io(Interest::ERROR, || icmp::next_refused(self.socket.as_fd()));
        while let Ok(refused) = next() {
            let Some(remote) = refused else { continue };
            tracing::debug!(%remote, "ICMP error: SIP datagram was not delivered");
            let transmission = self.flows.lock().refused(self.index, remote);
            if let Some(transmission) = transmission {
                let _ = self.reports.try_send(Report::NotSent(transmission));
            }
        }
    }
}
