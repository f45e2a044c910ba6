//! `GET /api/v1/events/ws`: the events of calls as messages on a WebSocket, with the filters, the resuming and the limits of
//! the stream of Server-Sent Events.

use super::ApiState;
use super::body::Parameters;
use super::events::{EventFilter, EventJson, OpenStream, TOKEN_REMOVED, event_id, subscribe};
use super::feed::{FeedEvent, FeedSubscription};
use super::problem::{Problem, ProblemCode};
use super::token::{Grant, TokenHash};
use crate::http::Lingering;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use core::pin::pin;
use core::time::Duration;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};

/// Interval of pings. A client that has not answered the previous one is disconnected.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Time limit for writing one message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum length of a received message, in octets. Clients send none.
const RECEIVED: usize = 1_024;

/// The close codes (RFC 6455 §7.4.1, and the IANA registry for 1013, "try again later").
const GOING_AWAY: u16 = 1_001;
const POLICY: u16 = 1_008;
const TRY_AGAIN: u16 = 1_013;

/// A message: an event with its identifier.
#[derive(Serialize)]
struct EventMessage<'a> {
    id: String,
    #[serde(flatten)]
    event: EventJson<'a>,
}

/// Sends the events of calls on a WebSocket.
#[utoipa::path(
    get,
    path = "/api/v1/events/ws",
    operation_id = "openEventSocket",
    params(
        ("callId" = Option<String>, Query, description = "Only events of this call"),
        ("user" = Option<String>, Query, description = "Only calls with this name in `caller` or `callee`"),
        ("type" = Option<String>, Query, description = "Only events with these names, separated by commas"),
        ("after" = Option<String>, Query, description = "The last event that was received"),
    ),
    responses((status = 101, description = "The WebSocket is open; each message is an event with its `id`"))
)]
pub(super) async fn event_socket(
    State(api): State<Arc<ApiState>>,
    Extension(grant): Extension<Grant>,
    lingering: Option<Extension<Lingering>>,
    headers: HeaderMap,
    mut parameters: Parameters,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let last = parameters.take("after");
    let filter = EventFilter::parse(&mut parameters)?;
    parameters.finish()?;
    let upgrade = upgrade.map_err(|rejection| {
        let problem = Problem::new(ProblemCode::UpgradeRequired, rejection.body_text());
        problem.with(header::UPGRADE, HeaderValue::from_static("websocket"))
    })?;
    let last = last.as_deref().or_else(|| headers.get("last-event-id").and_then(|id| id.to_str().ok()));
    let subscription = subscribe(&api, last)?;
    let lingering = lingering.map(|Extension(lingering)| lingering).unwrap_or_default();
    let upgrade = upgrade.max_message_size(RECEIVED).max_frame_size(RECEIVED).read_buffer_size(RECEIVED);
    Ok(upgrade.on_upgrade(async move |socket| {
        let open = OpenStream::new(api.open_streams.clone());
        // The last messages must not be lost because the client sends at the same time.
        lingering.on();
        EventSocket { socket, filter, run: api.run(), token: grant.hash }.serve(&api, subscription).await;
        drop(open);
    }))
}

/// The reason why messages are no longer forwarded.
enum SocketEnd {
    /// The feed has ended, because the client is too slow or the relay shuts down.
    Feed,
    /// The token was removed.
    TokenRemoved,
    /// The client sent a message, or did not answer a ping.
    Violation(&'static str),
    /// The client closed the WebSocket, or the connection is lost.
    Closed,
}

/// An open WebSocket.
struct EventSocket {
    socket: WebSocket,
    filter: EventFilter,
    /// The start time of the relay, which is part of the identifiers of events.
    run: u64,
    /// The hash of the client's token.
    token: TokenHash,
}

impl EventSocket {
    async fn serve(mut self, api: &ApiState, subscription: FeedSubscription) {
        let FeedSubscription { missed, has_gap, mut events } = subscription;
        let end = match self.begin(&missed, has_gap).await {
            Ok(()) => self.forward(api, &mut events).await,
            Err(end) => end,
        };
        let (code, reason) = match end {
            SocketEnd::Feed if api.feed.has_stopped() => (GOING_AWAY, "the relay is shutting down"),
            SocketEnd::Feed => (TRY_AGAIN, "the client is too slow"),
            SocketEnd::TokenRemoved => (POLICY, TOKEN_REMOVED),
            SocketEnd::Violation(reason) => (POLICY, reason),
            SocketEnd::Closed => return,
        };
        if matches!(end, SocketEnd::Feed | SocketEnd::TokenRemoved) && self.notice("end", reason).await.is_err() {
            return;
        }
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = timeout(WRITE_TIMEOUT, self.socket.send(Message::Close(Some(frame)))).await;
    }

    /// Sends the events that the client has missed.
    async fn begin(&mut self, missed: &[Arc<FeedEvent>], has_gap: bool) -> Result<(), SocketEnd> {
        if has_gap {
            self.notice("gap", "events are lost: request the list of calls").await?;
        }
        for event in missed {
            self.event(event).await?;
        }
        Ok(())
    }

    /// Forwards events until one side ends the WebSocket.
    async fn forward(&mut self, api: &ApiState, events: &mut mpsc::Receiver<Arc<FeedEvent>>) -> SocketEnd {
        let token = self.token.clone();
        let mut removed = pin!(api.settings.token_removed(&token));
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        let mut is_answered = true;
        loop {
            let sent = tokio::select! {
                () = &mut removed => return SocketEnd::TokenRemoved,
                event = events.recv() => match event {
                    Some(event) => self.event(&event).await,
                    None => return SocketEnd::Feed,
                },
                message = self.socket.recv() => match message {
                    // The library answers pings.
                    Some(Ok(Message::Ping(_))) => Ok(()),
                    Some(Ok(Message::Pong(_))) => {
                        is_answered = true;
                        Ok(())
                    }
                    Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                        return SocketEnd::Violation("this WebSocket accepts no messages");
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return SocketEnd::Closed,
                },
                _ = pings.tick() => {
                    if !core::mem::replace(&mut is_answered, false) {
                        return SocketEnd::Violation("a ping was not answered");
                    }
                    self.send(Message::Ping(Bytes::new())).await
                }
            };
            if let Err(end) = sent {
                return end;
            }
        }
    }

    /// Sends an event if the filter accepts it.
    async fn event(&mut self, event: &FeedEvent) -> Result<(), SocketEnd> {
        if !self.filter.accepts(event) {
            return Ok(());
        }
        let message = EventMessage { id: event_id(event, self.run), event: EventJson::from(event) };
        // Serialization cannot fail: all keys of the JSON objects are text.
        self.send(Message::Text(serde_json::to_string(&message).unwrap_or_default().into())).await
    }

    async fn notice(&mut self, kind: &str, reason: &str) -> Result<(), SocketEnd> {
        self.send(Message::Text(json!({ "type": kind, "reason": reason }).to_string().into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), SocketEnd> {
        match timeout(WRITE_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(SocketEnd::Closed),
        }
    }
}
