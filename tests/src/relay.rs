//! The relay under test as a child process on ephemeral ports.
//!
//! The program is that of `OFFHOOK_RELAY`, or `offhook-relay` in the same profile folder of the target directory as the test
//! program. In the latter case it is built first, so that it is up to date.

use crate::tls;
use crate::wait::{PATIENCE, until};
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;

/// A TCP or TLS connection to the relay.
pub trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send> Stream for T {}

/// A running relay. It is killed when dropped.
pub struct Relay {
    child: Child,
    address: SocketAddr,
    is_encrypted: bool,
    log: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    /// Starts a relay that accepts any login, on loopback.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a relay that accepts any login with additional options, each `section.name=value`.
    ///
    /// # Panics
    /// Panics if the relay does not start.
    #[must_use]
    pub fn start_with(options: &[&str]) -> Self {
        Self::start_as(&["--demo", "--listen", "127.0.0.1:0", "--no-tls", "--media-address", "127.0.0.1"], options)
    }

    /// Starts a relay that accepts any login and SIP servers on loopback, with SIP over UDP and TCP and additional options.
    #[must_use]
    pub fn start_with_sip(options: &[&str]) -> Self {
        let sip = ["sip.listen=udp:127.0.0.1:0,tcp:127.0.0.1:0", "sip.servers=127.0.0.1", "rtp.first_port=0"];
        let options: Vec<&str> = sip.iter().chain(options).copied().collect();
        Self::start_with(&options)
    }

    /// Returns its SIP address for `udp`, `tcp` or `tls`, from a log line like `sip udp 127.0.0.1:43211`.
    ///
    /// # Panics
    /// Panics if there is no such line.
    pub async fn sip(&self, transport: &str) -> SocketAddr {
        let start = format!("sip {transport} ");
        let logged = || {
            let log = self.log.lock().expect("the log");
            log.iter().find_map(|line| line.strip_prefix(&start)?.split(' ').next()?.parse().ok())
        };
        assert!(until(|| logged().is_some()).await, "the relay listens for SIP over {transport}:\n{}", self.log());
        logged().expect("checked above")
    }

    /// Returns the rest of the line that it prints with this start.
    ///
    /// # Panics
    /// Panics if there is no such line.
    pub async fn printed(&self, start: &str) -> String {
        let line = || self.log().lines().find_map(|line| line.strip_prefix(start).map(str::to_owned));
        assert!(until(|| line().is_some()).await, "the relay prints “{start}”:\n{}", self.log());
        line().expect("checked above")
    }

    /// Starts a relay with these flags and options, in addition to those common to all tests.
    ///
    /// # Panics
    /// Panics if the relay does not start.
    #[must_use]
    pub fn start_as(flags: &[&str], options: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(flags).args(["--media-port", "0"]);
        // Calls do not delay the end of a test.
        let common = ["media.workers=2", "api.listen=127.0.0.1:0", "records.sqlite=", "calls.drain_timeout=0s"];
        for option in common.iter().chain(options) {
            command.args(["--set", option]);
        }
        Self::start_command(command)
    }

