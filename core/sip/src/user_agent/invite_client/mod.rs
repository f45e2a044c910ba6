//! Outbound call: sends INVITEs until one is answered, and owns the dialogs of all forks.
//!
//! ```text
//!        401, 407, 422, 3xx: another INVITE
//!           ┌───────────────┐
//!           v               │   2xx: ACK
//!  ───> Calling ── 1xx ──> Proceeding ─────────────────> Answered ── no more 2xx ──> Over
//!           │  │            │   │                          ^    further 2xx: ACK, BYE     ^
//!  hang-up: │  │     CANCEL │   └── 300–699, failed ───────│──────────────────────────────┤
//!           v  └────────────│──────────────────────────────│──────────────────────────────┤
//!       Withdrawn <─────────┘                              │                              │
//!           ├── 2xx: ACK, BYE ─────────────────────────────┘                              │
//!           └── 300–699, timeout ─────────────────────────────────────────────────────────┘
//! ```
//!
//! Each early dialog is a fork with its own session. The first one with a 2xx is selected.

mod redirection;
mod responses;

use super::context::Scope;
use super::destinations::NamedBy;
use super::io::{Body, Branch, Cause, Event, Failure};
use super::session::timer::SessionTimer;
use super::session::{Incoming, Session, reason_header};
use crate::auth;
use crate::message::{CSeq, HeaderName, Method, Replaces, Request, Response, Uri};
use crate::transaction;
use crate::transaction::layer::{ClientKey, ServerKey};
use offhook_clock::Time;
pub(super) use redirection::Redirection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Attempt {
    Calling(ClientKey),
    Proceeding(ClientKey),
    /// CANCEL was sent, or is deferred until a provisional response.
    Withdrawn(ClientKey),
    /// Further 2xx responses may arrive.
    Answered(ClientKey),
    Over,
}

/// A dialog of the forked INVITE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fork {
    session: Session,
    /// The status code and body that were reported last.
    reported: Option<(u16, Option<Body>)>,
}

/// The state machine of an outbound call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Client {
    /// The INVITE as sent last. Once it is answered, reduced to what further 2xx responses need.
    request: Request,
    offer: Option<Body>,
    attempt: Attempt,
    tries: u8,
    redirection: Redirection,
    /// The session timer for new dialogs.
    timer: SessionTimer,
    /// Boxed because a node of an ordered map has room for eleven values.
    forks: BTreeMap<Branch, Box<Fork>>,
    next_branch: u32,
    chosen: Option<Branch>,
    /// An offer that is deferred until the dialog is selected.
    pending_offer: Option<Body>,
    /// The credentials that are not sent to hosts named by a redirect.
    withheld: Option<auth::AuthClient>,
}

impl Client {
    /// Sends the INVITE, which is complete except for the headers that differ per attempt.
    pub(super) fn begin(
        mut request: Request,
        offer: Option<Body>,
        redirection: Redirection,
        scope: &mut Scope<'_>,
    ) -> Self {
        let settings = &scope.context.settings;
        let timer = SessionTimer::new(settings.session_expires, settings.min_session_expires);
        if let Some(body) = &offer {
            request.set_body(&body.content_type, body.octets.clone());
        }
        let mut client = Self {
            request,
            offer,
            attempt: Attempt::Over,
            tries: 0,
            redirection,
            timer,
            forks: BTreeMap::new(),
            next_branch: 0,
            chosen: None,
            pending_offer: None,
            withheld: None,
        };
        client.send_invite(scope);
        client
    }

    /// Returns the Call-ID, which is the same for all requests of the call.
    pub(super) fn call_id(&self) -> Option<&str> {
        self.request.headers.call_id().ok()
    }

    fn send_invite(&mut self, scope: &mut Scope<'_>) {
        self.timer.set_request_headers(&mut self.request.headers);
        match scope.send(&mut self.request) {
            Some(key) => self.attempt = Attempt::Calling(key),
            None => self.end_call(Cause::Failed(Failure::NoSuchHost), scope),
        }
    }

    /// Sends the INVITE to the next target of a redirect. Without a proxy, credentials are sent only to the original
    /// host, because the callee could name a host that collects them.
    fn follow_redirect(&mut self, target: Uri, scope: &mut Scope<'_>) {
        let auth = scope.call.auth.take().or_else(|| self.withheld.take());
        if self.request.headers.has(HeaderName::Route) || self.redirection.is_at_home(&target) {
            scope.call.auth = auth;
        } else {
            self.withheld = auth;
            self.request.headers.remove(HeaderName::Authorization);
            self.request.headers.remove(HeaderName::ProxyAuthorization);
        }
        self.request.uri = target;
        if let Some(peer) = scope.call.peer {
            scope.call.named_by = NamedBy::Peer(peer);
        }
        self.repeat_invite(scope);
    }

