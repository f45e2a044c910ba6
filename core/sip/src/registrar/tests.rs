//! Tests of the registrar with phones.

mod domains;

use super::{Event, Kind, Lifetimes, Registrar, RegistrarSettings};
use crate::auth::{Algorithm, Challenge, CoveredParts, Credentials, Hash, Login, Secret, Verifier};
use crate::message::{HeaderName, Message, Request, Response};
use crate::transaction::layer::Destination;
use crate::transport::{FlowId, Source, Target, Transport};
use crate::user_agent::io::BindingId;
use core::time::Duration;
use offhook_clock::Time;
use offhook_secret::InClear;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::BTreeMap;

/// A registrar and a phone.
struct Bench {
    registrar: Registrar,
    now: Time,
    source: Source,
    login: Login,
    cseq: u32,
    call_id: &'static str,
    answer: Option<Challenge>,
    used: u32,
}

fn source(flow: u64, transport: Transport, remote: &str) -> Source {
    Source { flow: FlowId(flow), transport, local: "192.0.2.1:5060".parse().unwrap(), remote: remote.parse().unwrap() }
}

impl Bench {
    fn new() -> Self {
        let users = ["desk", "hall"].map(|user| (user.to_owned(), Login::new(user, "secret").verifier()));
        let settings = RegistrarSettings {
            lifetimes: Lifetimes { longest: Duration::from_secs(600), ..Lifetimes::default() },
            max_bindings: 3,
            ..RegistrarSettings::new("pbx.example".parse().unwrap(), BTreeMap::from(users))
        };
        Self {
            registrar: Registrar::new(settings, &mut ChaCha20Rng::from_seed([9; 32])),
            now: Time::EPOCH,
            source: source(1, Transport::Udp, "198.51.100.7:5060"),
            login: Login::new("desk", "secret"),
            cseq: 0,
            call_id: "boot-1",
            answer: None,
            used: 0,
        }
    }

    fn request(&mut self, lines: &str) -> Request {
        self.cseq += 1;
        let (cseq, call_id) = (self.cseq, self.call_id);
        let lines: String = lines.lines().map(|line| format!("{}\r\n", line.trim())).collect();
        let text = format!(
            "REGISTER sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK{cseq}\r\n\
             From: <sip:desk@pbx.example>;tag=p\r\nTo: <sip:desk@pbx.example>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} REGISTER\r\n{lines}\r\n"
        );
        let Ok(Message::Request(request)) = Message::parse(text.as_bytes()) else { panic!("{text}") };
        request
    }

    fn with_credentials(&mut self, mut request: Request, written_uri: &str) -> Request {
        if let Some(challenge) = &self.answer {
            self.used += 1;
            let covered = CoveredParts { method: "REGISTER", uri: written_uri, body: &request.body };
            let credentials = Credentials::answer(challenge, &self.login, &covered, "c", self.used);
            request.headers.push(HeaderName::Authorization, credentials);
        }
        request
    }

    /// Sends a REGISTER, with credentials after the first challenge.
    fn send(&mut self, lines: &str) -> Response {
        let request = self.request(lines);
        let request = self.with_credentials(request, "sip:pbx.example");
        self.registrar.register(&request, &self.source, self.now)
    }

    /// Lets the phone receive a challenge.
    fn challenge(&mut self) {
        let response = self.send("");
        assert_eq!(response.status, 401);
        self.answer = response.headers.www_authenticate().find_map(|text| text.parse().ok());
        assert!(self.answer.is_some());
        self.used = 0;
    }

    /// Sends a REGISTER that is accepted. Returns the contacts of the response.
    fn register(&mut self, lines: &str) -> Vec<String> {
        if self.answer.is_none() {
            self.challenge();
        }
        let response = self.send(lines);
        assert_eq!(response.status, 200, "{lines}");
        response.headers.all(HeaderName::Contact).map(str::to_owned).collect()
    }

