//! The timers of RFC 3261 (table 4) and RFC 6026, by their letters.

use crate::transport::Transport;
use core::time::Duration;
use offhook_clock::{Time, earliest};
use serde::{Deserialize, Serialize};

/// What the timers are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timers {
    /// An estimate of the round trip.
    pub t1: Duration,
    /// The longest wait before a request other than INVITE, or a response to INVITE, is sent again.
    pub t2: Duration,
    /// The longest that a message stays in the network.
    pub t4: Duration,
    /// How long a phone may ring without a sign of life before the INVITE is canceled: more than 3 minutes (§16.6).
    pub c: Duration,
    /// How long failure responses to an INVITE may come again: at least 32 s (§17.1.1.2).
    pub d: Duration,
    /// How long the user may think about an INVITE before a 100 is sent for it (§17.2.1).
    pub trying: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            c: Duration::from_secs(200),
            d: Duration::from_secs(32),
            trying: Duration::from_millis(200),
        }
    }
}

impl Timers {
    /// B, F, H, L and M: when hope is lost. J too, over datagrams.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// D: how long an ACK is kept.
    pub(super) const fn d(&self, transport: Transport) -> Duration {
        if transport.is_reliable() { Duration::ZERO } else { self.d }
    }

    /// I and K: how long repeated messages are absorbed.
    pub(super) const fn absorb(&self, transport: Transport) -> Duration {
        if transport.is_reliable() { Duration::ZERO } else { self.t4 }
    }

    /// J: how long a final response is kept for repeated requests.
    pub(super) const fn j(&self, transport: Transport) -> Duration {
        if transport.is_reliable() { Duration::ZERO } else { self.patience() }
    }

    /// When a client has come to wait T2 between its requests: not before then may there be a 100 (RFC 4320 §4.1).
    pub(super) fn non_invite_trying(&self) -> Duration {
        let mut interval = self.t1;
        let mut total = Duration::ZERO;
        while interval < self.t2 && !interval.is_zero() {
            total += interval;
            interval = interval.saturating_mul(2);
        }
        total
    }
}

/// A, E and G: when a message is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resend {
    at: Time,
    interval: Duration,
}

impl Resend {
    /// For a message that was just sent; none over a transport that does not lose it.
    pub(super) fn first(timers: &Timers, transport: Transport, now: Time) -> Option<Self> {
        (!transport.is_reliable()).then(|| Self { at: now + timers.t1, interval: timers.t1 })
    }

    /// If it is time to send again: when to do so next. `most` is the longest wait.
    pub(super) fn due(self, most: Duration, now: Time) -> Option<Self> {
        let interval = self.interval.saturating_mul(2).min(most);
        (self.at <= now).then(|| Self { at: now + interval, interval })
    }

    /// The same message, but the wait is `interval` from now on: E once a provisional response came.
    pub(super) fn slowed(self, interval: Duration) -> Self {
        Self { at: self.at, interval }
    }
}

/// The earlier of a deadline and the next repetition.
pub(super) fn next(resend: Option<Resend>, deadline: Time) -> Option<Time> {
    earliest(resend.map(|resend| resend.at), Some(deadline))
}
