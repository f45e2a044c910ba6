//! `GET /api/v1/calls/{id}/trace`: the messages of one call, as JSON and as a ladder diagram, and the page that draws it.

use super::body::CallPath;
use super::documentation::file;
use super::problem::{Problem, ProblemCode};
use super::{ApiState, json_response};
use crate::timestamp::rfc3339;
use crate::trace::{CallTrace, TracedCall, ladder};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use offhook_b2bua::call::CallKey;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The trace of a call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TraceJson {
    /// The call.
    call_id: String,
    /// The caller, as shown to callees.
    from: String,
    /// The callee as dialed.
    to: String,
    /// The time when it was placed, in the form of RFC 3339.
    placed_at: String,
    /// The time when it ended.
    ended_at: Option<String>,
    /// The end reason.
    end_reason: Option<&'static str>,
    /// The outcome in words.
    outcome: String,
    /// The peers and the relay, from left to right.
    lanes: Vec<String>,
    /// The messages, in the order in which the relay received or sent them.
    messages: Vec<TraceMessageJson>,
    /// The number of messages that are no longer stored.
    removed: u64,
}

/// A message of a trace.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TraceMessageJson {
    /// The time, in the form of RFC 3339.
    at: String,
    /// Milliseconds since the first message.
    offset_ms: u64,
    /// The index of the sender in `lanes`.
    from: usize,
    /// The index of the receiver in `lanes`.
    to: usize,
    /// `sip` or `signaling`.
    protocol: &'static str,
    /// The request, the response, or the name of the message.
    summary: String,
    /// The message without credentials.
    text: String,
}

impl From<CallTrace> for TraceJson {
    fn from(trace: CallTrace) -> Self {
        let outcome = trace.outcome();
        let CallTrace { call, lanes, rows, removed } = trace;
        let messages = rows.into_iter().map(|row| TraceMessageJson {
            at: rfc3339(row.at),
            offset_ms: u64::try_from(row.offset.as_millis()).unwrap_or(u64::MAX),
            from: row.from,
            to: row.to,
            protocol: row.protocol,
            summary: row.summary,
            text: row.text,
        });
        Self {
            call_id: call.call.0.to_string(),
            from: call.from,
            to: call.to,
            placed_at: rfc3339(call.placed_at),
            ended_at: call.end.map(|(_, at)| rfc3339(at)),
            end_reason: call.end.map(|(reason, _)| reason.name()),
            outcome,
            lanes: lanes.into_iter().map(|lane| lane.label).collect(),
            messages: messages.collect(),
            removed,
        }
    }
}

/// Returns the messages of a call: as a ladder diagram in text if `Accept` prefers `text/plain`.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{id}/trace",
    operation_id = "traceCall",
    params(("id" = String, Path, description = "The call, up to some minutes after its end")),
    responses((status = 200, description = "The trace", body = TraceJson))
)]
pub(super) async fn trace(
    State(api): State<Arc<ApiState>>,
    CallPath(id): CallPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let trace = trace_of(&api, &id).await?;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let is_text = accept.split(',').next().is_some_and(|first| first.trim().starts_with("text/plain"));
    if is_text { Ok(text(&trace)) } else { json_response(&TraceJson::from(trace)) }
}

/// Returns the messages of a call as a ladder diagram in text.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{id}/trace.txt",
    operation_id = "traceCallAsText",
    params(("id" = String, Path, description = "The call, up to some minutes after its end")),
    responses((status = 200, description = "The ladder diagram and the messages", body = String, content_type = "text/plain"))
)]
pub(super) async fn trace_text(State(api): State<Arc<ApiState>>, CallPath(id): CallPath) -> Result<Response, Problem> {
    Ok(text(&trace_of(&api, &id).await?))
}

fn text(trace: &CallTrace) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, ladder(trace)).into_response()
}

async fn trace_of(api: &ApiState, id: &str) -> Result<CallTrace, Problem> {
    let Some(store) = &api.trace else {
        return Err(Problem::new(ProblemCode::NoTrace, "the messages of calls are not kept: see [trace]"));
    };
    let unknown = || Problem::new(ProblemCode::UnknownCall, "there is no such call, or its trace is no longer kept");
    let call = id.parse().map(CallKey).map_err(|_| unknown())?;
    let call = match store.ended(call) {
        Some(ended) => ended,
        None => {
            let live =
                api.bridge.view(move |relay| relay.call_record(call).map(|record| TracedCall::new(record, None)));
            live.await?.ok_or_else(unknown)?
        }
    };
    let messages = store.messages(&call);
    Ok(CallTrace::new(call, messages))
}

/// The routes of the page and its files, which contain nothing that requires a token.
pub(super) fn pages() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/api/trace", get(|| async { file("text/html; charset=utf-8", include_str!("page_files/trace.html")) }))
        .route("/api/trace.css", get(|| async { file("text/css", include_str!("page_files/trace.css")) }))
        .route("/api/trace.js", get(|| async { file("text/javascript", include_str!("page_files/trace.js")) }))
}
