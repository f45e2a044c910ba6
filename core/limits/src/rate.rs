//! A token bucket rate limiter without a clock: the current time is an argument.

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// Allows `rate` events in each `period` on average and `burst` at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    rate: u32,
    /// The period, in seconds.
    period: u32,
    burst: u32,
    /// The fill level, in parts of a token. A microsecond adds `rate` parts.
    level: u64,
    refilled_at: Time,
}

/// Number of parts of a token for each second of the period.
const PARTS: u64 = 1_000_000;

impl RateLimit {
    /// Creates a full bucket: `burst` tokens, refilled by `rate` a second (at least one).
    #[must_use]
    pub const fn new(rate: u32, burst: u32, now: Time) -> Self {
        let rate = if rate == 0 { 1 } else { rate };
        Self { rate, period: 1, burst, level: burst as u64 * PARTS, refilled_at: now }
    }

    /// Creates a full bucket: `burst` tokens, refilled by one in every `seconds` (at least one).
    #[must_use]
    pub const fn one_in(seconds: u32, burst: u32, now: Time) -> Self {
        let period = if seconds == 0 { 1 } else { seconds };
        Self { rate: 1, period, burst, level: burst as u64 * period as u64 * PARTS, refilled_at: now }
    }

    /// Creates a full bucket: `rate` tokens (at least one), refilled by `rate` a minute.
    #[must_use]
    pub const fn per_minute(rate: u32, now: Time) -> Self {
        let rate = if rate == 0 { 1 } else { rate };
        Self { rate, period: 60, burst: rate, level: rate as u64 * 60 * PARTS, refilled_at: now }
    }

    /// Whether a token is available.
    #[must_use]
    pub fn has_token(&self, now: Time) -> bool {
        self.level_at(now) >= self.token()
    }

    const fn token(&self) -> u64 {
        self.period as u64 * PARTS
    }

    fn level_at(&self, now: Time) -> u64 {
        let elapsed = u64::try_from(now.since(self.refilled_at).as_micros()).unwrap_or(u64::MAX);
        let refill = elapsed.saturating_mul(u64::from(self.rate));
        self.level.saturating_add(refill).min(u64::from(self.burst) * self.token())
    }

    /// Takes one token; returns false if there is none.
    pub fn take(&mut self, now: Time) -> bool {
        self.try_take(now).is_ok()
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The time until a token is available.
    pub fn try_take(&mut self, now: Time) -> Result<(), Duration> {
        self.level = self.level_at(now);
        self.refilled_at = now.max(self.refilled_at);
        match self.level.checked_sub(self.token()) {
            Some(level) => {
                self.level = level;
                Ok(())
            }
            None => Err(Duration::from_micros((self.token() - self.level).div_ceil(u64::from(self.rate)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RateLimit;
    use core::time::Duration;
    use offhook_clock::Time;

    #[test]
    fn rate_applies_after_the_burst() {
        let start = Time::EPOCH;
        let mut limit = RateLimit::new(10, 10, start);
        assert_eq!((0..20).filter(|_| limit.take(start)).count(), 10);
        let wait = limit.try_take(start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert!(!limit.take(start + wait - Duration::from_micros(1).min(wait)));
        assert!(limit.take(start + wait) && !limit.take(start + wait));
        let later = start + Duration::from_secs(3_600);
        assert_eq!((0..20).filter(|_| limit.take(later)).count(), 10, "an idle hour fills the bucket once");
    }

    #[test]
    fn slow_bucket_gets_one_token_in_a_period() {
        let start = Time::EPOCH;
        let mut limit = RateLimit::one_in(2, 5, start);
        assert_eq!((0..20).filter(|_| limit.take(start)).count(), 5);
        assert_eq!(limit.try_take(start), Err(Duration::from_secs(2)));
        assert!(!limit.has_token(start + Duration::from_millis(1_999)));
        let later = start + Duration::from_secs(2);
        assert!(limit.has_token(later) && limit.take(later) && !limit.has_token(later));
    }

    #[test]
    fn bucket_of_a_minute_refills_evenly() {
        let start = Time::EPOCH;
        let mut limit = RateLimit::per_minute(30, start);
        assert_eq!((0..100).filter(|_| limit.take(start)).count(), 30);
        assert_eq!(limit.try_take(start), Err(Duration::from_secs(2)));
        let later = start + Duration::from_secs(10);
        assert_eq!((0..100).filter(|_| limit.take(later)).count(), 5);
    }

    #[test]
    fn time_that_runs_backwards_gives_no_tokens() {
        let start = Time::EPOCH + Duration::from_secs(10);
        let mut limit = RateLimit::new(1, 1, start);
        assert!(limit.take(start) && !limit.take(Time::EPOCH));
        assert!(!limit.take(start), "the time before the bucket was filled does not count twice");
    }
}
