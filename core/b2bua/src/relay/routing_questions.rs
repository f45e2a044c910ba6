//! Routing of calls by the shell ([`Routing::External`]): requests for the targets of calls, their answers and their
//! deadlines.
//!
//! ```text
//!  browser call ──> Placed is reported ──┐
//!  INVITE ──────────────────────────────┼──> Route ──> open ──┬─ Routed ─────────────────────> the targets are alerted
//!  transfer target ─────────────────────┘                     ├─ deadline ───────────────────> refused: ServerTimeout
//!                                                             └─ hang-up, CANCEL, shutdown ──> ended; a later answer is
//!                                                                                              counted and ignored
//! ```
//!
//! An answer contains users and addresses. A user is located by the location table, and the originator of the call must
//! be permitted to call the targets, as in local routing.

use super::Relay;
use super::deadlines::Owner;
use super::participants::{Alert, CallPlan};
use super::routing::{Source, Target};
use crate::address::Address;
use crate::authorization::ApplicationRefusal;
use crate::call::{self, CallKey, End, Participant, SessionId};
use crate::command::{CallRef, ReferOptions};
use crate::config::Routing;
use crate::io::{Output, RequestId, RouteAnswer, RouteSubject, RouteTarget};
use offhook_clock::Time;
use offhook_sdp::codec::MediaKind;
use offhook_sdp::section::Section;
use offhook_sdp::sip::SipDescription;
use offhook_signaling::message::{CallId, CallStatus};
use offhook_signaling::reason::EndReason;
use offhook_signaling::version::Extension;
use offhook_sip::user_agent::io::{AccountId, InboundInvite, InviteId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A call or transfer whose targets have been requested from the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RoutedCall {
    /// A call of a browser, which has been reported as placed.
    Placed(Box<PlacedCall>),
    /// A call of the application, which has been reported as placed and waits for the registration of its account.
    Registering { placed: Box<PlacedCall>, account: AccountId },
    /// An inbound call.
    Inbound { invite: InviteId, request: Box<InboundInvite>, call: CallKey },
    /// A transfer of an established call.
    Transfer { at: CallRef, target: Box<Address>, refer: Box<ReferOptions> },
}

/// A call of a browser or of the application between its placement and its routing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlacedCall {
    pub(super) plan: CallPlan,
    pub(super) caller: Participant,
    /// `None` for a call of the application.
    pub(super) offer: Option<Vec<Section>>,
    pub(super) alert: Alert,
}

/// An open request for the targets of a call, with the originator of the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Question {
    source: Source,
    routed: RoutedCall,
    until: Time,
}

impl RoutedCall {
    const fn call(&self) -> CallKey {
        match self {
            Self::Placed(placed) | Self::Registering { placed, .. } => placed.plan.call,
            Self::Inbound { call, .. } => *call,
            Self::Transfer { at, .. } => at.call,
        }
    }
}

/// All open questions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RoutingQuestions {
    #[serde(with = "offhook_limits::pairs")]
    open: BTreeMap<RequestId, Question>,
    /// Answers without an open question.
    ignored: u64,
}

impl RoutingQuestions {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns the number of answers without an open question.
    pub(super) const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Returns the deadlines of all questions.
    #[cfg(test)]
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Time> + '_ {
        self.open.values().map(|question| question.until)
    }

    fn find(&self, is_meant: impl Fn(&RoutedCall) -> bool) -> Option<RequestId> {
        self.open.iter().find(|(_, question)| is_meant(&question.routed)).map(|(request, _)| *request)
    }

    /// Returns the question about a call of a browser or of the application that is not routed yet.
    fn placed(&self, call: CallKey) -> Option<RequestId> {
        self.find(|routed| match routed {
            RoutedCall::Placed(placed) | RoutedCall::Registering { placed, .. } => placed.plan.call == call,
            RoutedCall::Inbound { .. } | RoutedCall::Transfer { .. } => false,
        })
    }

    /// Returns whether the target of a transfer by this participant has been requested.
    pub(super) fn has_transfer(&self, by: CallRef) -> bool {
        self.find(|routed| matches!(routed, RoutedCall::Transfer { at, .. } if *at == by)).is_some()
    }
}

impl Relay {
    /// Returns whether the shell routes the calls.
    pub(super) const fn routes_externally(&self) -> bool {
        matches!(self.config.routing, Routing::External { .. })
    }

