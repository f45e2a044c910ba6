//! `GET /api/v1/records`: call detail records of the database.

use super::body::{Parameters, invalid};
use super::page::{PageJson, PageRequest};
use super::problem::{Problem, ProblemCode};
use super::{ApiState, json_response};
use crate::records::{CancelOnDrop, QueryCancellation, RecordJson, RecordPage, RecordQuery, StoredRecord};
use crate::timestamp::parse_rfc3339;
use axum::extract::State;
use axum::response::Response;
use offhook_clock::Time;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Maximum number of queries at a time.
pub(super) const QUERIES: usize = 4;

/// Lists the records of calls that have ended, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/records",
    operation_id = "listRecords",
    params(
        ("from" = Option<String>, Query, description = "Only calls that were placed at this time or later"),
        ("until" = Option<String>, Query, description = "Only calls that were placed before this time"),
        ("user" = Option<String>, Query, description = "Only calls with this caller, dialed callee or answering callee"),
        ("endReason" = Option<String>, Query, description = "Only calls with this end reason"),
        ("limit" = Option<u64>, Query, description = "Number of items in the response, 1 to 500; 100 by default"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses((status = 200, description = "The records", body = PageJson<StoredRecordJson>))
)]
pub(super) async fn list(State(api): State<Arc<ApiState>>, mut parameters: Parameters) -> Result<Response, Problem> {
    let query = record_query(&mut parameters)?;
    parameters.finish()?;
    let reader = api.records.clone().ok_or_else(|| {
        Problem::new(ProblemCode::NoDatabase, "there is no database of call detail records: see [records]")
    })?;
    let Ok(_permit) = api.record_queries.acquire().await else { return Err(unreadable()) };
    let limit = api.settings().request_timeout;
    // The time limit of the request drops this future, but not the blocking task.
    let cancellation = QueryCancellation::default();
    let _cancel = CancelOnDrop(cancellation.clone());
    let page = tokio::task::spawn_blocking(move || reader.read(&query, limit, &cancellation)).await;
    match page {
        Ok(Ok(page)) => json_response(&page_json(&page)),
        Ok(Err(error)) => {
            tracing::error!(%error, "reading call detail records failed");
            Err(unreadable())
        }
        Err(_) => Err(unreadable()),
    }
}

fn unreadable() -> Problem {
    Problem::new(ProblemCode::InternalError, "the call detail records could not be read: see the log of the relay")
}

fn record_query(parameters: &mut Parameters) -> Result<RecordQuery, Problem> {
    let (limit, after) = PageRequest::parse(parameters)?.parts();
    Ok(RecordQuery {
        from: time(parameters, "from")?,
        until: time(parameters, "until")?,
        participant: parameters.take("user"),
        end_reason: parameters.take("endReason"),
        before: after.map(|after| i64::try_from(after).unwrap_or(i64::MAX)),
        limit,
    })
}

fn time(parameters: &mut Parameters, name: &str) -> Result<Option<Time>, Problem> {
    let Some(text) = parameters.take(name) else { return Ok(None) };
    let wrong = || invalid(format!("`{name}` is not a time in UTC like `2026-03-01T09:30:00Z`"));
    parse_rfc3339(&text).map(Some).ok_or_else(wrong)
}

/// A record of the database: the members of JSON lines, and its identifier.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoredRecordJson<'a> {
    /// The identifier in the database.
    id: String,
    #[serde(flatten)]
    record: RecordJson<'a>,
}

impl<'a> From<&'a StoredRecord> for StoredRecordJson<'a> {
    fn from(StoredRecord { id, record }: &'a StoredRecord) -> Self {
        Self { id: id.to_string(), record: record.to_json() }
    }
}

fn page_json(page: &RecordPage) -> PageJson<StoredRecordJson<'_>> {
    let last = page.records.last().filter(|_| page.has_more);
    PageJson {
        items: page.records.iter().map(StoredRecordJson::from).collect(),
        total: page.total,
        next: last.map(|stored| stored.id.to_string()),
    }
}
