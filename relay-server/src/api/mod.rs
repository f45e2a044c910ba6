//! REST API for the application's backend.
//!
//! The HTTP code contains no call logic: it converts requests to commands and views of the call model.
//!
//! ```text
//!  request ─> time limit ─> token (401) ─> scope (403) ─> handler ─┬─> PlaneBridge ─> CallCommand, or a view of the relay machine
//!                                                                  ├─> CallDirectory (from CallEvent)
//!                                                                  └─> EventFeed (CallEvent)
//! ```

mod access;
mod actions;
mod admin_token;
mod application;
mod body;
mod bridge;
mod calls;
mod compatible;
mod cors;
pub mod directory;
mod documentation;
mod event_socket;
mod events;
pub mod feed;
mod idempotency;
mod media;
mod openapi;
mod page;
mod problem;
mod records;
mod reload;
mod sessions;
mod settings;
mod statistics;
pub mod token;
mod trace;
mod views;

use crate::clock::Clock;
use crate::config::{ApiSettings, Settings};
use crate::http::{App, Lingering, TrustedProxies};
use crate::lifecycle::{Lifecycle, Phase};
use crate::media_files::ShellAudio;
use crate::records::RecordReader;
use crate::reload::ReloadRequests;
use crate::security_log::SecurityLog;
use crate::signaling_plane::Gauges;
use crate::trace::TraceStore;
use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use body::BodyReception;
use bridge::PlaneBridge;
use directory::CallDirectory;
use feed::EventFeed;
use idempotency::IdempotencyKeys;
use offhook_clock::Time;
use problem::{Problem, ProblemCode};
use serde::Serialize;
use settings::{AccessSettings, CurrentSettings};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use token::{ApiToken, Scope};
use tokio::sync::{Semaphore, watch};

/// State shared by the handlers.
#[derive(Debug)]
pub struct ApiState {
    settings: CurrentSettings,
    lifecycle: Arc<Lifecycle>,
    /// Requests to reload the configuration.
    reloads: ReloadRequests,
    bridge: PlaneBridge,
    directory: Arc<CallDirectory>,
    feed: Arc<EventFeed>,
    idempotency: IdempotencyKeys,
    clock: Clock,
    /// Playback files and recordings.
    audio: Arc<ShellAudio>,
    /// The number of open streams, which the shutdown waits for.
    open_streams: watch::Sender<usize>,
    started_at: Time,
    trusted_proxies: TrustedProxies,
    security_log: Arc<SecurityLog>,
    gauges: Arc<Gauges>,
    /// The database of call detail records.
    records: Option<RecordReader>,
    /// The traces of calls, unless they are off.
    trace: Option<Arc<TraceStore>>,
    /// Permits for reading the database.
    record_queries: Semaphore,
    started: Instant,
    counters: Arc<ApiCounters>,
}

/// Totals of the API since the start.
#[derive(Debug, Default)]
pub struct ApiCounters {
    /// Requests.
    pub requests: AtomicU64,
    /// Requests that exceeded the time limit.
    pub timeouts: AtomicU64,
    /// Requests without credentials.
    pub no_token: AtomicU64,
    /// Requests with a token that is not accepted.
    pub wrong_token: AtomicU64,
    /// Requests whose token does not have the scope.
    pub no_scope: AtomicU64,
}

impl ApiState {
    /// Creates the state. Without a configured token, the admin token of `state_directory` is accepted. It is returned if
    /// it was created.
    ///
    /// # Errors
    /// If the stored admin token is damaged, or the system provides no random numbers.
    pub fn new(
        settings: &Settings,
        app: &App,
        state_directory: Option<PathBuf>,
        (clock, directory, feed): (Clock, Arc<CallDirectory>, Arc<EventFeed>),
        reloads: ReloadRequests,
    ) -> io::Result<(Arc<Self>, Option<ApiToken>)> {
        let (current, created) = CurrentSettings::new(&settings.api, state_directory)?;
        let state = Self {
            settings: current,
            lifecycle: Arc::clone(&app.lifecycle),
            reloads,
            bridge: PlaneBridge::new(app.plane.clone()),
            directory,
            feed,
            idempotency: IdempotencyKeys::default(),
            clock,
            audio: Arc::clone(&app.audio),
            open_streams: app.sockets.clone(),
            started_at: clock.now(),
            trusted_proxies: settings.trusted_proxies.clone(),
            security_log: Arc::clone(&app.security_log),
            gauges: Arc::clone(&app.gauges),
            records: app.records.database.clone(),
            trace: app.trace.clone(),
            record_queries: Semaphore::new(records::QUERIES),
            started: Instant::now(),
            counters: Arc::clone(&app.api),
        };
        Ok((Arc::new(state), created))
    }

    /// Refuses new calls while the relay drains.
    fn accepts_calls(&self) -> Result<(), Problem> {
        if self.lifecycle.phase() == Phase::Running {
            return Ok(());
        }
        let problem = Problem::new(ProblemCode::ShuttingDown, "the relay accepts no more calls, because it shuts down");
        Err(problem.with(header::RETRY_AFTER, HeaderValue::from_static("10")))
    }

    fn settings(&self) -> Arc<AccessSettings> {
        self.settings.get()
    }

    /// Prepares the settings of another configuration. The returned function puts them into effect. The admin token is
    /// returned if it was created.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn prepare(self: &Arc<Self>, settings: &ApiSettings) -> io::Result<(impl FnOnce() + use<>, Option<ApiToken>)> {
        let (prepared, created) = self.settings.prepare(settings)?;
        let api = Arc::clone(self);
        Ok((move || api.settings.replace(prepared), created))
    }
}

