//! Which transaction a request belongs to (RFC 3261 §17.2.3).

use crate::message::{Method, Request, Via};
use core::fmt::Write as _;

/// What tells server transactions apart: one line of text, so that an ordered map finds it fast.
pub(super) type Name = String;

/// Names the transaction of a request with the method `of`: its own, or INVITE for an ACK or CANCEL that asks for its INVITE.
pub(super) fn transaction_name(request: &Request, via: &Via, of: &Method) -> Name {
    let mut name = Name::with_capacity(96);
    let port = via.port_or_default();
    // Writing to a string does not fail.
    let _ = match via.unique_branch() {
        // Case does not count in branches, nor in hosts (RFC 3261 §7.3.1).
        Some(branch) => write!(name, "{branch} {}:{port} {of}", via.host),
        None => write!(name, "{}:{port} {} {of} ", via.host, via.branch().unwrap_or("-")),
    };
    name.make_ascii_lowercase();
    if via.unique_branch().is_none() {
        name.push_str(&in_dialog_name(request));
    }
    name
}

/// What RFC 2543 and the rule about merged requests (RFC 3261 §8.2.2.2) go by.
fn in_dialog_name(request: &Request) -> Name {
    let from = request.headers.from().ok();
    let tag = from.as_ref().and_then(|from| from.tag()).unwrap_or("-");
    let call_id = request.headers.call_id().unwrap_or("-");
    let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
    format!("{} {tag} {call_id} {number}", request.uri)
}

/// Names a request that begins something, whichever way it came: none for requests inside a dialog.
///
/// The Request-URI is part of it, beyond RFC 3261 §8.2.2.2: behind each contact of this relay stands another user agent, and
/// a proxy that forks to two of them sends two requests that are to be answered both.
pub(super) fn origin_name(request: &Request) -> Option<Name> {
    let is_inside = request.headers.to().is_ok_and(|to| to.tag().is_some());
    (!is_inside).then(|| format!("{} {}", request.method, in_dialog_name(request)))
}
