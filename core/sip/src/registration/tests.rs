//! One registration, in virtual time: every state with every input against a table, and what it is all for.

use super::{Event, Input, Output, Registration, Settings};
use crate::auth::{Asked, Credentials, Login};
use crate::message::{HeaderName, Request, Response};
use crate::transaction::Failure;
use crate::user_agent::io;
use core::time::Duration;
use offhook_clock::Time;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

pub(super) fn settings() -> Settings {
    Settings {
        identity: "Alice <sip:alice@example.org>".parse().unwrap(),
        registrar: "sip:example.org".parse().unwrap(),
        route: vec!["<sip:edge.example.org;lr>".parse().unwrap()],
        contact: "<sip:a1b2@relay.invalid>".parse().unwrap(),
        expires: Duration::from_secs(600),
        login: Some(Login::new("alice", "secret")),
        persists: false,
    }
}

/// What a registrar answers.
pub(super) fn response(request: &Request, status: u16, lines: &[(&str, &str)]) -> Response {
    let mut response = Response::to(request, status, "");
    lines.iter().for_each(|(name, value)| response.headers.push(*name, value));
    response
}

const CHALLENGE: &str = "Digest realm=\"example.org\", nonce=\"n1\", qop=\"auth\", algorithm=MD5";

#[derive(Clone)]
struct Bench {
    registration: Registration,
    rng: ChaCha20Rng,
    now: Time,
    latest: Option<Request>,
}

impl Bench {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        let registration = Registration::new(settings, &mut rng);
        let mut bench = Self { registration, rng, now: Time::EPOCH, latest: None };
        let told = bench.told();
        assert!(told.len() == 1 && told[0].starts_with("REGISTER for 600 s"), "{told:?}");
        bench
    }

    fn input(&mut self, input: Input<'_>) {
        self.registration.handle_input(input, &mut self.rng, self.now);
    }

    fn answer(&mut self, status: u16, lines: &[(&str, &str)]) -> Vec<String> {
        let response = response(self.latest.as_ref().unwrap(), status, lines);
        self.input(Input::Response(&response));
        self.told()
    }

    /// Takes what it wants done, in words.
    fn told(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(output) = self.registration.poll_output() {
            words.push(match output {
                Output::Send(request) => {
                    let expires = request.headers.expires().unwrap().unwrap();
                    let signed = if request.headers.authorization().next().is_some() { " signed" } else { "" };
                    let elsewhere = request.uri != settings().registrar;
                    let at = if elsewhere { format!(" at {}", request.uri) } else { String::new() };
                    self.latest = Some(*request);
                    format!("REGISTER{signed} for {expires} s{at}")
                }
                Output::Event(Event::Registered { expires }) => format!("registered for {} s", expires.as_secs()),
                Output::Event(Event::Failed { failure, retry_at }) => {
                    let again =
                        retry_at.map_or("for good".to_owned(), |at| format!("for {} s", at.since(self.now).as_secs()));
                    match failure {
                        io::Failure::Refused { status, .. } => format!("failed {again}: {status}"),
                        other => format!("failed {again}: {other:?}"),
                    }
                }
                Output::Event(Event::Unregistered) => "unregistered".to_owned(),
            });
        }
        words
    }

    /// Goes to the deadline there is, and says how far that was.
    fn wait(&mut self) -> Duration {
        let due = self.registration.poll_timeout().unwrap();
        let wait = due.since(self.now);
        self.now = due;
        self.registration.handle_timeout(&mut self.rng, due);
        wait
    }

    fn state(&self) -> String {
        let saved = serde_json::to_value(&self.registration).unwrap();
        let state = &saved["state"];
        let object = state.as_object().and_then(|object| object.iter().next());
        let Some((name, data)) = object else { return state.as_str().unwrap().to_owned() };
        let binding = if data["binding"].is_null() { "" } else { " again" };
        let then = if data["then"] == "Leave" { ", then leave" } else { "" };
        format!("{name}{binding}{then}")
    }
}

fn registered() -> Bench {
    let mut bench = Bench::new();
    assert_eq!(bench.answer(200, &[]), ["registered for 600 s"]);
    bench
}

fn refreshing() -> Bench {
    let mut bench = registered();
    bench.wait();
    bench.told();
    bench
}

