//! Accounts that register at a SIP server.

use super::bench::{ALICE, Bench, CALL, alice, order, reply, settings, with};
use crate::message::{Method, Request};
use crate::transport::{Inside, LocalAddress, Transport};
use crate::user_agent::io::{Account, AccountId, Command, Event, Failure, Identity, Input, Origin, Settings};
use core::time::Duration;

fn registering() -> (Bench, Request) {
    let mut bench = Bench::new(settings());
    let account = Account { registrar: Some("sip:example.org".into()), ..alice() };
    bench.command(Command::AddAccount { account: ALICE, settings: Box::new(account) });
    let register = bench.request(&Method::Register);
    (bench, register)
}

fn accept(bench: &mut Bench, register: &Request) {
    let contact = register.headers.get("Contact").unwrap().to_owned();
    let mut success = reply(register, 200, "r");
    success.headers.set("Contact", format!("{contact};expires=600"));
    success.headers.push("Service-Route", "<sip:edge.example.org;lr>");
    bench.receive(success);
}

#[test]
fn an_account_registers_after_a_challenge_calls_by_its_service_route_and_unregisters() {
    let (mut bench, register) = registering();
    assert_eq!(register.uri.to_string(), "sip:example.org");
    assert_eq!(register.headers.get("To"), Some("\"Alice\" <sip:alice@example.org>"));
    assert_eq!(register.headers.get("Route"), Some("<sip:192.0.2.2;lr>"));
    assert!(register.headers.get("Contact").unwrap().starts_with("<sip:alice-1@192.0.2.1>"));
    assert_eq!(register.headers.get("User-Agent"), Some("Offhook"));
    let challenge = "Digest realm=\"example.org\", nonce=\"n1\", qop=\"auth\", algorithm=MD5";
    bench.receive(with(reply(&register, 401, "r"), "WWW-Authenticate", challenge));
    let again = bench.request(&Method::Register);
    assert!(again.headers.has("Authorization"));
    accept(&mut bench, &again);
    assert!(matches!(bench.event(), Event::Registered { account: ALICE, .. }));
    bench.command(Command::Invite { invite: CALL, request: Box::new(order(Some("offer"))) });
    let invite = bench.request(&Method::Invite);
    let routes: Vec<&str> = invite.headers.lines("Route").collect();
    assert_eq!(routes, ["<sip:192.0.2.2;lr>", "<sip:edge.example.org;lr>"]);
    bench.receive(reply(&invite, 486, "bob"));
    bench.request(&Method::Ack);
    bench.take_events();
    bench.command(Command::RemoveAccount { account: ALICE });
    let unregister = bench.request(&Method::Register);
    assert!(
        unregister.headers.get("Contact").unwrap().contains("expires=0")
            || unregister.headers.get("Expires") == Some("0")
    );
    bench.receive(reply(&unregister, 200, "r"));
    assert_eq!(bench.event(), Event::Unregistered { account: ALICE });
    bench.assert_empty();
}

#[test]
fn a_wrong_password_is_told_and_not_tried_again() {
    let (mut bench, register) = registering();
    let challenge = "Digest realm=\"example.org\", nonce=\"n1\", algorithm=MD5";
    bench.receive(with(reply(&register, 401, "r"), "WWW-Authenticate", challenge));
    let again = bench.request(&Method::Register);
    bench.receive(with(reply(&again, 401, "r"), "WWW-Authenticate", &challenge.replace("n1", "n2")));
    let failure = Failure::WrongPassword { realm: "example.org".into() };
    assert_eq!(bench.event(), Event::RegistrationFailed { account: ALICE, failure, retry_at: None });
    bench.wait(Duration::from_secs(4_000));
    bench.assert_quiet();
}

#[test]
fn a_server_that_does_not_answer_is_tried_again() {
    let (mut bench, _) = registering();
    bench.wait(Duration::from_secs(33));
    assert!(matches!(
        bench.event(),
        Event::RegistrationFailed { account: ALICE, failure: Failure::Timeout, retry_at: Some(_) }
    ));
    bench.sent.clear();
    bench.wait(Duration::from_secs(120));
    bench.request(&Method::Register);
}

#[test]
fn a_changed_network_registers_anew_and_a_senseless_account_is_told() {
    let (mut bench, register) = registering();
    accept(&mut bench, &register);
    bench.take_events();
    bench.input(Input::NetworkChanged { addresses: std::collections::BTreeSet::from(["192.0.2.1".parse().unwrap()]) });
    bench.assert_quiet();
    bench.input(Input::NetworkChanged { addresses: std::collections::BTreeSet::new() });
    bench.wait(Duration::from_secs(3));
    bench.request(&Method::Register);
    let account = Account { registrar: Some("nonsense".into()), ..alice() };
    bench.take_events();
    bench.command(Command::AddAccount { account: ALICE, settings: Box::new(account) });
    let failure = Failure::NoSuchHost;
    assert!(bench.take_events().contains(&Event::RegistrationFailed { account: ALICE, failure, retry_at: None }));
}

