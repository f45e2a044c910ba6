//! One REGISTER exchange, including authentication, Min-Expires retries and redirects.

use super::RegistrationSettings;
use crate::message::{Contacts, NameAddr, Request, Response, Uri};
use serde::{Deserialize, Serialize};

/// The maximum number of requests of an exchange: challenges of several proxies, a stale nonce, a longer interval, a
/// redirect.
const MAX_REQUESTS: u8 = 8;

/// The maximum number of redirects.
const MAX_REDIRECTIONS: u8 = 3;

/// The state of a REGISTER exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RegisterExchange {
    /// The Request-URI.
    pub(super) target: Uri,
    /// The latest request, whose credentials are compared with a new challenge.
    pub(super) request: Option<Request>,
    requests: u8,
    redirections: u8,
}

impl RegisterExchange {
    pub(super) fn new(settings: &RegistrationSettings) -> Self {
        Self { target: settings.registrar.clone(), request: None, requests: 1, redirections: 0 }
    }

    /// Counts a further request. Returns false if the maximum is exceeded.
    pub(super) const fn count(&mut self) -> bool {
        self.requests += 1;
        self.requests <= MAX_REQUESTS
    }

    /// Selects the registrar that a 3xx names, for this exchange only (RFC 3261 §8.1.3.4). Returns false if it names
    /// none that can be used.
    pub(super) fn redirect(&mut self, response: &Response) -> bool {
        let Ok(Contacts::List(mut contacts)) = response.headers.contacts() else { return false };
        contacts.sort_by_key(|contact| core::cmp::Reverse(contact.priority()));
        // A redirect must not lead from `sips:` to `sip:` (RFC 3261 §26.4.4 warns of downgrades).
        let is_secure = |uri: &Uri| uri.as_sip().is_some_and(crate::message::SipUri::is_secure);
        let must_be_secure = is_secure(&self.target);
        let fits = |uri: &Uri| uri.as_sip().is_some() && (is_secure(uri) || !must_be_secure);
        let other = contacts.into_iter().map(|contact| contact.uri).find(fits);
        let Some(mut other) = other.filter(|_| self.redirections < MAX_REDIRECTIONS) else { return false };
        self.redirections += 1;
        if let Some(uri) = other.as_sip_mut() {
            uri.make_request_uri();
            uri.set_user(None);
        }
        self.target = other;
        true
    }
}

/// Returns the client's own contact among those in a response. A registrar may have changed its host, but not its user
/// part.
pub(super) fn own_contact(response: &Response, own: &NameAddr) -> Option<NameAddr> {
    let Ok(Contacts::List(contacts)) = response.headers.contacts() else { return None };
    contacts.into_iter().find(|contact| contact.uri.user() == own.uri.user())
}

/// Returns whether a later attempt would fail in the same way (RFC 3261 §21.4 to §21.6).
pub(super) const fn is_final(status: u16) -> bool {
    match status {
        408 | 413 | 429 | 430 | 480 | 486 | 491 => false,
        501 | 505 | 513 => true,
        500..600 => false,
        _ => true,
    }
}
