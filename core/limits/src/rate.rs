//! A token bucket in virtual time.

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// Allows `rate` events a second on average and `burst` at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    rate: u32,
    burst: u32,
    /// Millionths of a token.
    level: u64,
    refilled_at: Time,
}

const TOKEN: u64 = 1_000_000;

impl RateLimit {
    /// A full bucket: `burst` tokens, refilled by `rate` a second (at least one).
    #[must_use]
    pub const fn new(rate: u32, burst: u32, now: Time) -> Self {
        let rate = if rate == 0 { 1 } else { rate };
        Self { rate, burst, level: burst as u64 * TOKEN, refilled_at: now }
    }

    /// Takes one token; returns false when there is none.
    pub fn take(&mut self, now: Time) -> bool {
        self.try_take(now).is_ok()
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub fn try_take(&mut self, now: Time) -> Result<(), Duration> {
        let elapsed = u64::try_from(now.since(self.refilled_at).as_micros()).unwrap_or(u64::MAX);
        let refill = elapsed.saturating_mul(u64::from(self.rate));
        self.level = self.level.saturating_add(refill).min(u64::from(self.burst) * TOKEN);
        self.refilled_at = now.max(self.refilled_at);
        match self.level.checked_sub(TOKEN) {
            Some(level) => {
                self.level = level;
                Ok(())
            }
            // Tokens a second are millionths of a token a microsecond.
            None => Err(Duration::from_micros((TOKEN - self.level).div_ceil(u64::from(self.rate)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RateLimit;
    use core::time::Duration;
    use offhook_clock::Time;

    #[test]
    fn burst_passes_at_once_then_the_rate_decides() {
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
    fn time_that_runs_backwards_gives_no_tokens() {
        let start = Time::EPOCH + Duration::from_secs(10);
        let mut limit = RateLimit::new(1, 1, start);
        assert!(limit.take(start) && !limit.take(Time::EPOCH));
        assert!(!limit.take(start), "the time before the bucket was filled does not count twice");
    }
}
