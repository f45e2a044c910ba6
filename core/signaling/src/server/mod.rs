//! Server half of the signaling protocol: one [`Connection`] state machine per WebSocket.
//!
//! ```text
//!             connection            accepted
//!  Greeting ─────────────> Admitting ────────> Open        ping every interval, closed after N unanswered
//!     │ connection timeout     │ refused         │ flood, binary frames, too many malformed frames, silence
//!     └────────────────────────┴─────────────────┴──────> Closed
//! ```
//!
//! The call model receives only messages that are well-formed, expected in the current state, and within the limits.
//! All others, and keep-alives, are handled here.

use crate::message::{ClientMessage, ServerMessage};
use core::time::Duration;
use offhook_clock::Time;
use offhook_limits::RateLimit;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Limits of one socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Maximum time until the `connection` message.
    pub connection_timeout: Duration,
    /// Interval of pings; zero disables them.
    pub ping_interval: Duration,
    /// Maximum number of unanswered pings.
    pub ping_probes: u32,
    /// Maximum length of a text frame in octets.
    pub max_frame: usize,
    /// Maximum average rate of messages per second.
    pub message_rate: u32,
    /// Maximum number of messages in a burst.
    pub message_burst: u32,
}

/// Maximum number of malformed or unexpected messages. The next one closes the socket.
const MAX_FAULTS: u32 = 20;
/// Rate limit of `pushLogs` messages, as a multiple of that of other messages. Web pages send them in bursts, and the
/// relay handles them at little cost.
const LOG_LINES_PER_MESSAGE: u32 = 10;

/// WebSocket close codes (RFC 6455 §7.4.1).
pub mod close_code {
    /// Normal closure.
    pub const NORMAL: u16 = 1000;
    /// The relay is shutting down.
    pub const GOING_AWAY: u16 = 1001;
    /// A frame is not a text frame.
    pub const UNSUPPORTED_DATA: u16 = 1003;
    /// A limit was exceeded, or messages or credentials were invalid.
    pub const POLICY: u16 = 1008;
    /// A frame is too long.
    pub const TOO_BIG: u16 = 1009;
}

/// An input of the state machine.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A text frame.
    Text(&'a str),
    /// A binary frame with its length in octets.
    Binary(usize),
    /// The relay accepted the session: `getUserData` is being sent.
    Accepted,
}

/// An action for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Deliver a message to the call model.
    Deliver(ClientMessage),
    /// The browser has answered a ping, so it has received all messages sent before.
    Pong,
    /// Send a message to the browser.
    Send(ServerMessage),
    /// Close the socket. This is the last output.
    Close {
        /// See [`close_code`].
        code: u16,
        /// The error and its remedy.
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Greeting { give_up_at: Time },
    Admitting,
    Open { ping_at: Option<Time>, unanswered: u32 },
    Closed,
}

