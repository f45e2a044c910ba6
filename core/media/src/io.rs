//! Output queue, buffer pool and counters that all legs of a worker share.

use crate::command::Event;
use crate::counters::Counters;
use crate::socket::Local;
use crate::worker::Output;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Number of buffers kept for reuse, and the size of a new one: a full Ethernet packet.
const POOLED: usize = 1024;
const BUFFER: usize = 1600;

#[derive(Debug, Default)]
pub(crate) struct Io {
    pub(crate) outputs: VecDeque<Output>,
    pool: Vec<Vec<u8>>,
    pub(crate) counters: Counters,
}

impl Io {
    /// Returns an empty buffer.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.pool.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER))
    }

    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.pool.len() < POOLED && buffer.capacity() >= BUFFER {
            buffer.clear();
            self.pool.push(buffer);
        }
    }

    pub(crate) fn transmit(&mut self, local: Local, remote: SocketAddr, payload: Vec<u8>) {
        self.counters.tx_datagrams += 1;
        self.outputs.push_back(Output::Transmit { local, remote, payload });
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
