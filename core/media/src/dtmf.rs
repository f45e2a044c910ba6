//! telephone-event (RFC 4733): reading events and playing digits.
//!
//! ```text
//!        enqueue                 every 20 ms, 100 ms long        3 times, marked as end
//! Idle ──────────▶ Event(digit) ──────────────────────▶ Ending ─────────────────▶ Gap 50 ms ──▶ Idle or next Event
//! ```

mod received;

pub use received::{Events, Received};

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const STEP: Duration = Duration::from_millis(20);
const STEPS: u8 = 5;
const END_PACKETS: u8 = 3;
const GAP: Duration = Duration::from_millis(50);
/// −10 dBm0, what telephones send.
const VOLUME: u8 = 10;
/// More digits than anybody dials at once are dropped.
const MAX_QUEUED: usize = 64;

const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// The event of a digit (RFC 4733 §3.2).
#[must_use]
pub fn event_of(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    DIGITS.iter().position(|known| *known == digit).and_then(|event| u8::try_from(event).ok())
}

/// The digit of a telephone-event payload.
#[must_use]
pub fn digit_of(payload: &[u8]) -> Option<char> {
    let &[event, ..] = payload.first_chunk::<4>()?;
    DIGITS.get(usize::from(event)).copied()
}

/// A packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload.
    pub payload: [u8; 4],
    /// The first packet of an event bears the marker and fixes the timestamp.
    pub begins: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Idle,
    /// The event and the packets sent of it, the last ones marked as end.
    Event {
        event: u8,
        sent: u8,
        due: Time,
    },
    Gap {
        until: Time,
    },
}

/// Plays digits one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Player {
    queue: VecDeque<u8>,
    state: State,
}

impl Default for Player {
    fn default() -> Self {
        Self { queue: VecDeque::new(), state: State::Idle }
    }
}

impl Player {
    /// Adds digits; what is none is left out.
    pub fn enqueue(&mut self, digits: &str) {
        let room = MAX_QUEUED.saturating_sub(self.queue.len());
        self.queue.extend(digits.chars().filter_map(event_of).take(room));
    }

    /// Whether other audio must wait.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        !matches!(self.state, State::Idle) || !self.queue.is_empty()
    }

    /// When [`Player::poll`] has something.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Idle => (!self.queue.is_empty()).then_some(Time::EPOCH),
            State::Event { due, .. } => Some(due),
            State::Gap { until } => Some(until),
        }
    }

    /// The next packet that is due; durations count in `rate`.
    pub fn poll(&mut self, rate: u32, now: Time) -> Option<EventPacket> {
        loop {
            match self.state {
                State::Idle => {
                    let event = self.queue.pop_front()?;
                    self.state = State::Event { event, sent: 0, due: now };
                }
                State::Gap { until } if until <= now => self.state = State::Idle,
                State::Event { event, sent, due } if due <= now => {
                    let ends = sent + 1 >= STEPS;
                    let steps = u32::from((sent + 1).min(STEPS));
                    let duration = u16::try_from(steps * (rate / 50)).unwrap_or(u16::MAX);
                    let sent = sent + 1;
                    self.state = if sent >= STEPS + END_PACKETS - 1 {
                        State::Gap { until: now + GAP }
                    } else {
                        // The end is repeated at once: a loss of three in a row is rare (RFC 4733 §2.5.1.4).
                        State::Event { event, sent, due: if ends { due } else { due + STEP } }
                    };
                    let [d0, d1] = duration.to_be_bytes();
                    let flags = if ends { 0x80 | VOLUME } else { VOLUME };
                    return Some(EventPacket { payload: [event, flags, d0, d1], begins: sent == 1 });
                }
                State::Event { .. } | State::Gap { .. } => return None,
            }
        }
    }

    /// Nothing more is played.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
