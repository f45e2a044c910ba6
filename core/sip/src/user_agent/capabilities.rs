//! Supported methods, extensions and body types of the user agent, and the responses to unsupported ones (RFC 3261
//! §8.2.2.3, §8.2.3, §13.2.1).

use super::io::Body;
use crate::message::{HeaderName, Headers, MediaType, Method, Request, Response};

/// The supported methods, as the value of `Allow`.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY";

/// The supported body type.
const ACCEPT: &str = "application/sdp";

/// The supported extensions, in the order of their RFCs.
const SUPPORTED: [&str; 4] = ["100rel", "replaces", "timer", "norefersub"];

/// Returns `Supported` for a request or 2xx: `100rel` only if provisional responses can follow, `timer` only if session
/// timers are used.
pub(super) fn supported(reliable: bool, timer: bool) -> String {
    let applies = |tag: &&str| (reliable || *tag != "100rel") && (timer || *tag != "timer");
    SUPPORTED.into_iter().filter(applies).collect::<Vec<_>>().join(", ")
}

/// Returns the required option tags that are not supported.
pub(super) fn unknown_extensions(request: &Request) -> Vec<String> {
    let is_known = |tag: &&str| SUPPORTED.iter().any(|known| known.eq_ignore_ascii_case(tag));
    request.headers.require().filter(|tag| !is_known(tag)).map(str::to_owned).collect()
}

/// Returns the 420 for unsupported extensions (RFC 3261 §8.2.2.3).
pub(super) fn bad_extension(request: &Request, unknown: &[String]) -> Response {
    let mut response = Response::to(request, 420, "");
    response.headers.push(HeaderName::Unsupported, unknown.join(", "));
    response
}

/// Returns the 415 for an unsupported body (RFC 3261 §8.2.3).
pub(super) fn unsupported_media(request: &Request) -> Response {
    let mut response = Response::to(request, 415, "");
    response.headers.push(HeaderName::Accept, ACCEPT);
    response.headers.push(HeaderName::AcceptEncoding, "identity");
    response
}

/// Returns the 469 to an INFO with an Info Package. `Recv-Info` is empty because the relay receives no package (RFC 6086
/// §4.2.2).
pub(super) fn bad_info_package(request: &Request) -> Response {
    let mut response = Response::to(request, 469, "");
    response.headers.push("Recv-Info", "");
    response
}

/// Returns the 405 for a known method, or the 501 for an unknown one (RFC 3261 §8.2.1).
pub(super) fn method_not_allowed(request: &Request) -> Response {
    let status = if matches!(request.method, Method::Other(_)) { 501 } else { 405 };
    let mut response = Response::to(request, status, "");
    response.headers.push(HeaderName::Allow, ALLOW);
    response
}

/// Returns the 200 to OPTIONS (RFC 3261 §11.2).
pub(super) fn options_response(request: &Request, timer: bool) -> Response {
    let mut response = Response::to(request, 200, "");
    announce(&mut response.headers, true, timer);
    response.headers.push(HeaderName::Accept, ACCEPT);
    response.headers.push(HeaderName::AllowEvents, "refer");
    response
}

/// Sets `Allow` and `Supported`.
pub(super) fn announce(headers: &mut Headers, reliable: bool, timer: bool) {
    headers.set(HeaderName::Allow, ALLOW);
    headers.set(HeaderName::Supported, supported(reliable, timer));
}

/// Returns the body of a message, if there is one.
pub(super) fn body_of(headers: &Headers, octets: &[u8]) -> Option<Body> {
    if octets.is_empty() {
        return None;
    }
    let content_type = headers.get(HeaderName::ContentType).unwrap_or(ACCEPT).to_owned();
    Some(Body { content_type, octets: octets.to_vec() })
}

/// The error for an unsupported body: 415 (RFC 3261 §8.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Returns the session description of a message: its body, or one part of it (RFC 5621 §3).
pub(super) fn description_of(headers: &Headers, octets: &[u8]) -> Result<Option<Body>, Unreadable> {
    if octets.is_empty() {
        return Ok(None);
    }
    let is_plain = headers.all(HeaderName::ContentEncoding).all(|coding| coding.eq_ignore_ascii_case("identity"));
    let media = match headers.content_type() {
        None => return body_of(headers, octets).map(Some).ok_or(Unreadable),
        Some(media) => media.map_err(|_| Unreadable)?,
    };
    if media.is("application", "sdp") && is_plain {
        return Ok(body_of(headers, octets));
    }
    let is_optional = headers.get(HeaderName::ContentDisposition).is_some_and(is_optional);
    if media.kind.eq_ignore_ascii_case("multipart") && is_plain {
        return part_of(&media, octets)
            .map_or(if is_optional { Ok(None) } else { Err(Unreadable) }, |body| Ok(Some(body)));
    }
    if is_optional { Ok(None) } else { Err(Unreadable) }
}

/// Returns whether `Content-Disposition` makes the body optional (RFC 3261 §20.11).
fn is_optional(disposition: &str) -> bool {
    disposition.split(';').any(|part| part.trim().eq_ignore_ascii_case("handling=optional"))
}

/// The maximum number of parts of a body that are examined. A gateway sends three.
const MAX_PARTS: usize = 32;

/// Returns the first part that is a session description. Other parts may be binary: gateways add ISUP (RFC 3204).
fn part_of(media: &MediaType, octets: &[u8]) -> Option<Body> {
    let delimiter = format!("--{}", media.params.get("boundary")?);
    let mut begin = None;
    let mut at = 0;
    let mut parts = 0;
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let next = at + line.len();
        let after = line.strip_prefix(delimiter.as_bytes()).map(<[u8]>::trim_ascii);
        if after.is_some_and(|after| after.is_empty() || after == b"--") {
            let part = begin.and_then(|begin| octets.get(begin..at));
            if let Some(body) = part.and_then(description_in) {
                return Some(body);
            }
            parts += 1;
            if parts > MAX_PARTS {
                return None;
            }
            begin = Some(next);
        }
        at = next;
    }
    begin.and_then(|begin| octets.get(begin..)).and_then(description_in)
}

/// Returns the body of a part if it is a session description.
fn description_in(part: &[u8]) -> Option<Body> {
    let mut is_description = false;
    let mut at = 0;
    for line in part.split_inclusive(|octet| *octet == b'\n') {
        at += line.len();
        let line = line.trim_ascii();
        if line.is_empty() {
            let octets = part.get(at..).unwrap_or_default();
            return is_description.then(|| Body { content_type: ACCEPT.to_owned(), octets: octets.to_vec() });
        }
        is_description |= core::str::from_utf8(line).is_ok_and(is_description_type);
    }
    None
}

fn is_description_type(line: &str) -> bool {
    let (name, value) = line.split_once(':').unwrap_or_default();
    name.trim().eq_ignore_ascii_case("Content-Type")
        && value.parse::<MediaType>().is_ok_and(|media| media.is("application", "sdp"))
}