    /// Sends the INVITE again as a new request (RFC 3261 §8.1.3.5).
    fn repeat_invite(&mut self, scope: &mut Scope<'_>) {
        self.drop_forks(None, scope);
        self.tries += 1;
        let number = self.request.headers.cseq().map_or(1, |cseq| cseq.number).saturating_add(1);
        self.request.headers.set(HeaderName::CSeq, CSeq { number, method: Method::Invite });
        self.send_invite(scope);
    }

    fn end_call(&mut self, cause: Cause, scope: &mut Scope<'_>) {
        self.attempt = Attempt::Over;
        self.drop_forks(None, scope);
        scope.end(cause);
    }

    /// Returns whether no INVITE is pending and no dialog is left.
    pub(super) fn is_over(&self) -> bool {
        self.attempt == Attempt::Over && self.forks.is_empty()
    }

    /// Returns the session of the selected dialog.
    fn current(&mut self) -> Option<&mut Session> {
        let chosen = self.chosen?;
        self.forks.get_mut(&chosen).map(|fork| &mut fork.session)
    }

    /// Returns the `Replaces` value of the established dialog.
    pub(super) fn replaces(&self) -> Option<Replaces> {
        let fork = self.forks.get(&self.chosen?)?;
        fork.session.is_established().then(|| fork.session.dialog.id().replaces())
    }

    #[cfg(test)]
    pub(super) fn agreed(&self) -> Option<&super::session::Agreed> {
        let session = &self.forks.get(&self.chosen?)?.session;
        session.is_established().then_some(&session.agreed)
    }

    /// Returns whether the dialog of a fork is established, as opposed to early, for a `Replaces` that refers to it.
    /// `None` if it has ended.
    pub(super) fn is_established(&self, branch: Branch) -> Option<bool> {
        let session = &self.forks.get(&branch)?.session;
        session.is_alive().then(|| session.is_established())
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.forks.values().filter_map(|fork| fork.session.deadline()).min()
    }

    pub(super) fn handle_timeout(&mut self, scope: &mut Scope<'_>) {
        self.forks.values_mut().for_each(|fork| fork.session.handle_timeout(scope));
        self.remove_ended(scope);
    }

    /// Ends the call with CANCEL or BYE.
    pub(super) fn hang_up(&mut self, reason: Option<(u16, String)>, scope: &mut Scope<'_>) {
        scope.end(Cause::Local);
        if let Some(session) = self.current() {
            session.hang_up(reason.clone(), scope);
        }
        self.withdraw(reason, scope);
        self.remove_ended(scope);
    }

    /// Sends CANCEL if the INVITE has no final response.
    fn withdraw(&mut self, reason: Option<(u16, String)>, scope: &mut Scope<'_>) {
        if let Attempt::Calling(key) | Attempt::Proceeding(key) = self.attempt {
            self.attempt = Attempt::Withdrawn(key);
            self.drop_forks(None, scope);
            let reason = reason.map(|(status, text)| reason_header(status, &text).to_string());
            scope.context.layer.cancel(key, reason, scope.now);
        }
    }

    /// Sends a new offer. Before the call is answered, this is possible only with exactly one dialog.
    pub(super) fn offer(&mut self, body: Body, scope: &mut Scope<'_>) {
        if self.chosen.is_none() && self.forks.len() != 1 {
            if self.pending_offer.replace(body).is_some() {
                let invite = scope.invite();
                scope.report(Event::OfferRefused { invite, status: 491 });
            }
            return;
        }
        let only = self.chosen.or_else(|| self.forks.keys().next().copied());
        if let Some(fork) = only.and_then(|branch| self.forks.get_mut(&branch)) {
            fork.session.offer(body, scope);
        }
    }

    /// Answers the offer of one dialog: each has its own exchange (RFC 6337 §4.1).
    pub(super) fn answer(&mut self, branch: Branch, body: &Body, scope: &mut Scope<'_>) {
        if let Some(fork) = self.forks.get_mut(&branch) {
            fork.session.answer(body, scope);
        }
    }

    pub(super) fn refuse(&mut self, branch: Branch, status: u16, reason: Option<&str>, scope: &mut Scope<'_>) {
        let Some(fork) = self.forks.get_mut(&branch) else { return };
        fork.session.refuse(status, reason, scope);
        if scope.call.is_over {
            self.withdraw(Some((status, reason.unwrap_or_default().to_owned())), scope);
        }
        self.remove_ended(scope);
    }

