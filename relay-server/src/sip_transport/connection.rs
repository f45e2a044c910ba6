//! How connections come about: opened by the relay, or accepted.

use super::numbers::FlowNumbers;
use super::report::Report;
use super::stream::{self, Inlet, Limits, OpenedBy};
use crate::quota::{Quota, Refusal};
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

/// After a failed accept (no descriptors left), the next one is not tried at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// After so long without a word the kernel asks whether the peer is there.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What all connections have in common.
#[derive(Clone)]
pub(super) struct Connections {
    /// Numbers the connections.
    pub(super) numbers: FlowNumbers,
    /// The way to the plane.
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) limits: Limits,
    /// How long connecting may take, the TLS handshake included; and the handshake of those who connect.
    pub(super) connect_timeout: Duration,
    /// Towards servers, as it is today.
    pub(super) client: watch::Receiver<Arc<ClientConfig>>,
    /// One place per connection that was accepted.
    pub(super) places: Arc<Quota>,
    /// Of accepted connections over TLS.
    pub(super) handshakes: Arc<Handshakes>,
    /// For refused connections.
    pub(super) security_log: Arc<SecurityLog>,
}

impl Connections {
    /// Opens a connection and serves it.
    pub(super) async fn open(self, flow: FlowId, target: Target, inlet: Inlet) {
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
                    Opened::Plain(tcp) => stream::serve(tcp, source, OpenedBy::Relay, inlet, limits, reports).await,
                    Opened::Tls(tls) => stream::serve(tls, source, OpenedBy::Relay, inlet, limits, reports).await,
                };
            }
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        let Target { transport, address, .. } = target;
        tracing::debug!(error = %failed, %transport, %address, "connecting to a SIP server");
        // A certificate that is refused was logged where it was verified.
        let is_of_certificate = failed.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let is_of_certificate = matches!(is_of_certificate, Some(rustls::Error::InvalidCertificate(_)));
        if transport == Transport::Tls && failed.kind() == io::ErrorKind::InvalidData && !is_of_certificate {
            tracing::warn!(error = %failed, "TLS handshake with a SIP server failed");
        }
        let _ = self.reports.send(Report::Closed { flow, remote: address.ip(), unsent: inlet.unsent() }).await;
    }

    /// Accepts connections for as long as it is polled.
    pub(super) async fn accept(self, listener: TcpListener, tls: Option<watch::Receiver<Arc<ServerConfig>>>) {
        loop {
            let (tcp, remote) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accepting a SIP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let place = match self.places.take(remote.ip()) {
                Ok(place) => place,
                // No offense: others may have taken the places.
                Err(Refusal::Total) => {
                    tracing::warn!("SIP connection refused: there are sip.connections of them");
                    continue;
                }
                Err(Refusal::Network) => {
                    tracing::warn!("SIP connection refused: its address has sip.connections_per_address of them");
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
            // The handshake has logged the error.
            Ok(Err(_)) => {}
            Err(_) => tracing::debug!("TLS handshake of a SIP connection took too long"),
        }
    }

    async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite>(self, stream: S, source: Source) {
        let (outlet, inlet) = stream::channel(self.limits.send_queue);
        if self.reports.send(Report::Opened(source.flow, source.remote.ip(), outlet)).await.is_ok() {
            stream::serve(stream, source, OpenedBy::Peer, inlet, self.limits, self.reports).await;
        }
    }
}

enum Opened {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// The name to be asked for (SNI) and proven: the domain, or the address where there is none.
fn server_name(target: &Target) -> io::Result<ServerName<'static>> {
    let host = target.host.clone().unwrap_or_else(|| target.address.ip().to_string());
    let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
    ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Signaling messages are small and wanted now, and a peer that vanished is to be noticed.
fn prepared(tcp: TcpStream) -> TcpStream {
    let keep_alive = TcpKeepalive::new().with_time(TCP_KEEP_ALIVE);
    if let Err(error) = tcp.set_nodelay(true).and_then(|()| socket2::SockRef::from(&tcp).set_tcp_keepalive(&keep_alive))
    {
        tracing::debug!(%error, "options of a SIP connection");
    }
    tcp
}
