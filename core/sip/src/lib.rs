//! SIP (RFC 3261 and its extensions) without sockets and clocks.
//!
//! Bytes come in, bytes go out; what a call needs to know comes out as events. Session descriptions are opaque bodies here.
#![forbid(unsafe_code)]

pub mod auth;
pub mod dialog;
pub mod message;
pub mod registrar;
pub mod registration;
pub mod subnet;
pub mod transaction;
pub mod transport;
pub mod user_agent;
