//! The relay machine: sessions, registrar and switch of one shard.

use crate::config::Config;
use crate::io::{Input, Output};
use offhook_clock::Time;

/// The relay machine.
pub struct Relay {
    config: Config,
}

impl Relay {
    /// A relay with nobody connected. `seed` must be secret: tokens and ICE passwords are drawn from it.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32], now: Time) -> Self {
        let _ = (seed, now);
        Self { config }
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Time) {
        let _ = (input, now, &self.config);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// The next thing to do for the shell.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When to call [`Relay::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }
}
