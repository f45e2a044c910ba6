//! Periodic OPTIONS to the servers of accounts that do not register (RFC 3261 §11). Some servers send calls only to
//! peers that send OPTIONS, and the response shows the address of the server.

use super::UserAgent;
use super::accounts::routes;
use super::context::own_contact;
use super::identity::address_of;
use super::io::{Account, AccountId};
use crate::message::{CSeq, HeaderName, Method, NameAddr, Request, Response, SipUri, Uri};
use crate::transaction::layer::{ClientKey, Destination};
use crate::transport::Source;
use offhook_clock::{Deadlines, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The next OPTIONS of each account, and the pending requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Probes {
    due: Deadlines<AccountId>,
    pending: BTreeMap<ClientKey, AccountId>,
}

impl Probes {
    pub(super) fn deadline(&self) -> Option<Time> {
        self.due.next()
    }

    fn forget(&mut self, account: AccountId) {
        self.due.set(account, None);
        self.pending.retain(|_, of| *of != account);
    }
}

impl UserAgent {
    /// Starts or stops the OPTIONS of an account.
    pub(super) fn schedule_probe(&mut self, id: AccountId, now: Time) {
        self.probes.forget(id);
        if self.accounts.get(id).is_some_and(|account| interval(account).is_some()) {
            self.probes.due.set(id, Some(now));
        }
    }

    pub(super) fn send_probes(&mut self, now: Time) {
        while let Some((_, id)) = self.probes.due.pop_due(now) {
            let Some(account) = self.accounts.get(id) else { continue };
            let (Some(interval), Some(mut request)) = (interval(account), options(account)) else { continue };
            self.probes.due.set(id, Some(now + interval));
            let Some(destination) = Destination::of_request(&request, account.transport) else { continue };
            let from = request.headers.from().map(|from| from.with_tag(&self.context.token()));
            let (Ok(from), call_id) = (from, self.context.token()) else { continue };
            request.headers.set(HeaderName::From, from);
            request.headers.push(HeaderName::CallId, call_id);
            request.headers.push(HeaderName::UserAgent, &self.context.settings.product);
            let key = self.context.layer.request(request, destination, now);
            self.probes.pending.insert(key, id);
        }
    }

    /// Processes a response to OPTIONS. Returns false if the response is to another request.
    pub(super) fn handle_probe_response(&mut self, key: ClientKey, response: &Response, source: &Source) -> bool {
        let Some(account) = self.probes.pending.get(&key).copied() else { return false };
        if !response.is_provisional() {
            self.probes.pending.remove(&key);
            // Any final response shows that the server is reachable at this address.
            self.accounts.set_home(account, source.remote.ip());
        }
        true
    }

    /// Processes the failure of OPTIONS. Returns false if it belongs to another request.
    pub(super) fn handle_probe_failure(&mut self, key: ClientKey) -> bool {
        self.probes.pending.remove(&key).is_some()
    }
}

fn interval(account: &Account) -> Option<core::time::Duration> {
    Some(account.options_interval).filter(|interval| account.registrar.is_none() && !interval.is_zero())
}

/// Creates the OPTIONS without the headers that differ each time.
fn options(account: &Account) -> Option<Request> {
    let identity = address_of(&account.identity);
    let domain = Uri::Sip(SipUri::new(identity.uri.host()?.clone()).with_secure(identity.uri.scheme() == "sips"));
    let contact = own_contact(&account.contact_user, domain.scheme() == "sips");
    let mut request = Request::new(Method::Options, domain.clone());
    request.headers.set_routes(&routes(account, &[]));
    request.headers.push(HeaderName::MaxForwards, crate::dialog::MAX_FORWARDS);
    request.headers.push(HeaderName::From, identity);
    request.headers.push(HeaderName::To, NameAddr::new(domain));
    request.headers.push(HeaderName::CSeq, CSeq { number: 1, method: Method::Options });
    request.headers.push(HeaderName::Contact, contact);
    Some(request)
}
