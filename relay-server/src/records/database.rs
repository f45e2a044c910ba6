//! Store of call detail records in an SQLite database.
//!
//! The database uses a write-ahead log, and each batch is one transaction that is on disk when it ends (`synchronous = FULL`). Other
//! programs can read it at any time.

use super::detail::{CallDetailRecord, RouteDetail};
use super::reader::RecordReader;
use super::writer::{Maintenance, RecordStore, StoreError};
use core::time::Duration;
use offhook_clock::Time;
use rusqlite::{Connection, OpenFlags, params};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The version of the schema.
const SCHEMA: u16 = 3;
/// The element at index n changes the schema from version n to version n + 1. `PRAGMA user_version` contains the
/// version.
pub(super) const MIGRATIONS: [&str; SCHEMA as usize] = [
    "
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        uid TEXT NOT NULL UNIQUE,
        call TEXT NOT NULL,
        scheme TEXT NOT NULL,
        caller TEXT NOT NULL,
        dialed TEXT NOT NULL,
        caller_kind TEXT NOT NULL,
        callee TEXT,
        callee_kind TEXT,
        routes TEXT NOT NULL,
        codecs TEXT NOT NULL,
        placed_at INTEGER NOT NULL,
        alerted_at INTEGER,
        answered_at INTEGER,
        ended_at INTEGER NOT NULL,
        end_reason TEXT NOT NULL,
        sip_status INTEGER
    ) STRICT;
    CREATE INDEX calls_placed_at ON calls (placed_at);
    CREATE INDEX calls_ended_at ON calls (ended_at);
    CREATE INDEX calls_caller ON calls (caller);
    CREATE INDEX calls_callee ON calls (callee);
    CREATE INDEX calls_dialed ON calls (dialed);
",
    "ALTER TABLE calls ADD COLUMN legs TEXT NOT NULL DEFAULT '[]';",
    "ALTER TABLE calls ADD COLUMN recordings TEXT NOT NULL DEFAULT '[]';",
];

/// Maximum number of rows that are removed in one transaction, which limits its duration.
const REMOVED_AT_ONCE: usize = 5_000;
/// Time to wait for another program that locks the database.
const BUSY: Duration = Duration::from_secs(2);

const INSERT: &str = "INSERT OR IGNORE INTO calls (uid, call, scheme, caller, dialed, caller_kind, callee, callee_kind, routes, \
     codecs, placed_at, alerted_at, answered_at, ended_at, end_reason, sip_status, legs, recordings) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

/// The columns of a record, in the order that [`record_of_row`] expects.
pub(super) const COLUMNS: &str = "id, uid, call, scheme, caller, dialed, caller_kind, callee, callee_kind, routes, codecs, placed_at, \
     alerted_at, answered_at, ended_at, end_reason, sip_status, legs, recordings";

/// The database, which is opened when it is first used, and again after a failure.
#[derive(Debug)]
pub struct RecordDatabase {
    path: PathBuf,
    /// Time for which records are kept; `None`: no limit.
    retention: Option<Duration>,
    connection: Option<Connection>,
}

impl RecordDatabase {
    /// A database in the file `path`.
    #[must_use]
    pub const fn new(path: PathBuf, retention: Option<Duration>) -> Self {
        Self { path, retention, connection: None }
    }

    /// Opens the database if it is not open.
    ///
    /// # Errors
    /// If it cannot be opened or created.
    pub fn connect(&mut self) -> Result<(), StoreError> {
        self.connection().map(drop)
    }

    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open(&self.path).map_err(|error| failure(&self.path, &error))?,
        };
        Ok(self.connection.insert(connection))
    }

    fn insert(&mut self, records: &[CallDetailRecord]) -> Result<(), StoreError> {
        let path = self.path.clone();
        let failed = |error: rusqlite::Error| failure(&path, &error);
        let transaction = self.connection()?.transaction().map_err(failed)?;
        let mut insert = transaction.prepare(INSERT).map_err(failed)?;
        for record in records {
            insert_one(&mut insert, record).map_err(failed)?;
        }
        drop(insert);
        transaction.commit().map_err(failed)
    }

    /// Removes at most [`REMOVED_AT_ONCE`] of the records that ended before `before`.
    fn remove_old(&mut self, before: Time) -> Result<Maintenance, StoreError> {
        let path = self.path.clone();
        let remove = format!(
            "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE ended_at < ?1 ORDER BY ended_at LIMIT {REMOVED_AT_ONCE})"
        );
        let removed = self.connection()?.execute(&remove, [millis(before)]).map_err(|error| failure(&path, &error))?;
        if removed > 0 {
            tracing::info!(removed, "call detail records removed after the retention time");
        }
        Ok(if removed == REMOVED_AT_ONCE { Maintenance::Partial } else { Maintenance::Complete })
    }
}

