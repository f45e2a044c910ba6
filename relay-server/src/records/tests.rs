use super::writer::{Maintenance, QUEUE, Writer};
use super::{
    CallDetailRecord, CancelOnDrop, DirectionDetail, JsonLines, LegDetail, PostgresUrl, QueryCancellation,
    RecordCounters, RecordDatabase, RecordQuery, RecordStore, RecordWriters, RouteDetail, StoreError, StreamDetail,
};
use crate::config::{DatabaseLocation, RecordSettings};
use core::time::Duration;
use offhook_clock::Time;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::time::SystemTime;

/// A directory that is removed after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("offhook-records-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn at(seconds: u64) -> Time {
    Time::EPOCH + Duration::from_secs(seconds)
}

fn stream() -> StreamDetail {
    let received = DirectionDetail {
        packets: 500,
        octets: 80_000,
        lost: Some(3),
        jitter_ms: Some(1.25),
        round_trip_ms: None,
        r_factor: Some(91.2),
        mos: Some(4.37),
    };
    let sent = DirectionDetail { lost: None, jitter_ms: None, r_factor: None, mos: None, ..received.clone() };
    StreamDetail { kind: "audio".to_owned(), received, sent }
}

/// An answered call that was placed at second `placed`.
fn record(call: u64, placed: u64) -> CallDetailRecord {
    let route = |address: &str| RouteDetail { kind: "browser".to_owned(), address: address.to_owned() };
    CallDetailRecord {
        uid: format!("1-{call:x}"),
        call,
        scheme: "local".to_owned(),
        from: format!("caller{call}"),
        to: "+49 30 \"1\"".to_owned(),
        caller_kind: "sip-endpoint".to_owned(),
        callee: Some(route("bob")),
        routes: vec![route("bob"), route("carol")],
        codecs: vec!["opus".to_owned(), "VP8".to_owned()],
        placed_at: at(placed),
        alerted_at: Some(at(placed + 1)),
        answered_at: Some(at(placed + 5)),
        ended_at: at(placed + 65),
        end_reason: "hungUp".to_owned(),
        sip_status: Some(200),
        legs: vec![LegDetail {
            role: "caller".to_owned(),
            call_id: Some("a1".to_owned()),
            sip_call_id: None,
            streams: vec![stream()],
        }],
        recordings: vec!["1.wav".to_owned()],
    }
}

fn unanswered(call: u64, placed: u64) -> CallDetailRecord {
    let none = CallDetailRecord { callee: None, routes: Vec::new(), codecs: Vec::new(), ..record(call, placed) };
    CallDetailRecord {
        alerted_at: None,
        answered_at: None,
        end_reason: "notFound".to_owned(),
        sip_status: None,
        ..none
    }
}

fn select(path: &Path, query: &RecordQuery) -> Vec<u64> {
    query
        .run(path, &QueryCancellation::default())
        .unwrap()
        .records
        .into_iter()
        .map(|stored| stored.record.call)
        .collect()
}

