//! Tests of offers in an established call, in both directions.

use super::bench::{Bench, CALL, DialogPeer, INBOUND, answered_in, called_out, reply, sdp, settings, with, with_body};
use crate::message::{Method, Request};
use crate::user_agent::io::{Branch, Cause, Command, Event};
use core::time::Duration;

fn established() -> (Bench, DialogPeer) {
    called_out(settings(), &[])
}

fn offered(bench: &mut Bench) -> Request {
    bench.command(Command::Offer { invite: CALL, body: sdp("offer 2") });
    let invite = bench.request(&Method::Invite);
    assert_eq!(invite.body, b"offer 2");
    bench.assert_quiet();
    invite
}

#[test]
fn reinvite_offer_is_answered() {
    let (mut bench, _) = established();
    let invite = offered(&mut bench);
    assert_eq!(invite.headers.get("CSeq"), Some("2 INVITE"));
    bench.receive(reply(&invite, 100, "bob"));
    let mut success = with_body(reply(&invite, 200, "bob"), "answer 2");
    success.headers.set("Contact", "<sip:bob@192.0.2.9>");
    bench.receive(success.clone());
    let ack = bench.request(&Method::Ack);
    assert_eq!(ack.headers.get("CSeq"), Some("2 ACK"));
    assert_eq!(ack.uri.to_string(), "sip:bob@192.0.2.9", "the remote target has changed");
    assert_eq!(bench.event(), Event::OfferAnswered { invite: CALL, body: sdp("answer 2") });
    bench.receive(success);
    assert_eq!(bench.request(&Method::Ack).headers.get("CSeq"), Some("2 ACK"));
    bench.assert_quiet();
}

#[test]
fn rejected_offer_leaves_session_unchanged() {
    let (mut bench, mut bob) = established();
    let invite = offered(&mut bench);
    bench.receive(reply(&invite, 488, "bob"));
    bench.request(&Method::Ack);
    assert_eq!(bench.event(), Event::OfferRefused { invite: CALL, status: 488 });
    let info = bob.request(&mut bench, "INFO", &["Content-Type: text/plain"], None);
    bench.receive(info);
    bench.response(200);
}

#[test]
fn offer_rejected_with_481_ends_the_call() {
    for status in [408, 481] {
        let (mut bench, _) = established();
        let invite = offered(&mut bench);
        bench.receive(reply(&invite, status, "bob"));
        bench.request(&Method::Ack);
        assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Lost });
        bench.request(&Method::Bye);
        bench.assert_empty();
    }
}

#[test]
fn offer_without_response_ends_the_call() {
    let (mut bench, _) = established();
    offered(&mut bench);
    bench.wait(Duration::from_secs(33));
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Lost });
    bench.assert_empty();
}

#[test]
fn challenged_offer_is_repeated() {
    let (mut bench, _) = established();
    let invite = offered(&mut bench);
    let challenge = "Digest realm=\"x\", nonce=\"n\", algorithm=MD5";
    bench.receive(with(reply(&invite, 407, "bob"), "Proxy-Authenticate", challenge));
    bench.request(&Method::Ack);
    let again = bench.request(&Method::Invite);
    assert_eq!((again.headers.get("CSeq"), again.body.as_slice()), (Some("3 INVITE"), b"offer 2".as_slice()));
    assert!(again.headers.has("Proxy-Authorization"));
    bench.receive(with_body(reply(&again, 200, "bob"), "answer 2"));
    assert!(bench.request(&Method::Ack).headers.has("Proxy-Authorization"));
    assert!(matches!(bench.event(), Event::OfferAnswered { .. }));
}

#[test]
fn call_id_owner_waits_longer_after_491() {
    let (mut bench, _) = established();
    let invite = offered(&mut bench);
    bench.receive(reply(&invite, 491, "bob"));
    bench.request(&Method::Ack);
    bench.wait(Duration::from_millis(2_099));
    bench.assert_quiet();
    bench.wait(Duration::from_millis(1_900));
    assert_eq!(bench.request(&Method::Invite).body, b"offer 2");
}

#[test]
fn other_side_waits_less_after_491() {
    let (mut bench, bob, _) = answered_in(settings(), &[]);
    bench.command(Command::Offer { invite: INBOUND, body: sdp("offer 2") });
    let invite = bench.request(&Method::Invite);
    bench.receive(reply(&invite, 491, &bob.local_tag));
    bench.request(&Method::Ack);
    bench.wait(Duration::from_millis(1_999));
    assert_eq!(bench.request(&Method::Invite).body, b"offer 2");
}