fn leaving() -> Bench {
    let mut bench = Bench::new();
    bench.input(Input::Unregister);
    bench
}

fn leaving_with_binding() -> Bench {
    let mut bench = refreshing();
    bench.input(Input::Unregister);
    bench
}

fn waiting() -> Bench {
    let mut bench = Bench::new();
    bench.input(Input::Failed(Failure::Timeout));
    bench.told();
    bench
}

fn waiting_with_binding() -> Bench {
    let mut bench = refreshing();
    bench.input(Input::Failed(Failure::Timeout));
    assert_eq!(bench.told(), [""; 0], "the server knows the account yet");
    bench
}

fn unregistering() -> Bench {
    let mut bench = registered();
    bench.input(Input::Unregister);
    bench.told();
    bench
}

fn unregistered() -> Bench {
    let mut bench = unregistering();
    bench.answer(200, &[]);
    bench
}

fn failed() -> Bench {
    let mut bench = Bench::new();
    bench.answer(403, &[]);
    bench
}

#[test]
fn every_state_with_every_input() {
    type Reach = fn() -> Bench;
    let states: [Reach; 10] = [
        Bench::new,
        refreshing,
        leaving,
        leaving_with_binding,
        registered,
        waiting,
        waiting_with_binding,
        unregistering,
        unregistered,
        failed,
    ];
    type Answer = (u16, &'static [(&'static str, &'static str)]);
    let answers: [Answer; 9] = [
        (100, &[]),
        (200, &[("Contact", "<sip:a1b2@192.0.2.1>;expires=300")]),
        (401, &[("WWW-Authenticate", CHALLENGE)]),
        (407, &[("Proxy-Authenticate", CHALLENGE)]),
        (423, &[("Min-Expires", "1800")]),
        (302, &[("Contact", "<sip:bob@other.example.org>")]),
        (403, &[]),
        (503, &[]),
        (503, &[("Retry-After", "77")]),
    ];
    let mut table = String::new();
    for reach in states {
        let mut row = |what: &str, act: &dyn Fn(&mut Bench)| {
            let mut bench = reach();
            let from = bench.state();
            act(&mut bench);
            let mut told = bench.told().join(", ");
            if told.is_empty() {
                told = "-".to_owned();
            }
            let due = bench
                .registration
                .poll_timeout()
                .map_or("never".to_owned(), |at| format!("{} s", at.since(bench.now).as_secs()));
            table.push_str(&format!("{from} | {what} | {told} | {}, due in {due}\n", bench.state()));
        };
        for (status, lines) in answers {
            let what = lines.first().map_or(status.to_string(), |(name, _)| format!("{status} with {name}"));
            row(&what, &|bench| {
                let response = response(bench.latest.as_ref().unwrap(), status, lines);
                bench.input(Input::Response(&response));
            });
        }
        row("no answer", &|bench| bench.input(Input::Failed(Failure::Timeout)));
        row("unregister", &|bench| bench.input(Input::Unregister));
        row("network changed", &|bench| bench.input(Input::NetworkChanged));
        row("deadline", &|bench| {
            bench.now = bench.registration.poll_timeout().unwrap_or(bench.now);
            bench.registration.handle_timeout(&mut bench.rng, bench.now);
        });
    }
    let committed = include_str!("table.txt");
    if table != committed {
        println!("{table}");
    }
    assert!(table == committed, "the machine does not do what table.txt says; see the output for what it does");
}

#[test]
fn a_register_has_what_a_registrar_needs() {
    let bench = Bench::new();
    let text = String::from_utf8(bench.latest.unwrap().to_bytes()).unwrap();
    for line in [
        "REGISTER sip:example.org SIP/2.0",
        "Route: <sip:edge.example.org;lr>",
        "To: \"Alice\" <sip:alice@example.org>",
        "CSeq: 1 REGISTER",
        "Contact: <sip:a1b2@relay.invalid>",
        "Expires: 600",
        "Supported: path",
        "Max-Forwards: 70",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
    assert!(text.contains("From: \"Alice\" <sip:alice@example.org>;tag="));
}

#[test]
fn a_challenge_is_answered_once_and_credentials_go_on() {
    let mut bench = Bench::new();
    let first = bench.latest.clone().unwrap();
    assert_eq!(bench.answer(401, &[("WWW-Authenticate", CHALLENGE)]), ["REGISTER signed for 600 s"]);
    let second = bench.latest.clone().unwrap();
    assert_eq!(first.headers.call_id(), second.headers.call_id());
    assert_eq!(second.headers.cseq().unwrap().number, 2);
    let credentials: Credentials = second.headers.authorization().next().unwrap().parse().unwrap();
    let asked = Asked { method: "REGISTER", uri: "sip:example.org", body: b"" };
    assert!(credentials.is_made_with(&Login::new("alice", "secret").verifier(), &asked));
    assert_eq!(bench.answer(200, &[]), ["registered for 600 s"]);
    bench.wait();
    assert_eq!(bench.told(), ["REGISTER signed for 600 s"], "the nonce is good yet");
    let stale = format!("{}, stale=true", CHALLENGE.replace("n1", "n2"));
    assert_eq!(bench.answer(401, &[("WWW-Authenticate", &stale)]), ["REGISTER signed for 600 s"]);
    assert_eq!(bench.answer(200, &[]), [""; 0]);
}

#[test]
fn a_wrong_password_is_not_tried_again() {
    let mut bench = Bench::new();
    bench.answer(401, &[("WWW-Authenticate", CHALLENGE)]);
    let again = CHALLENGE.replace("n1", "n2");
    let told = bench.answer(401, &[("WWW-Authenticate", &again)]);
    assert_eq!(told, ["failed for good: WrongPassword { realm: \"example.org\" }"]);
    assert!(!bench.registration.is_registered());

    let mut bench = Bench::with(Settings { login: None, ..settings() });
    assert_eq!(bench.answer(401, &[("WWW-Authenticate", CHALLENGE)]), ["failed for good: 401"]);
}

#[test]
fn proxy_and_registrar_may_challenge_both() {
    let mut bench = Bench::new();
    let of_proxy = CHALLENGE.replace("example.org", "proxy");
    bench.answer(407, &[("Proxy-Authenticate", &of_proxy)]);
    assert_eq!(bench.answer(401, &[("WWW-Authenticate", CHALLENGE)]), ["REGISTER signed for 600 s"]);
    let request = bench.latest.clone().unwrap();
    assert!(request.headers.has(HeaderName::ProxyAuthorization) && request.headers.has(HeaderName::Authorization));
    assert_eq!(bench.answer(200, &[]), ["registered for 600 s"]);
}

#[test]
fn only_the_own_contact_counts_among_several() {
    let mut bench = Bench::new();
    let contacts = "<sip:other@192.0.2.9>;expires=30, <sip:a1b2@203.0.113.5:1024>;expires=120";
    let told = bench.answer(200, &[("Contact", contacts), ("Expires", "3600")]);
    assert_eq!(told, ["registered for 120 s"]);
    let wait = bench.wait();
    assert!((Duration::from_secs(57)..=Duration::from_secs(60)).contains(&wait), "{wait:?}");
    bench.told();
    assert_eq!(bench.answer(200, &[("Expires", "90")]), [""; 0], "that it is still registered is no news");
    assert!(bench.wait() <= Duration::from_secs(45));
}

#[test]
fn a_binding_of_no_time_does_not_flood_the_registrar() {
    let mut bench = Bench::new();
    bench.answer(200, &[("Expires", "0")]);
    assert!(bench.wait() >= Duration::from_secs(4));
}

#[test]
fn a_longer_interval_that_the_registrar_wants_is_kept() {
    let mut bench = Bench::new();
    assert_eq!(bench.answer(423, &[("Min-Expires", "1800")]), ["REGISTER for 1800 s"]);
    bench.answer(200, &[]);
    bench.wait();
    assert_eq!(bench.told(), ["REGISTER for 1800 s"]);
    assert_eq!(bench.answer(423, &[("Min-Expires", "1800")]), ["failed for good: 423"], "that it had");
}

#[test]
fn redirections_end() {
    let mut bench = Bench::new();
    let contact = [("Contact", "<sip:x@one.example.org>;q=0.1, <sip:y@two.example.org;method=INVITE>")];
    for _ in 0..3 {
        assert_eq!(bench.answer(302, &contact), ["REGISTER for 600 s at sip:two.example.org"]);
    }
    assert_eq!(bench.answer(302, &contact), ["failed for good: 302"]);

    let mut bench = Bench::with(Settings { registrar: "sips:example.org".parse().unwrap(), ..settings() });
    assert_eq!(bench.answer(302, &contact), ["failed for good: 302"], "not to where it is less safe");
}

#[test]
fn challenges_end_too() {
    let mut bench = Bench::new();
    let mut told = Vec::new();
    for count in 0..20 {
        let challenge = CHALLENGE.replace("example.org", &format!("realm-{count}"));
        told = bench.answer(407, &[("Proxy-Authenticate", &challenge)]);
        if !told.iter().any(|word| word.starts_with("REGISTER")) {
            break;
        }
    }
    assert_eq!(told, ["failed for good: 407"]);
}

#[test]
fn waits_grow_with_failures_and_begin_anew_after_a_success() {
    for (failure, longest) in [
        (Failure::Timeout, [30, 60, 120, 240, 480, 960, 1_800, 1_800, 1_800]),
        (Failure::Unreachable, [1, 2, 4, 8, 16, 32, 64, 128, 256]),
    ] {
        let mut bench = Bench::new();
        for longest in longest.map(Duration::from_secs) {
            bench.input(Input::Failed(failure));
            let wait = bench.wait();
            assert!((longest / 2..=longest).contains(&wait), "{failure:?}: {wait:?} of {longest:?}");
            bench.told();
        }
        bench.answer(200, &[]);
        bench.wait();
        bench.told();
        bench.input(Input::Failed(Failure::Timeout));
        assert!(bench.wait() <= Duration::from_secs(30));
    }
}

#[test]
fn a_registrar_that_has_no_time_is_not_asked_at_once_again_whatever_it_says() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        assert_eq!(bench.answer(503, &[("Retry-After", "0")]), ["failed for 5 s: 503"]);
        bench.wait();
        assert_eq!(bench.told().len(), 1);
    }
    assert_eq!(bench.now, Time::EPOCH + Duration::from_secs(15));
}

