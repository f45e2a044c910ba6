//! What carries media: to a browser one UDP flow with STUN, DTLS and SRTP in it, to a SIP peer two ports per section.

pub mod demux;
pub mod dtls;
pub mod latch;
pub mod rtp;
pub mod srtp;
