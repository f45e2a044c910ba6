//! REFER, sent and received, with its implicit subscription (RFC 3515, RFC 4488, RFC 6665).

use super::outgoing::RequestKind;
use super::{Incoming, Session};
use crate::dialog::{DialogId, Referral, refer_to};
use crate::message::{
    Event as Package, HeaderName, Method, Replaces, Response, Subscription, SubscriptionState, Uri, reason_phrase,
};
use crate::user_agent::context::Scope;
use crate::user_agent::io::Event;
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The lifetime of a subscription without NOTIFY.
const LIFETIME: Duration = Duration::from_secs(180);

/// The maximum number of progress reports that wait for the response to the previous NOTIFY.
const MAX_WAITING: usize = 8;

/// A sent REFER and its subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Referring {
    /// The CSeq of the REFER, which identifies the subscription (RFC 3515 §2.4.6).
    cseq: u32,
    expires_at: Time,
}

impl Referring {
    pub(super) const fn deadline(&self) -> Time {
        self.expires_at
    }

    /// Stores the CSeq of a repeated REFER.
    pub(super) const fn renumber(&mut self, cseq: u32) {
        self.cseq = cseq;
    }
}

/// A received REFER and its subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Referred {
    /// The call model has not answered yet.
    Undecided(Box<Incoming>),
    /// Accepted. `waiting` holds the reports to send after the pending NOTIFY.
    Subscribed { package: Package, is_busy: bool, waiting: VecDeque<(u16, String)> },
}

impl Session {
    /// Sends a REFER for `target`.
    pub(crate) fn refer(&mut self, target: Uri, replaces: Option<&Replaces>, scope: &mut Scope<'_>) {
        let invite = scope.invite();
        let refused = |status| Event::ReferProgress { invite, status, is_final: true, is_refused: true };
        if !self.is_established() || self.referring.is_some() {
            return scope.report(refused(491));
        }
        let Ok(refer_to) = refer_to(target, replaces) else { return scope.report(refused(400)) };
        let mut request = self.dialog.request(Method::Refer);
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let by = self.dialog.local().uri.clone();
        request.headers.push(HeaderName::ReferTo, refer_to);
        request.headers.push(HeaderName::ReferredBy, format_args!("<{by}>"));
        request.headers.push(HeaderName::Contact, scope.contact(None));
        request.headers.push(HeaderName::Supported, "norefersub");
        self.referring = Some(Referring { cseq, expires_at: scope.now + LIFETIME });
        if self.send(RequestKind::Refer, request, scope).is_none() {
            self.refer_refused(503, scope);
        }
    }

    pub(super) fn refer_accepted(&mut self, response: &Response, scope: &mut Scope<'_>) {
        if self.referring.is_none() {
            // The final NOTIFY arrived before this response.
            return;
        }
        let is_silent = response.headers.get("Refer-Sub").is_some_and(|value| value.trim().starts_with("false"));
        if is_silent {
            // There is no subscription (RFC 4488 §4).
            self.report_referral(202, true, scope);
        } else {
            self.report_referral(100, false, scope);
        }
    }

    pub(super) fn refer_refused(&mut self, status: u16, scope: &mut Scope<'_>) {
        if self.referring.take().is_some() {
            let invite = scope.invite();
            scope.report(Event::ReferProgress { invite, status, is_final: true, is_refused: true });
        }
    }

    fn report_referral(&mut self, status: u16, is_final: bool, scope: &mut Scope<'_>) {
        let invite = scope.invite();
        if is_final {
            self.referring = None;
        }
        scope.report(Event::ReferProgress { invite, status, is_final, is_refused: false });
    }

    pub(super) fn expire_referral(&mut self, scope: &mut Scope<'_>) {
        if self.referring.take_if(|referring| referring.expires_at <= scope.now).is_some() {
            self.report_referral(408, true, scope);
        }
    }

    /// Processes a NOTIFY with the progress of the peer's new call.
    pub(super) fn receive_notify(&mut self, incoming: &Incoming, scope: &mut Scope<'_>) {
        let headers = &incoming.request.headers;
        let package = headers.event().and_then(Result::ok);
        if !package.as_ref().is_some_and(|package| package.is("refer")) {
            return self.answer_with(incoming, 489, scope);
        }
        let Some(referring) = &mut self.referring else { return self.answer_with(incoming, 481, scope) };
        let id = package.as_ref().and_then(|package| package.id());
        if id.is_some_and(|id| id != referring.cseq.to_string()) {
            return self.answer_with(incoming, 481, scope);
        }
        let state = headers.subscription_state().and_then(Result::ok);
        let lifetime =
            state.as_ref().and_then(SubscriptionState::expires).map(|seconds| Duration::from_secs(seconds.into()));
        referring.expires_at = scope.now + lifetime.unwrap_or(LIFETIME).clamp(Duration::from_secs(5), LIFETIME * 4);
        let status = sipfrag_status(&incoming.request.body);
        let is_terminated = state.is_some_and(|state| state.state == Subscription::Terminated);
        self.answer_with(incoming, 200, scope);
        match (status, is_terminated) {
            (Some(status), _) if status >= 200 => self.report_referral(status, true, scope),
            // The subscription ended without a result.
            (Some(_) | None, true) => self.report_referral(487, true, scope),
            (Some(status), false) => self.report_referral(status, false, scope),
            (None, false) => {}
        }
    }

