//! The media plane: one operating system thread per media worker, without tokio. Each thread has its own sockets, epoll loop and
//! legs. A bridge between legs of two threads uses message queues.

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
