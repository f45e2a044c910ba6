//! SIP registrar of the relay's own domain, for phones that use no other server (RFC 3261 §10.3, §22).
//!
//! ```text
//!              REGISTER, authenticated
//!   (none)    ───────────────────────────> Bound ──┐ REGISTER again: refreshed
//!       ^                                   │  ^───┘
//!       └── expired, expires=0, `*`, user removed, flow through a NAT closed ───┘
//! ```
//!
//! A REGISTER is answered immediately. The only timers are the expiry of bindings and their keep-alives.

mod authentication;
mod binding;
mod domains;

pub use binding::{Binding, Lifetimes};

use crate::auth::{Algorithm, AuthServer, Rejection, ServerSettings, Verifier};
use crate::message::{Contacts, HeaderName, Host, Malformed, Request, Response, Uri};
use crate::transport::{FlowId, Source};
use crate::user_agent::io::BindingId;
use binding::instance;
use core::time::Duration;
use offhook_clock::{Deadlines, Time, earliest};
use offhook_limits::Lockouts;
use offhook_limits::lockout::Policy;
use offhook_limits::offense::Kind;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

/// The configuration of the registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrarSettings {
    /// The hosts of addresses of record: the relay's domain and the other names by which phones address it.
    pub domains: Vec<Host>,
    /// Whether phones may register for any domain. This is the case if the operator configured no domain.
    pub any_domain: bool,
    /// The hosts of other SIP servers, in lower case. A request with one of them in `From` is not treated as a phone's,
    /// even if a phone has registered for that domain.
    pub other_servers: BTreeSet<String>,
    /// The digest settings.
    pub auth: ServerSettings,
    /// The verifiers of the users that may register, by user name.
    pub users: BTreeMap<String, Verifier>,
    /// The limits on the lifetime of bindings.
    pub lifetimes: Lifetimes,
    /// The interval of OPTIONS to phones behind a NAT that registered over UDP. Zero disables them.
    pub nat_keep_alive: Duration,
    /// The maximum number of bindings of a user. A further one removes the oldest.
    pub max_bindings: usize,
    /// The policy for lockouts after wrong passwords.
    pub lockouts: Policy,
}

impl RegistrarSettings {
    /// Creates settings for the users of one domain.
    #[must_use]
    pub fn new(domain: Host, users: BTreeMap<String, Verifier>) -> Self {
        let mut auth = ServerSettings::new(domain.to_string());
        // A phone answers the first challenge that it supports, so only algorithms that every verifier supports are
        // offered. An operator whose phones cannot ignore SHA-256 stores MD5 hashes.
        let verifiable = |algorithm: &Algorithm| users.values().all(|user| user.is_good_for(*algorithm));
        if auth.algorithms.iter().any(verifiable) {
            auth.algorithms.retain(verifiable);
        }
        Self {
            domains: vec![domain],
            any_domain: false,
            other_servers: BTreeSet::new(),
            auth,
            users,
            lifetimes: Lifetimes::default(),
            nat_keep_alive: Duration::ZERO,
            max_bindings: 10,
            lockouts: Policy::default(),
        }
    }
}

/// An event of the registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A phone has registered.
    Bound {
        /// The user.
        user: String,
        /// The binding.
        binding: BindingId,
    },
    /// A binding has ended.
    Unbound {
        /// The user.
        user: String,
        /// The binding.
        binding: BindingId,
    },
    /// A binding depends on this UDP flow, which must be kept.
    FlowNeeded(FlowId),
    /// A binding no longer depends on this UDP flow.
    FlowReleased(FlowId),
    /// A keep-alive to a phone behind a NAT is due.
    KeepAliveDue(BindingId),
    /// A remote address shows the behavior of an attacker; see [`offhook_limits::offense`].
    Offense {
        /// The kind of offense.
        kind: Kind,
        /// The remote address.
        address: IpAddr,
        /// Whether the address is verified, as opposed to possibly forged.
        is_verified: bool,
    },
}

/// The registrar state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registrar {
    settings: RegistrarSettings,
    /// The domains of bindings, by name, while any domain is accepted.
    learned: BTreeSet<(String, BindingId)>,
    /// The addresses that phones registered from.
    sources: BTreeSet<(IpAddr, BindingId)>,
    auth: AuthServer,
    last_number: u64,
    bindings: BTreeMap<BindingId, (String, Binding)>,
    users: BTreeSet<(String, BindingId)>,
    flows: BTreeSet<(FlowId, BindingId)>,
    expiries: Deadlines<BindingId>,
    keep_alives: Deadlines<BindingId>,
    lockouts: Lockouts,
    #[serde(skip)]
    events: VecDeque<Event>,
}

