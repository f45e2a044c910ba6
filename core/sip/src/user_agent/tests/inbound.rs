//! Tests of inbound calls.

use super::bench::{ALICE, Bench, DialogPeer, FROM_BOB, INBOUND as CALL, answered_in, sdp, settings};
use crate::message::{Message, Method, Request};
use crate::user_agent::io::{Cause, Command, Event, Origin};
use core::time::Duration;
use offhook_limits::offense::Kind;

fn invite_with(bench: &mut Bench, more: &[&str], offer: Option<&str>) -> Request {
    let lines: Vec<&str> = FROM_BOB.iter().copied().chain(more.iter().copied()).collect();
    bench.make("INVITE sip:alice-1@192.0.2.1", &lines, offer.map(sdp).as_ref())
}

fn called_with(more: &[&str], offer: Option<&str>) -> (Bench, Request) {
    let mut bench = Bench::with_alice(settings());
    let invite = invite_with(&mut bench, more, offer);
    bench.receive(invite.clone());
    bench.response(100);
    (bench, invite)
}

fn called() -> (Bench, Request) {
    let (mut bench, invite) = called_with(&[], Some("offer"));
    assert!(matches!(bench.event(), Event::Incoming { invite: CALL, .. }));
    (bench, invite)
}

#[test]
fn incoming_call_is_reported_with_its_identities() {
    let (mut bench, _) = called_with(
        &[
            "P-Asserted-Identity: <sip:liar@example.org>",
            "X-Note: yes",
            "Diversion: <sip:d@example.org>;reason=no-answer",
        ],
        Some("offer"),
    );
    let Event::Incoming { invite: CALL, request } = bench.event() else { panic!() };
    assert_eq!(request.origin, Origin::Account(ALICE));
    assert_eq!(request.source, super::bench::peer().ip());
    assert_eq!(request.request_uri.to_string(), "sip:alice-1@192.0.2.1");
    assert_eq!(request.from.name.as_deref(), Some("Bob"));
    assert_eq!(request.from.uri.to_string(), "sip:bob@example.org");
    assert_eq!(request.to.uri.to_string(), "sip:alice@example.org");
    assert_eq!(request.asserted, None, "the source is not trusted");
    assert!(!request.anonymous);
    assert_eq!(request.diverted_by.first().map(|who| who.uri.to_string()).as_deref(), Some("sip:d@example.org"));
    assert!(request.headers.contains(&("X-Note".into(), "yes".into())));
    assert!(!request.headers.iter().any(|(name, _)| name == "Via" || name == "Contact"));
    assert_eq!(request.offer, Some(sdp("offer")));
}

#[test]
fn inbound_call_is_answered_and_ended_by_caller() {
    let (mut bench, _) = called();
    bench.command(Command::Ring { invite: CALL, status: 180, body: None });
    let ringing = bench.response(180);
    assert!(ringing.headers.to().unwrap().tag().is_some());
    bench.command(Command::Accept { invite: CALL, body: Some(sdp("answer")) });
    let success = bench.response(200);
    assert_eq!(success.body, b"answer");
    assert_eq!(success.headers.get("Contact"), Some("<sip:alice-1@192.0.2.1>"));
    assert_eq!(success.headers.get("Server"), Some("Offhook"));
    assert_eq!(success.headers.to().unwrap().tag(), ringing.headers.to().unwrap().tag());
    let mut bob = DialogPeer::caller(&success);
    let ack = bob.request(&mut bench, "ACK", &[], None);
    bench.receive(ack);
    bench.assert_quiet();
    let bye = bob.request(&mut bench, "BYE", &[], None);
    bench.receive(bye);
    bench.response(200);
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Remote { reason: None } });
    bench.assert_empty();
}

#[test]
fn relay_ends_inbound_call_with_bye() {
    let (mut bench, bob, _) = answered_in(settings(), &[]);
    bench.command(Command::HangUp { invite: CALL, reason: None });
    let bye = bench.request(&Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:bob@192.0.2.2");
    assert_eq!(bye.headers.to().unwrap().tag(), Some(bob.local_tag.as_str()));
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Local });
    bench.receive(super::bench::reply(&bye, 200, "b1"));
    bench.assert_empty();
}

#[test]
fn rejection_with_503_contains_retry_after() {
    let (mut bench, _) = called();
    bench.command(Command::Reject { invite: CALL, status: 503, reason: None, contacts: Vec::new() });
    assert_eq!(bench.response(503).headers.get("Retry-After"), Some("10"));
}

#[test]
fn inbound_call_is_rejected_with_status_and_contacts() {
    let (mut bench, _) = called();
    bench.command(Command::Reject {
        invite: CALL,
        status: 302,
        reason: Some("Elsewhere".into()),
        contacts: vec!["sip:carol@example.org".parse().unwrap()],
    });
    let response = bench.response(302);
    assert_eq!(response.reason, "Elsewhere");
    assert_eq!(response.headers.lines("Contact").collect::<Vec<_>>(), ["<sip:carol@example.org>"]);
    assert!("no uri\r\nX: y".parse::<crate::message::Uri>().is_err(), "no contact can add a header line");
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Local });
    bench.assert_empty();
}

#[test]
fn canceled_call_ends_with_487_and_reason() {
    let (mut bench, invite) = called();
    let mut cancel = invite.clone();
    cancel.method = Method::Cancel;
    cancel.headers.set("CSeq", "1 CANCEL");
    cancel.headers.push("Reason", "SIP;cause=200;text=\"Call completed elsewhere\"");
    cancel.body.clear();
    bench.receive(cancel);
    bench.response(200);
    bench.response(487);
    let reason = Some((200, "Call completed elsewhere".into()));
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Remote { reason } });
    bench.command(Command::Accept { invite: CALL, body: None });
    bench.assert_quiet();
    bench.assert_empty();
}