    /// Starts a relay by a command, which must not start it as a child process.
    ///
    /// # Panics
    /// Panics if the relay does not start.
    #[must_use]
    pub fn start_command(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the relay starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (found, address) = mpsc::channel();
        follow(child.stdout.take().expect("piped"), Arc::clone(&log), found.clone());
        follow(child.stderr.take().expect("piped"), Arc::clone(&log), found);
        let mut relay = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), is_encrypted: false, log };
        match address.recv_timeout(PATIENCE) {
            Ok((scheme, address)) => (relay.is_encrypted, relay.address) = (scheme == "https", address),
            Err(error) => panic!("the relay does not print its address ({error}):\n{}", relay.log()),
        }
        relay
    }

    /// Returns its WebSocket URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}/", if self.is_encrypted { "wss" } else { "ws" }, self.address)
    }

    /// Opens a WebSocket to the relay, without sending a message.
    ///
    /// # Panics
    /// Panics if it cannot be opened.
    pub async fn web_socket(&self) -> WebSocketStream<Box<dyn Stream>> {
        self.web_socket_via(self.address).await
    }

    /// Opens a WebSocket from another address of this machine; `None` if the relay does not accept it.
    pub async fn web_socket_from(&self, source: IpAddr) -> Option<WebSocketStream<Box<dyn Stream>>> {
        let socket = TcpSocket::new_v4().ok()?;
        socket.bind(SocketAddr::new(source, 0)).ok()?;
        let stream: Box<dyn Stream> = Box::new(socket.connect(self.address).await.ok()?);
        Some(tokio_tungstenite::client_async(self.url(), stream).await.ok()?.0)
    }

    /// Opens a WebSocket through a forwarder at `address`.
    ///
    /// # Panics
    /// Panics if it cannot be opened.
    pub async fn web_socket_via(&self, address: SocketAddr) -> WebSocketStream<Box<dyn Stream>> {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let stream: Box<dyn Stream> = match self.is_encrypted {
            true => Box::new(tls::encrypt(stream).await),
            false => Box::new(stream),
        };
        tokio_tungstenite::client_async(self.url(), stream).await.expect("a WebSocket").0
    }

    /// Sends it a signal by name, like `HUP`.
    ///
    /// # Panics
    /// Panics if there is no such signal or process.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "SIG{name} is sent");
    }

    /// The body of the response to `GET /healthz`.
    ///
    /// # Panics
    /// Panics without a response in JSON.
    pub async fn health(&self) -> serde_json::Value {
        self.get("/healthz").await
    }

    /// Waits until its media workers have connected these numbers of legs since its start, in any order of the workers.
    ///
    /// # Panics
    /// Panics if they do not.
    pub async fn has_connected_legs(&self, wanted: [u64; 2]) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let health = self.get("/healthz?verbose").await;
            let workers = health.get("media").and_then(serde_json::Value::as_array).expect("an array of workers");
            let mut legs: Vec<u64> =
                workers.iter().filter_map(|worker| worker.get("legsConnected")?.as_u64()).collect();
            legs.sort_unstable();
            if legs == wanted {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{legs:?} instead of {wanted:?} legs:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn get(&self, path: &str) -> serde_json::Value {
        let (head, body) = self.request(path, "").await;
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {head}\n{body}"))
    }

    /// Sends a GET request with additional header lines, each with CRLF; returns head and body of the response.
    ///
    /// # Panics
    /// Panics without a response.
    pub async fn request(&self, path: &str, fields: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{fields}Connection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await.expect("a request is sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).await.expect("a response");
        let (head, body) = response.split_once("\r\n\r\n").expect("an empty line after the header");
        (head.to_owned(), body.to_owned())
    }

    /// Waits until it has logged a line that contains `words`.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn logs(&self, words: &str) {
        assert!(until(|| self.log().contains(words)).await, "the relay logs “{words}”:\n{}", self.log());
    }

    /// Waits until `/healthz` reports this number of registrations.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn has_registrations(&self, count: u64) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.health().await.get("registrations").and_then(serde_json::Value::as_u64) != Some(count) {
            assert!(tokio::time::Instant::now() < deadline, "{count} registrations:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the number of its process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Returns the address of its WebSocket listener.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its output so far.
    ///
    /// # Panics
    /// Panics if a reader thread panicked.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").join("\n")
    }

    /// Asserts that the process is running.
    ///
    /// # Panics
    /// Panics with the relay's log if it has ended.
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().expect("the child's state") {
            panic!("the relay ended with {status}:\n{}", self.log());
        }
    }

    /// Waits until the process has ended.
    ///
    /// # Panics
    /// Panics with the relay's log if it does not end.
    pub async fn ends(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child's state") {
                return status;
            }
            assert!(Instant::now() < deadline, "the relay ends:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the CPU time of all threads so far.
    ///
    /// # Panics
    /// Panics without `/proc`.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the relay's threads");
        let nanoseconds = tasks.filter_map(|task| {
            // The first of three numbers is the CPU time in ns.
            let line = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            line.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Returns the resident memory in octets.
    ///
    /// # Panics
    /// Panics if the process has ended.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the relay's status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // The log is shown if the test fails.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{}\n", self.log()).as_bytes());
        }
    }
}

/// Stores the lines of one pipe in `log`, and sends the address of each `listening` line to `found`.
fn follow(
    pipe: impl std::io::Read + Send + 'static,
    log: Arc<Mutex<Vec<String>>>,
    found: mpsc::Sender<(String, SocketAddr)>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if let Some(address) = listening(&line) {
                let _ = found.send(address);
            }
            log.lock().expect("the log").push(line);
        }
    });
}

/// Parses scheme and address of a line like `listening http://127.0.0.1:43211/`.
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let url = line.strip_prefix("listening ")?;
    let (scheme, rest) = url.split_once("://")?;
    Some((scheme.to_owned(), rest.trim_end_matches('/').parse().ok()?))
}

/// Returns the output of `offhook-relay hash-password`.
///
/// # Panics
/// Panics if it fails.
#[must_use]
pub fn hash_password(password: &str) -> String {
    hash(&[], password)
}

/// Returns the password hash for a SIP phone, for digest authentication with MD5.
///
/// # Panics
/// Panics if it fails.
#[must_use]
pub fn hash_sip_password(user: &str, domain: &str, password: &str) -> String {
    hash(&["--sip", user, "--domain", domain], password)
}

/// Returns a new token of the REST API, and its entry for `[api.tokens]`.
///
/// # Panics
/// Panics if `offhook-relay api-token` fails.
#[must_use]
pub fn api_token(scope: &str) -> (String, String) {
    let output = Command::new(program()).args(["api-token", "--scope", scope]).output().expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let token = text.lines().find_map(|line| line.strip_prefix("token: ")).expect("a token");
    let entry = text.lines().find_map(|line| line.strip_prefix("backend = ")).expect("a line of the configuration");
    (token.to_owned(), entry.trim_matches('"').to_owned())
}

fn hash(arguments: &[&str], password: &str) -> String {
    let mut command = Command::new(program());
    command.arg("hash-password").args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut stdin, format!("{password}\n").as_bytes()).expect("the password is read");
    drop(stdin);
    let output = child.wait_with_output().expect("its output");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Returns the path of the program, after it was built.
#[must_use]
pub fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(find_program).clone()
}

fn find_program() -> PathBuf {
    if let Some(program) = std::env::var_os("OFFHOOK_RELAY") {
        return program.into();
    }
    // target/debug/deps/conformance-… → target/debug
    let tests = std::env::current_exe().expect("the test program's path");
    let profile = tests.parent().and_then(|deps| deps.parent()).expect("the profile folder");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", "offhook-relay"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    if let Some(target) = profile.parent() {
        build.env("CARGO_TARGET_DIR", target);
    }
    let started = Instant::now();
    let status = build.status().expect("cargo runs");
    assert!(status.success(), "building the relay failed after {:?}", started.elapsed());
    profile.join("offhook-relay")
}
