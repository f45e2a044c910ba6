//! Call detail records: one for each call attempt, in an SQLite or PostgreSQL database and as JSON lines.
//!
//! ```text
//! signaling plane ── RecordSender::send (never blocks) ──> bounded queue ──> writer thread ──> RecordStore (SQLite or PostgreSQL)
//!                                                     └──> bounded queue ──> writer thread ──> RecordStore (JSON lines)
//! ```
//!
//! Each store has its own queue and thread, so that a store that fails does not delay the other. A writer removes the
//! queued records, writes them as one batch, and repeats a failed batch until it is written. A record is lost, and
//! counted as lost, if the queue is full.

mod database;
mod detail;
mod json_lines;
mod legs;
mod postgres;
mod postgres_row;
mod query;
mod reader;
mod start;
mod writer;

pub use database::RecordDatabase;
pub use detail::{CallDetailRecord, RecordJson, RouteDetail};
pub use json_lines::JsonLines;
pub use legs::{DirectionDetail, LegDetail, StreamDetail};
pub use postgres::{PostgresStore, PostgresUrl};
pub use query::{RecordPage, RecordQuery, StoredRecord};
pub use reader::{CancelOnDrop, QueryCancellation, RecordReader};
pub use start::start;
pub use writer::{RecordCounters, RecordSender, RecordStore, RecordStores, RecordWriters, StoreError};

#[cfg(test)]
mod tests;
