//! ICE-lite (RFC 8445 §2.5): answering the browser's connectivity checks.

pub mod agent;
pub mod stun;
