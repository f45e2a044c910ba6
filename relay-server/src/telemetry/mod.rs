//! Logging to the standard error stream. A log statement neither blocks nor panics, whatever happens to that stream.
//!
//! Lines pass a `limit::Limited` formatter, which bounds the rate of each log statement and escapes control characters, and a
//! bounded queue (`writer`), which a thread of its own empties. A line that finds the queue full, or that the stream does not
//! accept, is dropped and counted.

mod limit;
mod writer;

pub use writer::{LogCounters, LogThread};

use limit::Limited;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Format;

/// Starts logging, filtered by `OFFHOOK_LOG` (`info` if it is not set or not valid).
///
/// Panics are logged too: the standard hook writes to the stream directly, and would block its thread where the stream
/// blocks.
///
/// # Errors
/// If the system has no thread or descriptor left.
pub fn start() -> io::Result<LogThread> {
    let filter = EnvFilter::try_from_env("OFFHOOK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let stream = io::stderr();
    let ansi = has_colors(stream.is_terminal(), std::env::var("NO_COLOR").ok().as_deref());
    // A descriptor of its own: the lock of `io::stderr` would be held for as long as a write blocks.
    let stream = File::from(stream.as_fd().try_clone_to_owned()?);
    let report = |lines| tracing::warn!(lines, "log lines were dropped: the log stream was full, slow or failing");
    let (lines, thread) = writer::start(stream, counters(), report)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .log_internal_errors(false)
        .event_format(Limited::new(Format::default().with_ansi(ansi)))
        .with_writer(lines);
    if subscriber.try_init().is_err() {
        tracing::debug!("logging is already started");
    }
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(location, message, "panic: this is a bug, please report it");
    }));
    Ok(thread)
}

/// Escape codes are for terminals; in a file they are noise (see <https://no-color.org> for the variable).
fn has_colors(is_terminal: bool, no_color: Option<&str>) -> bool {
    is_terminal && no_color.is_none_or(str::is_empty)
}

/// The counters of the log; those of a process without logging stay at zero.
#[must_use]
pub fn counters() -> Arc<LogCounters> {
    writer::counters()
}

#[cfg(test)]
mod tests {
    use super::has_colors;

    #[test]
    fn colors_are_for_terminals_that_want_them() {
        assert!(has_colors(true, None) && has_colors(true, Some("")));
        assert!(!has_colors(true, Some("1")));
        assert!(!has_colors(false, None));
    }
}