#[test]
fn records_are_read_as_written_once() {
    let scratch = Scratch::new();
    let path = scratch.0.join("below").join("records.sqlite");
    let mut database = RecordDatabase::new(path.clone(), None);
    let written = [record(1, 100), unanswered(2, 200)];
    database.write(&written[..1]).unwrap();
    // A batch that is repeated after a failure.
    database.write(&written).unwrap();
    let query = RecordQuery { limit: 10, ..RecordQuery::default() };
    let read: Vec<_> = query
        .run(&path, &QueryCancellation::default())
        .unwrap()
        .records
        .into_iter()
        .map(|stored| stored.record)
        .collect();
    assert_eq!(read, [written[1].clone(), written[0].clone()]);
    for file in ["records.sqlite", "records.sqlite-wal"] {
        let mode = std::fs::metadata(path.with_file_name(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn query_selects_by_time_participant_and_reason() {
    let scratch = Scratch::new();
    let path = scratch.0.join("records.sqlite");
    let records: Vec<_> = (1..=4).map(|call| record(call, call * 100)).chain([unanswered(5, 500)]).collect();
    RecordDatabase::new(path.clone(), None).write(&records).unwrap();
    let all = RecordQuery { limit: 100, ..RecordQuery::default() };
    let of = |participant: &str| RecordQuery { participant: Some(participant.to_owned()), ..all.clone() };
    assert_eq!(select(&path, &all), [5, 4, 3, 2, 1]);
    assert_eq!(select(&path, &RecordQuery { from: Some(at(200)), until: Some(at(400)), ..all.clone() }), [3, 2]);
    assert_eq!(select(&path, &of("caller2")), [2]);
    assert_eq!(select(&path, &of("bob")), [4, 3, 2, 1], "the callee that answered");
    assert_eq!(select(&path, &of("+49 30 \"1\"")).len(), 5, "the dialed callee");
    assert_eq!(select(&path, &of("' OR 1 --")), [0_u64; 0]);
    assert_eq!(select(&path, &RecordQuery { end_reason: Some("notFound".to_owned()), ..all.clone() }), [5]);
}

#[test]
fn pages_follow_one_another_by_id() {
    let scratch = Scratch::new();
    let path = scratch.0.join("records.sqlite");
    let mut database = RecordDatabase::new(path.clone(), None);
    database.write(&(1..=5).map(|call| record(call, call)).collect::<Vec<_>>()).unwrap();
    let first = RecordQuery { limit: 2, ..RecordQuery::default() }.run(&path, &QueryCancellation::default()).unwrap();
    assert_eq!(first.total, 5);
    // A record that is written between two pages does not move the second one.
    database.write(&[record(6, 6)]).unwrap();
    let before = first.records.last().map(|stored| stored.id);
    assert_eq!(select(&path, &RecordQuery { before, limit: 2, ..RecordQuery::default() }), [3, 2]);
}

#[test]
fn records_are_removed_after_the_retention_time() {
    let scratch = Scratch::new();
    let path = scratch.0.join("records.sqlite");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let day = 86_400;
    let mut database = RecordDatabase::new(path.clone(), Some(Duration::from_secs(2 * day)));
    database.write(&[record(1, now - 3 * day), record(2, now - day)]).unwrap();
    assert_eq!(database.maintain(), Ok(Maintenance::Complete));
    assert_eq!(select(&path, &RecordQuery { limit: 9, ..RecordQuery::default() }), [2]);
    // A backlog is removed in parts, between which new records are written.
    database.write(&(3..=7_000).map(|call| record(call, now - 3 * day)).collect::<Vec<_>>()).unwrap();
    let parts = [database.maintain(), database.maintain()];
    assert_eq!(parts, [Ok(Maintenance::Partial), Ok(Maintenance::Complete)]);
    assert_eq!(select(&path, &RecordQuery { limit: 9, ..RecordQuery::default() }), [2]);
}

/// A database that a relay with the first version of the schema has written.
#[test]
fn database_of_an_older_relay_is_updated() {
    let scratch = Scratch::new();
    let path = scratch.0.join("records.sqlite");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(super::database::MIGRATIONS[0]).unwrap();
    old.execute_batch(
        "INSERT INTO calls VALUES (7, '1-1', '1', 'local', 'alice', 'bob', 'browser', NULL, NULL, '[]', '', 1, NULL, NULL, 2, \
         'notFound', 404); PRAGMA user_version = 1",
    )
    .unwrap();
    drop(old);
    RecordDatabase::new(path.clone(), None).write(&[record(2, 2)]).unwrap();
    let stored =
        RecordQuery { limit: 9, ..RecordQuery::default() }.run(&path, &QueryCancellation::default()).unwrap().records;
    assert_eq!(stored.iter().map(|stored| (stored.id, stored.record.legs.len())).collect::<Vec<_>>(), [(8, 1), (7, 0)]);
}

#[test]
fn database_of_a_newer_relay_is_not_changed() {
    let scratch = Scratch::new();
    let path = scratch.0.join("records.sqlite");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = RecordDatabase::new(path.clone(), None).write(&[record(1, 1)]).unwrap_err().to_string();
    assert!(error.contains("has version 99") && error.contains("use a newer relay"), "{error}");
}

#[test]
fn json_lines_continue_after_an_incomplete_line() {
    let scratch = Scratch::new();
    let path = scratch.0.join("records.jsonl");
    std::fs::write(&path, "{\"uid\":\"1-1").unwrap();
    JsonLines::new(path.clone()).write(&[record(2, 1_772_357_400), unanswered(3, 3)]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["placedAt"], "2026-03-01T09:30:00.000Z");
    assert_eq!((&lines[0]["setupMs"], &lines[0]["durationMs"]), (&5_000.into(), &60_000.into()));
    assert_eq!(lines[0]["routes"][1]["address"], "carol");
    let stream = &lines[0]["legs"][0]["streams"][0];
    assert_eq!((&stream["received"]["rFactor"], &stream["received"]["mos"]), (&91.2.into(), &4.37.into()));
    assert_eq!((&stream["received"]["jitterMs"], &stream["sent"]["lost"]), (&1.25.into(), &serde_json::Value::Null));
    assert!(lines[1]["callee"].is_null() && lines[1]["durationMs"].is_null() && lines[1]["sipStatus"].is_null());
    assert_eq!(lines[1]["endReason"], "notFound");
}

/// A store whose results are given by the test.
struct Scripted {
    results: Receiver<Result<(), StoreError>>,
    batches: Sender<Vec<u64>>,
}

impl RecordStore for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn write(&mut self, records: &[CallDetailRecord]) -> Result<(), StoreError> {
        // Both channels are closed at the end of a test.
        let _ = self.batches.send(records.iter().map(|record| record.call).collect());
        self.results.recv().unwrap_or(Ok(()))
    }

    fn maintain(&mut self) -> Result<Maintenance, StoreError> {
        Ok(Maintenance::Complete)
    }

    fn reopen(&mut self) {}
}

#[test]
fn failed_batch_is_written_again_and_counted() {
    let ((result, results), (batches, written)) = (channel(), channel());
    let (sender, mut writers) = RecordWriters::start(vec![Box::new(Scripted { results, batches })]).unwrap();
    sender.send(&record(7, 7));
    result.send(Err(StoreError("disk full".to_owned()))).unwrap();
    result.send(Ok(())).unwrap();
    assert_eq!([written.recv().unwrap(), written.recv().unwrap()], [[7], [7]]);
    sender.send(&record(8, 8));
    drop(sender);
    result.send(Ok(())).unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(writers.flushed());
    assert_eq!(written.recv().unwrap(), [8], "queued records are written before the end");
    let counters = &writers.stores.counters[0];
    let count = |counter: &core::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!([count(&counters.written), count(&counters.failures), count(&counters.lost)], [2, 1, 0]);
    assert_eq!(counters.queued.load(Ordering::Relaxed), 0);
}

/// A store that counts its maintenance.
struct Maintained(Arc<AtomicU32>);

impl RecordStore for Maintained {
    fn name(&self) -> &'static str {
        "maintained"
    }

    fn write(&mut self, _: &[CallDetailRecord]) -> Result<(), StoreError> {
        Ok(())
    }

    fn maintain(&mut self) -> Result<Maintenance, StoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Maintenance::Complete)
    }

    fn reopen(&mut self) {}
}

