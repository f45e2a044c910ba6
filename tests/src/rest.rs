//! A client of the relay's REST API: one HTTP request for each connection.

use crate::relay::Relay;
use crate::wait::PATIENCE;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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
    /// The body in JSON; null if there is none.
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

    /// Sends a request; without content type if that is empty.
    ///
    /// # Panics
    /// Panics without a complete response.
    pub async fn send(&self, method: &str, path: &str, content_type: &str, body: &str) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if let Some(authorization) = &self.authorization {
            head += &format!("Authorization: {authorization}\r\n");
        }
        if !content_type.is_empty() {
            head += &format!("Content-Type: {content_type}\r\n");
        }
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
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
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).ok()? };
    Some(Reply { status, head: head.to_ascii_lowercase(), body })
}
