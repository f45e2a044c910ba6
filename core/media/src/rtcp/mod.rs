//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104).

pub mod packet;
pub mod statistics;
pub mod write;