/// The protocol state machine of one socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    limits: Limits,
    state: State,
    messages: RateLimit,
    log_lines: RateLimit,
    faults: u32,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Connection {
    /// Creates the state machine of a socket that was just opened.
    #[must_use]
    pub fn new(limits: Limits, now: Time) -> Self {
        let messages = RateLimit::new(limits.message_rate, limits.message_burst, now);
        let log_lines = RateLimit::new(
            limits.message_rate.saturating_mul(LOG_LINES_PER_MESSAGE),
            limits.message_burst.saturating_mul(LOG_LINES_PER_MESSAGE),
            now,
        );
        let state = State::Greeting { give_up_at: now + limits.connection_timeout };
        Self { limits, state, messages, log_lines, faults: 0, outputs: VecDeque::new() }
    }

    /// Handles one input.
    pub fn handle_input(&mut self, input: &Input<'_>, now: Time) {
        match (&self.state, input) {
            (State::Closed, _) | (State::Greeting { .. } | State::Open { .. }, Input::Accepted) => {}
            (State::Admitting, Input::Accepted) => {
                let ping_at = (!self.limits.ping_interval.is_zero()).then(|| now + self.limits.ping_interval);
                self.state = State::Open { ping_at, unanswered: 0 };
            }
            (_, Input::Binary(length)) => self.close(
                close_code::UNSUPPORTED_DATA,
                format!("a binary frame of {length} octets: send JSON in text frames"),
            ),
            (_, Input::Text(text)) if text.len() > self.limits.max_frame => {
                let (length, most) = (text.len(), self.limits.max_frame);
                self.close(close_code::TOO_BIG, format!("a frame of {length} octets: the maximum is {most}"));
            }
            (_, Input::Text(text)) => self.receive(text, now),
        }
    }

    /// Sends a ping, or closes the socket of an unresponsive browser.
    pub fn handle_timeout(&mut self, now: Time) {
        match &mut self.state {
            State::Greeting { give_up_at } if *give_up_at <= now => {
                self.close(close_code::POLICY, "no `connection` message arrived in time".to_owned());
            }
            State::Open { ping_at: Some(at), unanswered } if *at <= now => {
                if *unanswered >= self.limits.ping_probes {
                    let pings = *unanswered;
                    self.close(close_code::POLICY, format!("{pings} pings without an answer"));
                } else {
                    *unanswered += 1;
                    *at = now + self.limits.ping_interval;
                    self.outputs.push_back(Output::Send(ServerMessage::Ping));
                }
            }
            State::Greeting { .. } | State::Admitting | State::Open { .. } | State::Closed => {}
        }
    }

    /// Returns the next action.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the time at which to call [`Connection::handle_timeout`].
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Greeting { give_up_at } => Some(*give_up_at),
            State::Open { ping_at, .. } => *ping_at,
            State::Admitting | State::Closed => None,
        }
    }

    fn receive(&mut self, text: &str, now: Time) {
        if let State::Open { unanswered, .. } = &mut self.state {
            *unanswered = 0;
        }
        let message = match ClientMessage::parse(text) {
            Ok(ClientMessage::PushLogs { logs }) => {
                if self.log_lines.take(now) {
                    self.route(ClientMessage::PushLogs { logs });
                } else {
                    self.flood();
                }
                return;
            }
            message => message,
        };
        if !self.messages.take(now) {
            self.flood();
            return;
        }
        match message {
            Ok(message) => self.route(message),
            Err(error) => self.fault(&error.to_string()),
        }
    }

    fn route(&mut self, message: ClientMessage) {
        match (&self.state, message) {
            (State::Open { .. }, ClientMessage::Pong) => self.outputs.push_back(Output::Pong),
            (State::Closed, _) | (_, ClientMessage::Pong) => {}
            (_, ClientMessage::Ping) => self.outputs.push_back(Output::Send(ServerMessage::Pong)),
            (State::Greeting { .. }, message @ ClientMessage::Connection(_)) => {
                self.state = State::Admitting;
                self.outputs.push_back(Output::Deliver(message));
            }
            (State::Open { .. } | State::Admitting, ClientMessage::Connection(_)) => {
                self.fault("a second `connection` message: one socket is one session");
            }
            // `pushLogs` messages that are received before the session is accepted are dropped without an error.
            (State::Greeting { .. } | State::Admitting, ClientMessage::PushLogs { .. }) => {}
            (State::Greeting { .. } | State::Admitting, message) => {
                self.fault(&format!("`{}` before the session is accepted: wait for `getUserData`", message.name()));
            }
            (State::Open { .. }, message) => self.outputs.push_back(Output::Deliver(message)),
        }
    }

    fn fault(&mut self, info: &str) {
        // The text can repeat parts of the message. It is truncated, because it uses memory until the browser reads its
        // socket.
        let info = info.chars().take(200).collect();
        self.faults += 1;
        if self.faults > MAX_FAULTS {
            self.close(close_code::POLICY, "too many malformed or unexpected messages".to_owned());
            return;
        }
        self.outputs.push_back(Output::Send(ServerMessage::Fail {
            api_method: "ErrorEvent".to_owned(),
            id: None,
            status: "FAILED".to_owned(),
            info,
        }));
    }

    fn flood(&mut self) {
        let rate = self.limits.message_rate;
        self.close(close_code::POLICY, format!("too many messages: the maximum is {rate} per second"));
    }

    fn close(&mut self, code: u16, reason: String) {
        self.state = State::Closed;
        self.outputs.push_back(Output::Close { code, reason });
    }
}

#[cfg(test)]
mod tests;
