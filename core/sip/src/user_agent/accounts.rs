//! Accounts: the identities that the relay uses at SIP servers, and the INVITEs sent in their name.

use super::application_headers;
use super::capabilities::{ALLOW, supported};
use super::context::{Context, NextHop, own_contact};
use super::destinations::NamedBy;
use super::identity::{address_of, anonymous, assert_identity};
use super::io::{Account, AccountId, CalledNumberSource, Destination, Origin, OutboundInvite};
use crate::auth;
use crate::dialog::MAX_FORWARDS;
use crate::message::{CSeq, HeaderName, Method, NameAddr, Replaces, Request, SipUri, Uri};
use crate::subnet::Subnet;
use crate::transaction::layer;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The user part of the relay's own contact, for calls without account.
pub(super) const OWN_USER: &str = "relay";

/// Accounts by the user part of their address of record.
type Users = BTreeMap<String, BTreeSet<AccountId>>;

/// The accounts, with indexes to find the account of a received request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accounts {
    known: BTreeMap<AccountId, Account>,
    by_contact: BTreeMap<String, AccountId>,
    /// The address of an account's server, as far as it is known.
    homes: BTreeMap<AccountId, IpAddr>,
    /// The resolved addresses of the servers in an account's settings.
    located: BTreeMap<AccountId, BTreeSet<IpAddr>>,
    /// The accounts by the addresses in `homes` and `located`.
    by_address: BTreeMap<IpAddr, Users>,
    /// The accounts by their `sources`.
    by_network: BTreeMap<Subnet, Users>,
    /// The accounts that are trunks.
    trunks: BTreeSet<AccountId>,
    /// The source address of the latest response to an account's REGISTER.
    answered_by: BTreeMap<AccountId, IpAddr>,
}

/// The INVITE of a call and the parameters for sending it.
pub(super) struct Placement {
    pub(super) request: Request,
    pub(super) next_hop: NextHop,
    pub(super) auth: Option<auth::AuthClient>,
    pub(super) contact: NameAddr,
    pub(super) origin: Origin,
    /// The element that named the host of the first hop.
    pub(super) named_by: NamedBy,
    /// The address of the account's server, if known.
    pub(super) home: Option<IpAddr>,
}

/// The address of record and contact of a registered phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PhoneAddress {
    pub(super) aor: Uri,
    pub(super) contact: Uri,
    pub(super) path: Vec<NameAddr>,
    pub(super) next_hop: NextHop,
    pub(super) named_by: NamedBy,
}

impl Accounts {
    pub(super) fn add(&mut self, id: AccountId, account: Account) {
        self.remove(id);
        self.by_contact.insert(account.contact_user.clone(), id);
        let server = account.route.first().or(account.registrar.as_ref());
        let address = server.and_then(|uri| uri.host().address());
        if account.is_trunk {
            self.trunks.insert(id);
        }
        self.known.insert(id, account);
        self.homes.extend(address.map(|address| (id, address.to_canonical())));
        self.index(id);
    }

    /// Stores the address of the server that the account is registered at.
    pub(super) fn set_home(&mut self, id: AccountId, address: IpAddr) {
        let address = address.to_canonical();
        if self.known.contains_key(&id) && self.homes.get(&id) != Some(&address) {
            self.unindex(id);
            self.homes.insert(id, address);
            self.index(id);
        }
    }

    /// Stores the resolved addresses of the servers in the account's settings.
    pub(super) fn set_resolved(&mut self, id: AccountId, addresses: &BTreeSet<IpAddr>) {
        if self.known.contains_key(&id) {
            self.unindex(id);
            self.located.insert(id, addresses.iter().map(IpAddr::to_canonical).collect());
            self.index(id);
        }
    }

    /// Stores the source address of a response to the account's REGISTER.
    pub(super) fn note_response(&mut self, id: AccountId, address: IpAddr) {
        if self.known.contains_key(&id) {
            self.answered_by.insert(id, address);
        }
    }

    /// Adds an account to the address indexes.
    fn index(&mut self, id: AccountId) {
        let Some(account) = self.known.get(&id) else { return };
        let user = user_of(account);
        for address in self.homes.get(&id).into_iter().chain(self.located.get(&id).into_iter().flatten()) {
            self.by_address.entry(*address).or_default().entry(user.clone()).or_default().insert(id);
        }
        for network in &account.sources {
            self.by_network.entry(*network).or_default().entry(user.clone()).or_default().insert(id);
        }
    }

    fn unindex(&mut self, id: AccountId) {
        let Some(account) = self.known.get(&id) else { return };
        let user = user_of(account);
        for address in self.homes.get(&id).into_iter().chain(self.located.get(&id).into_iter().flatten()) {
            remove_user(&mut self.by_address, address, &user, id);
        }
        for network in &account.sources {
            remove_user(&mut self.by_network, network, &user, id);
        }
    }

    pub(super) fn remove(&mut self, id: AccountId) -> Option<Account> {
        self.unindex(id);
        let account = self.known.remove(&id)?;
        if self.by_contact.get(&account.contact_user) == Some(&id) {
            self.by_contact.remove(&account.contact_user);
        }
        self.answered_by.remove(&id);
        self.homes.remove(&id);
        self.located.remove(&id);
        self.trunks.remove(&id);
        Some(account)
    }

