use super::super::error::RecordingError;
use super::{RecordingFields, Recordings};
use crate::config::{RecordingFormat, RecordingSettings};
use core::time::Duration;
use offhook_clock::Time;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{channel, sync_channel};

fn fields() -> RecordingFields {
    let (call, caller, callee) = ("7".to_owned(), "alice".to_owned(), "bob".to_owned());
    RecordingFields { call, caller, callee, started_at: Time::EPOCH }
}

fn settings(name: &str) -> (RecordingSettings, PathBuf) {
    let directory = std::env::temp_dir().join(format!("offhook-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let settings = RecordingSettings {
        directory: Some(directory.clone()),
        pattern: "{call}".to_owned(),
        format: RecordingFormat::Wav,
        rate: 16_000,
        max_length: Duration::from_secs(60),
        max_total: None,
        min_free: 0,
    };
    (settings, directory)
}

#[test]
fn start_with_full_queue_fails_and_leaves_no_file() {
    let (settings, directory) = settings("full-queue");
    let (jobs, queue) = sync_channel(0);
    let recordings = Recordings { settings, jobs, closed: channel().0, started: std::sync::Arc::default() };
    let (done, result) = channel();
    // In a thread of its own, because a blocking start would never return.
    std::thread::spawn(move || done.send(recordings.start(&fields())));
    let result = result.recv_timeout(Duration::from_secs(10)).expect("a result without a free place in the queue");
    assert!(matches!(result, Err(RecordingError::NotCreated(_))), "{result:?}");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    drop(queue);
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn discarded_recording_leaves_no_file() {
    let (settings, directory) = settings("discarded");
    let (recordings, thread) = Recordings::new(settings).unwrap();
    let started = recordings.start(&fields()).unwrap();
    assert!(started.path.is_file());
    recordings.discard(&started);
    drop((recordings, thread));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    fs::remove_dir_all(&directory).unwrap();
}