    /// Processes a REFER of the peer.
    pub(super) fn receive_refer(&mut self, incoming: Incoming, scope: &mut Scope<'_>) {
        let headers = &incoming.request.headers;
        if headers.lines(HeaderName::ReferTo).count() != 1 {
            return self.answer_with(&incoming, 400, scope);
        }
        let Some(Ok(refer_to)) = headers.refer_to() else { return self.answer_with(&incoming, 400, scope) };
        let Ok(referral) = Referral::of(&refer_to) else { return self.answer_with(&incoming, 501, scope) };
        if self.referred.is_some() || !self.is_established() {
            return self.answer_with(&incoming, 491, scope);
        }
        let replaced = referral.replaces.as_ref().map(DialogId::of_replaces);
        let event = Event::Refer {
            invite: scope.invite(),
            target: Box::new(referral.target),
            replaces: referral.replaces.as_ref().map(ToString::to_string),
            // Resolves the dialog if the new call goes to this relay.
            replaced: replaced.and_then(|id| scope.context.dialogs.get(&id)).map(|(invite, _)| *invite),
            referred_by: headers.referred_by().and_then(Result::ok).map(|by| Box::new(by.uri)),
        };
        self.referred = Some(Referred::Undecided(Box::new(incoming)));
        scope.report(event);
    }

    /// Answers the REFER as decided by the call model.
    pub(crate) fn answer_refer(&mut self, status: u16, scope: &mut Scope<'_>) {
        let Some(Referred::Undecided(incoming)) =
            self.referred.take_if(|referred| matches!(referred, Referred::Undecided(_)))
        else {
            return;
        };
        if !(200..300).contains(&status) {
            return self.answer_with(&incoming, status.clamp(300, 699), scope);
        }
        let headers = &incoming.request.headers;
        let is_silent = headers.get("Refer-Sub").is_some_and(|value| value.trim().starts_with("false"));
        let mut response = self.reply(&incoming, 202);
        response.headers.push(HeaderName::Contact, scope.contact(Some(&incoming.source)));
        if is_silent {
            response.headers.push("Refer-Sub", "false");
            scope.respond(incoming.key, response);
            return;
        }
        scope.respond(incoming.key, response);
        let mut package = Package::new("refer");
        package.params.set("id", incoming.cseq().to_string());
        self.referred = Some(Referred::Subscribed { package, is_busy: false, waiting: VecDeque::new() });
        self.notify(100, reason_phrase(100), scope);
    }

    /// Reports the progress of the new call to the peer.
    pub(crate) fn notify(&mut self, status: u16, reason: &str, scope: &mut Scope<'_>) {
        if let Some(Referred::Subscribed { waiting, .. }) = &mut self.referred
            && waiting.back().is_none_or(|(status, _)| *status < 200)
        {
            // The newest report is kept: without the final status the subscription would not end.
            waiting.truncate(MAX_WAITING - 1);
            waiting.push_back((status, reason.to_owned()));
            self.notify_waiting(scope);
        }
    }

    fn notify_waiting(&mut self, scope: &mut Scope<'_>) {
        let Some(Referred::Subscribed { package, is_busy: is_busy @ false, waiting }) = &mut self.referred else {
            return;
        };
        let Some((status, reason)) = waiting.pop_front() else { return };
        *is_busy = true;
        let package = package.clone();
        let is_final = status >= 200;
        let state = if is_final {
            SubscriptionState::terminated("noresource")
        } else {
            SubscriptionState::active(u32::try_from(LIFETIME.as_secs()).unwrap_or(180))
        };
        let mut request = self.dialog.request(Method::Notify);
        request.headers.push(HeaderName::Event, package);
        request.headers.push(HeaderName::SubscriptionState, state);
        request.headers.push(HeaderName::Contact, scope.contact(None));
        let reason = reason.replace(['\r', '\n'], " ");
        request.set_body("message/sipfrag;version=2.0", format!("SIP/2.0 {status} {reason}\r\n").into_bytes());
        if is_final {
            self.referred = None;
        }
        if self.send(RequestKind::Notify, request, scope).is_none() {
            self.referred = None;
        }
    }

    /// Sends the next report after the response to a NOTIFY.
    pub(super) fn notify_next(&mut self, scope: &mut Scope<'_>) {
        if let Some(Referred::Subscribed { is_busy, .. }) = &mut self.referred {
            *is_busy = false;
            self.notify_waiting(scope);
        }
    }

    /// Ends the subscription because the peer rejected a NOTIFY.
    pub(super) fn unsubscribed(&mut self) {
        if matches!(self.referred, Some(Referred::Subscribed { .. })) {
            self.referred = None;
        }
    }

    /// Sends a waiting final report before the BYE, because a NOTIFY is not possible afterwards.
    pub(super) fn notify_result(&mut self, scope: &mut Scope<'_>) {
        if let Some(Referred::Subscribed { is_busy, waiting, .. }) = &mut self.referred {
            waiting.retain(|(status, _)| *status >= 200);
            *is_busy = false;
            self.notify_waiting(scope);
        }
    }

    /// Ends the subscriptions with the dialog.
    pub(super) fn close_referrals(&mut self, scope: &mut Scope<'_>) {
        self.referring = None;
        if let Some(Referred::Undecided(incoming)) = self.referred.take() {
            self.answer_with(&incoming, 481, scope);
        }
    }
}

/// Returns the status code of a `message/sipfrag` (RFC 3420).
fn sipfrag_status(body: &[u8]) -> Option<u16> {
    let text = core::str::from_utf8(body).ok()?;
    let line = text.lines().next()?;
    let mut words = line.split_ascii_whitespace();
    let version = words.next()?;
    let status = words.next()?.parse().ok()?;
    (version.eq_ignore_ascii_case("SIP/2.0") && (100..700).contains(&status)).then_some(status)
}
