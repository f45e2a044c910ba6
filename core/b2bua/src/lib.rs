//! The call model: who rings, who answers, which legs are bridged.
#![forbid(unsafe_code)]

pub mod config;
pub mod io;
pub mod relay;
