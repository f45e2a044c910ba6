//! Redirects (RFC 3261 §8.1.3.4): tries the targets of a call in order, each at most once.

use crate::message::{Contacts, Host, Response, Uri, reason_phrase};
use crate::user_agent::io::{Cause, Redirects};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::IpAddr;

/// The maximum number of targets that are tried.
const MAX_TARGETS: usize = 5;

/// The maximum number of contacts that are reported.
const MAX_CONTACTS: usize = 16;

/// The targets and failure responses of a redirected call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::user_agent) struct Redirection {
    seen: Vec<Uri>,
    waiting: VecDeque<Uri>,
    contacts: Vec<Uri>,
    /// The best failure response so far.
    best: Option<(u16, String)>,
    /// The redirects that are followed; others are only reported.
    redirects: Redirects,
    /// The address of the account's server.
    home: Option<IpAddr>,
}

impl Redirection {
    /// Starts with the URI that was called first.
    pub(in crate::user_agent) fn from(uri: &Uri, redirects: Redirects, home: Option<IpAddr>) -> Self {
        let seen = vec![uri.clone()];
        Self { seen, waiting: VecDeque::new(), contacts: Vec::new(), best: None, redirects, home }
    }

    /// Starts with a phone that is registered here. Its redirects are not followed: this relay is its server and
    /// decides on the routing of its calls.
    pub(in crate::user_agent) fn of_phone(uri: &Uri) -> Self {
        Self::from(uri, Redirects::Off, None)
    }

    /// Returns whether the target is at the host that was called first.
    pub(super) fn is_at_home(&self, target: &Uri) -> bool {
        !is_elsewhere(target) && self.seen.first().is_some_and(|first| first.host() == target.host())
    }

    fn is_at_server(&self, target: &Uri) -> bool {
        let address = target.host().and_then(Host::address).map(|address| address.to_canonical());
        !is_elsewhere(target) && address.is_some() && address == self.home
    }

    /// Processes a 300–699 response.
    pub(super) fn refused(&mut self, response: &Response) {
        let reason = if response.reason.is_empty() { reason_phrase(response.status) } else { &response.reason };
        let is_better = self.best.as_ref().is_none_or(|(best, _)| rank(response.status) < rank(*best));
        if is_better {
            self.best = Some((response.status, reason.to_owned()));
        }
        if matches!(response.status, 300..=302 | 380)
            && let Ok(Contacts::List(mut contacts)) = response.headers.contacts()
        {
            contacts.sort_by_key(|contact| core::cmp::Reverse(contact.priority()));
            let is_followed = response.status != 380;
            contacts.into_iter().take(MAX_CONTACTS).for_each(|contact| self.add(contact.uri, is_followed));
        }
    }

    fn add(&mut self, mut uri: Uri, is_followed: bool) {
        if self.contacts.len() < MAX_CONTACTS {
            self.contacts.push(uri.clone());
        }
        let Some(sip) = uri.as_sip_mut() else { return };
        sip.make_request_uri();
        let is_new = !self.seen.iter().any(|seen| seen.is_equivalent(&uri));
        let is_within = match self.redirects {
            Redirects::Off => false,
            Redirects::Domain => self.is_at_home(&uri) || self.is_at_server(&uri),
            Redirects::All => true,
        };
        // A call to a `sips:` URI must not be redirected to another scheme (RFC 3261 §8.1.3.4).
        let is_safe = uri.scheme() == "sips" || self.seen.first().is_none_or(|first| first.scheme() != "sips");
        if is_followed && is_within && is_safe && is_new && self.seen.len() <= MAX_TARGETS {
            self.seen.push(uri.clone());
            self.waiting.push_back(uri);
        }
    }

    /// Returns the next target after a response with `status`. A 6xx is final (RFC 3261 §21.6).
    pub(super) fn next(&mut self, status: u16) -> Option<Uri> {
        if status >= 600 {
            self.waiting.clear();
        }
        self.waiting.pop_front()
    }

    /// Returns the cause of the end of the call.
    pub(super) fn cause(&self) -> Cause {
        let (status, reason) = self.best.clone().unwrap_or((480, reason_phrase(480).to_owned()));
        Cause::Refused { status, reason, contacts: self.contacts.clone() }
    }
}

/// Returns whether `maddr` directs requests for a target to another host than that of its URI.
fn is_elsewhere(target: &Uri) -> bool {
    target.as_sip().is_some_and(|sip| sip.next_hop() != *sip.host())
}

/// Returns the rank of a failure response: 6xx first, redirects last because they were followed (RFC 3261 §16.7 step
/// 6).
const fn rank(status: u16) -> u16 {
    match status {
        600.. => 0,
        400..500 => 1,
        500..600 => 2,
        _ => 3,
    }
}
