//! The thread of a media worker. Its loop receives datagrams and commands, passes them to the state machine, sends the outputs in
//! batches, and waits for the next input or deadline.

use super::backlog::Backlog;
use super::exchange::{ThreadWaker, WorkerQueues};
use super::socket_table::{Readable, SocketTable};
use super::sockets::WorkerSockets;
use super::sys::{BATCH, Epoll, Inbox, Outbox};
use crate::clock::Clock;
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{Command, Event};
use offhook_media::counters::Counters;
use offhook_media::crossing::Crossing;
use offhook_media::socket::Local;
use offhook_media::worker::{Output, Worker};
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The state machine that a media thread drives.
pub trait Engine: Send + 'static {
    /// Handles a command.
    fn handle_command(&mut self, command: Command, now: Time);
    /// Processes a datagram that arrived at `local` from `remote`; it may be decrypted in place.
    fn handle_datagram(&mut self, local: Local, remote: SocketAddr, packet: &mut [u8], now: Time);
    /// Processes a message of another worker.
    fn handle_crossing(&mut self, crossing: Crossing, now: Time);
    /// Reports that a requested socket could not be bound.
    fn handle_bind_failure(&mut self, local: SocketAddr, now: Time);
    /// Handles expired timers.
    fn handle_timeout(&mut self, now: Time);
    /// Returns the next output.
    fn poll_output(&mut self) -> Option<Output>;
    /// Returns the time of the next call of `handle_timeout`.
    fn poll_timeout(&self) -> Option<Time>;
    /// Returns the buffer of a sent datagram for reuse.
    fn recycle(&mut self, buffer: Vec<u8>);
    /// Returns the totals of the worker's packet counters.
    fn counters(&self) -> Counters;
}

impl Engine for Worker {
    fn handle_command(&mut self, command: Command, now: Time) {
        self.handle_command(command, now);
    }

    fn handle_datagram(&mut self, local: Local, remote: SocketAddr, packet: &mut [u8], now: Time) {
        self.handle_datagram(local, remote, packet, now);
    }

    fn handle_crossing(&mut self, crossing: Crossing, now: Time) {
        self.handle_crossing(crossing, now);
    }

    fn handle_bind_failure(&mut self, local: SocketAddr, now: Time) {
        self.handle_bind_failure(local, now);
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

    fn counters(&self) -> Counters {
        self.counters()
    }
}

/// The counters of a media thread since its start.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadCounters {
    /// The counters of its state machine.
    pub machine: Counters,
    /// Packets and other messages for other workers that were lost because the queue of the receiving worker was full.
    pub queue_full: u64,
}

/// The counters of a media thread, shared with the metrics and updated each time the thread wakes.
pub type Totals = Arc<Mutex<ThreadCounters>>;

/// A running media worker. Dropping it ends the thread after the queued commands have been handled, and waits for its end.
#[derive(Debug)]
pub struct MediaThread {
    commands: Option<Sender<Command>>,
    /// The number of queued commands.
    waiting: Arc<AtomicUsize>,
    waker: Arc<ThreadWaker>,
    totals: Totals,
    thread: Option<JoinHandle<()>>,
}

impl MediaThread {
    /// Returns the counters of the thread.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Arc::clone(&self.totals)
    }

    /// The number of queued commands.
    #[must_use]
    pub fn queue_length(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.waiting)
    }

    /// Queues a command without waiting. Returns false if the thread has ended or the queue is full (`MAX_COMMANDS`).
    #[must_use]
    pub fn send_command(&self, command: Command) -> bool {
        let is_refused = self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_COMMANDS
            || self.commands.as_ref().is_none_or(|commands| commands.send(command).is_err());
        if is_refused {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.waker.wake();
        true
    }
}

impl Drop for MediaThread {
    fn drop(&mut self) {
        self.commands = None;
        self.waker.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("media worker panicked");
        }
    }
}

/// The parts of a media thread other than its state machine.
#[derive(Debug)]
pub struct ThreadSetup {
    /// Its name.
    pub name: String,
    /// The sockets that WebRTC legs share.
    pub sockets: WorkerSockets,
    /// The queues to and from the other workers.
    pub queues: WorkerQueues,
    /// The relay's clock.
    pub clock: Clock,
    /// The shortest time between two wake-ups.
    pub wake_interval: Duration,
}

