//! How fast somebody may go: a token bucket in virtual time.

use offhook_clock::Time;

/// Lets `rate` things a second pass on average, `burst` at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct RateLimit {
    rate: u32,
    burst: u32,
    /// Millionths of a token.
    level: u64,
    refilled_at: Time,
}

const TOKEN: u64 = 1_000_000;

impl RateLimit {
    /// A full bucket: `burst` tokens, refilled by `rate` a second.
    #[must_use]
    pub const fn new(rate: u32, burst: u32, now: Time) -> Self {
        Self { rate, burst, level: burst as u64 * TOKEN, refilled_at: now }
    }

    /// Takes one token; false when there is none.
    pub fn take(&mut self, now: Time) -> bool {
        let elapsed = u64::try_from(now.since(self.refilled_at).as_micros()).unwrap_or(u64::MAX);
        self.level =
            self.level.saturating_add(elapsed.saturating_mul(u64::from(self.rate))).min(u64::from(self.burst) * TOKEN);
        self.refilled_at = now;
        let taken = self.level >= TOKEN;
        if taken {
            self.level -= TOKEN;
        }
        taken
    }
}
