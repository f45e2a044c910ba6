//! Requests to reload the configuration, from the REST API. The command line, which stores its sources, executes them.

use crate::config::live::ChangedOptions;
use tokio::sync::{mpsc, oneshot};

/// The result of a reload: the changed options, or the reason why nothing has changed.
pub type ReloadResult = Result<ChangedOptions, String>;

/// A request to reload the configuration. It is answered with the result.
pub type ReloadRequest = oneshot::Sender<ReloadResult>;

/// Number of requests that wait. Each of them is executed in some milliseconds.
const WAITING: usize = 8;

/// Sends requests to reload the configuration.
#[derive(Clone, Debug)]
pub struct ReloadRequests(mpsc::Sender<ReloadRequest>);

impl ReloadRequests {
    /// Creates the sender and the receiver of requests.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<ReloadRequest>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Requests a reload and waits for its result; `None` if the relay is shutting down.
    pub async fn reload(&self) -> Option<ReloadResult> {
        let (answer, result) = oneshot::channel();
        self.0.send(answer).await.ok()?;
        result.await.ok()
    }
}