#[test]
fn an_expired_registration_is_told() {
    let mut bench = Bench::new();
    bench.answer(200, &[("Expires", "60")]);
    bench.wait();
    bench.told();
    bench.now = bench.now + Duration::from_secs(32);
    bench.input(Input::Failed(Failure::Timeout));
    assert!(!bench.registration.is_registered());
    let told = bench.told();
    assert!(told[0].ends_with("Timeout"), "{told:?}");
    bench.wait();
    bench.told();
    assert_eq!(bench.answer(200, &[]), ["registered for 600 s"]);
}

#[test]
fn the_route_that_the_registrar_names_is_taken() {
    let mut bench = Bench::new();
    bench.answer(200, &[("Service-Route", "<sip:one.example.org;lr>, <sip:two.example.org;lr>")]);
    let route: Vec<String> = bench.registration.service_route().iter().map(ToString::to_string).collect();
    assert_eq!(route, ["<sip:one.example.org;lr>", "<sip:two.example.org;lr>"]);
    bench.wait();
    bench.told();
    bench.answer(200, &[]);
    assert!(bench.registration.service_route().is_empty(), "the latest counts");
}

#[test]
fn a_late_answer_to_an_earlier_request_says_nothing() {
    let mut bench = Bench::new();
    let first = bench.latest.clone().unwrap();
    bench.input(Input::NetworkChanged);
    assert_eq!(bench.told(), ["REGISTER for 600 s"]);
    let late = response(&first, 403, &[]);
    bench.input(Input::Response(&late));
    assert_eq!(bench.told(), [""; 0]);
    assert_eq!(bench.answer(200, &[]), ["registered for 600 s"]);
}

#[test]
fn a_saved_registration_goes_on() {
    let mut bench = refreshing();
    let saved = serde_json::to_string(&bench.registration).unwrap();
    bench.registration = serde_json::from_str(&saved).unwrap();
    assert_eq!(bench.answer(200, &[]), [""; 0]);
    assert!(bench.registration.is_registered());
}

#[test]
fn refused_account_that_persists_is_tried_again_after_minutes() {
    for status in [403, 404] {
        let mut bench = Bench::with(Settings { persists: true, ..settings() });
        for longest in [60, 120, 240, 480, 600, 600] {
            bench.answer(status, &[]);
            let wait = bench.wait().as_secs();
            bench.told();
            assert!((longest / 2..=longest).contains(&wait), "{status}: {wait} s of {longest}");
        }
    }
}
