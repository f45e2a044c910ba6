//! REFER both ways, with the subscription that each makes (RFC 3515, RFC 4488, RFC 6665).

use super::ours::What;
use super::{Incoming, Session};
use crate::dialog::{DialogId, Referral, refer_to};
use crate::message::{
    Event as Package, HeaderName, Method, Replaces, Response, Subscription, SubscriptionState, reason_phrase,
};
use crate::user_agent::io::Event;
use crate::user_agent::outlet::Scope;
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How long a subscription lives without a word.
const LIFETIME: Duration = Duration::from_secs(180);

/// Progress that waits for the NOTIFY before it to be answered.
const MOST_WAITING: usize = 8;

/// Our REFER, and what the peer tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Referring {
    /// The number of the REFER, which names the subscription (RFC 3515 §2.4.6).
    cseq: u32,
    expires_at: Time,
}

impl Referring {
    pub(super) const fn deadline(&self) -> Time {
        self.expires_at
    }

    /// The REFER was sent again.
    pub(super) const fn renumber(&mut self, cseq: u32) {
        self.cseq = cseq;
    }
}

/// The peer's REFER, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Referred {
    /// The call model is asked.
    Asked(Box<Incoming>),
    /// Accepted. `waiting`: what is to be told after the NOTIFY that is under way.
    Subscribed { package: Package, is_busy: bool, waiting: VecDeque<(u16, String)> },
}

impl Session {
    /// Asks the peer to call somebody else.
    pub(crate) fn refer(&mut self, target: &str, replaces: Option<&Replaces>, scope: &mut Scope<'_>) {
        let invite = scope.invite();
        let refused = |status| Event::ReferProgress { invite, status, is_final: true, is_refused: true };
        if !self.is_established() || self.referring.is_some() {
            return scope.tell(refused(491));
        }
        let Ok(refer_to) = refer_to(target, replaces) else { return scope.tell(refused(400)) };
        let mut request = self.dialog.request(Method::Refer);
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let by = self.dialog.local().uri.clone();
        request.headers.push(HeaderName::ReferTo, refer_to);
        request.headers.push(HeaderName::ReferredBy, format_args!("<{by}>"));
        request.headers.push(HeaderName::Contact, scope.contact(None));
        request.headers.push(HeaderName::Supported, "norefersub");
        self.referring = Some(Referring { cseq, expires_at: scope.now + LIFETIME });
        if self.send(What::Refer, request, scope).is_none() {
            self.refer_refused(503, scope);
        }
    }

    pub(super) fn refer_accepted(&mut self, response: &Response, scope: &mut Scope<'_>) {
        if self.referring.is_none() {
            // The NOTIFY that ended it was faster.
            return;
        }
        let is_silent = response.headers.get("Refer-Sub").is_some_and(|value| value.trim().starts_with("false"));
        if is_silent {
            // Nothing more will be heard of it (RFC 4488 §4).
            self.tell_referring(202, true, scope);
        } else {
            self.tell_referring(100, false, scope);
        }
    }

    pub(super) fn refer_refused(&mut self, status: u16, scope: &mut Scope<'_>) {
        if self.referring.take().is_some() {
            let invite = scope.invite();
            scope.tell(Event::ReferProgress { invite, status, is_final: true, is_refused: true });
        }
    }

    fn tell_referring(&mut self, status: u16, is_final: bool, scope: &mut Scope<'_>) {
        let invite = scope.invite();
        if is_final {
            self.referring = None;
        }
        scope.tell(Event::ReferProgress { invite, status, is_final, is_refused: false });
    }

    pub(super) fn expire_referral(&mut self, scope: &mut Scope<'_>) {
        if self.referring.take_if(|referring| referring.expires_at <= scope.now).is_some() {
            self.tell_referring(408, true, scope);
        }
    }

    /// NOTIFY: how the peer's new call is getting on.
    pub(super) fn notified(&mut self, incoming: &Incoming, scope: &mut Scope<'_>) {
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
            (Some(status), _) if status >= 200 => self.tell_referring(status, true, scope),
            // Gone without a result: nobody knows.
            (Some(_) | None, true) => self.tell_referring(487, true, scope),
            (Some(status), false) => self.tell_referring(status, false, scope),
            (None, false) => {}
        }
    }

    /// The peer wants this end to call somebody else.
    pub(super) fn refer_asked(&mut self, incoming: Incoming, scope: &mut Scope<'_>) {
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
            target: referral.target.to_string(),
            replaces: referral.replaces.as_ref().map(ToString::to_string),
            // Named to whom the new call goes to: it is one of this relay's where both ends are its own.
            replaced: replaced.and_then(|id| scope.outlet.dialogs.get(&id)).map(|(invite, _)| *invite),
            referred_by: headers.referred_by().and_then(Result::ok).map(|by| by.uri.to_string()),
        };
        self.referred = Some(Referred::Asked(Box::new(incoming)));
        scope.tell(event);
    }

    /// The call model says whether it does.
    pub(crate) fn answer_refer(&mut self, status: u16, scope: &mut Scope<'_>) {
        let Some(Referred::Asked(incoming)) = self.referred.take_if(|referred| matches!(referred, Referred::Asked(_)))
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

    /// Tells the peer how the new call is getting on.
    pub(crate) fn notify(&mut self, status: u16, reason: &str, scope: &mut Scope<'_>) {
        if let Some(Referred::Subscribed { waiting, .. }) = &mut self.referred
            && waiting.back().is_none_or(|(status, _)| *status < 200)
        {
            // What is newest counts: without the result the subscription would not end.
            waiting.truncate(MOST_WAITING - 1);
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
        if self.send(What::Notify, request, scope).is_none() {
            self.referred = None;
        }
    }

    /// A NOTIFY is answered: the next.
    pub(super) fn notify_next(&mut self, scope: &mut Scope<'_>) {
        if let Some(Referred::Subscribed { is_busy, .. }) = &mut self.referred {
            *is_busy = false;
            self.notify_waiting(scope);
        }
    }

    /// The peer does not want to hear of it any more.
    pub(super) fn unsubscribed(&mut self) {
        if matches!(self.referred, Some(Referred::Subscribed { .. })) {
            self.referred = None;
        }
    }

    /// The result that waits behind another NOTIFY goes out before the BYE: afterwards nobody could be told.
    pub(super) fn tell_result(&mut self, scope: &mut Scope<'_>) {
        if let Some(Referred::Subscribed { is_busy, waiting, .. }) = &mut self.referred {
            waiting.retain(|(status, _)| *status >= 200);
            *is_busy = false;
            self.notify_waiting(scope);
        }
    }

    /// The dialog ends, and its subscriptions with it.
    pub(super) fn close_referrals(&mut self, scope: &mut Scope<'_>) {
        self.referring = None;
        if let Some(Referred::Asked(incoming)) = self.referred.take() {
            self.answer_with(&incoming, 481, scope);
        }
    }
}

/// The status in a `message/sipfrag` (RFC 3420).
fn sipfrag_status(body: &[u8]) -> Option<u16> {
    let text = core::str::from_utf8(body).ok()?;
    let line = text.lines().next()?;
    let mut words = line.split_ascii_whitespace();
    let version = words.next()?;
    let status = words.next()?.parse().ok()?;
    (version.eq_ignore_ascii_case("SIP/2.0") && (100..700).contains(&status)).then_some(status)
}