#[test]
fn a_server_that_does_not_keep_to_the_contact_is_understood() {
    let mut bench = Bench::with_alice(settings());
    let bob = Account {
        identity: Identity { name: None, uri: "sip:bob@example.org".into() },
        options_interval: Duration::ZERO,
        persists: false,
        contact_user: "bob-2".into(),
        ..alice()
    };
    let lines = |to: &'static str, call_id: &'static str| {
        ["From: <sip:c@example.net>;tag=c", to, call_id, "CSeq: 1 INVITE", "Contact: <sip:c@192.0.2.2>"]
    };
    let invite = bench.make("INVITE sip:+49301@192.0.2.1", &lines("To: <sip:+49301@192.0.2.1>", "Call-ID: 1"), None);
    bench.receive(invite);
    let Event::Incoming { request, .. } = bench.event() else { panic!() };
    assert_eq!(request.origin, Origin::Account(ALICE), "nobody else is there");
    bench.command(Command::AddAccount { account: AccountId(2), settings: Box::new(bob) });
    let invite = bench.make("INVITE sip:+49301@192.0.2.1", &lines("To: <sip:bob@example.org>", "Call-ID: 2"), None);
    bench.receive(invite);
    let Event::Incoming { request, .. } = bench.event() else { panic!() };
    assert_eq!(request.origin, Origin::Account(AccountId(2)));
    bench.sent.clear();
    let invite = bench.make("INVITE sip:+49301@192.0.2.1", &lines("To: <sip:+49301@192.0.2.1>", "Call-ID: 3"), None);
    bench.receive(invite);
    bench.response(403);
}

#[test]
fn of_many_accounts_at_a_server_the_one_that_is_named_is_meant() {
    let mut bench = Bench::new(settings());
    let account = |number: u64| Account {
        identity: Identity { name: None, uri: format!("sip:user{number}@example.org") },
        options_interval: Duration::ZERO,
        persists: false,
        contact_user: format!("contact{number}"),
        ..alice()
    };
    for number in 1..=100 {
        bench.command(Command::AddAccount { account: AccountId(number), settings: Box::new(account(number)) });
    }
    let meant = |bench: &mut Bench, uri: &str, to: &str, call_id: &str| {
        let (to, call_id) = (format!("To: <{to}>"), format!("Call-ID: {call_id}"));
        let lines = ["From: <sip:c@example.net>;tag=c", &to, &call_id, "CSeq: 1 INVITE", "Contact: <sip:c@192.0.2.2>"];
        let invite = bench.make(&format!("INVITE {uri}"), &lines, None);
        bench.receive(invite);
        bench.sent.clear();
        match bench.take_events().pop() {
            Some(Event::Incoming { request, .. }) => Some(request.origin),
            _ => None,
        }
    };
    let of = |number| Some(Origin::Account(AccountId(number)));
    assert_eq!(meant(&mut bench, "sip:user77@192.0.2.1", "sip:user3@example.org", "1"), of(77), "the URI goes first");
    assert_eq!(meant(&mut bench, "sip:+49@192.0.2.1", "sip:user3@example.org", "2"), of(3));
    assert_eq!(meant(&mut bench, "sip:192.0.2.1", "sip:example.org", "3"), None);
    bench.command(Command::RemoveAccount { account: AccountId(3) });
    assert_eq!(meant(&mut bench, "sip:+49@192.0.2.1", "sip:user3@example.org", "4"), None);
    for number in 1..=100 {
        bench.command(Command::RemoveAccount { account: AccountId(number) });
    }
    assert_eq!(bench.agent.accounts, crate::user_agent::accounts::Accounts::default());
}

#[test]
fn an_account_that_does_not_register_sends_options() {
    let mut bench = Bench::new(settings());
    let account = Account { options_interval: Duration::from_secs(60), ..alice() };
    bench.command(Command::AddAccount { account: ALICE, settings: Box::new(account) });
    bench.wait(Duration::ZERO);
    for _ in 0..3 {
        let options = bench.request(&Method::Options);
        assert_eq!(options.uri.to_string(), "sip:example.org");
        assert_eq!(options.headers.get("Contact"), Some("<sip:alice-1@192.0.2.1>"));
        bench.receive(reply(&options, 403, "server"));
        bench.assert_quiet();
        bench.wait(Duration::from_secs(60));
    }
    bench.request(&Method::Options);
    bench.command(Command::RemoveAccount { account: ALICE });
    bench.take_events();
    bench.sent.clear();
    bench.wait(Duration::from_secs(200));
    bench.sent.retain(|sent| !matches!(sent, crate::message::Message::Request(r) if r.method == Method::Options));
    bench.assert_empty();
}

#[test]
fn peers_in_local_networks_are_told_the_local_address() {
    let inside = Inside {
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        local: vec![LocalAddress { transport: Transport::Udp, host: "10.0.0.1".into(), port: 5060, is_ipv6: false }],
    };
    let mut bench = Bench::with_alice(Settings { inside, ..settings() });
    bench.command(Command::Invite { invite: CALL, request: Box::new(order(Some("offer"))) });
    let invite = bench.request(&Method::Invite);
    assert!(invite.headers.get("Via").unwrap().starts_with("SIP/2.0/UDP 10.0.0.1:5060"), "{invite:?}");
    assert_eq!(invite.headers.get("Contact"), Some("<sip:alice-1@10.0.0.1>"));
}
