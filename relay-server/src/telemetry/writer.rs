//! The queue of log lines and the thread that writes them.

use core::time::Duration;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Instant;
use tracing_subscriber::fmt::MakeWriter;

/// Maximum number of queued lines.
const LINES: usize = 8_192;
/// Maximum number of queued octets.
const OCTETS: usize = 4_194_304;
/// Minimum interval between reports of dropped lines.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Time limit for writing the queued lines at the end of the process.
const FLUSH: Duration = Duration::from_millis(500);

/// Counters of the log, for `/healthz`.
#[derive(Debug, Default)]
pub struct LogCounters {
    dropped: AtomicU64,
    /// Octets in the queue.
    waiting: AtomicUsize,
}

impl LogCounters {
    /// The number of lines that were not written, because the queue was full or the stream failed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

static COUNTERS: LazyLock<Arc<LogCounters>> = LazyLock::new(Arc::default);

/// The counters of the process.
pub(super) fn counters() -> Arc<LogCounters> {
    Arc::clone(&COUNTERS)
}

enum Order {
    Write(Vec<u8>),
    /// Acknowledges that all lines before this were written or dropped.
    Flush(mpsc::Sender<()>),
}

/// The sender of the queue; each `write` is one line.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Order>,
    counters: Arc<LogCounters>,
}

impl Lines {
    fn push(&self, line: Vec<u8>) {
        let octets = line.len();
        let waiting = self.counters.waiting.fetch_add(octets, Ordering::Relaxed);
        if waiting.saturating_add(octets) > OCTETS || self.queue.try_send(Order::Write(line)).is_err() {
            self.counters.waiting.fetch_sub(octets, Ordering::Relaxed);
            self.counters.drop_one();
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !line.is_empty() {
            self.push(line.to_vec());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The thread that writes the log. Dropping it waits until the queued lines are written, for at most 500 ms.
#[must_use]
pub struct LogThread(Lines);

impl LogThread {
    /// Writes a line without level and time, for errors that end the program.
    pub fn print(&self, line: &str) {
        self.0.push(format!("{line}\n").into_bytes());
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        let (done, wait) = channel();
        let end = Instant::now() + FLUSH;
        let mut order = Order::Flush(done);
        // A full queue is emptied within the time limit, unless the stream blocks.
        while let Err(mpsc::TrySendError::Full(back)) = self.0.queue.try_send(order) {
            if Instant::now() >= end {
                return;
            }
            order = back;
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = wait.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// Starts a thread that writes to `stream`. `report` logs the number of dropped lines.
///
/// # Errors
/// If the thread cannot be created.
pub(super) fn start(
    stream: impl Write + Send + 'static,
    counters: Arc<LogCounters>,
    report: impl FnMut(u64) + Send + 'static,
) -> io::Result<(Lines, LogThread)> {
    let (queue, orders) = sync_channel(LINES);
    let lines = Lines { queue, counters: Arc::clone(&counters) };
    let worker = Worker { stream, counters, report, reported: 0, report_after: Instant::now(), is_cut: false };
    std::thread::Builder::new().name("log".to_owned()).spawn(move || worker.run(&orders))?;
    Ok((lines.clone(), LogThread(lines)))
}

struct Worker<W, R> {
    stream: W,
    counters: Arc<LogCounters>,
    report: R,
    /// The number of dropped lines that has been reported.
    reported: u64,
    report_after: Instant,
    /// The last line was written only partially.
    is_cut: bool,
}

impl<W: Write, R: FnMut(u64)> Worker<W, R> {
    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            match order {
                Order::Write(line) => {
                    self.counters.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                    match self.write(&line) {
                        Ok(()) => self.report(),
                        Err(_) => self.counters.drop_one(),
                    }
                }
                Order::Flush(done) => {
                    let _ = done.send(());
                }
            }
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_cut {
            self.stream.write_all(b"\n")?;
            self.is_cut = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_cut = rest.len() < line.len();
                    return Err(error);
                }
            }
        }
        self.stream.flush()
    }

    /// Reports the number of dropped lines, after the stream has accepted a line.
    fn report(&mut self) {
        let (dropped, now) = (self.counters.dropped(), Instant::now());
        if dropped > self.reported && now >= self.report_after {
            let lines = dropped - self.reported;
            (self.reported, self.report_after) = (dropped, now + REPORT_EVERY);
            (self.report)(lines);
        }
    }
}

#[cfg(test)]
mod tests;
