//! State machine of direct media: a second peer connection between the two browsers of a call, bypassing the relay.
//!
//! ```text
//!        begin, offer             connected             switch
//!  Off ───────────────> Connecting ─────────> Connected ───────> Switched
//!   ^                       │                     │                  │
//!   └──── end, failed, call ended ────────────────┴──────────────────┘
//! ```
//!
//! Media are exchanged through the relay until both browsers are connected, and again if the direct connection is lost.
//! A call is therefore never delayed by this machine. The relay assigns a number to each attempt.

use crate::message::{CallId, ClientMessage, DirectMessage as Message, DirectStep, Json};
use std::collections::VecDeque;

/// An input of the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The relay sent a step: its own, or one that it forwards from the other browser.
    Received {
        /// The number of the attempt.
        attempt: u32,
        /// The step.
        step: DirectStep,
    },
    /// The local description is created and set.
    Described(String),
    /// The browser gathered a local candidate.
    Candidate(Json),
    /// ICE and DTLS are established.
    Connected,
    /// ICE or DTLS failed or was lost.
    Failed,
    /// The media of the call are closed.
    Closed,
}

/// An action for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Create a second peer connection with the tracks of the first, and an offer.
    CreateOffer,
    /// Create a second peer connection with the tracks of the first, set the offer and create an answer.
    CreateAnswer {
        /// The other browser's offer.
        offer: String,
    },
    /// Set the other browser's answer as the remote description.
    Apply(String),
    /// Add the other browser's candidate.
    Add(Json),
    /// Select the connection for media.
    Switch {
        /// `true`: play the media of the direct connection and stop sending to the relay. `false`: play the media from
        /// the relay and send to it again.
        direct: bool,
    },
    /// Close the second connection.
    Close,
    /// Send a message.
    Send(ClientMessage),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
enum State {
    Off,
    Connecting { attempt: u32, offers: bool },
    Connected { attempt: u32 },
    Switched { attempt: u32 },
}

/// The state machine of one call's direct media.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Direct {
    call_id: CallId,
    state: State,
    ignored: u64,
    #[cfg_attr(feature = "json", serde(skip))]
    outputs: VecDeque<Output>,
}

impl Direct {
    /// Creates the machine in the state in which media are exchanged through the relay.
    #[must_use]
    pub const fn new(call_id: CallId) -> Self {
        Self { call_id, state: State::Off, ignored: 0, outputs: VecDeque::new() }
    }

    /// Returns whether media are exchanged directly with the peer.
    #[must_use]
    pub const fn is_switched(&self) -> bool {
        matches!(self.state, State::Switched { .. })
    }

    /// Returns the number of inputs that were ignored because of the state.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Handles one input. There is no time argument, because the relay supervises all timeouts.
    pub fn handle_input(&mut self, input: Input) {
        match (self.state, input) {
            (State::Off, Input::Received { attempt, step: DirectStep::Begin }) => {
                self.begin(attempt, true, Output::CreateOffer);
            }
            (State::Off, Input::Received { attempt, step: DirectStep::Offer(offer) }) => {
                self.begin(attempt, false, Output::CreateAnswer { offer });
            }
            (state, Input::Received { attempt, step }) if state.attempt() == Some(attempt) => self.advance(step),
            (State::Connecting { attempt, offers }, Input::Described(sdp)) => {
                self.send(attempt, if offers { DirectStep::Offer(sdp) } else { DirectStep::Answer(sdp) });
            }
            (
                State::Connecting { attempt, .. } | State::Connected { attempt } | State::Switched { attempt },
                Input::Candidate(candidate),
            ) => self.send(attempt, DirectStep::Candidate(candidate)),
            (State::Connecting { attempt, .. }, Input::Connected) => {
                self.state = State::Connected { attempt };
                self.send(attempt, DirectStep::Up);
            }
            (
                State::Connecting { attempt, .. } | State::Connected { attempt } | State::Switched { attempt },
                Input::Failed,
            ) => {
                self.send(attempt, DirectStep::End);
                self.end();
            }
            (_, Input::Closed) => self.close(),
            (State::Off, _)
            | (_, Input::Received { .. })
            | (State::Connected { .. } | State::Switched { .. }, Input::Described(_) | Input::Connected) => {
                self.ignored += 1;
            }
        }
    }

    /// Returns the next action.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn begin(&mut self, attempt: u32, offers: bool, output: Output) {
        self.state = State::Connecting { attempt, offers };
        self.outputs.push_back(output);
    }

    fn advance(&mut self, step: DirectStep) {
        match (self.state, step) {
            (State::Connecting { offers: true, .. }, DirectStep::Answer(sdp)) => {
                self.outputs.push_back(Output::Apply(sdp));
            }
            (_, DirectStep::Candidate(candidate)) => self.outputs.push_back(Output::Add(candidate)),
            (State::Connected { attempt }, DirectStep::Switch) => {
                self.state = State::Switched { attempt };
                self.outputs.push_back(Output::Switch { direct: true });
            }
            (_, DirectStep::End) => self.end(),
            (
                _,
                DirectStep::Begin | DirectStep::Offer(_) | DirectStep::Answer(_) | DirectStep::Up | DirectStep::Switch,
            ) => {
                self.ignored += 1;
            }
        }
    }

    fn send(&mut self, attempt: u32, step: DirectStep) {
        let call_id = self.call_id.clone();
        self.outputs.push_back(Output::Send(ClientMessage::Direct(Box::new(Message { call_id, attempt, step }))));
    }

    fn end(&mut self) {
        if self.is_switched() {
            self.outputs.push_back(Output::Switch { direct: false });
        }
        self.close();
    }

    fn close(&mut self) {
        if self.state != State::Off {
            self.outputs.push_back(Output::Close);
        }
        self.state = State::Off;
    }
}

impl State {
    const fn attempt(self) -> Option<u32> {
        match self {
            Self::Off => None,
            Self::Connecting { attempt, .. } | Self::Connected { attempt } | Self::Switched { attempt } => {
                Some(attempt)
            }
        }
    }
}

#[cfg(test)]
mod tests;
