//! Out-of-dialog requests: classification of the source, and responses (RFC 3261 §8.2, §13.3.1).

use super::UserAgent;
use super::accounts::OWN_USER;
use super::application_headers;
use super::called_number::called_party;
use super::capabilities::{
    bad_extension, description_of, method_not_allowed, options_response, unknown_extensions, unsupported_media,
};
use super::context::{CallContext, own_contact};
use super::destinations::NamedBy;
use super::identity::{asserted_identity, diverted_by, identity_of, is_anonymous};
use super::invite::Invite;
use super::io::{Body, Event, InboundInvite, InviteId, Origin};
use super::path;
use super::session::timer::{Proposal, SessionTimer};
use super::session::{Incoming, Session};
use crate::dialog::{Dialog, DialogId};
use crate::message::{HeaderName, Method, Request, Response, Uri};
use crate::transport::Transport;
use offhook_clock::Time;
use offhook_limits::offense::Kind;

/// The maximum number of concurrent ringing inbound calls from one address.
const MAX_RINGING_PER_SOURCE: usize = 256;

/// The maximum number of concurrent calls.
const MAX_CALLS: usize = 50_000;

/// `Retry-After` of a 503 to an INVITE, in seconds.
pub(super) const RETRY_AFTER: u32 = 10;

impl UserAgent {
    /// Processes a request without a tag in `To`.
    pub(super) fn receive_out_of_dialog(&mut self, incoming: Incoming, now: Time) {
        let request = &incoming.request;
        if matches!(request.uri, Uri::Other { .. }) {
            return self.answer(&incoming, 416, now);
        }
        if request.method == Method::Register {
            return self.receive_register(&incoming, now);
        }
        let unknown = unknown_extensions(request);
        if !unknown.is_empty() {
            return self.respond(&incoming, bad_extension(request, &unknown), now);
        }
        match request.method {
            Method::Invite => self.receive_invite(incoming, now),
            Method::Options => {
                let uses_timers = !self.context.settings.session_expires.is_zero();
                self.respond(&incoming, options_response(request, uses_timers), now);
            }
            Method::Bye | Method::Cancel | Method::Info | Method::Prack | Method::Update => {
                self.answer(&incoming, 481, now);
            }
            // No subscriptions exist outside dialogs.
            Method::Subscribe | Method::Publish | Method::Notify => self.answer(&incoming, 489, now),
            // REFER is accepted only in a dialog.
            Method::Refer => self.answer(&incoming, 403, now),
            Method::Register | Method::Ack | Method::Message | Method::Other(_) => {
                self.respond(&incoming, method_not_allowed(request), now);
            }
        }
    }

    pub(super) fn answer(&mut self, incoming: &Incoming, status: u16, now: Time) {
        self.respond(incoming, Response::to(&incoming.request, status, ""), now);
    }

    /// Responds to an out-of-dialog request. Only the 2xx to a REGISTER keeps its transaction: that request changed
    /// state and was authenticated.
    pub(super) fn respond(&mut self, incoming: &Incoming, mut response: Response, now: Time) {
        if matches!(response.status, 489) {
            response.headers.set(HeaderName::AllowEvents, "refer");
        }
        if response.is_success() && incoming.request.method == Method::Register {
            let tag = self.context.token();
            response.set_to_tag(&tag);
            self.context.respond(incoming.key, response, now);
        } else {
            response.set_stateless_tag();
            self.context.respond_statelessly(incoming.key, response, now);
        }
    }

    /// Returns the origin of a request, or `None` if it was rejected or challenged.
    fn origin(&mut self, incoming: &Incoming, now: Time) -> Option<Origin> {
        let request = &incoming.request;
        if let Some(account) = self.accounts.of_contact(&request.uri) {
            return Some(Origin::Account(account));
        }
        let from = request.headers.from().ok()?.uri;
        let address = incoming.source.remote.ip();
        let accept_unknown = self.context.settings.accept_unknown;
        if self.is_certainly_from_phone(request, &from) {
            return self.phone(incoming, &from, now);
        }
        // Checked before the criteria that phones influence, so that no phone can cause a server's calls to be
        // challenged.
        if let Some(account) = self.accounts.of_server(request, address, accept_unknown) {
            return Some(Origin::Account(account));
        }
        if self.may_be_from_phone(incoming, &from) {
            return self.phone(incoming, &from, now);
        }
        if accept_unknown {
            return Some(Origin::Unknown);
        }
        let is_verified = incoming.source.transport.is_reliable();
        self.context.report(Event::Offense { kind: Kind::SipScan, address, is_verified });
        self.answer(incoming, 403, now);
        None
    }

