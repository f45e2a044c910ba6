//! Supervision of the tasks and threads that the relay requires.
//!
//! None of them is expected to end before the relay does. One that ends has panicked, or failed with an error from
//! which it cannot recover. The process then ends its calls and exits with an error, and the service manager restarts
//! it.

use tokio::sync::mpsc;

/// Supervises the required parts (tasks and threads) of the relay.
#[derive(Clone, Debug)]
pub struct Supervisor(mpsc::UnboundedSender<&'static str>);

/// Reports the parts that have ended.
#[derive(Debug)]
pub struct EndedParts(mpsc::UnboundedReceiver<&'static str>);

/// Held by a part while it runs.
#[derive(Debug)]
pub struct Running {
    part: &'static str,
    supervisor: Supervisor,
}

/// Creates a supervisor and the receiver of its reports.
#[must_use]
pub fn supervisor() -> (Supervisor, EndedParts) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Supervisor(sender), EndedParts(receiver))
}

impl Supervisor {
    /// Returns a guard whose drop, also during a panic, is reported as the end of `part`.
    #[must_use]
    pub fn running(&self, part: &'static str) -> Running {
        Running { part, supervisor: self.clone() }
    }

    /// Wraps `task` so that its end is reported.
    pub fn supervise<F: Future>(&self, part: &'static str, task: F) -> impl Future<Output = F::Output> + use<F> {
        let running = self.running(part);
        async move {
            let result = task.await;
            drop(running);
            result
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.supervisor.0.send(self.part);
    }
}

impl EndedParts {
    /// Waits until a part ends, and returns its name.
    pub async fn next(&mut self) -> &'static str {
        match self.0.recv().await {
            Some(part) => part,
            None => core::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::supervisor;

    #[tokio::test]
    async fn ended_task_is_reported() {
        let (supervisor, mut ended) = supervisor();
        tokio::spawn(supervisor.supervise("returns", async {}));
        assert_eq!(ended.next().await, "returns");
        tokio::spawn(supervisor.supervise("panics", async { panic!("expected in this test") }));
        assert_eq!(ended.next().await, "panics");
        tokio::spawn(supervisor.supervise("is aborted", core::future::pending::<()>())).abort();
        assert_eq!(ended.next().await, "is aborted");
    }
}
