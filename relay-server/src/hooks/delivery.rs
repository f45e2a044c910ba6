//! Delivery of events: a bounded queue for each application, in order for each session, with repetitions.
//!
//! ```text
//!  push ──> queue ──> one task per session ──> request ──┬─ 2xx ──────────────────────> delivered
//!    └ full: dropped       ^                             ├─ 4xx, redirect ────────────> given up
//!                          └─ pause: 1 s, 2 s, … 60 s <──┴─ 5xx, time-out, connection ┴> given up after the last attempt
//! ```
//!
//! The queue is in memory: events that were not delivered are lost when the process ends.

use super::application::HookCaller;
use super::exchange::HookRequest;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Pause before the first repetition; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// An event that is to be delivered.
#[derive(Debug)]
pub(super) struct HookEvent {
    /// Events with the same value are delivered in order: the session.
    pub(super) order: u64,
    pub(super) request: HookRequest,
}

/// The queue of an application.
#[derive(Debug)]
pub(super) struct EventQueue {
    caller: Arc<HookCaller>,
    sender: mpsc::UnboundedSender<HookEvent>,
    capacity: usize,
    /// Events that are neither delivered nor given up.
    queued: Arc<QueueLength>,
}

/// The number of queued events, which can be awaited to be zero.
#[derive(Debug)]
struct QueueLength {
    count: AtomicUsize,
    changed: watch::Sender<usize>,
}

impl QueueLength {
    fn finish_one(&self, caller: &HookCaller) {
        let left = self.count.fetch_sub(1, Ordering::Relaxed) - 1;
        caller.metrics().set_queued(caller.application(), left);
        self.changed.send_replace(left);
    }
}

impl EventQueue {
    /// Creates the queue and starts its task. `attempts` is the number of requests for an event.
    pub(super) fn start(caller: Arc<HookCaller>, capacity: usize, attempts: u32) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let queued = Arc::new(QueueLength { count: AtomicUsize::new(0), changed: watch::Sender::new(0) });
        let delivery = Delivery { caller: Arc::clone(&caller), queued: Arc::clone(&queued), attempts };
        tokio::spawn(delivery.run(receiver));
        Self { caller, sender, capacity, queued }
    }

    /// Adds an event; drops it if the queue is full.
    pub(super) fn push(&self, event: HookEvent) {
        let caller = &self.caller;
        if self.queued.count.load(Ordering::Relaxed) >= self.capacity {
            caller.metrics().count_dropped(event.request.method);
            let (application, method) = (caller.application(), event.request.method.name());
            tracing::warn!(
                target: super::TARGET, application, method, "webhook event dropped: the queue is full, see [hooks] queue"
            );
            return;
        }
        let queued = self.queued.count.fetch_add(1, Ordering::Relaxed) + 1;
        self.queued.changed.send_replace(queued);
        caller.metrics().set_queued(caller.application(), queued);
        // The task runs as long as the runtime.
        let _ = self.sender.send(event);
    }

    pub(super) fn len(&self) -> usize {
        self.queued.count.load(Ordering::Relaxed)
    }

    /// Waits until the queue is empty.
    pub(super) async fn flushed(&self) {
        let _ = self.queued.changed.subscribe().wait_for(|queued| *queued == 0).await;
    }
}

/// The task of a queue.
struct Delivery {
    caller: Arc<HookCaller>,
    queued: Arc<QueueLength>,
    attempts: u32,
}

impl Delivery {
    async fn run(self, mut receiver: mpsc::UnboundedReceiver<HookEvent>) {
        // The events behind the one that is being delivered, for each session that has one.
        let mut behind: BTreeMap<u64, VecDeque<HookEvent>> = BTreeMap::new();
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                event = receiver.recv() => {
                    let Some(event) = event else { return };
                    match behind.get_mut(&event.order) {
                        Some(waiting) => waiting.push_back(event),
                        None => {
                            behind.insert(event.order, VecDeque::new());
                            self.begin(event, &mut running);
                        }
                    }
                }
                Some(order) = running.join_next() => {
                    self.queued.finish_one(&self.caller);
                    let Ok(order) = order else { continue };
                    match behind.get_mut(&order).and_then(VecDeque::pop_front) {
                        Some(next) => self.begin(next, &mut running),
                        None => {
                            behind.remove(&order);
                        }
                    }
                }
            }
        }
    }

    fn begin(&self, event: HookEvent, running: &mut JoinSet<u64>) {
        let (caller, attempts) = (Arc::clone(&self.caller), self.attempts);
        running.spawn(async move {
            deliver(&caller, &event.request, attempts).await;
            event.order
        });
    }
}

/// Delivers an event or gives it up.
async fn deliver(caller: &HookCaller, request: &HookRequest, attempts: u32) {
    for attempt in 1..=attempts {
        match caller.deliver(request, attempt).await {
            Ok(_) => return,
            Err(failure) if failure.is_temporary() && attempt < attempts => {
                caller.metrics().count_retry(request.method);
                tokio::time::sleep(pause(attempt)).await;
            }
            Err(_) => break,
        }
    }
    caller.metrics().count_dropped(request.method);
    let (application, method, delivery) = (caller.application(), request.method.name(), request.delivery.as_str());
    tracing::warn!(target: super::TARGET, application, method, delivery, "webhook event given up");
}

/// Returns the pause after an attempt: between half and all of the exponential value, so that the sessions do not
/// repeat their events at the same time.
fn pause(attempt: u32) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_PAUSE);
    let mut octet = [0];
    // Without random numbers, the pause is half of the value.
    let _ = getrandom::fill(&mut octet);
    full / 2 + full / 2 * u32::from(octet[0]) / 255
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_PAUSE, pause};
    use core::time::Duration;

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let between = |attempt, least: f64, most: f64| {
            let pause = pause(attempt).as_secs_f64();
            assert!((least..=most).contains(&pause), "{attempt}: {pause}");
        };
        between(1, 0.5, 1.0);
        between(4, 4.0, 8.0);
        between(7, 30.0, 60.0);
        assert!(pause(u32::MAX) <= LONGEST_PAUSE && pause(1) > Duration::ZERO);
    }
}
