//! Media transports. A WebRTC peer uses one UDP flow with STUN, DTLS and SRTP; another SIP peer uses a pair of RTP and
//! RTCP ports per media section.

pub mod demux;
pub mod dtls;
pub mod latch;
pub mod rtp;
pub mod srtp;
