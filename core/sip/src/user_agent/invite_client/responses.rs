//! Responses to the INVITE of an outbound call.

use super::{Attempt, Client, Fork, failure_of};
use crate::auth::AuthRefusal;
use crate::dialog::{Dialog, DialogId};
use crate::message::{CSeq, HeaderName, Method, RAck, Response};
use crate::transaction;
use crate::transaction::layer::ClientKey;
use crate::user_agent::context::Scope;
use crate::user_agent::io::{Branch, Cause, Event, Failure};
use crate::user_agent::session::{Exchange, Reply, Session};
use core::time::Duration;

/// The maximum number of concurrent early dialogs. Further dialogs with a 2xx are still terminated with ACK and BYE.
const MAX_FORKS: usize = 16;

/// The maximum number of repeated INVITEs after challenges, session intervals and redirects.
const MAX_TRIES: u8 = 12;

/// The headers of an answered INVITE that its ACKs and dialogs are built from. Only these are kept.
const KEPT: [HeaderName; 4] =
    [HeaderName::From, HeaderName::CSeq, HeaderName::Authorization, HeaderName::ProxyAuthorization];

impl Client {
    /// Processes a response to one of the requests of this call.
    pub(crate) fn receive_response(&mut self, key: ClientKey, response: &Response, scope: &mut Scope<'_>) {
        if self.invite_key() == Some(key) {
            match response.status {
                ..200 => self.provisional(key, response, scope),
                200..300 => self.success(key, response, scope),
                300.. => self.failure(response, scope),
            }
        } else if let Some(fork) = self.fork_of_request(key) {
            fork.session.receive_response(key, response, scope);
        }
        self.remove_ended(scope);
    }

    fn provisional(&mut self, key: ClientKey, response: &Response, scope: &mut Scope<'_>) {
        match self.attempt {
            Attempt::Calling(_) | Attempt::Proceeding(_) => self.attempt = Attempt::Proceeding(key),
            Attempt::Withdrawn(_) | Attempt::Answered(_) | Attempt::Over => return,
        }
        if response.status == 100 {
            return;
        }
        let Ok(id) = DialogId::of_response(response) else { return };
        if response.status == 199 {
            // 199: the early dialog is terminated (RFC 6228).
            if let Some((branch, _)) = self.find(&id) {
                self.drop_fork(branch, scope);
            }
            return;
        }
        let Some(branch) = self.find_or_create(&id, response, scope) else { return };
        let Some(fork) = self.forks.get_mut(&branch) else { return };
        fork.progress(response, scope);
    }

    fn find(&mut self, id: &DialogId) -> Option<(Branch, &mut Fork)> {
        let found = self.forks.iter_mut().find(|(_, fork)| fork.session.dialog.id() == id);
        found.map(|(branch, fork)| (*branch, fork.as_mut()))
    }

    fn find_or_create(&mut self, id: &DialogId, response: &Response, scope: &mut Scope<'_>) -> Option<Branch> {
        if let Some((branch, _)) = self.find(id) {
            return Some(branch);
        }
        let limit = if response.is_success() { MAX_FORKS * 2 } else { MAX_FORKS };
        if self.forks.len() >= limit {
            return None;
        }
        let dialog = Dialog::of_client(&self.request, response).ok()?;
        let branch = Branch(self.next_branch);
        self.next_branch += 1;
        scope.context.dialogs.insert(dialog.id().clone(), (scope.call.invite, branch));
        let session = Session::of_caller(branch, dialog, self.offer.clone(), self.timer.clone());
        self.forks.insert(branch, Box::new(Fork { session, reported: None }));
        Some(branch)
    }

    fn drop_fork(&mut self, branch: Branch, scope: &mut Scope<'_>) {
        if let Some(fork) = self.forks.get_mut(&branch) {
            fork.session.end_silently(scope);
        }
    }

