//! The media plane: one operating system thread per media worker, without tokio. Each thread has its own sockets, epoll
//! loop and legs. Legs of two threads are bridged through message queues.

mod backlog;
mod exchange;
mod socket_table;
mod sockets;
mod sys;
mod thread;

pub use exchange::{WorkerQueues, worker_queues};
pub use sockets::{WorkerSockets, bind};
pub use thread::{Engine, MediaThread, ThreadCounters, ThreadSetup, Totals, spawn};

#[cfg(test)]
mod tests;
