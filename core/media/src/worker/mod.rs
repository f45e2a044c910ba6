//! One media thread's machine.

mod config;

pub use config::{DtlsVersions, WorkerConfig};

use crate::command::{Command, Event};
use crate::counters::Counters;
use offhook_clock::Time;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What a worker wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram, then give the buffer back ([`Worker::recycle`]).
    Transmit {
        /// The relay's own address it must leave from: the one the browser sent to.
        local: SocketAddr,
        /// Where to.
        remote: SocketAddr,
        /// The datagram.
        payload: Vec<u8>,
    },
    /// Tell the signaling plane.
    Event(Event),
}

/// All legs of one media thread.
#[derive(Debug)]
pub struct Worker {
    config: WorkerConfig,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Worker {
    /// A worker without legs. `now` is what `config.instant` is in [`Time`].
    #[must_use]
    pub fn new(config: WorkerConfig, _seed: [u8; 32], _now: Time) -> Self {
        Self { config, outputs: VecDeque::new(), counters: Counters::default() }
    }

    /// Obeys an order of the signaling plane.
    pub fn handle_command(&mut self, _command: Command, _now: Time) {
        self.counters.dropped.bad_command += 1;
    }

    /// Takes a datagram that arrived at `local` from `remote`; it is decrypted in place.
    pub fn handle_datagram(&mut self, _local: SocketAddr, _remote: SocketAddr, _packet: &mut [u8], _now: Time) {
        self.counters.rx_datagrams += 1;
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Time) {}

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Worker::handle_timeout`] must be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// Gives the buffer of a sent datagram back, to be used again.
    pub fn recycle(&mut self, _buffer: Vec<u8>) {}

    /// Totals for metrics.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many legs there are.
    #[must_use]
    pub fn leg_count(&self) -> usize {
        0
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &WorkerConfig {
        &self.config
    }
}
