//! Store of call detail records as JSON lines: one JSON object in each line of a file.

use super::detail::CallDetailRecord;
use super::writer::{Maintenance, RecordStore, StoreError};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// The file, which is opened when it is first used, and again after a failure.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    file: Option<File>,
}

impl JsonLines {
    /// Appends to the file `path`.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    fn append(&mut self, lines: &str) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        let length = file.metadata()?.len();
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        match written {
            Ok(()) => self.file = Some(file),
            // The whole batch is written again later, so a part that was written is removed.
            Err(_) => file.set_len(length)?,
        }
        written
    }

    /// Opens the file, readable by its owner only, because records contain names and numbers.
    fn open(&self) -> io::Result<File> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        // The process that last wrote the file may have ended in the middle of a line.
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(file)
    }
}

impl RecordStore for JsonLines {
    fn name(&self) -> &'static str {
        "json_lines"
    }

    fn write(&mut self, records: &[CallDetailRecord]) -> Result<(), StoreError> {
        let line = |record: &CallDetailRecord| serde_json::to_string(&record.to_json()).map(|line| line + "\n");
        let lines: Result<String, _> = records.iter().map(line).collect();
        lines.map_err(io::Error::from).and_then(|lines| self.append(&lines)).map_err(|error| {
            let path = self.path.display();
            StoreError(format!(
                "{path}: {error}; check its permissions and the free space, or change [records] json_lines"
            ))
        })
    }

    fn maintain(&mut self) -> Result<Maintenance, StoreError> {
        Ok(Maintenance::Complete)
    }

    fn reopen(&mut self) {
        self.file = None;
    }
}
