//! `GET /api/v1/events`: events of calls as Server-Sent Events, with filters and resuming by `Last-Event-ID`.

use super::ApiState;
use super::body::{Parameters, invalid};
use super::feed::{CallChange, FeedEvent, FeedSubscription, OperationChange};
use super::problem::{Problem, ProblemCode};
use super::token::{Grant, TokenHash};
use super::views::CallJson;
use crate::timestamp::rfc3339;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use core::convert::Infallible;
use core::time::Duration;
use futures_util::stream::{self, Stream, StreamExt as _};
use offhook_b2bua::call::CallKey;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::watch;
use utoipa::ToSchema;

/// Interval of comments on an idle connection, so that proxies keep it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The reason of the end of a stream whose token was removed.
pub(super) const TOKEN_REMOVED: &str = "the token is not one of [api.tokens] any more";

/// An event of a call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventJson<'a> {
    /// The name of the event.
    #[serde(rename = "type")]
    kind: &'a str,
    /// Its time, in the form of RFC 3339.
    at: String,
    /// The call.
    call_id: String,
    /// The participant that it concerns.
    participant_id: Option<String>,
    /// The reason of an end or a failure.
    reason: Option<&'a str>,
    /// The SIP status of an end or a failure.
    sip_status: Option<u16>,
    /// A DTMF digit.
    digit: Option<char>,
    /// The progress of a transfer, the path of media, the direction of muting, or the reason why an operation ended.
    detail: Option<&'a str>,
    /// The playback, recording or collection of digits that the event concerns.
    operation: Option<OperationChange>,
    /// The call after the event, or its last state.
    call: Option<CallJson>,
}

/// The events that a client requests.
pub(super) struct EventFilter {
    call: Option<CallKey>,
    user: Option<String>,
    kinds: Option<Vec<String>>,
}

impl EventFilter {
    pub(super) fn parse(parameters: &mut Parameters) -> Result<Self, Problem> {
        let call = parameters.number("callId", 0, u64::MAX)?.map(CallKey);
        let kinds: Option<Vec<String>> =
            parameters.take("type").map(|kinds| kinds.split(',').map(str::to_owned).collect());
        if let Some(unknown) = kinds.iter().flatten().find(|kind| !CallChange::NAMES.contains(&kind.as_str())) {
            return Err(invalid(format!("`type`: there is no event `{unknown}`")));
        }
        Ok(Self { call, user: parameters.take("user"), kinds })
    }

    pub(super) fn accepts(&self, event: &FeedEvent) -> bool {
        let is_of = |user: &str| {
            let participants = event.entry.iter().flat_map(|entry| &entry.snapshot.participants);
            participants.into_iter().any(|one| one.caller == user || one.callee == user)
        };
        self.call.is_none_or(|call| call == event.call)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| kind == event.change.name))
            && self.user.as_deref().is_none_or(is_of)
    }
}

/// Streams the events of calls.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "streamEvents",
    params(
        ("callId" = Option<String>, Query, description = "Only events of this call"),
        ("user" = Option<String>, Query, description = "Only calls with this name in `caller` or `callee`"),
        ("type" = Option<String>, Query, description = "Only events with these names, separated by commas"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that was received"),
    ),
    responses((status = 200, description = "The events", body = EventJson, content_type = "text/event-stream"))
)]
pub(super) async fn events(
    State(api): State<Arc<ApiState>>,
    Extension(grant): Extension<Grant>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let filter = EventFilter::parse(&mut parameters)?;
    parameters.finish()?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let subscription = subscribe(&api, last)?;
    let stream = frames(api, subscription, filter, grant.hash);
    let response = Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    Ok(([(header::CACHE_CONTROL, "no-store")], response).into_response())
}