    fn outputs(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.registrar.poll_output()).collect()
    }

    /// Returns the events about bindings.
    fn binding_events(&mut self) -> Vec<Event> {
        let is_of_binding = |event: &Event| matches!(event, Event::Bound { .. } | Event::Unbound { .. });
        self.outputs().into_iter().filter(is_of_binding).collect()
    }

    fn offenses(&mut self) -> Vec<Event> {
        self.outputs().into_iter().filter(|event| matches!(event, Event::Offense { .. })).collect()
    }

    fn bound(&self, binding: u64) -> Event {
        Event::Bound { user: "desk".to_owned(), binding: BindingId(binding) }
    }

    fn unbound(&self, binding: u64) -> Event {
        Event::Unbound { user: "desk".to_owned(), binding: BindingId(binding) }
    }

    fn assert_consistent(&self) {
        let registrar = &self.registrar;
        let count = registrar.bindings.len();
        assert_eq!((registrar.users.len(), registrar.expiries.len(), registrar.sources.len()), (count, count, count));
        for (domain, id) in &registrar.learned {
            assert_eq!(registrar.binding(*id).and_then(|binding| binding.domain.as_ref()), Some(domain));
        }
        for (flow, id) in &registrar.flows {
            assert_eq!(registrar.binding(*id).and_then(|binding| binding.flow).map(|source| source.flow), Some(*flow));
        }
    }
}

const HERE: &str = "Contact: <sip:desk@198.51.100.7:5060>";

#[test]
fn phone_registers_refreshes_and_unregisters() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.register(&format!("{HERE};q=0.5\nExpires: 120")),
        ["<sip:desk@198.51.100.7:5060>;q=0.500;expires=120"]
    );
    assert_eq!(bench.binding_events(), [bench.bound(1)]);
    bench.now = bench.now + Duration::from_secs(100);
    assert_eq!(bench.register(""), ["<sip:desk@198.51.100.7:5060>;q=0.500;expires=20"], "a query changes nothing");
    assert_eq!(bench.register(&format!("{HERE};expires=300")), ["<sip:desk@198.51.100.7:5060>;expires=300"]);
    assert_eq!(bench.binding_events(), [], "no event for a refresh");
    assert_eq!(bench.registrar.poll_timeout(), Some(Time::EPOCH + Duration::from_secs(400)));
    assert_eq!(bench.registrar.user_of(BindingId(1)), Some("desk"));
    assert!(bench.register(&format!("{HERE};expires=0")).is_empty());
    assert_eq!(bench.binding_events(), [bench.unbound(1)]);
    assert_eq!(bench.registrar.poll_timeout(), None);
    bench.assert_consistent();
}

#[test]
fn binding_without_refresh_expires() {
    let mut bench = Bench::new();
    bench.register(&format!("{HERE};expires=60"));
    bench.binding_events();
    let saved = serde_json::to_string(&InClear(&bench.registrar)).unwrap();
    bench.registrar = serde_json::from_str(&saved).unwrap();
    bench.registrar.handle_timeout(Time::from_micros(59_999_999));
    assert_eq!(bench.binding_events(), []);
    bench.registrar.handle_timeout(Time::from_micros(60_000_000));
    assert_eq!(bench.binding_events(), [bench.unbound(1)]);
    bench.assert_consistent();
}

#[test]
fn granted_lifetime_is_within_limits() {
    let mut bench = Bench::new();
    bench.challenge();
    let response = bench.send(&format!("{HERE}\nExpires: 59"));
    assert_eq!((response.status, response.headers.get(HeaderName::MinExpires)), (423, Some("60")));
    assert_eq!(bench.binding_events(), []);
    for (asked, granted) in [("", 600), (";expires=60", 60), (";expires=9999", 600), (";expires=99999999999", 600)] {
        assert_eq!(
            bench.register(&format!("{HERE}{asked}")),
            [format!("<sip:desk@198.51.100.7:5060>;expires={granted}")]
        );
    }
}

