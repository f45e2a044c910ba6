//! Returns freed memory to the operating system after calls have ended.
//!
//! The allocator of glibc keeps freed memory for later allocations, in as many arenas as there are threads, and returns
//! only memory at the end of an arena to the system. One long-lived allocation there prevents the return of all free
//! memory before it.

use crate::signaling_plane::Gauges;
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Interval between checks of the number of calls.
const PERIOD: Duration = Duration::from_secs(10);
/// Number of consecutive periods in which memory is returned after calls have ended. One is not enough, because SIP
/// transactions use memory for up to 32 s (RFC 3261 §17).
const ROUNDS: u8 = 5;
/// Minimum number of calls after which memory is returned. The memory of fewer calls does not justify the work.
const FEW: usize = 50;

/// Decides when memory is returned.
#[derive(Debug, Default)]
struct Trimmer {
    /// The maximum number of calls since the last return of memory began.
    most: usize,
    /// The number of further periods in which memory is returned.
    rounds: u8,
}

impl Trimmer {
    /// Returns whether memory should be returned in this period. `calls` is the current number of calls. The return
    /// begins when half of the calls have ended.
    const fn is_due(&mut self, calls: usize) -> bool {
        if calls > self.most {
            self.most = calls;
        }
        if self.most >= FEW && calls <= self.most / 2 {
            self.most = calls;
            self.rounds = ROUNDS;
        }
        let is_due = self.rounds > 0;
        self.rounds = self.rounds.saturating_sub(1);
        is_due
    }
}

/// Checks the number of calls in every period, and returns memory after calls have ended.
pub(crate) async fn return_memory(gauges: Arc<Gauges>) {
    let mut trimmer = Trimmer::default();
    let mut period = tokio::time::interval(PERIOD);
    loop {
        period.tick().await;
        if trimmer.is_due(gauges.calls.load(Ordering::Relaxed)) && tokio::task::spawn_blocking(trim).await.is_err() {
            return;
        }
    }
}

/// Returns the free pages of all arenas to the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    #[expect(unsafe_code, reason = "the C library's function; it takes no pointer")]
    // SAFETY: it may be called at any time by any thread.
    let is_returned = unsafe { libc::malloc_trim(0) } == 1;
    tracing::debug!(is_returned, "free memory returned to the system");
}

/// Does nothing, because other allocators return memory by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
const fn trim() {}

#[cfg(test)]
mod tests {
    use super::{FEW, ROUNDS, Trimmer};

    #[test]
    fn memory_is_returned_after_half_of_the_calls_end() {
        let mut trimmer = Trimmer::default();
        assert!([0, 10, 400, 300, 201].into_iter().all(|calls| !trimmer.is_due(calls)));
        assert!((0..ROUNDS).all(|_| trimmer.is_due(200)));
        assert!(!trimmer.is_due(200), "once for these");
        assert!(trimmer.is_due(100) && trimmer.is_due(0));
    }

    #[test]
    fn memory_of_few_calls_is_kept() {
        let mut trimmer = Trimmer::default();
        assert!([FEW - 1, 0, FEW - 1, 0].into_iter().all(|calls| !trimmer.is_due(calls)));
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn trim_returns_memory_below_an_allocation_that_stays() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/statm").unwrap();
            status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
        };
        // Each block is smaller than the size from which the allocator uses a separate memory mapping.
        let blocks: Vec<Vec<u8>> = (0..4_000).map(|_| vec![1; 16_384]).collect();
        let stays = vec![1_u8; 16_384];
        let before = resident();
        drop(blocks);
        super::trim();
        let returned = before.saturating_sub(resident());
        assert!(returned > 40_000_000, "{returned} octets of 64,000,000 were returned");
        drop(stays);
    }
}
