//! Outgoing in-dialog requests and their responses.

use super::exchange::{Carrier, Exchange, Reply};
use super::{Session, Stage};
use crate::message::{HeaderName, Method, RAck, Request, Response};
use crate::transaction::Failure;
use crate::transaction::layer::ClientKey;
use crate::user_agent::capabilities::{body_of, description_of};
use crate::user_agent::context::{Scope, copy_credentials};
use crate::user_agent::io::Body;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The maximum number of repetitions of a request after challenges and session intervals.
const MAX_TRIES: u8 = 5;

/// The purpose of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// An offer of the call model.
    Offer { tries: u8 },
    /// The current description, to refresh the session.
    Refresh,
}

/// The kind of an outgoing request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RequestKind {
    Prack,
    /// A re-INVITE or UPDATE.
    Offer(Purpose),
    /// An UPDATE without offer.
    Refresh,
    Bye,
    Info,
    Refer,
    Notify,
}

/// A pending outgoing request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutgoingRequest {
    kind: RequestKind,
    request: Request,
    tries: u8,
}

/// The ACK for a received 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ack {
    /// Deferred until the answer that it carries is available. `is_last`: the 2xx will not be retransmitted.
    Deferred {
        invite: Box<Request>,
        is_last: bool,
    },
    Sent(Box<Request>),
}

impl OutgoingRequest {
    pub(super) fn is_invite(&self) -> bool {
        self.request.method == Method::Invite
    }
}

impl Session {
    /// Sends a request. Returns `None` if it has no valid destination.
    pub(super) fn send(&mut self, kind: RequestKind, request: Request, scope: &mut Scope<'_>) -> Option<ClientKey> {
        self.send_outgoing(Box::new(OutgoingRequest { kind, request, tries: 0 }), scope)
    }

    fn send_outgoing(&mut self, mut outgoing: Box<OutgoingRequest>, scope: &mut Scope<'_>) -> Option<ClientKey> {
        let key = scope.send(&mut outgoing.request)?;
        self.outgoing.insert(key, outgoing);
        Some(key)
    }

    pub(super) fn has_outgoing(&self, method: &Method) -> bool {
        self.outgoing.values().any(|outgoing| outgoing.request.method == *method)
    }

    /// Returns whether the request belongs to this dialog.
    pub(crate) fn is_outgoing(&self, key: ClientKey) -> bool {
        self.outgoing.contains_key(&key) || self.acks.contains_key(&key)
    }

    /// Sends INFO with a body such as `application/dtmf-relay`.
    pub(crate) fn send_info(&mut self, body: &Body, scope: &mut Scope<'_>) {
        if self.is_established() {
            let mut request = self.dialog.request(Method::Info);
            request.set_body(&body.content_type, body.octets.clone());
            let _ = self.send(RequestKind::Info, request, scope);
        }
    }

    /// Acknowledges a reliable provisional response (RFC 3262 §4).
    pub(crate) fn send_prack(&mut self, rack: &RAck, answer: Option<&Body>, scope: &mut Scope<'_>) {
        let mut request = self.dialog.request(Method::Prack);
        request.headers.push(HeaderName::RAck, rack);
        if let Some(body) = answer {
            request.set_body(&body.content_type, body.octets.clone());
        }
        let _ = self.send(RequestKind::Prack, request, scope);
    }

    /// Sends the ACK for a 2xx to `invite`, and stores it for retransmissions.
    pub(crate) fn send_ack(&mut self, key: ClientKey, invite: &Request, answer: Option<&Body>, scope: &mut Scope<'_>) {
        let mut ack = self.dialog.ack(invite.headers.cseq().map_or(0, |cseq| cseq.number));
        ack.headers.push(HeaderName::UserAgent, &scope.context.settings.product);
        copy_credentials(invite, &mut ack);
        if let Some(body) = answer {
            ack.set_body(&body.content_type, body.octets.clone());
        }
        ack.headers.shrink_to_fit();
        scope.send_ack(&ack);
        self.acks.insert(key, Ack::Sent(Box::new(ack)));
    }

    /// Sends an ACK that was deferred until the answer was available.
    pub(super) fn send_deferred_ack(&mut self, key: ClientKey, answer: Option<&Body>, scope: &mut Scope<'_>) {
        if let Some(Ack::Deferred { invite, is_last }) = self.acks.remove(&key) {
            self.send_ack(key, &invite, answer, scope);
            if is_last {
                self.acks.remove(&key);
            }
        }
    }

    /// Sends the ACK again for a retransmitted 2xx. Returns false if the 2xx is not a retransmission.
    pub(crate) fn retransmit_ack(&self, key: ClientKey, scope: &mut Scope<'_>) -> bool {
        match self.acks.get(&key) {
            Some(Ack::Sent(ack)) => scope.send_ack(ack),
            Some(Ack::Deferred { .. }) => {}
            None => return false,
        }
        true
    }

