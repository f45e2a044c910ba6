//! The relay as a process: full, closed and blocked standard streams, memory, and log output.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use futures_util::{SinkExt as _, StreamExt as _};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write, pipe};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

/// A relay with a limit of two connections, which logs each rejected connection.
struct Relay {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
}

impl Relay {
    fn start(name: &str, address: SocketAddr, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Self {
        let options = ["--demo".to_owned(), "--set=limits.connections=2".to_owned()];
        Self::start_with(name, address, stdout, stderr, &options)
    }

    fn start_with(
        name: &str,
        address: SocketAddr,
        stdout: impl Into<Stdio>,
        stderr: impl Into<Stdio>,
        options: &[String],
    ) -> Self {
        let directory = std::env::temp_dir().join(format!("offhook-process-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_offhook-relay"));
        command.args(["--no-tls", "--media-port=0", "--media-address=127.0.0.1", "--set=api.listen="]).args(options);
        command.arg(format!("--listen={address}")).env("OFFHOOK_LOG", "info").current_dir(&directory);
        // The default database of call detail records is created there.
        command.env("STATE_DIRECTORY", &directory);
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap();
        let relay = Self { child, address, directory };
        relay.until("it listens", || TcpStream::connect(address).is_ok());
        relay
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !is_so() {
            assert!(Instant::now() < end, "not in time: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn healthz(&self) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(answer)
    }

    /// Makes the accept loop write log lines.
    fn cause_log_lines(&self) {
        let taken: Vec<_> = (0..2).map(|_| TcpStream::connect(self.address).unwrap()).collect();
        for _ in 0..50 {
            let _ = TcpStream::connect(self.address);
        }
        drop(taken);
    }

    /// Sends SIGTERM and checks the exit status.
    fn end(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let end = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn works_and_ends(relay: Relay) {
    relay.cause_log_lines();
    relay.until("it answers", || relay.healthz().is_some());
    relay.end();
}

#[test]
fn log_on_a_full_disk_drops_lines() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let relay = Relay::start("full", free_address(), full(), full());
    relay.cause_log_lines();
    relay.until("dropped lines are counted", || {
        relay.healthz().is_some_and(|health| health.contains("\"logDropped\":") && !health.contains("\"logDropped\":0"))
    });
    works_and_ends(relay);
}

#[test]
fn closed_output_pipes_do_not_stop_the_relay() {
    let ((_, stdout), (_, stderr)) = (pipe().unwrap(), pipe().unwrap());
    works_and_ends(Relay::start("closed", free_address(), stdout, stderr));
}

#[test]
fn unread_log_pipe_does_not_block_the_relay() {
    let (unread, mut stderr) = pipe().unwrap();
    // Fills the pipe, so that every write of the relay blocks.
    stderr.write_all(&[b'x'; 65_536]).unwrap();
    works_and_ends(Relay::start("blocked", free_address(), Stdio::null(), stderr));
    drop(unread);
}

/// The resident memory in kB without mapped files, which include the code of the program.
fn resident(relay: &Relay) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", relay.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn concurrent_logins_use_the_memory_of_two_checks() {
    let hash = offhook_relay::accounts::hash_password("tulip").unwrap();
    let configuration = std::env::temp_dir().join(format!("offhook-logins-{}.toml", std::process::id()));
    std::fs::write(&configuration, format!("[accounts]\nalice = \"{hash}\"\n[sessions]\nmax_per_login = 100\n"))
        .unwrap();
    let options = [format!("--config={}", configuration.display()), "--set=limits.connections=100".to_owned()];
    let relay = Relay::start_with("logins", free_address(), Stdio::null(), Stdio::null(), &options);
    let before = resident(&relay);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("ws://{}/", relay.address);
    runtime.block_on(async {
        let hello = r#"{"message":"connection","data":[{"sipLogin":"alice","sipPassword":"tulip"}]}"#;
        let log_in = async || {
            let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
            socket.send(Message::text(hello)).await.unwrap();
            let answer = socket.next().await.unwrap().unwrap();
            assert!(answer.to_text().unwrap().contains("getUserData"), "{answer:?}");
            socket
        };
        // Twice, because the second round must reuse the memory of the first.
        for _ in 0..2 {
            futures_util::future::join_all((0..25).map(|_| log_in())).await;
        }
    });
    let growth = resident(&relay) - before;
    std::fs::remove_file(configuration).unwrap();
    // Two checks take 2 x 19 MiB; each connection takes some kB.
    assert!(growth < 60_000, "{growth} kB");
    relay.end();
}

#[test]
fn log_file_has_no_colors_and_limited_repeats() {
    let path = std::env::temp_dir().join(format!("offhook-log-{}", std::process::id()));
    let relay = Relay::start("file", free_address(), Stdio::null(), File::create(&path).unwrap());
    relay.cause_log_lines();
    relay.until("it answers", || relay.healthz().is_some());
    relay.end();
    let log = BufReader::new(File::open(&path).unwrap());
    let lines: Vec<String> = log.lines().map(Result::unwrap).collect();
    std::fs::remove_file(path).unwrap();
    assert!(lines.iter().any(|line| line.contains("SIGTERM")), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains('\u{1b}')), "{lines:?}");
    let refused = lines.iter().filter(|line| line.contains("connection rejected")).count();
    assert!((1..=20).contains(&refused), "{refused} lines");
}
