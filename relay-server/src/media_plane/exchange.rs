//! Queues between media threads, for bridges between legs of two workers.

use super::sys::Bell;
use offhook_media::command::WorkerId;
use offhook_media::crossing::Crossing;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Batches that may wait for a worker. A worker takes all of them each time it wakes, so that many wait only for a worker that
/// does not run.
const BATCHES: usize = 1_024;
/// Messages that may wait in front of a full queue. Media beyond that are lost.
const WAITING: usize = 4_096;
/// Batches that a worker takes before its sockets have their turn.
const TURN: usize = 64;

/// Wakes a media thread, at most once until it has woken.
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

    /// To be called before the queues are looked at: what is queued after that rings again.
    pub(super) fn silence(&self) {
        self.bell.silence();
        // Acquires what a sender queued that found it rung.
        self.is_rung.swap(false, Ordering::AcqRel);
    }

    pub(super) fn fd(&self) -> std::os::fd::RawFd {
        self.bell.fd()
    }
}

/// The queue to another worker.
#[derive(Clone, Debug)]
struct Lane {
    queue: SyncSender<Vec<Crossing>>,
    bell: Arc<Doorbell>,
    /// The batch that is being collected.
    waiting: Vec<Crossing>,
}

/// One worker's end of the queues between all workers.
#[derive(Debug)]
pub struct Junction {
    pub(super) bell: Arc<Doorbell>,
    arriving: Receiver<Vec<Crossing>>,
    lanes: Vec<Lane>,
    /// Media that found their queue full.
    lost: u64,
}

/// The ends of the queues between `workers` workers, in the order of their numbers.
///
/// # Errors
/// When the system has no descriptor to give.
pub fn junctions(workers: usize) -> io::Result<Vec<Junction>> {
    let (mut lanes, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..workers {
        let bell = Arc::new(Doorbell::new()?);
        let (queue, arriving) = sync_channel(BATCHES);
        lanes.push(Lane { queue, bell: Arc::clone(&bell), waiting: Vec::new() });
        ends.push((bell, arriving));
    }
    let junction = |(bell, arriving)| Junction { bell, arriving, lanes: lanes.clone(), lost: 0 };
    Ok(ends.into_iter().map(junction).collect())
}

impl Junction {
    /// Takes a message for another worker, to be sent with the next [`flush`](Self::flush).
    pub(super) fn push(&mut self, crossing: Crossing) {
        let WorkerId(worker) = crossing.worker();
        let Some(lane) = self.lanes.get_mut(usize::from(worker)) else {
            tracing::error!(worker, "media for a worker that is not there");
            return;
        };
        if lane.waiting.len() < WAITING || !crossing.is_media() {
            lane.waiting.push(crossing);
        } else {
            self.lost += 1;
        }
    }

    /// Sends what was collected and wakes the workers that it is for. Returns whether all of it could be sent.
    pub(super) fn flush(&mut self) -> bool {
        let mut is_sent = true;
        for lane in self.lanes.iter_mut().filter(|lane| !lane.waiting.is_empty()) {
            match lane.queue.try_send(core::mem::take(&mut lane.waiting)) {
                Ok(()) => {}
                Err(TrySendError::Full(batch)) => {
                    lane.waiting = batch;
                    is_sent = false;
                }
                // The worker has ended, and with it the process or the calls.
                Err(TrySendError::Disconnected(_)) => continue,
            }
            lane.bell.ring();
        }
        if core::mem::take(&mut self.lost) > 0 {
            tracing::warn!("media between two workers are lost: the receiving one does not keep up");
        }
        is_sent
    }

    /// The messages that have arrived, or a part of them; the bell rings again for the rest.
    pub(super) fn receive(&mut self) -> impl Iterator<Item = Crossing> + use<> {
        let batches: Vec<Vec<Crossing>> = self.arriving.try_iter().take(TURN).collect();
        if batches.len() == TURN {
            self.bell.ring();
        }
        batches.into_iter().flatten()
    }
}
