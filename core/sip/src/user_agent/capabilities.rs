//! What this user agent can do, and what it is asked for that it cannot (RFC 3261 §8.2.2.3, §8.2.3, §13.2.1).

use super::io::Body;
use crate::message::{HeaderName, Headers, MediaType, Method, Request, Response};

/// The methods of `Allow`.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY";

/// What a body may be.
const ACCEPT: &str = "application/sdp";

/// The extensions of `Supported`, in the order of the RFCs.
const SUPPORTED: [&str; 4] = ["100rel", "replaces", "timer", "norefersub"];

/// `Supported` of a request or success; `100rel` only where provisional responses are to come, `timer` only where it is used.
pub(super) fn supported(reliable: bool, timer: bool) -> String {
    let is_meant = |tag: &&str| (reliable || *tag != "100rel") && (timer || *tag != "timer");
    SUPPORTED.into_iter().filter(is_meant).collect::<Vec<_>>().join(", ")
}

/// The option tags that a request requires and that are not known here: 420.
pub(super) fn unknown_extensions(request: &Request) -> Vec<String> {
    let is_known = |tag: &&str| SUPPORTED.iter().any(|known| known.eq_ignore_ascii_case(tag));
    request.headers.require().filter(|tag| !is_known(tag)).map(str::to_owned).collect()
}

/// 420 (RFC 3261 §8.2.2.3).
pub(super) fn bad_extension(request: &Request, unknown: &[String]) -> Response {
    let mut response = Response::to(request, 420, "");
    response.headers.push(HeaderName::Unsupported, unknown.join(", "));
    response
}

/// 415 (RFC 3261 §8.2.3).
pub(super) fn unsupported_media(request: &Request) -> Response {
    let mut response = Response::to(request, 415, "");
    response.headers.push(HeaderName::Accept, ACCEPT);
    response.headers.push(HeaderName::AcceptEncoding, "identity");
    response
}

/// 469 to an INFO request with an Info Package. The response lists the packages that the relay receives, which are none
/// (RFC 6086 §4.2.2).
pub(super) fn bad_info_package(request: &Request) -> Response {
    let mut response = Response::to(request, 469, "");
    response.headers.push("Recv-Info", "");
    response
}

/// 405, and 501 for what nobody knows (RFC 3261 §8.2.1).
pub(super) fn method_not_allowed(request: &Request) -> Response {
    let status = if matches!(request.method, Method::Other(_)) { 501 } else { 405 };
    let mut response = Response::to(request, status, "");
    response.headers.push(HeaderName::Allow, ALLOW);
    response
}

/// 200 to OPTIONS (RFC 3261 §11.2).
pub(super) fn describe(request: &Request, timer: bool) -> Response {
    let mut response = Response::to(request, 200, "");
    announce(&mut response.headers, true, timer);
    response.headers.push(HeaderName::Accept, ACCEPT);
    response.headers.push(HeaderName::AllowEvents, "refer");
    response
}

/// `Allow` and `Supported`.
pub(super) fn announce(headers: &mut Headers, reliable: bool, timer: bool) {
    headers.set(HeaderName::Allow, ALLOW);
    headers.set(HeaderName::Supported, supported(reliable, timer));
}

/// The body of a message, where there is one.
pub(super) fn body_of(headers: &Headers, octets: &[u8]) -> Option<Body> {
    if octets.is_empty() {
        return None;
    }
    let content_type = headers.get(HeaderName::ContentType).unwrap_or(ACCEPT).to_owned();
    Some(Body { content_type, octets: octets.to_vec() })
}

/// A body that cannot be understood: 415 (RFC 3261 §8.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The session description in a message: its body, or one part of it (RFC 5621 §3).
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

/// `Content-Disposition` says that the body need not be understood (RFC 3261 §20.11).
fn is_optional(disposition: &str) -> bool {
    disposition.split(';').any(|part| part.trim().eq_ignore_ascii_case("handling=optional"))
}

/// The most parts of a body that are looked at: a gateway sends three.
const MAX_PARTS: usize = 32;

/// The first part that is a session description. Others need not be text: gateways put ISUP beside it (RFC 3204).
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

/// The body of a part, if that is a session description.
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
