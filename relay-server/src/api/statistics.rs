//! `GET /api/v1/statistics`: numbers of objects, and totals of the API. `/metrics` has the totals of the relay.

use super::problem::Problem;
use super::{ApiState, json_response};
use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

pub(super) async fn statistics(State(api): State<Arc<ApiState>>) -> Result<Response, Problem> {
    let total = |total: &AtomicU64| total.load(Ordering::Relaxed);
    let counts = *api.gauges.counts.lock().unwrap_or_else(PoisonError::into_inner);
    json_response(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeMs": u64::try_from(api.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "connections": counts.connections,
        "sessions": counts.sessions,
        "calls": counts.calls,
        "registrations": counts.registrations,
        "api": {
            "requests": total(&api.requests),
            "timeouts": total(&api.timeouts),
            "refused": {
                "noToken": total(&api.refusals.no_token),
                "wrongToken": total(&api.refusals.wrong_token),
                "noScope": total(&api.refusals.no_scope),
            },
        },
    }))
}
