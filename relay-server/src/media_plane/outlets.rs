//! The open sockets of a worker and their send queues: the sockets shared by all browsers, and those of SIP legs.

use super::sockets::{self, WorkerSockets};
use super::sys::{self, Epoll};
use super::thread::Engine;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// A socket and its queue of datagrams to send.
struct Outlet {
    address: SocketAddr,
    socket: UdpSocket,
    waiting: Vec<(SocketAddr, Vec<u8>)>,
}

/// All sockets of a worker. The index of a socket is its key in epoll. Indexes of closed sockets are reused; a key that was reported
/// before its socket was closed then causes at most a read without data.
pub(super) struct Outlets {
    outlets: Vec<Option<Outlet>>,
    free: Vec<usize>,
    places: BTreeMap<SocketAddr, usize>,
    /// Indexes of sockets with queued datagrams.
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

    /// Opens a socket of a SIP leg.
    pub(super) fn open(&mut self, address: SocketAddr, epoll: &Epoll) -> io::Result<()> {
        let socket = sockets::bind_one(address)?;
        self.add(address, socket, epoll)
    }

    /// Sends the queued datagrams of a socket and closes it. Does nothing if the socket could not be opened.
    pub(super) fn close(&mut self, address: SocketAddr, engine: &mut impl Engine) {
        let Some(place) = self.places.remove(&address) else { return };
        if let Some(mut outlet) = self.outlets.get_mut(place).and_then(Option::take) {
            outlet.flush(engine);
            self.free.push(place);
        }
    }

    /// Returns the socket of a key that epoll reported, with its address.
    pub(super) fn get(&self, key: u64) -> Option<(SocketAddr, &UdpSocket)> {
        let outlet = self.outlets.get(usize::try_from(key).ok()?)?.as_ref()?;
        Some((outlet.address, &outlet.socket))
    }

    /// Queues a datagram to be sent from `local`, at the latest with the next [`Outlets::flush`].
    pub(super) fn send(&mut self, local: SocketAddr, remote: SocketAddr, payload: Vec<u8>, engine: &mut impl Engine) {
        let place = self.places.get(&local).copied();
        let outlet = place.and_then(|place| Some((place, self.outlets.get_mut(place)?.as_mut()?)));
        let Some((place, outlet)) = outlet else {
            tracing::debug!(%local, "media datagram dropped: the worker has no socket with this address");
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

    /// Sends all queued datagrams.
    pub(super) fn flush(&mut self, engine: &mut impl Engine) {
        for place in self.busy.drain(..) {
            if let Some(outlet) = self.outlets.get_mut(place).and_then(Option::as_mut) {
                outlet.flush(engine);
            }
        }
    }
}

impl Outlet {
    /// Sends all queued datagrams. Those that do not fit in the kernel's buffer are dropped, as on a congested link.
    fn flush(&mut self, engine: &mut impl Engine) {
        let mut rest = self.waiting.as_slice();
        while !rest.is_empty() {
            let gone = match sys::send(&self.socket, rest) {
                Ok(0) => break,
                Ok(sent) => sent,
                // The first datagram failed (no route, or the ICMP error of an earlier one); the others may succeed.
                Err(error) => {
                    tracing::debug!(%error, "sending a media datagram failed");
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
