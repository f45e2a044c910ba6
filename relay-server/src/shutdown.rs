//! UNIX signals: SIGTERM shuts the relay down when its calls have ended, SIGINT at once; SIGHUP reloads its
//! configuration and certificates and reopens the files of its call detail records.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The action that a signal requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalAction {
    /// Shut the relay down when its calls have ended.
    Drain,
    /// Shut the relay down at once.
    ShutDown,
    /// Reload the configuration and the certificates, and reopen the files of call detail records.
    Reload,
}

/// Handlers of SIGTERM, SIGINT and SIGHUP, installed by [`Signals::catch`].
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// If the system does not allow it.
    pub fn catch() -> io::Result<Self> {
        let of = |kind| signal(kind);
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hang_up: of(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal.
    pub async fn wait(&mut self) -> SignalAction {
        tokio::select! {
            _ = self.terminate.recv() => SignalAction::Drain,
            _ = self.interrupt.recv() => SignalAction::ShutDown,
            _ = self.hang_up.recv() => SignalAction::Reload,
        }
    }
}
