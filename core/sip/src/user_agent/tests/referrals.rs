//! Tests of sent and received REFER requests.

use super::bench::{Bench, CALL, DialogPeer, called_out, order, reply, settings, with, with_body};
use crate::message::{Method, Request};
use crate::user_agent::io::{Cause, Command, Event, InviteId};
use core::time::Duration;

const SECOND: InviteId = InviteId::Outbound(2);

fn refer(bench: &mut Bench, replaces: Option<InviteId>) -> Request {
    bench.command(Command::Refer {
        invite: CALL,
        target: Box::new("sip:carol@example.org".parse().unwrap()),
        replaces,
    });
    bench.request(&Method::Refer)
}

fn notify(bench: &mut Bench, bob: &mut DialogPeer, status: &str, state: &str) {
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
fn sent_refer_progress_is_reported() {
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
fn rejected_refer_is_reported() {
    for status in [405, 501, 603] {
        let (mut bench, _) = called_out(settings(), &[]);
        let request = refer(&mut bench, None);
        bench.receive(reply(&request, status, "bob"));
        assert_eq!(bench.event(), Event::ReferProgress { invite: CALL, status, is_final: true, is_refused: true });
    }
}

#[test]
fn refer_without_subscription_is_reported_once() {
    let (mut bench, _) = called_out(settings(), &[]);
    let request = refer(&mut bench, None);
    bench.receive(with(reply(&request, 202, "bob"), "Refer-Sub", "false"));
    assert_eq!(bench.event(), progress(202, true));
}

#[test]
fn refer_subscription_without_notify_expires() {
    let (mut bench, _) = called_out(settings(), &[]);
    let request = refer(&mut bench, None);
    bench.receive(reply(&request, 202, "bob"));
    bench.wait(Duration::from_secs(181));
    assert_eq!(bench.take_events(), [progress(100, false), progress(408, true)]);
}

#[test]
fn refer_subscription_without_result_fails() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    let request = refer(&mut bench, None);
    bench.receive(reply(&request, 202, "bob"));
    bench.take_events();
    notify(&mut bench, &mut bob, "100 Trying", "terminated;reason=timeout");
    assert_eq!(bench.event(), progress(487, true));
}

#[test]
fn attended_transfer_refer_to_carries_replaces() {
    let (mut bench, _) = called_out(settings(), &[]);
    bench.command(Command::Invite { invite: SECOND, request: Box::new(order(Some("offer"))) });
    let invite = bench.request(&Method::Invite);
    bench.command(Command::Refer {
        invite: CALL,
        target: Box::new("sip:carol@example.org".parse().unwrap()),
        replaces: Some(SECOND),
    });
    assert_eq!(bench.event(), Event::ReferProgress { invite: CALL, status: 481, is_final: true, is_refused: true });
    bench.receive(with_body(reply(&invite, 200, "carol"), "answer"));
    bench.request(&Method::Ack);
    let request = refer(&mut bench, Some(SECOND));
    let (call_id, from) = (invite.headers.call_id().unwrap(), invite.headers.from().unwrap());
    let expected =
        format!("<sip:carol@example.org?Replaces={call_id}%3Bto-tag%3Dcarol%3Bfrom-tag%3D{}>", from.tag().unwrap());
    assert_eq!(request.headers.get("Refer-To"), Some(expected.as_str()));
}

fn receive_accepted_refer(bench: &mut Bench, bob: &mut DialogPeer, refer_to: &str, more: &[&str]) {
    let line = format!("Refer-To: {refer_to}");
    let lines: Vec<&str> = more.iter().copied().chain([line.as_str()]).collect();
    let request = bob.request(bench, "REFER", &lines, None);
    bench.receive(request);
}

#[test]
fn received_refer_is_answered_with_notify() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    receive_accepted_refer(&mut bench, &mut bob, "<sip:carol@example.org>", &["Referred-By: <sip:bob@example.org>"]);
    assert_eq!(
        bench.event(),
        Event::Refer {
            invite: CALL,
            target: Box::new("sip:carol@example.org".parse().unwrap()),
            replaces: None,
            replaced: None,
            referred_by: Some(Box::new("sip:bob@example.org".parse().unwrap())),
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
fn rejected_notify_ends_only_the_subscription() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    receive_accepted_refer(&mut bench, &mut bob, "<sip:carol@example.org>", &[]);
    bench.command(Command::AnswerRefer { invite: CALL, status: 202 });
    bench.take_events();
    let first = bench.request(&Method::Notify);
    bench.receive(reply(&first, 481, "bob"));
    bench.command(Command::NotifyRefer { invite: CALL, status: 200, reason: "OK".into() });
    assert!(bench.events.is_empty());
}

#[test]
fn refer_to_own_call_is_recognized() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    bench.command(Command::Invite { invite: SECOND, request: Box::new(order(Some("offer"))) });
    let invite = bench.request(&Method::Invite);
    bench.receive(with_body(reply(&invite, 200, "carol"), "answer"));
    bench.take_events();
    let (call_id, from) = (invite.headers.call_id().unwrap(), invite.headers.from().unwrap());
    let own = from.tag().unwrap();
    let refer_to = format!("<sip:alice@example.org?Replaces={call_id}%3Bto-tag%3D{own}%3Bfrom-tag%3Dcarol>");
    receive_accepted_refer(&mut bench, &mut bob, &refer_to, &[]);
    match bench.event() {
        Event::Refer { replaced: Some(SECOND), replaces: Some(replaces), .. } => {
            assert_eq!(replaces, format!("{call_id};to-tag={own};from-tag=carol"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rejected_or_invalid_refer_is_answered() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    receive_accepted_refer(&mut bench, &mut bob, "<sip:carol@example.org>", &["Refer-To: <sip:dave@example.org>"]);
    bench.response(400);
    receive_accepted_refer(&mut bench, &mut bob, "<sip:carol@example.org;method=BYE>", &[]);
    bench.response(501);
    bench.assert_quiet();
    receive_accepted_refer(&mut bench, &mut bob, "<sip:carol@example.org>", &[]);
    receive_accepted_refer(&mut bench, &mut bob, "<sip:dave@example.org>", &[]);
    bench.response(491);
    bench.command(Command::AnswerRefer { invite: CALL, status: 603 });
    bench.response(603);
    bench.take_events();
    bench.assert_quiet();
}

#[test]
fn refer_sub_false_creates_no_subscription() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    receive_accepted_refer(&mut bench, &mut bob, "<sip:carol@example.org>", &["Refer-Sub: false"]);
    bench.take_events();
    bench.command(Command::AnswerRefer { invite: CALL, status: 202 });
    assert_eq!(bench.response(202).headers.get("Refer-Sub"), Some("false"));
    bench.assert_quiet();
    bench.command(Command::NotifyRefer { invite: CALL, status: 200, reason: "OK".into() });
    bench.assert_quiet();
}

#[test]
fn pending_refer_at_call_end_is_answered() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    receive_accepted_refer(&mut bench, &mut bob, "<sip:carol@example.org>", &[]);
    bench.take_events();
    let bye = bob.request(&mut bench, "BYE", &[], None);
    bench.receive(bye);
    bench.response(200);
    bench.response(481);
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Remote { reason: None } });
    bench.assert_empty();
}
