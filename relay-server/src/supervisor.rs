//! Notices the end of the tasks and threads without which the relay cannot work.
//!
//! None of them ends before the relay does. One that ends has panicked or met an error that it cannot recover from: the
//! process then ends its calls and exits with an error, and its service manager starts a new one.

use tokio::sync::mpsc;

/// Supervises parts of the relay.
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

/// A supervisor, and what it reports.
#[must_use]
pub fn supervisor() -> (Supervisor, EndedParts) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Supervisor(sender), EndedParts(receiver))
}

impl Supervisor {
    /// A guard whose drop, be it by a panic, is reported as the end of `part`.
    #[must_use]
    pub fn running(&self, part: &'static str) -> Running {
        Running { part, supervisor: self.clone() }
    }

    /// `task`, supervised.
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
    /// Waits until a part ends, and names it.
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
    async fn tasks_that_return_panic_or_are_aborted_are_reported() {
        let (supervisor, mut ended) = supervisor();
        tokio::spawn(supervisor.supervise("returns", async {}));
        assert_eq!(ended.next().await, "returns");
        tokio::spawn(supervisor.supervise("panics", async { panic!("expected in this test") }));
        assert_eq!(ended.next().await, "panics");
        tokio::spawn(supervisor.supervise("is aborted", core::future::pending::<()>())).abort();
        assert_eq!(ended.next().await, "is aborted");
    }
}
