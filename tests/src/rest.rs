//! A client of the relay's REST API: one HTTP request for each connection.

use crate::relay::Relay;
use crate::wait::PATIENCE;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The API of a relay, and the credentials for it.
#[derive(Clone, Debug)]
pub struct RestClient {
    address: SocketAddr,
    authorization: Option<String>,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The status line and the header fields, in lower case.
    pub head: String,
    /// The body in JSON, or as a string if it is text; null if there is none.
    pub body: Value,
}

impl RestClient {
    /// The API of a relay that was started without a configured token.
    pub async fn of(relay: &Relay) -> Self {
        let token = relay.printed("api-token ").await;
        Self { authorization: Some(format!("Bearer {token}")), ..Self::anonymous(relay).await }
    }

    /// The API without credentials.
    ///
    /// # Panics
    /// Panics if the relay prints no address.
    pub async fn anonymous(relay: &Relay) -> Self {
        let url = relay.printed("api http://").await;
        let address = url.split('/').next().and_then(|address| address.parse().ok()).expect("an address");
        Self { address, authorization: None }
    }

    /// The same API with another `Authorization`.
    #[must_use]
    pub fn with(&self, authorization: &str) -> Self {
        Self { authorization: Some(authorization.to_owned()), ..self.clone() }
    }

    /// Sends `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", "").await
    }

    /// Sends `POST` with a body in JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, "application/json", &body.to_string()).await
    }

    /// Sends `POST` with an `Idempotency-Key`.
    pub async fn post_with_key(&self, path: &str, body: &Value, key: &str) -> Reply {
        let fields = format!("Content-Type: application/json\r\nIdempotency-Key: {key}\r\n");
        let body = body.to_string();
        self.exchange(("POST", path), &fields, &body, body.len()).await
    }

    /// Sends a request; without content type if that is empty.
    pub async fn send(&self, method: &str, path: &str, content_type: &str, body: &str) -> Reply {
        let fields = match content_type {
            "" => String::new(),
            content_type => format!("Content-Type: {content_type}\r\n"),
        };
        self.exchange((method, path), &fields, body, body.len()).await
    }

    /// Sends a request in JSON whose body is not complete: it has `length` octets according to its header.
    ///
    /// # Panics
    /// Panics without a complete response.
    pub async fn send_part(&self, method: &str, path: &str, body: &str, length: usize) -> Reply {
        self.exchange((method, path), "Content-Type: application/json\r\n", body, length).await
    }

    async fn exchange(&self, (method, path): (&str, &str), fields: &str, body: &str, length: usize) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if let Some(authorization) = &self.authorization {
            head += &format!("Authorization: {authorization}\r\n");
        }
        head += fields;
        let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        // The relay may respond before it has received the whole body.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut response = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut response)).await;
        assert!(read.is_ok(), "{method} {path}: the response has no end");
        let response = String::from_utf8(response).expect("text");
        parse(&response).unwrap_or_else(|| panic!("no response: {response}"))
    }
}

/// A stream of Server-Sent Events.
pub struct EventStream {
    stream: TcpStream,
    received: String,
}

impl RestClient {
    /// Opens a stream of events, after the event `last` if there is one.
    ///
    /// # Panics
    /// Panics if the response is no stream of events.
    pub async fn events(&self, path: &str, last: Option<&str>) -> EventStream {
        let authorization = self.authorization.as_deref().unwrap_or_default();
        let mut head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {authorization}\r\n", self.address);
        if let Some(last) = last {
            head += &format!("Last-Event-ID: {last}\r\n");
        }
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(format!("{head}\r\n").as_bytes()).await.expect("a request is sent");
        let mut events = EventStream { stream, received: String::new() };
        let head = events.until("\r\n\r\n").await.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200") && head.contains("text/event-stream"), "{head}");
        events
    }
}

/// A WebSocket of events.
pub struct EventSocket(WebSocketStream<TcpStream>);

impl RestClient {
    /// Opens a WebSocket of events; the error is the status of a refusal.
    ///
    /// # Errors
    /// The status of the response if it is not 101.
    ///
    /// # Panics
    /// Panics without a response.
    pub async fn event_socket(&self, path: &str) -> Result<EventSocket, u16> {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        let mut request = format!("ws://{}{path}", self.address).into_client_request().expect("a URL");
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert("authorization", authorization.parse().expect("a header value"));
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(EventSocket(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

impl EventSocket {
    /// Waits for the next message.
    ///
    /// # Panics
    /// Panics if there is none in time, or it is not JSON.
    pub async fn next(&mut self) -> Value {
        match self.receive().await {
            Message::Text(text) => serde_json::from_str(&text).expect("a message in JSON"),
            other => panic!("{other:?} instead of an event"),
        }
    }

    /// Waits for the close frame, and returns its code.
    ///
    /// # Panics
    /// Panics if another message arrives.
    pub async fn close_code(&mut self) -> u16 {
        match self.receive().await {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("{other:?} instead of a close frame"),
        }
    }

    /// Sends a text, which the relay does not expect.
    ///
    /// # Panics
    /// Panics if it cannot be sent.
    pub async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("sent");
    }

    async fn receive(&mut self) -> Message {
        let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time");
        message.expect("an open WebSocket").expect("a message")
    }
}

impl EventStream {
    /// Waits for the next event. Returns its identifier, name and data; comments are ignored.
    ///
    /// # Panics
    /// Panics if there is none in time, or it has no data in JSON.
    pub async fn next(&mut self) -> (String, String, Value) {
        // Comments arrive on an idle stream, so that the time limit of one read is not enough.
        tokio::time::timeout(PATIENCE, self.event()).await.expect("an event in time")
    }

    async fn event(&mut self) -> (String, String, Value) {
        loop {
            // The chunks of the body contain whole events.
            let frame = self.until("\n\n").await;
            let field =
                |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
            let data = field("data: ");
            if !data.is_empty() {
                return (field("id: "), field("event: "), serde_json::from_str(&data).expect("data in JSON"));
            }
        }
    }

    /// Receives text up to and including `end`.
    async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some((text, rest)) = self.received.split_once(end) {
                let (text, rest) = (text.to_owned(), rest.to_owned());
                self.received = rest;
                return text;
            }
            let mut buffer = vec![0; 65_536];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await;
            let length = read.expect("an event in time").expect("an open stream");
            assert!(length > 0, "the stream has ended: {}", self.received);
            self.received += core::str::from_utf8(buffer.get(..length).unwrap_or_default()).expect("text");
        }
    }
}

fn parse(response: &str) -> Option<Reply> {
    let (head, body) = response.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let head = head.to_ascii_lowercase();
    let body = match body {
        "" => Value::Null,
        text if head.contains("content-type: text/") => Value::from(text),
        json => serde_json::from_str(json).ok()?,
    };
    Some(Reply { status, head, body })
}
