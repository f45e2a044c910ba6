//! Binding the sockets of a media worker: one for each address, all with the same port, and those of its SIP legs.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Number of attempts to find a port that is free on all addresses.
const ATTEMPTS: usize = 50;
/// Size of the kernel buffers of a shared socket, enough for a burst of a few hundred video packets.
const KERNEL_BUFFER: usize = 1_048_576;
/// Size of the kernel buffers of a SIP leg's socket, which carries one stream.
const SINGLE_BUFFER: usize = 262_144;

/// The sockets of one worker.
#[derive(Debug)]
pub struct WorkerSockets {
    pub(super) sockets: Vec<(SocketAddr, UdpSocket)>,
}

impl WorkerSockets {
    /// Returns the bound addresses, in the order of the call of [`bind`].
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|(address, _)| *address).collect()
    }
}

/// Binds one socket for each address on `port`; 0 selects a port that is free on all of them.
///
/// Each address has its own socket, because a STUN response must be sent from the address that received the request (RFC 8445 §7.2.2).
///
/// # Errors
/// If an address cannot be bound; the message contains the address.
pub fn bind(addresses: &[IpAddr], port: u16) -> io::Result<WorkerSockets> {
    let mut attempts = if port == 0 { ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match bind_all(addresses, port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            result => return result.map(|sockets| WorkerSockets { sockets }),
        }
    }
}

fn bind_all(addresses: &[IpAddr], mut port: u16) -> io::Result<Vec<(SocketAddr, UdpSocket)>> {
    let mut sockets = Vec::with_capacity(addresses.len());
    for ip in addresses {
        let socket = open(SocketAddr::new(*ip, port), KERNEL_BUFFER)?;
        let address = socket.local_addr()?;
        port = address.port();
        sockets.push((address, socket));
    }
    Ok(sockets)
}

/// Binds the socket of one stream of a SIP leg.
pub(super) fn bind_one(address: SocketAddr) -> io::Result<UdpSocket> {
    open(address, SINGLE_BUFFER)
}

fn open(address: SocketAddr, buffer: usize) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("media address {address}: {error}")))?;
    socket.set_nonblocking(true)?;
    let options = socket2::SockRef::from(&socket);
    options.set_recv_buffer_size(buffer)?;
    options.set_send_buffer_size(buffer)?;
    Ok(socket)
}
