//! `GET /api/v1/records`: call detail records of the database.

use super::body::{Parameters, invalid};
use super::page::PageRequest;
use super::problem::{Problem, ProblemCode};
use super::{ApiState, json_response};
use crate::records::{RecordPage, RecordQuery, StoredRecord};
use crate::timestamp::parse_rfc3339;
use axum::extract::State;
use axum::response::Response;
use offhook_clock::Time;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn list(State(api): State<Arc<ApiState>>, mut parameters: Parameters) -> Result<Response, Problem> {
    let query = record_query(&mut parameters)?;
    parameters.finish()?;
    let path = api.records.clone().ok_or_else(|| {
        Problem::new(ProblemCode::NotFound, "there is no database of call detail records: see [records] sqlite")
    })?;
    let page = tokio::task::spawn_blocking(move || query.run(&path)).await;
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

fn page_json(page: &RecordPage) -> Value {
    let last = page.records.last().filter(|_| page.has_more);
    json!({
        "items": page.records.iter().map(record_json).collect::<Vec<_>>(),
        "total": page.total,
        "next": last.map(|stored| stored.id.to_string()),
    })
}

/// The members of JSON lines, and the id in the database.
fn record_json(stored: &StoredRecord) -> Value {
    let mut json = stored.record.to_json();
    if let Some(members) = json.as_object_mut() {
        members.insert("id".to_owned(), stored.id.to_string().into());
    }
    json
}
