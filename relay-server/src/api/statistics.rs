//! `GET /api/v1/statistics`: numbers of objects, and totals of the API. `/metrics` has the totals of the relay.

use super::problem::Problem;
use super::{ApiCounters, ApiState, json_response};
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use utoipa::ToSchema;

/// Numbers of objects, and totals since the start.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatisticsJson {
    /// The version of the relay.
    version: &'static str,
    /// The time since the start.
    uptime_ms: u64,
    /// Open WebSockets.
    connections: usize,
    /// Client sessions.
    sessions: usize,
    /// Calls that ring or are established.
    calls: usize,
    /// Accounts that are registered at a SIP server.
    registrations: usize,
    api: ApiTotalsJson,
}

/// Totals of the API.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTotalsJson {
    /// All requests.
    requests: u64,
    /// Requests that exceeded the time limit.
    timeouts: u64,
    refused: RefusalsJson,
}

/// Totals of refused requests.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusalsJson {
    no_token: u64,
    wrong_token: u64,
    no_scope: u64,
}

/// Returns numbers of objects, and totals of the API.
#[utoipa::path(
    get,
    path = "/api/v1/statistics",
    operation_id = "getStatistics",
    responses((status = 200, description = "The statistics", body = StatisticsJson))
)]
pub(super) async fn statistics(State(api): State<Arc<ApiState>>) -> Result<Response, Problem> {
    let total = |total: &AtomicU64| total.load(Ordering::Relaxed);
    let ApiCounters { requests, timeouts, no_token, wrong_token, no_scope } = &*api.counters;
    let counts = *api.gauges.counts.lock().unwrap_or_else(PoisonError::into_inner);
    json_response(&StatisticsJson {
        version: env!("CARGO_PKG_VERSION"),
        uptime_ms: u64::try_from(api.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        connections: counts.connections,
        sessions: counts.sessions,
        calls: counts.calls,
        registrations: counts.registrations,
        api: ApiTotalsJson {
            requests: total(requests),
            timeouts: total(timeouts),
            refused: RefusalsJson {
                no_token: total(no_token),
                wrong_token: total(wrong_token),
                no_scope: total(no_scope),
            },
        },
    })
}