#[test]
fn several_contacts_are_bound_up_to_the_limit() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:desk@198.51.100.7:5060>, <sip:desk@198.51.100.7:5070>\nExpires: 60");
    assert_eq!(bench.binding_events(), [bench.bound(1), bench.bound(2)]);
    bench.register("Contact: <sip:desk@198.51.100.7:5070>;expires=0, <sip:desk@198.51.100.7:5080>");
    assert_eq!(bench.binding_events(), [bench.unbound(2), bench.bound(3)]);
    bench.register("Contact: <sip:desk@198.51.100.7:5090>;q=0.1, <sip:desk@198.51.100.7:5090>;q=0.2");
    assert_eq!(bench.binding_events(), [bench.bound(4)], "two equivalent contacts create one binding");
    let ids: Vec<u64> = bench.registrar.bindings_of("desk").map(|(id, _)| id.0).collect();
    assert_eq!(ids, [1, 3, 4]);
    bench.register("Contact: <sip:desk@198.51.100.7:5100>");
    assert_eq!(bench.binding_events(), [bench.bound(5), bench.unbound(1)], "the oldest binding is removed");
    bench.register("Contact: *\nExpires: 0");
    assert_eq!(bench.binding_events(), [bench.unbound(3), bench.unbound(4), bench.unbound(5)]);
    bench.assert_consistent();
}

#[test]
fn restarted_phone_replaces_its_binding() {
    let mut bench = Bench::new();
    let contact =
        |port: u16| format!("Contact: <sip:desk@198.51.100.7:{port}>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
    bench.register(&contact(5060));
    bench.register(&contact(5070));
    assert_eq!(bench.binding_events(), [bench.bound(1)]);
    let (_, binding) = bench.registrar.bindings_of("desk").next().unwrap();
    assert_eq!(binding.uri.port(), Some(5070));
    bench.register(&contact(5080).replace("reg-id=1", "reg-id=2"));
    assert_eq!(bench.binding_events(), [bench.bound(2)]);
}

#[test]
fn rejected_register_changes_no_binding() {
    let mut bench = Bench::new();
    bench.register(HERE);
    bench.binding_events();
    let other = "Contact: <sip:desk@198.51.100.7:5070>";
    for (lines, status) in [
        (format!("{other}, <sip:desk@198.51.100.7:5060>;expires=5"), 423),
        (format!("{other}, <mailto:desk@example.org>"), 400),
        (format!("{other}, *"), 400),
        ("Contact: *".to_owned(), 400),
        ("Contact: *\nExpires: 60".to_owned(), 400),
        (format!("{other}\nRequire: path, gruu"), 420),
        ((1..=4).map(|port| format!("Contact: <sip:desk@198.51.100.7:{port}>\n")).collect(), 403),
    ] {
        let response = bench.send(&lines);
        assert_eq!(response.status, status, "{lines}");
        if status == 420 {
            assert_eq!(response.headers.unsupported().collect::<Vec<_>>(), ["gruu"]);
        }
    }
    assert_eq!(bench.binding_events(), []);
    assert_eq!(bench.registrar.bindings_of("desk").count(), 1);
}

#[test]
fn reordered_register_is_rejected() {
    let mut bench = Bench::new();
    bench.register(HERE);
    bench.cseq = 0;
    assert_eq!(bench.send(HERE).status, 500);
    bench.cseq = 0;
    assert_eq!(bench.send("Contact: *\nExpires: 0").status, 500);
    bench.cseq = 0;
    bench.call_id = "boot-2";
    bench.register(HERE);
    assert_eq!(bench.binding_events(), [bench.bound(1)], "a new Call-ID has its own CSeq");
}

#[test]
fn register_needs_password_and_own_address_of_record() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(HERE).status, 401);
    bench.challenge();
    bench.login = Login::new("desk", "guess");
    let response = bench.send(HERE);
    assert_eq!(response.status, 401);
    assert_eq!(response.headers.www_authenticate().count(), 2, "one challenge per algorithm");
    bench.login = Login::new("nobody", "secret");
    assert_eq!(bench.send(HERE).status, 401);
    bench.login = Login::new("hall", "secret");
    assert_eq!(bench.send(HERE).status, 403);
    assert_eq!(bench.binding_events(), []);
    bench.login = Login::new("desk", "secret");
    for to in ["<sip:desk@elsewhere.example>", "<tel:+15551234>", "<sip:pbx.example>"] {
        let mut request = bench.request(HERE);
        request.headers.set(HeaderName::To, to);
        let request = bench.with_credentials(request, "sip:pbx.example");
        assert_eq!(bench.registrar.register(&request, &bench.source, bench.now).status, 404, "{to}");
    }
    bench.register(HERE);
}

