//! INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §8.7).
//!
//! ```text
//!          200 ms: 100
//!          INVITE again: latest 1xx again
//!          ┌──┐
//!  ──> Proceeding (1xx: send) ── 300–699: send ──> Completed ── ACK ──> Confirmed ── I ──> Terminated
//!          │                                        │  ^                                       ^  ^
//!          │                                        │  └ G, INVITE again: send again           │  │
//!          │                                        └─── H: unacknowledged ────────────────────┘  │
//!          └── 2xx: send ──> Accepted (2xx: send; ACK: deliver) ── L ─────────────────────────────┘
//! ```
//!
//! In Accepted, the transaction user retransmits its 2xx until the ACK arrives (RFC 3261 §13.3.1.4); the transaction
//! passes each 2xx to the transport.

use super::timers::{Resend, next};
use super::{Class, ServerInput, ServerOutput, TransactionTimers};
use crate::transport::Transport;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// `trying_at` is `None` after a response was sent.
    Proceeding {
        trying_at: Option<Time>,
    },
    Completed {
        resend: Option<Resend>,
        give_up_at: Time,
    },
    Confirmed {
        end_at: Time,
    },
    Accepted {
        end_at: Time,
    },
    Terminated,
}

/// The INVITE server transaction state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteServer {
    timers: TransactionTimers,
    transport: Transport,
    state: State,
    #[serde(skip)]
    outputs: VecDeque<ServerOutput>,
}

impl InviteServer {
    /// Creates the transaction for an INVITE that was just received.
    #[must_use]
    pub fn new(timers: TransactionTimers, transport: Transport, now: Time) -> Self {
        let state = State::Proceeding { trying_at: Some(now + timers.trying) };
        Self { timers, transport, state, outputs: VecDeque::new() }
    }

    /// Processes one input.
    pub fn handle_input(&mut self, input: ServerInput, now: Time) {
        use Class::{Failure, Provisional, Success};
        use ServerInput::{Ack, Request, Respond, Unreachable};
        match (self.state, input) {
            (State::Proceeding { trying_at: Some(_) }, Request) => {
                // A retransmission shows that the client has received no response yet.
                self.state = State::Proceeding { trying_at: None };
                self.outputs.push_back(ServerOutput::Trying);
            }
            (State::Proceeding { trying_at: None }, Request) => self.outputs.push_back(ServerOutput::Send),
            (State::Proceeding { .. }, Respond(Provisional)) => {
                self.state = State::Proceeding { trying_at: None };
                self.outputs.push_back(ServerOutput::Send);
            }
            (State::Proceeding { .. }, Respond(Success)) => {
                self.state = State::Accepted { end_at: now + self.timers.transaction_timeout() };
                self.outputs.push_back(ServerOutput::Send);
            }
            (State::Proceeding { .. }, Respond(Failure)) => self.complete(now),
            (State::Completed { .. }, Request) => self.outputs.push_back(ServerOutput::Send),
            (State::Completed { .. }, Ack) => self.confirm(now),
            (State::Accepted { .. }, Respond(Success)) => self.outputs.push_back(ServerOutput::Send),
            (State::Accepted { .. }, Ack) => self.outputs.push_back(ServerOutput::DeliverAck),
            (State::Proceeding { .. } | State::Completed { .. } | State::Accepted { .. }, Unreachable) => {
                // The response may reach the client by another route, so the transaction continues (RFC 6026 §8.8).
                self.outputs.push_back(ServerOutput::Reroute);
            }
            (State::Accepted { .. }, Request | Respond(Provisional | Failure))
            | (State::Proceeding { .. }, Ack)
            | (State::Completed { .. }, Respond(_))
            | (State::Confirmed { .. } | State::Terminated, Request | Ack | Respond(_) | Unreachable) => {}
        }
    }

    fn complete(&mut self, now: Time) {
        let resend = Resend::first(&self.timers, self.transport, now);
        self.state = State::Completed { resend, give_up_at: now + self.timers.transaction_timeout() };
        self.outputs.push_back(ServerOutput::Send);
    }

    fn confirm(&mut self, now: Time) {
        let wait = self.timers.absorb(self.transport);
        self.state = if wait.is_zero() { State::Terminated } else { State::Confirmed { end_at: now + wait } };
    }

    /// Processes the timers that have expired.
    pub fn handle_timeout(&mut self, now: Time) {
        match &mut self.state {
            State::Proceeding { trying_at } if trying_at.is_some_and(|at| at <= now) => {
                *trying_at = None;
                self.outputs.push_back(ServerOutput::Trying);
            }
            State::Completed { give_up_at, .. } if *give_up_at <= now => {
                self.state = State::Terminated;
                self.outputs.push_back(ServerOutput::Unacknowledged);
            }
            State::Completed { resend, .. } => {
                if let Some(later) = resend.and_then(|resend| resend.due(self.timers.t2, now)) {
                    *resend = Some(later);
                    self.outputs.push_back(ServerOutput::Send);
                }
            }
            State::Confirmed { end_at } | State::Accepted { end_at } if *end_at <= now => {
                self.state = State::Terminated;
            }
            State::Proceeding { .. } | State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => {}
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
            State::Proceeding { trying_at } => trying_at,
            State::Completed { resend, give_up_at } => next(resend, give_up_at),
            State::Confirmed { end_at } | State::Accepted { end_at } => Some(end_at),
            State::Terminated => None,
        }
    }

    /// Returns whether a response of this class can still be sent. While a 300–699 response can, a CANCEL is effective
    /// (RFC 3261 §9.2).
    #[must_use]
    pub const fn accepts(&self, class: Class) -> bool {
        match self.state {
            State::Proceeding { .. } => true,
            State::Accepted { .. } => matches!(class, Class::Success),
            State::Completed { .. } | State::Confirmed { .. } | State::Terminated => false,
        }
    }

    /// Returns whether the transaction has ended.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
