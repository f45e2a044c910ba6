//! Tests of one registration in virtual time: the transition table and typical exchanges.

use super::{Event, Input, Output, Registration, RegistrationSettings};
use crate::auth::{CoveredParts, Credentials, Login};
use crate::message::{HeaderName, Request, Response};
use crate::transaction::Failure;
use crate::user_agent::io;
use core::time::Duration;
use offhook_clock::Time;
use offhook_secret::InClear;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

pub(super) fn settings() -> RegistrationSettings {
    RegistrationSettings {
        identity: "Alice <sip:alice@example.org>".parse().unwrap(),
        registrar: "sip:example.org".parse().unwrap(),
        route: vec!["<sip:edge.example.org;lr>".parse().unwrap()],
        contact: "<sip:a1b2@relay.invalid>".parse().unwrap(),
        expires: Duration::from_secs(600),
        login: Some(Login::new("alice", "secret")),
        refused_wait: None,
    }
}

/// Returns the registrar's response.
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

    fn with(settings: RegistrationSettings) -> Self {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        let registration = Registration::new(settings, &mut rng);
        let mut bench = Self { registration, rng, now: Time::EPOCH, latest: None };
        let outputs = bench.outputs();
        assert!(outputs.len() == 1 && outputs[0].starts_with("REGISTER for 600 s"), "{outputs:?}");
        bench
    }

    fn input(&mut self, input: Input<'_>) {
        self.registration.handle_input(input, &mut self.rng, self.now);
    }

    fn answer(&mut self, status: u16, lines: &[(&str, &str)]) -> Vec<String> {
        let response = response(self.latest.as_ref().unwrap(), status, lines);
        self.input(Input::Response(&response));
        self.outputs()
    }

    /// Returns the outputs as text.
    fn outputs(&mut self) -> Vec<String> {
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

    /// Advances the clock to the next deadline and handles it. Returns the time that passed.
    fn wait(&mut self) -> Duration {
        let due = self.registration.poll_timeout().unwrap();
        let wait = due.since(self.now);
        self.now = due;
        self.registration.handle_timeout(&mut self.rng, due);
        wait
    }

    fn state(&self) -> String {
        let saved = serde_json::to_value(InClear(&self.registration)).unwrap();
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
    bench.outputs();
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
    bench.outputs();
    bench
}

fn waiting_with_binding() -> Bench {
    let mut bench = refreshing();
    bench.input(Input::Failed(Failure::Timeout));
    assert_eq!(bench.outputs(), [""; 0], "the binding is still valid");
    bench
}

fn unregistering() -> Bench {
    let mut bench = registered();
    bench.input(Input::Unregister);
    bench.outputs();
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
fn registration_state_table_matches_committed() {
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
            let mut outputs = bench.outputs().join(", ");
            if outputs.is_empty() {
                outputs = "-".to_owned();
            }
            let due = bench
                .registration
                .poll_timeout()
                .map_or("never".to_owned(), |at| format!("{} s", at.since(bench.now).as_secs()));
            table.push_str(&format!("{from} | {what} | {outputs} | {}, due in {due}\n", bench.state()));
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
    assert!(table == committed, "the transition table differs from table.txt; the actual table is printed above");
}

#[test]
fn register_has_required_headers() {
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
fn challenge_is_answered_and_later_requests_are_signed() {
    let mut bench = Bench::new();
    let first = bench.latest.clone().unwrap();
    assert_eq!(bench.answer(401, &[("WWW-Authenticate", CHALLENGE)]), ["REGISTER signed for 600 s"]);
    let second = bench.latest.clone().unwrap();
    assert_eq!(first.headers.call_id(), second.headers.call_id());
    assert_eq!(second.headers.cseq().unwrap().number, 2);
    let credentials: Credentials = second.headers.authorization().next().unwrap().parse().unwrap();
    let covered = CoveredParts { method: "REGISTER", uri: "sip:example.org", body: b"" };
    assert!(credentials.is_made_with(&Login::new("alice", "secret").verifier(), &covered));
    assert_eq!(bench.answer(200, &[]), ["registered for 600 s"]);
    bench.wait();
    assert_eq!(bench.outputs(), ["REGISTER signed for 600 s"], "the nonce is still valid");
    let stale = format!("{}, stale=true", CHALLENGE.replace("n1", "n2"));
    assert_eq!(bench.answer(401, &[("WWW-Authenticate", &stale)]), ["REGISTER signed for 600 s"]);
    assert_eq!(bench.answer(200, &[]), [""; 0]);
}

#[test]
fn rejected_password_is_not_sent_again() {
    let mut bench = Bench::new();
    bench.answer(401, &[("WWW-Authenticate", CHALLENGE)]);
    let again = CHALLENGE.replace("n1", "n2");
    let outputs = bench.answer(401, &[("WWW-Authenticate", &again)]);
    assert_eq!(outputs, ["failed for good: WrongPassword { realm: \"example.org\" }"]);
    assert!(!bench.registration.is_registered());

    let mut bench = Bench::with(RegistrationSettings { login: None, ..settings() });
    assert_eq!(bench.answer(401, &[("WWW-Authenticate", CHALLENGE)]), ["failed for good: 401"]);
}

#[test]
fn proxy_and_registrar_challenges_are_both_answered() {
    let mut bench = Bench::new();
    let of_proxy = CHALLENGE.replace("example.org", "proxy");
    bench.answer(407, &[("Proxy-Authenticate", &of_proxy)]);
    assert_eq!(bench.answer(401, &[("WWW-Authenticate", CHALLENGE)]), ["REGISTER signed for 600 s"]);
    let request = bench.latest.clone().unwrap();
    assert!(request.headers.has(HeaderName::ProxyAuthorization) && request.headers.has(HeaderName::Authorization));
    assert_eq!(bench.answer(200, &[]), ["registered for 600 s"]);
}

#[test]
fn granted_lifetime_is_that_of_own_contact() {
    let mut bench = Bench::new();
    let contacts = "<sip:other@192.0.2.9>;expires=30, <sip:a1b2@203.0.113.5:1024>;expires=120";
    let outputs = bench.answer(200, &[("Contact", contacts), ("Expires", "3600")]);
    assert_eq!(outputs, ["registered for 120 s"]);
    let wait = bench.wait();
    assert!((Duration::from_secs(57)..=Duration::from_secs(60)).contains(&wait), "{wait:?}");
    bench.outputs();
    assert_eq!(bench.answer(200, &[("Expires", "90")]), [""; 0], "a refresh is not reported");
    assert!(bench.wait() <= Duration::from_secs(45));
}

#[test]
fn binding_with_zero_lifetime_is_refreshed_after_minimum() {
    let mut bench = Bench::new();
    bench.answer(200, &[("Expires", "0")]);
    assert!(bench.wait() >= Duration::from_secs(4));
}

#[test]
fn min_expires_of_423_is_used_later() {
    let mut bench = Bench::new();
    assert_eq!(bench.answer(423, &[("Min-Expires", "1800")]), ["REGISTER for 1800 s"]);
    bench.answer(200, &[]);
    bench.wait();
    assert_eq!(bench.outputs(), ["REGISTER for 1800 s"]);
    assert_eq!(
        bench.answer(423, &[("Min-Expires", "1800")]),
        ["failed for good: 423"],
        "the requested interval was already that long"
    );
}

#[test]
fn number_of_redirects_is_limited() {
    let mut bench = Bench::new();
    let contact = [("Contact", "<sip:x@one.example.org>;q=0.1, <sip:y@two.example.org;method=INVITE>")];
    for _ in 0..3 {
        assert_eq!(bench.answer(302, &contact), ["REGISTER for 600 s at sip:two.example.org"]);
    }
    assert_eq!(bench.answer(302, &contact), ["failed for good: 302"]);

    let mut bench = Bench::with(RegistrationSettings { registrar: "sips:example.org".parse().unwrap(), ..settings() });
    assert_eq!(bench.answer(302, &contact), ["failed for good: 302"], "no redirect from sips to sip");
}

#[test]
fn number_of_challenges_is_limited() {
    let mut bench = Bench::new();
    let mut outputs = Vec::new();
    for count in 0..20 {
        let challenge = CHALLENGE.replace("example.org", &format!("realm-{count}"));
        outputs = bench.answer(407, &[("Proxy-Authenticate", &challenge)]);
        if !outputs.iter().any(|word| word.starts_with("REGISTER")) {
            break;
        }
    }
    assert_eq!(outputs, ["failed for good: 407"]);
}

#[test]
fn retry_wait_doubles_until_success() {
    for (failure, longest) in [
        (Failure::Timeout, [30, 60, 120, 240, 480, 960, 1_800, 1_800, 1_800]),
        (Failure::Unreachable, [1, 2, 4, 8, 16, 32, 64, 128, 256]),
    ] {
        let mut bench = Bench::new();
        for longest in longest.map(Duration::from_secs) {
            bench.input(Input::Failed(failure));
            let wait = bench.wait();
            assert!((longest / 2..=longest).contains(&wait), "{failure:?}: {wait:?} of {longest:?}");
            bench.outputs();
        }
        bench.answer(200, &[]);
        bench.wait();
        bench.outputs();
        bench.input(Input::Failed(Failure::Timeout));
        assert!(bench.wait() <= Duration::from_secs(30));
    }
}

#[test]
fn retry_after_zero_is_raised_to_minimum() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        assert_eq!(bench.answer(503, &[("Retry-After", "0")]), ["failed for 5 s: 503"]);
        bench.wait();
        assert_eq!(bench.outputs().len(), 1);
    }
    assert_eq!(bench.now, Time::EPOCH + Duration::from_secs(15));
}

#[test]
fn expired_binding_is_reported() {
    let mut bench = Bench::new();
    bench.answer(200, &[("Expires", "60")]);
    bench.wait();
    bench.outputs();
    bench.now = bench.now + Duration::from_secs(32);
    bench.input(Input::Failed(Failure::Timeout));
    assert!(!bench.registration.is_registered());
    let outputs = bench.outputs();
    assert!(outputs[0].ends_with("Timeout"), "{outputs:?}");
    bench.wait();
    bench.outputs();
    assert_eq!(bench.answer(200, &[]), ["registered for 600 s"]);
}

#[test]
fn latest_service_route_is_used() {
    let mut bench = Bench::new();
    bench.answer(200, &[("Service-Route", "<sip:one.example.org;lr>, <sip:two.example.org;lr>")]);
    let route: Vec<String> = bench.registration.service_route().iter().map(ToString::to_string).collect();
    assert_eq!(route, ["<sip:one.example.org;lr>", "<sip:two.example.org;lr>"]);
    bench.wait();
    bench.outputs();
    bench.answer(200, &[]);
    assert!(bench.registration.service_route().is_empty(), "the latest service route applies");
}

#[test]
fn response_to_earlier_request_is_ignored() {
    let mut bench = Bench::new();
    let first = bench.latest.clone().unwrap();
    bench.input(Input::NetworkChanged);
    assert_eq!(bench.outputs(), ["REGISTER for 600 s"]);
    let late = response(&first, 403, &[]);
    bench.input(Input::Response(&late));
    assert_eq!(bench.outputs(), [""; 0]);
    assert_eq!(bench.answer(200, &[]), ["registered for 600 s"]);
}

#[test]
fn registration_continues_after_serialization() {
    let mut bench = refreshing();
    let saved = serde_json::to_string(&InClear(&bench.registration)).unwrap();
    bench.registration = serde_json::from_str(&saved).unwrap();
    assert_eq!(bench.answer(200, &[]), [""; 0]);
    assert!(bench.registration.is_registered());
}

#[test]
fn rejected_persistent_account_retries_with_back_off() {
    for (status, waits) in
        [(403, [60, 120, 240, 480, 600, 600]), (404, [10, 20, 40, 80, 160, 320]), (403, [900, 900, 900, 900, 900, 900])]
    {
        let refused_wait = Some(Duration::from_secs(waits[0]));
        let mut bench = Bench::with(RegistrationSettings { refused_wait, ..settings() });
        for longest in waits {
            bench.answer(status, &[]);
            let wait = bench.wait().as_secs();
            bench.outputs();
            assert!((longest / 2..=longest).contains(&wait), "{status}: {wait} s of {longest}");
        }
    }
}
