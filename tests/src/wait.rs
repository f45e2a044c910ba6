//! Waiting for something to become true. A deadline bounds the failure; it never stands for an order of events.

use core::time::Duration;
use tokio::time::{Instant, sleep};

/// How long anything may take before a test fails: generous, for machines that build something else meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks every few milliseconds until `condition` holds; false when [`PATIENCE`] ran out.
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
