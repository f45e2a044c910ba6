//! The rows of the PostgreSQL table.

use super::detail::{CallDetailRecord, RouteDetail};
use super::legs::LegDetail;
use crate::timestamp::rfc3339;
use core::time::Duration;
use offhook_clock::Time;
use postgres::Row;
use serde::Serialize;
use std::time::SystemTime;

/// The columns of a record, in the order that [`record_of_row`] expects.
pub(super) const COLUMNS: &str = "id, uid, call, scheme, caller, dialed, caller_kind, callee, callee_kind, routes::text, codecs, \
     placed_at, alerted_at, answered_at, ended_at, end_reason, sip_status, legs::text, recordings::text";

/// A record in the form of the JSON that the statement for inserting expands to columns.
#[derive(Serialize)]
pub(super) struct PostgresRow<'a> {
    uid: &'a str,
    call: String,
    scheme: &'a str,
    caller: &'a str,
    dialed: &'a str,
    caller_kind: &'a str,
    callee: Option<&'a str>,
    callee_kind: Option<&'a str>,
    routes: &'a [RouteDetail],
    codecs: String,
    placed_at: String,
    alerted_at: Option<String>,
    answered_at: Option<String>,
    ended_at: String,
    end_reason: &'a str,
    sip_status: Option<u16>,
    legs: &'a [LegDetail],
    recordings: &'a [String],
}

impl<'a> From<&'a CallDetailRecord> for PostgresRow<'a> {
    fn from(record: &'a CallDetailRecord) -> Self {
        Self {
            uid: &record.uid,
            call: record.call.to_string(),
            scheme: &record.scheme,
            caller: &record.from,
            dialed: &record.to,
            caller_kind: &record.caller_kind,
            callee: record.callee.as_ref().map(|callee| callee.address.as_str()),
            callee_kind: record.callee.as_ref().map(|callee| callee.kind.as_str()),
            routes: &record.routes,
            codecs: record.codecs.join(","),
            placed_at: rfc3339(record.placed_at),
            alerted_at: record.alerted_at.map(rfc3339),
            answered_at: record.answered_at.map(rfc3339),
            ended_at: rfc3339(record.ended_at),
            end_reason: &record.end_reason,
            sip_status: record.sip_status,
            legs: &record.legs,
            recordings: &record.recordings,
        }
    }
}

/// Replaces U+0000, which PostgreSQL accepts neither in text nor in JSON, by U+FFFD. A record that cannot be stored
/// would be repeated for ever.
pub(super) fn without_nul(json: &str) -> String {
    json.replace("\\u0000", "\\ufffd")
}

/// Reads the columns [`COLUMNS`].
pub(super) fn record_of_row(row: &Row) -> Result<(i64, CallDetailRecord), postgres::Error> {
    let callee = row.try_get::<_, Option<String>>(7)?.zip(row.try_get::<_, Option<String>>(8)?);
    let codecs: String = row.try_get(10)?;
    let time = |index: usize| row.try_get::<_, Option<SystemTime>>(index).map(|time| time.map(time_of));
    let record = CallDetailRecord {
        uid: row.try_get(1)?,
        call: row.try_get::<_, String>(2)?.parse().unwrap_or_default(),
        scheme: row.try_get(3)?,
        from: row.try_get(4)?,
        to: row.try_get(5)?,
        caller_kind: row.try_get(6)?,
        callee: callee.map(|(address, kind)| RouteDetail { kind, address }),
        routes: serde_json::from_str(&row.try_get::<_, String>(9)?).unwrap_or_default(),
        codecs: codecs.split(',').filter(|codec| !codec.is_empty()).map(str::to_owned).collect(),
        placed_at: time(11)?.unwrap_or(Time::EPOCH),
        alerted_at: time(12)?,
        answered_at: time(13)?,
        ended_at: time(14)?.unwrap_or(Time::EPOCH),
        end_reason: row.try_get(15)?,
        sip_status: row.try_get::<_, Option<i32>>(16)?.and_then(|status| u16::try_from(status).ok()),
        legs: serde_json::from_str(&row.try_get::<_, String>(17)?).unwrap_or_default(),
        recordings: serde_json::from_str(&row.try_get::<_, String>(18)?).unwrap_or_default(),
    };
    Ok((row.try_get(0)?, record))
}

pub(super) fn system_time(time: Time) -> SystemTime {
    SystemTime::UNIX_EPOCH + time.since(Time::EPOCH)
}

fn time_of(time: SystemTime) -> Time {
    Time::EPOCH + time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO)
}
