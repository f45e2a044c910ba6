//! Reading the database of call detail records.

use super::postgres::{PostgresUrl, described};
use super::postgres_row;
use super::query::{RecordPage, RecordQuery, StoredRecord};
use core::time::Duration;
use offhook_clock::Time;
use postgres::types::ToSql;
use rusqlite::InterruptHandle;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// A database of call detail records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordReader {
    /// An SQLite database in this file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresUrl),
}

/// The cancellation of a query, which runs on another thread.
#[derive(Clone, Default)]
pub struct QueryCancellation(Arc<Cancellation>);

#[derive(Default)]
struct Cancellation {
    is_cancelled: AtomicBool,
    running: OnceLock<InterruptHandle>,
}

impl QueryCancellation {
    /// Makes the query fail as soon as possible.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        if let Some(running) = self.0.running.get() {
            running.interrupt();
        }
    }

    pub(super) fn begin(&self, running: InterruptHandle) {
        let _ = self.0.running.set(running);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::SeqCst)
    }
}

/// Cancels a query when it is dropped, for example because the request that waits for it has reached its time limit.
pub struct CancelOnDrop(pub QueryCancellation);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl RecordReader {
    /// Returns a page of the selected records. Blocks, for about `limit` at most.
    ///
    /// # Errors
    /// If the database cannot be read, or the query was cancelled.
    pub fn read(
        &self,
        query: &RecordQuery,
        limit: Duration,
        cancellation: &QueryCancellation,
    ) -> Result<RecordPage, String> {
        match self {
            Self::Sqlite(path) => query.run(path, cancellation).map_err(|error| error.to_string()),
            Self::Postgres(url) => {
                query.run_in_postgres(url, limit).map_err(|error| format!("{url}: {}", described(&error)))
            }
        }
    }
}

impl RecordQuery {
    fn run_in_postgres(&self, url: &PostgresUrl, limit: Duration) -> Result<RecordPage, postgres::Error> {
        // The server ends a statement that exceeds its limit.
        let mut client = url.connect(limit)?;
        let (condition, values) = self.postgres_condition();
        let mut values: Vec<&(dyn ToSql + Sync)> = values.iter().map(AsRef::as_ref).collect();
        let total: i64 =
            client.query_one(&format!("SELECT count(*) FROM calls WHERE {condition}"), &values)?.try_get(0)?;
        let before = self.before.unwrap_or(i64::MAX);
        let (limit, place) = (self.page_size(), values.len() + 1);
        values.push(&before);
        let columns = postgres_row::COLUMNS;
        // One more record is read, to determine whether there is another page.
        let select = format!(
            "SELECT {columns} FROM calls WHERE {condition} AND id < ${place} ORDER BY id DESC LIMIT {}",
            limit + 1
        );
        let rows = client.query(&select, &values)?;
        let has_more = rows.len() > limit;
        let stored = |row| postgres_row::record_of_row(row).map(|(id, record)| StoredRecord { id, record });
        let records = rows.iter().take(limit).map(stored).collect::<Result<_, _>>()?;
        Ok(RecordPage { records, total: usize::try_from(total).unwrap_or_default(), has_more })
    }

    /// The condition of all pages, with the values of its parameters.
    fn postgres_condition(&self) -> (String, Vec<Box<dyn ToSql + Sync>>) {
        let mut conditions = vec!["true".to_owned()];
        let mut values: Vec<Box<dyn ToSql + Sync>> = Vec::new();
        let mut add = |condition: &str, value: Box<dyn ToSql + Sync>| {
            values.push(value);
            conditions.push(condition.replace('?', &format!("${}", values.len())));
        };
        let time = |time: Time| Box::new(postgres_row::system_time(time));
        // PostgreSQL refuses text with U+0000, which no record contains.
        let text = |text: &str| Box::new(text.replace('\0', "\u{fffd}"));
        if let Some(from) = self.from {
            add("placed_at >= ?", time(from));
        }
        if let Some(until) = self.until {
            add("placed_at < ?", time(until));
        }
        if let Some(participant) = &self.participant {
            add("(caller = ? OR dialed = ? OR callee = ?)", text(participant));
        }
        if let Some(reason) = &self.end_reason {
            add("end_reason = ?", text(reason));
        }
        (conditions.join(" AND "), values)
    }
}
