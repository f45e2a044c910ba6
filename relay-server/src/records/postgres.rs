//! Store of call detail records in a PostgreSQL database.
//!
//! Each batch is one transaction with one statement. The unique `uid` makes it harmless to repeat a batch whose result was lost
//! with the connection, so that each record is stored exactly once. Several relays may share a database.

use super::detail::CallDetailRecord;
use super::postgres_row::{PostgresRow, without_nul};
use super::writer::{Maintenance, RecordStore, StoreError};
use core::fmt;
use core::time::Duration;
use offhook_sip::auth::Secret;
use postgres::config::{Host, SslMode};
use postgres::{Client, Config, NoTls};
use std::time::SystemTime;

/// The version of the schema.
const SCHEMA: i32 = 1;
/// The element at index n changes the schema from version n to version n + 1. The table `calls_schema` contains the
/// version.
const MIGRATIONS: [&str; SCHEMA as usize] = ["
    CREATE TABLE calls (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE,
        call TEXT NOT NULL,
        scheme TEXT NOT NULL,
        caller TEXT NOT NULL,
        dialed TEXT NOT NULL,
        caller_kind TEXT NOT NULL,
        callee TEXT,
        callee_kind TEXT,
        routes JSONB NOT NULL,
        codecs TEXT NOT NULL,
        placed_at TIMESTAMPTZ NOT NULL,
        alerted_at TIMESTAMPTZ,
        answered_at TIMESTAMPTZ,
        ended_at TIMESTAMPTZ NOT NULL,
        end_reason TEXT NOT NULL,
        sip_status INTEGER,
        legs JSONB NOT NULL,
        recordings JSONB NOT NULL
    );
    CREATE INDEX calls_placed_at ON calls (placed_at);
    CREATE INDEX calls_ended_at ON calls (ended_at);
    CREATE INDEX calls_caller ON calls (caller);
    CREATE INDEX calls_callee ON calls (callee);
    CREATE INDEX calls_dialed ON calls (dialed);
"];

/// A number by which relays that start at the same time update the schema one after another.
const MIGRATION_LOCK: i64 = 0x6f66_6668_6f6f_6b01;
/// Maximum number of rows that are removed in one transaction, which limits its duration.
const REMOVED_AT_ONCE: u64 = 5_000;
/// Time limit for connecting.
const CONNECT: Duration = Duration::from_secs(5);
/// Time after which a connection without acknowledgments is closed.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// Time limit for a statement of the writer. A batch takes milliseconds; a server that blocks must not block the writer
/// for ever.
const STATEMENT: Duration = Duration::from_secs(30);

const INSERT: &str = "
    INSERT INTO calls (uid, call, scheme, caller, dialed, caller_kind, callee, callee_kind, routes, codecs, placed_at,
        alerted_at, answered_at, ended_at, end_reason, sip_status, legs, recordings)
    SELECT uid, call, scheme, caller, dialed, caller_kind, callee, callee_kind, routes, codecs, placed_at,
        alerted_at, answered_at, ended_at, end_reason, sip_status, legs, recordings
    FROM ROWS FROM (jsonb_to_recordset($1::text::jsonb) AS (uid TEXT, call TEXT, scheme TEXT, caller TEXT,
        dialed TEXT, caller_kind TEXT, callee TEXT, callee_kind TEXT, routes JSONB, codecs TEXT,
        placed_at TIMESTAMPTZ, alerted_at TIMESTAMPTZ, answered_at TIMESTAMPTZ, ended_at TIMESTAMPTZ,
        end_reason TEXT, sip_status INTEGER, legs JSONB, recordings JSONB)) WITH ORDINALITY
    ORDER BY ordinality
    ON CONFLICT (uid) DO NOTHING";

const REMOVE: &str = "
    DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE ended_at < $1 ORDER BY ended_at LIMIT 5000)";

/// The URL of a database, which may contain a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Secret);

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The server and the database, without user and password.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(config) = self.0.reveal().parse::<Config>() else { return f.write_str("postgres") };
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        write!(f, "postgres {} at {host}:{port}", config.get_dbname().unwrap_or("database"))
    }
}

