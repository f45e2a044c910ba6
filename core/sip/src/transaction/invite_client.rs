//! INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §8.4), including its CANCEL (RFC 3261 §9.1).
//!
//! ```text
//!            A: send again
//!            ┌──┐
//!  ──────> Calling ───── cancel ────> Withdrawing (A: send again)
//!            │  │ 1xx                      │ 1xx: CANCEL
//!            │  v                          v
//!            │ Proceeding ─ cancel, C ─> Cancelled          B, 64·T1 after CANCEL, unreachable: fail
//!            │  │  1xx: deliver   CANCEL   │                every state left of Completed ────> Terminated
//!            v  v                          v                                                        ^
//!   300–699: ACK ──────────> Completed (300–699: ACK again) ────────────────── D, unreachable ──────┤
//!   2xx ───────────────────> Accepted  (2xx: deliver) ──────────────────────── M ───────────────────┘
//! ```

use super::timers::{Resend, next};
use super::{Class, ClientInput, ClientOutput, Failure, TransactionTimers};
use crate::transport::Transport;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Calling { resend: Option<Resend>, give_up_at: Time },
    Withdrawing { resend: Option<Resend>, give_up_at: Time },
    Proceeding { cancel_at: Time },
    Cancelled { give_up_at: Time },
    Completed { end_at: Time },
    Accepted { end_at: Time },
    Terminated,
}

/// The INVITE client transaction state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteClient {
    timers: TransactionTimers,
    transport: Transport,
    state: State,
    #[serde(skip)]
    outputs: VecDeque<ClientOutput>,
}

impl InviteClient {
    /// Creates the transaction. Its first output sends the INVITE.
    #[must_use]
    pub fn new(timers: TransactionTimers, transport: Transport, now: Time) -> Self {
        let resend = Resend::first(&timers, transport, now);
        let state = State::Calling { resend, give_up_at: now + timers.transaction_timeout() };
        Self { timers, transport, state, outputs: VecDeque::from([ClientOutput::Send]) }
    }

    /// Processes one input.
    pub fn handle_input(&mut self, input: ClientInput, now: Time) {
        use Class::{Failure as Failed, Provisional, Success};
        use ClientInput::{Cancel, Response, Unreachable};
        match (self.state, input) {
            (State::Calling { .. } | State::Proceeding { .. }, Response(Provisional)) => self.proceed(now),
            (State::Withdrawing { .. }, Response(Provisional)) => {
                self.outputs.push_back(ClientOutput::Deliver);
                self.cancel(now);
            }
            (State::Cancelled { .. }, Response(Provisional)) => self.outputs.push_back(ClientOutput::Deliver),
            (
                State::Calling { .. } | State::Withdrawing { .. } | State::Proceeding { .. } | State::Cancelled { .. },
                Response(Failed),
            ) => self.complete(now),
            (
                State::Calling { .. } | State::Withdrawing { .. } | State::Proceeding { .. } | State::Cancelled { .. },
                Response(Success),
            ) => self.accept(now),
            (State::Calling { resend, give_up_at }, Cancel) => {
                self.state = State::Withdrawing { resend, give_up_at };
            }
            (State::Proceeding { .. }, Cancel) => self.cancel(now),
            (State::Calling { .. } | State::Withdrawing { .. }, Unreachable) => self.fail(Failure::Unreachable),
            (State::Completed { .. }, Response(Failed)) => self.outputs.push_back(ClientOutput::Acknowledge),
            // The transaction user already has its final response.
            (State::Completed { .. }, Unreachable) => self.state = State::Terminated,
            // 2xx responses of other forks, and retransmissions of a 2xx whose ACK was lost (RFC 6026 §7.2).
            (State::Accepted { .. }, Response(Success)) => self.outputs.push_back(ClientOutput::Deliver),
            // The request was sent before, and its response may arrive on another connection (RFC 3261 §18.2.2).
            (State::Proceeding { .. } | State::Cancelled { .. } | State::Accepted { .. }, Unreachable)
            | (State::Completed { .. }, Response(Provisional | Success))
            | (State::Accepted { .. }, Response(Provisional | Failed))
            | (
                State::Withdrawing { .. } | State::Cancelled { .. } | State::Completed { .. } | State::Accepted { .. },
                Cancel,
            )
            | (State::Terminated, Response(_) | Cancel | Unreachable) => {}
        }
    }

    fn proceed(&mut self, now: Time) {
        self.state = State::Proceeding { cancel_at: now + self.timers.c };
        self.outputs.push_back(ClientOutput::Deliver);
    }

    fn cancel(&mut self, now: Time) {
        // After a CANCEL the INVITE is given up after 64·T1 without a final response (§9.1).
        self.state = State::Cancelled { give_up_at: now + self.timers.transaction_timeout() };
        self.outputs.push_back(ClientOutput::Cancel);
    }

    fn complete(&mut self, now: Time) {
        self.outputs.extend([ClientOutput::Acknowledge, ClientOutput::Deliver]);
        let wait = self.timers.d(self.transport);
        self.state = if wait.is_zero() { State::Terminated } else { State::Completed { end_at: now + wait } };
    }

    fn accept(&mut self, now: Time) {
        // Over reliable transports too: a 2xx can be retransmitted end to end after a hop over UDP (RFC 6026 §8.4).
        self.state = State::Accepted { end_at: now + self.timers.transaction_timeout() };
        self.outputs.push_back(ClientOutput::Deliver);
    }

    fn fail(&mut self, failure: Failure) {
        self.state = State::Terminated;
        self.outputs.push_back(ClientOutput::Fail(failure));
    }

    /// Processes the timers that have expired.
    pub fn handle_timeout(&mut self, now: Time) {
        match &mut self.state {
            State::Calling { give_up_at, .. }
            | State::Withdrawing { give_up_at, .. }
            | State::Cancelled { give_up_at }
                if *give_up_at <= now =>
            {
                self.fail(Failure::Timeout);
            }
            State::Calling { resend, .. } | State::Withdrawing { resend, .. } => {
                // Timer A doubles without an upper limit; timer B expires first (§17.1.1.2).
                let transaction_timeout = self.timers.transaction_timeout();
                if let Some(later) = resend.and_then(|resend| resend.due(transaction_timeout, now)) {
                    *resend = Some(later);
                    self.outputs.push_back(ClientOutput::Send);
                }
            }
            State::Proceeding { cancel_at } if *cancel_at <= now => self.cancel(now),
            State::Completed { end_at } | State::Accepted { end_at } if *end_at <= now => {
                self.state = State::Terminated;
            }
            State::Proceeding { .. }
            | State::Cancelled { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => {}
        }
    }

    /// Returns the next output.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    /// Returns the time at which [`Self::handle_timeout`] must be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Calling { resend, give_up_at } | State::Withdrawing { resend, give_up_at } => {
                next(resend, give_up_at)
            }
            State::Proceeding { cancel_at: at }
            | State::Cancelled { give_up_at: at }
            | State::Completed { end_at: at }
            | State::Accepted { end_at: at } => Some(at),
            State::Terminated => None,
        }
    }

    /// Returns whether no response has been received.
    #[must_use]
    pub const fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// Returns whether no final response has been received.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        match self.state {
            State::Calling { .. } | State::Withdrawing { .. } | State::Proceeding { .. } | State::Cancelled { .. } => {
                true
            }
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => false,
        }
    }

    /// Returns whether the transaction has ended.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