#[test]
fn store_is_maintained_while_records_arrive() {
    let maintained = Arc::new(AtomicU32::new(0));
    let (records, queue) = sync_channel(QUEUE);
    // Several batches; the queue is never empty when its maintenance is due.
    (0..2_000).for_each(|call| records.send(record(call, call)).unwrap());
    drop(records);
    let counters = Arc::new(RecordCounters::new("maintained"));
    counters.queued.store(2_000, Ordering::Relaxed);
    Writer::new(Box::new(Maintained(Arc::clone(&maintained))), counters, queue, Duration::ZERO).run();
    assert_eq!(maintained.load(Ordering::Relaxed), 5, "before each batch and at the end");
}

#[test]
fn full_queue_loses_and_counts_records_without_blocking() {
    let ((result, results), (batches, written)) = (channel(), channel());
    let (sender, writers) = RecordWriters::start(vec![Box::new(Scripted { results, batches })]).unwrap();
    sender.send(&record(0, 0));
    written.recv().unwrap();
    // The writer waits for the result, so that nothing is taken from the queue.
    for call in 0..QUEUE as u64 + 3 {
        sender.send(&record(call, 0));
    }
    assert_eq!(writers.stores.counters[0].lost.load(Ordering::Relaxed), 3);
    drop((sender, result));
}

