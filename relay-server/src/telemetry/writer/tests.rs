use super::{LINES, Lines, LogCounters, start};
use core::time::Duration;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A stream that returns the results that the test has queued, and records the accepted text.
struct Scripted {
    answers: Receiver<io::Result<usize>>,
    text: Arc<Mutex<String>>,
}

impl Write for Scripted {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        // If no result is queued, everything is accepted.
        let length = self.answers.recv().unwrap_or(Ok(usize::MAX))?.min(octets.len());
        self.text.lock().unwrap().push_str(core::str::from_utf8(&octets[..length]).unwrap());
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Rig {
    lines: Lines,
    thread: super::LogThread,
    counters: Arc<LogCounters>,
    answers: Sender<io::Result<usize>>,
    text: Arc<Mutex<String>>,
    reports: Receiver<u64>,
}

fn rig() -> Rig {
    let (answers, script) = channel();
    let (text, counters) = (Arc::new(Mutex::default()), Arc::new(LogCounters::default()));
    let stream = Scripted { answers: script, text: Arc::clone(&text) };
    let (lost, reports) = channel();
    let (lines, thread) = start(stream, Arc::clone(&counters), move |lines| lost.send(lines).unwrap()).unwrap();
    Rig { lines, thread, counters, answers, text, reports }
}

#[test]
fn blocked_stream_drops_lines_without_delay() {
    let mut rig = rig();
    let start = Instant::now();
    for number in 0..2 * LINES {
        rig.lines.write_all(format!("{number}\n").as_bytes()).unwrap();
    }
    // The thread may be writing one line.
    let dropped = rig.counters.dropped();
    assert!((LINES as u64 - 1..=LINES as u64).contains(&dropped), "{dropped}");
    assert!(start.elapsed() < Duration::from_secs(5), "no write waits");
    drop(rig.answers);
    drop(rig.thread);
    assert!(rig.text.lock().unwrap().starts_with("0\n1\n2\n"), "the queue is written once the stream accepts it");
}

#[test]
fn queued_octets_are_bounded() {
    let mut rig = rig();
    for _ in 0..100 {
        rig.lines.write_all(&[b'x'; 65_536]).unwrap();
    }
    // 64 lines are in the queue, and the thread may be writing one.
    assert!((35..=36).contains(&rig.counters.dropped()), "{}", rig.counters.dropped());
    drop(rig.answers);
}

#[test]
fn drop_does_not_wait_for_a_blocked_stream() {
    let mut rig = rig();
    rig.lines.write_all(b"never written\n").unwrap();
    let start = Instant::now();
    drop(rig.thread);
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(rig.answers);
}

#[test]
fn failed_stream_is_retried_and_loss_reported() {
    let mut rig = rig();
    for answer in [Err(io::ErrorKind::StorageFull.into()), Ok(3), Err(io::ErrorKind::BrokenPipe.into())] {
        rig.answers.send(answer).unwrap();
    }
    drop(rig.answers);
    for line in ["lost\n", "cut\n", "third\n"] {
        rig.lines.write_all(line.as_bytes()).unwrap();
    }
    rig.thread.print("last");
    drop(rig.thread);
    assert_eq!(*rig.text.lock().unwrap(), "cut\nthird\nlast\n", "a partially written line is terminated");
    assert_eq!(rig.reports.recv(), Ok(2));
    assert_eq!(rig.counters.dropped(), 2);
}
