//! The one place that reads clocks.

use offhook_clock::Time;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall clock at start plus what the monotonic clock says has passed: never runs backwards.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_at: Time,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at: Time::EPOCH + since_epoch }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.started_at + self.started.elapsed()
    }

    /// `time` on the monotonic clock.
    #[must_use]
    pub fn instant(&self, time: Time) -> Instant {
        self.started + time.since(self.started_at)
    }
}
