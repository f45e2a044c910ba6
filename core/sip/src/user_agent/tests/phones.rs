//! Tests of phones that register at the relay.

use super::bench::{Bench, CALL, order, reply, sdp, settings, with_body};
use crate::auth::{AuthClient, CoveredParts, Login, Secret, Verifier};
use crate::message::{Message, Method, Request};
use crate::user_agent::io::{BindingId, Command, Destination, Event, Identity, Origin, PhoneUser, UserAgentSettings};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

pub(super) fn with_phones() -> UserAgentSettings {
    let phone = |user: &str| PhoneUser { user: user.into(), verifier: Verifier::Password(Secret::new("secret")) };
    UserAgentSettings { phones: vec![phone("desk"), phone("other")], ..settings() }
}

/// Sends a request without and then with credentials.
pub(super) fn authenticated(bench: &mut Bench, mut request: Request, user: &str, password: &str) {
    bench.receive(request.clone());
    bench.sent.retain(|sent| sent.headers().has("WWW-Authenticate"));
    let challenged = bench.response(401);
    let mut client = AuthClient::new(Login::new(user, password));
    let challenges = challenged.headers.www_authenticate().map(|text| (crate::auth::Challenger::UserAgent, text));
    client.store_challenges(challenges, &[]).unwrap();
    let uri = request.uri.to_string();
    let covered = CoveredParts { method: request.method.name(), uri: &uri, body: &request.body };
    for (_, credentials) in client.credentials(&covered, &mut ChaCha20Rng::from_seed([1; 32])) {
        request.headers.push("Authorization", credentials);
    }
    let cseq = request.headers.cseq().unwrap();
    request.headers.set("CSeq", format!("{} {}", cseq.number + 1, cseq.method));
    let branch = bench.branch();
    request.headers.set("Via", format!("SIP/2.0/UDP 192.0.2.2;branch={branch};rport"));
    bench.receive(request);
}

pub(super) fn register(bench: &mut Bench) -> BindingId {
    let lines = [
        "From: <sip:desk@relay.example>;tag=d",
        "To: <sip:desk@relay.example>",
        "Call-ID: r1",
        "CSeq: 1 REGISTER",
        "Contact: <sip:desk@10.0.0.9:5070>",
    ];
    let request = bench.make("REGISTER sip:relay.example", &lines, None);
    authenticated(bench, request, "desk", "secret");
    bench.response(200);
    match bench.event() {
        Event::PhoneBound { user, binding } if user == "desk" => binding,
        other => panic!("{other:?}"),
    }
}

#[test]
fn registered_phone_is_called_on_its_flow() {
    let mut bench = Bench::new(with_phones());
    let binding = register(&mut bench);
    let mut request = order(Some("offer"));
    request.account = None;
    request.to = Destination::Binding(binding);
    request.from = Some(Identity { name: None, uri: "sip:web@relay.example".parse().unwrap() });
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    let invite = bench.request(&Method::Invite);
    assert_eq!(invite.uri.to_string(), "sip:desk@10.0.0.9:5070");
    assert_eq!(invite.headers.get("To"), Some("<sip:desk@relay.example>"));
    assert_eq!(invite.headers.from().unwrap().uri.to_string(), "sip:web@relay.example");
    let mut success = with_body(reply(&invite, 200, "desk"), "answer");
    success.headers.set("Contact", "<sip:desk@10.0.0.9:5070>");
    bench.receive(success);
    bench.request(&Method::Ack);
    bench.take_events();
    bench.command(Command::HangUp { invite: CALL, reason: None });
    assert_eq!(bench.request(&Method::Bye).uri.to_string(), "sip:desk@10.0.0.9:5070");
}

