//! The open UDP sockets of a media worker: those that its WebRTC legs share, and those of SIP legs, which are opened and
//! closed with the legs.

use super::sockets::{self, WorkerSockets};
use super::sys::{Epoll, Outbox};
use super::thread::Engine;
use offhook_media::socket::{Local, PortId};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// The bit that distinguishes the epoll keys of shared sockets from those of ports.
const SHARED: u64 = 1 << 32;

/// A socket that WebRTC legs share, and the datagrams to be sent from it.
struct Shared {
    address: SocketAddr,
    socket: UdpSocket,
    is_ready: bool,
    waiting: Vec<(SocketAddr, Vec<u8>)>,
}

/// The socket of one media stream of a SIP leg.
struct Port {
    socket: UdpSocket,
    is_ready: bool,
}

/// A socket that epoll reported.
pub(super) enum Readable<'a> {
    /// It carries the datagrams of many peers.
    Shared(Local, &'a UdpSocket),
    /// It carries one stream.
    Port(Local, &'a UdpSocket),
}

/// All sockets of a worker. The number of a port is its index in the array and its epoll key. Epoll may report the key of a
/// socket that has been closed since. The key then refers to no socket, or to a newer one, for which an attempt to read has
/// no effect if nothing has arrived.
pub(super) struct SocketTable {
    shared: Vec<Shared>,
    ports: Vec<Option<Port>>,
}

impl SocketTable {
    pub(super) fn new(sockets: WorkerSockets, epoll: &Epoll) -> io::Result<Self> {
        let mut shared = Vec::new();
        for ((address, socket), key) in sockets.sockets.into_iter().zip(SHARED..) {
            epoll.add(socket.as_raw_fd(), key)?;
            shared.push(Shared { address, socket, is_ready: false, waiting: Vec::new() });
        }
        Ok(Self { shared, ports: Vec::new() })
    }

    /// Opens a SIP leg's socket.
    pub(super) fn open(&mut self, port: PortId, address: SocketAddr, epoll: &Epoll) -> io::Result<()> {
        let socket = sockets::bind_one(address)?;
        epoll.add(socket.as_raw_fd(), port.index() as u64)?;
        if self.ports.len() <= port.index() {
            self.ports.resize_with(port.index() + 1, || None);
        }
        if let Some(place) = self.ports.get_mut(port.index()) {
            *place = Some(Port { socket, is_ready: false });
        }
        Ok(())
    }

    /// Closes a socket. Has no effect if the socket could not be opened.
    pub(super) fn close(&mut self, port: PortId) {
        if let Some(place) = self.ports.get_mut(port.index()) {
            *place = None;
        }
    }

    /// The socket of a key that epoll reported.
    pub(super) fn get(&self, key: u64) -> Option<Readable<'_>> {
        if let Some(place) = key.checked_sub(SHARED) {
            let shared = self.shared.get(usize::try_from(place).ok()?)?;
            return Some(Readable::Shared(Local::Shared(shared.address), &shared.socket));
        }
        let place = u32::try_from(key).ok()?;
        let port = self.ports.get(place as usize)?.as_ref()?;
        Some(Readable::Port(Local::Port(PortId::at(place)), &port.socket))
    }

    /// Records whether the socket of a key is in the list of sockets to be read. Returns the value before; it is true for a
    /// socket that does not exist, so that its key is not added to the list.
    pub(super) fn set_ready(&mut self, key: u64, is_ready: bool) -> bool {
        let noted = match key.checked_sub(SHARED) {
            Some(place) => {
                usize::try_from(place).ok().and_then(|place| Some(&mut self.shared.get_mut(place)?.is_ready))
            }
            None => {
                usize::try_from(key).ok().and_then(|place| Some(&mut self.ports.get_mut(place)?.as_mut()?.is_ready))
            }
        };
        noted.is_none_or(|noted| core::mem::replace(noted, is_ready))
    }

    /// Sends a datagram: from a port at once, from a shared socket at the latest with the next [`SocketTable::flush`]. A
    /// datagram is lost if the send buffer of the socket is full.
    pub(super) fn send(
        &mut self,
        (local, remote): (Local, SocketAddr),
        payload: Vec<u8>,
        outbox: &mut Outbox,
        engine: &mut impl Engine,
    ) {
        match local {
            Local::Port(port) => {
                if let Some(Some(port)) = self.ports.get(port.index())
                    && let Err(error) = port.socket.send_to(&payload, remote)
                {
                    tracing::debug!(%error, "media datagram not sent");
                }
                engine.recycle(payload);
            }
            Local::Shared(address) => {
                let Some(shared) = self.shared.iter_mut().find(|shared| shared.address == address) else {
                    tracing::debug!(%address, "media datagram not sent: the worker has no socket on its source address");
                    return engine.recycle(payload);
                };
                shared.waiting.push((remote, payload));
                if shared.waiting.len() >= super::sys::BATCH {
                    shared.flush(outbox, engine);
                }
            }
        }
    }

    /// Sends all queued datagrams.
    pub(super) fn flush(&mut self, outbox: &mut Outbox, engine: &mut impl Engine) {
        for shared in &mut self.shared {
            shared.flush(outbox, engine);
        }
    }
}

impl Shared {
    fn flush(&mut self, outbox: &mut Outbox, engine: &mut impl Engine) {
        let mut rest = self.waiting.as_slice();
        while !rest.is_empty() {
            let gone = match outbox.send(&self.socket, rest) {
                Ok(0) => break,
                Ok(sent) => sent,
                // The first datagram failed (no route, or the ICMP error of an earlier one); the others may succeed.
                Err(error) => {
                    tracing::debug!(%error, "media datagram not sent");
                    1
                }
            };
            rest = rest.get(gone..).unwrap_or(&[]);
        }
        for (_, buffer) in self.waiting.drain(..) {
            engine.recycle(buffer);
        }
    }
}
