//! Octets to messages.

use super::address;
use super::headers::Headers;
use super::method::Method;
use super::name::HeaderName;
use super::refused::{Refused, Violation};
use super::scan::{Elements, Malformed, is_token, trim};
use super::uri::Uri;
use super::values::{CSeq, is_call_id};
use super::via;
use super::{Message, Request, Response};

/// How large a message may be: no larger than a datagram.
pub const MAX_SIZE: usize = 65_535;

/// How many header lines a message may have.
pub const MAX_HEADERS: usize = 256;

impl Message {
    /// Reads a message that is whole: a datagram, or what was cut out of a stream.
    ///
    /// # Errors
    /// When it is none, lacks what every element needs of it, or says of itself what is not so.
    pub fn parse(octets: &[u8]) -> Result<Self, Refused> {
        let octets = without_leading_lines(octets);
        if octets.len() > MAX_SIZE {
            return Err(Refused::silently(Violation::TooLarge));
        }
        let (head, body) = split(octets).ok_or(Refused::silently(Violation::Unfinished))?;
        let text = unfolded(head);
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let line = StartLine::read(first.strip_suffix('\r').unwrap_or(first));
        let start = text.len() - rest.len();
        let mut headers = Headers::over(text);
        let length = index(&mut headers, start);
        let line = line.map_err(|wrong| Refused::answering(wrong.violation, wrong.method.as_ref(), &headers))?;
        let body = length.and_then(|length| {
            check(&headers, line.method())?;
            // What is behind the body of a datagram is overlooked (RFC 3261 §18.3).
            body.get(..length.unwrap_or(body.len())).ok_or(Violation::Length)
        });
        let body = body.map_err(|violation| Refused::answering(violation, line.method(), &headers))?.to_vec();
        Ok(match line {
            StartLine::Request(method, uri) => Self::Request(Request { method, uri, headers, body }),
            StartLine::Response(status, reason) => Self::Response(Response { status, reason, headers, body }),
        })
    }
}

/// Empty lines before a message are to be overlooked (RFC 3261 §7.5).
fn without_leading_lines(octets: &[u8]) -> &[u8] {
    let lines = octets.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    octets.get(lines..).unwrap_or_default()
}

/// The head with the end of its last line, and what follows the empty line.
fn split(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = 0;
    loop {
        end += octets.get(end..)?.iter().position(|octet| *octet == b'\n')? + 1;
        let after = octets.get(end..)?;
        // Lines that end without carriage return are read as well.
        if let Some(body) = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n")) {
            return Some((octets.get(..end)?, body));
        }
    }
}

/// The head as text with each header on one line. Octets that are no UTF-8 are taken for Latin-1, which old gateways send.
fn unfolded(head: &[u8]) -> String {
    let mut octets = head.to_vec();
    let mut following = b'\n';
    for octet in octets.iter_mut().rev() {
        let kept = *octet;
        let folded = kept == b'\n' && matches!(following, b' ' | b'\t');
        // Also a carriage return that ends no line: printed again it might.
        if folded || (kept == b'\r' && following != b'\n') {
            *octet = b' ';
        }
        following = if folded { b' ' } else { kept };
    }
    match String::from_utf8(octets) {
        Ok(text) => text,
        Err(error) => latin(error.as_bytes()),
    }
}

/// Only what is no UTF-8 is converted: the rest of the message may be.
fn latin(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() + 16);
    for chunk in octets.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|octet| char::from(*octet)));
    }
    text
}

/// The first line.
enum StartLine {
    Request(Method, Uri),
    Response(u16, String),
}

/// Why the first line cannot be read, and the method, if that much is known.
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
            return Err(WrongLine { violation: Violation::StartLine(Malformed("no method")), method: None });
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
            _ => Err(Violation::StartLine(Malformed("no status code"))),
        }
    }
}

/// The Request-URI and the version, each after exactly one space (RFC 3261 §7.1).
fn request_uri(text: &str) -> Result<Uri, Violation> {
    let wrong = |why| Violation::StartLine(Malformed(why));
    let (uri, version) = text.split_once(' ').ok_or(wrong("a part is missing"))?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        let other = version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) && !version.contains(' ');
        return Err(if other { Violation::Version } else { wrong("no version behind the Request-URI") });
    }
    let uri: Uri = uri.parse().map_err(Violation::StartLine)?;
    // RFC 3261 §19.1.1, table 1; RFC 4475 §3.1.2.11.
    if uri.as_sip().is_some_and(|uri| uri.headers().next().is_some()) {
        return Err(wrong("headers in the Request-URI"));
    }
    Ok(uri)
}

