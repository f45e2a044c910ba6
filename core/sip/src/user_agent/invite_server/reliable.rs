//! Reliable provisional responses (RFC 3262 §3).

use super::{Ringing, Server, Stage};
use crate::message::{HeaderName, Method, Request, Response};
use crate::user_agent::context::Scope;
use crate::user_agent::io::Cause;
use crate::user_agent::session::{Exchange, Reply};
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// A response that is retransmitted until its PRACK arrives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reliable {
    number: u32,
    response: Response,
    interval: Duration,
    again_at: Time,
    give_up_at: Time,
}

impl Reliable {
    pub(super) fn deadline(&self) -> Time {
        self.again_at.min(self.give_up_at)
    }

    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    /// Returns whether it carries a description. A 2xx must not be sent before its PRACK (RFC 3262 §3).
    pub(super) fn has_description(&self) -> bool {
        !self.response.body.is_empty()
    }
}

impl Server {
    pub(super) fn ring_reliably(&mut self, Ringing { status, body }: Ringing, scope: &mut Scope<'_>) {
        let mut response = self.response(status, scope);
        let number = self.next_rseq;
        self.next_rseq = self.next_rseq.saturating_add(1);
        response.headers.push(HeaderName::Require, "100rel");
        response.headers.push(HeaderName::RSeq, number);
        let carried = match (&self.session.exchange, body) {
            (Exchange::Remote { reply: Reply::Invite, .. }, Some(body)) => {
                self.session.answered(body.clone());
                Some(body)
            }
            (Exchange::NoOffer, Some(body)) => {
                self.session.offer_early(body.clone());
                self.preview = Some(body.clone());
                Some(body)
            }
            (Exchange::Settled | Exchange::Local { .. } | Exchange::Remote { .. } | Exchange::NoOffer, _) => None,
        };
        if let Some(body) = carried {
            response.set_body(&body.content_type, body.octets);
        }
        let interval = scope.context.settings.t1;
        let (again_at, give_up_at) = (scope.now + interval, scope.now + scope.context.transaction_timeout());
        scope.respond(self.incoming.key, response.clone());
        if let Stage::Ringing { unacknowledged, .. } = &mut self.stage {
            *unacknowledged = Some(Box::new(Reliable { number, response, interval, again_at, give_up_at }));
        }
    }

    pub(super) fn retransmit_reliable(&mut self, scope: &mut Scope<'_>) {
        let Stage::Ringing { unacknowledged: Some(reliable), .. } = &mut self.stage else { return };
        if reliable.give_up_at <= scope.now {
            scope.end(Cause::Lost);
            return self.finish(Response::to(&self.incoming.request, 504, ""), scope);
        }
        if reliable.again_at <= scope.now {
            reliable.interval *= 2;
            reliable.again_at = scope.now + reliable.interval;
            scope.respond(self.incoming.key, reliable.response.clone());
        }
    }

    /// Returns whether a PRACK acknowledges the pending response.
    pub(super) fn accept_prack(&mut self, prack: &Request) -> bool {
        let Some(Ok(rack)) = prack.headers.rack() else { return false };
        if rack.cseq.number != self.incoming.cseq() || rack.cseq.method != Method::Invite {
            return false;
        }
        match &mut self.stage {
            Stage::Ringing { unacknowledged, .. } => {
                unacknowledged.take_if(|reliable| reliable.number == rack.response).is_some()
            }
            Stage::Answered { late } => late.take_if(|number| *number == rack.response).is_some(),
            Stage::Over => false,
        }
    }
}
