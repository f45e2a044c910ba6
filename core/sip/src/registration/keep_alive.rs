//! Keep-alive of the flows that registrations use (RFC 5626 §4.4.1).
//!
//! ```text
//!          interval: ping                     ping, and the peer has answered before
//!  Idle ───────────────────> Idle        Idle ──────────────────────────────────────> Pinged ── 10 s ──> lost
//!                                          ^──────────────── pong ─────────────────────┘
//! ```
//!
//! Many accounts at one server share one flow and its pings. Over UDP a ping keeps NAT bindings open and is not
//! answered. Over a stream, servers that support RFC 5626 answer it; a missing pong counts as a failure only if the
//! peer has answered before.

use crate::transport::{FlowId, Source};
use core::time::Duration;
use offhook_clock::{Deadlines, Time};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The time that a pong may take.
const PONG_WAIT: Duration = Duration::from_secs(10);

/// The longest interval over UDP, because NAT bindings expire quickly.
const LONGEST_OVER_UDP: Duration = Duration::from_secs(29);

/// An action on a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// Send a ping: a double CRLF.
    Send(FlowId),
    /// The peer has stopped answering pings.
    Lost(FlowId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Idle { ping_at: Time },
    Pinged { lost_at: Time },
}

impl State {
    const fn due(self) -> Time {
        match self {
            Self::Idle { ping_at: at } | Self::Pinged { lost_at: at } => at,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Flow {
    users: usize,
    interval: Duration,
    has_answered: bool,
    state: State,
}

/// The keep-alive state of all flows with registrations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepAlives {
    flows: BTreeMap<FlowId, Flow>,
    deadlines: Deadlines<FlowId>,
    #[serde(skip)]
    outputs: VecDeque<Ping>,
}

impl KeepAlives {
    /// Adds a registration to a flow, which is pinged at least once per `interval`.
    pub fn hold(&mut self, source: &Source, interval: Duration, rng: &mut ChaCha20Rng, now: Time) {
        let most = if source.transport.is_reliable() { interval } else { interval.min(LONGEST_OVER_UDP) };
        match self.flows.get_mut(&source.flow) {
            Some(flow) => {
                flow.users += 1;
                flow.interval = flow.interval.min(most);
            }
            None => {
                let state = State::Idle { ping_at: now + super::part_of(most, 80, rng) };
                let flow = Flow { users: 1, interval: most, has_answered: false, state };
                self.flows.insert(source.flow, flow);
                self.deadlines.set(source.flow, Some(state.due()));
            }
        }
    }

    /// Removes a registration from a flow. A flow without registrations is not pinged.
    pub fn release(&mut self, id: FlowId) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.users = flow.users.saturating_sub(1);
        if flow.users == 0 {
            self.forget(id);
        }
    }

    /// Removes a flow.
    pub fn forget(&mut self, id: FlowId) {
        self.flows.remove(&id);
        self.deadlines.set(id, None);
    }

    /// Processes a received pong.
    pub fn pong(&mut self, id: FlowId, rng: &mut ChaCha20Rng, now: Time) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.has_answered = true;
        if let State::Pinged { .. } = flow.state {
            let next = State::Idle { ping_at: now + super::part_of(flow.interval, 80, rng) };
            self.change(id, next);
        }
    }

    /// Processes the timers that have expired.
    pub fn handle_timeout(&mut self, rng: &mut ChaCha20Rng, now: Time) {
        while let Some((_, id)) = self.deadlines.pop_due(now) {
            let Some(flow) = self.flows.get(&id) else { continue };
            match flow.state {
                State::Idle { .. } => {
                    self.outputs.push_back(Ping::Send(id));
                    let wait = if flow.has_answered { PONG_WAIT } else { super::part_of(flow.interval, 80, rng) };
                    let at = now + wait.max(Duration::from_millis(1));
                    let next =
                        if flow.has_answered { State::Pinged { lost_at: at } } else { State::Idle { ping_at: at } };
                    self.change(id, next);
                }
                State::Pinged { .. } => {
                    self.outputs.push_back(Ping::Lost(id));
                    self.forget(id);
                }
            }
        }
    }

    fn change(&mut self, id: FlowId, next: State) {
        if let Some(flow) = self.flows.get_mut(&id) {
            self.deadlines.set(id, Some(next.due()));
            flow.state = next;
        }
    }

    /// Returns the next output.
    pub fn poll_output(&mut self) -> Option<Ping> {
        self.outputs.pop_front()
    }

    /// Returns the time at which [`Self::handle_timeout`] must be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// Returns whether there are no flows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }
}
