//! Conversion of times to and from text (RFC 3339).

use core::time::Duration;
use offhook_clock::Time;

/// Number of days in 400 years of the Gregorian calendar. Years begin in March in this module, so that a leap day is
/// the last day of a year.
const ERA: u64 = 146_097;
/// Number of days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;

/// Returns a time in UTC with milliseconds, like `2026-03-01T09:30:00.000Z`.
pub(crate) fn rfc3339(time: Time) -> String {
    let millis = time.as_millis();
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = date(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Parses a time in UTC since 1970, with or without a fraction of a second, like `2026-03-01T09:30:00Z`.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Time> {
    let (date, clock) = text.split_once('T')?;
    let (clock, fraction) = clock.strip_suffix('Z').map(|clock| clock.split_once('.').unwrap_or((clock, "0")))?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let is_valid = year >= 1970 && (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    let days = if is_valid { days(year, month, day) } else { return None };
    // A day beyond the end of the month is converted to a date of the next month.
    if self::date(days) != (year, month, day) || fraction.len() > 9 || !is_number(fraction) {
        return None;
    }
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Time::EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros))
}

/// Parses three numbers of the given lengths.
fn numbers(text: &str, separator: char, lengths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut next = |length: usize| parts.next().filter(|part| part.len() == length && is_number(part))?.parse().ok();
    let found = [next(lengths[0])?, next(lengths[1])?, next(lengths[2])?];
    parts.next().is_none().then_some(found)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the date of the Gregorian calendar that is `days` after 1970-01-01.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH;
    let (era, day_of_era) = (days / ERA, days % ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The inverse of [`date`], for years since 1970.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, shifted) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * shifted + 2) / 5 + day;
    // A day that is 0 or too large is rejected by the caller.
    let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * ERA + day_of_era).saturating_sub(EPOCH + 1)
}

#[cfg(test)]
mod tests {
    use super::{Time, parse_rfc3339, rfc3339};
    use core::time::Duration;

    #[test]
    fn times_are_written_and_parsed() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_000, "2000-02-28T23:59:59.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_772_357_400_000, "2026-03-01T09:30:00.000Z"),
            (4_107_542_400_007, "2100-03-01T00:00:00.007Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (1_709_251_199_000, "2024-02-29T23:59:59.000Z"),
            (1_767_225_599_001, "2025-12-31T23:59:59.001Z"),
        ] {
            let time = Time::EPOCH + Duration::from_millis(millis);
            assert_eq!(rfc3339(time), text);
            assert_eq!(parse_rfc3339(text), Some(time), "{text}");
        }
        assert_eq!(parse_rfc3339("1970-01-01T00:00:01Z"), Some(Time::EPOCH + Duration::from_secs(1)));
        assert_eq!(parse_rfc3339("1970-01-01T00:00:00.5Z"), Some(Time::EPOCH + Duration::from_millis(500)));
    }

    #[test]
    fn invalid_times_are_rejected() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T09:30:00",
            "2026-03-01T09:30:00+01:00",
            "1969-12-31T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-03-00T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T09:30:00.Z",
            "+026-03-01T09:30:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
