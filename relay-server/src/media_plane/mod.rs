//! The media plane: plain threads that share nothing. Each owns its sockets, its epoll loop and its legs.

mod backlog;
mod outlets;
mod sockets;
mod sys;
mod thread;

pub use sockets::{WorkerSockets, bind};
pub use thread::{Engine, MediaThread, spawn};

#[cfg(test)]
mod tests;
