//! Signaling between browser and relay: JSON over WebSocket, both halves of it.
//!
//! [`message`] has the messages themselves, [`client`] the half that runs in the page, [`server`] the half that runs in
//! the relay. A session description is an opaque string here.
#![forbid(unsafe_code)]

pub mod client;
pub mod message;
pub mod reason;
#[cfg(feature = "json")]
pub mod server;
pub mod version;