#[test]
fn equivalent_uri_in_credentials_is_accepted() {
    let mut bench = Bench::new();
    bench.challenge();
    for (written, status) in [("sip:PBX.example", 200), ("sip:pbx.example:5060", 400), ("sip:other.example", 400)] {
        let request = bench.request(HERE);
        let request = bench.with_credentials(request, written);
        assert_eq!(bench.registrar.register(&request, &bench.source, bench.now).status, status, "{written}");
    }
}

#[test]
fn guessed_passwords_are_rejected_with_retry_after() {
    let mut bench = Bench::new();
    bench.challenge();
    bench.login = Login::new("desk", "guess");
    for _ in 0..10 {
        assert_eq!(bench.send(HERE).status, 401);
    }
    for wait in [2, 3, 5, 9] {
        let response = bench.send(HERE);
        let seconds = format!("{wait}");
        assert_eq!((response.status, response.headers.get(HeaderName::RetryAfter)), (403, Some(seconds.as_str())));
        assert_eq!(bench.send(HERE).status, 403, "a further attempt in the same second is not verified");
        bench.now = bench.now + Duration::from_secs(1);
    }
    bench.login = Login::new("nobody", "guess");
    let answers: Vec<u16> = (0..12).map(|_| bench.send(HERE).status).collect();
    assert_eq!(answers, [vec![401; 10], vec![403; 2]].concat(), "unknown users get the same responses");
}

#[test]
fn right_password_is_accepted_during_lockout() {
    let mut bench = Bench::new();
    bench.challenge();
    bench.login = Login::new("desk", "guess");
    while bench.send(HERE).status == 401 {}
    bench.login = Login::new("hall", "secret");
    let mut request = bench.request("Contact: <sip:hall@198.51.100.7:5062>");
    request.headers.set(HeaderName::To, "<sip:hall@pbx.example>");
    let request = bench.with_credentials(request, "sip:pbx.example");
    let response = bench.registrar.register(&request, &bench.source, bench.now);
    assert_eq!(response.status, 200, "another user behind the NAT");
    bench.login = Login::new("desk", "guess");
    for _ in 0..6 {
        bench.now = bench.now + Duration::from_secs(1);
        assert_eq!(bench.send(HERE).status, 403);
    }
    bench.now = bench.now + Duration::from_secs(6);
    bench.login = Login::new("desk", "secret");
    bench.register(HERE);
    assert_eq!(bench.send(HERE).status, 200, "another phone of the user");
}

#[test]
fn lockout_limits_verified_passwords() {
    let mut bench = Bench::new();
    bench.challenge();
    bench.login = Login::new("desk", "guess");
    while bench.send(HERE).status == 401 {}
    bench.now = bench.now + Duration::from_secs(1);
    assert_eq!(bench.send(HERE).status, 403, "two seconds of lockout");
    // The right password among the guesses is not revealed.
    bench.login = Login::new("desk", "secret");
    assert_eq!(bench.send(HERE).status, 403);
    bench.now = bench.now + Duration::from_secs(1);
    assert_eq!(bench.send(HERE).status, 200);
    // After that, wrong credentials from other sources or from the phone itself do not cause its rejection.
    for second in 0..30 {
        for user in ["desk", "nobody", "anybody", "somebody"] {
            bench.login = Login::new(user, format!("guess {second}"));
            bench.send(HERE);
        }
        bench.login = Login::new("desk", "secret");
        assert_eq!(bench.send(HERE).status, 200, "in second {second}");
        bench.now = bench.now + Duration::from_secs(1);
    }
}

#[test]
fn repeated_wrong_response_counts_once() {
    let mut bench = Bench::new();
    bench.challenge();
    bench.login = Login::new("desk", "old");
    let request = bench.request(HERE);
    let request = bench.with_credentials(request, "sip:pbx.example");
    for _ in 0..50 {
        assert_eq!(bench.registrar.register(&request, &bench.source, bench.now).status, 401);
    }
    let is_wrong = |event: &Event| matches!(event, Event::Offense { kind: Kind::WrongDigest, .. });
    assert_eq!(bench.offenses().into_iter().filter(is_wrong).count(), 1);
}