    /// Requests the targets of a call from the shell.
    pub(super) fn request_route(
        &mut self,
        source: Source,
        to: Address,
        subject: Option<Box<RouteSubject>>,
        routed: RoutedCall,
        now: Time,
    ) {
        let Routing::External { timeout } = self.config.routing else { return };
        let request = RequestId(self.fresh_id());
        let until = now + timeout;
        self.deadlines.set(Owner::Routing(request), Some(until));
        self.outputs.push_back(Output::Route { request, call: routed.call(), from: source.clone(), to, subject });
        self.questions.open.insert(request, Question { source, routed, until });
    }

    /// Returns a browser's call for the application.
    pub(super) fn subject_of_placed(
        &self,
        session: SessionId,
        caller: &Participant,
        offer: &[Section],
    ) -> Option<Box<RouteSubject>> {
        let has_video = offer.iter().any(|section| section.kind == MediaKind::Video && !section.rejected);
        let call = self.presenter.view(caller.leg)?.object(CallStatus::Trying, has_video);
        Some(Box::new(RouteSubject { session: Some(session), call }))
    }

    /// Returns an inbound call for the application.
    pub(super) fn subject_of_inbound(
        &self,
        call: CallKey,
        alert: &Alert,
        targets: &Result<Vec<Target>, EndReason>,
        offer: Option<&SipDescription>,
    ) -> Option<Box<RouteSubject>> {
        let session = targets.iter().flatten().find_map(|target| match target {
            Target::Session(session) => Some(*session),
            Target::Phone(_) | Target::Uri { .. } => None,
        });
        let has_video = offer.is_some_and(|offer| {
            offer.media().iter().any(|section| section.kind == MediaKind::Video && !section.rejected)
        });
        let call = alert.view(SessionId(0), CallId(call.0.to_string()), Extension::default(), true);
        Some(Box::new(RouteSubject { session, call: call.object(CallStatus::Ring, has_video) }))
    }

    fn take_question(&mut self, request: RequestId) -> Option<Question> {
        self.deadlines.set(Owner::Routing(request), None);
        self.questions.open.remove(&request)
    }

    /// Handles the answer of the shell.
    pub(super) fn call_routed(&mut self, request: RequestId, answer: RouteAnswer, now: Time) {
        let Some(Question { source, routed, .. }) = self.take_question(request) else {
            self.questions.ignored += 1;
            return;
        };
        let (callee, targets) = match answer {
            RouteAnswer::Local => (None, self.local_targets(&source, &routed).map_err(End::from)),
            RouteAnswer::Callee(callee) => {
                let targets = self.targets_of_callee(&source, &callee).map_err(End::from);
                (Some(callee), targets)
            }
            RouteAnswer::Targets(targets) => (None, self.resolve_targets(&source, &targets).map_err(End::from)),
            RouteAnswer::Refused(reason) => (None, Err(reason.into())),
            RouteAnswer::RefusedBy(ApplicationRefusal { sip_status, info }) => {
                (None, Err(End { reason: EndReason::Forbidden, status_line: Some((sip_status, info)) }))
            }
        };
        self.continue_changed(routed, callee, targets, now);
    }

    /// Refuses a call whose question was not answered in time.
    pub(super) fn routing_timed_out(&mut self, request: RequestId, now: Time) {
        if let Some(Question { routed, .. }) = self.take_question(request) {
            self.continue_routed(routed, Err(EndReason::ServerTimeout.into()), now);
        }
    }

    fn continue_routed(&mut self, routed: RoutedCall, targets: Result<Vec<Target>, End>, now: Time) {
        self.continue_changed(routed, None, targets, now);
    }

    /// Continues a call whose callee the shell may have replaced.
    fn continue_changed(
        &mut self,
        routed: RoutedCall,
        callee: Option<Address>,
        targets: Result<Vec<Target>, End>,
        now: Time,
    ) {
        match routed {
            RoutedCall::Placed(mut placed) | RoutedCall::Registering { mut placed, .. } => {
                placed.alert.callee = callee.unwrap_or(placed.alert.callee);
                self.begin_placed(*placed, targets, now);
            }
            RoutedCall::Inbound { invite, request, call } => {
                self.begin_inbound(invite, &request, call, (callee, targets), now);
            }
            RoutedCall::Transfer { at, target, refer } => {
                let targets = targets.map_err(|end| end.reason);
                self.ring_target(at, callee.unwrap_or(*target), targets, *refer, now);
            }
        }
    }

    /// Returns the targets that the relay itself determines.
    fn local_targets(&self, source: &Source, routed: &RoutedCall) -> Result<Vec<Target>, EndReason> {
        match routed {
            RoutedCall::Placed(placed) | RoutedCall::Registering { placed, .. } => {
                self.route(source, &placed.alert.callee)
            }
            RoutedCall::Inbound { request, .. } => self.called(request).2,
            RoutedCall::Transfer { target, .. } => self.route(source, target),
        }
    }

