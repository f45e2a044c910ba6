//! Session Description Protocol (SDP, RFC 8866) and offer/answer (RFC 3264), for WebRTC and SIP endpoints.
#![forbid(unsafe_code)]

mod attribute;
pub mod codec;
pub mod direction;
pub mod error;
pub mod offer_answer;
pub mod plan;
pub mod section;
pub mod sip;
pub mod webrtc;

#[cfg(test)]
mod tests;