impl PostgresUrl {
    /// Checks a URL as given by the operator.
    ///
    /// # Errors
    /// If it is not a `postgres://` URL with a host, or if it requires TLS.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "use a form like `postgres://user:password@host:5432/database`";
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            // The value may contain a password, so that it is not repeated in the message.
            return Err(format!("the value is not a PostgreSQL URL: {form}"));
        }
        let config: Config =
            text.parse().map_err(|error| format!("the PostgreSQL URL cannot be used ({error}): {form}"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(format!("the PostgreSQL URL has no host: {form}"));
        }
        if config.get_ssl_mode() == SslMode::Require {
            let remedy =
                "use a server on this machine or in a protected network, or a TLS tunnel, and remove `sslmode`";
            return Err(format!("TLS to PostgreSQL is not supported: {remedy}"));
        }
        Ok(Self(Secret::new(text)))
    }

    /// Connects, with a limit for the duration of each statement. Must not be called on a thread of an asynchronous
    /// runtime.
    pub(super) fn connect(&self, statement: Duration) -> Result<Client, postgres::Error> {
        let mut config: Config = self.0.reveal().parse()?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("offhook-relay");
        }
        let mut client = config.tcp_user_timeout(UNACKNOWLEDGED).connect(NoTls)?;
        client.batch_execute(&format!("SET statement_timeout = {}; SET timezone = 'UTC'", statement.as_millis()))?;
        Ok(client)
    }

    /// Describes a failure and its remedy.
    pub(super) fn failure(&self, error: &dyn fmt::Display) -> StoreError {
        StoreError(format!("{self}: {error}; check that the server runs and accepts the URL in [records] database"))
    }
}

/// The database, which is connected when it is first used, and again after a failure.
pub struct PostgresStore {
    url: PostgresUrl,
    /// Time for which records are kept; `None`: no limit.
    retention: Option<Duration>,
    client: Option<Client>,
}

impl PostgresStore {
    /// A store in the database of this URL.
    #[must_use]
    pub const fn new(url: PostgresUrl, retention: Option<Duration>) -> Self {
        Self { url, retention, client: None }
    }

    fn client(&mut self) -> Result<&mut Client, StoreError> {
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => {
                let mut client = self.url.connect(STATEMENT).map_err(|error| self.url.failure(&described(&error)))?;
                migrate(&mut client).map_err(|error| self.url.failure(&error))?;
                client
            }
        };
        Ok(self.client.insert(client))
    }

    /// Executes one statement; the connection is closed if it fails.
    fn execute(&mut self, run: impl FnOnce(&mut Client) -> Result<u64, postgres::Error>) -> Result<u64, StoreError> {
        let done = run(self.client()?);
        done.map_err(|error| {
            self.client = None;
            self.url.failure(&described(&error))
        })
    }
}

impl RecordStore for PostgresStore {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn write(&mut self, records: &[CallDetailRecord]) -> Result<(), StoreError> {
        let rows: Vec<PostgresRow<'_>> = records.iter().map(PostgresRow::from).collect();
        let rows = serde_json::to_string(&rows).map_err(|error| self.url.failure(&error))?;
        let rows = without_nul(&rows);
        self.execute(|client| client.execute(INSERT, &[&rows])).map(drop)
    }

    fn maintain(&mut self) -> Result<Maintenance, StoreError> {
        // Creates the table at start, so that it can be read before the first call.
        self.client()?;
        let Some(before) = self.retention.and_then(|retention| SystemTime::now().checked_sub(retention)) else {
            return Ok(Maintenance::Complete);
        };
        let removed = self.execute(|client| client.execute(REMOVE, &[&before]))?;
        if removed > 0 {
            tracing::info!(removed, "call detail records removed after the retention time");
        }
        Ok(if removed == REMOVED_AT_ONCE { Maintenance::Partial } else { Maintenance::Complete })
    }

    fn reader(&self) -> Option<super::RecordReader> {
        Some(super::RecordReader::Postgres(self.url.clone()))
    }

    fn reopen(&mut self) {
        self.client = None;
    }
}

/// The error with its cause, which contains the message of the server.
pub(super) fn described(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(server) => format!("{} ({})", server.message(), server.code().code()),
        None => match core::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

/// Updates the schema.
fn migrate(client: &mut Client) -> Result<(), String> {
    let failed = |error: postgres::Error| described(&error);
    let mut transaction = client.transaction().map_err(failed)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).map_err(failed)?;
    let create = "CREATE TABLE IF NOT EXISTS calls_schema (version INTEGER NOT NULL)";
    transaction.batch_execute(create).map_err(failed)?;
    let row = transaction.query_opt("SELECT version FROM calls_schema", &[]).map_err(failed)?;
    let version: i32 = row.map_or(Ok(0), |row| row.try_get(0)).map_err(failed)?;
    let Some(missing) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..)) else {
        return Err(format!("the schema has version {version}, and this relay supports {SCHEMA}: use a newer relay"));
    };
    for statements in missing {
        transaction.batch_execute(statements).map_err(failed)?;
    }
    if !missing.is_empty() {
        let store = "DELETE FROM calls_schema; INSERT INTO calls_schema VALUES (";
        transaction.batch_execute(&format!("{store}{SCHEMA})")).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}
