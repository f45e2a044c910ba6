//! SIP message parser and serializer (RFC 3261 §7, §20), lenient in parsing and strict in serialization.
//!
//! Parsing a message indexes it once: [`Headers`] stores the text and the position of each value, and parses a value
//! into its type on access. A message that no element can process is rejected with [`Refused`], which contains the
//! response to send, if any.

mod address;
mod check;
mod equivalence;
mod escape;
pub mod framing;
mod head;
mod headers;
mod host;
mod method;
mod name;
mod parameters;
mod parse;
mod refused;
mod response;
mod scan;
mod sip_uri;
mod tel_uri;
mod typed;
mod uri;
mod values;
mod via;

pub use address::{Contacts, NameAddr};
pub use check::MAX_VALUES;
pub use escape::unescaped;
pub use head::MAX_HEADERS;
pub use headers::Headers;
pub use host::Host;
pub use method::Method;
pub use name::HeaderName;
pub use parameters::{MAX_PARAMETERS, Parameters};
pub use parse::MAX_SIZE;
pub use refused::{Refused, Violation};
pub use response::reason_phrase;
pub use scan::Malformed;
pub use sip_uri::SipUri;
pub use tel_uri::TelUri;
pub use uri::Uri;
pub use values::{
    CSeq, Event, MediaType, Privacy, RAck, Reason, Refresher, Replaces, RetryAfter, SessionExpires, Subscription,
    SubscriptionState, TokenParams,
};
pub use via::{MAGIC_COOKIE, Via, ViaTransport};

use serde::{Deserialize, Serialize};
use std::io::Write as _;

/// A request or response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// All headers except `Content-Length`.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// All headers except `Content-Length`.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Creates a request without headers.
    #[must_use]
    pub const fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::new(), body: Vec::new() }
    }

    /// Returns the serialized message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024 + self.body.len());
        // Writing to a vector cannot fail.
        let _ = write!(bytes, "{} {} SIP/2.0\r\n", self.method, self.uri);
        finish(bytes, &self.headers, &self.body)
    }

    /// Sets the body and its `Content-Type`.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body;
    }

    /// Reduces the request to the headers with these names, without body, to save memory.
    pub(crate) fn reduce_to(&mut self, names: &[HeaderName]) {
        let mut kept = Headers::new();
        for name in names {
            self.headers.lines(name.clone()).for_each(|line| kept.push(name.clone(), line));
        }
        kept.shrink_to_fit();
        self.headers = kept;
        self.body = Vec::new();
    }
}

impl Response {
    /// Returns the serialized message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024 + self.body.len());
        let reason = self.reason.replace(['\r', '\n'], " ");
        let _ = write!(bytes, "SIP/2.0 {:03} {reason}\r\n", self.status);
        finish(bytes, &self.headers, &self.body)
    }

    /// Sets the body and its `Content-Type`.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body;
    }
}

/// Writes headers and body, always with `Content-Length`: streams require it, and some peers require it over UDP.
fn finish(mut bytes: Vec<u8>, headers: &Headers, body: &[u8]) -> Vec<u8> {
    for (name, value) in headers.iter().filter(|(name, _)| **name != HeaderName::ContentLength) {
        bytes.extend_from_slice(name.name().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let _ = write!(bytes, "Content-Length: {}\r\n\r\n", body.len());
    bytes.extend_from_slice(body);
    bytes
}

impl Message {
    /// Returns the headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// Returns the headers for modification.
    #[must_use]
    pub const fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }

    /// Returns the serialized message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

#[cfg(test)]
mod tests;
