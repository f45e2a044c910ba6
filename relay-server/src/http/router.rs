//! HTTP request handlers. WebSockets are accepted on every path: stock pages use `/`, and proxies may add a prefix.

use super::Lingering;
use super::client_address::{Peer, TrustedProxies};
use super::health::{healthz, metrics, readyz};
use super::origins::AllowedOrigins;
use crate::api::ApiCounters;
use crate::lifecycle::{Lifecycle, Phase};
use crate::media_files::ShellAudio;
use crate::media_plane::Totals;
use crate::metrics::HookMetrics;
use crate::quota::{ConnectionSlot, Quota, QuotaRefusal};
use crate::records::RecordStores;
use crate::security_log::SecurityLog;
use crate::signaling_plane::{Client, Gauges, PlaneInput};
use crate::sip_transport::SipCounters;
use crate::trace::TraceStore;
use crate::websocket;
use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use offhook_b2bua::io::ConnectionId;
use offhook_limits::offense::Kind;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::{mpsc, watch};
use tower_http::services::ServeDir;
use tower_service::Service;

/// Size of the read buffer of a WebSocket, in octets; longer frames need several reads.
const READ_BUFFER: usize = 4096;

/// State shared by the handlers.
#[derive(Debug)]
pub struct App {
    /// Inputs of the signaling plane.
    pub plane: mpsc::Sender<PlaneInput>,
    /// The number of the next WebSocket.
    pub next_connection: AtomicU64,
    /// Values for `/healthz`.
    pub gauges: Arc<Gauges>,
    /// Totals of the media workers.
    pub media: Vec<Totals>,
    /// The numbers of commands that are queued for the media workers.
    pub media_queues: Vec<Arc<AtomicUsize>>,
    /// The stores of call detail records.
    pub records: RecordStores,
    /// The traces of calls, unless they are off.
    pub trace: Option<Arc<TraceStore>>,
    /// Playback files and recordings.
    pub audio: Arc<ShellAudio>,
    /// Totals of the REST API.
    pub api: Arc<ApiCounters>,
    /// Totals of webhooks.
    pub hooks: Arc<HookMetrics>,
    /// Counters of the SIP transport, if SIP is used.
    pub sip: Option<Arc<SipCounters>>,
    /// The number of WebSockets whose tasks have not ended.
    pub sockets: watch::Sender<usize>,
    /// The phase between start and end.
    pub lifecycle: Arc<Lifecycle>,
    /// Accept WebSockets only from pages of this machine: without passwords, any web site could log in through a visitor's browser.
    pub own_pages_only: bool,
    /// The origins of pages that may open a WebSocket.
    pub origins: AllowedOrigins,
    /// The built phone page, if there is one.
    pub page: Option<PathBuf>,
    /// `Content-Security-Policy` of the page.
    pub page_security_policy: Option<HeaderValue>,
    /// Proxies whose header contains the client address.
    pub trusted_proxies: TrustedProxies,
    /// Limits the WebSockets of each client behind these proxies, which the listener does not limit by address.
    pub proxied: Arc<Quota>,
    /// Counts rejected WebSockets.
    pub security_log: Arc<SecurityLog>,
    /// The number of media workers.
    pub workers: usize,
    /// Maximum length of a message, in octets.
    pub frame_size: usize,
    /// Maximum number of frames that are queued for a client.
    pub send_queue: usize,
}

/// The router of connections within the limits.
pub fn router(app: Arc<App>) -> Router {
    observed().fallback(anything).with_state(app)
}

/// The router of connections beyond the limits.
pub fn overload_router(app: Arc<App>) -> Router {
    let refusal = || async { (StatusCode::SERVICE_UNAVAILABLE, "too many connections\n") };
    observed().fallback(refusal).with_state(app)
}

/// The routes that are also served on connections beyond the limits.
fn observed() -> Router<Arc<App>> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route("/metrics", get(metrics))
}

async fn anything(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    if app.own_pages_only && !is_own_host(request.headers()) {
        let why = "with --demo, the Host header must be localhost or a loopback address: open http://localhost, or use \
                   [accounts] or --demo-anywhere instead of --demo\n";
        return (StatusCode::MISDIRECTED_REQUEST, why).into_response();
    }
    match upgrade {
        Ok(upgrade) => websocket(app, upgrade, &request),
        Err(rejection) if request.headers().contains_key(header::SEC_WEBSOCKET_KEY) => rejection.into_response(),
        Err(_) => page(&app, request).await,
    }
}

