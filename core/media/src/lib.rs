//! The media plane without sockets: ICE-lite, DTLS-SRTP, RTP and RTCP, and the bridge between two legs.
#![forbid(unsafe_code)]

pub mod command;
pub mod counters;
pub mod identity;
pub mod worker;
