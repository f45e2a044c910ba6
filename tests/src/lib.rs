//! Harness of the suites: the real relay as a child process, and headless browsers that call through it.
//!
//! Nothing here shares code with what it tests beyond the message types and the reader of session descriptions: the
//! media engine of the headless browser is the `rtc` crate.
#![forbid(unsafe_code)]
#![expect(clippy::panic, clippy::expect_used, reason = "a harness fails by panicking: that is how a test fails")]

pub mod browser;
pub mod peer;
pub mod picture;
pub mod relay;
pub mod sound;
pub mod tls;
pub mod tunnel;
pub mod wait;
