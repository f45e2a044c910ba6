//! Session descriptions (RFC 8866) and offer/answer (RFC 3264), for WebRTC endpoints.
#![forbid(unsafe_code)]

pub mod codec;
pub mod direction;
pub mod webrtc;