#[test]
fn phone_call_is_authenticated() {
    let mut bench = Bench::new(with_phones());
    let lines = [
        "From: <sip:desk@relay.example>;tag=d",
        "To: <sip:web@relay.example>",
        "Call-ID: i1",
        "CSeq: 1 INVITE",
        "Contact: <sip:desk@10.0.0.9:5070>",
    ];
    let invite = bench.make("INVITE sip:web@relay.example", &lines, Some(&sdp("offer")));
    authenticated(&mut bench, invite.clone(), "desk", "secret");
    let Event::Incoming { request, .. } = bench.event() else { panic!() };
    assert_eq!(request.origin, Origin::Phone("desk".into()));
    assert_eq!(request.request_uri.to_string(), "sip:web@relay.example");
}

#[test]
fn phone_call_with_wrong_credentials_is_rejected() {
    let mut bench = Bench::new(with_phones());
    let invite = |bench: &mut Bench, call: &str| {
        let call_id = format!("Call-ID: {call}");
        let lines = [
            "From: <sip:desk@relay.example>;tag=d",
            "To: <sip:web@relay.example>",
            &call_id,
            "CSeq: 1 INVITE",
            "Contact: <sip:desk@10.0.0.9:5070>",
        ];
        bench.make("INVITE sip:web@relay.example", &lines, None)
    };
    let first = invite(&mut bench, "w1");
    authenticated(&mut bench, first, "other", "secret");
    bench.response(403);
    let second = invite(&mut bench, "w2");
    authenticated(&mut bench, second, "desk", "guess");
    bench.sent.retain(|sent| matches!(sent, Message::Response(r) if r.status >= 400));
    assert_eq!(bench.sent.len(), 1);
    assert!(bench.events.is_empty());
    bench.sent.clear();
    bench.assert_empty();
}

#[test]
fn requests_without_authentication_occupy_no_transaction() {
    let mut bench = Bench::new(with_phones());
    register(&mut bench);
    bench.wait(core::time::Duration::from_secs(40));
    let before = bench.agent.counts();
    for (number, method) in
        ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "BYE", "MESSAGE"].iter().cycle().take(600).enumerate()
    {
        let (call_id, cseq) = (format!("Call-ID: flood{number}"), format!("CSeq: 1 {method}"));
        let lines = ["From: <sip:desk@relay.example>;tag=f", "To: <sip:x@relay.example>", &call_id, &cseq];
        let request = bench.make(&format!("{method} sip:x@relay.example"), &lines, None);
        bench.receive(request);
    }
    assert_eq!(bench.sent.len(), 600, "each request was answered");
    assert_eq!(bench.agent.counts(), before);
}

#[test]
fn flows_are_kept_for_phones_and_calls() {
    let mut bench = Bench::new(with_phones());
    let kept = |bench: &Bench| bench.kept_flows.values().sum::<i32>();
    let binding = register(&mut bench);
    assert_eq!(kept(&bench), 1);
    let mut request = order(Some("offer"));
    request.account = None;
    request.to = Destination::Binding(binding);
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    assert_eq!(kept(&bench), 2);
    let invite = bench.request(&Method::Invite);
    bench.receive(reply(&invite, 486, "desk"));
    bench.wait(core::time::Duration::from_secs(40));
    assert_eq!(kept(&bench), 1, "the call has ended");
    bench.wait(core::time::Duration::from_secs(3_600));
    assert_eq!(kept(&bench), 0, "the registration has expired");
}

#[test]
fn phone_behind_nat_receives_keep_alives() {
    let interval = core::time::Duration::from_secs(25);
    let mut bench = Bench::new(UserAgentSettings { nat_keep_alive: interval, ..with_phones() });
    register(&mut bench);
    for _ in 0..4 {
        bench.wait(interval);
        let options = bench.request(&Method::Options);
        assert_eq!(options.uri.to_string(), "sip:desk@10.0.0.9:5070");
        bench.receive(reply(&options, 200, "desk"));
        bench.assert_quiet();
    }
    assert_eq!(bench.agent.counters().stray_responses, 0);
    bench.wait(core::time::Duration::from_secs(3_600));
    bench.sent.clear();
    bench.take_events();
    bench.wait(interval * 2);
    bench.assert_quiet();
}
