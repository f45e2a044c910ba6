//! Opening and accepting SIP connections over TCP and TLS.

use super::numbers::FlowNumbers;
use super::report::Report;
use super::stream::{self, Limits, OpenedBy, QueuedMessages};
use crate::quota::{Quota, QuotaRefusal};
use crate::security_log::SecurityLog;
use crate::tls::handshake::Handshakes;
use core::time::Duration;
use offhook_limits::offense::Kind;
use offhook_sip::transport::{FlowId, Source, Target, Transport};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use socket2::TcpKeepalive;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Pause after a failed accept (no descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Idle time after which the kernel sends TCP keep-alives.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);

/// State shared by all connections.
#[derive(Clone)]
pub(super) struct Connections {
    /// Assigns flow numbers.
    pub(super) numbers: FlowNumbers,
    /// Reports to the plane.
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) limits: Limits,
    /// Time limit for opening a connection including the TLS handshake, and for the TLS handshake of an accepted connection.
    pub(super) connect_timeout: Duration,
    /// The current TLS configuration for connections to servers.
    pub(super) client: watch::Receiver<Arc<ClientConfig>>,
    /// Limits accepted connections.
    pub(super) places: Arc<Quota>,
    /// Performs TLS handshakes of accepted connections.
    pub(super) handshakes: Arc<Handshakes>,
    /// Counts rejected connections.
    pub(super) security_log: Arc<SecurityLog>,
}

impl Connections {
    /// Opens a connection and serves it.
    pub(super) async fn open(self, flow: FlowId, target: Target, messages: QueuedMessages) {
        let source = |stream: &TcpStream| {
            let local = stream.local_addr()?;
            io::Result::Ok(Source { flow, transport: target.transport, local, remote: target.address })
        };
        let tls = self.client.borrow().clone();
        let opened = tokio::time::timeout(self.connect_timeout, async {
            let tcp = prepared(TcpStream::connect(target.address).await?);
            let source = source(&tcp)?;
            if target.transport != Transport::Tls {
                return Ok((Opened::Plain(tcp), source));
            }
            let stream = TlsConnector::from(tls).connect(server_name(&target)?, tcp).await?;
            Ok((Opened::Tls(Box::new(stream)), source))
        });
        let failed: io::Error = match opened.await {
            Ok(Ok((opened, source))) => {
                let (limits, reports) = (self.limits, self.reports);
                return match opened {
                    Opened::Plain(tcp) => stream::serve(tcp, source, OpenedBy::Relay, messages, limits, reports).await,
                    Opened::Tls(tls) => stream::serve(tls, source, OpenedBy::Relay, messages, limits, reports).await,
                };
            }
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        let Target { transport, address, .. } = target;
        tracing::debug!(error = %failed, %transport, %address, "connecting to a SIP server failed");
        // The verifier has already logged a rejected certificate.
        let is_of_certificate = failed.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let is_of_certificate = matches!(is_of_certificate, Some(rustls::Error::InvalidCertificate(_)));
        if transport == Transport::Tls && failed.kind() == io::ErrorKind::InvalidData && !is_of_certificate {
            tracing::warn!(error = %failed, "TLS handshake with a SIP server failed");
        }
        let _ = self.reports.send(Report::Closed { flow, remote: address.ip(), unsent: messages.unsent() }).await;
    }

    /// Accepts connections for as long as it is polled.
    pub(super) async fn accept(self, listener: TcpListener, tls: Option<watch::Receiver<Arc<ServerConfig>>>) {
        loop {
            let (tcp, remote) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accepting a SIP connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let place = match self.places.take(remote.ip()) {
                Ok(place) => place,
                // Not counted as an offense of this address, because other addresses may have used up the limit.
                Err(QuotaRefusal::Total) => {
                    tracing::warn!("SIP connection rejected: sip.connections is reached");
                    continue;
                }
                Err(QuotaRefusal::Network) => {
                    tracing::warn!(
                        "SIP connection rejected: the remote address has reached sip.connections_per_address; if many \
                         phones share the address, raise the limit"
                    );
                    self.security_log.note(Kind::TooManyConnections, remote.ip());
                    continue;
                }
            };
            let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.borrow())));
            let this = self.clone();
            tokio::spawn(async move {
                this.accepted(prepared(tcp), remote, acceptor).await;
                drop(place);
            });
        }
    }

    async fn accepted(self, tcp: TcpStream, remote: SocketAddr, tls: Option<TlsAcceptor>) {
        let Ok(local) = tcp.local_addr() else { return };
        let flow = self.numbers.next();
        let Some(tls) = tls else {
            return self.serve(tcp, Source { flow, transport: Transport::Tcp, local, remote }).await;
        };
        match tokio::time::timeout(self.connect_timeout, self.handshakes.accept(tls, tcp)).await {
            Ok(Ok(stream)) => self.serve(stream, Source { flow, transport: Transport::Tls, local, remote }).await,
            // `Handshakes` has logged the error.
            Ok(Err(_)) => {}
            Err(_) => tracing::debug!("TLS handshake of a SIP connection timed out"),
        }
    }

    async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite>(self, stream: S, source: Source) {
        let (queue, messages) = stream::channel(self.limits.send_queue);
        if self.reports.send(Report::Opened(source.flow, source.remote.ip(), queue)).await.is_ok() {
            stream::serve(stream, source, OpenedBy::Peer, messages, self.limits, self.reports).await;
        }
    }
}

enum Opened {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// The name for SNI and certificate verification: the domain, or the address if there is none.
fn server_name(target: &Target) -> io::Result<ServerName<'static>> {
    let host = target.host.clone().unwrap_or_else(|| target.address.ip().to_string());
    let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
    ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Disables Nagle's algorithm, because signaling messages are small, and enables keep-alives, to detect lost peers.
fn prepared(tcp: TcpStream) -> TcpStream {
    let keep_alive = TcpKeepalive::new().with_time(TCP_KEEP_ALIVE);
    if let Err(error) = tcp.set_nodelay(true).and_then(|()| socket2::SockRef::from(&tcp).set_tcp_keepalive(&keep_alive))
    {
        tracing::debug!(%error, "setting the socket options of a SIP connection failed");
    }
    tcp
}
