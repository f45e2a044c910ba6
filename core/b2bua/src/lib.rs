//! The call model: logins, registrations, routing, answers and bridges.
//!
//! [`relay::Relay`] is the machine of one shard: sessions, registrar and routing. [`call::Call`] is one call in it.
#![forbid(unsafe_code)]

pub mod address;
pub mod call;
pub mod command;
pub mod config;
pub mod io;
pub mod presenter;
pub mod record;
pub mod relay;
