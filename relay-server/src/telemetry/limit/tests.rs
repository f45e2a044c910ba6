use super::{LINES, Limited, PERIOD, Statement};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tracing_subscriber::fmt::format::Format;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log output of `act`.
fn logged(has_colors: bool, act: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let format = Limited::new(Format::default().with_ansi(has_colors));
    let subscriber = tracing_subscriber::fmt().with_ansi(has_colors).event_format(format);
    tracing::subscriber::with_default(subscriber.with_writer(move || writer.clone()).finish(), act);
    let octets = buffer.0.lock().unwrap().clone();
    String::from_utf8(octets).unwrap()
}

/// Every character that programs interpret as the end of a line, and terminal control sequences.
const HOSTILE: &str = "a\r\nb\nc\td\u{b}e\u{2028}f\u{2029}g\u{85}h\u{c}\x1b[2Ji\x1b]0;title\x07j\0\u{9b}2Jk";
/// The start of [`HOSTILE`] as it appears in a log line.
const ESCAPED: &str = r"a\r\nb\nc\td\u{b}e\u{2028}f\u{2029}g";

#[test]
fn value_with_line_feeds_stays_on_one_line() {
    let text = logged(false, || {
        tracing::warn!(certificate_names = %HOSTILE, "refused: {HOSTILE}");
    });
    assert_eq!(text.split_once("WARN").unwrap().1.matches(ESCAPED).count(), 2, "{text:?}");
    assert!(text.strip_suffix('\n').is_some_and(|line| !line.contains(super::is_control)), "{text:?}");
}

#[test]
fn value_in_a_span_is_escaped() {
    let text = logged(false, || {
        let span = tracing::info_span!("peer", name = %HOSTILE).entered();
        tracing::warn!(name = %HOSTILE, "refused");
        drop(span);
    });
    assert!(text.strip_suffix('\n').is_some_and(|line| !line.contains(super::is_control)), "{text:?}");
}

#[test]
fn terminal_output_keeps_only_color_sequences() {
    let text = logged(true, || tracing::warn!(certificate_names = %HOSTILE, "refused"));
    let line = text.strip_suffix('\n').unwrap();
    assert!(line.contains("\x1b[33m") && line.contains("\x1b[0m"), "{line:?}");
    let mut rest = line;
    while let Some(start) = rest.find(super::is_control) {
        let length = super::color_length(&rest[start..]).unwrap_or_else(|| panic!("not a color: {line:?}"));
        rest = &rest[start + length..];
    }
    for (sequence, length) in [("\x1b[0m", Some(4)), ("\x1b[1;31mx", Some(7)), ("\x1b[2J", None), ("\x1b[", None)] {
        assert_eq!(super::color_length(sequence), length, "{sequence:?}");
    }
}

#[test]
fn repeated_lines_are_limited_and_counted() {
    let start = Instant::now();
    let mut statement = Statement::new(start);
    let written = (0..1_000).filter(|_| statement.permit(start) == Some(0)).count();
    assert_eq!(written, LINES as usize);
    assert_eq!(statement.permit(start + PERIOD), Some(980));
    assert_eq!(statement.permit(start + PERIOD), Some(0));
}
