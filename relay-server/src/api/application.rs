//! Actions on calls of the application, in which the application itself is a participant.

use super::actions::{Acting, act};
use super::body::JsonBody;
use super::problem::Problem;
use super::views::CallJson;
use axum::response::Response;
use offhook_b2bua::command::CallCommand;
use serde::Deserialize;
use utoipa::ToSchema;

/// The body of `bridge`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BridgeRequest {
    /// The other call of the application, which ends: its other participant joins this call.
    other_call: String,
}

/// Connects the other participants of two calls of the application, which leaves both.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/bridge",
    operation_id = "bridge",
    params(
        ("id" = String, Path, description = "The call that continues"),
    ),
    request_body = BridgeRequest,
    responses(
        (status = 200, description = "The call after the action", body = CallJson),
        (status = 204, description = "The call has ended")
    )
)]
pub(super) async fn bridge(acting: Acting, JsonBody(body): JsonBody<BridgeRequest>) -> Result<Response, Problem> {
    act(acting, "bridge", |call, api| {
        let other = api.call(&body.other_call)?.record.call;
        Ok(CallCommand::Bridge { call: call.record.call, other })
    })
    .await
}
