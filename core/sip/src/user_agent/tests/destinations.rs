//! Tests of the authorization of destinations by the source of the host name.

use super::bench::{ALICE, Bench, CALL, DialogPeer, alice, calling, order, peer, reply, sdp, settings, with_body};
use crate::message::{HeaderName, Message, Method};
use crate::transport::{self, Hop, Target, Transport};
use crate::user_agent::UserAgent;
use crate::user_agent::destinations::{Destinations, Servers};
use crate::user_agent::io::{Account, Cause, Command, Event, Failure, Input, Output, UserAgentSettings};
use offhook_clock::Time;

fn public_only() -> UserAgentSettings {
    UserAgentSettings { destinations: Destinations::new(Servers::Any, false), ..settings() }
}

fn calling_through(route: &str) -> Bench {
    let mut bench = Bench::new(public_only());
    let account = Account { route: vec![route.parse().unwrap()], ..alice() };
    bench.command(Command::AddAccount { account: ALICE, settings: Box::new(account) });
    bench.command(Command::Invite { invite: CALL, request: Box::new(order(Some("offer"))) });
    bench
}

#[test]
fn private_proxy_fails_immediately() {
    for route in ["sip:127.0.0.1;lr", "sip:[::ffff:10.0.0.1];lr", "sip:x.test;maddr=10.0.0.1;lr", "sips:127.0.0.1.;lr"]
    {
        let mut bench = calling_through(route);
        assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Failed(Failure::NoSuchHost) }, "{route}");
        bench.assert_quiet();
    }
}

#[test]
fn private_registrar_fails_immediately() {
    let mut bench = Bench::new(public_only());
    let account = Account { registrar: Some("sip:10.0.0.1".parse().unwrap()), route: Vec::new(), ..alice() };
    bench.command(Command::AddAccount { account: ALICE, settings: Box::new(account) });
    let Event::RegistrationFailed { failure: Failure::NoSuchHost, .. } = bench.event() else { panic!("a failure") };
    bench.assert_quiet();
}

/// Returns the targets of an INVITE through a proxy whose name resolves to these addresses.
fn hops(addresses: &[&str]) -> Vec<Target> {
    let mut agent = UserAgent::new(public_only(), [7; 32], Time::EPOCH);
    let account = Account { route: vec!["sip:proxy.test;lr".parse().unwrap()], ..alice() };
    agent
        .handle_input(Input::Command(Command::AddAccount { account: ALICE, settings: Box::new(account) }), Time::EPOCH);
    let invite = Command::Invite { invite: CALL, request: Box::new(order(Some("offer"))) };
    agent.handle_input(Input::Command(invite), Time::EPOCH);
    let Some(Output::Transport(transport::io::Output::Resolve { query, .. })) = agent.poll_output() else {
        panic!("a question")
    };
    let target = |address: &&str| Target {
        transport: Transport::Udp,
        address: address.parse().unwrap(),
        host: Some("proxy.test".into()),
    };
    let targets = addresses.iter().map(target).collect();
    agent.handle_input(Input::Transport(transport::io::Input::Resolved { query, targets }), Time::EPOCH);
    core::iter::from_fn(|| agent.poll_output())
        .filter_map(|output| match output {
            Output::Transport(transport::io::Output::Send { hop: Hop::Target(target), .. }) => Some(target),
            _ => None,
        })
        .collect()
}

#[test]
fn private_addresses_of_a_name_are_not_used() {
    assert!(hops(&["127.0.0.1:5060", "169.254.169.254:5060", "[fd00::1]:5060", "[::ffff:127.0.0.1]:5060"]).is_empty());
    let tried = hops(&["10.0.0.1:5060", "192.0.2.2:5060"]);
    assert_eq!(tried.iter().map(|target| target.address).collect::<Vec<_>>(), [peer()]);
}

#[test]
fn privileged_ports_of_a_name_are_not_used() {
    assert!(hops(&["192.0.2.2:25", "192.0.2.2:1023"]).is_empty());
    let tried = hops(&["192.0.2.2:443", "192.0.2.2:5060"]);
    assert_eq!(tried.iter().map(|target| target.address).collect::<Vec<_>>(), [peer()]);
}

#[test]
fn private_contact_of_public_callee_is_not_used() {
    for contact in ["<sip:bob@127.0.0.1:22;transport=tcp>", "<sip:bob@192.0.2.2;maddr=10.0.0.1>"] {
        let (mut bench, invite) = calling(public_only(), Some("offer"));
        let mut success = with_body(reply(&invite, 200, "bob"), "answer");
        success.headers.set(HeaderName::Contact, contact);
        bench.receive(success);
        assert!(bench.sent.is_empty(), "{contact}: {:#?}", bench.sent);
    }
}

#[test]
fn private_route_of_public_caller_is_not_used() {
    let mut bench = Bench::with_alice(public_only());
    let lines = [
        "From: <sip:bob@example.org>;tag=b1",
        "To: <sip:alice@example.org>",
        "Call-ID: c1",
        "CSeq: 1 INVITE",
        "Record-Route: <sip:10.0.0.1;lr>",
        "Contact: <sip:bob@192.0.2.2>",
    ];
    let invite = bench.make("INVITE sip:alice-1@192.0.2.1", &lines, Some(&sdp("offer")));
    bench.receive(invite);
    bench.response(100);
    bench.take_events();
    let invite = super::bench::INBOUND;
    bench.command(Command::Accept { invite, body: Some(sdp("answer")) });
    let success = bench.response(200);
    let ack = DialogPeer::caller(&success).request(&mut bench, "ACK", &[], None);
    bench.receive(ack);
    bench.command(Command::HangUp { invite, reason: None });
    let is_bye = |sent: &Message| matches!(sent, Message::Request(request) if request.method == Method::Bye);
    assert!(!bench.sent.iter().any(is_bye), "{:#?}", bench.sent);
}