/// Subscribes to the events after the one with the identifier `last`, or to new ones only.
pub(super) fn subscribe(api: &ApiState, last: Option<&str>) -> Result<FeedSubscription, Problem> {
    api.feed.subscribe(last.map(|id| api.event_number(id))).ok_or_else(|| {
        let problem = Problem::new(ProblemCode::Overloaded, "too many clients receive events");
        problem.with(header::RETRY_AFTER, HeaderValue::from_static("5"))
    })
}

/// Counts a stream until it is dropped, so that the shutdown waits for its last frame.
pub(super) struct OpenStream(watch::Sender<usize>);

impl OpenStream {
    pub(super) fn new(count: watch::Sender<usize>) -> Self {
        count.send_modify(|open| *open += 1);
        Self(count)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// The frames of a subscription. The last one contains the reason of its end.
fn frames(
    api: Arc<ApiState>,
    subscription: FeedSubscription,
    filter: EventFilter,
    token: TokenHash,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let FeedSubscription { missed, has_gap, events } = subscription;
    let gap = has_gap.then(|| notice("gap", "events are lost: request the list of calls"));
    let received = stream::unfold(events, async |mut events| Some((events.recv().await?, events)));
    let run = api.run();
    let open = OpenStream::new(api.open_streams.clone());
    let removed = {
        let (api, token) = (Arc::clone(&api), token.clone());
        async move { api.settings.token_removed(&token).await }
    };
    let frames = stream::iter(missed).chain(received).take_until(Box::pin(removed)).filter_map(move |event| {
        let frame = filter.accepts(&event).then(|| frame(&event, run));
        core::future::ready(frame)
    });
    let end = stream::once(async move {
        let reason = match api.feed.has_stopped() {
            true => "the relay is shutting down",
            false if !api.settings().tokens.has(&token) => TOKEN_REMOVED,
            false => "the client is too slow",
        };
        notice("end", reason)
    });
    // The first frame is sent immediately, so that the client receives the header section of the response.
    let start = stream::once(core::future::ready(Event::default().comment("events of calls")));
    let frames = start.chain(stream::iter(gap)).chain(frames).chain(end);
    frames.map(move |frame| {
        let _ = &open;
        Ok(frame)
    })
}

fn notice(name: &'static str, reason: &str) -> Event {
    Event::default().event(name).data(json!({ "reason": reason }).to_string())
}

impl From<&FeedEvent> for EventJson<'_> {
    fn from(event: &FeedEvent) -> Self {
        let CallChange { name, participant, reason, sip_status, digit, detail, operation } = event.change.clone();
        Self {
            kind: name,
            at: rfc3339(event.at),
            call_id: event.call.0.to_string(),
            participant_id: participant.map(|leg| leg.0.to_string()),
            reason,
            sip_status,
            digit,
            detail,
            operation: operation.map(|operation| *operation),
            call: event.entry.as_deref().map(CallJson::from),
        }
    }
}

/// Returns the identifier of an event. It contains the start time of the relay, because the numbers of events begin with 1
/// after each start.
pub(super) fn event_id(event: &FeedEvent, run: u64) -> String {
    format!("{run}-{}", event.number)
}

fn frame(event: &FeedEvent, run: u64) -> Event {
    // Serialization cannot fail: all keys of the JSON objects are text.
    let data = serde_json::to_string(&EventJson::from(event)).unwrap_or_default();
    Event::default().id(event_id(event, run)).event(event.change.name).data(data)
}

impl ApiState {
    /// Returns the part of the identifiers of events that distinguishes this run of the relay from others.
    pub(super) fn run(&self) -> u64 {
        self.started_at.as_millis()
    }

    /// Returns the number of the event with this identifier. For an event before a restart of the relay, it is a number
    /// that no event has, so that the client is informed of a gap.
    fn event_number(&self, id: &str) -> u64 {
        let number = id.split_once('-').filter(|(run, _)| *run == self.run().to_string());
        number.and_then(|(_, number)| number.parse().ok()).unwrap_or(u64::MAX - 1)
    }
}