/// Starts a worker's thread. `report` must not block; it returns an event that cannot be accepted now, which is then
/// reported again later. `ended` is called when the thread ends without a request to end, for example by a panic.
///
/// # Errors
/// If a descriptor or the thread cannot be created.
pub fn spawn<E: Engine>(
    setup: ThreadSetup,
    engine: E,
    report: impl FnMut(Event) -> Result<(), Event> + Send + 'static,
    ended: impl FnOnce() + Send + 'static,
) -> io::Result<MediaThread> {
    let ThreadSetup { name, sockets, queues, clock, wake_interval } = setup;
    let epoll = Epoll::new()?;
    let waker = Arc::clone(&queues.waker);
    epoll.add(waker.fd(), WAKE_KEY)?;
    let socket_table = SocketTable::new(sockets, &epoll)?;
    let (commands, orders) = channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let (events, taken) = (Backlog::new(report), Arc::clone(&waiting));
    let totals = Totals::default();
    let published = Arc::clone(&totals);
    let mut worker = Thread {
        epoll,
        socket_table,
        queues,
        engine,
        clock,
        orders,
        waiting: taken,
        events,
        totals: published,
        ready: VecDeque::new(),
        wake_interval,
        woken_at: Time::EPOCH,
        open: true,
    };
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let mut watch = Watch(Some(ended));
        match worker.run() {
            Ok(()) => watch.0 = None,
            Err(error) => tracing::error!(%error, "media worker failed"),
        }
    })?;
    Ok(MediaThread { commands: Some(commands), waiting, waker, totals, thread: Some(thread) })
}

/// Calls its function when it is dropped, unless the function was removed.
struct Watch<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Watch<F> {
    fn drop(&mut self) {
        if let Some(ended) = self.0.take() {
            ended();
        }
    }
}

/// Maximum number of queued commands. A worker handles all of them each time it wakes, after at most one batch of each socket, so that
/// a full queue means that the worker does not run any more. The end of 5,000 calls at once causes 20,000 commands.
const MAX_COMMANDS: usize = 65_536;

/// The epoll key of the eventfd that wakes the thread, which no socket has.
const WAKE_KEY: u64 = u64::MAX;

/// Number of datagrams of one stream that are read before other sockets are read.
const TURN: usize = 8;

/// Number of errors of a socket in one turn after which the socket is not read until epoll reports it again.
const MAX_ERRORS: usize = 8;

/// Time until events that the signaling plane did not accept are sent again.
const RETRY: Duration = Duration::from_millis(10);

struct Thread<E, R> {
    epoll: Epoll,
    socket_table: SocketTable,
    queues: WorkerQueues,
    engine: E,
    clock: Clock,
    orders: Receiver<Command>,
    waiting: Arc<AtomicUsize>,
    events: Backlog<R>,
    totals: Totals,
    /// The keys of sockets that epoll reported and that may still contain datagrams.
    ready: VecDeque<u64>,
    wake_interval: Duration,
    woken_at: Time,
    open: bool,
}

impl<E: Engine, R: FnMut(Event) -> Result<(), Event>> Thread<E, R> {
    fn run(&mut self) -> io::Result<()> {
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        let mut keys = Vec::with_capacity(16);
        while self.open {
            self.pause();
            self.epoll.wait(self.wait_limit(), &mut keys)?;
            self.woken_at = self.clock.now();
            for key in keys.drain(..) {
                if key == WAKE_KEY {
                    self.queues.waker.reset();
                    self.take_orders();
                    self.take_crossings();
                    // Closes the sockets that the commands have freed, before any socket is read: datagrams of an old socket
                    // must not be passed to a leg that uses the same port number now.
                    self.drain(&mut outbox);
                } else if !self.socket_table.set_ready(key, true) {
                    self.ready.push_back(key);
                }
            }
            self.read_ready(&mut inbox);
            let now = self.clock.now();
            if self.engine.poll_timeout().is_some_and(|deadline| deadline <= now) {
                self.engine.handle_timeout(now);
            }
            self.events.flush();
            self.drain(&mut outbox);
            self.publish_totals();
        }
        Ok(())
    }

