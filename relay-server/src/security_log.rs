//! The security log: repeated offenses of remote addresses, for operators and for fail2ban.
//!
//! Every line has the target `offhook::security`, level WARN and the fields `kind`, `address`, `verified` and `count`. The filter
//! in `docs/fail2ban` depends on this format. There is at most one line a minute for each source and kind.

use crate::clock::Clock;
use offhook_limits::Offenses;
use offhook_limits::offense::{Kind, OffenseReport};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Writes one line.
pub fn write(report: &OffenseReport) {
    tracing::warn!(
        target: "offhook::security",
        kind = %report.kind,
        address = %report.address,
        verified = report.is_verified,
        count = report.count,
        "repeated offenses of one address"
    );
}

/// Counts offenses that the shell detects without the relay machine, such as connections beyond a limit.
#[derive(Debug)]
pub struct SecurityLog {
    clock: Clock,
    offenses: Mutex<Offenses>,
}

impl SecurityLog {
    /// Creates a log without offenses.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, offenses: Mutex::default() }
    }

    /// Counts an offense of the remote address of a TCP connection, and writes a line if one is due.
    pub fn note(&self, kind: Kind, address: IpAddr) {
        let mut offenses = self.offenses.lock().unwrap_or_else(PoisonError::into_inner);
        let report = offenses.note(kind, address, true, self.clock.now());
        drop(offenses);
        if let Some(report) = report {
            write(&report);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
