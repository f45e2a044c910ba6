//! Inbound call: provisional responses, acceptance and rejection of an INVITE.
//!
//! ```text
//!            1xx: retransmitted until PRACK if reliable, else repeated every minute
//!           ┌──┐
//!  ──────> Ringing ── accepted ──> Answered: session only, 2xx retransmitted until ACK
//!              │
//!              ├── rejected: 300–699 ────────────────> Over
//!              ├── CANCEL, BYE: 487 ─────────────────> Over
//!              └── no PRACK for 64·T1: 504 ──────────> Over
//! ```

mod reliable;

use super::capabilities::announce;
use super::context::Scope;
use super::io::{Body, Cause};
use super::out_of_dialog::RETRY_AFTER;
use super::session::timer::Proposal;
use super::session::{Exchange, Incoming, Reply, Session, reason_header, reason_of};
use crate::message::{HeaderName, Method, Replaces, Request, Response, Uri};
use crate::transaction::Failure;
use crate::transaction::layer::{ClientKey, ServerKey};
use core::time::Duration;
use offhook_clock::{Time, earliest};
use reliable::Reliable;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The interval of repeated provisional responses. A proxy gives up after three minutes without one (RFC 3261
/// §13.3.1.1).
const REPEAT_INTERVAL: Duration = Duration::from_secs(60);

/// The maximum number of provisional responses that wait for the PRACK of the previous one.
const MAX_WAITING: usize = 8;

/// The headers of the INVITE that responses are built from. Only these are kept.
const KEPT: [HeaderName; 10] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::RecordRoute,
    HeaderName::Require,
    HeaderName::Supported,
    HeaderName::SessionExpires,
    HeaderName::MinSe,
];

/// The caller's support of reliable provisional responses (RFC 3262 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Reliability {
    Unknown,
    /// Used for responses with a description.
    Supported,
    Required,
}

/// A provisional response to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ringing {
    status: u16,
    body: Option<Body>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Ringing {
        /// The reliable response that has not been acknowledged with PRACK.
        unacknowledged: Option<Box<Reliable>>,
        waiting: VecDeque<Ringing>,
        /// The body of the 200, which is sent after the pending descriptions are acknowledged.
        accepted: Option<Option<Body>>,
        latest: Option<u16>,
        repeat_at: Option<Time>,
    },
    /// `late` is the number of a provisional response without PRACK.
    Answered {
        late: Option<u32>,
    },
    Over,
}

/// The state machine of an inbound call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Server {
    incoming: Incoming,
    reliability: Reliability,
    stage: Stage,
    session: Session,
    /// The description of an unreliable provisional response, which may have been lost.
    preview: Option<Body>,
    next_rseq: u32,
}

impl Server {
    /// Returns the Call-ID.
    pub(super) fn call_id(&self) -> Option<&str> {
        self.incoming.request.headers.call_id().ok()
    }

    /// Processes an INVITE that was already validated.
    pub(super) fn begin(mut incoming: Incoming, session: Session, scope: &mut Scope<'_>) -> Self {
        let headers = &incoming.request.headers;
        let reliability = match (headers.requires("100rel"), headers.supports("100rel")) {
            (true, _) => Reliability::Required,
            (false, true) => Reliability::Supported,
            (false, false) => Reliability::Unknown,
        };
        let invite = scope.invite();
        scope.context.dialogs.insert(session.dialog.id().clone(), (invite, session.branch));
        scope.context.unanswered.insert(incoming.key, invite);
        // Below 2^31, with room for increments (RFC 3262 §3).
        let next_rseq = 1 + u32::try_from(scope.context.up_to(Duration::from_secs(100_000)).as_millis()).unwrap_or(0);
        let stage = Stage::Ringing {
            unacknowledged: None,
            waiting: VecDeque::new(),
            accepted: None,
            latest: None,
            repeat_at: None,
        };
        incoming.request.reduce_to(&KEPT);
        Self { incoming, reliability, stage, session, preview: None, next_rseq }
    }

    pub(super) const fn is_ringing(&self) -> bool {
        matches!(self.stage, Stage::Ringing { .. })
    }

    /// Returns whether the call has ended and its signaling is complete.
    pub(super) fn is_over(&self) -> bool {
        !self.is_ringing() && self.session.is_gone()
    }

    #[cfg(test)]
    pub(super) fn agreed(&self) -> Option<&super::session::Agreed> {
        self.session.is_established().then_some(&self.session.agreed)
    }

    pub(super) fn is_established(&self) -> Option<bool> {
        self.session.is_alive().then(|| self.session.is_established())
    }

    pub(super) fn replaces(&self) -> Option<Replaces> {
        self.session.is_established().then(|| self.session.dialog.id().replaces())
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let own = match &self.stage {
            Stage::Ringing { unacknowledged, repeat_at, .. } => {
                earliest(unacknowledged.as_deref().map(Reliable::deadline), *repeat_at)
            }
            Stage::Answered { .. } | Stage::Over => None,
        };
        earliest(own, self.session.deadline())
    }

