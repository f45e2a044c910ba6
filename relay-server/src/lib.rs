//! The relay's shell: sockets, threads, files and clocks for the state machines in `core/`, which make all decisions.

pub mod accounts;
pub mod addresses;
pub mod api;
pub mod cli;
pub mod clock;
pub mod codec;
pub mod config;
pub mod descriptors;
pub mod http;
pub mod lifecycle;
pub mod media_plane;
mod memory;
pub mod metrics;
pub mod quota;
pub mod records;
pub mod reload;
pub mod security_log;
pub mod server;
pub mod shutdown;
pub mod signaling_plane;
pub mod sip;
pub mod sip_transport;
pub mod supervisor;
pub mod telemetry;
mod timestamp;
pub mod tls;
mod websocket;