impl RecordStore for RecordDatabase {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn write(&mut self, records: &[CallDetailRecord]) -> Result<(), StoreError> {
        // After a failure, the file is opened again, because it may have been replaced.
        self.insert(records).inspect_err(|_| self.connection = None)
    }

    fn maintain(&mut self) -> Result<Maintenance, StoreError> {
        // Creates the database at start, so that it can be read before the first call.
        self.connect()?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match self.retention {
            Some(retention) => self.remove_old(Time::EPOCH + now.saturating_sub(retention)),
            None => Ok(Maintenance::Complete),
        }
    }

    fn reader(&self) -> Option<RecordReader> {
        Some(RecordReader::Sqlite(self.path.clone()))
    }

    fn reopen(&mut self) {
        self.connection = None;
    }
}

/// Returns the default path: `records.sqlite` in the state directory, which also contains the self-signed certificate.
#[must_use]
pub(super) fn default_path(state_directory: &Path) -> PathBuf {
    state_directory.join("records.sqlite")
}

/// Opens the database for writing, creates it if it does not exist, and updates its schema.
fn open(path: &Path) -> Result<Connection, Box<dyn std::error::Error>> {
    create(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Creates the file, readable by its owner only, because records contain names and numbers. SQLite gives its other
/// files the same mode. A file that exists is not opened, because closing it would release the POSIX locks that other
/// connections of this process hold.
fn create(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

fn migrate(connection: &mut Connection) -> Result<(), Box<dyn std::error::Error>> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: u16 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let Some(missing) = MIGRATIONS.get(usize::from(version)..) else {
        return Err(
            format!("the schema has version {version}, and this relay supports {SCHEMA}: use a newer relay").into()
        );
    };
    for statements in missing {
        transaction.execute_batch(statements)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    Ok(transaction.commit()?)
}

fn insert_one(insert: &mut rusqlite::Statement<'_>, record: &CallDetailRecord) -> rusqlite::Result<usize> {
    let callee = record.callee.as_ref();
    insert.execute(params![
        record.uid,
        record.call.to_string(),
        record.scheme,
        record.from,
        record.to,
        record.caller_kind,
        callee.map(|callee| &callee.address),
        callee.map(|callee| &callee.kind),
        serde_json::to_string(&record.routes).unwrap_or_default(),
        record.codecs.join(","),
        millis(record.placed_at),
        record.alerted_at.map(millis),
        record.answered_at.map(millis),
        millis(record.ended_at),
        record.end_reason,
        record.sip_status,
        serde_json::to_string(&record.legs).unwrap_or_default(),
        serde_json::to_string(&record.recordings).unwrap_or_default(),
    ])
}

/// Reads the columns [`COLUMNS`].
pub(super) fn record_of_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, CallDetailRecord)> {
    let callee = row.get::<_, Option<String>>(7)?.zip(row.get::<_, Option<String>>(8)?);
    let codecs: String = row.get(10)?;
    let record = CallDetailRecord {
        uid: row.get(1)?,
        call: row.get::<_, String>(2)?.parse().unwrap_or_default(),
        scheme: row.get(3)?,
        from: row.get(4)?,
        to: row.get(5)?,
        caller_kind: row.get(6)?,
        callee: callee.map(|(address, kind)| RouteDetail { kind, address }),
        routes: serde_json::from_str(&row.get::<_, String>(9)?).unwrap_or_default(),
        codecs: codecs.split(',').filter(|codec| !codec.is_empty()).map(str::to_owned).collect(),
        placed_at: time(row.get(11)?),
        alerted_at: row.get::<_, Option<i64>>(12)?.map(time),
        answered_at: row.get::<_, Option<i64>>(13)?.map(time),
        ended_at: time(row.get(14)?),
        end_reason: row.get(15)?,
        sip_status: row.get(16)?,
        legs: serde_json::from_str(&row.get::<_, String>(17)?).unwrap_or_default(),
        recordings: serde_json::from_str(&row.get::<_, String>(18)?).unwrap_or_default(),
    };
    Ok((row.get(0)?, record))
}

/// Milliseconds since the Unix epoch.
pub(super) fn millis(time: Time) -> i64 {
    i64::try_from(time.since(Time::EPOCH).as_millis()).unwrap_or(i64::MAX)
}

fn time(millis: i64) -> Time {
    Time::EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

fn failure(path: &Path, error: &dyn core::fmt::Display) -> StoreError {
    StoreError(format!(
        "{}: {error}; check the path, its permissions and the free space, or change [records] sqlite",
        path.display()
    ))
}