    /// Returns whether a request is certainly from a phone: by a configured domain, or because it answers a challenge.
    /// A phone and a server may have the same address.
    fn is_certainly_from_phone(&self, request: &Request, from: &Uri) -> bool {
        let is_own_domain = from.host().is_some_and(|host| self.registrar.is_configured(host));
        !self.context.settings.phones.is_empty() && (is_own_domain || self.registrar.is_answered_by(request))
    }

    /// Returns whether a request that is not from a known server may be from a phone. If calls from unknown sources are
    /// accepted, a domain that some phone registered for is not sufficient.
    fn may_be_from_phone(&self, incoming: &Incoming, from: &Uri) -> bool {
        let settings = &self.context.settings;
        let is_learned = from.host().is_some_and(|host| self.registrar.has_learned(host));
        let has_phone = self.registrar.has_phone_at(incoming.source.remote.ip());
        let is_phone = if settings.accept_unknown { is_learned && has_phone } else { is_learned || has_phone };
        !settings.phones.is_empty() && (is_phone || incoming.request.headers.has(HeaderName::Authorization))
    }

    /// Authenticates the phone that sent a request. Returns `None` if it was challenged or rejected.
    fn phone(&mut self, incoming: &Incoming, from: &Uri, now: Time) -> Option<Origin> {
        let user = match self.registrar.authenticate(&incoming.request, &incoming.source, now) {
            Ok(user) => user,
            Err(response) => {
                self.respond(incoming, *response, now);
                return None;
            }
        };
        let is_own_domain =
            from.host().is_some_and(|host| self.registrar.is_configured(host) || self.registrar.has_learned(host));
        if is_own_domain && from.user().as_deref() != Some(user.as_str()) {
            self.answer(incoming, 403, now);
            return None;
        }
        Some(Origin::Phone(user))
    }

    /// Processes a REGISTER (RFC 3261 §10.3).
    fn receive_register(&mut self, incoming: &Incoming, now: Time) {
        if self.context.settings.phones.is_empty() {
            return self.respond(incoming, method_not_allowed(&incoming.request), now);
        }
        let response = self.registrar.register(&incoming.request, &incoming.source, now);
        self.respond(incoming, response, now);
    }

    fn receive_invite(&mut self, incoming: Incoming, now: Time) {
        let ringing = self.ringing.get(&incoming.source.remote.ip()).map_or(0, std::collections::BTreeSet::len);
        if self.is_shutting_down || ringing >= MAX_RINGING_PER_SOURCE || self.invites.len() >= MAX_CALLS {
            let mut response = Response::to(&incoming.request, 503, "");
            response.headers.push(HeaderName::RetryAfter, RETRY_AFTER);
            return self.respond(&incoming, response, now);
        }
        let Ok(offer) = description_of(&incoming.request.headers, &incoming.request.body) else {
            return self.respond(&incoming, unsupported_media(&incoming.request), now);
        };
        let settings = &self.context.settings;
        let timer = SessionTimer::new(settings.session_expires, settings.min_session_expires);
        if let Err(brief) = timer.check(&Proposal::of(&incoming.request.headers)) {
            let mut response = Response::to(&incoming.request, 422, "");
            response.headers.push(HeaderName::MinSe, brief.0.as_secs());
            return self.respond(&incoming, response, now);
        }
        let Some(origin) = self.origin(&incoming, now) else { return };
        let replaces = match self.replaced_by(&incoming.request) {
            Ok(replaces) => replaces,
            Err(status) => return self.answer(&incoming, status, now),
        };
        let tag = self.context.token();
        let is_secure = incoming.source.transport == Transport::Tls;
        let Ok(dialog) = Dialog::of_server(&incoming.request, &tag, is_secure) else {
            return self.answer(&incoming, 400, now);
        };
        let session = Session::of_callee(dialog, offer.clone(), timer, &incoming.request.headers);
        self.take_call(incoming, session, (origin, replaces, offer), now);
    }

