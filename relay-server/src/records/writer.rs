//! The queues and threads that write records, and their counters.

use super::detail::CallDetailRecord;
use super::reader::RecordReader;
use core::fmt;
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Instant;
use tokio::sync::oneshot;

/// Maximum number of records that are queued for one store; further ones are lost. A record needs about 1 kB.
pub(super) const QUEUE: usize = 20_000;
/// Maximum number of records in one batch.
const BATCH: usize = 500;
/// Time until a failed batch is written again: doubles from the first to the last value.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// Interval of [`RecordStore::maintain`].
const MAINTENANCE: Duration = Duration::from_secs(600);

/// The result of one step of a store's maintenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Nothing remains to be done until the next interval.
    Complete,
    /// The step reached its limit; another one follows after the records that are queued.
    Partial,
}

/// A failure of a store, with the file and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A destination of call detail records. It opens its file or its connection when it is used, so that it can recover from a failure at
/// any time.
pub trait RecordStore: Send + 'static {
    /// Its name in metrics and in the log.
    fn name(&self) -> &'static str;

    /// Writes records durably. If this fails, the same records are written again later; those that were written already must not
    /// appear twice.
    ///
    /// # Errors
    /// If any of the records was not written.
    fn write(&mut self, records: &[CallDetailRecord]) -> Result<(), StoreError>;

    /// Removes old records, a limited number at once, so that new records need not wait for a large backlog.
    ///
    /// # Errors
    /// If they cannot be removed; this is repeated later.
    fn maintain(&mut self) -> Result<Maintenance, StoreError>;

    /// The reader of the records, if it is a database.
    fn reader(&self) -> Option<RecordReader> {
        None
    }

    /// Opens the file or the connection again, for example after the file was renamed.
    fn reopen(&mut self);
}

/// Counters of one store. They are totals since the start, except for the length of the queue.
#[derive(Debug)]
pub struct RecordCounters {
    /// The name of the store.
    pub store: &'static str,
    /// Records written.
    pub written: AtomicU64,
    /// Failed attempts to write a batch; each is repeated.
    pub failures: AtomicU64,
    /// Records lost because the queue was full, or because they could not be written before the end of the process.
    pub lost: AtomicU64,
    /// Records that are queued or being written.
    pub queued: AtomicUsize,
    reopen: AtomicBool,
}

impl RecordCounters {
    pub(super) fn new(store: &'static str) -> Self {
        Self {
            store,
            written: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            queued: AtomicUsize::new(0),
            reopen: AtomicBool::new(false),
        }
    }
}

struct StoreQueue {
    records: SyncSender<CallDetailRecord>,
    counters: Arc<RecordCounters>,
}

/// The sender of records. When it is dropped, the writers end after the queued records have been written.
#[derive(Default)]
pub struct RecordSender(Vec<StoreQueue>);

impl fmt::Debug for RecordSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|queue| &queue.counters)).finish()
    }
}

impl RecordSender {
    /// Whether there is a store.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.0.is_empty()
    }

    /// Queues a record for each store, without blocking.
    pub fn send(&self, record: &CallDetailRecord) {
        for StoreQueue { records, counters } in &self.0 {
            counters.queued.fetch_add(1, Ordering::Relaxed);
            if records.try_send(record.clone()).is_err() {
                counters.queued.fetch_sub(1, Ordering::Relaxed);
                counters.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(store = counters.store, "call detail record lost: the queue is full");
            }
        }
    }
}

/// The stores of call detail records, for readers.
#[derive(Clone, Debug, Default)]
pub struct RecordStores {
    /// The counters of each store.
    pub counters: Vec<Arc<RecordCounters>>,
    /// The reader of the database, if there is one.
    pub database: Option<RecordReader>,
}

/// The running writers.
#[derive(Debug, Default)]
pub struct RecordWriters {
    /// Their stores.
    pub stores: RecordStores,
    ended: Vec<oneshot::Receiver<()>>,
}

