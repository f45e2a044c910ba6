//! Waiting for a condition. The timeout only limits the duration of a failing test.

use core::time::Duration;
use tokio::time::{Instant, sleep};

/// Timeout of all waits; long enough for machines under load.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Polls `condition` every few milliseconds until it holds. Returns false after [`PATIENCE`].
pub async fn until(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(Duration::from_millis(5)).await;
    }
    true
}
