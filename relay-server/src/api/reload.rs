//! `POST /api/v1/reload`: reloads the configuration, as SIGHUP does.

use super::problem::{Problem, ProblemCode};
use super::{ApiState, json_response};
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The options that have changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReloadJson {
    /// Those that have taken effect, such as `calls.ring_timeout`.
    applied: Vec<String>,
    /// Those that take effect after a restart.
    needs_restart: Vec<String>,
}

/// Reloads the configuration and the certificates. If one of them cannot be used, nothing changes.
#[utoipa::path(
    post,
    path = "/api/v1/reload",
    operation_id = "reloadConfiguration",
    responses((status = 200, description = "The options that have changed", body = ReloadJson))
)]
pub(super) async fn reload(State(api): State<Arc<ApiState>>) -> Result<Response, Problem> {
    let result = api.reloads.reload().await;
    let result = result.ok_or_else(|| Problem::new(ProblemCode::ShuttingDown, "the relay is shutting down"))?;
    let changed = result.map_err(|error| Problem::new(ProblemCode::InvalidConfiguration, error))?;
    json_response(&ReloadJson { applied: changed.applied, needs_restart: changed.needs_restart })
}
