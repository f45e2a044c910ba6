//! Names of recordings, made from a pattern.

use crate::timestamp::rfc3339;
use offhook_clock::Time;
use std::path::PathBuf;

/// The longest value of a field in a name.
const MOST: usize = 64;

/// The values of the fields in a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingFields {
    /// `{call}`: identifies the call.
    pub call: String,
    /// `{caller}`: its login or number.
    pub caller: String,
    /// `{callee}`: its login or number.
    pub callee: String,
    /// `{date}` and `{time}`: the beginning, in UTC, as `2026-03-01` and `093000`.
    pub started_at: Time,
}

/// The fields that a pattern may contain.
pub(crate) const FIELDS: [&str; 5] = ["call", "caller", "callee", "date", "time"];

/// Checks a pattern: known fields, and a relative path without `..`.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    let mut rest = pattern;
    while let Some((_, after)) = rest.split_once('{') {
        let (field, after) = after.split_once('}').ok_or_else(|| format!("`{pattern}` has a `{{` without `}}`"))?;
        if !FIELDS.contains(&field) {
            return Err(format!(
                "`{{{field}}}` is not a field: use {}",
                FIELDS.map(|field| format!("`{{{field}}}`")).join(", ")
            ));
        }
        rest = after;
    }
    let is_path = !pattern.is_empty() && pattern.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_path { Ok(()) } else { Err(format!("`{pattern}` is not a relative path without `..`")) }
}

/// Returns the path of a recording without extension. `{` without a known field is kept.
pub(super) fn path_of(pattern: &str, fields: &RecordingFields) -> PathBuf {
    let text = rfc3339(fields.started_at);
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let time: String = time.chars().filter(char::is_ascii_digit).take(6).collect();
    let name = pattern
        .replace("{call}", &sanitized(&fields.call))
        .replace("{caller}", &sanitized(&fields.caller))
        .replace("{callee}", &sanitized(&fields.callee))
        .replace("{date}", date)
        .replace("{time}", &time);
    PathBuf::from(name)
}

/// Keeps letters and digits of ASCII and `+-_@.`; a dot is not kept at the beginning. Fields come from the network.
fn sanitized(value: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "+-_@.".contains(c) { c } else { '_' };
    let kept: String = value.chars().take(MOST).map(keep).collect();
    let trimmed = kept.trim_start_matches('.');
    if trimmed.is_empty() { "unknown".to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{RecordingFields, check, path_of};
    use core::time::Duration;
    use offhook_clock::Time;
    use std::path::Path;

    fn fields(caller: &str) -> RecordingFields {
        let started_at = Time::EPOCH + Duration::from_secs(1_772_357_400);
        RecordingFields {
            call: "7-1".to_owned(),
            caller: caller.to_owned(),
            callee: "+49 30 1234".to_owned(),
            started_at,
        }
    }

    #[test]
    fn pattern_is_filled_with_sanitized_fields() {
        let path = |caller| path_of("{date}/{time}-{caller}-{callee}-{call}", &fields(caller));
        assert_eq!(path("alice@example.com"), Path::new("2026-03-01/093000-alice@example.com-+49_30_1234-7-1"));
        assert_eq!(path("../../etc/passwd"), Path::new("2026-03-01/093000-_.._etc_passwd-+49_30_1234-7-1"));
        assert_eq!(path("..\0/"), Path::new("2026-03-01/093000-__-+49_30_1234-7-1"));
        assert_eq!(path("..."), Path::new("2026-03-01/093000-unknown-+49_30_1234-7-1"));
        assert_eq!(path_of("{caller}", &fields(&"x".repeat(1000))).as_os_str().len(), 64);
        assert_eq!(path_of("{caller}", &fields("{callee}")), Path::new("_callee_"), "a value is not a pattern");
    }

    #[test]
    fn wrong_patterns_are_rejected() {
        for pattern in ["{call", "{number}", "", "/var/{call}", "../{call}", "{date}//{call}", "./{call}"] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
        assert_eq!(check("{date}/{caller}-{callee}-{call}"), Ok(()));
    }
}
