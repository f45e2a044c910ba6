//! Options of `[trace]`.

use super::value::Given;
use crate::trace::TraceLimits;
use core::time::Duration;

/// Octets of the messages of one leg.
const LEG_OCTETS: usize = 262_144;

/// Options of `[trace]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    /// Whether the messages of calls are kept.
    pub is_on: bool,
    /// Their limits.
    pub limits: TraceLimits,
}

impl Default for TraceSettings {
    fn default() -> Self {
        let limits = TraceLimits { octets: 32 * MEBIBYTE, leg_octets: LEG_OCTETS, keep: Duration::from_secs(300) };
        Self { is_on: true, limits }
    }
}

const MEBIBYTE: usize = 1_048_576;

/// A number of mebibytes.
pub(super) fn octets(given: &Given) -> Result<usize, String> {
    Ok(given.number::<usize>(1, 4_096)? * MEBIBYTE)
}

/// Returns the lines of `[trace]` for `offhook-relay check`.
pub(super) fn explain(settings: &TraceSettings) -> [(&'static str, String); 3] {
    let TraceLimits { octets, keep, .. } = settings.limits;
    [
        ("trace.enabled", settings.is_on.to_string()),
        ("trace.memory", format!("{} MiB", octets / MEBIBYTE)),
        ("trace.keep", format!("{} s after the end of a call", keep.as_secs())),
    ]
}