#[test]
fn crossing_offers_are_rejected_and_local_one_repeated() {
    let (mut bench, mut bob) = established();
    let outgoing = offered(&mut bench);
    let theirs = bob.request(&mut bench, "INVITE", &[], Some(&sdp("theirs")));
    bench.receive(theirs);
    bench.response(491);
    bench.receive(reply(&outgoing, 491, "bob"));
    bench.request(&Method::Ack);
    let theirs = bob.request(&mut bench, "INVITE", &[], Some(&sdp("theirs")));
    bench.receive(theirs);
    bench.response(100);
    assert_eq!(bench.event(), Event::Offer { invite: CALL, branch: Branch(0), body: Some(sdp("theirs")) });
    bench.command(Command::AnswerOffer { invite: CALL, branch: Branch(0), body: sdp("ours") });
    assert_eq!(bench.response(200).body, b"ours");
    let ack = bob.request(&mut bench, "ACK", &[], None);
    bench.receive(ack);
    bench.assert_quiet();
    bench.wait(Duration::from_secs(4));
    assert_eq!(bench.request(&Method::Invite).body, b"offer 2");
}

#[test]
fn overlapping_reinvite_gets_500_with_retry_after() {
    let (mut bench, mut bob) = established();
    let first = bob.request(&mut bench, "INVITE", &[], Some(&sdp("offer 2")));
    bench.receive(first);
    bench.response(100);
    bench.take_events();
    let second = bob.request(&mut bench, "INVITE", &[], Some(&sdp("offer 3")));
    bench.receive(second);
    let refused = bench.response(500);
    assert!(refused.headers.get("Retry-After").unwrap().parse::<u32>().unwrap() <= 10);
    bench.command(Command::RefuseOffer { invite: CALL, branch: Branch(0), status: 488, reason: None });
    bench.response(488);
    bench.assert_quiet();
}

#[test]
fn rejected_reinvite_has_reason_in_warning() {
    for (reason, warning) in [
        (None, "305 relay.example \"Incompatible media format\""),
        (Some("No Usable Address"), "399 relay.example \"No Usable Address\""),
    ] {
        let (mut bench, mut bob) = established();
        let offer = bob.request(&mut bench, "INVITE", &[], Some(&sdp("offer 2")));
        bench.receive(offer);
        bench.response(100);
        bench.take_events();
        let reason = reason.map(str::to_owned);
        bench.command(Command::RefuseOffer { invite: CALL, branch: Branch(0), status: 488, reason });
        assert_eq!(bench.response(488).headers.get("Warning"), Some(warning));
    }
}

#[test]
fn bye_with_any_cseq_ends_the_call() {
    for more in ["X: y", "Require: telepathy"] {
        let (mut bench, mut bob) = called_out(settings(), &[]);
        let options = bob.request(&mut bench, "OPTIONS", &[], None);
        let cseq = options.headers.cseq().unwrap().number;
        bench.receive(options);
        bench.response(200);
        let mut bye = bob.request(&mut bench, "BYE", &[more], None);
        bye.headers.set("CSeq", format!("{} BYE", cseq.saturating_sub(1)));
        bench.receive(bye);
        bench.response(200);
        assert!(matches!(bench.event(), Event::Ended { cause: Cause::Remote { .. }, .. }));
        bench.wait(Duration::from_secs(40));
        bench.assert_empty();
    }
}

#[test]
fn request_with_lower_cseq_is_rejected() {
    let (mut bench, mut bob) = established();
    let late = bob.numbered(&mut bench, "INFO", 50, &[], None);
    let info = bob.request(&mut bench, "INFO", &[], None);
    bench.receive(info);
    bench.response(200);
    bench.take_events();
    bench.receive(late);
    bench.response(500);
    bench.assert_quiet();
}

#[test]
fn reinvite_without_offer_is_answered_with_offer() {
    let (mut bench, mut bob) = established();
    let invite = bob.request(&mut bench, "INVITE", &[], None);
    bench.receive(invite);
    bench.response(100);
    assert_eq!(bench.event(), Event::Offer { invite: CALL, branch: Branch(0), body: None });
    bench.command(Command::AnswerOffer { invite: CALL, branch: Branch(0), body: sdp("offer 2") });
    assert_eq!(bench.response(200).body, b"offer 2");
    let ack = bob.request(&mut bench, "ACK", &[], Some(&sdp("answer 2")));
    bench.receive(ack);
    assert_eq!(bench.event(), Event::OfferAnswered { invite: CALL, body: sdp("answer 2") });
    bench.assert_quiet();
}

