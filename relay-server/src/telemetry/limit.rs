//! Log formatter that limits the rate of each log statement, so that remote peers cannot fill the log, and writes each
//! event as one line, so that they cannot forge lines. Lines that have other limits are exempt: those for fail2ban and
//! the records of routed calls.

use crate::signaling_plane::call_log::TARGET as CALLS;
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

/// Maximum number of lines of one statement in [`PERIOD`].
const LINES: u32 = 20;
const PERIOD: Duration = Duration::from_secs(10);

/// Target of the lines for fail2ban, which are limited per source address instead.
const SECURITY: &str = "offhook::security";

/// Formats events with `format`. A statement at level info or above writes at most [`LINES`] lines in [`PERIOD`]; its next line
/// contains the number of omitted lines in the field `suppressed`. Control characters within a line are escaped.
pub(super) struct Limited<F> {
    format: F,
    statements: Mutex<HashMap<Identifier, Statement>>,
}

impl<F> Limited<F> {
    pub(super) fn new(format: F) -> Self {
        Self { format, statements: Mutex::default() }
    }

    /// Returns the number of lines omitted before this one, or `None` if this one is omitted too.
    fn permit(&self, metadata: &Metadata<'_>, now: Instant) -> Option<u64> {
        if *metadata.level() > Level::INFO || [SECURITY, CALLS].contains(&metadata.target()) {
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
        // Nothing is written, so that no line is queued.
        let Some(suppressed) = self.permit(event.metadata(), Instant::now()) else { return Ok(()) };
        let mut line = String::new();
        self.format.format_event(ctx, Writer::new(&mut line), event)?;
        write_escaped(&mut writer, line.trim_end())?;
        if suppressed > 0 {
            write!(writer, " suppressed={suppressed}")?;
        }
        writer.write_char('\n')
    }
}

/// Writes `line`, escaping every character that ends a line or controls a terminal, as in `\n` and `\u{85}`. Color sequences are
/// kept if `out` has colors.
fn write_escaped(out: &mut Writer<'_>, line: &str) -> fmt::Result {
    let mut rest = line;
    while let Some((start, control)) = rest.char_indices().find(|(_, character)| is_control(*character)) {
        let (text, from_control) = rest.split_at(start);
        out.write_str(text)?;
        let color = if out.has_ansi_escapes() { color_length(from_control) } else { None };
        let length = color.unwrap_or(control.len_utf8());
        let (sequence, after) = from_control.split_at(length);
        if color.is_some() {
            out.write_str(sequence)?;
        } else {
            write!(out, "{}", control.escape_default())?;
        }
        rest = after;
    }
    out.write_str(rest)
}

/// Whether `character` is a control character or one of the two line separators of Unicode.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The length of the color sequence (`ESC [ digits m`) at the start of `text`.
fn color_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|character: char| !character.is_ascii_digit() && character != ';')?;
    parameters.get(end..)?.starts_with('m').then_some("\x1b[".len() + end + "m".len())
}

#[cfg(test)]
mod tests;