#[test]
fn forged_source_locks_out_the_challenged_address() {
    let mut bench = Bench::new();
    let here = bench.source;
    bench.source = source(2, Transport::Udp, "203.0.113.66:5060");
    bench.challenge();
    bench.login = Login::new("desk", "guess");
    bench.source = here;
    for _ in 0..10 {
        assert_eq!(bench.send(HERE).status, 401);
    }
    assert_eq!(bench.send(HERE).status, 403, "the attacker's address received the challenge");
    let offenses: Vec<_> = bench.offenses();
    let attacker: std::net::IpAddr = [203, 0, 113, 66].into();
    let is_attackers = |event: &Event| matches!(event, Event::Offense { address, .. } if *address == attacker);
    assert!(offenses.len() >= 11 && offenses.iter().all(is_attackers), "{offenses:?}");
    bench.answer = Some("Digest realm=\"pbx.example\", nonce=\"made up\", qop=\"auth\"".parse().unwrap());
    for _ in 0..20 {
        assert_eq!(bench.send(HERE).status, 401);
    }
    bench.login = Login::new("desk", "secret");
    bench.answer = None;
    bench.register(HERE);
}

#[test]
fn ipv6_network_shares_a_lockout() {
    let mut bench = Bench::new();
    bench.login = Login::new("desk", "guess");
    for host in 0..10 {
        bench.source = source(host, Transport::Udp, &format!("[2001:db8::{host}]:5060"));
        bench.answer = None;
        bench.challenge();
        assert_eq!(bench.send(HERE).status, 401);
    }
    bench.source = source(99, Transport::Udp, "[2001:db8::99]:5060");
    assert_eq!(bench.send(HERE).status, 403);
}

#[test]
fn register_ignoring_the_challenge_is_reported() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.send(HERE);
    }
    let event = Event::Offense { kind: Kind::SipScan, address: bench.source.remote.ip(), is_verified: false };
    assert_eq!(bench.offenses(), [event.clone(), event.clone(), event]);
    bench.challenge();
    bench.register(HERE);
    bench.offenses();
    bench.answer = None;
    bench.send(HERE);
    assert_eq!(bench.offenses(), [], "a source where a phone has authenticated");
}

#[test]
fn call_uses_the_flow_of_the_registration() {
    let mut bench = Bench::new();
    bench.source = source(4, Transport::Tcp, "198.51.100.7:41000");
    bench.register("Contact: <sip:desk@198.51.100.7:5062;transport=tcp>, <sip:desk@10.0.0.7;transport=tcp>");
    let destination = |bench: &Bench, id| bench.registrar.binding(BindingId(id)).and_then(super::Binding::destination);
    let fallback = |port| {
        let address = format!("198.51.100.7:{port}").parse().unwrap();
        vec![Target { transport: Transport::Tcp, address, host: None }]
    };
    let flow = bench.source;
    assert_eq!(destination(&bench, 1), Some(Destination::Flow { flow, fallback: fallback(5062) }));
    assert_eq!(destination(&bench, 2), Some(Destination::Flow { flow, fallback: vec![] }), "behind a NAT");
    bench.binding_events();
    bench.registrar.flow_closed(FlowId(4));
    assert_eq!(bench.binding_events(), [bench.unbound(2)]);
    let uri = "sip:desk@198.51.100.7:5062;transport=tcp".parse::<crate::message::Uri>().unwrap();
    assert_eq!(destination(&bench, 1), uri.as_sip().map(|uri| Destination::of_uri(uri, None)));
    bench.assert_consistent();
}

#[test]
fn call_to_phone_behind_proxies_follows_path() {
    let mut bench = Bench::new();
    bench.challenge();
    let path = "<sip:edge.example;lr>";
    let response = bench.send(&format!("{HERE}\nPath: {path}\nSupported: path"));
    assert_eq!((response.status, response.headers.get(HeaderName::Path)), (200, Some(path)));
    let (_, binding) = bench.registrar.bindings_of("desk").next().unwrap();
    let edge = "sip:edge.example;lr".parse::<crate::message::Uri>().unwrap();
    assert_eq!(binding.destination(), edge.as_sip().map(|uri| Destination::of_uri(uri, None)));

    bench.register("Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKp\nContact: <sip:desk@10.0.0.9>");
    let (_, binding) = bench.registrar.bindings_of("desk").last().unwrap();
    let own = "sip:desk@10.0.0.9".parse::<crate::message::Uri>().unwrap();
    assert_eq!(binding.destination(), own.as_sip().map(|uri| Destination::of_uri(uri, None)));
}

