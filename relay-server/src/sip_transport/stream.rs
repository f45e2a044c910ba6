//! One SIP connection over TCP or TLS, opened by the relay or by a peer.

use super::report::Report;
use crate::clock::Clock;
use core::time::Duration;
use offhook_limits::RateLimit;
use offhook_sip::message::framing::{Splitter, StreamFrame};
use offhook_sip::transport::{Source, TransmissionId};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;

/// Maximum number of octets that are queued for a peer.
const QUEUED_OCTETS: usize = 4_194_304;
/// Size of the read buffer.
const READ_BUFFER: usize = 8_192;
/// Maximum number of received messages of one connection that the plane has not handled yet. Further ones are not read from the
/// socket, so that one peer does not fill the queue that all peers share.
const UNHANDLED: usize = 32;
/// Time limit for writing one message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time limit for receiving the rest of a message, and the first message on a connection that a peer opened.
pub(super) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for which a ringing call keeps an otherwise unused connection open, counted from the last provisional response.
/// The value is that of timer C of a proxy (RFC 3261 §16.6).
const RINGING: Duration = Duration::from_secs(181);
/// Time limit for closing a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Time without received or sent data after which it is closed.
    pub(super) idle_timeout: Duration,
    /// See [`MESSAGE_TIMEOUT`].
    pub(super) message_timeout: Duration,
    /// Time after which a connection that the peer opened is closed without an accepted registration or call.
    pub(super) unused_timeout: Duration,
    /// Maximum number of received messages per second, on average.
    pub(super) message_rate: u32,
    /// Maximum number of messages that are queued for the peer.
    pub(super) send_queue: usize,
}

/// One message to be written.
#[derive(Debug)]
pub(super) struct Outgoing {
    transmission: TransmissionId,
    octets: Vec<u8>,
}

/// The plane's handle of a connection. Dropping it closes the connection after the queued messages have been sent.
#[derive(Debug)]
pub struct MessageQueue {
    sender: mpsc::Sender<Outgoing>,
    queued: Arc<AtomicUsize>,
    kill: Arc<Notify>,
    usage: Arc<Usage>,
}

/// Use of a connection: registrations and calls of its peer that the relay has accepted.
#[derive(Debug, Default)]
struct Usage {
    /// A registration or a call was accepted.
    is_used: AtomicBool,
    /// A call has rung since the last check.
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

impl MessageQueue {
    /// Whether the connection has ended; the plane may not have received the report yet.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Closes the connection and discards the queued messages.
    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }

    /// Queues a message without waiting. If the queue is full, the connection is closed.
    pub(super) fn send(&self, transmission: TransmissionId, octets: Vec<u8>) -> bool {
        self.usage.note(&octets);
        let length = octets.len();
        let waiting = self.queued.fetch_add(length, Ordering::Relaxed);
        let is_full = waiting > 0 && waiting.saturating_add(length) > QUEUED_OCTETS;
        let outgoing = Outgoing { transmission, octets };
        match if is_full { Err(mpsc::error::TrySendError::Full(outgoing)) } else { self.sender.try_send(outgoing) } {
            Ok(()) => true,
            Err(error) => {
                self.queued.fetch_sub(length, Ordering::Relaxed);
                if matches!(error, mpsc::error::TrySendError::Full(_)) {
                    tracing::info!("SIP connection closed: send queue is full");
                    self.kill();
                }
                false
            }
        }
    }
}

/// The receiving end of a [`MessageQueue`], used by the task of the connection.
#[derive(Debug)]
pub(super) struct QueuedMessages {
    receiver: mpsc::Receiver<Outgoing>,
    queued: Arc<AtomicUsize>,
    kill: Arc<Notify>,
    usage: Arc<Usage>,
    /// The message that is being written.
    current: Option<TransmissionId>,
}

/// Creates both ends.
pub(super) fn channel(send_queue: usize) -> (MessageQueue, QueuedMessages) {
    let (sender, receiver) = mpsc::channel(send_queue);
    let (queued, kill) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let usage = Arc::new(Usage::default());
    let queue =
        MessageQueue { sender, queued: Arc::clone(&queued), kill: Arc::clone(&kill), usage: Arc::clone(&usage) };
    (queue, QueuedMessages { receiver, queued, kill, usage, current: None })
}

impl QueuedMessages {
    /// Closes the queue and returns the messages that were queued and not written.
    pub(super) fn unsent(mut self) -> Vec<TransmissionId> {
        self.receiver.close();
        let mut unsent: Vec<TransmissionId> = self.current.into_iter().collect();
        while let Ok(outgoing) = self.receiver.try_recv() {
            unsent.push(outgoing.transmission);
        }
        unsent
    }
}

/// The side that opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenedBy {
    /// The peer, which must then send a message in time.
    Peer,
    /// The relay.
    Relay,
}

