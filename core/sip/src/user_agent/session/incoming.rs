//! Incoming in-dialog requests (RFC 3261 §12.2.2).

use super::exchange::{Carrier, Exchange, Reply};
use super::outgoing::body_or_empty;
use super::timer::Proposal;
use super::{Session, Stage, reason_of};
use crate::message::{HeaderName, Method, Request, Response};
use crate::transaction::layer::ServerKey;
use crate::transport::Source;
use crate::user_agent::capabilities::{
    announce, bad_extension, bad_info_package, description_of, method_not_allowed, options_response,
    unknown_extensions, unsupported_media,
};
use crate::user_agent::context::Scope;
use crate::user_agent::io::{Body, Cause, Event};
use serde::{Deserialize, Serialize};

/// A received request to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Incoming {
    pub(crate) key: ServerKey,
    pub(crate) request: Request,
    pub(crate) source: Source,
}

impl Incoming {
    pub(crate) fn cseq(&self) -> u32 {
        self.request.headers.cseq().map_or(0, |cseq| cseq.number)
    }
}

impl Session {
    /// Processes an in-dialog request. The caller has already matched a [`Method::Prack`] with its response.
    pub(crate) fn receive(&mut self, incoming: Incoming, scope: &mut Scope<'_>) {
        let method = &incoming.request.method;
        // An out-of-order PRACK is still the only one for its response. A BYE is accepted with any CSeq: both tags
        // identify the dialog, some proxies and gateways use inconsistent numbers, and the peer has left the call.
        if self.dialog.accept_cseq(incoming.cseq()).is_err() && !matches!(method, Method::Prack | Method::Bye) {
            return self.answer_with(&incoming, 500, scope);
        }
        let unknown = unknown_extensions(&incoming.request);
        if !unknown.is_empty() && *method != Method::Bye {
            return self.respond(&incoming, bad_extension(&incoming.request, &unknown), scope);
        }
        self.note_capabilities(&incoming.request.headers);
        if matches!(self.stage, Stage::Leaving { .. } | Stage::Gone) {
            return self.receive_late(&incoming, scope);
        }
        match incoming.request.method {
            Method::Bye => self.receive_bye(&incoming, scope),
            Method::Invite => self.receive_reinvite(incoming, scope),
            Method::Update => self.receive_update(incoming, scope),
            Method::Prack => self.receive_prack(incoming, scope),
            Method::Refer => self.receive_refer(incoming, scope),
            Method::Notify => self.receive_notify(&incoming, scope),
            // No Info-Package is announced, so none may be used (RFC 6086 §4.2.2).
            Method::Info if incoming.request.headers.has("Info-Package") => {
                self.respond(&incoming, bad_info_package(&incoming.request), scope);
            }
            Method::Info => {
                let (invite, body) = (scope.invite(), body_or_empty(&incoming.request));
                self.answer_with(&incoming, 200, scope);
                scope.report(Event::Info { invite, body });
            }
            Method::Options => {
                self.respond(&incoming, options_response(&incoming.request, self.timer.is_used()), scope);
            }
            Method::Subscribe => self.answer_with(&incoming, 489, scope),
            Method::Ack | Method::Cancel | Method::Register | Method::Publish | Method::Message | Method::Other(_) => {
                self.respond(&incoming, method_not_allowed(&incoming.request), scope);
            }
        }
    }

    /// Responds to a request after the local BYE. Two crossing BYEs are both answered with 200.
    fn receive_late(&mut self, incoming: &Incoming, scope: &mut Scope<'_>) {
        if incoming.request.method == Method::Bye {
            self.answer_with(incoming, 200, scope);
            self.end_silently(scope);
        } else {
            self.answer_with(incoming, 481, scope);
        }
    }

    pub(super) fn respond(&self, incoming: &Incoming, mut response: Response, scope: &mut Scope<'_>) {
        response.set_to_tag(&self.dialog.id().local_tag);
        scope.respond(incoming.key, response);
    }

    fn receive_bye(&mut self, incoming: &Incoming, scope: &mut Scope<'_>) {
        if self.is_caller && self.stage == Stage::Early {
            // Before the call is answered, the callee must send a failure response instead of a BYE (RFC 3261 §15).
            return self.answer_with(incoming, 481, scope);
        }
        self.answer_with(incoming, 200, scope);
        scope.end(Cause::Remote { reason: reason_of(&incoming.request.headers) });
        self.end_silently(scope);
    }

    /// Sends a 500 with `Retry-After`, because another exchange is pending (RFC 3261 §14.2, RFC 3311 §5.2).
    fn defer(&self, incoming: &Incoming, scope: &mut Scope<'_>) {
        let seconds = scope.context.up_to(core::time::Duration::from_secs(10)).as_secs();
        let mut response = self.reply(incoming, 500);
        response.headers.push(HeaderName::RetryAfter, seconds);
        scope.respond(incoming.key, response);
    }

    /// Rejects an offer that cannot be accepted now. Returns false if it can be accepted.
    fn reject_conflicting_offer(&self, incoming: &Incoming, scope: &mut Scope<'_>) -> bool {
        match &self.exchange {
            Exchange::Local { .. } => self.answer_with(incoming, 491, scope),
            Exchange::Remote { .. } | Exchange::NoOffer => self.defer(incoming, scope),
            Exchange::Settled => return false,
        }
        true
    }

