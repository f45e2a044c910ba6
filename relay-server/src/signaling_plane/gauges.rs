//! Values of the signaling plane for `/healthz` and `/metrics`.

use crate::clock::Clock;
use crate::metrics::CallMetrics;
use core::time::Duration;
use offhook_b2bua::call::CallEvent;
use offhook_b2bua::record::CallRecord;
use offhook_b2bua::relay::{Counts, RelayCounters};
use offhook_clock::Time;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Values of the signaling plane, as of its last turn.
#[derive(Debug, Default)]
pub struct Gauges {
    /// WebSockets that were refused because of the origin of their page.
    pub foreign_origins: AtomicU64,
    /// Open WebSockets.
    pub connections: AtomicUsize,
    /// Calls.
    pub calls: AtomicUsize,
    /// Objects of the relay machine.
    pub counts: Mutex<Counts>,
    /// Totals of the relay machine.
    pub counters: Mutex<RelayCounters>,
    /// Totals of calls.
    pub call_metrics: Mutex<CallMetrics>,
    /// Queued inputs.
    pub queued: QueueLengths,
    /// The end of the plane's last turn, in milliseconds of its clock.
    last_turn: AtomicU64,
    /// The plane's clock.
    clock: OnceLock<Clock>,
}

impl Gauges {
    pub(super) fn start(&self, clock: Clock) {
        let _ = self.clock.set(clock);
        self.turn_ended(clock.now());
    }

    pub(super) fn turn_ended(&self, now: Time) {
        let millis = now.since(Time::EPOCH).as_millis();
        self.last_turn.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn publish(&self, counts: Counts, counters: RelayCounters) {
        self.calls.store(counts.calls, Ordering::Relaxed);
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    pub(super) fn count_call_event(&self, event: &CallEvent, record: &CallRecord, at: Time) {
        self.call_metrics.lock().unwrap_or_else(PoisonError::into_inner).count(event, record, at);
    }

    /// Returns the time since the end of the plane's last turn, or since its start if there was none; `None` before the
    /// start.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let last = Time::EPOCH + Duration::from_millis(self.last_turn.load(Ordering::Relaxed));
        self.clock.get().map(|clock| clock.now().since(last))
    }
}

/// The numbers of queued inputs of the plane, by source.
#[derive(Debug, Default)]
pub struct QueueLengths([AtomicUsize; SOURCES.len()]);

/// The sources of inputs, in the order of `intake::Kind::ALL`.
const SOURCES: [&str; 3] = ["media", "websocket", "sip"];

impl QueueLengths {
    pub(super) fn publish(&self, lengths: [usize; SOURCES.len()]) {
        for (gauge, length) in self.0.iter().zip(lengths) {
            gauge.store(length, Ordering::Relaxed);
        }
    }

    /// The sources with the numbers of their inputs.
    pub fn lengths(&self) -> impl Iterator<Item = (&'static str, usize)> + '_ {
        SOURCES.into_iter().zip(self.0.iter().map(|length| length.load(Ordering::Relaxed)))
    }
}
