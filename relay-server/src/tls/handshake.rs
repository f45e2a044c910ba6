//! TLS handshakes with clients.
//!
//! A client that supports no version or cipher suite of the relay is rejected; TLS 1.0 and 1.1 are deprecated (RFC 8996). One line an
//! hour is logged for each version and reason, so that the operator can find out why an old phone does not register.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use rustls::PeerIncompatible;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The time between two lines about the same version and reason.
const PERIOD: Duration = Duration::from_secs(3_600);

/// Number of octets that are kept: a record header (5), a handshake header (4) and the version of a ClientHello (2).
const OCTETS: usize = 11;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// Performs the handshakes of one kind of listener.
#[derive(Debug)]
pub(crate) struct Handshakes {
    listener: &'static str,
    refusals: Mutex<BTreeMap<Refusal, Logged>>,
}

impl Handshakes {
    /// Creates an instance; `listener` is its name in log lines.
    pub(crate) const fn new(listener: &'static str) -> Self {
        Self { listener, refusals: Mutex::new(BTreeMap::new()) }
    }

    /// Performs the handshake of an accepted connection.
    ///
    /// # Errors
    /// If the handshake fails. The error has been logged.
    pub(crate) async fn accept<S>(&self, acceptor: TlsAcceptor, stream: S) -> io::Result<TlsStream<Begun<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (error, begun) = match acceptor.accept(Begun::new(stream)).into_fallible().await {
            Ok(stream) => return Ok(stream),
            Err(failed) => failed,
        };
        match Refusal::of(begun.client_version(), &error) {
            Some(refusal) => self.log(refusal, Instant::now()),
            None => tracing::debug!(listener = self.listener, %error, "TLS handshake failed"),
        }
        Err(error)
    }

    fn log(&self, refusal: Refusal, now: Instant) {
        let Some(count) = self.count(refusal, now) else { return };
        let Refusal { client_version, reason } = refusal;
        tracing::info!(
            listener = self.listener,
            client_version,
            reason,
            count,
            "TLS handshake rejected: the client needs TLS 1.2 or 1.3 and a cipher suite with forward secrecy (ECDHE, AEAD)"
        );
    }

    /// Counts a refusal. Returns the refusals since the last line if another line is due.
    fn count(&self, refusal: Refusal, now: Instant) -> Option<u64> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(logged) = refusals.get_mut(&refusal) else {
            refusals.insert(refusal, Logged { at: now, refused_since: 0 });
            return Some(1);
        };
        logged.refused_since += 1;
        if now.saturating_duration_since(logged.at) < PERIOD {
            return None;
        }
        logged.at = now;
        Some(core::mem::take(&mut logged.refused_since))
    }
}

/// The last line about one refusal.
#[derive(Debug)]
struct Logged {
    at: Instant,
    refused_since: u64,
}

/// The version of a rejected client and the reason. Both have few possible values, which limits the size of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Refusal {
    client_version: &'static str,
    reason: &'static str,
}

impl Refusal {
    /// Returns `None` if the failure has another cause than the versions and cipher suites of the client.
    fn of(client_version: Option<[u8; 2]>, error: &io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        let rustls::Error::PeerIncompatible(incompatible) = error else { return None };
        let (client_version, is_old) = match client_version? {
            [3, 0] => ("SSL 3.0", true),
            [3, 1] => ("TLS 1.0", true),
            [3, 2] => ("TLS 1.1", true),
            // TLS 1.3 clients also send this value; the versions that they support are in an extension (RFC 8446
            // §4.1.2).
            [3, 3] => ("TLS 1.2 or later", false),
            _ => ("unknown", false),
        };
        let reason = if is_old { "version below TLS 1.2" } else { reason_of(incompatible) };
        Some(Self { client_version, reason })
    }
}

const fn reason_of(incompatible: &PeerIncompatible) -> &'static str {
    match incompatible {
        PeerIncompatible::NoCipherSuitesInCommon => "no common cipher suite",
        PeerIncompatible::NoKxGroupsInCommon
        | PeerIncompatible::NamedGroupsExtensionRequired
        | PeerIncompatible::NoEcPointFormatsInCommon
        | PeerIncompatible::UncompressedEcPointsRequired
        | PeerIncompatible::KeyShareExtensionRequired => "no common key exchange group",
        PeerIncompatible::NoSignatureSchemesInCommon | PeerIncompatible::SignatureAlgorithmsExtensionRequired => {
            "no common signature scheme"
        }
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired => "no common version",
        _ => "no common parameters",
    }
}

/// A stream that keeps a copy of the first octets that were read.
#[derive(Debug)]
pub(crate) struct Begun<S> {
    stream: S,
    octets: [u8; OCTETS],
    length: usize,
}

impl<S> Begun<S> {
    const fn new(stream: S) -> Self {
        Self { stream, octets: [0; OCTETS], length: 0 }
    }

    /// The version of a ClientHello, if one was read.
    const fn client_version(&self) -> Option<[u8; 2]> {
        match self.octets {
            [HANDSHAKE, _, _, _, _, CLIENT_HELLO, _, _, _, major, minor] if self.length == OCTETS => {
                Some([major, minor])
            }
            _ => None,
        }
    }

    fn keep(&mut self, octets: &[u8]) {
        let free = self.octets.get_mut(self.length..).unwrap_or_default();
        let count = free.len().min(octets.len());
        free.iter_mut().zip(octets).for_each(|(kept, octet)| *kept = *octet);
        self.length += count;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.length < OCTETS {
            self.keep(buf.filled().get(before..).unwrap_or_default());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
pub(crate) mod tests;