    /// Rejects a session interval that is too short. Returns false if it is long enough.
    fn reject_brief_interval(&self, incoming: &Incoming, scope: &mut Scope<'_>) -> bool {
        let Err(brief) = self.timer.check(&Proposal::of(&incoming.request.headers)) else { return false };
        let mut response = self.reply(incoming, 422);
        response.headers.push(HeaderName::MinSe, brief.0.as_secs());
        scope.respond(incoming.key, response);
        true
    }

    fn receive_reinvite(&mut self, incoming: Incoming, scope: &mut Scope<'_>) {
        if self.stage == Stage::Early {
            return self.defer(&incoming, scope);
        }
        if self.has_outgoing(&Method::Invite) {
            return self.answer_with(&incoming, 491, scope);
        }
        if self.reject_conflicting_offer(&incoming, scope) || self.reject_brief_interval(&incoming, scope) {
            return;
        }
        let Ok(offer) = description_of(&incoming.request.headers, &incoming.request.body) else {
            return self.respond(&incoming, unsupported_media(&incoming.request), scope);
        };
        scope.respond(incoming.key, Response::to(&incoming.request, 100, ""));
        scope.context.unanswered.insert(incoming.key, scope.call.invite);
        match (offer, self.agreed.local.clone()) {
            // A session refresh with an unchanged description (RFC 4028 §7.4).
            (Some(offer), Some(local)) if self.agreed.remote.as_ref() == Some(&offer) => {
                self.send_2xx_to(&incoming, Some(&local), scope);
            }
            (offer, _) => self.pass_offer(offer, Reply::Success(Box::new(incoming)), scope),
        }
    }

    fn receive_update(&mut self, incoming: Incoming, scope: &mut Scope<'_>) {
        if self.reject_brief_interval(&incoming, scope) {
            return;
        }
        let Ok(offer) = description_of(&incoming.request.headers, &incoming.request.body) else {
            return self.respond(&incoming, unsupported_media(&incoming.request), scope);
        };
        let Some(offer) = offer else { return self.send_2xx_to(&incoming, None, scope) };
        if self.reject_conflicting_offer(&incoming, scope) {
            return;
        }
        match self.agreed.local.clone() {
            Some(local) if self.agreed.remote.as_ref() == Some(&offer) => {
                self.send_2xx_to(&incoming, Some(&local), scope);
            }
            Some(_) | None => self.pass_offer(Some(offer), Reply::Success(Box::new(incoming)), scope),
        }
    }

    /// Sends the 2xx to a re-INVITE, UPDATE or PRACK.
    pub(super) fn send_2xx_to(&mut self, incoming: &Incoming, body: Option<&Body>, scope: &mut Scope<'_>) {
        let request = &incoming.request;
        let mut response = self.reply(incoming, 200);
        if request.method != Method::Prack {
            self.dialog.refresh_target(request.headers.contact());
            response.headers.push(HeaderName::Contact, scope.contact(Some(&incoming.source)));
            announce(&mut response.headers, false, self.timer.is_used());
            // Before the call is answered, the INVITE negotiates the session timer.
            if self.is_established() {
                self.timer.set_response_headers(&mut response.headers, &Proposal::of(&request.headers), scope.now);
            }
        }
        if let Some(body) = body {
            response.set_body(&body.content_type, body.octets.clone());
        }
        if request.method == Method::Invite {
            self.send_2xx(incoming.key, response, false, scope);
        } else {
            scope.respond(incoming.key, response);
        }
    }

    /// Processes a PRACK that matches a response (RFC 3262 §3, §5).
    fn receive_prack(&mut self, incoming: Incoming, scope: &mut Scope<'_>) {
        let invite = scope.invite();
        let body = description_of(&incoming.request.headers, &incoming.request.body).unwrap_or_default();
        let answers = self.exchange.is_carried_by(&Carrier::Provisional);
        match body {
            Some(body) if answers => {
                self.settle_local_offer(Some(body.clone()));
                self.send_2xx_to(&incoming, None, scope);
                scope.report(Event::OfferAnswered { invite, body });
                self.send_pending_offer(scope);
            }
            Some(offer) => {
                if !self.reject_conflicting_offer(&incoming, scope) {
                    self.pass_offer(Some(offer), Reply::Success(Box::new(incoming)), scope);
                }
            }
            None => {
                if answers {
                    // The offer is treated as not made; the 2xx will carry it again.
                    self.exchange = Exchange::NoOffer;
                }
                self.send_2xx_to(&incoming, None, scope);
            }
        }
    }

    /// Starts the exchange of an offer in a reliable provisional response.
    pub(crate) fn offer_early(&mut self, offer: Body) {
        self.exchange = Exchange::Local { offer, by: Carrier::Provisional, preview: None };
    }

    /// Starts the exchange of an offer in a 2xx.
    pub(crate) fn offer_in_success(&mut self, offer: Body, cseq: u32) {
        self.exchange = Exchange::Local { offer, by: Carrier::Success { cseq }, preview: None };
    }

    /// Completes the exchange of the INVITE's offer, whose answer is sent in a reliable message.
    pub(crate) fn answered(&mut self, answer: Body) {
        if let Exchange::Remote { offer, reply: Reply::Invite } =
            core::mem::replace(&mut self.exchange, Exchange::Settled)
        {
            self.agreed.local = Some(answer);
            self.agreed.remote = offer;
        }
    }
}