    /// Returns the targets of a callee that the shell has named. A peer of an account reaches the users of the relay,
    /// too.
    fn targets_of_callee(&self, source: &Source, callee: &Address) -> Result<Vec<Target>, EndReason> {
        let is_inbound = matches!(source, Source::Account(_)) && self.is_user(callee.login());
        if is_inbound { self.route_here(source, callee.login()) } else { self.route(source, callee) }
    }

    /// Returns the destinations of an answer that the originator may call, or the reason why there is none.
    fn resolve_targets(&self, source: &Source, targets: &[RouteTarget]) -> Result<Vec<Target>, EndReason> {
        let mut refusal = EndReason::NotFound;
        let mut found: Vec<Target> = Vec::new();
        for target in targets {
            let resolved = match target {
                RouteTarget::User(login) => self.route_here(source, login),
                RouteTarget::Address(address) => self.route_to_address(source, address),
            };
            match resolved {
                Ok(resolved) => found.extend(resolved),
                Err(reason) => refusal = reason,
            }
        }
        // Two targets can name the same user.
        let mut targets: Vec<Target> = Vec::with_capacity(found.len());
        for target in found {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if targets.is_empty() { Err(refusal) } else { Ok(targets) }
    }

    /// Delays the routing of a call of the application until its account is registered.
    pub(super) fn await_registration(&mut self, account: AccountId, placed: PlacedCall, now: Time) {
        let request = RequestId(self.fresh_id());
        let until = now + self.config.ring_timeout;
        self.deadlines.set(Owner::Routing(request), Some(until));
        let (source, placed) = (Source::Application(Some(account)), Box::new(placed));
        let routed = RoutedCall::Registering { placed, account };
        self.questions.open.insert(request, Question { source, routed, until });
    }

    /// Routes the calls that wait for the registration of an account, or ends them.
    pub(super) fn end_wait_for_registration(&mut self, id: AccountId, result: Result<(), EndReason>, now: Time) {
        let is_meant =
            |routed: &RoutedCall| matches!(routed, RoutedCall::Registering { account, .. } if *account == id);
        while let Some(request) = self.questions.find(is_meant) {
            let Some(Question { source, routed: RoutedCall::Registering { placed, .. }, .. }) =
                self.take_question(request)
            else {
                return;
            };
            match result {
                Ok(()) => self.route_placed(source, *placed, now),
                Err(reason) => self.begin_placed(*placed, Err(reason.into()), now),
            }
        }
    }

    /// Determines the targets of a call that has been reported as placed, and alerts them.
    pub(super) fn route_placed(&mut self, source: Source, placed: PlacedCall, now: Time) {
        if self.routes_externally() {
            let to = placed.alert.callee.clone();
            // The application need not authorize its own call.
            return self.request_route(source, to, None, RoutedCall::Placed(Box::new(placed)), now);
        }
        let targets = self.route(&source, &placed.alert.callee).map_err(End::from);
        self.begin_placed(placed, targets, now);
    }

    /// Returns whether this is a leg of a browser's or the application's call that is not routed yet.
    pub(super) fn is_unrouted(&self, at: CallRef) -> bool {
        self.calls.call_of(at.leg) == Some(at.call) && self.questions.placed(at.call).is_some()
    }

    /// Ends a call of a browser that is not routed yet. Returns false if there is none.
    pub(super) fn end_unrouted(&mut self, call: CallKey, input: &call::Input, now: Time) -> bool {
        let reason = match input {
            call::Input::End { reason } => *reason,
            call::Input::HangUp { .. } | call::Input::SessionLost { .. } => EndReason::Canceled,
            _ => return false,
        };
        let question = self.questions.placed(call).and_then(|request| self.take_question(request));
        let Some(Question { routed, .. }) = question else { return false };
        self.continue_routed(routed, Err(reason.into()), now);
        true
    }

    /// Removes the question about an inbound call that has ended before it was routed.
    pub(super) fn forget_unrouted(&mut self, ended: InviteId) {
        let is_meant = |routed: &RoutedCall| matches!(routed, RoutedCall::Inbound { invite, .. } if *invite == ended);
        if let Some(request) = self.questions.find(is_meant) {
            self.take_question(request);
        }
    }

    /// Ends all calls that are not routed yet.
    pub(super) fn shut_down_unrouted(&mut self, now: Time) {
        for request in self.questions.open.keys().copied().collect::<Vec<_>>() {
            if let Some(Question { routed, .. }) = self.take_question(request) {
                self.continue_routed(routed, Err(EndReason::ShuttingDown.into()), now);
            }
        }
    }
}
