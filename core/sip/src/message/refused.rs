//! Invalid messages and the error responses to them.

use super::headers::Headers;
use super::name::HeaderName;
use super::response::stateless_tag;
use super::scan::Malformed;
use super::via::{Parts, Via};
use super::{MAX_VALUES, Method, NameAddr, Response, reason_phrase};
use core::fmt;

/// The error in an invalid message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The message is larger than [`super::MAX_SIZE`] or has more than [`super::MAX_HEADERS`] headers.
    TooLarge,
    /// No empty line ends the headers.
    Unfinished,
    /// The start line is neither that of a request nor that of a response.
    StartLine(Malformed),
    /// The SIP version is not 2.0.
    Version,
    /// A mandatory header is missing.
    Missing(HeaderName),
    /// A header that must occur once is repeated.
    Repeated(HeaderName),
    /// The message has more than [`super::MAX_VALUES`] header values; the limit was passed in this header.
    TooManyValues(HeaderName),
    /// A mandatory header is malformed.
    Header(HeaderName, Malformed),
    /// The body is shorter than `Content-Length`, or `Content-Length` is invalid.
    Length,
    /// The method of `CSeq` differs from that of the request line.
    MethodMismatch,
}

impl Violation {
    /// Returns the status code of the response.
    const fn status(&self) -> u16 {
        match self {
            Self::Version => 505,
            Self::TooLarge => 513,
            Self::Unfinished
            | Self::StartLine(_)
            | Self::Missing(_)
            | Self::Repeated(_)
            | Self::TooManyValues(_)
            | Self::Header(..)
            | Self::Length
            | Self::MethodMismatch => 400,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("too large"),
            Self::Unfinished => f.write_str("no empty line after the headers"),
            Self::StartLine(why) => write!(f, "start line: {why}"),
            Self::Version => f.write_str("SIP version is not 2.0"),
            Self::Missing(name) => write!(f, "{name} is missing"),
            Self::Repeated(name) => write!(f, "{name} is repeated"),
            Self::TooManyValues(name) => write!(f, "more than {MAX_VALUES} header values, counted up to {name}"),
            Self::Header(name, why) => write!(f, "{name}: {why}"),
            Self::Length => f.write_str("Content-Length is wrong"),
            Self::MethodMismatch => f.write_str("CSeq method differs from the request line"),
        }
    }
}

/// A rejected message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The error.
    pub violation: Violation,
    /// The response to send, if the message is a request other than ACK with a usable top `Via`.
    pub response: Option<Box<Response>>,
}

impl Refused {
    /// Rejects a message without a response.
    pub(super) const fn silently(violation: Violation) -> Self {
        Self { violation, response: None }
    }

    /// Rejects a request with these headers.
    pub(super) fn answering(violation: Violation, method: Option<&Method>, headers: &Headers) -> Self {
        let response = match method {
            None | Some(Method::Ack) => None,
            Some(_) => error_response(&violation, headers).map(Box::new),
        };
        Self { violation, response }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.violation.fmt(f)
    }
}

impl core::error::Error for Refused {}

/// Like [`Response::to`], for headers that may be missing or malformed. These are copied unchanged, so that the sender
/// can match the response.
fn error_response(violation: &Violation, headers: &Headers) -> Option<Response> {
    let mut answer = Headers::new();
    let mut vias = headers.all(HeaderName::Via);
    answer.push(HeaderName::Via, lenient_via(vias.next()?)?);
    vias.filter(|via| via.parse::<Via>().is_ok()).for_each(|via| answer.push(HeaderName::Via, via));
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        let Some(value) = headers.get(name.clone()) else { continue };
        match value.parse::<NameAddr>() {
            // Retransmissions get the same tag without any stored state (RFC 3261 §8.2.7).
            Ok(to) if name == HeaderName::To && to.tag().is_none() => {
                answer.push(name, to.with_tag(&stateless_tag(headers)));
            }
            Ok(_) | Err(_) => answer.push(name, value),
        }
    }
    let status = violation.status();
    let reason = if status == 400 { format!("Bad Request ({violation})") } else { reason_phrase(status).to_owned() };
    Some(Response { status, reason, headers: answer, body: Vec::new() })
}

/// Returns the top `Via` with the parts that can be parsed: the version may differ and the parameters may be invalid.
fn lenient_via(text: &str) -> Option<Via> {
    if let Ok(via) = text.parse() {
        return Some(via);
    }
    let parts = Parts::of(text).ok()?;
    let (host, port) = parts.sent_by().ok()?;
    Some(Via { transport: parts.transport(), host, port, params: parts.params() })
}
