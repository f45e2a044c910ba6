//! Queries of the records in the database.

use super::database::{COLUMNS, millis, record_of_row};
use super::detail::CallDetailRecord;
use super::reader::QueryCancellation;
use offhook_clock::Time;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use std::path::Path;

/// Maximum number of records of one page.
const PAGE: usize = 1_000;

/// Selects records. Absent conditions select all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordQuery {
    /// The call was placed at this time or later.
    pub from: Option<Time>,
    /// The call was placed before this time.
    pub until: Option<Time>,
    /// The caller, the dialed callee, or the callee that answered is exactly this.
    pub participant: Option<String>,
    /// The end reason.
    pub end_reason: Option<String>,
    /// The record has a lower id than this one, which is the id of the last record on the previous page.
    pub before: Option<i64>,
    /// The number of records of the page, at most 1,000.
    pub limit: usize,
}

/// A record and its id in the database. Ids grow in the order in which records were written.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRecord {
    /// The id, for paging.
    pub id: i64,
    /// The record.
    pub record: CallDetailRecord,
}

/// A page of the selected records.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordPage {
    /// The records, the newest first.
    pub records: Vec<StoredRecord>,
    /// The number of records on all pages.
    pub total: usize,
    /// Whether there are older ones.
    pub has_more: bool,
}

impl RecordQuery {
    /// Returns a page of the selected records of the database in `path`. Blocks while the file is read.
    ///
    /// # Errors
    /// If the file does not exist or cannot be read, or the query was cancelled.
    pub(super) fn run(&self, path: &Path, cancellation: &QueryCancellation) -> rusqlite::Result<RecordPage> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        cancellation.begin(connection.get_interrupt_handle());
        let (condition, mut values) = self.condition();
        let count = format!("SELECT count(*) FROM calls WHERE {condition}");
        let total = connection.query_row(&count, params_from_iter(&values), |row| row.get::<_, u32>(0))?;
        if cancellation.is_cancelled() {
            return Err(interrupted());
        }
        let limit = self.page_size();
        // One more record is read, to determine whether there is another page.
        let one_more = limit + 1;
        values.push(self.before.unwrap_or(i64::MAX).into());
        let statement =
            format!("SELECT {COLUMNS} FROM calls WHERE {condition} AND id < ? ORDER BY id DESC LIMIT {one_more}");
        let mut select = connection.prepare(&statement)?;
        let rows = select.query_map(params_from_iter(values), record_of_row)?;
        let rows = rows.map(|row| row.map(|(id, record)| StoredRecord { id, record }));
        let mut records = rows.collect::<Result<Vec<_>, _>>()?;
        let has_more = records.len() > limit;
        records.truncate(limit);
        Ok(RecordPage { records, total: usize::try_from(total).unwrap_or(usize::MAX), has_more })
    }

    pub(super) fn page_size(&self) -> usize {
        self.limit.min(PAGE)
    }

    /// The condition of all pages, with a parameter for each value.
    fn condition(&self) -> (String, Vec<Value>) {
        let mut conditions = vec!["1"];
        let mut values = Vec::new();
        let mut add = |condition, value: Value, count| {
            conditions.push(condition);
            values.extend(core::iter::repeat_n(value, count));
        };
        if let Some(from) = self.from {
            add("placed_at >= ?", millis(from).into(), 1);
        }
        if let Some(until) = self.until {
            add("placed_at < ?", millis(until).into(), 1);
        }
        if let Some(participant) = &self.participant {
            add("(caller = ? OR dialed = ? OR callee = ?)", participant.clone().into(), 3);
        }
        if let Some(reason) = &self.end_reason {
            add("end_reason = ?", reason.clone().into(), 1);
        }
        (conditions.join(" AND "), values)
    }
}

/// The error of a query that was cancelled between two statements.
fn interrupted() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT), None)
}