#[test]
fn default_database_that_cannot_be_opened_is_left_out() {
    let scratch = Scratch::new();
    let file = scratch.0.join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let settings = RecordSettings::default();
    let is_on = |directory: Option<&Path>| super::start(&settings, directory).unwrap().0.is_on();
    assert!(!is_on(Some(&file)) && !is_on(None));
    assert!(is_on(Some(&scratch.0)) && scratch.0.join("records.sqlite").is_file());
    let off = RecordSettings { sqlite: DatabaseLocation::Off, ..RecordSettings::default() };
    assert!(!super::start(&off, Some(&scratch.0)).unwrap().0.is_on());
}

#[test]
fn cancelled_query_fails() {
    let scratch = Scratch::new();
    let path = scratch.0.join("records.sqlite");
    RecordDatabase::new(path.clone(), None).write(&[record(1, 1)]).unwrap();
    let cancellation = QueryCancellation::default();
    let query = RecordQuery { limit: 9, ..RecordQuery::default() };
    assert_eq!(query.run(&path, &cancellation).unwrap().total, 1);
    drop(CancelOnDrop(cancellation.clone()));
    let error = query.run(&path, &cancellation).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::OperationInterrupted));
}

#[test]
fn reader_of_fifo_receives_each_record_once() {
    let scratch = Scratch::new();
    let path = scratch.0.join("records.fifo");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let mut store = JsonLines::new(path.clone());
    // Each reader receives one batch. The second one follows a failure, because the first reader has closed the FIFO.
    for calls in [[1, 2], [3, 4]] {
        let reader = std::thread::spawn({
            let path = path.clone();
            move || {
                let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
                let lines = std::io::BufRead::lines(file).take(2);
                lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap()).collect::<Vec<_>>()
            }
        });
        let batch = calls.map(|call| record(call, call));
        // The first attempt fails if the store still has the FIFO of the previous reader open.
        let _ = store.write(&batch).or_else(|_| store.write(&batch));
        let uids: Vec<_> = reader.join().unwrap().iter().map(|line| line["uid"].clone()).collect();
        assert_eq!(uids, calls.map(|call| format!("1-{call:x}")));
    }
}

#[test]
fn postgres_url_is_checked_and_shown_without_password() {
    let url = PostgresUrl::parse("postgres://relay:geheim@db.example:6432/calls").unwrap();
    assert_eq!(url.to_string(), "postgres calls at db.example:6432");
    assert!(!format!("{url:?}").contains("geheim"));
    for (wrong, expected) in [
        ("mysql://relay:geheim@db/calls", "is not a PostgreSQL URL"),
        ("postgres://relay:geheim@/calls", "has no host"),
        ("postgres://relay:geheim@db:x/calls", "cannot be used"),
        ("postgres://relay:geheim@db/calls?sslmode=require", "TLS to PostgreSQL is not supported"),
    ] {
        let error = PostgresUrl::parse(wrong).unwrap_err();
        assert!(error.contains(expected) && !error.contains("geheim"), "{wrong}: {error}");
    }
}
