//! Peers that mean harm, or follow no rule.

use super::bench::{ALICE, Bench, CALL, alice, order, reply, settings, with};
use super::phones::{register, with_phones};
use crate::message::Method;
use crate::user_agent::io::{Account, Cause, Command, Destination, Event};

/// Alice, whose calls go straight to the host they name.
fn without_proxy() -> Bench {
    let mut bench = Bench::new(settings());
    let settings = Box::new(Account { route: Vec::new(), ..alice() });
    bench.command(Command::AddAccount { account: ALICE, settings });
    bench
}

const CHALLENGE: &str = "Digest realm=\"example.org\", nonce=\"n\", qop=\"auth\"";

#[test]
fn a_redirection_does_not_carry_the_password_to_another_host() {
    let mut bench = without_proxy();
    bench.command(Command::Invite { invite: CALL, request: Box::new(order(Some("offer"))) });
    let first = bench.request(&Method::Invite);
    bench.receive(with(reply(&first, 401, "x"), "WWW-Authenticate", CHALLENGE));
    bench.request(&Method::Ack);
    let second = bench.request(&Method::Invite);
    assert!(second.headers.has("Authorization"));
    bench.receive(with(reply(&second, 302, "x"), "Contact", "<sip:bob@evil.example>"));
    bench.request(&Method::Ack);
    let third = bench.request(&Method::Invite);
    assert_eq!(third.uri.to_string(), "sip:bob@evil.example");
    assert!(!third.headers.has("Authorization"));
    bench.receive(with(reply(&third, 401, "x"), "WWW-Authenticate", CHALLENGE));
    bench.request(&Method::Ack);
    assert!(matches!(bench.event(), Event::Ended { cause: Cause::Refused { status: 401, .. }, .. }));
    bench.assert_empty();
}

#[test]
fn a_redirection_within_the_host_keeps_the_password() {
    let mut bench = without_proxy();
    bench.command(Command::Invite { invite: CALL, request: Box::new(order(Some("offer"))) });
    let first = bench.request(&Method::Invite);
    bench.receive(with(reply(&first, 302, "x"), "Contact", "<sip:carol@EXAMPLE.org>"));
    bench.request(&Method::Ack);
    let second = bench.request(&Method::Invite);
    bench.receive(with(reply(&second, 401, "x"), "WWW-Authenticate", CHALLENGE));
    bench.request(&Method::Ack);
    assert!(bench.request(&Method::Invite).headers.has("Authorization"));
}

#[test]
fn a_secure_call_is_not_redirected_to_an_insecure_one() {
    let mut bench = Bench::with_alice(settings());
    let mut request = order(Some("offer"));
    request.to = Destination::Uri("sips:bob@example.org".into());
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    let first = bench.request(&Method::Invite);
    bench.receive(with(reply(&first, 302, "x"), "Contact", "<sip:bob@example.org>, <sips:b@example.org>;q=0.1"));
    bench.request(&Method::Ack);
    let second = bench.request(&Method::Invite);
    assert_eq!(second.uri.to_string(), "sips:b@example.org");
}

#[test]
fn a_phone_of_the_relay_does_not_send_calls_elsewhere_by_itself() {
    let mut bench = Bench::new(with_phones());
    let binding = register(&mut bench);
    let mut request = order(Some("offer"));
    request.account = None;
    request.to = Destination::Binding(binding);
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    let invite = bench.request(&Method::Invite);
    bench.receive(with(reply(&invite, 302, "x"), "Contact", "<sip:premium@evil.example>"));
    bench.request(&Method::Ack);
    let contacts = vec!["sip:premium@evil.example".into()];
    let cause = Cause::Refused { status: 302, reason: "Moved Temporarily".into(), contacts };
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause });
    bench.assert_quiet();
}
