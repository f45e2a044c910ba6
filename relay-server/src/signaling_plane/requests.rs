//! Interface between the REST API and the signaling plane: requests of the API, and events for its directory of calls.

use crate::api::directory::CallDirectory;
use crate::api::feed::EventFeed;
use core::fmt;
use offhook_b2bua::call::CallEvent;
use offhook_b2bua::command::{CallCommand, CommandResult};
use offhook_b2bua::io::{Input, RequestId};
use offhook_b2bua::record::CallRecord;
use offhook_b2bua::relay::Relay;
use offhook_clock::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A request to the plane. If its sender no longer waits for the response, the request is dropped instead of executed.
#[derive(Debug)]
pub enum PlaneRequest {
    /// Execute a command.
    Command(Box<CallCommand>, oneshot::Sender<CommandResult>),
    /// Read the relay machine.
    View(RelayView),
}

/// A function that reads the relay machine and sends what it has read.
pub struct RelayView(Box<dyn FnOnce(&Relay) + Send>);

impl RelayView {
    /// Creates a view, whose result is received by `receiver`.
    pub fn new<T: Send + 'static>(read: impl FnOnce(&Relay) -> T + Send + 'static) -> (Self, oneshot::Receiver<T>) {
        let (reply, receiver) = oneshot::channel();
        let send = move |relay: &Relay| {
            if !reply.is_closed() {
                let _ = reply.send(read(relay));
            }
        };
        (Self(Box::new(send)), receiver)
    }
}

impl fmt::Debug for RelayView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayView")
    }
}

/// The plane's side of the REST API.
#[derive(Debug, Default)]
pub(super) struct ApiSide {
    last_request: u64,
    /// The commands whose results have not been received yet.
    waiting: BTreeMap<RequestId, oneshot::Sender<CommandResult>>,
    directory: Arc<CallDirectory>,
    feed: Arc<EventFeed>,
}

impl ApiSide {
    pub(super) const fn new(directory: Arc<CallDirectory>, feed: Arc<EventFeed>) -> Self {
        Self { last_request: 0, waiting: BTreeMap::new(), directory, feed }
    }

    /// Handles a request: returns the input for a command, or executes a view.
    pub(super) fn take(&mut self, request: PlaneRequest, relay: &Relay) -> Option<Input> {
        match request {
            PlaneRequest::Command(_, reply) if reply.is_closed() => None,
            PlaneRequest::Command(command, reply) => {
                self.last_request += 1;
                let request = RequestId(self.last_request);
                self.waiting.insert(request, reply);
                Some(Input::Command { request, command: *command })
            }
            PlaneRequest::View(RelayView(read)) => {
                read(relay);
                None
            }
        }
    }

    /// Sends the result of a command.
    pub(super) fn finish(&mut self, request: RequestId, result: CommandResult) {
        if let Some(reply) = self.waiting.remove(&request) {
            let _ = reply.send(result);
        }
    }

    /// Updates the directory after an event of a call, and publishes the event.
    pub(super) fn call_changed(&self, event: &CallEvent, record: CallRecord, at: Time, relay: &Relay) {
        let call = record.call;
        let entry = self.directory.update(event, record, relay.call(call));
        self.feed.publish(event, call, entry, at);
    }

    /// Ends the feed of events.
    pub(super) fn stop(&self) {
        self.feed.stop();
    }
}
