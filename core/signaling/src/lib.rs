//! Signaling between browser and relay: JSON over WebSocket, client half and server half (docs/signaling.md).
//!
//! [`message`] contains the messages, [`client`] the state machines of the web page, [`server`] the state machine of the
//! relay. Session descriptions are opaque strings in this crate.
#![forbid(unsafe_code)]

pub mod client;
pub mod message;
pub mod reason;
#[cfg(feature = "json")]
pub mod server;
pub mod version;
