//! State and output queue shared by all calls of the user agent.

use super::destinations::NamedBy;
use super::io::{Branch, Cause, Event, InviteId, Origin, Output, UserAgentSettings};
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

/// The state that all calls of one user agent share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Context {
    pub(super) settings: UserAgentSettings,
    pub(super) layer: Layer,
    pub(super) rng: ChaCha20Rng,
    /// The call and branch of each dialog.
    #[serde(with = "offhook_limits::pairs")]
    pub(super) dialogs: BTreeMap<DialogId, (InviteId, Branch)>,
    /// The call of each outgoing request.
    pub(super) sent: BTreeMap<ClientKey, InviteId>,
    /// The call of each received INVITE without final response, which can be canceled.
    pub(super) unanswered: BTreeMap<ServerKey, InviteId>,
    #[serde(skip)]
    pub(super) outputs: VecDeque<Output>,
}

impl Context {
    /// Returns a token for tags and Call-IDs that cannot be guessed.
    pub(super) fn token(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }

    /// Returns the relay's own domain.
    pub(super) fn own_domain(&self) -> Host {
        Host::of_setting(&self.settings.domain)
    }

    /// Returns a random time below `limit`, in steps of 10 ms (RFC 3261 §14.1).
    pub(super) fn up_to(&mut self, limit: Duration) -> Duration {
        let steps = u32::try_from(limit.as_millis() / 10).unwrap_or(u32::MAX).max(1);
        Duration::from_millis(10) * (self.rng.next_u32() % steps)
    }

    pub(super) fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Sends a response.
    pub(super) fn respond(&mut self, key: ServerKey, mut response: Response, now: Time) -> bool {
        if response.status != 100 {
            response.headers.set(HeaderName::Server, &self.settings.product);
        }
        if response.status >= 200 {
            self.unanswered.remove(&key);
        }
        self.add_warning(&mut response);
        self.layer.respond(key, &response, now)
    }

    /// Sends the final response to a request whose source is not authenticated, without keeping the transaction.
    pub(super) fn respond_statelessly(&mut self, key: ServerKey, mut response: Response, now: Time) {
        response.headers.set(HeaderName::Server, &self.settings.product);
        self.add_warning(&mut response);
        self.layer.respond_statelessly(key, &response, now);
    }

    /// Adds a `Warning` to a 488: 305 for incompatible codecs, 399 with the reason phrase if it is not the default (RFC
    /// 3261 §20.43, §21.4.26).
    fn add_warning(&self, response: &mut Response) {
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

    /// Completes a `Contact` of this relay with the address that the source of a message can reach.
    pub(super) fn contact_towards(&self, contact: &NameAddr, source: &Source) -> NameAddr {
        match self.layer.settings().local(source.transport, source.remote.ip()) {
            Some(local) => complete_contact(contact, local),
            None => contact.clone(),
        }
    }

    /// Returns 64·T1, after which a transaction is given up.
    pub(super) const fn transaction_timeout(&self) -> Duration {
        self.settings.t1.saturating_mul(64)
    }
}

/// Returns a `Contact` of this relay, whose host the transaction layer sets. A request to a `sips:` URI has a `sips:`
/// contact (RFC 3261 §8.1.1.8, §12.1.1).
pub(super) fn own_contact(user: &str, is_secure: bool) -> NameAddr {
    let host = OWN_HOST.parse().unwrap_or_else(|_| Host::Name(OWN_HOST.to_owned()));
    NameAddr::new(Uri::Sip(SipUri::new(host).with_user(user).with_secure(is_secure)))
}

/// The next hop of the requests of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NextHop {
    /// The flow to use if there is no proxy on the path, because the address of the peer is unreachable.
    pub(super) flow: Option<Source>,
    /// The targets to try after that flow is closed.
    pub(super) fallback: Vec<Target>,
    /// The transport if the URI names none.
    pub(super) transport: Option<Transport>,
}

