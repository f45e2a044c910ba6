//! ICE-lite (RFC 8445 §2.5): responses to the peer's connectivity checks.

pub mod agent;
pub(crate) mod saved;
pub mod stun;
