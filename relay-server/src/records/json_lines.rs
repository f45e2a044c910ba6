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
    output: Option<LineOutput>,
    /// The number of lines of the batch that a stream has accepted. The batch is written again after a failure, without
    /// these lines.
    accepted: usize,
}

#[derive(Debug)]
enum LineOutput {
    /// A regular file. A batch that cannot be written is removed from it.
    Regular(File),
    /// A FIFO, a socket or a device, in which nothing can be removed or synchronized.
    Stream(File),
}

impl JsonLines {
    /// Appends to the file `path`.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, output: None, accepted: 0 }
    }

    fn append(&mut self, lines: &[String]) -> io::Result<()> {
        let output = match self.output.take() {
            Some(output) => output,
            None => self.open()?,
        };
        // The output is kept only if nothing fails, so that it is opened again after a failure.
        self.output = Some(match output {
            LineOutput::Regular(file) => append_all(file, lines)?,
            LineOutput::Stream(file) => self.send(file, lines)?,
        });
        self.accepted = 0;
        Ok(())
    }

    /// Writes the lines that the stream has not accepted yet. A line that was written in part is written again as a
    /// whole, because the reader of the part is gone.
    fn send(&mut self, mut file: File, lines: &[String]) -> io::Result<LineOutput> {
        for line in lines.iter().skip(self.accepted) {
            file.write_all(line.as_bytes())?;
            self.accepted += 1;
        }
        Ok(LineOutput::Stream(file))
    }

    /// Opens the file, readable by its owner only, because records contain names and numbers.
    fn open(&self) -> io::Result<LineOutput> {
        if std::fs::metadata(&self.path).is_ok_and(|known| !known.is_file()) {
            // Opened for writing only, so that a FIFO waits for a reader instead of storing lines that are not read.
            return Ok(LineOutput::Stream(OpenOptions::new().write(true).open(&self.path)?));
        }
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
        Ok(LineOutput::Regular(file))
    }
}

/// Appends the lines to a regular file, all of them or none.
fn append_all(mut file: File, lines: &[String]) -> io::Result<LineOutput> {
    let length = file.metadata()?.len();
    match file.write_all(lines.concat().as_bytes()).and_then(|()| file.sync_data()) {
        Ok(()) => Ok(LineOutput::Regular(file)),
        Err(error) => {
            // The whole batch is written again later, so a part that was written is removed.
            file.set_len(length)?;
            Err(error)
        }
    }
}

impl RecordStore for JsonLines {
    fn name(&self) -> &'static str {
        "json_lines"
    }

    fn write(&mut self, records: &[CallDetailRecord]) -> Result<(), StoreError> {
        let line = |record: &CallDetailRecord| serde_json::to_string(&record.to_json()).map(|line| line + "\n");
        let lines: Result<Vec<String>, _> = records.iter().map(line).collect();
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
        self.output = None;
    }
}