    /// Updates the shared counters, unless a reader has locked them. In this case the next iteration updates them.
    fn publish_totals(&self) {
        if let Ok(mut totals) = self.totals.try_lock() {
            *totals = ThreadCounters { machine: self.engine.counters(), queue_full: self.queues.lost() };
        }
    }

    /// Waits until the wake interval has passed since the thread last woke. Under load, each wake-up then handles several packets.
    /// A packet that arrives after the interval is handled at once.
    fn pause(&self) {
        let left = (self.woken_at + self.wake_interval).since(self.clock.now());
        if !left.is_zero() && self.ready.is_empty() && self.open {
            std::thread::sleep(left);
        }
    }

    /// The maximum time to wait for input; `None` for no limit.
    fn wait_limit(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = self.clock.now();
        let due = self.engine.poll_timeout().map(|deadline| deadline.since(now));
        let retry = (!self.events.is_empty()).then_some(RETRY);
        due.into_iter().chain(retry).min()
    }

    fn take_orders(&mut self) {
        loop {
            match self.orders.try_recv() {
                Ok(command) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    tracing::trace!(?command, "media command");
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

    fn take_crossings(&mut self) {
        let now = self.clock.now();
        for crossing in self.queues.receive() {
            self.engine.handle_crossing(crossing, now);
        }
    }

    /// Reads each socket in the list once. Sockets that may contain more datagrams stay in the list.
    fn read_ready(&mut self, inbox: &mut Inbox) {
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else { return };
            if self.read(key, inbox) {
                self.socket_table.set_ready(key, false);
            } else {
                self.ready.push_back(key);
            }
        }
    }

    /// Reads a socket, at most [`TURN`] datagrams or one batch. Returns whether it is empty.
    fn read(&mut self, key: u64, inbox: &mut Inbox) -> bool {
        let Self { socket_table, engine, clock, .. } = self;
        // Reading also reports ICMP errors of datagrams that were sent earlier. They are ignored, because consent checks and media
        // timeouts detect a peer that is gone. Reading continues after an error, because datagrams may be queued behind it. After
        // too many errors the socket counts as empty, because an error can be permanent. Epoll reports it again with the next
        // datagram or error.
        for _ in 0..MAX_ERRORS {
            let result = match socket_table.get(key) {
                None => return true,
                Some(Readable::Port(local, socket)) => read_port(socket, inbox, |packet, remote| {
                    engine.handle_datagram(local, remote, packet, clock.now());
                }),
                Some(Readable::Shared(local, socket)) => inbox.receive(socket).map(|received| {
                    let now = clock.now();
                    for (packet, remote) in inbox.datagrams() {
                        engine.handle_datagram(local, remote, packet, now);
                    }
                    received < BATCH
                }),
            };
            match result {
                Ok(is_empty) => return is_empty,
                Err(error) => tracing::debug!(%error, "reading a media socket failed"),
            }
        }
        true
    }

    fn drain(&mut self, outbox: &mut Outbox) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Event(event) => self.events.push(event),
                Output::Cross(crossing) => self.queues.push(crossing),
                Output::Transmit { local, remote, payload } => {
                    self.socket_table.send((local, remote), payload, outbox, &mut self.engine);
                }
                Output::Bind { port, local } => {
                    if let Err(error) = self.socket_table.open(port, local, &self.epoll) {
                        tracing::warn!(%error, "opening an RTP socket failed");
                        self.engine.handle_bind_failure(local, self.clock.now());
                    }
                }
                Output::Unbind { port, .. } => self.socket_table.close(port),
            }
        }
        self.socket_table.flush(outbox, &mut self.engine);
        self.queues.flush();
    }
}

/// Reads the socket of one stream, at most [`TURN`] datagrams. Returns whether it is empty.
fn read_port(
    socket: &UdpSocket,
    inbox: &mut Inbox,
    mut receive: impl FnMut(&mut [u8], SocketAddr),
) -> io::Result<bool> {
    for _ in 0..TURN {
        let Some((packet, remote)) = inbox.receive_one(socket)? else { return Ok(true) };
        receive(packet, remote);
    }
    Ok(false)
}
