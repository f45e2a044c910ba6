//! HTTP and HTTPS server: the phone page, `/healthz`, `/metrics`, upgrades to WebSocket, and the listeners of the REST
//! API.

mod client_address;
mod health;
mod lingering;
mod listener;
mod origins;
mod router;

pub(crate) use client_address::Peer;
pub use client_address::{ProxyHeader, TrustedProxies};
pub(crate) use lingering::Lingering;
pub use listener::{Serving, serve};
pub use origins::AllowedOrigins;
pub use router::{App, overload_router, router};
