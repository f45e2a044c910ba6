//! Logging to standard error. A log statement neither blocks nor panics, whatever the state of that stream.
//!
//! Lines are formatted by `limit::Limited`, which limits the rate of each log statement and escapes control characters, and are
//! written by a separate thread from a bounded queue (`writer`). A line is dropped and counted if the queue is full or the stream
//! fails.

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
/// Panics are logged by a hook, because the default hook writes to the stream directly and could block the panicking thread.
///
/// # Errors
/// If the thread or the descriptor cannot be created.
pub fn start() -> io::Result<LogThread> {
    let filter = EnvFilter::try_from_env("OFFHOOK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let stream = io::stderr();
    let ansi = has_colors(stream.is_terminal(), std::env::var("NO_COLOR").ok().as_deref());
    // A duplicated descriptor, because the lock of `io::stderr` would be held while a write blocks.
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
        tracing::debug!("logging was already started");
    }
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(location, message, "panic: this is a bug, please report it");
    }));
    Ok(thread)
}

/// Whether lines contain color sequences: only on a terminal, and without `NO_COLOR` (<https://no-color.org>).
fn has_colors(is_terminal: bool, no_color: Option<&str>) -> bool {
    is_terminal && no_color.is_none_or(str::is_empty)
}

/// The counters of the log; they are zero if logging was not started.
#[must_use]
pub fn counters() -> Arc<LogCounters> {
    writer::counters()
}

#[cfg(test)]
mod tests {
    use super::has_colors;

    #[test]
    fn colors_require_a_terminal_without_no_color() {
        assert!(has_colors(true, None) && has_colors(true, Some("")));
        assert!(!has_colors(true, Some("1")));
        assert!(!has_colors(false, None));
    }
}
