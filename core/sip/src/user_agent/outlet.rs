//! The way out: what every machine of the user agent sends, tells and draws its numbers by.

use super::destinations::NamedBy;
use super::io::{Branch, Cause, Event, InviteId, Origin, Output, Settings};
use crate::auth;
use crate::dialog::DialogId;
use crate::message::{HeaderName, Host, NameAddr, Request, Response, SipUri, Uri, reason_phrase};
use crate::transaction::layer::{self, ClientKey, Destination, Layer, OWN_HOST, ServerKey, complete_contact};
use crate::transport::{Source, Target, Transport};
use core::time::Duration;
use offhook_clock::Time;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// What all calls of one user agent share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outlet {
    pub(super) settings: Settings,
    pub(super) layer: Layer,
    pub(super) rng: ChaCha20Rng,
    /// Which call a dialog belongs to.
    #[serde(with = "offhook_limits::pairs")]
    pub(super) dialogs: BTreeMap<DialogId, (InviteId, Branch)>,
    /// Which call a request was sent for.
    pub(super) sent: BTreeMap<ClientKey, InviteId>,
    /// Which call an INVITE without final response belongs to: it can be canceled.
    pub(super) asked: BTreeMap<ServerKey, InviteId>,
    #[serde(skip)]
    pub(super) outputs: VecDeque<Output>,
}

impl Outlet {
    /// A token that nobody guesses, for tags and Call-IDs.
    pub(super) fn token(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }

    /// The relay's own domain.
    pub(super) fn own_domain(&self) -> Host {
        self.settings.domain.parse().unwrap_or_else(|_| Host::Name(self.settings.domain.clone()))
    }

    /// A time below `limit`, in steps of 10 ms (RFC 3261 §14.1).
    pub(super) fn up_to(&mut self, limit: Duration) -> Duration {
        let steps = u32::try_from(limit.as_millis() / 10).unwrap_or(u32::MAX).max(1);
        Duration::from_millis(10) * (self.rng.next_u32() % steps)
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Answers a request.
    pub(super) fn respond(&mut self, key: ServerKey, mut response: Response, now: Time) -> bool {
        if response.status != 100 {
            response.headers.set(HeaderName::Server, &self.settings.product);
        }
        if response.status >= 200 {
            self.asked.remove(&key);
        }
        self.explain(&mut response);
        self.layer.respond(key, &response, now)
    }

    /// Sends the final response to a request whose source is not authenticated, without keeping the transaction.
    pub(super) fn respond_statelessly(&mut self, key: ServerKey, mut response: Response, now: Time) {
        response.headers.set(HeaderName::Server, &self.settings.product);
        self.explain(&mut response);
        self.layer.respond_statelessly(key, &response, now);
    }

    /// A 488 says by `Warning` what it is about: 305 for codecs, 399 where its reason phrase says more (RFC 3261 §20.43,
    /// §21.4.26).
    fn explain(&self, response: &mut Response) {
        if response.status != 488 || response.headers.has(HeaderName::Warning) {
            return;
        }
        let (code, text) = if response.reason == reason_phrase(488) {
            (305, "Incompatible media format")
        } else {
            (399, response.reason.as_str())
        };
        let text = text.replace(['"', '\\'], "'");
        let warning = format!("{code} {} \"{text}\"", self.own_domain());
        response.headers.push(HeaderName::Warning, warning);
    }

    /// A `Contact` of this relay for a peer that a message came from.
    pub(super) fn contact_towards(&self, contact: &NameAddr, source: &Source) -> NameAddr {
        match self.layer.settings().local(source.transport, source.remote.ip()) {
            Some(local) => complete_contact(contact, local),
            None => contact.clone(),
        }
    }

    /// How long until hope is lost: 64 times T1.
    pub(super) const fn patience(&self) -> Duration {
        self.settings.t1.saturating_mul(64)
    }
}

/// A `Contact` of this relay: the transaction layer knows the rest of it. Whoever is called by `sips:` is called back by it
/// (RFC 3261 §8.1.1.8, §12.1.1).
pub(super) fn own_contact(user: &str, is_secure: bool) -> NameAddr {
    let host = OWN_HOST.parse().unwrap_or_else(|_| Host::Name(OWN_HOST.to_owned()));
    NameAddr::new(Uri::Sip(SipUri::new(host).with_user(user).with_secure(is_secure)))
}

/// How requests of one call get out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Way {
    /// On this connection where no proxy stands between: the peer cannot be reached by its address.
    pub(super) flow: Option<Source>,
    /// Where to when that connection is gone.
    pub(super) fallback: Vec<Target>,
    /// The transport where the URI leaves the choice.
    pub(super) transport: Option<Transport>,
}

