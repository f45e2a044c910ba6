//! One connection over TCP or TLS, whoever opened it.

use super::report::Report;
use crate::clock::Clock;
use core::time::Duration;
use offhook_limits::RateLimit;
use offhook_sip::message::framing::{Frame, Splitter};
use offhook_sip::transport::{Source, TransmissionId};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;

/// Octets that may wait for a slow peer.
const QUEUED_OCTETS: usize = 4_194_304;
/// Octets read at once.
const READ_BUFFER: usize = 8_192;
/// Messages of one connection that wait for the plane. More are left in the socket, so that a peer with much to send does
/// not fill the queue that all peers share.
const UNHANDLED: usize = 32;
/// How long a peer may take to take one message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the rest of a message may take, and the first one of whoever connects.
pub(super) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a call may ring on a connection without another use, and without ringing anew: as long as a proxy waits (timer C of RFC
/// 3261 §16.6).
const RINGING: Duration = Duration::from_secs(181);
/// How long saying good-bye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a connection is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long it may be silent.
    pub(super) idle_timeout: Duration,
    /// See [`MESSAGE_TIMEOUT`].
    pub(super) message_timeout: Duration,
    /// How long a connection that the peer opened may go without a use that the relay accepts, a ringing call aside.
    pub(super) unused_timeout: Duration,
    /// Messages a second that are taken.
    pub(super) message_rate: u32,
    /// Messages that may wait for it.
    pub(super) send_queue: usize,
}

/// One message to be written.
#[derive(Debug)]
pub(super) struct Outgoing {
    transmission: TransmissionId,
    octets: Vec<u8>,
}

/// The plane's end of a connection. Dropping it closes the connection after what was queued.
#[derive(Debug)]
pub struct Outlet {
    queue: mpsc::Sender<Outgoing>,
    queued: Arc<AtomicUsize>,
    kill: Arc<Notify>,
    usage: Arc<Usage>,
}

/// What the relay has accepted from the peer of a connection.
#[derive(Debug, Default)]
struct Usage {
    /// A registration or a call.
    is_used: AtomicBool,
    /// A call has rung since this was last looked at.
    has_rung: AtomicBool,
}

impl Usage {
    fn note(&self, message: &[u8]) {
        if self.is_used.load(Ordering::Relaxed) {
            return;
        }
        match use_of(message) {
            Some(Use::Accepted) => self.is_used.store(true, Ordering::Relaxed),
            Some(Use::Ringing) => self.has_rung.store(true, Ordering::Relaxed),
            None => {}
        }
    }
}

impl Outlet {
    /// Whether the connection has ended, though the plane has not been told yet.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Closes the connection, whatever is queued.
    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }

    /// Queues a message; never waits. A peer so slow that its queue is full loses its connection.
    pub(super) fn send(&self, transmission: TransmissionId, octets: Vec<u8>) -> bool {
        self.usage.note(&octets);
        let length = octets.len();
        let waiting = self.queued.fetch_add(length, Ordering::Relaxed);
        let is_full = waiting > 0 && waiting.saturating_add(length) > QUEUED_OCTETS;
        let outgoing = Outgoing { transmission, octets };
        match if is_full { Err(mpsc::error::TrySendError::Full(outgoing)) } else { self.queue.try_send(outgoing) } {
            Ok(()) => true,
            Err(error) => {
                self.queued.fetch_sub(length, Ordering::Relaxed);
                if matches!(error, mpsc::error::TrySendError::Full(_)) {
                    tracing::info!("a SIP peer that does not read is disconnected");
                    self.kill();
                }
                false
            }
        }
    }
}

/// The connection's end of it.
#[derive(Debug)]
pub(super) struct Inlet {
    queue: mpsc::Receiver<Outgoing>,
    queued: Arc<AtomicUsize>,
    kill: Arc<Notify>,
    usage: Arc<Usage>,
    /// What is being written.
    current: Option<TransmissionId>,
}