    /// Removes the ACK of an INVITE for which no further 2xx can arrive.
    pub(crate) fn forget_ack(&mut self, key: ClientKey) {
        match self.acks.get_mut(&key) {
            Some(Ack::Sent(_)) => {
                self.acks.remove(&key);
            }
            Some(Ack::Deferred { is_last, .. }) => *is_last = true,
            None => {}
        }
    }

    /// Processes a response to an outgoing request.
    pub(crate) fn receive_response(&mut self, key: ClientKey, response: &Response, scope: &mut Scope<'_>) {
        if response.is_provisional() || self.retransmit_ack(key, scope) {
            return;
        }
        self.note_capabilities(&response.headers);
        let Some(outgoing) = self.outgoing.get(&key).cloned() else { return };
        if response.is_success() && outgoing.request.method == Method::Invite {
            self.reinvite_accepted(key, &outgoing, response, scope);
        } else {
            self.outgoing.remove(&key);
            match response.status {
                200..300 => self.accepted(&outgoing, response, scope),
                401 | 407 | 422 if !self.is_alive() && outgoing.kind != RequestKind::Bye => {}
                401 | 407
                    if outgoing.tries < MAX_TRIES && scope.store_challenge(&outgoing.request, response).is_ok() =>
                {
                    self.try_again(outgoing, scope);
                }
                422 if outgoing.tries < MAX_TRIES && self.raise(response) => self.try_again(outgoing, scope),
                // The CSeq was out of order. Without the PRACK the call could not be established.
                500 if outgoing.tries < MAX_TRIES && outgoing.kind == RequestKind::Prack => {
                    self.try_again(outgoing, scope);
                }
                status => self.refused(&outgoing, status, retry_after(response), scope),
            }
        }
        self.send_pending_offer(scope);
    }

    /// Processes the failure of an outgoing request.
    pub(crate) fn failed(&mut self, key: ClientKey, failure: Failure, scope: &mut Scope<'_>) {
        let Some(outgoing) = self.outgoing.remove(&key) else { return };
        let status = match failure {
            Failure::Timeout => 408,
            Failure::Unreachable | Failure::NoSuchHost => 503,
            Failure::Withdrawn => 487,
        };
        self.refused(&outgoing, status, None, scope);
        self.send_pending_offer(scope);
    }

    fn raise(&mut self, response: &Response) -> bool {
        let least = response.headers.min_se().and_then(Result::ok);
        self.timer.raise(least.map(|seconds| Duration::from_secs(seconds.into()))).is_some()
    }

    /// Sends the request again with the next CSeq and updated headers (RFC 3261 §8.1.3.5).
    fn try_again(&mut self, mut outgoing: Box<OutgoingRequest>, scope: &mut Scope<'_>) {
        self.dialog.renumber(&mut outgoing.request);
        if matches!(outgoing.kind, RequestKind::Offer(_) | RequestKind::Refresh) {
            self.timer.set_request_headers(&mut outgoing.request.headers);
        }
        if let (RequestKind::Refer, Some(referring), Ok(cseq)) =
            (&outgoing.kind, &mut self.referring, outgoing.request.headers.cseq())
        {
            referring.renumber(cseq.number);
        }
        outgoing.tries += 1;
        let kind = outgoing.kind.clone();
        match self.send_outgoing(outgoing, scope) {
            Some(key) if kind == RequestKind::Bye => {
                if let Stage::Leaving { bye, .. } = &mut self.stage {
                    *bye = Some(key);
                }
            }
            Some(_) => {}
            None if kind == RequestKind::Bye => self.end_silently(scope),
            None => {}
        }
    }

    fn reinvite_accepted(
        &mut self,
        key: ClientKey,
        outgoing: &OutgoingRequest,
        response: &Response,
        scope: &mut Scope<'_>,
    ) {
        self.dialog.refresh_target(response.headers.contact());
        self.send_ack(key, &outgoing.request, None, scope);
        self.outgoing.remove(&key);
        self.accepted(outgoing, response, scope);
    }

    fn accepted(&mut self, outgoing: &OutgoingRequest, response: &Response, scope: &mut Scope<'_>) {
        match outgoing.kind {
            RequestKind::Offer(purpose) if self.is_alive() => {
                self.refreshed(response, scope);
                let answer = description_of(&response.headers, &response.body).unwrap_or_default();
                self.offer_accepted(purpose, answer, scope);
            }
            RequestKind::Refresh if self.is_alive() => self.refreshed(response, scope),
            RequestKind::Refer => self.refer_accepted(response, scope),
            RequestKind::Notify => self.notify_next(scope),
            RequestKind::Bye => self.end_silently(scope),
            RequestKind::Prack | RequestKind::Info | RequestKind::Offer(_) | RequestKind::Refresh => {}
        }
    }