/// Finds the headers in their text, where they begin at `start`, and the length of the body among them.
///
/// What is no header is overlooked, so that a response can be made of the others; if it was a needed one, that is missing.
fn index(headers: &mut Headers, start: usize) -> Result<Option<usize>, Violation> {
    let mut length = Ok(None);
    let mut at = start;
    while let Some((line, next)) = line_at(headers.text(), at) {
        if let Some((name, value)) = line.split_once(':') {
            let value_start = at + line.len() - value.len();
            let name = name.trim_end_matches([' ', '\t']);
            let (value, value_start) =
                (trim(value), value_start + value.len() - value.trim_start_matches([' ', '\t']).len());
            if is_token(name) {
                let end = value_start + value.len();
                match HeaderName::from(name) {
                    HeaderName::ContentLength => length = length.and_then(|known| content_length(known, value)),
                    _ if headers.len() == MAX_HEADERS => return Err(Violation::TooLarge),
                    name => headers.index(name, value_start, end),
                }
            }
        }
        at = next;
    }
    length
}

/// The line of `text` that begins at `at`, without its end, and where the next one begins.
fn line_at(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
    let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
    Some((line.strip_suffix('\r').unwrap_or(line), at + line.len() + 1))
}

/// Reads `Content-Length`; one that repeats itself is harmless, one that contradicts itself is not (RFC 4475 §3.3.9).
fn content_length(known: Option<usize>, value: &str) -> Result<Option<usize>, Violation> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let length: usize = if digits { value.parse().ok() } else { None }.ok_or(Violation::Length)?;
    if known.is_none_or(|known| known == length) { Ok(Some(length)) } else { Err(Violation::Length) }
}

/// What is there of the headers that every message has once.
#[derive(Default)]
struct Seen {
    via: bool,
    from: bool,
    to: bool,
    call_id: bool,
    cseq: bool,
    max_forwards: bool,
}

/// Everything that transactions and dialogs need is there and can be read; of requests also what they are sent by.
fn check(headers: &Headers, method: Option<&Method>) -> Result<(), Violation> {
    let mut seen = Seen::default();
    for (name, value) in headers.iter() {
        let once = match name {
            HeaderName::From => Some(&mut seen.from),
            HeaderName::To => Some(&mut seen.to),
            HeaderName::CallId => Some(&mut seen.call_id),
            HeaderName::CSeq => Some(&mut seen.cseq),
            HeaderName::MaxForwards => Some(&mut seen.max_forwards),
            _ => None,
        };
        if once.is_some_and(|seen| core::mem::replace(seen, true)) {
            return Err(Violation::Repeated(name.clone()));
        }
        seen.via |= *name == HeaderName::Via;
        check_value(name, value, method)?;
    }
    let needed = [
        (seen.via, HeaderName::Via),
        (seen.from, HeaderName::From),
        (seen.to, HeaderName::To),
        (seen.call_id, HeaderName::CallId),
        (seen.cseq, HeaderName::CSeq),
    ];
    match needed.into_iter().find(|(seen, _)| !seen) {
        Some((_, name)) => Err(Violation::Missing(name)),
        None => Ok(()),
    }
}

fn check_value(name: &HeaderName, value: &str, method: Option<&Method>) -> Result<(), Violation> {
    let wrong = |why| Violation::Header(name.clone(), why);
    match name {
        HeaderName::From | HeaderName::To => address::Parts::of(value).and_then(|parts| parts.check()).map_err(wrong),
        HeaderName::Via => Elements::new(value, true)
            .try_for_each(|element| via::Parts::of(element).and_then(|parts| parts.check()))
            .map_err(wrong),
        HeaderName::CallId if is_call_id(value) => Ok(()),
        HeaderName::CallId => Err(wrong(Malformed("no word"))),
        HeaderName::CSeq => {
            let cseq: CSeq = value.parse().map_err(wrong)?;
            let same = method.is_none_or(|method| *method == cseq.method);
            if same { Ok(()) } else { Err(Violation::MethodMismatch) }
        }
        HeaderName::MaxForwards if method.is_some() && value.parse::<u8>().is_err() => {
            Err(wrong(Malformed("no number of hops")))
        }
        HeaderName::Contact | HeaderName::Route | HeaderName::RecordRoute if method.is_some() => {
            Elements::new(value, true)
                .filter(|element| *element != "*")
                .try_for_each(|element| address::Parts::of(element).and_then(|parts| parts.check()))
                .map_err(wrong)
        }
        _ => Ok(()),
    }
}
