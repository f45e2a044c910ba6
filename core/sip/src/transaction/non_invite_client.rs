//! Client transaction of all methods except INVITE and ACK (RFC 3261 §17.1.2).
//!
//! ```text
//!            E: send again          E: send again, every T2
//!            ┌──┐                   ┌──┐
//!  ──────> Trying ───── 1xx ────> Proceeding (1xx: deliver)
//!            │  │                   │  │
//!            │  └─ 200–699: deliver ┴──┼──> Completed ─ K ─> Terminated
//!            └──── F, unreachable: fail┴─────────────────────────^
//! ```

use super::timers::{Resend, next};
use super::{Class, ClientInput, ClientOutput, Failure, TransactionTimers};
use crate::transport::Transport;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Trying { resend: Option<Resend>, give_up_at: Time },
    Proceeding { resend: Option<Resend>, give_up_at: Time },
    Completed { end_at: Time },
    Terminated,
}

/// The non-INVITE client transaction state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonInviteClient {
    timers: TransactionTimers,
    transport: Transport,
    state: State,
    #[serde(skip)]
    outputs: VecDeque<ClientOutput>,
}

impl NonInviteClient {
    /// Creates the transaction. Its first output sends the request.
    #[must_use]
    pub fn new(timers: TransactionTimers, transport: Transport, now: Time) -> Self {
        let resend = Resend::first(&timers, transport, now);
        let state = State::Trying { resend, give_up_at: now + timers.transaction_timeout() };
        Self { timers, transport, state, outputs: VecDeque::from([ClientOutput::Send]) }
    }

    /// Processes one input.
    pub fn handle_input(&mut self, input: ClientInput, now: Time) {
        use Class::{Failure as Failed, Provisional, Success};
        use ClientInput::{Cancel, Response, Unreachable};
        match (self.state, input) {
            (State::Trying { resend, give_up_at }, Response(Provisional)) => {
                let resend = resend.map(|resend| resend.with_interval(self.timers.t2));
                self.state = State::Proceeding { resend, give_up_at };
                self.outputs.push_back(ClientOutput::Deliver);
            }
            (State::Proceeding { .. }, Response(Provisional)) => self.outputs.push_back(ClientOutput::Deliver),
            (State::Trying { .. } | State::Proceeding { .. }, Response(Success | Failed)) => self.complete(now),
            (State::Trying { .. } | State::Proceeding { .. }, Unreachable) => {
                self.state = State::Terminated;
                self.outputs.push_back(ClientOutput::Fail(Failure::Unreachable));
            }
            // Only an INVITE can be canceled (§9.1).
            (State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } | State::Terminated, Cancel)
            | (State::Completed { .. } | State::Terminated, Response(_) | Unreachable) => {}
        }
    }

    fn complete(&mut self, now: Time) {
        self.outputs.push_back(ClientOutput::Deliver);
        let wait = self.timers.absorb(self.transport);
        self.state = if wait.is_zero() { State::Terminated } else { State::Completed { end_at: now + wait } };
    }

    /// Processes the timers that have expired.
    pub fn handle_timeout(&mut self, now: Time) {
        match &mut self.state {
            State::Trying { give_up_at, .. } | State::Proceeding { give_up_at, .. } if *give_up_at <= now => {
                self.state = State::Terminated;
                self.outputs.push_back(ClientOutput::Fail(Failure::Timeout));
            }
            State::Trying { resend, .. } | State::Proceeding { resend, .. } => {
                if let Some(later) = resend.and_then(|resend| resend.due(self.timers.t2, now)) {
                    *resend = Some(later);
                    self.outputs.push_back(ClientOutput::Send);
                }
            }
            State::Completed { end_at } if *end_at <= now => self.state = State::Terminated,
            State::Completed { .. } | State::Terminated => {}
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
            State::Trying { resend, give_up_at } | State::Proceeding { resend, give_up_at } => next(resend, give_up_at),
            State::Completed { end_at } => Some(end_at),
            State::Terminated => None,
        }
    }

    /// Returns whether no response has been received.
    #[must_use]
    pub const fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Trying { .. })
    }

    /// Returns whether no final response has been received.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        match self.state {
            State::Trying { .. } | State::Proceeding { .. } => true,
            State::Completed { .. } | State::Terminated => false,
        }
    }

    /// Returns whether the transaction has ended.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
