//! SIPp: one side of a call as a scripted scenario. The scenarios are in `tests/conformance/sipp`.
//!
//! Scenario and test are synchronized: at `{{report EVENT}}` the scenario reports the event and waits until the test lets it
//! continue. This uses SIPp's third party call control, with the test as the third party.
//!
//! Common parts of the scenarios are in `parts.txt` and are substituted for `{{NAME KEY=VALUE …}}`.

use crate::child::{Folder, Program};
use crate::ports;
use crate::wait::{PATIENCE, until};
use core::fmt::Display;
use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Terminates a message to or from the third party.
const END: u8 = 0x1b;

/// Options of a scenario.
#[derive(Clone, Debug)]
pub struct Run {
    /// The target of a scenario that places calls.
    pub target: Option<SocketAddr>,
    /// `u1` (UDP), `t1` (TCP) or `l1` (TLS).
    pub transport: &'static str,
    /// Number of calls that it places or receives.
    pub calls: u32,
    /// The local SIP address from [`own_address`]; a new one by default.
    pub own: Option<SocketAddr>,
    /// Values for `[KEY]` in the scenario.
    pub keys: Vec<(&'static str, String)>,
}

impl Default for Run {
    fn default() -> Self {
        Self { target: None, transport: "u1", calls: 1, own: None, keys: Vec::new() }
    }
}

impl Run {
    /// Options of a scenario that places calls to `target`.
    #[must_use]
    pub fn toward(target: SocketAddr) -> Self {
        Self { target: Some(target), ..Self::default() }
    }

    /// Adds a value for `[key]` in the scenario.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Display) -> Self {
        self.keys.push((key, value.to_string()));
        self
    }
}

/// Returns a local address for a scenario, for tests that need it before the start.
#[must_use]
pub fn own_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free(2)))
}

/// An event reported by a scenario at `{{report …}}`.
#[derive(Clone, Debug)]
pub struct ScenarioReport {
    call_id: String,
    /// The event and additional lines.
    pub text: String,
}

impl ScenarioReport {
    /// Returns the Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Returns the value of a line `NAME: VALUE`.
    ///
    /// # Panics
    /// Panics if there is no such line.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        let line = self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in:\n{}", self.text)).trim()
    }

    /// Returns the audio address of the session description in the event.
    ///
    /// # Panics
    /// Panics if there is none.
    #[must_use]
    pub fn media(&self) -> SocketAddr {
        let connection = self.text.lines().find_map(|line| line.split_once("c=IN IP4 ").map(|(_, address)| address));
        let port = self.text.lines().find_map(|line| line.split_once("m=audio ")?.1.split(' ').next());
        let address = connection.and_then(|address| address.trim().parse().ok());
        match (address, port.and_then(|port| port.parse().ok())) {
            (Some(address), Some(port)) => SocketAddr::new(address, port),
            _ => panic!("no address for audio in:\n{}", self.text),
        }
    }
}

/// A running scenario.
pub struct Sipp {
    program: Program,
    scenario: String,
    address: SocketAddr,
    folder: Folder,
    twin: TcpStream,
    unread: Vec<u8>,
}

