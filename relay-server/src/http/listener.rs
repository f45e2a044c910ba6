//! HTTP and HTTPS listeners, with limits on the number of connections and on the time of handshakes and requests.

use super::TrustedProxies;
use super::client_address::Peer;
use super::lingering::{Lingering, STALL_LIMIT, Stream};
use crate::config::Settings;
use crate::quota::{ConnectionSlot, Quota, QuotaRefusal};
use crate::security_log::SecurityLog;
use crate::tls::handshake::Handshakes;
use axum::Router;
use core::time::Duration;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use offhook_limits::offense::Kind;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

/// Pause after a failed accept (no descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Maximum length of the header section of a request, in octets. Browsers with many cookies send 8 kB.
const HEADERS: usize = 32_768;

/// Maximum number of connections beyond the limits that are still answered, see [`Serving::overload`].
const OVERLOAD_PLACES: usize = 64;
const OVERLOAD_PLACES_PER_NETWORK: usize = 8;
/// Time limit of such a connection for its TLS handshake, and for its request.
const OVERLOAD_TIMEOUT: Duration = Duration::from_secs(2);

/// State shared by all listeners.
#[derive(Clone)]
pub struct Serving {
    /// For connections within the limits.
    usual: Service,
    /// For connections beyond the limits: serves the health check, so that a full relay is not mistaken for one that has failed,
    /// and answers other requests with `503`.
    overload: Service,
    /// Reverse proxies, whose addresses many users share.
    proxies: TrustedProxies,
    /// Performs TLS handshakes.
    handshakes: Arc<Handshakes>,
    /// Counts rejected connections.
    security_log: Arc<SecurityLog>,
    /// Becomes true when the relay shuts down.
    stop: watch::Receiver<bool>,
}

/// A router and the limits of its connections.
#[derive(Clone)]
struct Service {
    router: Router,
    places: Arc<Quota>,
    header_timeout: Duration,
    handshake_timeout: Duration,
    keep_alive: bool,
}

impl Serving {
    /// `usual` serves the connections within the limits of `settings`, `overload` those beyond.
    #[must_use]
    pub fn new(
        settings: &Settings,
        (usual, overload): (Router, Router),
        security_log: Arc<SecurityLog>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            usual: Service {
                router: usual,
                places: Quota::new(settings.connections, settings.connections_per_address),
                header_timeout: settings.header_timeout,
                handshake_timeout: settings.tls_handshake_timeout,
                keep_alive: true,
            },
            overload: Service {
                router: overload,
                places: Quota::new(OVERLOAD_PLACES, OVERLOAD_PLACES_PER_NETWORK),
                header_timeout: settings.header_timeout.min(OVERLOAD_TIMEOUT),
                handshake_timeout: settings.tls_handshake_timeout.min(OVERLOAD_TIMEOUT),
                keep_alive: false,
            },
            proxies: settings.trusted_proxies.clone(),
            handshakes: Arc::new(Handshakes::new("https")),
            security_log,
            stop,
        }
    }

    /// Selects the service for a connection from `remote`; `None`: the connection is closed.
    fn admit(&self, remote: IpAddr) -> Option<(ConnectionSlot, Service)> {
        let places = &self.usual.places;
        let is_proxy = self.proxies.trusts(remote);
        match if is_proxy { places.take_shared() } else { places.take(remote) } {
            Ok(place) => return Some((place, self.usual.clone())),
            // Not counted as an offense of this address, because other addresses may have used up the limit.
            Err(QuotaRefusal::Total) => tracing::warn!("connection rejected: limits.connections is reached"),
            Err(QuotaRefusal::Network) => {
                tracing::warn!(
                    "connection rejected: the remote address has reached limits.connections_per_address; if many users \
                     share the address, raise the limit, or list it in listen.trusted_proxies if it is a reverse proxy"
                );
                self.security_log.note(Kind::TooManyConnections, remote);
            }
        }
        let place = self.overload.places.take(remote).ok()?;
        Some((place, self.overload.clone()))
    }
}

/// The current TLS configuration; none for plain HTTP.
type Certificate = Option<watch::Receiver<Arc<rustls::ServerConfig>>>;

/// Accepts connections on `listener` until the relay shuts down.
pub async fn serve(listener: TcpListener, tls: Certificate, mut serving: Serving) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = serving.stop.wait_for(|stop| *stop) => return,
        };
        let (tcp, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accepting an HTTP connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A rejected connection is closed immediately. If it stayed in the kernel's accept queue, the client would wait
        // without a response.
        let Some((place, service)) = serving.admit(remote.ip()) else { continue };
        let lingering = Lingering::default();
        let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.borrow())));
        tokio::spawn(connection(
            Stream::new(prepared(tcp), lingering.clone(), place, STALL_LIMIT),
            acceptor.map(|acceptor| (acceptor, Arc::clone(&serving.handshakes))),
            (lingering, Peer(remote.ip())),
            service,
        ));
    }
}

/// Disables Nagle's algorithm, because signaling messages are small and must not be delayed.
fn prepared(tcp: TcpStream) -> TcpStream {
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY failed");
    }
    tcp
}

async fn connection(
    stream: Stream,
    tls: Option<(TlsAcceptor, Arc<Handshakes>)>,
    of: (Lingering, Peer),
    service: Service,
) {
    let Some((acceptor, handshakes)) = tls else { return http(stream, of, service).await };
    match tokio::time::timeout(service.handshake_timeout, handshakes.accept(acceptor, stream)).await {
        Ok(Ok(stream)) => http(stream, of, service).await,
        // `Handshakes` has logged the error.
        Ok(Err(_)) => {}
        Err(_) => tracing::debug!("TLS handshake of an HTTPS connection timed out"),
    }
}

async fn http<S>(stream: S, (lingering, peer): (Lingering, Peer), service: Service)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = service.router;
    let answer = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(lingering.clone());
        request.extensions_mut().insert(peer);
        router.clone().call(request)
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(service.header_timeout)
        .max_buf_size(HEADERS)
        .keep_alive(service.keep_alive)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    if let Err(error) = served.await {
        tracing::debug!(%error, "HTTP connection failed");
    }
}

#[cfg(test)]
mod tests;
