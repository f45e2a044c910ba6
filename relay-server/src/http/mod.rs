//! HTTP on every address: the page, `/healthz`, and WebSockets by upgrade.

mod lingering;
mod listener;
mod router;

pub(crate) use lingering::Lingering;
pub use listener::{Serving, serve};
pub use router::{App, overload_router, router};
