//! TCP forwarder that can be frozen, to simulate a network failure without FIN or RST.

use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections to one address.
pub struct Tunnel {
    address: SocketAddr,
    frozen: watch::Sender<bool>,
}

impl Tunnel {
    /// Starts a forwarder to `target`.
    ///
    /// # Panics
    /// Panics if no port is available.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let frozen = watch::Sender::new(false);
        let watched = frozen.subscribe();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(target).await.expect("the target");
                let ((near_out, near_in), (far_out, far_in)) = (near.into_split(), far.into_split());
                tokio::spawn(carry(near_out, far_in, watched.clone()));
                tokio::spawn(carry(far_out, near_in, watched.clone()));
            }
        });
        Self { address, frozen }
    }

    /// Returns the address that it accepts connections on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops forwarding in both directions without closing connections: neither FIN nor RST is sent.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut frozen: watch::Receiver<bool>) {
    let mut buffer = vec![0; 4096];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = frozen.changed() => break,
        };
        let Ok(length @ 1..) = read else { return };
        if to.write_all(buffer.get(..length).unwrap_or_default()).await.is_err() {
            return;
        }
    }
    // Both halves stay open until the tunnel is dropped.
    while frozen.changed().await.is_ok() {}
}