#[test]
fn unchanged_reinvite_is_not_reported() {
    let (mut bench, mut bob) = established();
    for method in ["INVITE", "UPDATE"] {
        let refresh = bob.request(&mut bench, method, &[], Some(&sdp("answer")));
        bench.receive(refresh);
        assert_eq!(bench.response(200).body, b"offer");
        if method == "INVITE" {
            bench.response(100);
            let ack = bob.request(&mut bench, "ACK", &[], None);
            bench.receive(ack);
        }
        bench.assert_quiet();
    }
    let empty = bob.request(&mut bench, "UPDATE", &[], None);
    bench.receive(empty);
    assert!(bench.response(200).body.is_empty());
    bench.assert_quiet();
}

#[test]
fn canceled_reinvite_leaves_session_unchanged() {
    let (mut bench, mut bob) = established();
    let invite = bob.request(&mut bench, "INVITE", &[], Some(&sdp("offer 2")));
    bench.receive(invite.clone());
    bench.response(100);
    bench.take_events();
    let mut cancel = invite;
    cancel.method = Method::Cancel;
    cancel.headers.set("CSeq", format!("{} CANCEL", bob.cseq));
    cancel.body.clear();
    bench.receive(cancel);
    bench.response(200);
    bench.response(487);
    bench.command(Command::AnswerOffer { invite: CALL, branch: Branch(0), body: sdp("too late") });
    bench.assert_quiet();
}

#[test]
fn bye_ends_the_pending_offer() {
    let (mut bench, mut bob) = established();
    let invite = bob.request(&mut bench, "INVITE", &[], Some(&sdp("offer 2")));
    bench.receive(invite);
    bench.response(100);
    bench.take_events();
    let bye = bob.request(&mut bench, "BYE", &[], None);
    bench.receive(bye);
    let statuses = [bench.response(200), bench.response(487)];
    assert_eq!(statuses.map(|response| response.headers.cseq().unwrap().method), [Method::Bye, Method::Invite]);
    assert!(matches!(bench.event(), Event::Ended { .. }));
    bench.assert_empty();
}

#[test]
fn newer_pending_offer_replaces_older_one() {
    let (mut bench, _) = established();
    offered(&mut bench);
    bench.command(Command::Offer { invite: CALL, body: sdp("offer 3") });
    bench.assert_quiet();
    bench.command(Command::Offer { invite: CALL, body: sdp("offer 4") });
    assert_eq!(bench.event(), Event::OfferRefused { invite: CALL, status: 491 });
}

#[test]
fn crossing_byes_are_both_answered() {
    let (mut bench, mut bob) = established();
    bench.command(Command::HangUp { invite: CALL, reason: None });
    let outgoing = bench.request(&Method::Bye);
    bench.take_events();
    let theirs = bob.request(&mut bench, "BYE", &[], None);
    bench.receive(theirs);
    bench.response(200);
    bench.receive(reply(&outgoing, 481, "bob"));
    bench.assert_quiet();
    bench.assert_empty();
}

#[test]
fn reinvite_2xx_after_call_end_is_acknowledged() {
    for is_outgoing in [true, false] {
        let (mut bench, mut bob) = established();
        let invite = offered(&mut bench);
        if is_outgoing {
            bench.command(Command::HangUp { invite: CALL, reason: None });
            let bye = bench.request(&Method::Bye);
            bench.receive(reply(&bye, 200, "bob"));
        } else {
            let bye = bob.request(&mut bench, "BYE", &[], None);
            bench.receive(bye);
            bench.response(200);
        }
        assert!(matches!(bench.event(), Event::Ended { .. }));
        for _ in 0..2 {
            bench.receive(with_body(reply(&invite, 200, "bob"), "late"));
            let ack = bench.request(&Method::Ack);
            assert_eq!(ack.headers.cseq().unwrap().number, invite.headers.cseq().unwrap().number);
            bench.assert_quiet();
        }
        bench.assert_empty();
    }
}

#[test]
fn reinvite_pending_at_call_end_leaves_no_state() {
    for status in [Some(487), Some(491), Some(401), None] {
        let (mut bench, mut bob) = established();
        let invite = offered(&mut bench);
        let bye = bob.request(&mut bench, "BYE", &[], None);
        bench.receive(bye);
        bench.response(200);
        assert!(matches!(bench.event(), Event::Ended { .. }));
        bench.receive(reply(&invite, 100, "bob"));
        if let Some(status) = status {
            bench.receive(reply(&invite, status, "bob"));
            bench.request(&Method::Ack);
        }
        bench.assert_quiet();
        bench.wait(Duration::from_secs(600));
        bench.assert_empty();
    }
}
