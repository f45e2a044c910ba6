//! SIP (RFC 3261 and its extensions) as state machines without sockets or clocks.
//!
//! Input is received messages and commands; output is messages to send and call events. Session descriptions are opaque
//! bodies in this crate.
#![forbid(unsafe_code)]

pub mod auth;
pub mod dialog;
pub mod location;
pub mod message;
pub mod registrar;
pub mod registration;
pub mod subnet;
pub mod transaction;
pub mod transport;
pub mod user_agent;
