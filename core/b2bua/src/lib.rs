//! The back-to-back user agent (B2BUA) between browsers and SIP endpoints: client sessions, registrations, routing,
//! offer/answer and bridges.
//!
//! [`relay::Relay`] is the state machine of one relay: sessions, registrar and routing. [`call::Call`] is one of its
//! calls.
#![forbid(unsafe_code)]

pub mod address;
pub mod authorization;
pub mod call;
pub mod command;
pub mod config;
pub mod io;
pub mod presenter;
pub mod record;
pub mod relay;
pub mod token;
