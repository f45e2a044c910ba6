//! Retransmission of 2xx responses until the ACK, over TCP too because a later hop may use UDP (RFC 3261 §13.3.1.4).

use super::Session;
use super::exchange::{Carrier, Exchange};
use crate::message::{Request, Response};
use crate::transaction::layer::ServerKey;
use crate::user_agent::capabilities::description_of;
use crate::user_agent::context::Scope;
use crate::user_agent::io::{Cause, Event};
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// The maximum interval, T2 (RFC 3261 §13.3.1.4).
const LONGEST_INTERVAL: Duration = Duration::from_secs(4);

/// A 2xx to an INVITE without ACK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Success {
    key: ServerKey,
    cseq: u32,
    response: Response,
    interval: Duration,
    again_at: Time,
    give_up_at: Time,
    /// Whether it created the dialog.
    is_first: bool,
}

impl Success {
    pub(super) fn deadline(&self) -> Time {
        self.again_at.min(self.give_up_at)
    }

    pub(super) const fn is_first(&self) -> bool {
        self.is_first
    }
}

impl Session {
    /// Sends a 2xx to an INVITE.
    pub(crate) fn send_2xx(&mut self, key: ServerKey, response: Response, is_first: bool, scope: &mut Scope<'_>) {
        let cseq = response.headers.cseq().map_or(0, |cseq| cseq.number);
        let interval = scope.context.settings.t1;
        let (again_at, give_up_at) = (scope.now + interval, scope.now + scope.context.transaction_timeout());
        self.successes.push(Success {
            key,
            cseq,
            response: response.clone(),
            interval,
            again_at,
            give_up_at,
            is_first,
        });
        scope.respond(key, response);
    }

    pub(super) fn retransmit_2xx(&mut self, scope: &mut Scope<'_>) {
        let now = scope.now;
        if self.successes.iter().any(|success| success.give_up_at <= now) {
            return self.end_without_ack(scope);
        }
        for success in self.successes.iter_mut().filter(|success| success.again_at <= now) {
            success.interval = (success.interval * 2).min(LONGEST_INTERVAL);
            success.again_at = now + success.interval;
            scope.respond(success.key, success.response.clone());
        }
    }

    /// Ends the session because no ACK arrived (RFC 3261 §13.3.1.4).
    fn end_without_ack(&mut self, scope: &mut Scope<'_>) {
        self.successes.clear();
        scope.end(Cause::Lost);
        self.hang_up(Some((408, "No ACK".to_owned())), scope);
        self.send_bye(scope);
    }

    /// Processes an ACK.
    pub(crate) fn receive_ack(&mut self, ack: &Request, scope: &mut Scope<'_>) {
        let cseq = ack.headers.cseq().map_or(0, |cseq| cseq.number);
        let Some(at) = self.successes.iter().position(|success| success.cseq == cseq) else { return };
        let success = self.successes.remove(at);
        if self.exchange.is_carried_by(&Carrier::Success { cseq }) {
            self.take_answer_of_ack(ack, success.is_first, scope);
        }
        self.send_bye(scope);
        self.send_pending_offer(scope);
    }

    fn take_answer_of_ack(&mut self, ack: &Request, is_first: bool, scope: &mut Scope<'_>) {
        let invite = scope.invite();
        match description_of(&ack.headers, &ack.body) {
            Ok(Some(body)) => {
                self.settle_local_offer(Some(body.clone()));
                scope.report(Event::OfferAnswered { invite, body });
            }
            // Without an answer there is no session, or the previous one continues.
            Ok(None) | Err(_) if is_first => {
                self.exchange = Exchange::Settled;
                self.end_as_lost(scope);
            }
            Ok(None) | Err(_) => {
                self.exchange = Exchange::Settled;
                scope.report(Event::OfferRefused { invite, status: 488 });
            }
        }
    }
}