/// Transfers messages until either side closes the connection or a limit is exceeded; then reports its end.
pub(super) async fn serve<S>(
    stream: S,
    source: Source,
    opened_by: OpenedBy,
    mut messages: QueuedMessages,
    limits: Limits,
    reports: mpsc::Sender<Report>,
) where
    S: AsyncRead + AsyncWrite,
{
    let activity = Activity::new();
    let (read_half, write_half) = tokio::io::split(stream);
    let (kill, usage) = (Arc::clone(&messages.kill), Arc::clone(&messages.usage));
    let places = Arc::new(Semaphore::new(UNHANDLED));
    let reader = Reader { source, limits, activity: &activity, reports: &reports, places };
    let ended = tokio::select! {
        ended = reader.run(read_half, opened_by) => ended,
        ended = write(write_half, &mut messages, &activity) => ended,
        () = activity.end(limits.idle_timeout) => Ok("idle timeout"),
        () = unused(opened_by, &usage, limits.unused_timeout, RINGING) => Ok("no registration or call was accepted in time"),
        () = kill.notified() => Ok("the send queue is full, or keep-alives were not answered"),
    };
    match ended {
        Ok(reason) => tracing::debug!(flow = source.flow.0, reason, "SIP connection closed"),
        Err(error) => tracing::debug!(flow = source.flow.0, %error, "SIP connection closed"),
    }
    let _ =
        reports.send(Report::Closed { flow: source.flow, remote: source.remote.ip(), unsent: messages.unsent() }).await;
}

/// A use of a connection, shown by a message that the relay sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// A request, or a response that accepts a registration or a call.
    Accepted,
    /// A provisional response to INVITE. It only extends the time limit of the connection, because a scanner can cause
    /// any number of calls.
    Ringing,
}

/// Returns the use that an outgoing message shows. A response to OPTIONS shows none, so that the connection of a scanner is closed.
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

/// Waits until a connection that the peer opened has been unused for `timeout`, or, after a ringing call, for `ringing`.
async fn unused(opened_by: OpenedBy, usage: &Usage, mut timeout: Duration, ringing: Duration) {
    if opened_by == OpenedBy::Peer {
        loop {
            tokio::time::sleep(timeout).await;
            if usage.is_used.load(Ordering::Relaxed) {
                break;
            }
            if !usage.has_rung.swap(false, Ordering::Relaxed) {
                return;
            }
            timeout = timeout.max(ringing);
        }
    }
    core::future::pending::<()>().await;
}

async fn write<W: AsyncWrite>(
    half: tokio::io::WriteHalf<W>,
    messages: &mut QueuedMessages,
    activity: &Activity,
) -> io::Result<&'static str> {
    let mut half = half;
    while let Some(outgoing) = messages.receiver.recv().await {
        messages.current = Some(outgoing.transmission);
        let writing = async {
            half.write_all(&outgoing.octets).await?;
            half.flush().await
        };
        tokio::time::timeout(WRITE_TIMEOUT, writing).await.map_err(|_| io::ErrorKind::TimedOut)??;
        messages.current = None;
        messages.queued.fetch_sub(outgoing.octets.len(), Ordering::Relaxed);
        activity.happened();
    }
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, half.shutdown()).await;
    Ok("closed by the relay")
}

struct Reader<'a> {
    source: Source,
    limits: Limits,
    activity: &'a Activity,
    reports: &'a mpsc::Sender<Report>,
    /// Permits for messages that the plane has not handled yet.
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
        // A peer that opens a connection must send a complete message in time.
        let mut is_awaited = opened_by == OpenedBy::Peer;
        let mut deadline = if is_awaited { soon() } else { None };
        loop {
            let read = tokio::select! {
                read = half.read(&mut buffer) => read?,
                () = at(deadline) => return Ok("no complete message was received in time"),
            };
            if read == 0 {
                return Ok("closed by the peer");
            }
            self.activity.happened();
            splitter.push(buffer.get(..read).unwrap_or_default());
            let mut was_message = false;
            while let Some(frame) = splitter.next_frame().map_err(io::Error::other)? {
                was_message |= matches!(frame, StreamFrame::Message(_));
                if !self.take(frame, (&clock, &mut messages)).await {
                    return Ok("the relay is shutting down");
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

    /// Reports a frame. Returns false if the plane has ended.
    async fn take(&self, frame: StreamFrame, (clock, messages): (&Clock, &mut RateLimit)) -> bool {
        // The connection is not read while its rate limit is exceeded.
        while let Err(wait) = messages.try_take(clock.now()) {
            tokio::time::sleep(wait).await;
        }
        let octets = match frame {
            StreamFrame::Message(octets) => octets,
            // The user agent answers keep-alives and detects missing ones (RFC 5626 §4.4.1).
            StreamFrame::Ping => b"\r\n\r\n".to_vec(),
            StreamFrame::Pong => b"\r\n".to_vec(),
        };
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        self.reports.send(Report::Received { source: self.source, octets, place }).await.is_ok()
    }
}

/// The time of the last read or write.
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

    /// Waits until there has been no activity for `timeout`.
    async fn end(&self, timeout: Duration) {
        loop {
            let last = self.started + Duration::from_millis(self.millis.load(Ordering::Relaxed));
            if last.elapsed() >= timeout {
                return;
            }
            tokio::time::sleep_until(last + timeout).await;
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
