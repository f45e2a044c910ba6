//! A worker's open sockets: those it shares among its browsers, and those of SIP legs, which come and go.

use super::sockets::{self, WorkerSockets};
use super::sys::{self, Epoll};
use super::thread::Engine;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// A socket and what waits to leave by it.
struct Outlet {
    address: SocketAddr,
    socket: UdpSocket,
    waiting: Vec<(SocketAddr, Vec<u8>)>,
}

/// All sockets of a worker. A socket's place is its key in epoll; the places of closed ones are used again, so that a key
/// that was reported before its socket closed finds nothing to read at worst.
pub(super) struct Outlets {
    outlets: Vec<Option<Outlet>>,
    free: Vec<usize>,
    places: BTreeMap<SocketAddr, usize>,
    /// Places where something waits to leave.
    busy: Vec<usize>,
}

impl Outlets {
    pub(super) fn new(sockets: WorkerSockets, epoll: &Epoll) -> io::Result<Self> {
        let mut outlets = Self { outlets: Vec::new(), free: Vec::new(), places: BTreeMap::new(), busy: Vec::new() };
        for (address, socket) in sockets.sockets {
            outlets.add(address, socket, epoll)?;
        }
        Ok(outlets)
    }

    fn add(&mut self, address: SocketAddr, socket: UdpSocket, epoll: &Epoll) -> io::Result<()> {
        let place = self.free.pop().unwrap_or(self.outlets.len());
        if let Err(error) = epoll.add(socket.as_raw_fd(), place as u64) {
            self.free.extend((place < self.outlets.len()).then_some(place));
            return Err(error);
        }
        let outlet = Some(Outlet { address, socket, waiting: Vec::new() });
        match self.outlets.get_mut(place) {
            Some(slot) => *slot = outlet,
            None => self.outlets.push(outlet),
        }
        self.places.insert(address, place);
        Ok(())
    }

    /// Opens a SIP leg's socket.
    pub(super) fn open(&mut self, address: SocketAddr, epoll: &Epoll) -> io::Result<()> {
        let socket = sockets::bind_one(address)?;
        self.add(address, socket, epoll)
    }

    /// Closes a socket after it sent what waits. One that could not be opened is not there.
    pub(super) fn close(&mut self, address: SocketAddr, engine: &mut impl Engine) {
        let Some(place) = self.places.remove(&address) else { return };
        if let Some(mut outlet) = self.outlets.get_mut(place).and_then(Option::take) {
            outlet.flush(engine);
            self.free.push(place);
        }
    }

    /// The socket of a key that epoll reported, with its address.
    pub(super) fn get(&self, key: u64) -> Option<(SocketAddr, &UdpSocket)> {
        let outlet = self.outlets.get(usize::try_from(key).ok()?)?.as_ref()?;
        Some((outlet.address, &outlet.socket))
    }

    /// Takes a datagram to be sent from `local`, at the latest with the next [`Outlets::flush`].
    pub(super) fn send(&mut self, local: SocketAddr, remote: SocketAddr, payload: Vec<u8>, engine: &mut impl Engine) {
        let place = self.places.get(&local).copied();
        let outlet = place.and_then(|place| Some((place, self.outlets.get_mut(place)?.as_mut()?)));
        let Some((place, outlet)) = outlet else {
            tracing::debug!("a datagram for an address this worker does not have");
            return engine.recycle(payload);
        };
        if outlet.waiting.is_empty() {
            self.busy.push(place);
        }
        outlet.waiting.push((remote, payload));
        if outlet.waiting.len() >= sys::BATCH {
            outlet.flush(engine);
        }
    }

    /// Sends all that waits.
    pub(super) fn flush(&mut self, engine: &mut impl Engine) {
        for place in self.busy.drain(..) {
            if let Some(outlet) = self.outlets.get_mut(place).and_then(Option::as_mut) {
                outlet.flush(engine);
            }
        }
    }
}

impl Outlet {
    /// Sends everything. What the kernel has no room for is lost, as on any full link.
    fn flush(&mut self, engine: &mut impl Engine) {
        let mut rest = self.waiting.as_slice();
        while !rest.is_empty() {
            let gone = match sys::send(&self.socket, rest) {
                Ok(0) => break,
                Ok(sent) => sent,
                // The first one cannot be sent (no route, ICMP error of an earlier one): the others may.
                Err(error) => {
                    tracing::debug!(%error, "sending media");
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