/// A change requested by one contact of a REGISTER.
struct Change {
    uri: Uri,
    replaces: Option<BindingId>,
    /// The new binding. `None` removes the replaced one.
    binding: Option<Binding>,
}

/// The reason that a request is rejected.
enum Refusal {
    Status(u16, &'static str),
    Brief(Duration),
    Unsupported(Vec<String>),
    Challenge(Rejection),
    Lockout(Duration),
}

impl From<Malformed> for Refusal {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Status(400, what)
    }
}

impl Registrar {
    /// Replaces the settings. Bindings stay until they expire or their phones register again.
    pub(crate) fn configure(&mut self, settings: RegistrarSettings) {
        self.auth.configure(settings.auth.clone());
        self.settings = settings;
    }

    /// Creates a registrar without bindings.
    #[must_use]
    pub fn new(settings: RegistrarSettings, rng: &mut ChaCha20Rng) -> Self {
        Self {
            auth: AuthServer::new(settings.auth.clone(), rng),
            lockouts: Lockouts::new(settings.lockouts),
            settings,
            learned: BTreeSet::new(),
            sources: BTreeSet::new(),
            last_number: 0,
            bindings: BTreeMap::new(),
            users: BTreeSet::new(),
            flows: BTreeSet::new(),
            expiries: Deadlines::new(),
            keep_alives: Deadlines::new(),
            events: VecDeque::new(),
        }
    }

    /// Processes a REGISTER. The caller adds the tag to the response.
    pub fn register(&mut self, request: &Request, source: &Source, now: Time) -> Response {
        match self.process_register(request, source, now) {
            Ok(user) => self.accepted(request, &user, now),
            Err(refusal) => self.refused(request, &refusal, source, now),
        }
    }

    /// Returns the user whose valid credentials a request has, or the response to send, usually 401 (RFC 3261 §22.2).
    /// For requests of phones other than REGISTER; ACK and CANCEL cannot be challenged (§22.1).
    ///
    /// # Errors
    /// Returns the response to send. The caller adds the tag.
    pub fn authenticate(&mut self, request: &Request, source: &Source, now: Time) -> Result<String, Box<Response>> {
        self.verify(request, source, now).map_err(|refusal| Box::new(self.refused(request, &refusal, source, now)))
    }

    /// Processes a REGISTER in the steps of RFC 3261 §10.3.
    fn process_register(&mut self, request: &Request, source: &Source, now: Time) -> Result<String, Refusal> {
        let unsupported: Vec<String> =
            request.headers.require().filter(|tag| !tag.eq_ignore_ascii_case("path")).map(str::to_owned).collect();
        if !unsupported.is_empty() {
            return Err(Refusal::Unsupported(unsupported));
        }
        let to = request.headers.to()?.uri;
        let user = to.as_sip().and_then(|uri| uri.user()).map(|user| user.into_owned());
        let user = user.filter(|_| to.host().is_some_and(|host| self.settings.any_domain || self.is_configured(host)));
        let name = self.verify(request, source, now)?;
        let user = user.ok_or(Refusal::Status(404, ""))?;
        if user != name {
            return Err(Refusal::Status(403, "Another User's Address"));
        }
        let changes = self.changes(request, &user, source, now)?;
        self.apply(&user, changes, now);
        Ok(user)
    }

