//! One media worker's thread: receive a batch, let the machine work, send batches, sleep until the next deadline.

use super::sockets::WorkerSockets;
use super::sys::{self, Bell, Epoll, Inbox};
use crate::clock::Clock;
use offhook_clock::Time;
use offhook_media::command::{Command, Event};
use offhook_media::worker::{Output, Worker};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

/// The machine a media thread drives.
pub trait Engine: Send + 'static {
    /// Takes an order.
    fn handle_command(&mut self, command: Command, now: Time);
    /// Takes a datagram that came to `local` from `remote`; it may be decrypted in place.
    fn handle_datagram(&mut self, local: SocketAddr, remote: SocketAddr, packet: &mut [u8], now: Time);
    /// Does what is due.
    fn handle_timeout(&mut self, now: Time);
    /// The next thing to do.
    fn poll_output(&mut self) -> Option<Output>;
    /// When to call `handle_timeout`.
    fn poll_timeout(&self) -> Option<Time>;
    /// Takes the buffer of a sent datagram back.
    fn recycle(&mut self, buffer: Vec<u8>);
}

impl Engine for Worker {
    fn handle_command(&mut self, command: Command, now: Time) {
        self.handle_command(command, now);
    }

    fn handle_datagram(&mut self, local: SocketAddr, remote: SocketAddr, packet: &mut [u8], now: Time) {
        self.handle_datagram(local, remote, packet, now);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.poll_output()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.poll_timeout()
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        self.recycle(buffer);
    }
}

/// A running media worker. Dropping it ends the thread after what was ordered is done.
#[derive(Debug)]
pub struct MediaThread {
    commands: Option<Sender<Command>>,
    bell: Arc<BellBox>,
    thread: Option<JoinHandle<()>>,
}

struct BellBox(Bell);

impl core::fmt::Debug for BellBox {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Bell")
    }
}

impl MediaThread {
    /// Passes an order; never waits. False when the thread has ended.
    #[must_use]
    pub fn order(&self, command: Command) -> bool {
        let passed = self.commands.as_ref().is_some_and(|commands| commands.send(command).is_ok());
        self.bell.0.ring();
        passed
    }
}

impl Drop for MediaThread {
    fn drop(&mut self) {
        self.commands = None;
        self.bell.0.ring();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a media worker panicked");
        }
    }
}

/// Starts a worker's thread. `report` must not wait for whoever orders this worker; `ended` is called when the thread
/// ends without having been told to, be it by a panic.
///
/// # Errors
/// When the system has no descriptor or thread to give.
pub fn spawn<E: Engine>(
    name: String,
    sockets: WorkerSockets,
    engine: E,
    clock: Clock,
    report: impl FnMut(Event) + Send + 'static,
    ended: impl FnOnce() + Send + 'static,
) -> io::Result<MediaThread> {
    let epoll = Epoll::new()?;
    let bell = Arc::new(BellBox(Bell::new()?));
    epoll.add(bell.0.fd(), BELL)?;
    let mut outlets = Vec::with_capacity(sockets.sockets.len());
    for (key, (address, socket)) in sockets.sockets.into_iter().enumerate() {
        epoll.add(socket.as_raw_fd(), key as u64)?;
        outlets.push(Outlet { address, socket, waiting: Vec::with_capacity(sys::BATCH) });
    }
    let (commands, orders) = channel();
    let own_bell = Arc::clone(&bell);
    let mut worker = Thread { epoll, outlets, engine, clock, orders, report, open: true };
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let mut watch = Watch(Some(ended));
        match worker.run(&own_bell.0) {
            Ok(()) => watch.0 = None,
            Err(error) => tracing::error!(%error, "media worker ends"),
        }
    })?;
    Ok(MediaThread { commands: Some(commands), bell, thread: Some(thread) })
}

/// Calls its function when it is dropped, unless that was taken away.
struct Watch<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Watch<F> {
    fn drop(&mut self) {
        if let Some(ended) = self.0.take() {
            ended();
        }
    }
}

/// The bell's key among the sockets' numbers.
const BELL: u64 = u64::MAX;

/// A socket and what waits to leave by it.
struct Outlet {
    address: SocketAddr,
    socket: UdpSocket,
    waiting: Vec<(SocketAddr, Vec<u8>)>,
}

struct Thread<E, R> {
    epoll: Epoll,
    outlets: Vec<Outlet>,
    engine: E,
    clock: Clock,
    orders: Receiver<Command>,
    report: R,
    open: bool,
}

impl<E: Engine, R: FnMut(Event)> Thread<E, R> {
    fn run(&mut self, bell: &Bell) -> io::Result<()> {
        let mut inbox = Inbox::new();
        let mut keys = Vec::with_capacity(16);
        while self.open {
            let now = self.clock.now();
            self.epoll.wait(self.engine.poll_timeout().map(|deadline| deadline.since(now)), &mut keys)?;
            for key in &keys {
                if *key == BELL {
                    bell.silence();
                    self.take_orders();
                } else {
                    self.take_batch(usize::try_from(*key).unwrap_or(usize::MAX), &mut inbox);
                }
            }
            let now = self.clock.now();
            if self.engine.poll_timeout().is_some_and(|deadline| deadline <= now) {
                self.engine.handle_timeout(now);
            }
            self.drain();
        }
        Ok(())
    }

    fn take_orders(&mut self) {
        loop {
            match self.orders.try_recv() {
                Ok(command) => {
                    tracing::trace!(?command, "media order");
                    self.engine.handle_command(command, self.clock.now());
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.open = false;
                    return;
                }
            }
        }
    }

    /// One batch only: what is left makes epoll report again, after the other sockets had their turn.
    fn take_batch(&mut self, key: usize, inbox: &mut Inbox) {
        let Some(outlet) = self.outlets.get(key) else { return };
        match inbox.receive(&outlet.socket) {
            Ok(true) => {}
            Ok(false) => return,
            // An ICMP error of an earlier datagram shows up here: not ours to care about, consent notices.
            Err(error) => return tracing::debug!(%error, "receiving media"),
        }
        let now = self.clock.now();
        for (packet, remote) in inbox.datagrams() {
            self.engine.handle_datagram(outlet.address, remote, packet, now);
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Event(event) => (self.report)(event),
                Output::Transmit { local, remote, payload } => {
                    let Some(outlet) = self.outlets.iter_mut().find(|outlet| outlet.address == local) else {
                        tracing::debug!("a datagram for an address this worker does not have");
                        continue;
                    };
                    outlet.waiting.push((remote, payload));
                    if outlet.waiting.len() >= sys::BATCH {
                        outlet.flush(&mut self.engine);
                    }
                }
            }
        }
        for outlet in &mut self.outlets {
            outlet.flush(&mut self.engine);
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
