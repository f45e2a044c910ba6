//! Identities in requests: caller, callee and diverting parties (RFC 3261 §20.20, RFC 3323, RFC 3325, RFC 5806, RFC
//! 7044).

use super::io::{Identity, OutboundInvite};
use crate::message::{HeaderName, Headers, NameAddr, Uri};

/// The maximum number of diversions that are reported.
const MAX_DIVERSIONS: usize = 16;

/// Converts an address for the call model.
pub(super) fn identity_of(address: &NameAddr) -> Identity {
    Identity { name: address.display.clone(), uri: address.uri.clone() }
}

/// Converts an address from the call model.
pub(super) fn address_of(identity: &Identity) -> NameAddr {
    let name = identity.name.as_deref().unwrap_or_default();
    NameAddr::new(identity.uri.clone()).with_display(name.replace(['\r', '\n', '\0'], " "))
}

/// Returns the `From` of an anonymous caller (RFC 3323 §4.1).
pub(super) fn anonymous() -> NameAddr {
    let host = crate::message::Host::Name("anonymous.invalid".to_owned());
    NameAddr::new(Uri::sip("anonymous", host)).with_display("Anonymous")
}

/// Adds the headers that identify the caller, other than `From`.
pub(super) fn assert_identity(headers: &mut Headers, order: &OutboundInvite, own: Option<&NameAddr>) {
    if let Some(asserted) = order.asserted.as_ref().map(address_of) {
        headers.push(HeaderName::PAssertedIdentity, asserted);
    } else if order.anonymous
        && let Some(own) = own
    {
        // The server needs the identity although `From` is anonymous (RFC 3325 §9.2).
        headers.push(HeaderName::PPreferredIdentity, own);
    }
    if order.anonymous {
        headers.push(HeaderName::Privacy, "id");
    }
    if let Some(by) = &order.referred_by {
        headers.push(HeaderName::ReferredBy, format_args!("<{by}>"));
    }
    if let Some(by) = &order.diverted_by {
        headers.push(HeaderName::Diversion, format_args!("<{by}>;reason=deflection;counter=1"));
    }
}

/// Returns whether the caller requests anonymity or has an anonymous `From`.
pub(super) fn is_anonymous(headers: &Headers, from: &NameAddr) -> bool {
    let requested = headers.privacy().and_then(Result::ok);
    let is_private = requested.is_some_and(|privacy| ["id", "user", "header"].iter().any(|value| privacy.has(value)));
    let host = from.uri.host().map(ToString::to_string);
    is_private || host.is_some_and(|host| host.eq_ignore_ascii_case("anonymous.invalid"))
}

/// Returns the caller's identity as asserted by a trusted server, from the older `Remote-Party-ID` if there is no
/// `P-Asserted-Identity`.
pub(super) fn asserted_identity(headers: &Headers) -> Option<Identity> {
    let asserted = headers.p_asserted_identity().ok().and_then(|all| all.into_iter().next());
    let older = || headers.all(HeaderName::RemotePartyId).next().and_then(|text| text.parse().ok());
    asserted.or_else(older).map(|address| identity_of(&address))
}

/// Returns the parties that diverted the call, most recent first.
pub(super) fn diverted_by(headers: &Headers) -> Vec<Identity> {
    let diversions = headers.diversion().unwrap_or_default();
    if !diversions.is_empty() {
        return diversions.iter().take(MAX_DIVERSIONS).map(identity_of).collect();
    }
    // History-Info lists the oldest entry first. A cause in an entry's URI is the reason that the call left the entry
    // before it (RFC 7044 §5).
    let history = headers.history_info().unwrap_or_default();
    let was_left = |entry: &NameAddr| {
        let of_uri =
            entry.uri.as_sip().is_some_and(|uri| uri.headers().any(|(name, _)| name.eq_ignore_ascii_case("Reason")));
        of_uri || entry.uri.has_param("cause")
    };
    let mut left: Vec<Identity> = history.iter().filter(|entry| was_left(entry)).map(without_uri_headers).collect();
    left.reverse();
    left.truncate(MAX_DIVERSIONS);
    left
}

fn without_uri_headers(entry: &NameAddr) -> Identity {
    let mut entry = entry.clone();
    if let Some(uri) = entry.uri.as_sip_mut() {
        uri.make_request_uri();
    }
    identity_of(&entry)
}