    pub(super) fn get(&self, id: AccountId) -> Option<&Account> {
        self.known.get(&id)
    }

    /// Returns the address of an account's server, as far as it is known.
    pub(super) fn home(&self, id: AccountId) -> Option<IpAddr> {
        self.homes.get(&id).copied()
    }

    /// Returns an address of an account's server, for the selection of the address family. `None` if no address is
    /// known, or if the resolved addresses are of both families.
    pub(super) fn server_address(&self, id: AccountId) -> Option<IpAddr> {
        let located = || {
            let addresses = self.located.get(&id)?;
            let first = *addresses.first()?;
            addresses.iter().all(|address| address.is_ipv6() == first.is_ipv6()).then_some(first)
        };
        self.home(id).or_else(located)
    }

    /// Returns the account whose contact a Request-URI is.
    pub(super) fn of_contact(&self, uri: &Uri) -> Option<AccountId> {
        self.by_contact.get(uri.user()?.as_ref()).copied()
    }

    /// Returns the login of an account for challenges in a call from `address`. Only challenges from the account's own
    /// server are answered, because any caller may challenge the BYE.
    pub(super) fn login_at(&self, id: AccountId, address: IpAddr) -> Option<auth::Login> {
        let is_home = self.homes.get(&id) == Some(&address.to_canonical());
        self.known.get(&id)?.login.clone().filter(|_| is_home)
    }

    /// Finds the account for a request from a server if the Request-URI is not a contact of an account. The called
    /// number selects among the accounts at that server. If it matches none of them, the request belongs to the trunk
    /// that lists the source address in its `sources`, or else to the only account that lists it. Unless
    /// `accept_unknown` is set, a trunk or a single account with a server at that address is selected in the same way.
    pub(super) fn of_server(&self, request: &Request, address: IpAddr, accept_unknown: bool) -> Option<AccountId> {
        let address = address.to_canonical();
        let listed: Vec<&Users> =
            self.by_network.iter().filter(|(network, _)| network.contains(address)).map(|(_, users)| users).collect();
        let there: Vec<&Users> = listed.iter().copied().chain(self.by_address.get(&address)).collect();
        let named = self.named_in(request, &there);
        let unnamed = || {
            let trunk = |among: &[&Users]| self.trunks.iter().copied().find(|trunk| self.is_among(*trunk, among));
            let of = |among: &[&Users]| trunk(among).or_else(|| only(among));
            of(&listed).or_else(|| of(&there).filter(|_| !accept_unknown))
        };
        named.or_else(unnamed)
    }