#[test]
fn hangup_before_answer_sends_480() {
    let (mut bench, _) = called();
    bench.command(Command::HangUp { invite: CALL, reason: None });
    bench.response(480);
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Local });
    bench.assert_empty();
}

#[test]
fn response_2xx_without_ack_is_retransmitted_then_bye() {
    let (mut bench, _) = called();
    bench.command(Command::Accept { invite: CALL, body: Some(sdp("answer")) });
    bench.wait(Duration::from_millis(31_900));
    let times = bench.sent.iter().filter(|sent| matches!(sent, Message::Response(r) if r.status == 200)).count();
    assert_eq!(times, 1 + 10, "after 0.5, 1.5, 3.5, 7.5, 11.5 … 31.5 s");
    bench.sent.clear();
    bench.wait(Duration::from_millis(200));
    bench.request(&Method::Bye);
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Lost });
    bench.assert_empty();
}

#[test]
fn callee_defers_bye_until_ack() {
    let (mut bench, _) = called();
    bench.command(Command::Accept { invite: CALL, body: Some(sdp("answer")) });
    let mut bob = DialogPeer::caller(&bench.response(200));
    bench.command(Command::HangUp { invite: CALL, reason: None });
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Local });
    bench.assert_quiet();
    let ack = bob.request(&mut bench, "ACK", &[], None);
    bench.receive(ack);
    let bye = bench.request(&Method::Bye);
    bench.receive(super::bench::reply(&bye, 200, "b1"));
    bench.assert_empty();
}

#[test]
fn delayed_offer_is_answered_in_ack() {
    let (mut bench, _) = called_with(&[], None);
    let Event::Incoming { request, .. } = bench.event() else { panic!() };
    assert_eq!(request.offer, None);
    bench.command(Command::Accept { invite: CALL, body: Some(sdp("offer")) });
    let mut bob = DialogPeer::caller(&bench.response(200));
    let ack = bob.request(&mut bench, "ACK", &[], Some(&sdp("answer")));
    bench.receive(ack);
    assert_eq!(bench.event(), Event::OfferAnswered { invite: CALL, body: sdp("answer") });
}

#[test]
fn unsupported_extension_is_named_in_420() {
    let (mut bench, _) = called_with_refusal(&["Require: 100rel, telepathy"]);
    let refused = bench.response(420);
    assert_eq!(refused.headers.get("Unsupported"), Some("telepathy"));
    bench.assert_quiet();
    bench.assert_empty();
}

fn called_with_refusal(more: &[&str]) -> (Bench, Request) {
    let mut bench = Bench::with_alice(settings());
    let invite = invite_with(&mut bench, more, Some("offer"));
    bench.receive(invite.clone());
    (bench, invite)
}

#[test]
fn unsupported_body_type_is_rejected() {
    let mut bench = Bench::with_alice(settings());
    let mut invite = invite_with(&mut bench, &[], Some("offer"));
    invite.set_body("application/isup", b"?".to_vec());
    bench.receive(invite);
    let refused = bench.response(415);
    assert_eq!(refused.headers.get("Accept"), Some("application/sdp"));
    bench.assert_empty();
}

#[test]
fn description_is_found_beside_binary_part() {
    let mut bench = Bench::with_alice(settings());
    let mut invite = invite_with(&mut bench, &[], Some("offer"));
    let isup = b"--x\r\nContent-Type: application/ISUP;version=itu-t92+\r\n\r\n\x01\x00\xff\xfe\r\n".to_vec();
    let sdp = b"--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--\r\n".to_vec();
    invite.set_body("multipart/mixed;boundary=x", [isup, sdp].concat());
    bench.receive(invite);
    bench.response(100);
    let Event::Incoming { request, .. } = bench.event() else { panic!() };
    assert_eq!(request.offer.map(|offer| offer.octets), Some(b"v=0\r\n".to_vec()));
}

#[test]
fn invite_from_unknown_source_is_rejected() {
    let mut bench = Bench::new(settings());
    let invite = bench.make("INVITE sip:nobody@192.0.2.1", &FROM_BOB, None);
    bench.receive(invite);
    bench.response(403);
    assert!(bench.events.is_empty());
    assert_eq!(bench.offenses, [Kind::SipScan]);
    bench.assert_empty();
}

#[test]
fn request_in_unknown_dialog_is_rejected_with_481() {
    let mut bench = Bench::with_alice(settings());
    let mut peer = DialogPeer { call_id: "x".into(), local_tag: "a".into(), remote_tag: "b".into(), cseq: 1 };
    let ack = peer.request(&mut bench, "ACK", &[], None);
    bench.receive(ack);
    bench.assert_quiet();
    for method in ["BYE", "INVITE", "UPDATE", "INFO", "REFER", "OPTIONS"] {
        let request = peer.request(&mut bench, method, &[], None);
        bench.receive(request);
        bench.response(481);
    }
    bench.assert_empty();
}

#[test]
fn response_488_has_a_warning() {
    for (reason, warning) in [
        (None, "305 relay.example \"Incompatible media format\""),
        (Some("No \"SHA-256\" Fingerprint"), "399 relay.example \"No 'SHA-256' Fingerprint\""),
    ] {
        let (mut bench, _) = called();
        bench.command(Command::Reject {
            invite: CALL,
            status: 488,
            reason: reason.map(str::to_owned),
            contacts: Vec::new(),
        });
        assert_eq!(bench.response(488).headers.get("Warning"), Some(warning));
    }
}
