//! A TCP stream with a lingering close, so that the peer receives the last data before the connection ends, and with a time
//! limit for a peer that does not read.
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
use tokio::time::Sleep;

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

/// Time for which a peer may accept no octet before its connection fails. A stream of events is the only response that
/// lasts longer.
pub(super) const STALL_LIMIT: Duration = Duration::from_secs(30);

/// Whether the peer accepts data.
enum Writing {
    Flowing,
    /// The peer's and the kernel's buffers are full; the connection fails when the timer ends.
    Stalled(Pin<Box<Sleep>>),
}

/// A stream whose close can linger. It holds its place in the connection limit until it is closed.
pub(super) struct Stream {
    /// `None` only during the drop.
    tcp: Option<TcpStream>,
    lingering: Lingering,
    place: Option<ConnectionSlot>,
    writing: Writing,
    stall_limit: Duration,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, lingering: Lingering, place: ConnectionSlot, stall_limit: Duration) -> Self {
        Self { tcp: Some(tcp), lingering, place: Some(place), writing: Writing::Flowing, stall_limit }
    }

    /// Limits the time of a write that cannot continue.
    fn limited<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = Writing::Flowing;
            return written;
        }
        let mut timer = match core::mem::replace(&mut self.writing, Writing::Flowing) {
            Writing::Flowing => Box::pin(tokio::time::sleep(self.stall_limit)),
            Writing::Stalled(timer) => timer,
        };
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.writing = Writing::Stalled(timer);
        Poll::Pending
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
        let written = self.tcp()?.poll_write(cx, buf);
        self.limited(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lingering, Stream};
    use crate::quota::Quota;
    use core::time::Duration;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn peer_that_does_not_read_fails_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, peer) = listener.accept().await.unwrap();
        let place = Quota::new(1, 1).take(peer.ip()).unwrap();
        let mut stream = Stream::new(accepted, Lingering::default(), place, Duration::from_millis(50));
        let error = loop {
            if let Err(error) = stream.write_all(&[0; 65_536]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        drop(silent);
    }
}
