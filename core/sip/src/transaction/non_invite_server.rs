//! Server transaction of all methods except INVITE and ACK (RFC 3261 §17.2.2, RFC 4320).
//!
//! ```text
//!  ──> Trying ── 1xx: send; when the client's interval is T2: 100 ──> Proceeding (1xx, request again: send)
//!        │ │                                                     │  │
//!        │ └─────────────────── 200–699: send ───────────────────┴──┼──> Completed ── J ──> Terminated
//!        └───────── 64·T1: the client has timed out ────────────────┴── (request again: send) ──^
//! ```

use super::{Class, ServerInput, ServerOutput, TransactionTimers};
use crate::transport::Transport;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Trying { trying_at: Time, give_up_at: Time },
    Proceeding { give_up_at: Time },
    Completed { end_at: Time },
    Terminated,
}

/// The non-INVITE server transaction state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonInviteServer {
    timers: TransactionTimers,
    transport: Transport,
    state: State,
    #[serde(skip)]
    outputs: VecDeque<ServerOutput>,
}

impl NonInviteServer {
    /// Creates the transaction for a request that was just received.
    #[must_use]
    pub fn new(timers: TransactionTimers, transport: Transport, now: Time) -> Self {
        let give_up_at = now + timers.transaction_timeout();
        let state = State::Trying { trying_at: now + timers.non_invite_trying(), give_up_at };
        Self { timers, transport, state, outputs: VecDeque::new() }
    }

    /// Processes one input.
    pub fn handle_input(&mut self, input: ServerInput, now: Time) {
        use Class::{Failure, Provisional, Success};
        use ServerInput::{Ack, Request, Respond, Unreachable};
        match (self.state, input) {
            (State::Trying { give_up_at, .. }, Respond(Provisional)) => {
                self.state = State::Proceeding { give_up_at };
                self.outputs.push_back(ServerOutput::Send);
            }
            (State::Proceeding { .. }, Respond(Provisional) | Request) | (State::Completed { .. }, Request) => {
                self.outputs.push_back(ServerOutput::Send);
            }
            (State::Trying { .. } | State::Proceeding { .. }, Respond(Success | Failure)) => self.complete(now),
            (State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. }, Unreachable) => {
                self.outputs.push_back(ServerOutput::Reroute);
            }
            (State::Trying { .. }, Request | Ack)
            | (State::Proceeding { .. }, Ack)
            | (State::Completed { .. }, Respond(_) | Ack)
            | (State::Terminated, Request | Ack | Respond(_) | Unreachable) => {}
        }
    }

    fn complete(&mut self, now: Time) {
        let wait = self.timers.j(self.transport);
        self.state = if wait.is_zero() { State::Terminated } else { State::Completed { end_at: now + wait } };
        self.outputs.push_back(ServerOutput::Send);
    }

    /// Processes the timers that have expired.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.state {
            // The client has timed out by now; a response would match none of its transactions (RFC 4320 §4.2).
            State::Trying { give_up_at: end_at, .. }
            | State::Proceeding { give_up_at: end_at }
            | State::Completed { end_at }
                if end_at <= now =>
            {
                self.state = State::Terminated;
            }
            State::Trying { trying_at, give_up_at } if trying_at <= now => {
                self.state = State::Proceeding { give_up_at };
                self.outputs.push_back(ServerOutput::Trying);
            }
            State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } | State::Terminated => {}
        }
    }

    /// Returns the next output.
    pub fn poll_output(&mut self) -> Option<ServerOutput> {
        self.outputs.pop_front()
    }

    /// Returns the time at which [`Self::handle_timeout`] must be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Trying { trying_at, give_up_at } => Some(trying_at.min(give_up_at)),
            State::Proceeding { give_up_at: at } | State::Completed { end_at: at } => Some(at),
            State::Terminated => None,
        }
    }

    /// Returns whether a response of this class can still be sent: any response until the final one.
    #[must_use]
    pub const fn accepts(&self, _: Class) -> bool {
        matches!(self.state, State::Trying { .. } | State::Proceeding { .. })
    }

    /// Returns whether the transaction has ended.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