    fn refreshed(&mut self, response: &Response, scope: &Scope<'_>) {
        self.dialog.refresh_target(response.headers.contact());
        // Before the call is answered, the INVITE negotiates the session timer.
        if self.is_established() {
            self.timer.accepted(response.headers.session_expires().and_then(Result::ok), scope.now);
        }
    }

    fn refused(&mut self, outgoing: &OutgoingRequest, status: u16, retry_after: Option<u32>, scope: &mut Scope<'_>) {
        let is_dead = matches!(status, 408 | 481) && self.is_established();
        if matches!(status, 405 | 501) && outgoing.request.method == Method::Update {
            // The peer does not support UPDATE, whatever its `Allow`.
            self.peer.allows_update = false;
        }
        match outgoing.kind {
            RequestKind::Bye => self.end_silently(scope),
            _ if !self.is_alive() => {}
            // The failure of a NOTIFY ends only the subscription (RFC 5057 §5.1).
            RequestKind::Notify => self.unsubscribed(),
            RequestKind::Prack => {}
            RequestKind::Offer(_) | RequestKind::Refresh | RequestKind::Info | RequestKind::Refer if is_dead => {
                self.end_as_lost(scope);
            }
            RequestKind::Offer(purpose) => self.offer_refused(purpose, status, retry_after, scope),
            RequestKind::Refresh => {
                // If an UPDATE fails, a re-INVITE may still refresh the session before it expires (RFC 4028 §10). After
                // 491 or with `Retry-After`, the UPDATE itself is repeated.
                self.peer.refuses_update = status != 491 && retry_after.is_none();
                self.timer.refused(scope.now);
            }
            RequestKind::Refer => self.refer_refused(status, scope),
            RequestKind::Info => {}
        }
    }

    /// Processes the description in a provisional response to the INVITE of this dialog. `reliable` is set if it is
    /// part of the offer/answer exchange. Returns the description to report.
    pub(crate) fn apply_early_description(&mut self, response: &Response, reliable: Option<&RAck>) -> Option<Body> {
        let body = description_of(&response.headers, &response.body).ok().flatten()?;
        match (&mut self.exchange, reliable) {
            (Exchange::Local { by: Carrier::Invite, .. }, Some(_)) => {
                self.settle_local_offer(Some(body.clone()));
                Some(body)
            }
            (Exchange::Local { by: Carrier::Invite, preview, .. }, None) => {
                *preview = Some(body.clone());
                Some(body)
            }
            (Exchange::NoOffer, Some(rack)) => {
                self.exchange = Exchange::Remote { offer: Some(body.clone()), reply: Reply::Prack(rack.clone()) };
                Some(body)
            }
            // An unreliable response must not carry an offer, and the exchange has only one answer (RFC 3261 §13.2.1).
            (Exchange::NoOffer, None) | (Exchange::Settled | Exchange::Remote { .. } | Exchange::Local { .. }, _) => {
                None
            }
        }
    }

    /// Returns whether the number of a reliable provisional response is the next one (RFC 3262 §4).
    pub(crate) fn is_next(&mut self, number: u32) -> bool {
        let is_next = self.provisional.is_none_or(|last| last.checked_add(1) == Some(number));
        if is_next {
            self.provisional = Some(number);
        }
        is_next
    }

    /// Processes the 2xx to the INVITE of this dialog. Sends the ACK unless the call model has to answer its offer
    /// first. Returns the description to report.
    pub(crate) fn apply_2xx(
        &mut self,
        key: ClientKey,
        invite: &Request,
        response: &Response,
        scope: &mut Scope<'_>,
    ) -> Option<Body> {
        let body = description_of(&response.headers, &response.body).unwrap_or_default();
        let reported = match (&self.exchange, body) {
            (Exchange::Local { by: Carrier::Invite, .. }, body) => {
                self.settle_local_offer(body.clone());
                body
            }
            (Exchange::NoOffer, Some(offer)) if !scope.call.is_over => {
                self.acks.insert(key, Ack::Deferred { invite: Box::new(invite.clone()), is_last: false });
                self.exchange = Exchange::Remote { offer: Some(offer.clone()), reply: Reply::Ack(key) };
                return Some(offer);
            }
            (Exchange::NoOffer, _) => {
                self.exchange = Exchange::Settled;
                None
            }
            // The first exchange is complete. An UPDATE that the 2xx has overtaken has its own answer.
            (Exchange::Settled | Exchange::Remote { .. } | Exchange::Local { .. }, _) => None,
        };
        self.send_ack(key, invite, None, scope);
        reported
    }
}

fn retry_after(response: &Response) -> Option<u32> {
    Some(response.headers.retry_after()?.ok()?.seconds)
}

/// Returns the body of an INFO, or an empty one.
pub(super) fn body_or_empty(request: &Request) -> Body {
    body_of(&request.headers, &request.body)
        .unwrap_or_else(|| Body { content_type: "text/plain".to_owned(), octets: Vec::new() })
}
