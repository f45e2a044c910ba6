//! Matching of requests to server transactions (RFC 3261 §17.2.3).

use crate::message::{Method, Request, Via};
use core::fmt::Write as _;

/// The identity of a server transaction as one string, which is a fast key in an ordered map.
pub(super) type Name = String;

/// Returns the name of the transaction with the method `of`: the request's own method, or INVITE to find the INVITE of
/// an ACK or CANCEL.
pub(super) fn transaction_name(request: &Request, via: &Via, of: &Method) -> Name {
    let mut name = Name::with_capacity(96);
    let port = via.port_or_default();
    // Writing to a string cannot fail.
    let _ = match via.unique_branch() {
        // Branches and hosts are compared without regard to case (RFC 3261 §7.3.1).
        Some(branch) => write!(name, "{branch} {}:{port} {of}", via.host),
        None => write!(name, "{}:{port} {} {of} ", via.host, via.branch().unwrap_or("-")),
    };
    name.make_ascii_lowercase();
    if via.unique_branch().is_none() {
        name.push_str(&in_dialog_name(request));
    }
    name
}

/// Returns the fields that identify a request without a unique branch (RFC 2543) and a merged request (RFC 3261
/// §8.2.2.2).
fn in_dialog_name(request: &Request) -> Name {
    let from = request.headers.from().ok();
    let tag = from.as_ref().and_then(|from| from.tag()).unwrap_or("-");
    let call_id = request.headers.call_id().unwrap_or("-");
    let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
    format!("{} {tag} {call_id} {number}", request.uri)
}

/// Returns a name that is equal for all copies of an out-of-dialog request, by whichever path they arrive. `None` for
/// requests inside a dialog.
///
/// The Request-URI is included, in addition to RFC 3261 §8.2.2.2: each contact of this relay represents a different
/// user agent, and a proxy that forks to two of them sends two requests that both need a response.
pub(super) fn origin_name(request: &Request) -> Option<Name> {
    let is_inside = request.headers.to().is_ok_and(|to| to.tag().is_some());
    (!is_inside).then(|| format!("{} {}", request.method, in_dialog_name(request)))
}
