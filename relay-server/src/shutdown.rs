//! UNIX signals: SIGTERM and SIGINT shut the relay down; SIGHUP reloads its certificates and reopens the files of its
//! call detail records.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The action that a signal requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalAction {
    /// Shut the relay down.
    ShutDown,
    /// Reload the certificates, and reopen the files of call detail records.
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
            _ = self.terminate.recv() => tracing::info!("SIGTERM: shutting down"),
            _ = self.interrupt.recv() => tracing::info!("SIGINT: shutting down"),
            _ = self.hang_up.recv() => return SignalAction::Reload,
        }
        SignalAction::ShutDown
    }
}