/// Both ends.
pub(super) fn channel(send_queue: usize) -> (Outlet, Inlet) {
    let (sender, queue) = mpsc::channel(send_queue);
    let (queued, kill) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let usage = Arc::new(Usage::default());
    let outlet =
        Outlet { queue: sender, queued: Arc::clone(&queued), kill: Arc::clone(&kill), usage: Arc::clone(&usage) };
    (outlet, Inlet { queue, queued, kill, usage, current: None })
}

impl Inlet {
    /// What was queued and not written; nothing can be queued any more.
    pub(super) fn unsent(mut self) -> Vec<TransmissionId> {
        self.queue.close();
        let mut unsent: Vec<TransmissionId> = self.current.into_iter().collect();
        while let Ok(outgoing) = self.queue.try_recv() {
            unsent.push(outgoing.transmission);
        }
        unsent
    }
}

/// Whether the first message is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenedBy {
    /// The peer: it has something to say.
    Peer,
    /// The relay.
    Relay,
}

/// Carries messages until either side ends it, or both are silent for too long; then says so.
pub(super) async fn serve<S>(
    stream: S,
    source: Source,
    opened_by: OpenedBy,
    mut inlet: Inlet,
    limits: Limits,
    reports: mpsc::Sender<Report>,
) where
    S: AsyncRead + AsyncWrite,
{
    let activity = Activity::new();
    let (read_half, write_half) = tokio::io::split(stream);
    let (kill, usage) = (Arc::clone(&inlet.kill), Arc::clone(&inlet.usage));
    let places = Arc::new(Semaphore::new(UNHANDLED));
    let reader = Reader { source, limits, activity: &activity, reports: &reports, places };
    let ended = tokio::select! {
        ended = reader.run(read_half, opened_by) => ended,
        ended = write(write_half, &mut inlet, &activity) => ended,
        () = activity.end(limits.idle_timeout) => Ok("it was silent for too long"),
        () = unused(opened_by, &usage, limits.unused_timeout, RINGING) => Ok("its peer has not registered or called"),
        () = kill.notified() => Ok("its peer does not read, or does not answer"),
    };
    match ended {
        Ok(reason) => tracing::debug!(flow = source.flow.0, reason, "SIP connection closed"),
        Err(error) => tracing::debug!(flow = source.flow.0, %error, "SIP connection closed"),
    }
    let _ =
        reports.send(Report::Closed { flow: source.flow, remote: source.remote.ip(), unsent: inlet.unsent() }).await;
}

/// A message that the relay sends only to a peer that it deals with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// A request, or a response that accepts a registration or a call.
    Accepted,
    /// A call rings. That keeps the connection for a while only, because a scanner can have any number of calls ring.
    Ringing,
}

/// The use that a message shows, if it shows any. A scanner that connects and sends OPTIONS is answered, but its connection is
/// not kept.
fn use_of(message: &[u8]) -> Option<Use> {
    let Some(status) = message.strip_prefix(b"SIP/2.0 ") else {
        return (!message.starts_with(b"\r\n")).then_some(Use::Accepted);
    };
    let shown = match status.first() {
        Some(b'2') => Use::Accepted,
        Some(b'1') if !status.starts_with(b"100") => Use::Ringing,
        _ => return None,
    };
    let mut lines = message.split(|octet| *octet == b'\n');
    let method = lines.find_map(|line| line.strip_prefix(b"CSeq:")).map(<[u8]>::trim_ascii).unwrap_or_default();
    (method.ends_with(b" REGISTER") || method.ends_with(b" INVITE")).then_some(shown)
}

/// Waits until a connection that the peer opened has had its time without a use; that is `ringing` longer after a call rang.
async fn unused(opened_by: OpenedBy, usage: &Usage, mut patience: Duration, ringing: Duration) {
    if opened_by == OpenedBy::Peer {
        loop {
            tokio::time::sleep(patience).await;
            if usage.is_used.load(Ordering::Relaxed) {
                break;
            }
            if !usage.has_rung.swap(false, Ordering::Relaxed) {
                return;
            }
            patience = patience.max(ringing);
        }
    }
    core::future::pending::<()>().await;
}

