//! Floods against the real relay: `cargo xtask attack`.
//!
//! Ten calls with audio are in progress all the time. During each flood, users log in with the right password, phones call
//! each other, and calls are ended. The suite fails if a call in progress loses a packet, a login takes longer than a second,
//! or a BYE is not answered. It prints the measurements.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the figures are the result")]

mod audio;
mod flood;

use audio::{Audio, End, Measured};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use flood::{Attacker, Sent, Udp, request};
use futures_util::{SinkExt as _, StreamExt as _};
use offhook_signaling::message::{ClientMessage, ConnectionMessage, SipOptions};
use offhook_tests::browser::{Browser, connection};
use offhook_tests::peer::Habits;
use offhook_tests::relay::{Relay, hash_password};
use offhook_tests::sip_phone::{Dialog, SipPhone};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// Duration of each flood.
const FLOOD: Duration = Duration::from_secs(6);
/// Number of calls in progress.
const CALLS: u8 = 10;
/// Maximum duration of a login with the right password.
const LOGIN: Duration = Duration::from_secs(1);
/// New source addresses per second, concurrently with all floods: as many as the relay accepts.
const NEW_SENDERS: u32 = 1_000;
/// Maximum number of connections of the relay under test.
const CONNECTIONS: u32 = 1_000;

/// The UDP floods.
const FLOODS: [Udp; 8] = [
    Udp { name: "INVITE", rate: 2_000, sources: 4, datagram: invite },
    Udp { name: "INVITE, one source", rate: 2_000, sources: 1, datagram: invite },
    Udp { name: "INVITE as a known user", rate: 2_000, sources: 4, datagram: invite_as_known },
    Udp { name: "REGISTER", rate: 2_000, sources: 4, datagram: register },
    Udp { name: "OPTIONS", rate: 6_000, sources: 4, datagram: options },
    Udp { name: "OPTIONS, 200 sources", rate: 6_000, sources: 200, datagram: options },
    Udp { name: "REGISTER, 12,000 parameters", rate: 100, sources: 4, datagram: parameters },
    Udp { name: "no SIP", rate: 2_000, sources: 4, datagram: garbage },
];

fn invite(number: u32, own: SocketAddr) -> Vec<u8> {
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n",
        ip = own.ip()
    );
    request("INVITE", "nobody", number, own, "Content-Type: application/sdp\r\n", &body)
}

fn invite_as_known(number: u32, own: SocketAddr) -> Vec<u8> {
    request("INVITE", "101", number, own, "", "")
}

fn register(number: u32, own: SocketAddr) -> Vec<u8> {
    request("REGISTER", "101", number, own, "", "")
}

fn options(number: u32, own: SocketAddr) -> Vec<u8> {
    request("OPTIONS", "nobody", number, own, "", "")
}

fn parameters(number: u32, own: SocketAddr) -> Vec<u8> {
    let parameters: String = (0..6_000).map(|n| format!(",x{n}=1")).collect();
    request("REGISTER", "101", number, own, &format!("Authorization: Digest username=\"101\"{parameters}\r\n"), "")
}

fn garbage(number: u32, _: SocketAddr) -> Vec<u8> {
    number.to_be_bytes().into_iter().cycle().take(600).collect()
}

/// The relay and its legitimate users.
struct Stage {
    relay: Relay,
    sip: SocketAddr,
    calls: Vec<(SipPhone, Dialog)>,
    caller: SipPhone,
    /// Phones that answer calls.
    _callees: Vec<SipPhone>,
    /// A phone behind a NAT that has sent nothing since its registration.
    hidden: SipPhone,
}

/// Logins and calls of legitimate users during a flood.
#[derive(Default)]
struct Probes {
    logins: Vec<Option<Duration>>,
    calls: Vec<Result<Duration, u16>>,
    byes: Vec<Option<u16>>,
}

/// One line of the table.
struct Row {
    name: &'static str,
    sent: Sent,
    audio: Measured,
    probes: Probes,
    cpu: Duration,
    resident: u64,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run())
}

