//! Test harness: the real relay as a child process, headless browsers, and SIP servers and phones.
//!
//! The harness shares only the message types, the SDP parser and the codecs other than G.711 with the code under test. The media engine of the headless
//! browser is the `rtc` crate.
#![forbid(unsafe_code)]
#![expect(clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]

pub mod baresip;
pub mod browser;
pub mod child;
pub mod endpoint_codec;
pub mod hook_server;
pub mod kamailio;
pub mod linphone;
pub mod lossy;
pub mod nat;
pub mod peer;
pub mod picture;
pub mod ports;
pub mod postgres;
pub mod relay;
pub mod rest;
pub mod rtp_endpoint;
pub mod rtpengine;
pub mod sip_phone;
pub mod sipp;
pub mod sound;
pub mod tls;
pub mod tunnel;
pub mod wait;
pub mod webrtc_phone;
pub mod wire;