impl Way {
    fn destination(&self, request: &Request) -> Option<Destination> {
        let by_name = Destination::of_request(request, self.transport);
        match &self.flow {
            Some(flow) if !request.headers.has(HeaderName::Route) => {
                Some(Destination::Flow { flow: *flow, fallback: self.fallback.clone() })
            }
            Some(_) | None => by_name,
        }
    }
}

/// What belongs to one call whatever its dialogs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Party {
    pub(super) invite: InviteId,
    /// The name and password for those that challenge.
    pub(super) auth: Option<auth::Client>,
    pub(super) way: Way,
    /// The party that named the host which requests outside a dialog go to.
    pub(super) named_by: NamedBy,
    /// The address that the peer's latest response, or its INVITE, came from.
    pub(super) peer: Option<IpAddr>,
    /// This end's `Contact`, but for the address.
    pub(super) contact: NameAddr,
    /// Whose call it is, as far as the relay knows them.
    pub(super) origin: Origin,
    /// [`Event::Ended`] is told: what is left is only to be cleared away.
    pub(super) is_over: bool,
}

/// One step of one call: who it is for, the way out, and the time.
pub(super) struct Scope<'a> {
    pub(super) party: &'a mut Party,
    pub(super) outlet: &'a mut Outlet,
    pub(super) now: Time,
}

impl Scope<'_> {
    /// Which call this is.
    pub(super) const fn invite(&self) -> InviteId {
        self.party.invite
    }

    /// Tells the call model, unless the call is over for it.
    pub(super) fn tell(&mut self, event: Event) {
        if !self.party.is_over {
            self.outlet.tell(event);
        }
    }

    /// Tells that the call is over, once.
    pub(super) fn end(&mut self, cause: Cause) {
        let invite = self.invite();
        self.tell(Event::Ended { invite, cause });
        self.party.is_over = true;
    }

    /// Sends a request with what it needs besides: `User-Agent` and credentials. None: it leads nowhere.
    pub(super) fn send(&mut self, request: &mut Request) -> Option<ClientKey> {
        self.complete(request);
        let destination = self.destination(request)?;
        let key = self.outlet.layer.request(request.clone(), destination, self.now);
        self.outlet.sent.insert(key, self.party.invite);
        Some(key)
    }

    /// Sends an ACK for a success.
    pub(super) fn send_ack(&mut self, request: &Request) {
        if let Some(destination) = self.destination(request) {
            self.outlet.layer.ack(request.clone(), destination, self.now);
        }
    }

    /// The destination of a request. Inside a dialog it is the peer that has named it (RFC 3261 §12.1).
    fn destination(&self, request: &Request) -> Option<Destination> {
        let is_in_dialog = request.headers.to().is_ok_and(|to| to.tag().is_some());
        let named_by = self.party.peer.filter(|_| is_in_dialog).map_or(self.party.named_by, NamedBy::Peer);
        self.outlet.settings.narrow(self.party.way.destination(request)?, named_by)
    }

    fn complete(&mut self, request: &mut Request) {
        request.headers.set(HeaderName::UserAgent, &self.outlet.settings.product);
        if let Some(auth) = &mut self.party.auth {
            auth.sign(request, &mut self.outlet.rng);
        }
    }

    /// Learns what a response asks for; the request may be sent again then.
    pub(super) fn learn(&mut self, request: &Request, response: &Response) -> Result<(), auth::Refusal> {
        let Some(auth) = &mut self.party.auth else {
            return Err(auth::Refusal::Unanswerable(auth::AuthError::Malformed("there is no password")));
        };
        auth.learn_from(request, response)
    }

    pub(super) fn respond(&mut self, key: ServerKey, response: Response) -> bool {
        self.outlet.respond(key, response, self.now)
    }

    /// The `Contact` of a response to what came from `source`, or else of a request.
    pub(super) fn contact(&self, source: Option<&Source>) -> NameAddr {
        match source {
            Some(source) => self.outlet.contact_towards(&self.party.contact, source),
            None => self.party.contact.clone(),
        }
    }
}

/// The ACK of a success carries the credentials of its INVITE (RFC 3261 §22.1).
pub(super) fn copy_credentials(from: &Request, to: &mut Request) {
    for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
        from.headers.lines(name.clone()).for_each(|line| to.headers.push(name.clone(), line));
    }
}

/// The layer's settings that follow from the user agent's.
pub(super) fn layer_settings(settings: &Settings) -> layer::Settings {
    let mut of_layer = layer::Settings::new(settings.local.clone());
    of_layer.inside = settings.inside.clone();
    of_layer.timers.t1 = settings.t1;
    of_layer
}
