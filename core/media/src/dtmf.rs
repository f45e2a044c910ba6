//! telephone-event (RFC 4733): parsing events and sending digits.
//!
//! ```text
//!        enqueue            5 packets, one every 20 ms; the last one, with the E bit, 3 times       50 ms
//! Idle ──────────▶ Event ──────────────────────────────────────────────────────────────────▶ Gap ───────▶ Idle
//! ```

mod received;

pub use received::{Events, ReceivedEvent};

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const STEP: Duration = Duration::from_millis(20);
const STEPS: u8 = 5;
const END_PACKETS: u8 = 3;
const GAP: Duration = Duration::from_millis(50);
/// −10 dBm0, the usual level of telephones.
const VOLUME: u8 = 10;
/// The most digits in the queue; further ones are dropped.
const MAX_QUEUED: usize = 64;

const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// Returns the event code of a digit (RFC 4733 §3.2).
#[must_use]
pub fn event_of(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    DIGITS.iter().position(|known| *known == digit).and_then(|event| u8::try_from(event).ok())
}

/// Returns the digit of a telephone-event payload.
#[must_use]
pub fn digit_of(payload: &[u8]) -> Option<char> {
    let &[event, ..] = payload.first_chunk::<4>()?;
    DIGITS.get(usize::from(event)).copied()
}

/// A telephone-event packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload.
    pub payload: [u8; 4],
    /// Whether it is the first packet of an event, which carries the marker and sets the timestamp.
    pub begins: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Idle,
    /// The event and the number of its packets sent; the last ones have the E bit.
    Event {
        event: u8,
        sent: u8,
        due: Time,
    },
    Gap {
        until: Time,
    },
}

/// Sends digits one after another.
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
    /// Appends digits to the queue; other characters are ignored.
    pub fn enqueue(&mut self, digits: &str) {
        let room = MAX_QUEUED.saturating_sub(self.queue.len());
        self.queue.extend(digits.chars().filter_map(event_of).take(room));
    }

    /// Whether digits are queued or being sent. Packets of other sources are dropped meanwhile.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        !matches!(self.state, State::Idle) || !self.queue.is_empty()
    }

    /// The time at which [`Player::poll`] has the next packet.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Idle => (!self.queue.is_empty()).then_some(Time::EPOCH),
            State::Event { due, .. } => Some(due),
            State::Gap { until } => Some(until),
        }
    }

    /// Returns the next packet that is due. Its duration is in timestamp units of the clock rate `rate`.
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
                        // RFC 4733 §2.5.1.4 recommends the update interval between the three end packets. They are sent
                        // without delay, because the loss of three packets in a row is rare.
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

    /// Stops and empties the queue.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
