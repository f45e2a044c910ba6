//! Tests of accounts: registration, OPTIONS and assignment of inbound calls.

use super::bench::{ALICE, Bench, CALL, alice, order, reply, settings, with};
use crate::message::{Method, Request};
use crate::transport::{self, Inside, LocalAddress, Target, Transport};
use crate::user_agent::io::{
    Account, AccountId, CalledNumberSource, Command, Destination, Event, Failure, Identity, Input, Origin, Output,
    UserAgentSettings,
};
use core::time::Duration;

fn registering() -> (Bench, Request) {
    let mut bench = Bench::new(settings());
    let account = Account { registrar: Some("sip:example.org".parse().unwrap()), ..alice() };
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
fn account_registers_calls_by_service_route_and_unregisters() {
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
fn rejected_account_password_is_reported_and_not_repeated() {
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
fn unanswered_register_is_retried() {
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
fn network_change_repeats_register_of_valid_registrar() {
    let (mut bench, register) = registering();
    accept(&mut bench, &register);
    bench.take_events();
    bench.input(Input::NetworkChanged { addresses: std::collections::BTreeSet::from(["192.0.2.1".parse().unwrap()]) });
    bench.assert_quiet();
    bench.input(Input::NetworkChanged { addresses: std::collections::BTreeSet::new() });
    bench.wait(Duration::from_secs(3));
    bench.request(&Method::Register);
    assert!("nonsense".parse::<crate::message::SipUri>().is_err(), "no account has an invalid registrar");
}

#[test]
fn invite_to_other_request_uri_finds_its_account() {
    let mut bench = Bench::with_alice(settings());
    let bob = Account {
        identity: Identity { name: None, uri: "sip:bob@example.org".parse().unwrap() },
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
    assert_eq!(request.origin, Origin::Account(ALICE), "the only account of the server");
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
fn invite_from_shared_server_reaches_the_named_account() {
    let mut bench = Bench::new(settings());
    let account = |number: u64| Account {
        identity: Identity { name: None, uri: format!("sip:user{number}@example.org").parse().unwrap() },
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
    assert_eq!(
        meant(&mut bench, "sip:user77@192.0.2.1", "sip:user3@example.org", "1"),
        of(77),
        "the Request-URI takes precedence over To"
    );
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
fn account_without_registration_sends_options() {
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
fn peer_in_local_network_receives_local_address() {
    let inside = Inside {
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        local: vec![LocalAddress { transport: Transport::Udp, host: "10.0.0.1".into(), port: 5060, is_ipv6: false }],
    };
    let mut bench = Bench::with_alice(UserAgentSettings { inside, ..settings() });
    bench.command(Command::Invite { invite: CALL, request: Box::new(order(Some("offer"))) });
    let invite = bench.request(&Method::Invite);
    assert!(invite.headers.get("Via").unwrap().starts_with("SIP/2.0/UDP 10.0.0.1:5060"), "{invite:?}");
    assert_eq!(invite.headers.get("Contact"), Some("<sip:alice-1@10.0.0.1>"));
}

/// Sends an INVITE from an address. Returns the account that it is assigned to, or `None` if it was rejected.
fn account_of(bench: &mut Bench, from: &str, uri: &str, to: &str) -> Option<Origin> {
    static CALLS: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
    let call_id = format!("Call-ID: source-{}", CALLS.fetch_add(1, core::sync::atomic::Ordering::Relaxed));
    let (to, cseq) = (format!("To: <{to}>"), "CSeq: 1 INVITE");
    let lines = ["From: <sip:c@example.net>;tag=c", &to, &call_id, cseq, "Contact: <sip:c@192.0.2.2>"];
    let invite = bench.make(&format!("INVITE {uri}"), &lines, None);
    bench.sent.clear();
    bench.receive_from(format!("{from}:5060").parse().unwrap(), Transport::Udp, invite);
    match bench.take_events().pop() {
        Some(Event::Incoming { request, .. }) => Some(request.origin),
        Some(other) => panic!("{other:?}"),
        None => {
            bench.response(403);
            None
        }
    }
}

const NUMBER: &str = "sip:+4930100001@192.0.2.1";

fn trunk() -> Account {
    Account {
        identity: Identity { name: None, uri: "sip:4711@pbx.example.org".parse().unwrap() },
        route: vec!["sip:192.0.2.77".parse().unwrap()],
        persists: true,
        is_trunk: true,
        contact_user: "trunk-1".into(),
        ..alice()
    }
}

fn bench_with(accept_unknown: bool, account: Account) -> Bench {
    let mut bench = Bench::new(UserAgentSettings { accept_unknown, ..settings() });
    bench
        .agent
        .handle_input(Input::Command(Command::AddAccount { account: ALICE, settings: Box::new(account) }), bench.now);
    bench
}

/// Answers the pending queries. Returns the names that were queried.
fn resolve(bench: &mut Bench, addresses: &[&str]) -> Vec<String> {
    let outputs: Vec<Output> = core::iter::from_fn(|| bench.agent.poll_output()).collect();
    let mut hosts = Vec::new();
    for output in outputs {
        let Output::Transport(transport::io::Output::Resolve { query, host, .. }) = output else {
            panic!("{output:?}")
        };
        let target = |address: &&str| Target {
            transport: Transport::Udp,
            address: format!("{address}:5060").parse().unwrap(),
            host: None,
        };
        bench.agent.handle_input(
            Input::Transport(transport::io::Input::Resolved { query, targets: addresses.iter().map(target).collect() }),
            bench.now,
        );
        hosts.push(host);
    }
    hosts
}

#[test]
fn call_from_listed_source_reaches_the_account() {
    for accept_unknown in [false, true] {
        let sources = vec!["198.51.100.0/24".parse().unwrap(), "203.0.113.7".parse().unwrap()];
        let mut bench = bench_with(accept_unknown, Account { sources, ..trunk() });
        assert!(resolve(&mut bench, &[]).is_empty(), "listed sources are not resolved");
        for from in ["198.51.100.1", "198.51.100.250", "203.0.113.7"] {
            let account = account_of(&mut bench, from, NUMBER, NUMBER);
            assert_eq!(account, Some(Origin::Account(ALICE)), "{from}, {accept_unknown}");
        }
        let other = account_of(&mut bench, "203.0.113.8", NUMBER, NUMBER);
        assert_eq!(other, accept_unknown.then_some(Origin::Unknown));
        bench.command(Command::RemoveAccount { account: ALICE });
        bench.take_events();
        let removed = account_of(&mut bench, "198.51.100.1", NUMBER, NUMBER);
        assert_eq!(removed, accept_unknown.then_some(Origin::Unknown));
    }
}

#[test]
fn trunk_receives_calls_that_name_no_account() {
    let sources = vec!["198.51.100.0/24".parse().unwrap()];
    let mut bench = bench_with(false, Account { sources: sources.clone(), ..trunk() });
    let bob = Account { sources, persists: true, contact_user: "bob-2".into(), ..alice() };
    bench.command(Command::AddAccount { account: AccountId(2), settings: Box::new(bob) });
    let mut account = |uri, to| account_of(&mut bench, "198.51.100.1", uri, to);
    assert_eq!(account(NUMBER, NUMBER), Some(Origin::Account(ALICE)));
    assert_eq!(account("sip:alice@192.0.2.1", NUMBER), Some(Origin::Account(AccountId(2))));
    assert_eq!(account(NUMBER, "sip:alice@example.org"), Some(Origin::Account(AccountId(2))));
}

#[test]
fn called_number_order_decides_between_accounts_at_an_address() {
    use CalledNumberSource::{CalledPartyId, RequestUri, To};
    let bob = AccountId(2);
    for (of_alice, of_bob, expected) in [
        (vec![RequestUri, CalledPartyId, To], vec![RequestUri, CalledPartyId, To], Some(ALICE)),
        (vec![To], vec![To], Some(bob)),
        (vec![To, RequestUri], vec![To], Some(bob)),
        (vec![RequestUri], vec![RequestUri, To], Some(ALICE)),
        (vec![To], vec![RequestUri], None),
    ] {
        let sources = vec!["198.51.100.0/24".parse().unwrap()];
        let account = |name: &str, called_number: &[CalledNumberSource]| Account {
            identity: Identity { name: None, uri: format!("sip:{name}@example.org").parse().unwrap() },
            sources: sources.clone(),
            persists: true,
            contact_user: format!("contact-{name}"),
            called_number: called_number.to_vec(),
            ..alice()
        };
        let mut bench = bench_with(false, account("alice", &of_alice));
        bench.command(Command::AddAccount { account: bob, settings: Box::new(account("bob", &of_bob)) });
        let found = account_of(&mut bench, "198.51.100.1", "sip:alice@192.0.2.1", "sip:bob@example.org");
        assert_eq!(found, expected.map(Origin::Account), "{of_alice:?} {of_bob:?}");
    }
}

#[test]
fn call_from_any_resolved_address_reaches_the_account() {
    let mut bench = bench_with(false, trunk());
    assert_eq!(resolve(&mut bench, &["198.51.100.1", "198.51.100.2"]), ["pbx.example.org"]);
    for from in ["192.0.2.77", "198.51.100.1", "198.51.100.2"] {
        assert_eq!(account_of(&mut bench, from, NUMBER, NUMBER), Some(Origin::Account(ALICE)), "{from}");
    }
    assert_eq!(account_of(&mut bench, "198.51.100.3", NUMBER, NUMBER), None);
    let refresh = |bench: &mut Bench, addresses: &[&str]| {
        bench.now = bench.now + Duration::from_secs(300);
        bench.agent.handle_timeout(bench.now);
        resolve(bench, addresses)
    };
    assert_eq!(refresh(&mut bench, &["198.51.100.3"]), ["pbx.example.org"]);
    assert_eq!(account_of(&mut bench, "198.51.100.3", NUMBER, NUMBER), Some(Origin::Account(ALICE)));
    assert_eq!(account_of(&mut bench, "198.51.100.1", NUMBER, NUMBER), None, "an address that DNS no longer lists");
    assert_eq!(refresh(&mut bench, &[]), ["pbx.example.org"]);
    assert_eq!(
        account_of(&mut bench, "198.51.100.3", NUMBER, NUMBER),
        Some(Origin::Account(ALICE)),
        "a query without result keeps the addresses"
    );
    bench.command(Command::RemoveAccount { account: ALICE });
    bench.take_events();
    assert_eq!(account_of(&mut bench, "198.51.100.3", NUMBER, NUMBER), None);
    assert!(refresh(&mut bench, &[]).is_empty());
}

#[test]
fn server_address_needs_a_single_address_family() {
    for (addresses, family) in
        [(&[][..], None), (&["[2001:db8::2]", "[2001:db8::1]"], Some(true)), (&["[2001:db8::1]", "192.0.2.1"], None)]
    {
        let mut bench = bench_with(false, Account { route: Vec::new(), ..trunk() });
        resolve(&mut bench, addresses);
        let to = Destination::Uri("sip:+4930@pbx.example.org".parse().unwrap());
        let address = bench.agent.peer_address(Some(ALICE), &to);
        assert_eq!(address.map(|address| address.is_ipv6()), family, "{addresses:?}");
    }
}

#[test]
fn servers_of_page_accounts_are_not_resolved() {
    let mut bench = bench_with(false, Account { persists: false, is_trunk: false, ..trunk() });
    assert!(resolve(&mut bench, &[]).is_empty());
}
