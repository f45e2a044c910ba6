//! How much one peer may say.

use core::time::Duration;
use tokio::time::Instant;

/// A bucket of tokens: `rate` a second on average, and as many at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    rate: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self { rate: f64::from(rate), tokens: f64::from(rate), filled_at: now }
    }

    /// Takes a token, or says how long it takes until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.rate);
        self.filled_at = now;
        if self.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.tokens) / self.rate));
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;
    use core::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_as_much_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, start);
        assert_eq!((0..20).filter(|_| bucket.take(start).is_ok()).count(), 10);
        let wait = bucket.take(start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert!(bucket.take(start + wait).is_ok() && bucket.take(start + wait).is_err());
        let later = start + Duration::from_secs(3_600);
        assert_eq!((0..20).filter(|_| bucket.take(later).is_ok()).count(), 10, "an hour's silence is worth a second");
    }
}
