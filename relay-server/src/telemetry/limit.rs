//! A bound on how often each log statement writes, so that remote parties cannot fill the log.

use core::fmt;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Lines of one statement within [`PERIOD`].
const LINES: u32 = 20;
const PERIOD: Duration = Duration::from_secs(10);

/// Lines for intrusion detection (fail2ban), which have their own limit per source address.
const SECURITY: &str = "offhook::security";

/// Formats events with `format`. Of a statement at level info or above, [`LINES`] are written in [`PERIOD`]; the first line
/// after that carries the number of those that were left out, as the field `suppressed`.
pub(super) struct Limited<F> {
    format: F,
    statements: Mutex<HashMap<Identifier, Statement>>,
}

impl<F> Limited<F> {
    pub(super) fn new(format: F) -> Self {
        Self { format, statements: Mutex::default() }
    }

    /// The number of lines left out before this one, or `None` if this one is left out too.
    fn permit(&self, metadata: &Metadata<'_>, now: Instant) -> Option<u64> {
        if *metadata.level() > Level::INFO || metadata.target() == SECURITY {
            return Some(0);
        }
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.entry(metadata.callsite()).or_insert_with(|| Statement::new(now)).permit(now)
    }
}

/// The lines of one log statement.
struct Statement {
    since: Instant,
    written: u32,
    suppressed: u64,
}

impl Statement {
    fn new(now: Instant) -> Self {
        Self { since: now, written: 0, suppressed: 0 }
    }

    fn permit(&mut self, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.since) >= PERIOD {
            (self.since, self.written) = (now, 0);
        }
        if self.written == LINES {
            self.suppressed += 1;
            return None;
        }
        self.written += 1;
        Some(core::mem::take(&mut self.suppressed))
    }
}

impl<S, N, F> FormatEvent<S, N> for Limited<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        match self.permit(event.metadata(), Instant::now()) {
            // An empty line is not queued.
            None => Ok(()),
            Some(0) => self.format.format_event(ctx, writer, event),
            Some(suppressed) => {
                let mut line = String::new();
                let inner = Writer::new(&mut line);
                self.format.format_event(ctx, inner, event)?;
                writeln!(writer, "{} suppressed={suppressed}", line.trim_end())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES, PERIOD, Statement};
    use std::time::Instant;

    #[test]
    fn a_flood_is_written_in_part_and_counted() {
        let start = Instant::now();
        let mut statement = Statement::new(start);
        let written = (0..1_000).filter(|_| statement.permit(start) == Some(0)).count();
        assert_eq!(written, LINES as usize);
        assert_eq!(statement.permit(start + PERIOD), Some(980));
        assert_eq!(statement.permit(start + PERIOD), Some(0));
    }
}
