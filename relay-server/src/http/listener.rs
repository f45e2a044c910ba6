//! Accepting connections, plain and TLS, with a limit on their number and on their patience.

use super::lingering::{Lingering, Stream};
use axum::Router;
use core::time::Duration;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

/// After a failed accept (no descriptors left), the next one is not tried at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all listeners have in common.
#[derive(Clone)]
pub struct Serving {
    /// What answers.
    pub router: Router,
    /// One place per connection, all listeners together.
    pub places: Arc<Semaphore>,
    /// How long request headers may take.
    pub header_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Turns true when the relay ends.
    pub stop: watch::Receiver<bool>,
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
        let tcp = match accepted {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // One too many is dropped at once: left in the kernel's queue it would look like a relay that hangs.
        let Ok(place) = Arc::clone(&serving.places).try_acquire_owned() else {
            tracing::warn!("connection refused: limits.connections reached");
            continue;
        };
        let lingering = Lingering::default();
        tokio::spawn(connection(
            Stream::new(prepared(tcp), lingering.clone(), place),
            tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.borrow()))),
            lingering,
            serving.clone(),
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

async fn connection(stream: Stream, tls: Option<TlsAcceptor>, lingering: Lingering, serving: Serving) {
    let Some(tls) = tls else { return http(stream, lingering, serving).await };
    match tokio::time::timeout(serving.handshake_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, lingering, serving).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn http<S>(stream: S, lingering: Lingering, serving: Serving)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = serving.router;
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(lingering.clone());
        router.clone().call(request)
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(serving.header_timeout)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = served.await {
        tracing::debug!(%error, "HTTP connection");
    }
}