impl Sipp {
    /// Starts `tests/conformance/sipp/NAME.xml` and waits until it listens.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn start(name: &str, run: Run) -> Self {
        let folder = Folder::new(name);
        let twin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = run.own.unwrap_or_else(own_address);
        let mut command = command(&folder, name, address, &run);
        command.args(["-3pcc", &twin.local_addr().expect("an address").to_string()]);
        let mut program = Program::start("sipp", command);
        // SIPp connects after it has opened its SIP socket.
        let twin = tokio::time::timeout(PATIENCE, async {
            loop {
                tokio::select! {
                    Ok((stream, _)) = twin.accept() => break Some(stream),
                    () = tokio::time::sleep(Duration::from_millis(20)) => if program.ended().is_some() { break None },
                }
            }
        });
        let Ok(Some(twin)) = twin.await else {
            panic!("{name} does not start; it needs a {{{{report …}}}}:\n{}{}", program.log(), errors(&folder));
        };
        Self { program, scenario: name.to_owned(), address, folder, twin, unread: Vec::new() }
    }

    /// Returns its SIP address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the scenario reports `event`. The scenario waits until [`Self::go`].
    ///
    /// # Panics
    /// Panics if it reports another event or ends.
    pub async fn reaches(&mut self, event: &str) -> ScenarioReport {
        self.reaches_within(event, PATIENCE).await
    }

    /// Waits for an event that may take up to a minute according to the standard.
    pub async fn reaches_late(&mut self, event: &str) -> ScenarioReport {
        self.reaches_within(event, Duration::from_secs(60)).await
    }

    async fn reaches_within(&mut self, event: &str, patience: Duration) -> ScenarioReport {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            if let Some(end) = self.unread.iter().position(|octet| *octet == END) {
                let message: Vec<u8> = self.unread.drain(..=end).collect();
                let report = report(&String::from_utf8_lossy(&message));
                // SIPp sends this if it aborts the call.
                assert!(!report.text.contains("internal-cmd"), "{} fails:\n{}", self.scenario, self.trace());
                assert_eq!(report.field("Event"), event, "{}", self.trace());
                return report;
            }
            let mut buffer = [0; 4096];
            match tokio::time::timeout_at(deadline, self.twin.read(&mut buffer)).await {
                Ok(Ok(length @ 1..)) => self.unread.extend(buffer.iter().take(length)),
                _ => panic!("{} does not reach “{event}”:\n{}", self.scenario, self.trace()),
            }
        }
    }

    /// Lets the call of an event continue, and waits until it does.
    ///
    /// # Panics
    /// Panics if SIPp has ended.
    pub async fn go(&mut self, report: &ScenarioReport) {
        let mut message = format!("Call-ID: {}\r\n\r\n", report.call_id).into_bytes();
        message.push(END);
        let before = self.control_messages();
        self.twin.write_all(&message).await.expect("SIPp accepts the control message");
        // Messages on the other socket could otherwise overtake this one.
        let is_received = until(|| self.control_messages() > before).await;
        assert!(is_received, "{} does not continue:\n{}", self.scenario, self.trace());
    }

    /// Returns the number of control messages that SIPp has received.
    fn control_messages(&self) -> usize {
        self.messages().matches("control message received").count()
    }

    /// Waits for an event and lets the scenario continue.
    pub async fn passes_by(&mut self, event: &str) -> ScenarioReport {
        let report = self.reaches(event).await;
        self.go(&report).await;
        report
    }

    /// Waits until all calls have completed as in the scenario.
    ///
    /// # Panics
    /// Panics with all messages if one has not.
    pub async fn passes(mut self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let status = loop {
            match self.program.ended() {
                Some(status) => break status,
                None if tokio::time::Instant::now() > deadline => {
                    panic!("{} does not end:\n{}", self.scenario, self.trace())
                }
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        assert!(status.success(), "{} did not complete ({status}):\n{}", self.scenario, self.trace());
    }

    /// Returns the message log of SIPp.
    #[must_use]
    pub fn messages(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("messages.log")).unwrap_or_default()
    }

    fn trace(&self) -> String {
        format!("{}\n--- errors:\n{}{}", self.messages(), errors(&self.folder), self.program.log())
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = format!("--- {}:\n{}\n", self.scenario, self.trace());
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
    }
}

fn errors(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path().join("errors.log")).unwrap_or_default()
}

fn report(message: &str) -> ScenarioReport {
    let message = message.trim_end_matches(char::from(END));
    let call_id = message.lines().find_map(|line| line.strip_prefix("Call-ID:")).unwrap_or_default().trim();
    ScenarioReport { call_id: call_id.to_owned(), text: message.to_owned() }
}

