//! A TCP stream with a lingering close, so that the peer receives the last data before the connection ends.
//!
//! If a socket with unread octets is closed, the kernel sends a reset, and the peer discards data that it has not read yet, such
//! as a close frame. A stream whose peer may still be sending is therefore shut down for writing and read for some time.

use crate::quota::ConnectionSlot;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// Limits of a lingering close: its duration, and the octets that are read and discarded.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_OCTETS: u64 = 4 * 1_048_576;

/// Enables the lingering close of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lingering(Arc<AtomicBool>);

impl Lingering {
    pub(crate) fn on(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream whose close can linger. It holds its place in the connection limit until it is closed.
pub(super) struct Stream {
    /// `None` only during the drop.
    tcp: Option<TcpStream>,
    lingering: Lingering,
    place: Option<ConnectionSlot>,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, lingering: Lingering, place: ConnectionSlot) -> Self {
        Self { tcp: Some(tcp), lingering, place: Some(place) }
    }

    fn tcp(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.tcp.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let (Some(mut tcp), place) = (self.tcp.take(), self.place.take()) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.lingering.0.load(Ordering::Relaxed) {
            runtime.spawn(async move {
                let drained = async {
                    tcp.shutdown().await?;
                    tokio::io::copy(&mut tcp.take(LINGER_OCTETS), &mut tokio::io::sink()).await
                };
                let _ = tokio::time::timeout(LINGER_TIME, drained).await;
                drop(place);
            });
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.tcp()?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_shutdown(cx)
    }
}