    fn take_call(
        &mut self,
        incoming: Incoming,
        session: Session,
        (origin, replaces, offer): (Origin, Option<InviteId>, Option<Body>),
        now: Time,
    ) {
        self.last_inbound += 1;
        let invite = InviteId::Inbound(self.last_inbound);
        let Some(request) = self.describe_call(&incoming, origin.clone(), replaces, offer) else {
            return self.answer(&incoming, 400, now);
        };
        let trying = Response::to(&incoming.request, 100, "");
        self.context.respond(incoming.key, trying, now);
        let account = match &origin {
            Origin::Account(id) => self.accounts.get(*id),
            Origin::Phone(_) | Origin::Unknown => None,
        };
        let login = match &origin {
            Origin::Account(id) => self.accounts.login_at(*id, incoming.source.remote.ip()),
            Origin::Phone(_) | Origin::Unknown => None,
        };
        let contact_user = account.map_or(OWN_USER, |account| &account.contact_user);
        let call = CallContext {
            invite,
            auth: login.map(crate::auth::AuthClient::new),
            next_hop: path::to_caller(&incoming.request, &incoming.source),
            named_by: NamedBy::Peer(incoming.source.remote.ip()),
            peer: Some(incoming.source.remote.ip()),
            contact: own_contact(contact_user, incoming.request.uri.scheme() == "sips"),
            origin,
            is_over: false,
        };
        self.ringing.entry(incoming.source.remote.ip()).or_default().insert(invite);
        self.ringing_from.insert(invite, incoming.source.remote.ip());
        let taken = Invite::take(call, incoming, session, &mut self.context, now);
        self.context.report(Event::Incoming { invite, request: Box::new(request) });
        self.keep_call(invite, taken);
    }

    fn describe_call(
        &self,
        incoming: &Incoming,
        origin: Origin,
        replaces: Option<InviteId>,
        offer: Option<Body>,
    ) -> Option<InboundInvite> {
        let headers = &incoming.request.headers;
        let from = headers.from().ok()?;
        let is_trusted = self.context.settings.trusted.contains(&incoming.source.remote.ip().to_canonical());
        Some(InboundInvite {
            origin,
            source: incoming.source.remote.ip(),
            request_uri: incoming.request.uri.clone(),
            from: identity_of(&from),
            to: identity_of(&headers.to().ok()?),
            called_party: called_party(headers),
            asserted: is_trusted.then(|| asserted_identity(headers)).flatten(),
            anonymous: is_anonymous(headers, &from),
            diverted_by: diverted_by(headers),
            offer,
            headers: application_headers::read(headers),
            replaces,
        })
    }

    /// Returns the call that an INVITE replaces (RFC 3891 §3), or the status code that rejects it.
    fn replaced_by(&self, request: &Request) -> Result<Option<InviteId>, u16> {
        if request.headers.lines(HeaderName::Replaces).count() > 1 {
            return Err(400);
        }
        let replaces = match request.headers.replaces() {
            None => return Ok(None),
            Some(Ok(replaces)) => replaces,
            Some(Err(_)) => return Err(400),
        };
        if request.headers.has(HeaderName::Join) {
            return Err(400);
        }
        let id = DialogId::of_replaces(&replaces);
        let (invite, branch) = self.context.dialogs.get(&id).copied().ok_or(481_u16)?;
        let replaced = self.invites.get(&invite).ok_or(481_u16)?;
        match replaced.is_established(branch) {
            // The call has ended.
            None => Err(603),
            Some(true) if replaces.early_only => Err(486),
            // A call that is still ringing here must not be replaced.
            Some(false) if !replaced.is_outbound() => Err(481),
            Some(_) => Ok(Some(invite)),
        }
    }
}