    /// Returns the account whose user part is the called number of a request. If different parts of the request name
    /// different accounts, the part that is first in an account's `called_number` decides.
    fn named_in(&self, request: &Request, among: &[&Users]) -> Option<AccountId> {
        let named = CalledNumberSource::ALL.into_iter().filter_map(|source| Some((source, source.user(request)?)));
        let ranked = named.flat_map(|(source, user)| {
            let accounts = among.iter().filter_map(move |users| users.get(&user)).flatten();
            accounts.filter_map(move |id| {
                let preferred = &self.known.get(id)?.called_number;
                Some((preferred.iter().position(|known| *known == source)?, *id))
            })
        });
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, id)| id)
    }

    fn is_among(&self, id: AccountId, among: &[&Users]) -> bool {
        let user = self.known.get(&id).map(user_of).unwrap_or_default();
        among.iter().filter_map(|users| users.get(&user)).any(|accounts| accounts.contains(&id))
    }

    /// Returns which element named the host of the first hop of an account's requests. It is the registrar if the route
    /// consists only of its `Service-Route` (RFC 3608).
    fn named_by(&self, id: Option<AccountId>, service_route: &[NameAddr]) -> NamedBy {
        let is_served = id.and_then(|id| self.get(id)).is_some_and(|account| account.route.is_empty());
        match id.and_then(|id| self.homes.get(&id)).filter(|_| is_served && !service_route.is_empty()) {
            Some(home) => NamedBy::Peer(*home),
            None => NamedBy::Account,
        }
    }

    /// Returns which element named the host of the first hop of a REGISTER. It is the registrar if it has redirected
    /// the account.
    pub(super) fn registrar_named_by(&self, id: AccountId, destination: &layer::Destination) -> NamedBy {
        let layer::Destination::Resolve { host, .. } = destination else { return NamedBy::Account };
        let account = self.get(id);
        let own = account.and_then(|account| account.route.first().or(account.registrar.as_ref()));
        let is_own = own.is_some_and(|uri| uri.next_hop() == *host);
        let redirected_by = self.answered_by.get(&id).filter(|_| !is_own);
        redirected_by.map_or(NamedBy::Account, |server| NamedBy::Peer(*server))
    }

    pub(super) fn ids(&self) -> Vec<AccountId> {
        self.known.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Creates the INVITE of a call. Returns `None` if the destination is invalid or the account is unknown.
    pub(super) fn place(
        &self,
        order: &OutboundInvite,
        phone: Option<PhoneAddress>,
        service_route: &[NameAddr],
        context: &mut Context,
    ) -> Option<Placement> {
        let account = match order.account {
            Some(id) => Some(self.get(id)?),
            None => None,
        };
        let domain = context.settings.domain.clone();
        let own = order.from.as_ref().or(account.map(|account| &account.identity)).map(address_of);
        let own = own.or_else(|| Some(NameAddr::new(Uri::sip(OWN_USER, domain.parse().ok()?))))?;
        let (uri, to, next_hop, routes, named_by) = match (&order.to, phone) {
            (Destination::Uri(uri), _) => {
                let uri = request_uri_of(uri.clone(), account)?;
                let transport = account.and_then(|account| account.transport);
                let routes = account.map(|account| routes(account, service_route)).unwrap_or_default();
                (
                    uri.clone(),
                    uri,
                    NextHop { transport, ..NextHop::default() },
                    routes,
                    self.named_by(order.account, service_route),
                )
            }
            (Destination::Binding(_), Some(phone)) => {
                (phone.contact, phone.aor, phone.next_hop, phone.path, phone.named_by)
            }
            (Destination::Binding(_), None) => return None,
        };
        let to_user = to.user().map(|user| user.into_owned());
        let contact_user = account.map_or(OWN_USER, |account| &account.contact_user);
        let is_secure = uri.scheme() == "sips" || routes.first().is_some_and(|route| route.uri.scheme() == "sips");
        let contact = own_contact(contact_user, is_secure);
        let mut request = Request::new(Method::Invite, uri);
        let from = if order.anonymous { anonymous() } else { own.clone() };
        let headers = &mut request.headers;
        headers.set_routes(&routes);
        headers.push(HeaderName::MaxForwards, MAX_FORWARDS);
        headers.push(HeaderName::From, from.with_tag(&context.token()));
        headers.push(HeaderName::To, NameAddr::new(to));
        headers.push(HeaderName::CallId, format_args!("{}{}", context.token(), context.token()));
        headers.push(HeaderName::CSeq, CSeq { number: 1, method: Method::Invite });
        headers.push(HeaderName::Contact, &contact);
        headers.push(HeaderName::Allow, ALLOW);
        headers.push(HeaderName::Supported, supported(true, !context.settings.session_expires.is_zero()));
        assert_identity(headers, order, Some(&own));
        if let Some(Ok(replaces)) = order.replaces.as_ref().map(|replaces| replaces.parse::<Replaces>()) {
            headers.push(HeaderName::Require, "replaces");
            headers.push(HeaderName::Replaces, replaces);
        }
        application_headers::put(headers, &order.headers);
        let auth = account.and_then(|account| account.login.clone()).map(auth::AuthClient::new);
        let user = to_user.filter(|_| order.account.is_none());
        let origin = order.account.map(Origin::Account).or(user.map(Origin::Phone)).unwrap_or(Origin::Unknown);
        let home = order.account.and_then(|id| self.homes.get(&id).copied());
        Some(Placement { request, next_hop, auth, contact, origin, named_by, home })
    }
}

fn remove_user<K: Ord>(index: &mut BTreeMap<K, Users>, key: &K, user: &str, id: AccountId) {
    let Some(users) = index.get_mut(key) else { return };
    if let Some(accounts) = users.get_mut(user) {
        accounts.remove(&id);
        if accounts.is_empty() {
            users.remove(user);
        }
    }
    if users.is_empty() {
        index.remove(key);
    }
}

/// Returns the account if there is exactly one.
fn only(among: &[&Users]) -> Option<AccountId> {
    let mut accounts = among.iter().flat_map(|users| users.values().flatten());
    let first = *accounts.next()?;
    accounts.all(|other| *other == first).then_some(first)
}

/// Returns the user part of an account's address of record, or an empty text.
fn user_of(account: &Account) -> String {
    account.identity.uri.user().map(|user| user.into_owned()).unwrap_or_default()
}

/// Returns the URI as a Request-URI. A telephone number becomes a SIP URI at the account's domain (RFC 3261 §19.1.6).
fn request_uri_of(uri: Uri, account: Option<&Account>) -> Option<Uri> {
    match uri {
        Uri::Sip(mut sip) => {
            sip.make_request_uri();
            Some(Uri::Sip(sip))
        }
        Uri::Tel(number) => {
            let host = account?.identity.uri.host()?.clone();
            Some(Uri::Sip(SipUri::new(host).with_user(&number.number()).with_param("user", "phone")))
        }
        Uri::Other { .. } => None,
    }
}

/// Returns the proxies of an account: those in its settings, then those of its registrar (RFC 3608 §6.1). All are
/// treated as loose routers.
pub(super) fn routes(account: &Account, service_route: &[NameAddr]) -> Vec<NameAddr> {
    let own = account.route.iter().map(|route| {
        let route = route.clone();
        NameAddr::new(Uri::Sip(if route.params().has("lr") { route } else { route.with_flag("lr") }))
    });
    own.chain(service_route.iter().cloned()).collect()
}
