//! What carries media to and from a browser: one UDP flow with STUN, DTLS and SRTP in it.

pub mod demux;
pub mod dtls;
pub mod srtp;