    /// Calls `act` with the established session, if there is one.
    pub(super) fn in_session(&mut self, scope: &mut Scope<'_>, act: impl FnOnce(Option<&mut Session>, &mut Scope<'_>)) {
        act(self.current(), scope);
        self.remove_ended(scope);
    }

    /// Processes an in-dialog request of the callee.
    pub(super) fn receive(&mut self, branch: Branch, incoming: Incoming, scope: &mut Scope<'_>) {
        if incoming.request.method == Method::Prack {
            // The relay sent no provisional response (RFC 3262 §3).
            scope.respond(incoming.key, Response::to(&incoming.request, 481, ""));
            return;
        }
        if let Some(fork) = self.forks.get_mut(&branch) {
            fork.session.receive(incoming, scope);
        }
        self.remove_ended(scope);
    }

    pub(super) fn receive_ack(&mut self, branch: Branch, ack: &Request, scope: &mut Scope<'_>) {
        if let Some(fork) = self.forks.get_mut(&branch) {
            fork.session.receive_ack(ack, scope);
        }
        self.remove_ended(scope);
    }

    /// Processes the CANCEL of a re-INVITE from the callee.
    pub(super) fn receive_cancel(&mut self, key: ServerKey, scope: &mut Scope<'_>) {
        self.forks.values_mut().for_each(|fork| fork.session.receive_cancel(key, scope));
    }

    /// Processes the failure of a request.
    pub(super) fn failed(&mut self, key: ClientKey, failure: transaction::Failure, scope: &mut Scope<'_>) {
        match self.attempt {
            Attempt::Calling(of) | Attempt::Proceeding(of) if of == key => self.invite_failed(failure, scope),
            Attempt::Withdrawn(of) | Attempt::Answered(of) if of == key => self.attempt = Attempt::Over,
            Attempt::Calling(_)
            | Attempt::Proceeding(_)
            | Attempt::Withdrawn(_)
            | Attempt::Answered(_)
            | Attempt::Over => {
                if let Some(fork) = self.fork_of_request(key) {
                    fork.session.failed(key, failure, scope);
                }
            }
        }
        self.remove_ended(scope);
    }

    fn fork_of_request(&mut self, key: ClientKey) -> Option<&mut Fork> {
        self.forks.values_mut().map(Box::as_mut).find(|fork| fork.session.is_outgoing(key))
    }

    /// Processes the end of an INVITE transaction: no further 2xx will arrive.
    pub(super) fn ended(&mut self, key: ClientKey, scope: &mut Scope<'_>) {
        if self.attempt == Attempt::Answered(key) {
            self.attempt = Attempt::Over;
        }
        self.forks.values_mut().for_each(|fork| fork.session.forget_ack(key));
        self.remove_ended(scope);
    }

    /// Removes sessions that have ended. While a 2xx may still arrive, an ended session is kept, because its BYE must
    /// continue the CSeq of the dialog.
    fn remove_ended(&mut self, scope: &mut Scope<'_>) {
        if matches!(self.attempt, Attempt::Withdrawn(_) | Attempt::Answered(_)) {
            return;
        }
        self.forks.retain(|_, fork| {
            if fork.session.is_gone() {
                scope.context.dialogs.remove(fork.session.dialog.id());
            }
            !fork.session.is_gone()
        });
    }

    /// Ends all dialogs except `but`.
    fn drop_forks(&mut self, but: Option<Branch>, scope: &mut Scope<'_>) {
        for (branch, fork) in &mut self.forks {
            if Some(*branch) != but {
                fork.session.end_silently(scope);
            }
        }
        self.remove_ended(scope);
    }

    /// Returns the key of the INVITE that can still receive responses.
    const fn invite_key(&self) -> Option<ClientKey> {
        match self.attempt {
            Attempt::Calling(key) | Attempt::Proceeding(key) | Attempt::Withdrawn(key) | Attempt::Answered(key) => {
                Some(key)
            }
            Attempt::Over => None,
        }
    }
}

/// Converts the failure of a transaction for the call model.
pub(super) const fn failure_of(failure: transaction::Failure) -> Failure {
    match failure {
        transaction::Failure::Timeout => Failure::Timeout,
        transaction::Failure::Unreachable | transaction::Failure::Withdrawn => Failure::Unreachable,
        transaction::Failure::NoSuchHost => Failure::NoSuchHost,
    }
}