    /// Returns the changes that the contacts of a REGISTER request. If one is impossible, none is made (RFC 3261
    /// §10.3).
    fn changes(&self, request: &Request, user: &str, source: &Source, now: Time) -> Result<Vec<Change>, Refusal> {
        let header = request.headers.expires().transpose()?;
        let (call_id, cseq) = (request.headers.call_id()?, request.headers.cseq()?.number);
        let contacts = match request.headers.contacts()? {
            Contacts::List(contacts) => contacts,
            Contacts::All if header == Some(0) => return self.remove_all(user, call_id, cseq),
            Contacts::All => return Err(Refusal::Status(400, "An Asterisk Needs Expires: 0")),
        };
        let path = request.headers.path()?;
        let domain = request.headers.to()?.uri.host().and_then(|host| self.learnable(host));
        let is_direct = request.headers.all(HeaderName::Via).nth(1).is_none();
        let receives_at_contact = !source.transport.is_reliable()
            && request.headers.top_via().is_ok_and(|via| {
                let is_own =
                    via.host.address().map(|host| host.to_canonical()) == Some(source.remote.ip().to_canonical());
                is_own && !via.params.has("rport") && via.port_or_default() != source.remote.port()
            });
        if contacts.iter().any(|contact| contact.uri.as_sip().is_none()) {
            return Err(Refusal::Status(400, "A Contact Without SIP URI"));
        }
        if contacts.len() > self.settings.max_bindings {
            return Err(Refusal::Status(403, "Too Many Contacts"));
        }
        let mut changes: Vec<Change> = Vec::new();
        for contact in contacts {
            let known = self.bindings_of(user).find(|(_, binding)| binding.is_of(&contact));
            if known.is_some_and(|(_, binding)| !binding.is_older_than(call_id, cseq)) {
                return Err(Refusal::Status(500, "Out of Order"));
            }
            let lifetime = self.settings.lifetimes.grant(contact.expires().or(header)).map_err(Refusal::Brief)?;
            // Of two equivalent contacts, the last one applies.
            changes.retain(|change| !change.uri.is_equivalent(&contact.uri));
            let (uri, instance) = (contact.uri.clone(), instance(&contact));
            let binding = (!lifetime.is_zero()).then(|| Binding {
                priority: contact.priority(),
                uri: contact.uri,
                path: path.clone(),
                expires_at: now + lifetime,
                flow: Some(*source),
                registered_from: source.remote.ip(),
                domain: domain.clone(),
                is_direct,
                receives_at_contact,
                instance,
                call_id: call_id.to_owned(),
                cseq,
            });
            changes.push(Change { uri, replaces: known.map(|(id, _)| id), binding });
        }
        Ok(changes)
    }

    fn remove_all(&self, user: &str, call_id: &str, cseq: u32) -> Result<Vec<Change>, Refusal> {
        let all = self.bindings_of(user).map(|(id, binding)| {
            let remove = Change { uri: binding.uri.clone(), replaces: Some(id), binding: None };
            if binding.is_older_than(call_id, cseq) { Ok(remove) } else { Err(Refusal::Status(500, "Out of Order")) }
        });
        all.collect()
    }

    fn apply(&mut self, user: &str, changes: Vec<Change>, now: Time) {
        for change in changes {
            match (change.replaces, change.binding) {
                (Some(id), None) => self.unbind(id),
                (Some(id), Some(binding)) => {
                    self.forget(id);
                    self.keep(id, user, binding, now);
                }
                (None, Some(binding)) => {
                    self.last_number += 1;
                    let id = BindingId(self.last_number);
                    self.keep(id, user, binding, now);
                    self.events.push_back(Event::Bound { user: user.to_owned(), binding: id });
                    self.make_room(user);
                }
                (None, None) => {}
            }
        }
    }

    fn keep(&mut self, id: BindingId, user: &str, mut binding: Binding, now: Time) {
        let interval = self.settings.nat_keep_alive;
        if binding.is_behind_nat() && !interval.is_zero() {
            self.keep_alives.set(id, Some(now + interval));
        }
        self.store_domain(id, user, &mut binding);
        self.users.insert((user.to_owned(), id));
        self.expiries.set(id, Some(binding.expires_at));
        if let Some(flow) = binding.flow {
            if flow.transport.is_reliable() {
                self.flows.insert((flow.flow, id));
            } else {
                self.events.push_back(Event::FlowNeeded(flow.flow));
            }
        }
        self.bindings.insert(id, (user.to_owned(), binding));
    }

    /// Removes the oldest binding if there are too many: a restarted phone may register at a new address each time.
    fn make_room(&mut self, user: &str) {
        if self.bindings_of(user).count() > self.settings.max_bindings {
            let oldest = self.bindings_of(user).map(|(id, _)| id).next();
            oldest.into_iter().for_each(|oldest| self.unbind(oldest));
        }
    }

    fn forget(&mut self, id: BindingId) -> Option<String> {
        let (user, binding) = self.bindings.remove(&id)?;
        self.remove_domain(id, &binding);
        self.expiries.set(id, None);
        self.keep_alives.set(id, None);
        if let Some(flow) = binding.flow {
            self.flows.remove(&(flow.flow, id));
            if !flow.transport.is_reliable() {
                self.events.push_back(Event::FlowReleased(flow.flow));
            }
        }
        let key = (user, id);
        self.users.remove(&key);
        Some(key.0)
    }

    fn unbind(&mut self, id: BindingId) {
        if let Some(user) = self.forget(id) {
            self.events.push_back(Event::Unbound { user, binding: id });
        }
    }

