//! Passes requests of the REST API to the signaling plane. At most [`PENDING`] requests wait for the plane at a time,
//! and the time limit of the API includes the wait.

use super::problem::{Problem, ProblemCode};
use crate::signaling_plane::{PlaneInput, PlaneRequest, RelayView};
use axum::http::{HeaderValue, header};
use offhook_b2bua::command::{Accepted, CallCommand};
use offhook_b2bua::relay::Relay;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Maximum number of requests that wait for the plane.
const PENDING: usize = 64;

/// Sends requests to the plane.
#[derive(Debug)]
pub(super) struct PlaneBridge {
    plane: mpsc::Sender<PlaneInput>,
    places: Semaphore,
}

impl PlaneBridge {
    pub(super) fn new(plane: mpsc::Sender<PlaneInput>) -> Self {
        Self { plane, places: Semaphore::new(PENDING) }
    }

    /// Executes a command. If the caller stops waiting before the command's turn, the command is not executed.
    pub(super) async fn execute(&self, command: CallCommand) -> Result<Accepted, Problem> {
        let (reply, result) = oneshot::channel();
        let result = self.request(PlaneRequest::Command(Box::new(command), reply), result).await?;
        result.map_err(Problem::from)
    }

    /// Reads the relay machine.
    pub(super) async fn view<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Relay) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (view, result) = RelayView::new(read);
        self.request(PlaneRequest::View(view), result).await
    }

    async fn request<T>(&self, request: PlaneRequest, result: oneshot::Receiver<T>) -> Result<T, Problem> {
        let overloaded = || {
            let problem = Problem::new(ProblemCode::Overloaded, "too many requests wait for the signaling plane");
            problem.with(header::RETRY_AFTER, HeaderValue::from_static("1"))
        };
        let stopping = || Problem::new(ProblemCode::ShuttingDown, "the relay is shutting down");
        let _place = self.places.try_acquire().map_err(|_| overloaded())?;
        match self.plane.try_send(PlaneInput::Request(request)) {
            Ok(()) => result.await.map_err(|_| stopping()),
            Err(TrySendError::Full(_)) => Err(overloaded()),
            Err(TrySendError::Closed(_)) => Err(stopping()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CallCommand, PENDING, PlaneBridge, PlaneInput, PlaneRequest, Problem, ProblemCode, mpsc};
    use core::time::Duration;
    use offhook_b2bua::call::CallKey;
    use offhook_b2bua::command::{Accepted, CallRef, CommandError};
    use std::sync::Arc;

    fn command() -> CallCommand {
        // The test does not execute it.
        let at: CallRef = serde_json::from_str(r#"{"call":1,"leg":2}"#).unwrap();
        assert_eq!(at.call, CallKey(1));
        CallCommand::HangUp { at, reason: None }
    }

    fn code(result: Result<Accepted, Problem>) -> ProblemCode {
        result.unwrap_err().code()
    }

    #[tokio::test]
    async fn result_of_a_command_is_returned() {
        let (plane, mut received) = mpsc::channel(4);
        let bridge = Arc::new(PlaneBridge::new(plane));
        for (result, expected) in
            [(Ok(Accepted::Passed), None), (Err(CommandError::UnknownCall), Some(ProblemCode::UnknownCall))]
        {
            let running = tokio::spawn({
                let bridge = Arc::clone(&bridge);
                async move { bridge.execute(command()).await }
            });
            let Some(PlaneInput::Request(PlaneRequest::Command(_, reply))) = received.recv().await else { panic!() };
            reply.send(result).unwrap();
            assert_eq!(running.await.unwrap().err().map(|problem| problem.code()), expected);
        }
    }

    #[tokio::test]
    async fn abandoned_command_is_marked() {
        let (plane, mut received) = mpsc::channel(1);
        let bridge = PlaneBridge::new(plane);
        assert!(tokio::time::timeout(Duration::from_millis(1), bridge.execute(command())).await.is_err());
        let Some(PlaneInput::Request(PlaneRequest::Command(_, reply))) = received.recv().await else { panic!() };
        assert!(reply.is_closed(), "the plane drops it");
    }

    #[tokio::test]
    async fn requests_beyond_the_limit_are_refused() {
        let (plane, mut received) = mpsc::channel(2 * PENDING);
        let bridge = Arc::new(PlaneBridge::new(plane));
        let mut replies = Vec::new();
        for _ in 0..PENDING {
            let bridge = Arc::clone(&bridge);
            tokio::spawn(async move { bridge.execute(command()).await });
            replies.push(received.recv().await.expect("a request"));
        }
        assert_eq!(code(bridge.execute(command()).await), ProblemCode::Overloaded);
        drop(replies);
    }

    #[tokio::test]
    async fn request_after_the_end_of_the_plane_is_refused() {
        let (plane, received) = mpsc::channel(1);
        drop(received);
        assert_eq!(code(PlaneBridge::new(plane).execute(command()).await), ProblemCode::ShuttingDown);
    }
}
