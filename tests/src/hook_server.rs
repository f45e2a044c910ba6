//! A backend of an application that receives the relay's webhooks.

use crate::wait::{PATIENCE, until};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::post;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// A received request.
#[derive(Clone, Debug)]
pub struct HookCall {
    /// The method: the last segment of the URL.
    pub method: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body as it was received.
    pub text: String,
    /// The body.
    pub body: Value,
}

impl HookCall {
    /// Returns a header field.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns a field of the body as text.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A response.
#[derive(Clone, Debug)]
pub enum HookReply {
    /// The body of the request, with these fields replaced.
    Change(Value),
    /// This status, with this body.
    Status(u16, Value),
    /// A redirect to this server.
    Redirect,
    /// An object of 10 MB.
    Huge,
    /// Text that is not an object.
    Text,
    /// No response for this time, then the body of the request.
    After(Duration),
}

#[derive(Debug, Default)]
struct HookServerState {
    calls: Mutex<Vec<HookCall>>,
    replies: Mutex<BTreeMap<String, VecDeque<HookReply>>>,
}

/// The backend. It ends when dropped.
#[derive(Debug)]
pub struct HookServer {
    address: SocketAddr,
    state: Arc<HookServerState>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for HookServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HookServer {
    /// Starts a backend that answers each request with its body.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(HookServerState::default());
        let router = axum::Router::new().route("/hooks/{method}", post(receive)).with_state(Arc::clone(&state));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { address, state, task }
    }

    /// Returns the options of a relay for these methods.
    #[must_use]
    pub fn options(&self, methods: &str) -> Vec<String> {
        vec![
            format!("hooks.applications.test.url=http://{}/hooks", self.address),
            format!("hooks.applications.test.methods={methods}"),
        ]
    }

    /// Sets the responses to a method. The last one is repeated.
    ///
    /// # Panics
    /// Panics if a handler panicked.
    pub fn replies(&self, method: &str, replies: impl IntoIterator<Item = HookReply>) {
        let mut all = self.state.replies.lock().expect("no handler panicked");
        all.insert(method.to_owned(), replies.into_iter().collect());
    }

    /// Returns the requests so far with this method, or of all methods if it is `*`.
    ///
    /// # Panics
    /// Panics if a handler panicked.
    #[must_use]
    pub fn calls(&self, method: &str) -> Vec<HookCall> {
        let calls = self.state.calls.lock().expect("no handler panicked");
        calls.iter().filter(|call| method == "*" || call.method == method).cloned().collect()
    }

    /// Returns the number of requests so far with this method.
    ///
    /// # Panics
    /// Panics if a handler panicked.
    #[must_use]
    pub fn count(&self, method: &str) -> usize {
        let calls = self.state.calls.lock().expect("no handler panicked");
        calls.iter().filter(|call| call.method == method).count()
    }

    /// Waits for the first request with this method for which `wanted` is true.
    ///
    /// # Panics
    /// Panics with the received requests if there is none.
    pub async fn received(&self, method: &str, wanted: impl Fn(&HookCall) -> bool) -> HookCall {
        let find = || self.calls(method).into_iter().find(|call| wanted(call));
        assert!(until(|| find().is_some()).await, "no {method} within {PATIENCE:?}: {:#?}", self.calls("*"));
        find().expect("checked above")
    }
}

async fn receive(
    State(state): State<Arc<HookServerState>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let text = String::from_utf8(body.to_vec()).expect("text");
    let sent: Value = serde_json::from_str(&text).expect("JSON");
    state.calls.lock().expect("no handler panicked").push(HookCall {
        method: method.clone(),
        headers,
        text,
        body: sent.clone(),
    });
    let reply = {
        let mut replies = state.replies.lock().expect("no handler panicked");
        match replies.get_mut(&method) {
            Some(queue) if queue.len() > 1 => queue.pop_front(),
            Some(queue) => queue.front().cloned(),
            None => None,
        }
    };
    match reply {
        None => json(StatusCode::OK, &sent),
        Some(HookReply::Change(changes)) => {
            let mut answer = sent;
            if let (Some(answer), Some(changes)) = (answer.as_object_mut(), changes.as_object()) {
                answer.extend(changes.clone());
            }
            json(StatusCode::OK, &answer)
        }
        Some(HookReply::Status(status, body)) => json(StatusCode::from_u16(status).expect("a status"), &body),
        Some(HookReply::Redirect) => {
            let response = Response::builder().status(307).header(header::LOCATION, "/hooks/redirected");
            response.body(Body::empty()).expect("a response")
        }
        Some(HookReply::Huge) => json(StatusCode::OK, &serde_json::json!({ "padding": "x".repeat(10_000_000) })),
        Some(HookReply::Text) => Response::new(Body::from("fine")),
        Some(HookReply::After(time)) => {
            tokio::time::sleep(time).await;
            json(StatusCode::OK, &sent)
        }
    }
}

fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    response.body(Body::from(body.to_string())).expect("a response")
}
