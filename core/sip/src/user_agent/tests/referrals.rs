//! REFER both ways.

use super::bench::{Bench, CALL, Far, called_out, order, reply, settings, with, with_body};
use crate::message::{Method, Request};
use crate::user_agent::io::{Cause, Command, Event, InviteId};
use core::time::Duration;

const SECOND: InviteId = InviteId::Outbound(2);

fn refer(bench: &mut Bench, replaces: Option<InviteId>) -> Request {
    bench.command(Command::Refer { invite: CALL, target: "sip:carol@example.org".into(), replaces });
    bench.request(&Method::Refer)
}

fn notify(bench: &mut Bench, bob: &mut Far, status: &str, state: &str) {
    let lines = ["Event: refer", &format!("Subscription-State: {state}"), "Content-Type: message/sipfrag"];
    let mut request = bob.request(bench, "NOTIFY", &lines, None);
    request.body = format!("SIP/2.0 {status}\r\n").into_bytes();
    bench.receive(request);
    bench.response(200);
}

fn progress(status: u16, is_final: bool) -> Event {
    Event::ReferProgress { invite: CALL, status, is_final, is_refused: false }
}

#[test]
fn a_referral_is_accepted_and_its_progress_told() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    let request = refer(&mut bench, None);
    assert_eq!(request.headers.get("Refer-To"), Some("<sip:carol@example.org>"));
    assert_eq!(request.headers.get("Referred-By"), Some("<sip:alice@example.org>"));
    bench.receive(reply(&request, 202, "bob"));
    notify(&mut bench, &mut bob, "100 Trying", "active;expires=60");
    notify(&mut bench, &mut bob, "180 Ringing", "active;expires=60");
    notify(&mut bench, &mut bob, "200 OK", "terminated;reason=noresource");
    let told = bench.take_events();
    assert_eq!(told, [progress(100, false), progress(100, false), progress(180, false), progress(200, true)]);
    let late = bob.request(&mut bench, "NOTIFY", &["Event: refer", "Subscription-State: active"], None);
    bench.receive(late);
    bench.response(481);
}

#[test]
fn a_refused_referral_is_told_as_refused() {
    for status in [405, 501, 603] {
        let (mut bench, _) = called_out(settings(), &[]);
        let request = refer(&mut bench, None);
        bench.receive(reply(&request, status, "bob"));
        assert_eq!(bench.event(), Event::ReferProgress { invite: CALL, status, is_final: true, is_refused: true });
    }
}

#[test]
fn a_referral_without_subscription_is_told_once() {
    let (mut bench, _) = called_out(settings(), &[]);
    let request = refer(&mut bench, None);
    bench.receive(with(reply(&request, 202, "bob"), "Refer-Sub", "false"));
    assert_eq!(bench.event(), progress(202, true));
}

#[test]
fn a_referral_of_which_nothing_is_heard_ends() {
    let (mut bench, _) = called_out(settings(), &[]);
    let request = refer(&mut bench, None);
    bench.receive(reply(&request, 202, "bob"));
    bench.wait(Duration::from_secs(181));
    assert_eq!(bench.take_events(), [progress(100, false), progress(408, true)]);
}

#[test]
fn a_subscription_that_ends_without_result_is_no_success() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    let request = refer(&mut bench, None);
    bench.receive(reply(&request, 202, "bob"));
    bench.take_events();
    notify(&mut bench, &mut bob, "100 Trying", "terminated;reason=timeout");
    assert_eq!(bench.event(), progress(487, true));
}

#[test]
fn an_attended_transfer_names_the_call_to_be_replaced() {
    let (mut bench, _) = called_out(settings(), &[]);
    bench.command(Command::Invite { invite: SECOND, request: Box::new(order(Some("offer"))) });
    let invite = bench.request(&Method::Invite);
    bench.command(Command::Refer { invite: CALL, target: "sip:carol@example.org".into(), replaces: Some(SECOND) });
    assert_eq!(bench.event(), Event::ReferProgress { invite: CALL, status: 481, is_final: true, is_refused: true });
    bench.receive(with_body(reply(&invite, 200, "carol"), "answer"));
    bench.request(&Method::Ack);
    let request = refer(&mut bench, Some(SECOND));
    let (call_id, from) = (invite.headers.call_id().unwrap(), invite.headers.from().unwrap());
    let expected =
        format!("<sip:carol@example.org?Replaces={call_id}%3Bto-tag%3Dcarol%3Bfrom-tag%3D{}>", from.tag().unwrap());
    assert_eq!(request.headers.get("Refer-To"), Some(expected.as_str()));
}

fn asked(bench: &mut Bench, bob: &mut Far, refer_to: &str, more: &[&str]) {
    let line = format!("Refer-To: {refer_to}");
    let lines: Vec<&str> = more.iter().copied().chain([line.as_str()]).collect();
    let request = bob.request(bench, "REFER", &lines, None);
    bench.receive(request);
}