    pub(super) fn handle_timeout(&mut self, scope: &mut Scope<'_>) {
        self.retransmit_reliable(scope);
        self.refresh_provisional(scope);
        self.session.handle_timeout(scope);
        self.remove_ended(scope);
    }

    /// Sends a provisional response.
    pub(super) fn ring(&mut self, status: u16, body: Option<Body>, scope: &mut Scope<'_>) {
        if !(101..200).contains(&status) {
            return;
        }
        let is_reliable = match self.reliability {
            Reliability::Unknown => false,
            Reliability::Supported => body.is_some(),
            Reliability::Required => true,
        };
        let Stage::Ringing { unacknowledged, waiting, accepted: None, latest, repeat_at } = &mut self.stage else {
            return;
        };
        *latest = Some(status);
        *repeat_at = Some(scope.now + REPEAT_INTERVAL);
        if !is_reliable {
            self.ring_once(status, body, scope);
        } else if unacknowledged.is_some() {
            // Only one reliable response may be pending (RFC 3262 §3).
            if waiting.len() < MAX_WAITING {
                waiting.push_back(Ringing { status, body });
            }
        } else {
            self.ring_reliably(Ringing { status, body }, scope);
        }
    }

    fn ring_once(&mut self, status: u16, body: Option<Body>, scope: &mut Scope<'_>) {
        let mut response = self.response(status, scope);
        let may_answer = matches!(&self.session.exchange, Exchange::Remote { reply: Reply::Invite, .. });
        if body.is_some() {
            self.preview = body;
        }
        // An unreliable response must not carry an offer (RFC 3261 §13.2.1).
        if may_answer && let Some(body) = &self.preview {
            response.set_body(&body.content_type, body.octets.clone());
        }
        scope.respond(self.incoming.key, response);
    }

    /// Creates a response that creates or refreshes the dialog.
    fn response(&self, status: u16, scope: &Scope<'_>) -> Response {
        let mut response = Response::to(&self.incoming.request, status, "");
        response.set_to_tag(&self.session.dialog.id().local_tag);
        response.headers.push(HeaderName::Contact, scope.contact(Some(&self.incoming.source)));
        announce(&mut response.headers, false, self.session.timer.is_used());
        response
    }

    fn refresh_provisional(&mut self, scope: &mut Scope<'_>) {
        let Stage::Ringing { latest: Some(status), repeat_at, .. } = &mut self.stage else { return };
        if repeat_at.take_if(|at| *at <= scope.now).is_some() {
            let status = *status;
            self.ring(status, None, scope);
        }
    }

    /// Sends 200, immediately or when pending exchanges are complete.
    pub(super) fn accept(&mut self, body: Option<Body>, scope: &mut Scope<'_>) {
        if let Stage::Ringing { waiting, accepted: accepted @ None, .. } = &mut self.stage {
            waiting.clear();
            *accepted = Some(body);
            self.proceed(scope);
        }
    }

    /// Performs actions that were deferred until a PRACK or an answer.
    fn proceed(&mut self, scope: &mut Scope<'_>) {
        let Stage::Ringing { unacknowledged, waiting, accepted, .. } = &mut self.stage else { return };
        if accepted.is_some() {
            let is_held_up = unacknowledged.as_deref().is_some_and(Reliable::has_description)
                || matches!(&self.session.exchange, Exchange::Local { .. })
                || self.session.has_unanswered_offer();
            if !is_held_up && let Some(body) = accepted.take() {
                self.send_2xx(body, scope);
            }
        } else if unacknowledged.is_none()
            && let Some(next) = waiting.pop_front()
        {
            self.ring_reliably(next, scope);
        }
    }

    fn send_2xx(&mut self, body: Option<Body>, scope: &mut Scope<'_>) {
        let mut response = self.response(200, scope);
        let body = body.or_else(|| self.preview.take());
        let carried = match (&self.session.exchange, body) {
            (Exchange::Remote { reply: Reply::Invite, .. }, Some(body)) => {
                self.session.answered(body.clone());
                Some(body)
            }
            (Exchange::NoOffer, Some(body)) => {
                self.session.offer_in_success(body.clone(), self.incoming.cseq());
                Some(body)
            }
            (Exchange::Remote { .. } | Exchange::NoOffer, None) => {
                self.session.exchange = Exchange::Settled;
                None
            }
            // The description was already sent reliably.
            (Exchange::Settled | Exchange::Local { .. } | Exchange::Remote { .. }, _) => None,
        };
        if let Some(body) = carried {
            response.set_body(&body.content_type, body.octets);
        }
        let proposal = Proposal::of(&self.incoming.request.headers);
        self.session.timer.set_response_headers(&mut response.headers, &proposal, scope.now);
        let _ = self.session.dialog.confirm(None);
        let late = match &self.stage {
            Stage::Ringing { unacknowledged, .. } => unacknowledged.as_deref().map(Reliable::number),
            Stage::Answered { .. } | Stage::Over => None,
        };
        self.stage = Stage::Answered { late };
        self.session.send_2xx(self.incoming.key, response, true, scope);
        self.session.establish(scope);
    }

