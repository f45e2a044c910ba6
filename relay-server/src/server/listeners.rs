//! Binding of the HTTP listeners.

use crate::addresses::{self, Demo};
use crate::config::Settings;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpListener;

/// The bound listeners.
pub(super) struct Listeners {
    pub(super) plain: Vec<TcpListener>,
    pub(super) tls: Vec<TcpListener>,
    /// Those of the REST API.
    pub(super) api: Vec<TcpListener>,
}

impl Listeners {
    /// Binds all of them.
    pub(super) async fn bind(settings: &Settings, demo: Demo, discovered: &[IpAddr]) -> io::Result<Self> {
        let (plain, tls) = addresses::listen(settings, demo, discovered).map_err(io::Error::other)?;
        let plain = bind_all("[listen] plain", &plain).await?;
        let tls = bind_all("[listen] tls", &tls).await?;
        Ok(Self { plain, tls, api: bind_api(settings, demo).await? })
    }
}

async fn bind_all(option: &str, wanted: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(wanted.len());
    for address in wanted {
        let bound = bind(*address);
        listeners.push(bound.map_err(|error| {
            let what = format!("cannot listen on {address}: {error}; choose another address in {option}");
            io::Error::new(error.kind(), what)
        })?);
    }
    Ok(listeners)
}

/// Binds the addresses of the REST API. If the default address is in use, for example by a second relay, the API is off.
async fn bind_api(settings: &Settings, demo: Demo) -> io::Result<Vec<TcpListener>> {
    let wanted = addresses::api(settings, demo).map_err(io::Error::other)?;
    if let Some(open) = wanted.iter().find(|address| !address.ip().is_loopback()) {
        tracing::warn!(address = %open, "the REST API is served without TLS on an address that is not loopback: tokens are \
             readable on the network unless a TLS-terminating proxy is in front");
    }
    match bind_all("[api] listen", &wanted).await {
        Err(error) if settings.api.listen.is_none() => {
            tracing::warn!(%error, "the REST API is off");
            Ok(Vec::new())
        }
        bound => bound,
    }
}

/// Binds a listener. IPv6 sockets accept IPv6 only, so that `0.0.0.0` and `[::]` can use the same port.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}
