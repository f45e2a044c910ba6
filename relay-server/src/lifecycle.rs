//! Phases of the relay between its start and its end, as the HTTP handlers and the health checks see them.

use std::sync::atomic::{AtomicU8, Ordering};

/// A phase; each one follows the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The relay accepts calls.
    Running,
    /// New calls and client sessions are refused, and the calls that exist continue.
    Draining,
    /// The calls are ended.
    Stopping,
}

/// The present phase.
#[derive(Debug, Default)]
pub struct Lifecycle(AtomicU8);

impl Lifecycle {
    /// Returns the present phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        [Phase::Running, Phase::Draining]
            .into_iter()
            .find(|phase| *phase as u8 == self.0.load(Ordering::Relaxed))
            .unwrap_or(Phase::Stopping)
    }

    /// Enters a phase, unless a later one has been entered.
    pub fn enter(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Lifecycle, Phase};

    #[test]
    fn phases_follow_in_one_direction() {
        let lifecycle = Lifecycle::default();
        assert_eq!(lifecycle.phase(), Phase::Running);
        lifecycle.enter(Phase::Draining);
        assert_eq!(lifecycle.phase(), Phase::Draining);
        lifecycle.enter(Phase::Stopping);
        lifecycle.enter(Phase::Draining);
        assert_eq!(lifecycle.phase(), Phase::Stopping);
    }
}