async fn write<W: AsyncWrite>(
    half: tokio::io::WriteHalf<W>,
    inlet: &mut Inlet,
    activity: &Activity,
) -> io::Result<&'static str> {
    let mut half = half;
    while let Some(outgoing) = inlet.queue.recv().await {
        inlet.current = Some(outgoing.transmission);
        let writing = async {
            half.write_all(&outgoing.octets).await?;
            half.flush().await
        };
        tokio::time::timeout(WRITE_TIMEOUT, writing).await.map_err(|_| io::ErrorKind::TimedOut)??;
        inlet.current = None;
        inlet.queued.fetch_sub(outgoing.octets.len(), Ordering::Relaxed);
        activity.happened();
    }
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, half.shutdown()).await;
    Ok("the relay has closed it")
}

struct Reader<'a> {
    source: Source,
    limits: Limits,
    activity: &'a Activity,
    reports: &'a mpsc::Sender<Report>,
    /// Places for messages that the plane has not handled yet.
    places: Arc<Semaphore>,
}

impl Reader<'_> {
    async fn run<R: AsyncRead>(
        &self,
        mut half: tokio::io::ReadHalf<R>,
        opened_by: OpenedBy,
    ) -> io::Result<&'static str> {
        let mut buffer = vec![0; READ_BUFFER];
        let mut splitter = Splitter::new();
        let clock = Clock::start();
        let mut messages = RateLimit::new(self.limits.message_rate, self.limits.message_rate, clock.now());
        let soon = || Some(Instant::now() + self.limits.message_timeout);
        // Whoever opens connections and sends nothing whole must not hold them.
        let mut is_awaited = opened_by == OpenedBy::Peer;
        let mut deadline = if is_awaited { soon() } else { None };
        loop {
            let read = tokio::select! {
                read = half.read(&mut buffer) => read?,
                () = at(deadline) => return Ok("no whole message came in time"),
            };
            if read == 0 {
                return Ok("its peer has closed it");
            }
            self.activity.happened();
            splitter.push(buffer.get(..read).unwrap_or_default());
            let mut was_message = false;
            while let Some(frame) = splitter.next_frame().map_err(io::Error::other)? {
                was_message |= matches!(frame, Frame::Message(_));
                if !self.take(frame, (&clock, &mut messages)).await {
                    return Ok("the relay ends");
                }
            }
            is_awaited &= !was_message;
            deadline = match (splitter.pending(), was_message) {
                (0, _) => deadline.filter(|_| is_awaited),
                (_, true) => soon(),
                (_, false) => deadline.or_else(soon),
            };
        }
    }

    /// False: nobody wants to know any more.
    async fn take(&self, frame: Frame, (clock, messages): (&Clock, &mut RateLimit)) -> bool {
        // A peer that sends too much is read more slowly.
        while let Err(wait) = messages.try_take(clock.now()) {
            tokio::time::sleep(wait).await;
        }
        let octets = match frame {
            Frame::Message(octets) => octets,
            // Keep-alives are the user agent's to answer and to miss (RFC 5626 §4.4.1).
            Frame::Ping => b"\r\n\r\n".to_vec(),
            Frame::Pong => b"\r\n".to_vec(),
        };
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        self.reports.send(Report::Received { source: self.source, octets, place }).await.is_ok()
    }
}

/// When something was last read or written.
struct Activity {
    started: Instant,
    millis: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self { started: Instant::now(), millis: AtomicU64::new(0) }
    }

    fn happened(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    /// Waits until nothing has happened for so long.
    async fn end(&self, patience: Duration) {
        loop {
            let last = self.started + Duration::from_millis(self.millis.load(Ordering::Relaxed));
            if last.elapsed() >= patience {
                return;
            }
            tokio::time::sleep_until(last + patience).await;
        }
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => core::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