    /// Rejects the call. A 503 contains `Retry-After`: without it, the peer would handle the response like a 500 (RFC 3261
    /// §21.5.4).
    pub(super) fn reject(&mut self, status: u16, reason: Option<&str>, contacts: &[Uri], scope: &mut Scope<'_>) {
        if self.is_ringing() {
            let mut response = Response::to(&self.incoming.request, status.clamp(300, 699), reason.unwrap_or_default());
            for contact in contacts {
                response.headers.push(HeaderName::Contact, format_args!("<{contact}>"));
            }
            if status == 503 {
                response.headers.push(HeaderName::RetryAfter, RETRY_AFTER);
            }
            scope.end(Cause::Local);
            self.finish(response, scope);
        }
    }

    fn finish(&mut self, mut response: Response, scope: &mut Scope<'_>) {
        response.set_to_tag(&self.session.dialog.id().local_tag);
        self.stage = Stage::Over;
        scope.respond(self.incoming.key, response);
        self.session.end_silently(scope);
        self.remove_ended(scope);
    }

    /// Ends the call with 480 or BYE.
    pub(super) fn hang_up(&mut self, reason: Option<(u16, String)>, scope: &mut Scope<'_>) {
        scope.end(Cause::Local);
        if self.is_ringing() {
            let mut response = Response::to(&self.incoming.request, 480, "");
            if let Some((status, text)) = reason {
                response.headers.push(HeaderName::Reason, reason_header(status, &text));
            }
            self.finish(response, scope);
        } else {
            self.session.hang_up(reason, scope);
            self.remove_ended(scope);
        }
    }

    /// Processes CANCEL, of the call or of a re-INVITE.
    pub(super) fn receive_cancel(&mut self, key: ServerKey, cancel: &Request, scope: &mut Scope<'_>) {
        if self.is_ringing() && key == self.incoming.key {
            scope.end(Cause::Remote { reason: reason_of(&cancel.headers) });
            self.finish(Response::to(&self.incoming.request, 487, ""), scope);
        } else {
            self.session.receive_cancel(key, scope);
        }
    }

    pub(super) fn offer(&mut self, body: Body, scope: &mut Scope<'_>) {
        self.session.offer(body, scope);
    }

    pub(super) fn answer(&mut self, body: &Body, scope: &mut Scope<'_>) {
        self.session.answer(body, scope);
        self.proceed(scope);
    }

    pub(super) fn refuse(&mut self, status: u16, reason: Option<&str>, scope: &mut Scope<'_>) {
        self.session.refuse(status, reason, scope);
        self.proceed(scope);
        self.remove_ended(scope);
    }

    /// Calls `act` with the established session.
    pub(super) fn in_session(&mut self, scope: &mut Scope<'_>, act: impl FnOnce(&mut Session, &mut Scope<'_>)) {
        act(&mut self.session, scope);
        self.remove_ended(scope);
    }

    /// Processes an in-dialog request of the caller.
    pub(super) fn receive(&mut self, incoming: Incoming, scope: &mut Scope<'_>) {
        if incoming.request.method == Method::Prack && !self.accept_prack(&incoming.request) {
            let mut response = Response::to(&incoming.request, 481, "");
            response.set_to_tag(&self.session.dialog.id().local_tag);
            scope.respond(incoming.key, response);
            return;
        }
        self.session.receive(incoming, scope);
        if self.is_ringing() && self.session.is_gone() {
            // BYE in an early dialog (RFC 3261 §15.1.2).
            return self.finish(Response::to(&self.incoming.request, 487, ""), scope);
        }
        self.proceed(scope);
        self.remove_ended(scope);
    }

    pub(super) fn receive_ack(&mut self, ack: &Request, scope: &mut Scope<'_>) {
        self.session.receive_ack(ack, scope);
        self.remove_ended(scope);
    }

    pub(super) fn receive_response(&mut self, key: ClientKey, response: &Response, scope: &mut Scope<'_>) {
        self.session.receive_response(key, response, scope);
        self.proceed(scope);
        self.remove_ended(scope);
    }

    pub(super) fn failed(&mut self, key: ClientKey, failure: Failure, scope: &mut Scope<'_>) {
        self.session.failed(key, failure, scope);
        self.proceed(scope);
        self.remove_ended(scope);
    }

    pub(super) fn ended(&mut self, key: ClientKey, scope: &mut Scope<'_>) {
        self.session.forget_ack(key);
        self.remove_ended(scope);
    }

    fn remove_ended(&self, scope: &mut Scope<'_>) {
        if self.session.is_gone() {
            scope.context.dialogs.remove(self.session.dialog.id());
        }
    }
}
