//! The clock of the relay; no other module reads the system clocks for the machines.

use offhook_clock::Time;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall-clock time at start plus the time elapsed on the monotonic clock, so that it never runs backwards.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_at: Time,
}

impl Clock {
    /// Creates a clock.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at: Time::EPOCH + since_epoch }
    }

    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.started_at + self.started.elapsed()
    }

    /// Converts `time` to the monotonic clock.
    #[must_use]
    pub fn instant(&self, time: Time) -> Instant {
        self.started + time.since(self.started_at)
    }
}
