//! Third-party programs as child processes of a test, with captured output.

use crate::wait::until;
use core::time::Duration;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

/// A running program. It is terminated when dropped.
pub struct Program {
    name: &'static str,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts `command` and captures its output.
    ///
    /// # Panics
    /// Panics if the program is not installed.
    #[must_use]
    pub fn start(name: &'static str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{name} cannot be started ({error}): cargo xtask setup installs it"),
        };
        let log = Arc::new(Mutex::new(Vec::new()));
        keep(child.stdout.take().expect("piped"), Arc::clone(&log));
        keep(child.stderr.take().expect("piped"), Arc::clone(&log));
        Self { name, child, log }
    }

    /// Takes its standard input.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Returns its output so far.
    ///
    /// # Panics
    /// Panics if a reader thread panicked.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").join("\n")
    }

    /// Returns whether it printed a line that contains `words`.
    ///
    /// # Panics
    /// Panics if a reader thread panicked.
    #[must_use]
    pub fn has_printed(&self, words: &str) -> bool {
        self.log.lock().expect("the log").iter().any(|line| line.contains(words))
    }

    /// Waits until it has printed a line that contains `words`.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn prints(&self, words: &str) {
        assert!(until(|| self.has_printed(words)).await, "{} prints “{words}”:\n{}", self.name, self.log());
    }

    /// Returns its exit status if it has ended.
    ///
    /// # Panics
    /// Panics if the state cannot be determined.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child's state")
    }

    /// Sends it a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        let _ = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
    }

    /// Terminates it and waits until it has ended.
    ///
    /// # Panics
    /// Panics if it does not end.
    pub async fn end(&mut self) {
        self.terminate();
        assert!(until(|| self.ended().is_some()).await, "{} ends at SIGTERM:\n{}", self.name, self.log());
    }

    /// Returns the CPU time of the process and its children, with a resolution of 10 ms.
    ///
    /// # Panics
    /// Panics without `/proc`.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        let ticks = self.processes().filter_map(|process| {
            let stat = std::fs::read_to_string(process.join("stat")).ok()?;
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            // Time in user mode and in the kernel are numbers 14 and 15 (proc(5)).
            Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
        });
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// Returns the memory of the process and its children in octets. Shared memory is counted once.
    ///
    /// # Panics
    /// Panics without `/proc`.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let memory = self.processes().filter_map(|process| {
            let rollup = std::fs::read_to_string(process.join("smaps_rollup")).ok()?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        });
        memory.sum::<u64>() * 1024
    }

    /// Returns the folders in `/proc` of the process and its children.
    fn processes(&self) -> impl Iterator<Item = PathBuf> {
        let own = self.child.id().to_string();
        let entries = std::fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
        entries.filter(move |process| {
            let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
            let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
            process.ends_with(&own) || parent == Some(&own)
        })
    }

    fn terminate(&mut self) {
        if self.ended().is_none() {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGTERM first, because Kamailio's children survive if their parent is killed.
        self.terminate();
        let patience = std::time::Instant::now() + Duration::from_secs(2);
        while self.ended().is_none() && std::time::Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // The output is shown if the test fails.
            let text = format!("--- {}:\n{}\n", self.name, self.log());
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
    }
}

fn keep(pipe: impl std::io::Read + Send + 'static, log: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        // The output may have any encoding.
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            log.lock().expect("the log").push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
    });
}

/// A temporary folder. It is deleted when dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Creates a folder.
    ///
    /// # Panics
    /// Panics if it cannot be created.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let name = format!("offhook-{}-{name}-{}", std::process::id(), crate::peer::unique());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in the folder and returns its path.
    ///
    /// # Panics
    /// Panics if it cannot be written.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a temporary file");
        path.to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
