//! Tests of phones that register for domains that are not configured, and of other requests with such a domain.

use super::bench::{ALICE, Bench, alice, settings};
use super::phones::{authenticated, with_phones};
use crate::message::Message;
use crate::transport::Transport;
use crate::user_agent::destinations::{Destinations, Servers};
use crate::user_agent::io::{Command, Event, Origin, UserAgentSettings};

fn any_domain() -> UserAgentSettings {
    UserAgentSettings { any_domain: true, ..with_phones() }
}

fn register_for(bench: &mut Bench, domain: &str) -> Vec<u16> {
    let lines = [
        format!("From: <sip:desk@{domain}>;tag=d"),
        format!("To: <sip:desk@{domain}>"),
        "Call-ID: r2".to_owned(),
        "CSeq: 1 REGISTER".to_owned(),
        "Contact: <sip:desk@10.0.0.9:5070>".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let request = bench.make(&format!("REGISTER sip:{domain}"), &lines, None);
    authenticated(bench, request, "desk", "secret");
    bench
        .sent
        .drain(..)
        .filter_map(|sent| match sent {
            Message::Response(response) => Some(response.status),
            Message::Request(_) => None,
        })
        .collect()
}

/// Returns the final status of a call, or `None` if it is ringing.
fn call_from(bench: &mut Bench, source: &str, from: &str) -> Option<u16> {
    let from = format!("From: <{from}>;tag=x");
    let lines =
        [&from, "To: <sip:alice@example.org>", "Call-ID: c9", "CSeq: 1 INVITE", "Contact: <sip:caller@192.0.2.2>"];
    let request = bench.make("INVITE sip:alice@example.org", &lines, None);
    bench.receive_from(source.parse().unwrap(), Transport::Udp, request);
    bench.sent.drain(..).find_map(|sent| match sent {
        Message::Response(response) if response.status > 100 => Some(response.status),
        _ => None,
    })
}

#[test]
fn phone_registers_for_any_domain_without_configured_domain() {
    let mut bench = Bench::new(with_phones());
    assert_eq!(register_for(&mut bench, "name.test"), [404]);
    let mut bench = Bench::new(any_domain());
    let call = |bench: &mut Bench| call_from(bench, "198.51.100.9:5060", "sip:desk@Name.test");
    assert_eq!(call(&mut bench), Some(403), "the name alone is not sufficient");
    assert_eq!(register_for(&mut bench, "name.test"), [200]);
    assert_eq!(call(&mut bench), Some(401), "a registered phone is challenged");
}

#[test]
fn phone_with_provider_domain_keeps_provider_calls() {
    let mut bench = Bench::new(any_domain());
    bench.command(Command::AddAccount { account: ALICE, settings: Box::new(alice()) });
    assert_eq!(register_for(&mut bench, "example.org"), [200]);
    bench.take_events();
    assert_eq!(call_from(&mut bench, "192.0.2.2:5060", "sip:desk@example.org"), None);
    let Event::Incoming { request, .. } = bench.event() else { panic!("a call") };
    assert_eq!(request.origin, Origin::Account(ALICE));
}

#[test]
fn phone_at_server_address_calls_with_relay_domain() {
    let mut bench = Bench::new(any_domain());
    bench.command(Command::AddAccount { account: ALICE, settings: Box::new(alice()) });
    assert_eq!(call_from(&mut bench, "192.0.2.2:5060", "sip:desk@relay.example"), Some(401));
}

#[test]
fn phone_without_learned_domain_is_challenged_by_address() {
    let servers = || Destinations::new(Servers::listed(["pbx.example.org"]), true);
    let mut bench = Bench::new(UserAgentSettings { destinations: servers(), ..any_domain() });
    assert_eq!(register_for(&mut bench, "pbx.example.org"), [200]);
    assert_eq!(call_from(&mut bench, "198.51.100.9:5060", "sip:desk@pbx.example.org"), Some(403));
    assert_eq!(call_from(&mut bench, "192.0.2.2:7000", "sip:desk@pbx.example.org"), Some(401));

    let mut configured = settings();
    configured.destinations = Destinations::new(Servers::listed([]), true);
    configured.destinations.add_configured(&"Trunk.example".parse().unwrap());
    let mut bench = Bench::new(UserAgentSettings { destinations: configured.destinations, ..any_domain() });
    assert_eq!(register_for(&mut bench, "trunk.example"), [200]);
    assert_eq!(call_from(&mut bench, "198.51.100.9:5060", "sip:desk@trunk.example"), Some(403));
}

#[test]
fn unknown_callers_sharing_a_phone_domain_are_accepted() {
    let mut bench = Bench::new(UserAgentSettings { accept_unknown: true, ..any_domain() });
    assert_eq!(register_for(&mut bench, "callers.test"), [200]);
    bench.take_events();
    assert_eq!(
        call_from(&mut bench, "192.0.2.2:5060", "sip:desk@callers.test"),
        Some(401),
        "a phone is registered from this address"
    );
    assert_eq!(call_from(&mut bench, "198.51.100.9:5060", "sip:desk@callers.test"), None);
    let Event::Incoming { request, .. } = bench.event() else { panic!("a call") };
    assert_eq!(request.origin, Origin::Unknown);
}