#[test]
fn removed_user_loses_its_bindings() {
    let mut bench = Bench::new();
    bench.register(HERE);
    bench.binding_events();
    bench.registrar.set_users(BTreeMap::from([("hall".to_owned(), Login::new("hall", "secret").verifier())]));
    assert_eq!(bench.binding_events(), [bench.unbound(1)]);
    assert!(bench.registrar.has_user("hall") && !bench.registrar.has_user("desk"));
    assert_eq!(bench.send(HERE).status, 401);
}

#[test]
fn authenticate_verifies_other_methods() {
    let mut bench = Bench::new();
    bench.challenge();
    let request = bench.request("");
    let verdict = bench.registrar.authenticate(&request, &bench.source, bench.now);
    assert_eq!(verdict.unwrap_err().status, 401);
    let request = bench.with_credentials(request, "sip:pbx.example");
    assert_eq!(bench.registrar.authenticate(&request, &bench.source, bench.now), Ok("desk".to_owned()));
    let replayed = bench.registrar.authenticate(&request, &bench.source, bench.now).unwrap_err();
    assert!(replayed.headers.www_authenticate().all(|text| text.contains("stale=true")));
}

#[test]
fn unverifiable_algorithms_are_not_offered() {
    let password = ("desk".to_owned(), Login::new("desk", "secret").verifier());
    let hashed = |hash| Verifier::Ha1 { hash, digits: Secret::new("00") };
    let offered = |others: &[Verifier]| {
        let others = others.iter().enumerate().map(|(number, verifier)| (number.to_string(), verifier.clone()));
        let users = others.chain([password.clone()]).collect();
        RegistrarSettings::new("pbx.example".parse().unwrap(), users).auth.algorithms
    };
    assert_eq!(offered(&[]), [Algorithm::Sha256, Algorithm::Md5]);
    assert_eq!(offered(&[hashed(Hash::Md5)]), [Algorithm::Md5]);
    assert_eq!(offered(&[hashed(Hash::Sha256)]), [Algorithm::Sha256]);
    // No algorithm works for every user.
    assert_eq!(offered(&[hashed(Hash::Md5), hashed(Hash::Sha256)]), [Algorithm::Sha256, Algorithm::Md5]);
}

#[test]
fn phone_receiving_elsewhere_is_called_at_contact() {
    let contact: Target =
        Target { transport: Transport::Udp, address: "198.51.100.7:5060".parse().unwrap(), host: None };
    for (via, host, expected) in [
        // The `Via` of a Cisco 79xx: its own address, the port it receives at, no `rport`.
        ("198.51.100.7:5060", "198.51.100.7", Some(contact)),
        ("198.51.100.7:5060;rport", "198.51.100.7", None),
        ("198.51.100.7:50933", "198.51.100.7", None),
        ("10.0.0.7:5060", "198.51.100.7", None),
        ("198.51.100.7:5060", "10.0.0.7", None),
    ] {
        let mut bench = Bench::new();
        bench.source = source(1, Transport::Udp, "198.51.100.7:50933");
        bench.register(&format!("Contact: <sip:desk@{host}:5060>"));
        let mut request = bench.request(&format!("Contact: <sip:desk@{host}:5060>"));
        request.headers.set("Via", format!("SIP/2.0/UDP {via};branch=z9hG4bKc"));
        let request = bench.with_credentials(request, "sip:pbx.example");
        assert_eq!(bench.registrar.register(&request, &bench.source, bench.now).status, 200);
        let (_, binding) = bench.registrar.bindings_of("desk").next().unwrap();
        match (binding.destination().unwrap(), &expected) {
            (Destination::Flow { flow, .. }, None) => assert_eq!(flow.flow, FlowId(1), "{via} {host}"),
            (Destination::Resolve { host, port, .. }, Some(target)) => {
                assert_eq!((host.address(), port), (Some(target.address.ip()), Some(5060)));
            }
            (other, _) => panic!("{via} {host}: {other:?}"),
        }
    }
}
