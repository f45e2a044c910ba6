//! Parser of complete messages.

use super::check::check;
use super::head::{Head, split, without_leading_lines};
use super::method::Method;
use super::refused::{Refused, Violation};
use super::scan::{Malformed, trim};
use super::uri::Uri;
use super::{Message, Request, Response};

/// The maximum size of a message: that of a UDP datagram.
pub const MAX_SIZE: usize = 65_535;

impl Message {
    /// Parses a complete message: a datagram or a frame of a stream.
    ///
    /// # Errors
    /// Returns an error if it is not a SIP message, lacks mandatory headers or contradicts itself.
    pub fn parse(octets: &[u8]) -> Result<Self, Refused> {
        let octets = without_leading_lines(octets);
        if octets.len() > MAX_SIZE {
            return Err(Refused::silently(Violation::TooLarge));
        }
        let (head, body) = split(octets).ok_or(Refused::silently(Violation::Unfinished))?;
        let Head { headers, first, length } = Head::read(head);
        let line = StartLine::read(headers.text().get(..first).unwrap_or_default());
        let line = line.map_err(|wrong| Refused::answering(wrong.violation, wrong.method.as_ref(), &headers))?;
        let body = length.and_then(|length| {
            check(&headers, line.method())?;
            // Octets after the body of a datagram are ignored (RFC 3261 §18.3).
            body.get(..length.unwrap_or(body.len())).ok_or(Violation::Length)
        });
        let body = body.map_err(|violation| Refused::answering(violation, line.method(), &headers))?.to_vec();
        Ok(match line {
            StartLine::Request(method, uri) => Self::Request(Request { method, uri, headers, body }),
            StartLine::Response(status, reason) => Self::Response(Response { status, reason, headers, body }),
        })
    }
}

/// The start line.
enum StartLine {
    Request(Method, Uri),
    Response(u16, String),
}

/// The reason that the start line is invalid, and the method, if it was parsed.
struct WrongLine {
    violation: Violation,
    method: Option<Method>,
}

impl StartLine {
    const fn method(&self) -> Option<&Method> {
        match self {
            Self::Request(method, _) => Some(method),
            Self::Response(..) => None,
        }
    }

    fn read(line: &str) -> Result<Self, WrongLine> {
        let is_response = line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/"));
        if is_response {
            return Self::response(line).map_err(|violation| WrongLine { violation, method: None });
        }
        let (method, rest) = line.split_once(' ').unwrap_or((line, ""));
        let Ok(method) = method.parse::<Method>() else {
            return Err(WrongLine { violation: Violation::StartLine(Malformed("invalid method")), method: None });
        };
        match request_uri(rest) {
            Ok(uri) => Ok(Self::Request(method, uri)),
            Err(violation) => Err(WrongLine { violation, method: Some(method) }),
        }
    }

    fn response(line: &str) -> Result<Self, Violation> {
        let (version, rest) = line.split_once(' ').unwrap_or((line, ""));
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return Err(Violation::Version);
        }
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let status = if code.len() == 3 { code.parse().ok() } else { None };
        match status {
            Some(status @ 100..700) => Ok(Self::Response(status, trim(reason).to_owned())),
            _ => Err(Violation::StartLine(Malformed("invalid status code"))),
        }
    }
}

/// Parses the Request-URI and the version, each after exactly one space (RFC 3261 §7.1).
fn request_uri(text: &str) -> Result<Uri, Violation> {
    let wrong = |why| Violation::StartLine(Malformed(why));
    let (uri, version) = text.split_once(' ').ok_or(wrong("incomplete request line"))?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        let other = version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) && !version.contains(' ');
        return Err(if other { Violation::Version } else { wrong("no version after the Request-URI") });
    }
    let uri: Uri = uri.parse().map_err(Violation::StartLine)?;
    // A Request-URI must not contain headers (RFC 3261 §19.1.1, table 1; RFC 4475 §3.1.2.11).
    if uri.as_sip().is_some_and(|uri| uri.headers().next().is_some()) {
        return Err(wrong("headers in the Request-URI"));
    }
    Ok(uri)
}
