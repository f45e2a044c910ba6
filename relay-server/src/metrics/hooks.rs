//! Counters and histograms of webhooks.

use super::exposition::Exposition;
use super::histogram::Histogram;
use crate::hooks::HookMethod;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Bounds of the duration of requests, in seconds.
const DURATION: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Totals of webhooks since the relay was started.
#[derive(Debug)]
pub struct HookMetrics {
    totals: Mutex<HookTotals>,
}

#[derive(Debug)]
struct HookTotals {
    requests: BTreeMap<(HookMethod, &'static str), u64>,
    retries: BTreeMap<HookMethod, u64>,
    dropped: BTreeMap<HookMethod, u64>,
    queued: BTreeMap<String, usize>,
    duration: Histogram,
}

impl Default for HookMetrics {
    fn default() -> Self {
        let totals = HookTotals {
            requests: BTreeMap::new(),
            retries: BTreeMap::new(),
            dropped: BTreeMap::new(),
            queued: BTreeMap::new(),
            duration: Histogram::new(DURATION),
        };
        Self { totals: Mutex::new(totals) }
    }
}

impl HookMetrics {
    fn with(&self, change: impl FnOnce(&mut HookTotals)) {
        change(&mut self.totals.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Counts a request.
    pub(crate) fn count(&self, method: HookMethod, outcome: &'static str, elapsed: Duration) {
        self.with(|totals| {
            *totals.requests.entry((method, outcome)).or_default() += 1;
            totals.duration.observe(elapsed.as_secs_f64());
        });
    }

    /// Counts the repetition of a request.
    pub(crate) fn count_retry(&self, method: HookMethod) {
        self.with(|totals| *totals.retries.entry(method).or_default() += 1);
    }

    /// Counts an event that was dropped or given up.
    pub(crate) fn count_dropped(&self, method: HookMethod) {
        self.with(|totals| *totals.dropped.entry(method).or_default() += 1);
    }

    /// Sets the number of queued events of an application.
    pub(crate) fn set_queued(&self, application: &str, queued: usize) {
        self.with(|totals| match totals.queued.get_mut(application) {
            Some(length) => *length = queued,
            None => {
                totals.queued.insert(application.to_owned(), queued);
            }
        });
    }

    /// Writes the totals. Samples exist for those methods and outcomes that have occurred.
    pub(super) fn write(&self, out: &mut Exposition) {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let help = "Requests of webhooks that were answered or failed, by method and outcome.";
        let mut family = out.counter("offhook_hook_requests_total", help);
        for ((method, outcome), count) in &totals.requests {
            family.sample(&[("method", method.name()), ("outcome", outcome)], count);
        }
        let help = "Repeated requests for events of webhooks, by method.";
        let mut family = out.counter("offhook_hook_retries_total", help);
        for (method, count) in &totals.retries {
            family.sample(&[("method", method.name())], count);
        }
        let help = "Events of webhooks that were dropped from a full queue or given up, by method.";
        let mut family = out.counter("offhook_hook_dropped_events_total", help);
        for (method, count) in &totals.dropped {
            family.sample(&[("method", method.name())], count);
        }
        let help = "Events of webhooks that are queued or being delivered, by application.";
        let mut family = out.gauge("offhook_hook_queue_length", help);
        for (application, queued) in &totals.queued {
            family.sample(&[("application", application)], queued);
        }
        out.histogram("offhook_hook_duration_seconds", "Duration of the requests of webhooks.", &totals.duration);
    }
}
