//! Tests of `Replaces` in inbound and outbound calls (RFC 3891).

use super::bench::{Bench, CALL, DialogPeer, called_out, calling, order, reply, sdp, settings};
use crate::message::Method;
use crate::user_agent::io::{Command, Event, InviteId};

fn replacing(bench: &mut Bench, value: &str, more: &[&str]) {
    let line = format!("Replaces: {value}");
    let call_id = format!("Call-ID: {}", bench.branch());
    let lines = ["From: <sip:c@example.org>;tag=c", "To: <sip:alice@example.org>", &call_id, "CSeq: 1 INVITE"];
    let lines: Vec<&str> =
        lines.iter().copied().chain(["Contact: <sip:c@192.0.2.2>", &line]).chain(more.iter().copied()).collect();
    let invite = bench.make("INVITE sip:alice-1@192.0.2.1", &lines, Some(&sdp("offer")));
    bench.receive(invite);
}

fn named(peer: &DialogPeer) -> String {
    format!("{};to-tag={};from-tag={}", peer.call_id, peer.remote_tag, peer.local_tag)
}

#[test]
fn invite_with_replaces_is_reported() {
    let (mut bench, bob) = called_out(settings(), &[]);
    replacing(&mut bench, &named(&bob), &["Require: replaces"]);
    match bench.event() {
        Event::Incoming { request, invite: InviteId::Inbound(1) } => assert_eq!(request.replaces, Some(CALL)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn replaces_of_ended_or_unknown_call_is_rejected() {
    let (mut bench, bob) = called_out(settings(), &[]);
    replacing(&mut bench, &format!("{};early-only", named(&bob)), &[]);
    bench.response(486);
    replacing(&mut bench, "no-such-call;to-tag=a;from-tag=b", &[]);
    bench.response(481);
    replacing(&mut bench, &named(&bob), &["Join: x;to-tag=a;from-tag=b"]);
    bench.response(400);
    bench.command(Command::HangUp { invite: CALL, reason: None });
    bench.take_events();
    replacing(&mut bench, &named(&bob), &[]);
    bench.response(603);
    assert!(bench.events.is_empty());
}

#[test]
fn outbound_early_dialog_can_be_replaced() {
    let (mut bench, invite) = calling(settings(), Some("offer"));
    bench.receive(reply(&invite, 180, "bob"));
    bench.take_events();
    let early = DialogPeer::callee(&invite, "bob");
    replacing(&mut bench, &format!("{};early-only", named(&early)), &[]);
    assert!(matches!(bench.event(), Event::Incoming { .. }));
}

#[test]
fn join_is_rejected_as_unsupported_extension() {
    let mut bench = Bench::with_alice(settings());
    let lines = ["From: <sip:c@example.org>;tag=c", "To: <sip:alice@example.org>", "Call-ID: c9", "CSeq: 1 INVITE"];
    let more = ["Contact: <sip:c@192.0.2.2>", "Join: x;to-tag=a;from-tag=b", "Require: join"];
    let lines: Vec<&str> = lines.iter().copied().chain(more).collect();
    let invite = bench.make("INVITE sip:alice-1@192.0.2.1", &lines, None);
    bench.receive(invite);
    assert_eq!(bench.response(420).headers.get("Unsupported"), Some("join"));
}

#[test]
fn outbound_invite_has_replaces_and_referred_by() {
    let mut bench = Bench::with_alice(settings());
    let mut request = order(Some("offer"));
    request.replaces = Some("c1;to-tag=t;from-tag=f".into());
    request.referred_by = Some("sip:bob@example.org".parse().unwrap());
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    let invite = bench.request(&Method::Invite);
    assert_eq!(invite.headers.get("Replaces"), Some("c1;to-tag=t;from-tag=f"));
    assert_eq!(invite.headers.get("Require"), Some("replaces"));
    assert_eq!(invite.headers.get("Referred-By"), Some("<sip:bob@example.org>"));
}