impl RecordWriters {
    /// Starts a thread for each store.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(stores: Vec<Box<dyn RecordStore>>) -> io::Result<(RecordSender, Self)> {
        let (mut sender, mut writers) = (RecordSender::default(), Self::default());
        for store in stores {
            writers.stores.database = writers.stores.database.or(store.reader());
            let counters = Arc::new(RecordCounters::new(store.name()));
            let (records, queue) = sync_channel(QUEUE);
            let (done, ended) = oneshot::channel::<()>();
            let writer = Writer::new(store, Arc::clone(&counters), queue, MAINTENANCE);
            std::thread::Builder::new().name(format!("records-{}", counters.store)).spawn(move || {
                let _done = done;
                writer.run();
            })?;
            sender.0.push(StoreQueue { records, counters: Arc::clone(&counters) });
            writers.stores.counters.push(counters);
            writers.ended.push(ended);
        }
        Ok((sender, writers))
    }

    /// Opens the files of all stores again before the next record is written.
    pub fn reopen(&self) {
        for counters in &self.stores.counters {
            counters.reopen.store(true, Ordering::Relaxed);
        }
    }

    /// Logs the number of records that are lost because the process ends before they are written.
    pub fn report_unwritten(&self) {
        for counters in &self.stores.counters {
            let records = counters.queued.load(Ordering::Relaxed);
            if records > 0 {
                tracing::error!(store = counters.store, records, "call detail records lost: they could not be written");
            }
        }
    }

    /// Waits until all queued records have been written, after the sender was dropped.
    pub async fn flushed(&mut self) {
        for ended in self.ended.drain(..) {
            let _ = ended.await;
        }
    }
}

/// The state of a writer thread.
pub(super) struct Writer {
    store: Box<dyn RecordStore>,
    counters: Arc<RecordCounters>,
    queue: Receiver<CallDetailRecord>,
    /// Records that were taken from the queue and have not been written.
    batch: Vec<CallDetailRecord>,
    /// The interval of the store's maintenance.
    interval: Duration,
}

impl Writer {
    pub(super) const fn new(
        store: Box<dyn RecordStore>,
        counters: Arc<RecordCounters>,
        queue: Receiver<CallDetailRecord>,
        interval: Duration,
    ) -> Self {
        Self { store, counters, queue, batch: Vec::new(), interval }
    }

    /// Writes records until the queue is closed and empty. The maintenance does not depend on whether records arrive.
    pub(super) fn run(mut self) {
        let mut maintenance_due = Instant::now();
        loop {
            if maintenance_due <= Instant::now() {
                maintenance_due = match self.maintain() {
                    Maintenance::Complete => Instant::now() + self.interval,
                    Maintenance::Partial => Instant::now(),
                };
            }
            match self.queue.recv_timeout(maintenance_due.saturating_duration_since(Instant::now())) {
                Ok(record) => self.batch.push(record),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.batch.extend(self.queue.try_iter().take(BATCH - 1));
            self.write_batch();
        }
    }

    /// Writes the batch; repeats this until it succeeds.
    fn write_batch(&mut self) {
        let mut wait = RETRY.0;
        loop {
            if self.counters.reopen.swap(false, Ordering::Relaxed) {
                self.store.reopen();
            }
            match self.store.write(&self.batch) {
                Ok(()) => break,
                Err(error) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    let (store, retry_ms) = (self.counters.store, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                    tracing::error!(store, %error, retry_ms, "writing call detail records failed");
                    std::thread::sleep(wait);
                    wait = RETRY.1.min(wait * 2);
                }
            }
        }
        let count = self.batch.len();
        self.batch.clear();
        self.counters.written.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.counters.queued.fetch_sub(count, Ordering::Relaxed);
    }

    fn maintain(&mut self) -> Maintenance {
        self.store.maintain().unwrap_or_else(|error| {
            tracing::warn!(store = self.counters.store, %error, "maintenance of call detail records failed");
            Maintenance::Complete
        })
    }
}
