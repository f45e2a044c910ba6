//! The media plane: plain threads that share nothing. Each owns its sockets, its epoll loop and its legs. Bridges between legs of
//! two threads pass messages.

mod backlog;
mod exchange;
mod outlets;
mod sockets;
mod sys;
mod thread;

pub use exchange::{Junction, junctions};
pub use sockets::{WorkerSockets, bind};
pub use thread::{Engine, MediaThread, ThreadCounters, ThreadSetup, Totals, spawn};

#[cfg(test)]
mod tests;
