//! Harness of the suites: the real relay as a child process, headless browsers that call through it, and SIP servers and
//! phones on its other side.
//!
//! Nothing here shares code with what it tests beyond the message types and the reader of session descriptions: the
//! media engine of the headless browser is the `rtc` crate.
#![forbid(unsafe_code)]
#![expect(clippy::panic, clippy::expect_used, reason = "a harness fails by panicking: that is how a test fails")]

pub mod baresip;
pub mod browser;
pub mod child;
pub mod kamailio;
pub mod linphone;
pub mod lossy;
pub mod peer;
pub mod picture;
pub mod ports;
pub mod relay;
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
