//! The transaction timers of RFC 3261 (table 4) and RFC 6026.

use crate::transport::Transport;
use core::time::Duration;
use offhook_clock::{Time, earliest};
use serde::{Deserialize, Serialize};

/// The values that the timers are derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionTimers {
    /// T1: an estimate of the round-trip time.
    pub t1: Duration,
    /// T2: the maximum retransmission interval of non-INVITE requests and of responses to INVITE.
    pub t2: Duration,
    /// T4: the maximum time that a message remains in the network.
    pub t4: Duration,
    /// Timer C: an INVITE without any new provisional response for this long is canceled. More than 3 minutes (§16.6).
    pub c: Duration,
    /// Timer D: the time that retransmitted 300–699 responses to an INVITE are absorbed. At least 32 s (§17.1.1.2).
    pub d: Duration,
    /// The time after which a 100 is sent if the transaction user has not responded to an INVITE (§17.2.1).
    pub trying: Duration,
}

impl Default for TransactionTimers {
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

impl TransactionTimers {
    /// Timers B, F, H, L and M, and over UDP also J: 64·T1, after which a transaction is given up.
    #[must_use]
    pub const fn transaction_timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Timer D: the time that the ACK is kept for retransmission.
    pub(super) const fn d(&self, transport: Transport) -> Duration {
        if transport.is_reliable() { Duration::ZERO } else { self.d }
    }

    /// Timers I and K: the time that retransmissions are absorbed.
    pub(super) const fn absorb(&self, transport: Transport) -> Duration {
        if transport.is_reliable() { Duration::ZERO } else { self.t4 }
    }

    /// Timer J: the time that a final response is kept for retransmitted requests.
    pub(super) const fn j(&self, transport: Transport) -> Duration {
        if transport.is_reliable() { Duration::ZERO } else { self.transaction_timeout() }
    }

    /// The time until a client's retransmission interval has reached T2. A 100 must not be sent earlier (RFC 4320
    /// §4.1).
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

/// Timers A, E and G: the schedule of retransmissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resend {
    at: Time,
    interval: Duration,
}

impl Resend {
    /// Starts the schedule for a message that was just sent. Returns `None` over a reliable transport.
    pub(super) fn first(timers: &TransactionTimers, transport: Transport, now: Time) -> Option<Self> {
        (!transport.is_reliable()).then(|| Self { at: now + timers.t1, interval: timers.t1 })
    }

    /// Returns the next schedule if a retransmission is due. `most` is the maximum interval.
    pub(super) fn due(self, most: Duration, now: Time) -> Option<Self> {
        let interval = self.interval.saturating_mul(2).min(most);
        (self.at <= now).then(|| Self { at: now + interval, interval })
    }

    /// Keeps the next time and sets the interval that follows it: for timer E after a provisional response.
    pub(super) fn with_interval(self, interval: Duration) -> Self {
        Self { at: self.at, interval }
    }
}

/// Returns the earlier of the deadline and the next retransmission.
pub(super) fn next(resend: Option<Resend>, deadline: Time) -> Option<Time> {
    earliest(resend.map(|resend| resend.at), Some(deadline))
}
