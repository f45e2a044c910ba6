//! The call model: who may log in, who rings, who answers, which legs are bridged.
//!
//! [`relay::Relay`] is the machine of one shard: sessions, registrar and switch. [`call::Call`] is one call in it.
#![forbid(unsafe_code)]

pub mod address;
pub mod call;
pub mod command;
pub mod config;
pub mod io;
pub mod presenter;
pub mod record;
pub mod relay;
