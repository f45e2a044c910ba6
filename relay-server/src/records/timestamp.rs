//! Times as text by RFC 3339, in UTC with milliseconds.

use offhook_clock::Time;

/// Returns a time like `2026-03-01T09:30:00.000Z`.
pub(super) fn rfc3339(time: Time) -> String {
    let millis = time.since(Time::EPOCH).as_millis();
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The Gregorian date of a number of days since 1970-01-01. Years are counted from March, so that the leap day is the last one.
const fn civil(days: u128) -> (u128, u128, u128) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;
    use core::time::Duration;
    use offhook_clock::Time;

    #[test]
    fn times_are_written_as_by_date() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_772_357_400, "2026-03-01T09:30:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Time::EPOCH + Duration::from_secs(seconds)), text);
        }
        assert_eq!(rfc3339(Time::EPOCH + Duration::from_millis(1_234)), "1970-01-01T00:00:01.234Z");
    }
}
