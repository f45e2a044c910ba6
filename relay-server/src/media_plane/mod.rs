//! The media plane: one plain thread for each media worker. The threads share no state; each owns its sockets, its epoll loop and the
//! legs of its worker.

mod backlog;
mod outlets;
mod sockets;
mod sys;
mod thread;

pub use sockets::{WorkerSockets, bind};
pub use thread::{Engine, MediaThread, spawn};

#[cfg(test)]
mod tests;
