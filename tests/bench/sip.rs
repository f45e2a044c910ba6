//! Measures the SIP performance of the relay and of Kamailio in the same run: registrations, calls, latency, memory.
//!
//! `sip [REGISTRATIONS [CALLS [SESSIONS]]]`; the relay is the program in `OFFHOOK_RELAY`. SIPp is on both sides, with signaling
//! only and without media. The relay is a back-to-back user agent with ports for media, while Kamailio is a record-routing
//! proxy, which does less.
#![expect(clippy::print_stdout, reason = "a command-line tool")]
#![expect(clippy::expect_used, reason = "a failed measurement aborts")]

use core::ops::RangeInclusive;
use core::time::Duration;
use offhook_signaling::message::{ConnectionMessage, SipOptions};
use offhook_tests::browser::{Browser, connection};
use offhook_tests::child::{Folder, Program};
use offhook_tests::kamailio::{Kamailio, KamailioOptions};
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::ports;
use offhook_tests::relay::{Relay, hash_sip_password};
use offhook_tests::wire::{Registrar, Wire, header, status};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Users that only register, the callee of the throughput measurement, and the callee of the latency measurement.
const REGISTERING: RangeInclusive<u32> = 1001..=1008;
const CALLED: u32 = 1009;
const TIMED: u32 = 1010;

/// Number of RTP ports of the relay, more than its concurrent calls use.
const PORTS: u16 = 8_000;

/// A session description with audio at an unused port.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0\r\n";

/// A measured server, with functions that return its CPU time and memory.
struct Server<'a> {
    name: &'static str,
    address: SocketAddr,
    cpu: &'a dyn Fn() -> Duration,
    resident: &'a dyn Fn() -> u64,
}

fn argument(position: usize, default: u32) -> u32 {
    std::env::args().nth(position).map_or(default, |text| text.parse().expect("a number"))
}

fn per(total: Duration, count: u32) -> f64 {
    total.as_secs_f64() * 1e6 / f64::from(count)
}

/// Starts SIPp with a scenario of `bench/sip`, from this port.
fn sipp(folder: &Folder, scenario: &str, port: u16, arguments: &[&str]) -> Program {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("bench/sip/{scenario}.xml"));
    let mut command = Command::new("sipp");
    command.current_dir(folder.path()).arg("-sf").arg(file).args(["-i", "127.0.0.1", "-p", &port.to_string()]);
    command.args(["-cp", &(port + 1).to_string(), "-nostdin", "-timeout", "120s", "-timeout_error"]).args(arguments);
    Program::start("sipp", command)
}

async fn ends(program: &mut Program) {
    let deadline = Instant::now() + Duration::from_secs(130);
    while program.ended().is_none() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let ended = program.ended();
    assert!(ended.is_some_and(|status| status.success()), "SIPp ended with {ended:?}:\n{}", program.log());
}

/// Registers these users at `contact` with digest authentication.
async fn register(server: &Server<'_>, users: RangeInclusive<u32>, contact: SocketAddr, count: u32) -> Duration {
    let folder = Folder::new("bench");
    let user = |user| format!("{user};[authentication username={user} password=pw{user}]\n");
    let users: String = core::iter::once("SEQUENTIAL\n".to_owned()).chain(users.map(user)).collect();
    let users = folder.write("users.csv", users);
    let (port, contact) = (contact.port(), contact.to_string());
    let (target, count) = (server.address.to_string(), count.to_string());
    let started = Instant::now();
    let arguments = ["-inf", &users, "-key", "contact", &contact, "-r", "10000", "-l", "100", "-m", &count, &target];
    // Sent from the contact's port, because a phone is called at the source address of its registration.
    ends(&mut sipp(&folder, "register", port, &arguments)).await;
    started.elapsed()
}

async fn registrations(server: &Server<'_>, count: u32) {
    let contact = SocketAddr::from(([127, 0, 0, 1], ports::free(2)));
    let before = (server.cpu)();
    let took = register(server, REGISTERING, contact, count).await;
    let spent = (server.cpu)() - before;
    let rate = f64::from(count) / took.as_secs_f64();
    println!("{}: {rate:.0} REGISTER/s with digest, {:.0} µs of CPU each", server.name, per(spent, count));
}

