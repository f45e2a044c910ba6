//! Accepting connections, plain and TLS, with a limit on their number and on their patience.

use super::TrustedProxies;
use super::client_address::Peer;
use super::lingering::{Lingering, Stream};
use crate::config::Settings;
use crate::quota::{Place, Quota, Refusal};
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

/// After a failed accept (no descriptors left), the next one is not tried at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most that is kept of a request before its headers are complete. Browsers with many cookies send 8 kB.
const HEADERS: usize = 32_768;

/// Connections that are answered although there is no place for them: see [`Serving::overload`].
const OVERLOAD_PLACES: usize = 64;
const OVERLOAD_PLACES_PER_NETWORK: usize = 8;
/// How long such a connection may take for its TLS handshake, and for its request.
const OVERLOAD_TIMEOUT: Duration = Duration::from_secs(2);

/// What all listeners have in common.
#[derive(Clone)]
pub struct Serving {
    /// For connections with a place.
    usual: Service,
    /// For connections without one: the health check is answered, so that a relay that is full is not taken for one that is
    /// dead, and everything else is answered `503`.
    overload: Service,
    /// Addresses that stand for many users.
    proxies: TrustedProxies,
    /// For connections over TLS.
    handshakes: Arc<Handshakes>,
    /// For refused connections.
    security_log: Arc<SecurityLog>,
    /// Turns true when the relay ends.
    stop: watch::Receiver<bool>,
}

/// How connections are served.
#[derive(Clone)]
struct Service {
    router: Router,
    places: Arc<Quota>,
    header_timeout: Duration,
    handshake_timeout: Duration,
    keep_alive: bool,
}

impl Serving {
    /// `usual` answers the connections that `settings` allow, `overload` those beyond.
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

    /// How a connection from `remote` is served; `None`: not at all.
    fn admit(&self, remote: IpAddr) -> Option<(Place, Service)> {
        let places = &self.usual.places;
        let is_proxy = self.proxies.trusts(remote);
        match if is_proxy { places.take_shared() } else { places.take(remote) } {
            Ok(place) => return Some((place, self.usual.clone())),
            // No offense: others may have taken the places.
            Err(Refusal::Total) => tracing::warn!("connection refused: there are limits.connections of them"),
            Err(Refusal::Network) => {
                tracing::warn!(
                    "connection refused: its address has limits.connections_per_address of them; if many users come from \
                     there, raise that, or name it in listen.trusted_proxies if it is a reverse proxy"
                );
                self.security_log.note(Kind::TooManyConnections, remote);
            }
        }
        let place = self.overload.places.take(remote).ok()?;
        Some((place, self.overload.clone()))
    }
}

/// The TLS configuration as it is today; none where connections are plain.
type Certificate = Option<watch::Receiver<Arc<rustls::ServerConfig>>>;

/// Accepts on `listener` until the relay ends.
pub async fn serve(listener: TcpListener, tls: Certificate, mut serving: Serving) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = serving.stop.wait_for(|stop| *stop) => return,
        };
        let (tcp, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // One too many is dropped at once: left in the kernel's queue it would look like a relay that hangs.
        let Some((place, service)) = serving.admit(remote.ip()) else { continue };
        let lingering = Lingering::default();
        let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.borrow())));
        tokio::spawn(connection(
            Stream::new(prepared(tcp), lingering.clone(), place),
            acceptor.map(|acceptor| (acceptor, Arc::clone(&serving.handshakes))),
            (lingering, Peer(remote.ip())),
            service,
        ));
    }
}

/// Signaling messages are small and wanted now.
fn prepared(tcp: TcpStream) -> TcpStream {
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
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
        // The handshake has logged the error.
        Ok(Err(_)) => {}
        Err(_) => tracing::debug!("TLS handshake took too long"),
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
        tracing::debug!(%error, "HTTP connection");
    }
}

#[cfg(test)]
mod tests;