async fn run() -> ExitCode {
    let (mut stage, mut calls) = set_up().await;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let sip = stage.sip;
    let senders = std::thread::spawn(move || flood::new_senders(sip, NEW_SENDERS, &stopped));

    println!("flood | sent | audio lost | longest gap | p99 delay | log-ins | calls | BYE | CPU | memory");
    let mut failures = Vec::new();
    let mut passed = 0;
    for number in 0..FLOODS.len() + 3 {
        let row;
        (row, calls) = measure(&stage, calls, number).await;
        let failed = row.failures();
        println!("{}", row.line());
        passed += usize::from(failed.is_empty());
        failures.extend(failed);
        stage.relay.assert_alive();
    }
    stop.store(true, Ordering::Relaxed);
    let senders = senders.join().expect("the senders end");
    let after = aftermath(&mut stage, senders).await;
    passed += usize::from(after.is_empty());
    failures.extend(after);
    for failure in &failures {
        println!("{failure}");
    }
    println!("attack: {passed} passed, {} failed", FLOODS.len() + 4 - passed);
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Starts a relay with accounts and phones, and establishes ten calls.
async fn set_up() -> (Stage, Vec<[End; 2]>) {
    let options = options_of_relay();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let flags = ["--listen", "127.0.0.1:0", "--no-tls", "--media-address", "127.0.0.1"];
    let relay = Relay::start_as(&flags, &options);
    let sip = relay.sip("udp").await;
    let mut stage = Stage {
        calls: Vec::new(),
        caller: registered(sip, 101, 8, None).await,
        _callees: vec![registered(sip, 102, 9, None).await],
        hidden: registered(sip, 103, 30, Some("192.168.7.7:5060")).await,
        relay,
        sip,
    };
    let mut audio = Vec::new();
    for number in 0..CALLS {
        let (caller_ip, callee_ip) = (ip(3), ip(4));
        let caller = registered(sip, 200 + u32::from(number), 3, None).await;
        let mut callee = registered(sip, 220 + u32::from(number), 4, None).await;
        let mut ends = [End::bind(caller_ip, u32::from(number) * 2), End::bind(callee_ip, u32::from(number) * 2 + 1)];
        let [at_caller, at_callee] = &mut ends;
        callee.answer_at(at_callee.address());
        let dialog = caller.call(&(220 + u32::from(number)).to_string(), at_caller.address()).await.expect("a call");
        let answered = callee.answered(Duration::from_secs(5)).await.expect("the callee's INVITE");
        at_caller.send_to(dialog.media);
        at_callee.send_to(answered.media);
        audio.push(ends);
        stage.calls.push((caller, dialog));
        stage._callees.push(callee);
    }
    (stage, audio)
}

fn options_of_relay() -> Vec<String> {
    let mut options = vec![
        "sip.listen=udp:127.0.0.1:0".to_owned(),
        "rtp.first_port=0".to_owned(),
        "rtp.address=127.0.0.1".to_owned(),
        "sip.domain=127.0.0.1".to_owned(),
        format!("limits.connections={CONNECTIONS}"),
        "guards.call_rate_per_address=0".to_owned(),
        // One phone places five calls a second.
        "guards.call_rate_per_login=0".to_owned(),
        format!("accounts.alice={}", hash_password("tulip")),
    ];
    let users = (101..=103).chain(200..200 + u32::from(CALLS)).chain(220..220 + u32::from(CALLS));
    options.extend(users.map(|user| format!("sip.phones.{user}=secret-{user}")));
    options
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from(Ipv4Addr::new(127, 0, 0, last))
}

async fn registered(sip: SocketAddr, user: u32, last: u8, contact: Option<&str>) -> SipPhone {
    let phone = SipPhone::start(sip, &user.to_string(), &format!("secret-{user}"), ip(last), contact).await;
    assert_eq!(phone.register().await, Some(200), "{user} registers");
    phone
}

/// Runs one flood, with concurrent audio and probes.
async fn measure(stage: &Stage, calls: Vec<[End; 2]>, number: usize) -> (Row, Vec<[End; 2]>) {
    let audio = Audio::start(calls);
    let (cpu, start) = (stage.relay.cpu(), Instant::now());
    let attacker = Attacker { relay: stage.relay.address(), ip: Ipv4Addr::new(127, 0, 9, 1) };
    let sip = stage.sip;
    let (name, flood) = match FLOODS.get(number) {
        Some(flood) => {
            let running = tokio::task::spawn_blocking(move || flood.run(sip, FLOOD));
            (flood.name, running)
        }
        None if number == FLOODS.len() => {
            ("wrong passwords, 100 sockets", tokio::spawn(attacker.try_passwords(100, FLOOD)))
        }
        None if number == FLOODS.len() + 1 => {
            ("all connections, one address", tokio::spawn(attacker.occupy(CONNECTIONS + 200, FLOOD)))
        }
        None => ("nothing", tokio::spawn(async { Sent::default() })),
    };
    let probes = probe(stage, start + FLOOD).await;
    let sent = flood.await.expect("the flood ends");
    let cpu = stage.relay.cpu().saturating_sub(cpu);
    let (calls, audio) = tokio::task::spawn_blocking(|| audio.stop()).await.expect("the audio ends");
    (Row { name, sent, audio, probes, cpu, resident: stage.relay.resident() }, calls)
}

/// Logs in, calls and hangs up, one after the other, until `end`.
async fn probe(stage: &Stage, end: Instant) -> Probes {
    let mut probes = Probes::default();
    while Instant::now() < end {
        probes.logins.push(log_in(&stage.relay).await);
        let start = Instant::now();
        match stage.caller.call("102", SocketAddr::new(ip(8), 4_000)).await {
            Ok(dialog) => {
                probes.calls.push(Ok(start.elapsed()));
                probes.byes.push(stage.caller.hang_up(&dialog).await);
            }
            Err(status) => probes.calls.push(Err(status)),
        }
        // The pause determines the rate of probes, not an order of events.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    probes
}

/// Logs in with the right password and returns the duration; `None` if it fails.
async fn log_in(relay: &Relay) -> Option<Duration> {
    let start = Instant::now();
    let hello = ConnectionMessage { keep_alive: None, ..with_password("alice", "tulip") };
    let hello = Message::text(ClientMessage::Connection(Box::new(hello)).to_json());
    let attempt = tokio::time::timeout(Duration::from_secs(8), async {
        let stream = tokio::net::TcpStream::connect(relay.address()).await.ok()?;
        let (mut socket, _) = tokio_tungstenite::client_async(relay.url(), stream).await.ok()?;
        socket.send(hello).await.ok()?;
        let first = socket.next().await?.ok()?;
        first.to_text().is_ok_and(|text| text.contains("getUserData")).then(|| start.elapsed())
    });
    attempt.await.ok().flatten()
}

/// Checks after the floods that every call in progress ends with BYE and that the phone behind a NAT can still be called.
async fn aftermath(stage: &mut Stage, senders: u32) -> Vec<String> {
    let mut failures = Vec::new();
    for (phone, dialog) in &stage.calls {
        let status = phone.hang_up(dialog).await;
        if status != Some(200) {
            failures.push(format!("after the floods: BYE of a call in progress was answered by {status:?}"));
        }
    }
    let call = stage.caller.call("103", SocketAddr::new(ip(8), 4_000)).await;
    let rang = stage.hidden.answered(Duration::from_secs(1)).await.is_some();
    println!("after {senders} new senders: the silent phone behind a NAT was called: {rang}");
    if call.is_err() || !rang {
        failures.push(format!("after the floods: the phone behind a NAT cannot be called: {call:?}"));
    }
    let probe = Browser::connect(&stage.relay, with_password("alice", "tulip"), Habits::default());
    if tokio::time::timeout(Duration::from_secs(5), probe).await.is_err() {
        failures.push("after the floods: no log-in".to_owned());
    }
    failures
}

fn with_password(login: &str, password: &str) -> ConnectionMessage {
    let hello = connection(login);
    ConnectionMessage { sip: SipOptions { password: Some(password.to_owned()), ..hello.sip.clone() }, ..hello }
}

impl Row {
    fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut fail = |what: String| failures.push(format!("{}: {what}", self.name));
        if self.audio.lost > 0 {
            fail(format!("{} of {} packets of calls in progress were lost", self.audio.lost, self.audio.sent));
        }
        for login in &self.probes.logins {
            match login {
                None => fail("a log-in with the right password failed".to_owned()),
                Some(time) if *time > LOGIN => fail(format!("a log-in took {time:?}; at most {LOGIN:?} is allowed")),
                Some(_) => {}
            }
        }
        for status in self.probes.calls.iter().filter_map(|call| call.err()) {
            fail(format!("a call between registered phones ended with {status}"));
        }
        for bye in self.probes.byes.iter().filter(|bye| **bye != Some(200)) {
            fail(format!("a BYE was answered by {bye:?}"));
        }
        failures
    }

    fn line(&self) -> String {
        let logins: Vec<Duration> = self.probes.logins.iter().flatten().copied().collect();
        let calls: Vec<Duration> = self.probes.calls.iter().filter_map(|call| call.ok()).collect();
        let byes = self.probes.byes.iter().filter(|bye| **bye == Some(200)).count();
        format!(
            "{} | {} {:?} | {} of {} | {} ms | {} ms | {} of {}, longest {} ms | {} of {}, longest {} ms | {byes} of {} | {} ms | {} MB",
            self.name,
            self.sent.count,
            self.sent.answers,
            self.audio.lost,
            self.audio.sent,
            self.audio.gap.as_millis(),
            self.audio.p99.as_millis(),
            logins.len(),
            self.probes.logins.len(),
            longest(&logins),
            calls.len(),
            self.probes.calls.len(),
            longest(&calls),
            self.probes.byes.len(),
            self.cpu.as_millis(),
            self.resident / 1_000_000,
        )
    }
}

fn longest(times: &[Duration]) -> u128 {
    times.iter().max().map_or(0, Duration::as_millis)
}
