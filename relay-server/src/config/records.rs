//! Options of `[records]`.

use super::value::Given;
use crate::records::PostgresUrl;
use core::time::Duration;
use std::path::PathBuf;

/// The location of the database of call detail records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DatabaseLocation {
    /// A file in the state directory. There is no database with `--demo`, if the file cannot be opened, or if there is a
    /// PostgreSQL database.
    #[default]
    Default,
    /// There is no database.
    Off,
    /// This file.
    File(PathBuf),
}

/// Options of `[records]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// The SQLite database.
    pub sqlite: DatabaseLocation,
    /// The PostgreSQL database.
    pub database: Option<PostgresUrl>,
    /// The file of JSON lines.
    pub json_lines: Option<PathBuf>,
    /// Time for which the database keeps a record; `None`: no limit.
    pub retention: Option<Duration>,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self { sqlite: DatabaseLocation::Default, database: None, json_lines: None, retention: days(90) }
    }
}

pub(super) fn location(given: &Given) -> Result<DatabaseLocation, String> {
    Ok(given.path()?.map_or(DatabaseLocation::Off, DatabaseLocation::File))
}

pub(super) fn database(given: &Given) -> Result<Option<PostgresUrl>, String> {
    let text = given.one()?;
    if text.is_empty() { Ok(None) } else { PostgresUrl::parse(text).map(Some) }
}

pub(super) fn retention(given: &Given) -> Result<Option<Duration>, String> {
    Ok(days(given.number(0, 36_500)?))
}

const fn days(days: u64) -> Option<Duration> {
    if days == 0 { None } else { Some(Duration::from_secs(days * 86_400)) }
}

/// Returns the lines of `[records]` for `offhook-relay check`.
pub(super) fn explain(settings: &RecordSettings) -> [(&'static str, String); 4] {
    let sqlite = match &settings.sqlite {
        DatabaseLocation::Default if settings.database.is_some() => "off, because of records.database".to_owned(),
        DatabaseLocation::Default => "records.sqlite in the state directory (none with --demo)".to_owned(),
        DatabaseLocation::Off => "off".to_owned(),
        DatabaseLocation::File(path) => path.display().to_string(),
    };
    let database = settings.database.as_ref().map_or("off".to_owned(), ToString::to_string);
    let json_lines = settings.json_lines.as_ref().map_or("off".to_owned(), |path| path.display().to_string());
    let days = settings.retention.map(|retention| retention.as_secs() / 86_400);
    let retention = days.map_or("records are kept for ever".to_owned(), |days| format!("{days} days"));
    [
        ("records.database", database),
        ("records.sqlite", sqlite),
        ("records.json_lines", json_lines),
        ("records.retention_days", retention),
    ]
}
