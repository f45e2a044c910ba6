//! Selects the stores of call detail records by the configuration, and starts their writers.

use super::database::{RecordDatabase, default_path};
use super::json_lines::JsonLines;
use super::postgres::PostgresStore;
use super::writer::{RecordSender, RecordStore, RecordWriters};
use crate::config::{DatabaseLocation, RecordSettings};
use std::io;
use std::path::Path;

/// Starts the writers of the configured stores. `state_directory` contains the default database; none: there is no default one.
///
/// # Errors
/// If a thread cannot be started. A store that cannot be opened is not an error: calls do not depend on records.
pub fn start(settings: &RecordSettings, state_directory: Option<&Path>) -> io::Result<(RecordSender, RecordWriters)> {
    let mut stores: Vec<Box<dyn RecordStore>> = Vec::new();
    // The first database is the one that is read.
    if let Some(url) = &settings.database {
        stores.push(Box::new(PostgresStore::new(url.clone(), settings.retention)));
    }
    if let Some(database) = database(settings, state_directory) {
        stores.push(Box::new(database));
    }
    if let Some(path) = &settings.json_lines {
        stores.push(Box::new(JsonLines::new(path.clone())));
    }
    RecordWriters::start(stores)
}

fn database(settings: &RecordSettings, state_directory: Option<&Path>) -> Option<RecordDatabase> {
    match &settings.sqlite {
        DatabaseLocation::Off => None,
        // If a configured database cannot be opened, the writer repeats the attempt.
        DatabaseLocation::File(path) => Some(RecordDatabase::new(path.clone(), settings.retention)),
        DatabaseLocation::Default if settings.database.is_some() => None,
        DatabaseLocation::Default => {
            let mut database = RecordDatabase::new(default_path(state_directory?), settings.retention);
            match database.connect() {
                Ok(()) => Some(database),
                Err(error) => {
                    tracing::warn!(%error, "call detail records are not kept: the default database cannot be opened");
                    None
                }
            }
        }
    }
}