#[test]
fn the_peer_refers_and_is_told_how_it_goes() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    asked(&mut bench, &mut bob, "<sip:carol@example.org>", &["Referred-By: <sip:bob@example.org>"]);
    assert_eq!(
        bench.event(),
        Event::Refer {
            invite: CALL,
            target: "sip:carol@example.org".into(),
            replaces: None,
            replaced: None,
            referred_by: Some("sip:bob@example.org".into()),
        }
    );
    bench.command(Command::AnswerRefer { invite: CALL, status: 202 });
    bench.response(202);
    let first = bench.request(&Method::Notify);
    assert_eq!(first.body, b"SIP/2.0 100 Trying\r\n");
    assert_eq!(first.headers.get("Event"), Some("refer;id=101"));
    bench.command(Command::NotifyRefer { invite: CALL, status: 180, reason: "Ringing".into() });
    bench.command(Command::NotifyRefer { invite: CALL, status: 200, reason: "OK\r\nInjected: yes".into() });
    bench.assert_quiet();
    bench.receive(reply(&first, 200, "bob"));
    let second = bench.request(&Method::Notify);
    assert!(second.headers.get("Subscription-State").unwrap().starts_with("active;expires="));
    bench.receive(reply(&second, 200, "bob"));
    let third = bench.request(&Method::Notify);
    assert_eq!(third.body, b"SIP/2.0 200 OK  Injected: yes\r\n");
    assert_eq!(third.headers.get("Subscription-State"), Some("terminated;reason=noresource"));
    bench.receive(reply(&third, 200, "bob"));
    bench.command(Command::NotifyRefer { invite: CALL, status: 200, reason: "OK".into() });
    bench.assert_quiet();
}

#[test]
fn a_peer_that_has_forgotten_the_subscription_does_not_end_the_call() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    asked(&mut bench, &mut bob, "<sip:carol@example.org>", &[]);
    bench.command(Command::AnswerRefer { invite: CALL, status: 202 });
    bench.take_events();
    let first = bench.request(&Method::Notify);
    bench.receive(reply(&first, 481, "bob"));
    bench.command(Command::NotifyRefer { invite: CALL, status: 200, reason: "OK".into() });
    assert!(bench.events.is_empty());
}

#[test]
fn a_referral_to_a_call_of_this_relay_is_recognised() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    bench.command(Command::Invite { invite: SECOND, request: Box::new(order(Some("offer"))) });
    let invite = bench.request(&Method::Invite);
    bench.receive(with_body(reply(&invite, 200, "carol"), "answer"));
    bench.take_events();
    let (call_id, from) = (invite.headers.call_id().unwrap(), invite.headers.from().unwrap());
    let own = from.tag().unwrap();
    let refer_to = format!("<sip:alice@example.org?Replaces={call_id}%3Bto-tag%3D{own}%3Bfrom-tag%3Dcarol>");
    asked(&mut bench, &mut bob, &refer_to, &[]);
    match bench.event() {
        Event::Refer { replaced: Some(SECOND), replaces: Some(replaces), .. } => {
            assert_eq!(replaces, format!("{call_id};to-tag={own};from-tag=carol"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_or_senseless_referral_is_answered() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    asked(&mut bench, &mut bob, "<sip:carol@example.org>", &["Refer-To: <sip:dave@example.org>"]);
    bench.response(400);
    asked(&mut bench, &mut bob, "<sip:carol@example.org;method=BYE>", &[]);
    bench.response(501);
    bench.assert_quiet();
    asked(&mut bench, &mut bob, "<sip:carol@example.org>", &[]);
    asked(&mut bench, &mut bob, "<sip:dave@example.org>", &[]);
    bench.response(491);
    bench.command(Command::AnswerRefer { invite: CALL, status: 603 });
    bench.response(603);
    bench.take_events();
    bench.assert_quiet();
}

#[test]
fn a_silent_referral_makes_no_subscription() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    asked(&mut bench, &mut bob, "<sip:carol@example.org>", &["Refer-Sub: false"]);
    bench.take_events();
    bench.command(Command::AnswerRefer { invite: CALL, status: 202 });
    assert_eq!(bench.response(202).headers.get("Refer-Sub"), Some("false"));
    bench.assert_quiet();
    bench.command(Command::NotifyRefer { invite: CALL, status: 200, reason: "OK".into() });
    bench.assert_quiet();
}

#[test]
fn a_referral_that_is_open_when_the_call_ends_is_answered() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    asked(&mut bench, &mut bob, "<sip:carol@example.org>", &[]);
    bench.take_events();
    let bye = bob.request(&mut bench, "BYE", &[], None);
    bench.receive(bye);
    bench.response(200);
    bench.response(481);
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Remote { reason: None } });
    bench.assert_empty();
}
