//! Queues between media threads, for bridges between legs of two workers.

use super::sys::Bell;
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
pub(super) struct Doorbell {
    bell: Bell,
    is_rung: AtomicBool,
}

impl core::fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Doorbell")
    }
}

impl Doorbell {
    fn new() -> io::Result<Self> {
        Ok(Self { bell: Bell::new()?, is_rung: AtomicBool::new(false) })
    }

    pub(super) fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            self.bell.ring();
        }
    }

    /// Must be called before the queues are read: a message that is queued afterwards rings again.
    pub(super) fn silence(&self) {
        self.bell.silence();
        // A sender that finds the flag set does not ring. The acquire ordering makes the messages visible that it queued
        // before.
        self.is_rung.swap(false, Ordering::AcqRel);
    }

    pub(super) fn fd(&self) -> std::os::fd::RawFd {
        self.bell.fd()
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
struct Lane {
    queue: Sender<Vec<Crossing>>,
    fill: Arc<QueueFill>,
    bell: Arc<Doorbell>,
    /// The batch that is being collected.
    batch: Vec<Crossing>,
    /// Numbers of packets and of other messages in the batch.
    packets: usize,
    control: usize,
}

impl Lane {
    fn send(&mut self) {
        self.fill.packets.fetch_add(core::mem::take(&mut self.packets), Ordering::Relaxed);
        self.fill.control.fetch_add(core::mem::take(&mut self.control), Ordering::Relaxed);
        // The only error is that the receiving worker has ended. Its calls, or the process, end in this case.
        let _ = self.queue.send(core::mem::take(&mut self.batch));
        self.bell.ring();
    }
}

/// Numbers of lost messages.
#[derive(Clone, Copy, Debug, Default)]
struct LostMessages {
    packets: u64,
    control: u64,
}

/// One worker's end of the queues between all workers.
#[derive(Debug)]
pub struct Junction {
    pub(super) bell: Arc<Doorbell>,
    arriving: Receiver<Vec<Crossing>>,
    /// Numbers of messages in `arriving`.
    fill: Arc<QueueFill>,
    lanes: Vec<Lane>,
    /// Totals of the messages that were lost because a queue was full.
    lost: LostMessages,
    /// The part of `lost` that has been logged.
    logged: LostMessages,
}

/// Creates the queues between `workers` workers. Returns the end of each worker, in the order of their numbers.
///
/// # Errors
/// If no file descriptor is available.
pub fn junctions(workers: usize) -> io::Result<Vec<Junction>> {
    let (mut lanes, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..workers {
        let (bell, fill) = (Arc::new(Doorbell::new()?), Arc::new(QueueFill::default()));
        let (queue, arriving) = channel();
        let (batch, packets, control) = (Vec::new(), 0, 0);
        let lane = Lane { queue, fill: Arc::clone(&fill), bell: Arc::clone(&bell), batch, packets, control };
        lanes.push(lane);
        ends.push((bell, arriving, fill));
    }
    let junction = |(bell, arriving, fill)| {
        let (lost, logged) = (LostMessages::default(), LostMessages::default());
        Junction { bell, arriving, fill, lanes: lanes.clone(), lost, logged }
    };
    Ok(ends.into_iter().map(junction).collect())
}

impl Junction {
    /// Queues a message for another worker. It is sent with the next [`flush`](Self::flush), or earlier.
    pub(super) fn push(&mut self, crossing: Crossing) {
        let WorkerId(worker) = crossing.worker();
        let Some(lane) = self.lanes.get_mut(usize::from(worker)) else {
            tracing::error!(worker, "media message for an unknown worker dropped");
            return;
        };
        let (queued, collected, limit, lost) = if crossing.is_media() {
            (&lane.fill.packets, &mut lane.packets, MAX_QUEUED, &mut self.lost.packets)
        } else {
            (&lane.fill.control, &mut lane.control, MAX_CONTROL, &mut self.lost.control)
        };
        if queued.load(Ordering::Relaxed) + *collected >= limit {
            *lost += 1;
            return;
        }
        *collected += 1;
        lane.batch.push(crossing);
        if lane.batch.len() >= MAX_BATCH {
            lane.send();
        }
    }

    /// Sends the collected messages and wakes their receivers.
    pub(super) fn flush(&mut self) {
        self.lanes.iter_mut().filter(|lane| !lane.batch.is_empty()).for_each(Lane::send);
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

    /// Returns the messages that have arrived. If there are many, it returns a part of them, and the bell rings again for the
    /// rest.
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
            self.bell.ring();
        }
        batches.into_iter().flatten()
    }
}