/// Measures the rate of short calls, and then the memory of calls that stay established.
async fn calls(server: &Server<'_>, count: u32) {
    let folder = Folder::new("bench");
    let callee = SocketAddr::from(([127, 0, 0, 1], ports::free(2)));
    register(server, CALLED..=CALLED, callee, 1).await;
    let (target, called) = (server.address.to_string(), CALLED.to_string());
    let mut answering = sipp(&folder, "uas", callee.port(), &[]);
    let port = ports::free(2);
    let total = count.to_string();
    let (before, started) = ((server.cpu)(), Instant::now());
    let arguments = ["-s", &called, "-d", "0", "-r", "5000", "-l", "50", "-m", &total, &target];
    ends(&mut sipp(&folder, "uac", port, &arguments)).await;
    let (took, spent) = (started.elapsed(), (server.cpu)() - before);
    let rate = f64::from(count) / took.as_secs_f64();
    println!("{}: {rate:.0} calls/s, {:.0} µs of CPU each", server.name, per(spent, count));

    let staying = 200;
    let before = (server.resident)();
    let arguments = ["-s", &called, "-d", "5000", "-r", "200", "-m", "200", &target];
    let mut caller = sipp(&folder, "uac", ports::free(2), &arguments);
    let mut most = before;
    while caller.ended().is_none() {
        most = most.max((server.resident)());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!(
        "{}: {:.1} kB of memory for each of {staying} calls",
        server.name,
        f64_of(most - before) / f64::from(staying) / 1e3
    );
    answering.end().await;
}

fn f64_of(octets: u64) -> f64 {
    // Memory sizes are exact in f64.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let octets = octets as f64;
    octets
}

/// Measures the time from the received INVITE to the sent INVITE and to the 200, one call at a time.
async fn latency(server: &Server<'_>, count: u32) {
    let here = SocketAddr::from(([127, 0, 0, 1], ports::free(2)));
    register(server, TIMED..=TIMED, here, 1).await;
    let (caller, callee) = (Wire::toward(server.address).await, Wire::between(here, server.address).await);
    let mut times = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..count {
        let invite = caller.request("INVITE", &format!("sip:{TIMED}@{}", server.address), "Max-Forwards: 70\r\n");
        let body = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len());
        let invite = invite.replace("Content-Length: 0\r\n\r\n", &body);
        let started = Instant::now();
        caller.send(&invite).await;
        let arrived = request(&callee, "INVITE").await;
        times.push(started.elapsed());
        callee.send(answer(&arrived, callee.address())).await;
        let taken = caller.final_response().await;
        answers.push(started.elapsed());
        assert_eq!(status(&taken), Some(200), "{taken}");
        caller.send(within(&invite, &taken, "ACK", 1)).await;
        request(&callee, "ACK").await;
        caller.send(within(&invite, &taken, "BYE", 2)).await;
        callee.send(ok(&request(&callee, "BYE").await)).await;
        caller.final_response().await;
    }
    report(server.name, "INVITE in → INVITE out", times);
    report(server.name, "INVITE → 200 of a phone that answers at once", answers);
}

fn report(name: &str, what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    println!("{name}: {what}: p50 {:.2} ms, p99 {:.2} ms ({} times)", at(50), at(99), times.len());
}

async fn request(wire: &Wire, method: &str) -> String {
    loop {
        let message = wire.receive().await;
        if message.starts_with(method) {
            return message;
        }
    }
}

fn copied(request: &str, names: &[&str]) -> String {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let wanted = |line: &&str| names.iter().any(|name| line.starts_with(&format!("{name}:")));
    head.lines().filter(wanted).map(|line| format!("{line}\r\n")).collect()
}

/// Returns a 200 response without a body.
fn ok(request: &str) -> String {
    let copied = copied(request, &["Via", "From", "To", "Call-ID", "CSeq"]);
    format!("SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n")
}

