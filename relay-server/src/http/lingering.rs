//! A TCP stream that can be closed so that the peer still reads the last words.
//!
//! Closing a socket with unread octets makes the kernel send a reset, which destroys what the peer has not read yet, such
//! as a close frame saying why. So a stream whose peer may still be talking is shut down for writing and read for a while.

use crate::quota::Place;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// How long the last words may take, and how many octets are read meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
const MOST: u64 = 4 * 1_048_576;

/// Switches the lingering close of one connection on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lingering(Arc<AtomicBool>);

impl Lingering {
    pub(crate) fn on(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream that lingers when told to, and holds its place among the allowed connections until it is gone.
pub(super) struct Stream {
    /// `None` only while dropping.
    tcp: Option<TcpStream>,
    lingering: Lingering,
    place: Option<Place>,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, lingering: Lingering, place: Place) -> Self {
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
                let last_words = async {
                    tcp.shutdown().await?;
                    tokio::io::copy(&mut tcp.take(MOST), &mut tokio::io::sink()).await
                };
                let _ = tokio::time::timeout(PATIENCE, last_words).await;
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