    fn accepted(&self, request: &Request, user: &str, now: Time) -> Response {
        let mut response = Response::to(request, 200, "");
        for (_, binding) in self.bindings_of(user) {
            response.headers.push(HeaderName::Contact, binding.contact(now));
        }
        // `Path` is returned to the phone (RFC 3327 §5.3).
        for hop in request.headers.lines(HeaderName::Path) {
            response.headers.push(HeaderName::Path, hop);
        }
        response
    }

    fn refused(&mut self, request: &Request, refusal: &Refusal, source: &Source, now: Time) -> Response {
        match refusal {
            Refusal::Status(status, reason) => Response::to(request, *status, reason),
            Refusal::Brief(shortest) => {
                let mut response = Response::to(request, 423, "");
                response.headers.push(HeaderName::MinExpires, shortest.as_secs());
                response
            }
            Refusal::Unsupported(tags) => {
                let mut response = Response::to(request, 420, "");
                tags.iter().for_each(|tag| response.headers.push(HeaderName::Unsupported, tag));
                response
            }
            Refusal::Lockout(remaining) => {
                let mut response = Response::to(request, 403, "Too Many Wrong Passwords");
                response.headers.push(HeaderName::RetryAfter, remaining.as_secs().saturating_add(1));
                response
            }
            Refusal::Challenge(Rejection::Malformed(_)) => Response::to(request, 400, "Bad Credentials"),
            Refusal::Challenge(rejection) => {
                let mut response = Response::to(request, 401, "");
                for challenge in self.auth.challenges(rejection, source.remote.ip(), now) {
                    response.headers.push(HeaderName::WwwAuthenticate, challenge);
                }
                response
            }
        }
    }

    /// Processes the closing of a flow. A phone behind a NAT that registered on it is unreachable until it registers
    /// again.
    pub fn flow_closed(&mut self, flow: FlowId) {
        let first = (flow, BindingId(0));
        let affected: Vec<BindingId> =
            self.flows.range(first..).take_while(|(of, _)| *of == flow).map(|(_, id)| *id).collect();
        for id in affected {
            self.flows.remove(&(flow, id));
            let Some((_, binding)) = self.bindings.get_mut(&id) else { continue };
            let is_reachable = binding.flow.take().is_some_and(|flow| binding.is_reachable(&flow));
            if binding.is_direct && binding.path.is_empty() && !is_reachable {
                self.unbind(id);
            }
        }
    }

    /// Replaces the users. Bindings of removed users end.
    pub fn set_users(&mut self, users: BTreeMap<String, Verifier>) {
        let gone = |(user, _): &&(String, BindingId)| !users.contains_key(user);
        let gone: Vec<BindingId> = self.users.iter().filter(gone).map(|(_, id)| *id).collect();
        gone.into_iter().for_each(|id| self.unbind(id));
        self.settings.users = users;
    }

    /// Processes the timers that have expired.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((_, id)) = self.expiries.pop_due(now) {
            self.unbind(id);
        }
        while let Some((_, id)) = self.keep_alives.pop_due(now) {
            self.keep_alives.set(id, Some(now + self.settings.nat_keep_alive));
            self.events.push_back(Event::KeepAliveDue(id));
        }
    }

    /// Returns the next event.
    pub fn poll_output(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns the time at which [`Self::handle_timeout`] must be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.expiries.next(), self.keep_alives.next())
    }

    /// Returns a binding.
    #[must_use]
    pub fn binding(&self, id: BindingId) -> Option<&Binding> {
        self.bindings.get(&id).map(|(_, binding)| binding)
    }

    /// Returns the user of a binding.
    #[must_use]
    pub fn user_of(&self, id: BindingId) -> Option<&str> {
        self.bindings.get(&id).map(|(user, _)| user.as_str())
    }

    /// Returns all bindings with their users, in the order of their identifiers.
    pub fn bindings(&self) -> impl Iterator<Item = (BindingId, &str, &Binding)> {
        self.bindings.iter().map(|(id, (user, binding))| (*id, user.as_str(), binding))
    }

    /// Returns the bindings of a user, oldest first.
    pub fn bindings_of(&self, user: &str) -> impl Iterator<Item = (BindingId, &Binding)> {
        let first = (user.to_owned(), BindingId(0));
        let ids = self.users.range(first.clone()..).take_while(move |(of, _)| *of == first.0);
        ids.filter_map(|(_, id)| Some((*id, self.binding(*id)?)))
    }

    /// Returns whether the user may register.
    #[must_use]
    pub fn has_user(&self, user: &str) -> bool {
        self.settings.users.contains_key(user)
    }
}

#[cfg(test)]
mod tests;
