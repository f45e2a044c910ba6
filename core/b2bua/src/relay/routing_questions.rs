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
use crate::call::{self, CallKey, Participant};
use crate::command::{CallRef, ReferOptions};
use crate::config::Routing;
use crate::io::{Output, RequestId, RouteTarget};
use offhook_clock::Time;
use offhook_sdp::section::Section;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{InboundInvite, InviteId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A call or transfer whose targets have been requested from the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RoutedCall {
    /// A call of a browser, which has been reported as placed.
    Placed(Box<PlacedCall>),
    /// An inbound call.
    Inbound { invite: InviteId, request: Box<InboundInvite>, call: CallKey },
    /// A transfer of an established call.
    Transfer { at: CallRef, target: Box<Address>, refer: Box<ReferOptions> },
}

/// A call of a browser between its placement and its routing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlacedCall {
    pub(super) plan: CallPlan,
    pub(super) caller: Participant,
    pub(super) offer: Vec<Section>,
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
            Self::Placed(placed) => placed.plan.call,
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

    /// Returns the question about a call of a browser that is not routed yet.
    fn placed(&self, call: CallKey) -> Option<RequestId> {
        self.find(|routed| matches!(routed, RoutedCall::Placed(placed) if placed.plan.call == call))
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
    pub(super) fn request_route(&mut self, source: Source, to: Address, routed: RoutedCall, now: Time) {
        let Routing::External { timeout } = self.config.routing else { return };
        let request = RequestId(self.fresh_id());
        let until = now + timeout;
        self.deadlines.set(Owner::Routing(request), Some(until));
        self.outputs.push_back(Output::Route { request, call: routed.call(), from: source.clone(), to });
        self.questions.open.insert(request, Question { source, routed, until });
    }

    fn take_question(&mut self, request: RequestId) -> Option<Question> {
        self.deadlines.set(Owner::Routing(request), None);
        self.questions.open.remove(&request)
    }

    /// Handles the answer of the shell.
    pub(super) fn call_routed(&mut self, request: RequestId, answer: Result<Vec<RouteTarget>, EndReason>, now: Time) {
        let Some(Question { source, routed, .. }) = self.take_question(request) else {
            self.questions.ignored += 1;
            return;
        };
        let targets = answer.and_then(|targets| self.resolve_targets(&source, &targets));
        self.continue_routed(routed, targets, now);
    }

    /// Refuses a call whose question was not answered in time.
    pub(super) fn routing_timed_out(&mut self, request: RequestId, now: Time) {
        if let Some(Question { routed, .. }) = self.take_question(request) {
            self.continue_routed(routed, Err(EndReason::ServerTimeout), now);
        }
    }

    fn continue_routed(&mut self, routed: RoutedCall, targets: Result<Vec<Target>, EndReason>, now: Time) {
        match routed {
            RoutedCall::Placed(placed) => self.begin_placed(*placed, targets, now),
            RoutedCall::Inbound { invite, request, call } => self.begin_inbound(invite, &request, call, targets, now),
            RoutedCall::Transfer { at, target, refer } => self.ring_target(at, *target, targets, *refer, now),
        }
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

    /// Returns whether this is a leg of a browser's call that is not routed yet.
    pub(super) fn is_unrouted(&self, at: CallRef) -> bool {
        self.calls.call_of(at.leg) == Some(at.call) && self.questions.placed(at.call).is_some()
    }

    /// Ends a call of a browser that is not routed yet. Returns false if there is none.
    pub(super) fn end_unrouted(&mut self, call: CallKey, input: &call::Input, now: Time) -> bool {
        let reason = match input {
            call::Input::Shutdown => EndReason::ShuttingDown,
            call::Input::HangUp { .. } | call::Input::SessionLost { .. } => EndReason::Canceled,
            _ => return false,
        };
        let question = self.questions.placed(call).and_then(|request| self.take_question(request));
        let Some(Question { routed, .. }) = question else { return false };
        self.continue_routed(routed, Err(reason), now);
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
                self.continue_routed(routed, Err(EndReason::ShuttingDown), now);
            }
        }
    }
}
