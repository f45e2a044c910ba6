//! Media transports: one UDP flow with STUN, DTLS and SRTP to a WebRTC peer; a pair of RTP ports per section to a SIP
//! peer.

pub mod demux;
pub mod dtls;
pub mod latch;
pub mod rtp;
pub mod srtp;