fn answer(invite: &str, contact: SocketAddr) -> String {
    let to = header(invite, "To").unwrap_or_default();
    let copied = copied(invite, &["Record-Route", "Via", "From", "Call-ID", "CSeq"]);
    format!(
        "SIP/2.0 200 OK\r\n{copied}To: {to};tag=here\r\nContact: <sip:here@{contact}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

/// Returns a request of the caller in the dialog established by `response`, with its route set.
fn within(invite: &str, response: &str, method: &str, number: u32) -> String {
    let contact = header(response, "Contact").unwrap_or_default();
    let uri = contact.split(['<', '>']).nth(1).unwrap_or(contact);
    let copied = copied(invite, &["From", "Call-ID"]);
    let via = copied_via(invite, method);
    let route = header(response, "Record-Route").map(|route| format!("Route: {route}\r\n")).unwrap_or_default();
    let to = header(response, "To").unwrap_or_default();
    format!(
        "{method} {uri} SIP/2.0\r\n{via}{copied}{route}To: {to}\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// Returns the Via of an INVITE with another branch.
fn copied_via(invite: &str, method: &str) -> String {
    copied(invite, &["Via"]).replacen("branch=", &format!("branch=z9hG4bK{method}"), 1)
}

fn account(user: &str, server: SocketAddr, registers: bool) -> ConnectionMessage {
    let hello = connection(user);
    let sip = SipOptions {
        domain: Some(server.ip().to_string()),
        port: Some(server.port().to_string()),
        register_required: Some(registers),
        ..hello.sip.clone()
    };
    ConnectionMessage { sip, ..hello }
}

/// Measures the memory of sessions that are registered at a SIP server.
async fn sessions(relay: &Relay, count: u32) {
    let registrar = Registrar::start().await;
    let before = relay.resident();
    let mut idle = Vec::new();
    for number in 0..count {
        let hello = account(&format!("idle{number}"), registrar.address(), true);
        idle.push(Browser::connect(relay, hello, Habits::default()).await);
    }
    let each = f64_of(relay.resident() - before) / f64::from(count) / 1e3;
    println!("relay: {each:.1} kB of memory for each of {count} registered sessions");
}

/// Measures the time from a browser's `call` to the answer and to the SRTP keys, with a phone that answers immediately.
async fn browser(relay: &Relay, count: u32) {
    let phone = Wire::toward(relay.sip("udp").await).await;
    let mut alice = Browser::connect(relay, account("alice", phone.address(), false), Habits::default()).await;
    let (mut answers, mut keys) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let started = Instant::now();
        let call = alice.call("bob", Sound::Tone(440.0)).await;
        let invite = request(&phone, "INVITE").await;
        phone.send(answer(&invite, phone.address())).await;
        alice.take_answer(&call).await;
        answers.push(started.elapsed());
        call.peer.connected().await;
        keys.push(started.elapsed());
        alice.hang_up(&call.id);
        phone.send(ok(&request(&phone, "BYE").await)).await;
        alice.over(&call.id).await;
    }
    report("relay", "browser's `call` → answer", answers);
    report("relay", "browser's `call` → keys of SRTP, with a headless browser's ICE and DTLS", keys);
}

#[tokio::main]
async fn main() {
    let (registered, called, idle) = (argument(1, 10_000), argument(2, 3_000), argument(3, 500));
    let kamailio =
        Kamailio::start(KamailioOptions { records_route: true, is_open: true, ..KamailioOptions::default() }).await;
    // Hashes for MD5, the only algorithm that SIPp supports.
    let hash = |user: u32| hash_sip_password(&user.to_string(), "bench.test", &format!("pw{user}"));
    let mut options: Vec<String> = (1001..=TIMED).map(|user| format!("sip.phones.{user}={}", hash(user))).collect();
    // Ports that are not used by SIPp.
    let first = ports::free(PORTS);
    options.extend([format!("rtp.first_port={first}"), format!("rtp.last_port={}", first + PORTS - 1)]);
    let more = ["rtp.port_rest=0s", "sip.domain=bench.test", "sip.accept_unknown=true", "sip.message_rate=100000"];
    options.extend(more.map(str::to_owned));
    // All clients have the same address.
    let guards = ["guards.calls_per_address=0", "guards.call_rate_per_login=0", "guards.call_rate_per_address=0"];
    options.extend(guards.map(str::to_owned));
    let relay = Relay::start_with_sip(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let servers = [
        Server {
            name: "kamailio",
            address: kamailio.address(),
            cpu: &|| kamailio.cpu(),
            resident: &|| kamailio.resident(),
        },
        Server { name: "relay", address: relay.sip("udp").await, cpu: &|| relay.cpu(), resident: &|| relay.resident() },
    ];
    // First, while the relay has just been started.
    sessions(&relay, idle).await;
    for server in &servers {
        registrations(server, registered).await;
        calls(server, called).await;
        latency(server, 500).await;
    }
    browser(&relay, 100).await;
}