fn websocket(app: Arc<App>, upgrade: WebSocketUpgrade, request: &Request) -> Response {
    // No session can be resumed in the middle of a call, so that calls do not need a new WebSocket while the relay drains.
    if app.lifecycle.phase() != Phase::Running {
        let retry = [(header::RETRY_AFTER, "10")];
        return (StatusCode::SERVICE_UNAVAILABLE, retry, "the relay is shutting down\n").into_response();
    }
    if app.own_pages_only && !is_own_page(request.headers()) {
        let why = "with --demo, the Origin header must be localhost or a loopback address: open the page from localhost, \
                   or use [accounts] instead of --demo\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let origin =
        request.headers().get(header::ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned());
    if !app.origins.permit(origin.as_deref()) {
        return refuse_origin(&app, request);
    }
    let connection = ConnectionId(app.next_connection.fetch_add(1, Ordering::Relaxed));
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let address = app.trusted_proxies.client(peer, request.headers());
    let Ok(place) = place_of_client(&app, peer, address) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many connections from your address\n").into_response();
    };
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).map(str::to_owned);
    let client = Client { address, host, origin };
    let lingering = request.extensions().get::<Lingering>().cloned().unwrap_or_default();
    // The library's default read buffer of 128 kB would be most of the memory of an idle session.
    let upgrade = upgrade
        .max_message_size(app.frame_size)
        .max_frame_size(app.frame_size)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0);
    let counted = Counted::new(app);
    upgrade.on_upgrade(async move |socket| {
        let _place = place;
        let app = &counted.0;
        websocket::serve(socket, (connection, client), app.plane.clone(), app.send_queue, lingering).await;
    })
}

/// Refuses a WebSocket of a page whose origin is not permitted.
fn refuse_origin(app: &App, request: &Request) -> Response {
    app.gauges.foreign_origins.fetch_add(1, Ordering::Relaxed);
    if let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() {
        app.security_log.note(Kind::ForeignOrigin, app.trusted_proxies.client(peer, request.headers()));
    }
    (StatusCode::FORBIDDEN, "pages of this origin are not permitted: see [guards] origins\n").into_response()
}

/// Counts a WebSocket of `client` behind a trusted proxy. Returns `None` if the listener has counted the client already, or if the
/// proxy does not provide the client address.
fn place_of_client(app: &App, peer: IpAddr, client: IpAddr) -> Result<Option<ConnectionSlot>, QuotaRefusal> {
    if !app.trusted_proxies.trusts(peer) || app.trusted_proxies.trusts(client) {
        return Ok(None);
    }
    app.proxied.take(client).map(Some).inspect_err(|_| {
        tracing::warn!(
            "WebSocket rejected: the client address behind a trusted proxy has reached limits.connections_per_address; if \
             many users share the address, raise the limit"
        );
        app.security_log.note(Kind::TooManyConnections, client);
    })
}

/// Whether the `Host` is a name of this machine. With a foreign name that resolves to this machine (DNS rebinding), a foreign page
/// would have the relay's own origin.
pub(super) fn is_own_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()).is_some_and(|host| is_loopback(host.host()))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the `Origin`, if there is one, is a loopback host. Programs other than browsers send none.
fn is_own_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some(origin) = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()) else { return false };
    let Some(authority) = origin.authority().filter(|_| origin.scheme().is_some()) else { return false };
    is_loopback(authority.host())
}

/// Counts a WebSocket in [`App::sockets`] until it is dropped.
struct Counted(Arc<App>);

impl Counted {
    fn new(app: Arc<App>) -> Self {
        app.sockets.send_modify(|open| *open += 1);
        Self(app)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sockets.send_modify(|open| *open -= 1);
    }
}

async fn page(app: &App, request: Request) -> Response {
    let Some(directory) = &app.page else {
        let code = if request.uri().path() == "/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
        let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
        return (code, headers, NO_PAGE).into_response();
    };
    match ServeDir::new(directory).call(request).await {
        Ok(response) => {
            let mut response = response.map(Body::new);
            // `no-cache` requires revalidation, so that browsers load a new build of the page immediately.
            let headers = response.headers_mut();
            let mut insert = |name, value| headers.insert(name, HeaderValue::from_static(value));
            insert(header::CACHE_CONTROL, "no-cache");
            insert(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
            insert(header::REFERRER_POLICY, "no-referrer");
            if let Some(policy) = &app.page_security_policy {
                headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
            }
            response
        }
        Err(never) => match never {},
    }
}

const NO_PAGE: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Offhook relay</title>\
<h1>The relay is running, but the phone page is not built</h1>\
<p>Build it with <code>cargo xtask phone</code>, or start both with <code>cargo xtask demo</code>. The relay searches for it \
in <code>page</code> next to the program and in <code>demo-phone/dist</code> of the working directory; \
<code>--page DIR</code> sets another directory. Signaling works without the page.</p>\n";

#[cfg(test)]
mod tests {
    use super::{HeaderMap, HeaderValue, header, is_own_host, is_own_page};

    #[test]
    fn origin_of_another_host_is_rejected() {
        let own = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            is_own_page(&headers)
        };
        assert!(is_own_page(&HeaderMap::new()));
        let good = ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:8080"];
        assert!(good.into_iter().all(own));
        let bad = ["null", "", "https://evil.test", "http://localhost.evil.test", "http://phone.test", "localhost"];
        for origin in bad {
            assert!(!own(origin), "{origin}");
        }
    }

    #[test]
    fn foreign_host_name_is_rejected() {
        let own = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            is_own_host(&headers)
        };
        assert!(is_own_host(&HeaderMap::new()));
        assert!(["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"].into_iter().all(own));
        assert!(!["evil.test:8080", "127.0.0.1.evil.test", "192.0.2.1:8080", "a b", ""].into_iter().any(own));
    }
}