    /// Processes a 2xx. The first dialog with a 2xx is selected; the others are terminated (RFC 3261 §13.2.2.4).
    fn success(&mut self, key: ClientKey, response: &Response, scope: &mut Scope<'_>) {
        let Ok(id) = DialogId::of_response(response) else { return };
        if let Some((_, fork)) = self.find(&id)
            && fork.session.retransmit_ack(key, scope)
        {
            return;
        }
        let is_first = matches!(self.attempt, Attempt::Calling(_) | Attempt::Proceeding(_));
        let branch = self.find_or_create(&id, response, scope);
        self.answered(key);
        let Some(branch) = branch else {
            if is_first {
                // The response creates no usable dialog.
                self.drop_forks(None, scope);
                scope.end(Cause::Lost);
            }
            return;
        };
        let Some(fork) = self.forks.get_mut(&branch) else { return };
        fork.session.note_capabilities(&response.headers);
        let _ = fork.session.dialog.confirm(Some(response));
        if !is_first {
            return fork.session.decline(key, &self.request, scope);
        }
        fork.session.timer.accepted(response.headers.session_expires().and_then(Result::ok), scope.now);
        let body = fork.session.apply_2xx(key, &self.request, response, scope);
        self.chosen = Some(branch);
        let invite = scope.invite();
        scope.report(Event::Answered { invite, branch, body });
        self.drop_forks(Some(branch), scope);
        let pending_offer = self.pending_offer.take();
        if let Some(session) = self.current() {
            session.establish(scope);
            if let Some(body) = pending_offer {
                session.offer(body, scope);
            }
        }
    }

    /// Reduces the state to what further 2xx responses need, which are acknowledged and whose dialogs are terminated.
    fn answered(&mut self, key: ClientKey) {
        if !matches!(self.attempt, Attempt::Answered(_)) {
            self.request.reduce_to(&KEPT);
            self.offer = None;
            self.forks.values_mut().for_each(|fork| fork.reported = None);
        }
        self.attempt = Attempt::Answered(key);
    }

    fn failure(&mut self, response: &Response, scope: &mut Scope<'_>) {
        match self.attempt {
            Attempt::Calling(_) | Attempt::Proceeding(_) => {}
            Attempt::Withdrawn(_) => {
                self.attempt = Attempt::Over;
                return;
            }
            Attempt::Answered(_) | Attempt::Over => return,
        }
        let may_try = self.tries < MAX_TRIES;
        match response.status {
            401 | 407 if may_try => match scope.store_challenge(&self.request, response) {
                Ok(()) => self.repeat_invite(scope),
                Err(AuthRefusal::Rejected { realm }) => {
                    self.end_call(Cause::Failed(Failure::WrongPassword { realm }), scope);
                }
                Err(AuthRefusal::Unanswerable(_)) => self.refused(response, scope),
            },
            422 if may_try && self.raise(response) => self.repeat_invite(scope),
            _ => self.refused(response, scope),
        }
    }

    fn raise(&mut self, response: &Response) -> bool {
        let least = response.headers.min_se().and_then(Result::ok);
        self.timer.raise(least.map(|seconds| Duration::from_secs(seconds.into()))).is_some()
    }

    /// Tries the next target of a redirect, or ends the call.
    fn refused(&mut self, response: &Response, scope: &mut Scope<'_>) {
        self.redirection.refused(response);
        match self.redirection.next(response.status) {
            Some(target) if self.tries < MAX_TRIES => self.follow_redirect(target, scope),
            Some(_) | None => {
                let cause = self.redirection.cause();
                self.end_call(cause, scope);
            }
        }
    }

    pub(super) fn invite_failed(&mut self, failure: transaction::Failure, scope: &mut Scope<'_>) {
        match self.redirection.next(408) {
            Some(target) if self.tries < MAX_TRIES => self.follow_redirect(target, scope),
            Some(_) | None => self.end_call(Cause::Failed(failure_of(failure)), scope),
        }
    }
}

impl Fork {
    fn progress(&mut self, response: &Response, scope: &mut Scope<'_>) {
        let rack = if response.headers.requires("100rel") {
            let (Some(Ok(number)), Ok(cseq)) = (response.headers.rseq(), response.headers.cseq()) else { return };
            // A retransmission, or a response whose predecessor is missing (RFC 3262 §4).
            if !self.session.is_next(number) {
                return;
            }
            Some(RAck { response: number, cseq: CSeq { number: cseq.number, method: Method::Invite } })
        } else {
            None
        };
        self.session.note_capabilities(&response.headers);
        let body = self.session.apply_early_description(response, rack.as_ref());
        let (status, reason) = (response.status, response.reason.clone());
        let (invite, branch) = (scope.invite(), self.session.branch);
        let reported = Some((status, body.clone()));
        if self.reported != reported {
            self.reported = reported;
            scope.report(Event::Progress { invite, branch, status, reason, body });
        }
        if let Some(rack) = rack
            && !matches!(self.session.exchange, Exchange::Remote { reply: Reply::Prack(_), .. })
        {
            self.session.send_prack(&rack, None, scope);
        }
        self.session.send_pending_offer(scope);
    }
}
