//! A configured application at run time: its endpoint, its queue of events and its counters.

use super::delivery::{EventQueue, HookEvent};
use super::exchange::{Endpoint, HookFailure, HookRequest, HookResult};
use super::method::HookMethod;
use super::policy::Policies;
use crate::config::{ApplicationSettings, HookSettings};
use crate::metrics::HookMetrics;
use reqwest::Client;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::Semaphore;

/// A configured application.
#[derive(Debug)]
pub(super) struct Application {
    name: String,
    /// The application keys of its clients; `*`: of all clients that have no other application.
    pub(super) app_key: String,
    pub(super) policies: Policies,
    caller: Arc<HookCaller>,
    events: EventQueue,
}

/// Sends requests to one application.
#[derive(Debug)]
pub(super) struct HookCaller {
    endpoint: Endpoint,
    application: String,
    /// Bounds the number of concurrent requests.
    permits: Semaphore,
    /// Bounds that of events, which have a permit of both, so that events do not delay questions.
    event_permits: Semaphore,
    metrics: Arc<HookMetrics>,
    /// Random text that distinguishes the deliveries of this process from those of others.
    process: String,
    deliveries: AtomicU64,
}

impl Application {
    /// Creates an application and starts the task that delivers its events.
    pub(super) fn start(
        name: &str,
        settings: &ApplicationSettings,
        hooks: &HookSettings,
        (client, process): (Client, &str),
        metrics: &Arc<HookMetrics>,
    ) -> Option<Self> {
        let endpoint = Endpoint {
            client,
            url: settings.url.clone()?,
            user: settings.password.clone().map(|password| (settings.user.clone(), password)),
            secret: settings.secret.clone(),
            timeout: hooks.timeout,
        };
        let caller = Arc::new(HookCaller::new(endpoint, name, hooks.concurrency, metrics, process));
        let events = EventQueue::start(Arc::clone(&caller), hooks.queue, hooks.attempts);
        let policies = Policies::new(&settings.methods, &settings.on_error);
        Some(Self { name: name.to_owned(), app_key: settings.app_key.clone(), policies, caller, events })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn caller(&self) -> Arc<HookCaller> {
        Arc::clone(&self.caller)
    }

    /// Queues an event. Events with the same `order` are delivered in order.
    pub(super) fn send_event(&self, order: u64, method: HookMethod, body: &Map<String, Value>) {
        let request = self.caller.request(method, body);
        self.events.push(HookEvent { order, request });
    }

    /// Waits until all events were delivered or given up.
    pub(super) async fn flushed(&self) {
        self.events.flushed().await;
    }

    /// Returns the number of events that were not delivered.
    pub(super) fn queued(&self) -> usize {
        self.events.len()
    }
}

impl HookCaller {
    fn new(
        endpoint: Endpoint,
        application: &str,
        concurrency: usize,
        metrics: &Arc<HookMetrics>,
        process: &str,
    ) -> Self {
        Self {
            endpoint,
            application: application.to_owned(),
            // One for an event and one for a question at least.
            permits: Semaphore::new(concurrency.max(2)),
            event_permits: Semaphore::new((concurrency / 2).max(1)),
            metrics: Arc::clone(metrics),
            process: process.to_owned(),
            deliveries: AtomicU64::new(0),
        }
    }

    fn request(&self, method: HookMethod, body: &Map<String, Value>) -> HookRequest {
        let number = self.deliveries.fetch_add(1, Ordering::Relaxed);
        let body = serde_json::to_string(body).unwrap_or_default();
        HookRequest { method, delivery: format!("{}-{number}", self.process), body }
    }

    /// Asks the application. The time limit includes the time in which the question waits for a free connection.
    pub(super) async fn ask(&self, method: HookMethod, body: &Map<String, Value>) -> HookResult {
        let request = self.request(method, body);
        let started = Instant::now();
        let exchange = async {
            // The semaphore is never closed.
            let _permit = self.permits.acquire().await;
            self.endpoint.send(&request, 1).await
        };
        let limited = tokio::time::timeout(self.endpoint.timeout, exchange).await;
        let result = limited.unwrap_or(Err(HookFailure::TimedOut));
        self.note(&request, 1, started, &result);
        result
    }

    /// Delivers an event once.
    pub(super) async fn deliver(&self, request: &HookRequest, attempt: u32) -> HookResult {
        let _event_permit = self.event_permits.acquire().await;
        let _permit = self.permits.acquire().await;
        let started = Instant::now();
        let result = match self.endpoint.send(request, attempt).await {
            // The answer to an event is not used.
            Err(HookFailure::NotJson) => Ok(Map::new()),
            result => result,
        };
        self.note(request, attempt, started, &result);
        result
    }

    pub(super) fn metrics(&self) -> &HookMetrics {
        &self.metrics
    }

    pub(super) fn application(&self) -> &str {
        &self.application
    }

    /// Counts and logs a request.
    fn note(&self, request: &HookRequest, attempt: u32, started: Instant, result: &HookResult) {
        let (elapsed, method) = (started.elapsed(), request.method.name());
        let outcome = result.as_ref().map_or_else(HookFailure::name, |_| "ok");
        self.metrics.count(request.method, outcome, elapsed);
        let (application, delivery, ms) = (self.application.as_str(), request.delivery.as_str(), elapsed.as_millis());
        match result {
            Ok(_) => {
                tracing::debug!(target: super::TARGET, application, method, delivery, attempt, ms, "webhook answered");
            }
            Err(failure) => {
                tracing::warn!(
                    target: super::TARGET, application, method, delivery, attempt, ms, outcome, %failure, "webhook failed"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