fn command(folder: &Folder, name: &str, address: SocketAddr, run: &Run) -> Command {
    let scenarios = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance/sipp");
    let read = |file: &str| match std::fs::read_to_string(scenarios.join(file)) {
        Ok(text) => text,
        Err(error) => panic!("{file}: {error}"),
    };
    let parts = read("parts.txt");
    let scenario = format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<scenario name=\"{name}\">\n{}\n</scenario>\n",
        with_variables(&with_parts(&with_values(&read(&format!("{name}.xml")), &run.keys), &parts))
    );
    let mut command = Command::new("sipp");
    command.current_dir(folder.path());
    if let Some(target) = run.target {
        command.arg(target.to_string());
    }
    command
        .args(["-sf", &folder.write("scenario.xml", scenario)])
        .args(["-i", "127.0.0.1", "-p", &address.port().to_string(), "-t", run.transport])
        .args(["-m", &run.calls.to_string(), "-cp", &(address.port() + 1).to_string()])
        .args(["-nostdin", "-timeout", "90s", "-timeout_error", "-recv_timeout", "15s"])
        .args(["-trace_msg", "-message_file", "messages.log", "-trace_err", "-error_file", "errors.log"]);
    for (key, value) in &run.keys {
        command.args(["-key", key, value]);
    }
    if !run.keys.iter().any(|(key, _)| *key == "contact") {
        command.args(["-key", "contact", &address.to_string()]);
    }
    command
}

/// Substitutes the parts: `{{NAME KEY=VALUE …}}` is replaced by part NAME with these values.
fn with_parts(text: &str, parts: &str) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (call, after) = after.split_once("}}").expect("`{{` has its `}}`");
        let (name, arguments) = call.split_once(' ').unwrap_or((call, ""));
        let part = parts.split("\n== ").find_map(|part| part.strip_prefix(name)?.strip_prefix('\n'));
        let part = part.unwrap_or_else(|| panic!("there is no part “{name}”"));
        done += before;
        let arguments: Vec<_> = arguments.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
        done += &with_parts(&with_values(part.trim_end(), &arguments), parts);
        rest = after;
    }
    done + rest
}

/// Substitutes `${KEY}` and `${KEY:DEFAULT}`.
fn with_values<K: AsRef<str>, V: AsRef<str>>(part: &str, given: &[(K, V)]) -> String {
    let mut done = String::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once("${") {
        let (place, after) = after.split_once('}').expect("`${` has its `}`");
        let (key, default) = match place.split_once(':') {
            Some((key, default)) => (key, Some(default)),
            None => (place, None),
        };
        let value = given.iter().find(|(name, _)| name.as_ref() == key).map(|(_, value)| value.as_ref()).or(default);
        done += before;
        done += value.unwrap_or_else(|| panic!("`{key}` is needed in:\n{part}"));
        rest = after;
    }
    done + rest
}

/// Declares all variables, because SIPp rejects a scenario with a variable that is only set or only read otherwise.
fn with_variables(scenario: &str) -> String {
    let named = |mark, end| scenario.split(mark).skip(1).filter_map(move |after: &str| after.split(end).next());
    let variables: std::collections::BTreeSet<&str> = named("assign_to=\"", '"').chain(named("[$", ']')).collect();
    let variables: Vec<&str> = variables.into_iter().collect();
    format!("{scenario}\n<Reference variables=\"{}\"/>", variables.join(","))
}

#[cfg(test)]
mod tests {
    use super::with_parts;

    #[test]
    fn parts_are_substituted_with_arguments() {
        let parts = "\n== bye\nBYE ${who}\n{{end}}\n\n== end\nLength: ${length:0}\n";
        assert_eq!(with_parts("<{{bye who=me}}|{{end length=7}}>", parts), "<BYE me\nLength: 0|Length: 7>");
    }
}
