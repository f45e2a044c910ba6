//! Queues between media threads, for bridges between legs of two workers.

use super::sys::EventFd;
use offhook_media::command::WorkerId;
use offhook_media::crossing::Crossing;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Maximum number of packets in the queue of a worker; further packets are lost. A packet has at most 2 KiB, so that a queue needs
/// at most 32 MiB. A worker handles about [`TURN`] messages each time it wakes, so that a full queue means that it is overloaded.
/// Several senders that fill the queue at the same time can exceed the number by one batch each.
pub(super) const MAX_QUEUED: usize = 16_384;
/// Maximum number of other messages in the queue of a worker: those that begin and end bridges, and requests for key frames. They
/// have a limit of their own, so that packets cannot displace them. A call has a few of them.
pub(super) const MAX_CONTROL: usize = 16_384;
/// Number of messages after which a batch is sent without waiting for the end of the turn.
const MAX_BATCH: usize = 256;
/// Number of messages that a worker handles before it reads its sockets again.
pub(super) const TURN: usize = 4_096;

/// Wakes a media thread, with at most one system call until the thread has woken.
pub(super) struct ThreadWaker {
    event_fd: EventFd,
    is_pending: AtomicBool,
}

impl core::fmt::Debug for ThreadWaker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ThreadWaker")
    }
}

impl ThreadWaker {
    fn new() -> io::Result<Self> {
        Ok(Self { event_fd: EventFd::new()?, is_pending: AtomicBool::new(false) })
    }

    pub(super) fn wake(&self) {
        if !self.is_pending.swap(true, Ordering::AcqRel) {
            self.event_fd.wake();
        }
    }

    /// Must be called before the queues are read, so that a message that is queued afterwards wakes the thread again.
    pub(super) fn reset(&self) {
        self.event_fd.reset();
        // A sender that finds the flag set does not wake the thread. The acquire ordering makes the messages visible
        // that the sender queued before.
        self.is_pending.swap(false, Ordering::AcqRel);
    }

    pub(super) fn fd(&self) -> std::os::fd::RawFd {
        self.event_fd.fd()
    }
}

/// Numbers of messages in the queue of a worker, of all senders.
#[derive(Debug, Default)]
struct QueueFill {
    packets: AtomicUsize,
    control: AtomicUsize,
}

/// The queue to another worker.
#[derive(Clone, Debug)]
struct QueueSender {
    queue: Sender<Vec<Crossing>>,
    fill: Arc<QueueFill>,
    waker: Arc<ThreadWaker>,
    /// The batch that is being collected.
    batch: Vec<Crossing>,
    /// Numbers of packets and of other messages in the batch.
    packets: usize,
    control: usize,
}

impl QueueSender {
    fn send(&mut self) {
        self.fill.packets.fetch_add(core::mem::take(&mut self.packets), Ordering::Relaxed);
        self.fill.control.fetch_add(core::mem::take(&mut self.control), Ordering::Relaxed);
        // The only error is that the receiving worker has ended. Its calls, or the process, end in this case.
        let _ = self.queue.send(core::mem::take(&mut self.batch));
        self.waker.wake();
    }
}

/// Numbers of lost messages.
#[derive(Clone, Copy, Debug, Default)]
struct LostMessages {
    packets: u64,
    control: u64,
}

/// The queues from one worker to all others, and the queue of the messages for it.
#[derive(Debug)]
pub struct WorkerQueues {
    pub(super) waker: Arc<ThreadWaker>,
    arriving: Receiver<Vec<Crossing>>,
    /// Numbers of messages in `arriving`.
    fill: Arc<QueueFill>,
    senders: Vec<QueueSender>,
    /// Totals of the messages that were lost because a queue was full.
    lost: LostMessages,
    /// The part of `lost` that has been logged.
    logged: LostMessages,
}

/// Creates the queues between `workers` workers. Returns the end of each worker, in the order of their numbers.
///
/// # Errors
/// If no file descriptor is available.
pub fn worker_queues(workers: usize) -> io::Result<Vec<WorkerQueues>> {
    let (mut senders, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..workers {
        let (waker, fill) = (Arc::new(ThreadWaker::new()?), Arc::new(QueueFill::default()));
        let (queue, arriving) = channel();
        let (batch, packets, control) = (Vec::new(), 0, 0);
        let sender = QueueSender { queue, fill: Arc::clone(&fill), waker: Arc::clone(&waker), batch, packets, control };
        senders.push(sender);
        ends.push((waker, arriving, fill));
    }
    let queues = |(waker, arriving, fill)| {
        let (lost, logged) = (LostMessages::default(), LostMessages::default());
        WorkerQueues { waker, arriving, fill, senders: senders.clone(), lost, logged }
    };
    Ok(ends.into_iter().map(queues).collect())
}

impl WorkerQueues {
    /// Queues a message for another worker. It is sent with the next [`flush`](Self::flush), or earlier.
    pub(super) fn push(&mut self, crossing: Crossing) {
        let WorkerId(worker) = crossing.worker();
        let Some(sender) = self.senders.get_mut(usize::from(worker)) else {
            tracing::error!(worker, "media message for an unknown worker dropped");
            return;
        };
        let (queued, collected, limit, lost) = if crossing.is_media() {
            (&sender.fill.packets, &mut sender.packets, MAX_QUEUED, &mut self.lost.packets)
        } else {
            (&sender.fill.control, &mut sender.control, MAX_CONTROL, &mut self.lost.control)
        };
        if queued.load(Ordering::Relaxed) + *collected >= limit {
            *lost += 1;
            return;
        }
        *collected += 1;
        sender.batch.push(crossing);
        if sender.batch.len() >= MAX_BATCH {
            sender.send();
        }
    }

    /// Sends the collected messages and wakes their receivers.
    pub(super) fn flush(&mut self) {
        self.senders.iter_mut().filter(|sender| !sender.batch.is_empty()).for_each(QueueSender::send);
        let lost = self.lost.packets - self.logged.packets;
        if lost > 0 {
            tracing::warn!(
                lost,
                "packets between two media workers are lost: the queue of the receiving worker is full"
            );
        }
        let lost = self.lost.control - self.logged.control;
        if lost > 0 {
            tracing::error!(
                lost,
                "messages about bridges between two media workers are lost, so that calls have no media: the receiving worker is stuck"
            );
        }
        self.logged = self.lost;
    }

    /// Returns the total of the packets and other messages that were lost because the queue of another worker was full.
    pub(super) const fn lost(&self) -> u64 {
        self.lost.packets + self.lost.control
    }

    /// Returns the messages that have arrived. If there are many, it returns a part of them, and wakes the thread again
    /// for the rest.
    pub(super) fn receive(&mut self) -> impl Iterator<Item = Crossing> + use<> {
        let mut batches: Vec<Vec<Crossing>> = Vec::new();
        let (mut messages, mut packets) = (0_usize, 0);
        while messages < TURN
            && let Ok(batch) = self.arriving.try_recv()
        {
            messages += batch.len();
            packets += batch.iter().filter(|crossing| crossing.is_media()).count();
            batches.push(batch);
        }
        self.fill.packets.fetch_sub(packets, Ordering::Relaxed);
        self.fill.control.fetch_sub(messages - packets, Ordering::Relaxed);
        if messages >= TURN {
            self.waker.wake();
        }
        batches.into_iter().flatten()
    }
}