impl NextHop {
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

/// The data of one call that is independent of its dialogs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CallContext {
    pub(super) invite: InviteId,
    /// The login for challenges.
    pub(super) auth: Option<auth::AuthClient>,
    pub(super) next_hop: NextHop,
    /// The element that named the host to which out-of-dialog requests are sent.
    pub(super) named_by: NamedBy,
    /// The source address of the peer's latest response or of its INVITE.
    pub(super) peer: Option<IpAddr>,
    /// The local `Contact`, without the address.
    pub(super) contact: NameAddr,
    /// The account or phone of the call.
    pub(super) origin: Origin,
    /// Whether [`Event::Ended`] was reported. The remaining state only completes the signaling.
    pub(super) is_over: bool,
}

/// The context for processing one input of one call.
pub(super) struct Scope<'a> {
    pub(super) call: &'a mut CallContext,
    pub(super) context: &'a mut Context,
    pub(super) now: Time,
}

impl Scope<'_> {
    /// Returns the identifier of the call.
    pub(super) const fn invite(&self) -> InviteId {
        self.call.invite
    }

    /// Reports an event to the call model, unless the end of the call was reported.
    pub(super) fn report(&mut self, event: Event) {
        if !self.call.is_over {
            self.context.report(event);
        }
    }

    /// Reports the end of the call, once.
    pub(super) fn end(&mut self, cause: Cause) {
        let invite = self.invite();
        self.report(Event::Ended { invite, cause });
        self.call.is_over = true;
    }

    /// Sends a request after adding `User-Agent` and credentials. Returns `None` if it has no valid destination.
    pub(super) fn send(&mut self, request: &mut Request) -> Option<ClientKey> {
        self.complete(request);
        let destination = self.destination(request)?;
        let key = self.context.layer.request(request.clone(), destination, self.now);
        self.context.sent.insert(key, self.call.invite);
        Some(key)
    }

    /// Sends the ACK for a 2xx.
    pub(super) fn send_ack(&mut self, request: &Request) {
        if let Some(destination) = self.destination(request) {
            self.context.layer.ack(request.clone(), destination, self.now);
        }
    }

    /// Returns the destination of a request. In a dialog, the peer has determined it (RFC 3261 §12.1).
    fn destination(&self, request: &Request) -> Option<Destination> {
        let is_in_dialog = request.headers.to().is_ok_and(|to| to.tag().is_some());
        let named_by = self.call.peer.filter(|_| is_in_dialog).map_or(self.call.named_by, NamedBy::Peer);
        self.context.settings.narrow(self.call.next_hop.destination(request)?, named_by)
    }

    fn complete(&mut self, request: &mut Request) {
        request.headers.set(HeaderName::UserAgent, &self.context.settings.product);
        if let Some(auth) = &mut self.call.auth {
            auth.sign(request, &mut self.context.rng);
        }
    }

    /// Stores the challenge of a response. The request can then be sent again.
    pub(super) fn store_challenge(&mut self, request: &Request, response: &Response) -> Result<(), auth::AuthRefusal> {
        let Some(auth) = &mut self.call.auth else {
            return Err(auth::AuthRefusal::Unanswerable(auth::AuthError::Malformed("no password configured")));
        };
        auth.store_challenges_of(request, response)
    }

    pub(super) fn respond(&mut self, key: ServerKey, response: Response) -> bool {
        self.context.respond(key, response, self.now)
    }

    /// Returns the `Contact` for a response to a message from `source`, or for a request if there is no source.
    pub(super) fn contact(&self, source: Option<&Source>) -> NameAddr {
        match source {
            Some(source) => self.context.contact_towards(&self.call.contact, source),
            None => self.call.contact.clone(),
        }
    }
}

/// Copies the credentials of an INVITE into the ACK for its 2xx (RFC 3261 §22.1).
pub(super) fn copy_credentials(from: &Request, to: &mut Request) {
    for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
        from.headers.lines(name.clone()).for_each(|line| to.headers.push(name.clone(), line));
    }
}

/// Derives the settings of the transaction layer from those of the user agent.
pub(super) fn layer_settings(settings: &UserAgentSettings) -> layer::Settings {
    let mut of_layer = layer::Settings::new(settings.local.clone());
    of_layer.inside = settings.inside.clone();
    of_layer.timers.t1 = settings.t1;
    of_layer
}