/// The router of connections within the limits.
pub fn router(api: &Arc<ApiState>) -> Router {
    let read = Router::new()
        .route("/api/openapi.json", get(openapi::description))
        .route("/api/v1/statistics", get(statistics::statistics))
        .route("/api/v1/sessions", get(sessions::sessions))
        .route("/api/v1/accounts", get(sessions::accounts))
        .route("/api/v1/registrations", get(sessions::registrations))
        .route("/api/v1/calls", get(calls::list))
        .route("/api/v1/calls/{id}", get(calls::get))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/events/ws", get(event_socket::event_socket))
        .route("/rest-api/call/find_all", both(compatible::find_all_calls))
        .route("/rest-api/call/find", both(compatible::find_calls))
        .route("/rest-api/connection/find_all", both(compatible::find_all_connections))
        .route("/rest-api/connection/find", both(compatible::find_connections))
        .route("/api/v1/records", get(records::list))
        .route("/api/v1/calls/{id}/trace", get(trace::trace))
        .route("/api/v1/calls/{id}/trace.txt", get(trace::trace_text))
        .route_layer(from_fn_with_state((Arc::clone(api), Scope::Read), access::require));
    let control = Router::new()
        .route("/api/v1/calls", post(calls::place))
        .route("/api/v1/calls/{id}/answer", post(actions::answer))
        .route("/api/v1/calls/{id}/hangup", post(actions::hang_up))
        .route("/api/v1/calls/{id}/hold", post(actions::hold))
        .route("/api/v1/calls/{id}/resume", post(actions::resume))
        .route("/api/v1/calls/{id}/transfer", post(actions::transfer))
        .route("/api/v1/calls/{id}/dtmf", post(actions::dtmf))
        .route("/api/v1/calls/{id}/bridge", post(application::bridge))
        .route("/api/v1/calls/{id}/play", post(media::play))
        .route("/api/v1/calls/{id}/stop", post(media::stop))
        .route("/api/v1/calls/{id}/mute", post(media::mute))
        .route("/api/v1/calls/{id}/unmute", post(media::unmute))
        .route("/api/v1/calls/{id}/record", post(media::record))
        .route("/api/v1/calls/{id}/collect", post(media::collect))
        .route("/rest-api/call/startup", both(compatible::start_call))
        .route("/rest-api/call/terminate", both(compatible::terminate_call))
        .route("/rest-api/call/send_dtmf", both(compatible::send_dtmf))
        .route("/rest-api/call/hold", both(compatible::hold))
        .route("/rest-api/call/unhold", both(compatible::unhold))
        .route("/rest-api/call/transfer", both(compatible::transfer))
        .route("/rest-api/call/mute", both(compatible::mute))
        .route("/rest-api/call/unmute", both(compatible::unmute))
        .route("/rest-api/call/inject_sound", both(compatible::inject_sound))
        .route("/rest-api/connection/terminate", both(compatible::terminate_connection))
        .route_layer(from_fn_with_state((Arc::clone(api), Scope::Control), access::require));
    let admin = Router::new()
        .route("/api/v1/reload", post(reload::reload))
        .route_layer(from_fn_with_state((Arc::clone(api), Scope::Admin), access::require));
    read.merge(control)
        .merge(admin)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(api), access::authenticate))
        // Not authenticated, because a browser cannot send a token when it loads a page.
        .merge(documentation::pages())
        .merge(trace::pages())
        .layer(from_fn_with_state(Arc::clone(api), limit_time))
        .layer(from_fn_with_state(Arc::clone(api), cors::allow_origin))
        .with_state(Arc::clone(api))
}

/// Accepts a request by GET and by POST, as the compatible API does.
fn both<H: Handler<T, Arc<ApiState>>, T: 'static>(handler: H) -> MethodRouter<Arc<ApiState>> {
    get(handler.clone()).post(handler)
}

/// The router of connections beyond the limits.
pub fn overload_router() -> Router {
    let refusal = || async {
        let problem = Problem::new(ProblemCode::Overloaded, "too many connections: see [limits] connections");
        problem.with(header::RETRY_AFTER, HeaderValue::from_static("1"))
    };
    Router::new().fallback(refusal)
}

async fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound, "there is no such resource: see docs/rest-api.md")
}

async fn method_not_allowed() -> Problem {
    Problem::new(ProblemCode::MethodNotAllowed, "the resource does not support this method: see `Allow`")
}

/// Limits the time of a request, including the time in which its body is received.
async fn limit_time(State(api): State<Arc<ApiState>>, mut request: Request, next: Next) -> Response {
    api.counters.requests.fetch_add(1, Ordering::Relaxed);
    let lingering = request.extensions().get::<Lingering>().cloned().unwrap_or_default();
    let body = BodyReception::default();
    request.extensions_mut().insert(body.clone());
    match tokio::time::timeout(api.settings().request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            api.counters.timeouts.fetch_add(1, Ordering::Relaxed);
            if body.is_running() {
                // The client may still be sending the body. Without a lingering close, it could lose the response.
                lingering.on();
                let detail = "the body was not received within [api] request_timeout";
                return Problem::new(ProblemCode::BodyTimeout, detail).into_response();
            }
            let detail = "the request was not completed within [api] request_timeout";
            Problem::new(ProblemCode::RequestTimeout, detail).into_response()
        }
    }
}

/// A successful response in JSON.
fn json_response(value: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_string(value);
    let body = body.map_err(|_| Problem::new(ProblemCode::InternalError, "the response could not be written"))?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}
