//! Tests of early dialogs: reliable provisional responses, early media and offers before the call is answered.

use super::bench::{Bench, CALL, DialogPeer, INBOUND, called_in, calling, reply, sdp, settings, with, with_body};
use crate::message::{Message, Method, Request, Response};
use crate::user_agent::io::{Branch, Cause, Command, Event};
use core::time::Duration;

fn reliable(invite: &Request, status: u16, tag: &str, number: &str) -> Response {
    with(with(reply(invite, status, tag), "Require", "100rel"), "RSeq", number)
}

#[test]
fn reliable_response_is_acknowledged_once_in_order() {
    let (mut bench, invite) = calling(settings(), Some("offer"));
    let first = with_body(reliable(&invite, 183, "bob", "1000"), "answer");
    bench.receive(first.clone());
    let prack = bench.request(&Method::Prack);
    assert_eq!(prack.headers.get("RAck"), Some("1000 1 INVITE"));
    assert_eq!(prack.headers.get("CSeq"), Some("2 PRACK"));
    assert!(matches!(bench.event(), Event::Progress { status: 183, body: Some(_), .. }));
    bench.receive(first);
    bench.receive(reliable(&invite, 180, "bob", "1002"));
    bench.assert_quiet();
    bench.receive(reliable(&invite, 180, "bob", "1001"));
    assert_eq!(bench.request(&Method::Prack).headers.get("RAck"), Some("1001 1 INVITE"));
    assert!(matches!(bench.event(), Event::Progress { status: 180, .. }));
    // The answer was reported before; the description in the 2xx is not reported.
    bench.receive(with_body(reply(&invite, 200, "bob"), "answer"));
    assert_eq!(bench.event(), Event::Answered { invite: CALL, branch: Branch(0), body: None });
}

#[test]
fn each_fork_has_its_own_rseq_order() {
    let (mut bench, invite) = calling(settings(), Some("offer"));
    bench.receive(reliable(&invite, 180, "bob", "7"));
    bench.receive(reliable(&invite, 180, "carol", "1"));
    let pracks = [bench.request(&Method::Prack), bench.request(&Method::Prack)];
    assert_eq!(pracks.map(|prack| prack.headers.to().unwrap().tag().unwrap().to_owned()), ["bob", "carol"]);
}

#[test]
fn description_in_unreliable_response_is_only_a_preview() {
    let (mut bench, invite) = calling(settings(), Some("offer"));
    bench.receive(with_body(reply(&invite, 183, "bob"), "early"));
    assert!(matches!(bench.event(), Event::Progress { status: 183, body: Some(_), .. }));
    bench.receive(with_body(reply(&invite, 183, "bob"), "early"));
    bench.assert_quiet();
    bench.receive(with_body(reply(&invite, 200, "bob"), "late"));
    bench.request(&Method::Ack);
    assert_eq!(bench.event(), Event::Answered { invite: CALL, branch: Branch(0), body: Some(sdp("late")) });
}

#[test]
fn offer_in_reliable_response_is_answered_in_prack() {
    let (mut bench, invite) = calling(settings(), None);
    bench.receive(with_body(reliable(&invite, 183, "bob", "1"), "offer"));
    assert!(matches!(bench.event(), Event::Progress { status: 183, body: Some(_), .. }));
    bench.assert_quiet();
    bench.command(Command::AnswerOffer { invite: CALL, branch: Branch(0), body: sdp("answer") });
    let prack = bench.request(&Method::Prack);
    assert_eq!(prack.body, b"answer");
    bench.receive(reply(&prack, 200, "bob"));
    bench.receive(reply(&invite, 200, "bob"));
    assert!(bench.request(&Method::Ack).body.is_empty());
    assert_eq!(bench.event(), Event::Answered { invite: CALL, branch: Branch(0), body: None });
}

#[test]
fn each_fork_offer_gets_its_own_answer() {
    let (mut bench, invite) = calling(settings(), None);
    bench.receive(with_body(reliable(&invite, 183, "bob", "1"), "bob's offer"));
    bench.receive(with_body(reliable(&invite, 183, "carol", "1"), "carol's offer"));
    let offers = bench.take_events().into_iter().map(|event| match event {
        Event::Progress { branch, body: Some(offer), .. } => (branch, offer),
        other => panic!("{other:?}"),
    });
    assert_eq!(offers.collect::<Vec<_>>(), [(Branch(0), sdp("bob's offer")), (Branch(1), sdp("carol's offer"))]);
    for (branch, tag, answer) in [(Branch(1), "carol", "to carol"), (Branch(0), "bob", "to bob")] {
        bench.command(Command::AnswerOffer { invite: CALL, branch, body: sdp(answer) });
        let prack = bench.request(&Method::Prack);
        assert_eq!((prack.headers.to().unwrap().tag(), prack.body.as_slice()), (Some(tag), answer.as_bytes()));
        bench.receive(reply(&prack, 200, tag));
    }
    // Each later change is reported as well.
    for (branch, tag) in [(Branch(0), "bob"), (Branch(1), "carol")] {
        let update = DialogPeer::callee(&invite, tag).request(&mut bench, "UPDATE", &[], Some(&sdp("offer 2")));
        bench.receive(update);
        assert_eq!(bench.event(), Event::Offer { invite: CALL, branch, body: Some(sdp("offer 2")) });
    }
    bench.command(Command::AnswerOffer { invite: CALL, branch: Branch(1), body: sdp("to carol") });
    assert_eq!(bench.response(200).headers.to().unwrap().tag(), invite.headers.from().unwrap().tag());
    bench.command(Command::RefuseOffer { invite: CALL, branch: Branch(0), status: 488, reason: None });
    assert_eq!(bench.response(488).headers.from().unwrap().tag(), Some("bob"));
    bench.assert_quiet();
}

fn early_dialog() -> (Bench, Request, DialogPeer) {
    let (mut bench, invite) = calling(settings(), Some("offer"));
    bench.receive(with(with_body(reliable(&invite, 183, "bob", "1"), "answer"), "Allow", "INVITE, ACK, BYE, UPDATE"));
    let prack = bench.request(&Method::Prack);
    bench.receive(reply(&prack, 200, "bob"));
    bench.take_events();
    let bob = DialogPeer::callee(&invite, "bob");
    (bench, invite, bob)
}

#[test]
fn offer_in_early_dialog_is_sent_by_update() {
    let (mut bench, _, _) = early_dialog();
    bench.command(Command::Offer { invite: CALL, body: sdp("offer 2") });
    let update = bench.request(&Method::Update);
    assert_eq!(update.body, b"offer 2");
    bench.receive(with_body(reply(&update, 200, "bob"), "answer 2"));
    assert_eq!(bench.event(), Event::OfferAnswered { invite: CALL, body: sdp("answer 2") });
}

#[test]
fn offer_without_early_dialog_is_deferred_until_answer() {
    let (mut bench, invite) = calling(settings(), Some("offer"));
    bench.receive(reply(&invite, 180, "bob"));
    bench.take_events();
    bench.command(Command::Offer { invite: CALL, body: sdp("offer 2") });
    bench.assert_quiet();
    bench.receive(with_body(reply(&invite, 200, "bob"), "answer"));
    bench.request(&Method::Ack);
    assert_eq!(bench.request(&Method::Invite).body, b"offer 2");
}

#[test]
fn callee_update_in_early_dialog_is_reported() {
    let (mut bench, invite, mut bob) = early_dialog();
    let update = bob.request(&mut bench, "UPDATE", &[], Some(&sdp("offer 2")));
    bench.receive(update);
    assert_eq!(bench.event(), Event::Offer { invite: CALL, branch: Branch(0), body: Some(sdp("offer 2")) });
    let another = bob.request(&mut bench, "UPDATE", &[], Some(&sdp("offer 3")));
    bench.receive(another);
    assert!(bench.response(500).headers.has("Retry-After"), "only one UPDATE can be pending (RFC 3311 §5.2)");
    bench.command(Command::AnswerOffer { invite: CALL, branch: Branch(0), body: sdp("answer 2") });
    assert_eq!(bench.response(200).body, b"answer 2");
    bench.receive(reply(&invite, 200, "bob"));
    bench.request(&Method::Ack);
    assert_eq!(bench.event(), Event::Answered { invite: CALL, branch: Branch(0), body: None });
}

#[test]
fn update_during_local_offer_is_rejected_with_491() {
    let (mut bench, _, mut bob) = early_dialog();
    bench.command(Command::Offer { invite: CALL, body: sdp("offer 2") });
    let outgoing = bench.request(&Method::Update);
    let theirs = bob.request(&mut bench, "UPDATE", &[], Some(&sdp("offer 3")));
    bench.receive(theirs);
    bench.response(491);
    bench.receive(reply(&outgoing, 491, "bob"));
    bench.assert_quiet();
    bench.wait(Duration::from_secs(4));
    assert_eq!(bench.request(&Method::Update).body, b"offer 2");
}

#[test]
fn required_100rel_makes_180_reliable() {
    let (mut bench, _) = called_in(settings(), &["Require: 100rel"], Some("offer"));
    bench.command(Command::Ring { invite: INBOUND, status: 180, body: None });
    let ringing = bench.response(180);
    assert_eq!(ringing.headers.get("Require"), Some("100rel"));
    let number = ringing.headers.get("RSeq").unwrap().to_owned();
    bench.command(Command::Ring { invite: INBOUND, status: 183, body: Some(sdp("answer")) });
    bench.assert_quiet();
    bench.wait(Duration::from_millis(1_600));
    let again = [bench.response(180), bench.response(180)];
    assert!(again.iter().all(|again| *again == ringing), "after 0.5 and 1.5 s");
    let mut bob = DialogPeer::caller(&ringing);
    let stray = bob.request(&mut bench, "PRACK", &[&format!("RAck: {number} 2 INVITE")], None);
    bench.receive(stray);
    bench.response(481);
    let prack = bob.request(&mut bench, "PRACK", &[&format!("RAck: {number} 1 INVITE")], None);
    bench.receive(prack);
    bench.response(200);
    let early = bench.response(183);
    assert_eq!(early.body, b"answer");
    let next: u32 = early.headers.get("RSeq").unwrap().parse().unwrap();
    assert_eq!(next, number.parse::<u32>().unwrap() + 1);
    // The 2xx is sent only after the PRACK of the description (RFC 3262 §3).
    bench.command(Command::Accept { invite: INBOUND, body: None });
    bench.assert_quiet();
    let prack = bob.request(&mut bench, "PRACK", &[&format!("RAck: {next} 1 INVITE")], None);
    bench.receive(prack);
    let success =
        [bench.response(200), bench.response(200)].into_iter().find(|r| r.headers.get("CSeq") == Some("1 INVITE"));
    assert!(success.unwrap().body.is_empty(), "the answer was sent before");
}

#[test]
fn supported_100rel_keeps_plain_180_unreliable() {
    let (mut bench, _) = called_in(settings(), &["Supported: 100rel"], Some("offer"));
    bench.command(Command::Ring { invite: INBOUND, status: 180, body: None });
    assert!(!bench.response(180).headers.has("RSeq"));
    bench.command(Command::Ring { invite: INBOUND, status: 183, body: Some(sdp("answer")) });
    assert!(bench.response(183).headers.has("RSeq"), "a description is sent reliably");
}

#[test]
fn answer_in_unreliable_response_is_repeated_in_2xx() {
    let (mut bench, _) = called_in(settings(), &[], Some("offer"));
    bench.command(Command::Ring { invite: INBOUND, status: 183, body: Some(sdp("answer")) });
    assert_eq!(bench.response(183).body, b"answer");
    bench.command(Command::Accept { invite: INBOUND, body: None });
    assert_eq!(bench.response(200).body, b"answer");
}

#[test]
fn offer_is_not_sent_in_unreliable_response() {
    let (mut bench, _) = called_in(settings(), &[], None);
    bench.command(Command::Ring { invite: INBOUND, status: 183, body: Some(sdp("offer")) });
    assert!(bench.response(183).body.is_empty());
    bench.command(Command::Accept { invite: INBOUND, body: None });
    assert_eq!(bench.response(200).body, b"offer");
}

#[test]
fn offer_sent_reliably_is_answered_by_prack() {
    let (mut bench, _) = called_in(settings(), &["Supported: 100rel"], None);
    bench.command(Command::Ring { invite: INBOUND, status: 183, body: Some(sdp("offer")) });
    let early = bench.response(183);
    let rack = format!("RAck: {} 1 INVITE", early.headers.get("RSeq").unwrap());
    bench.command(Command::Accept { invite: INBOUND, body: None });
    bench.assert_quiet();
    let prack = DialogPeer::caller(&early).request(&mut bench, "PRACK", &[&rack], Some(&sdp("answer")));
    bench.receive(prack);
    assert_eq!(bench.event(), Event::OfferAnswered { invite: INBOUND, body: sdp("answer") });
    let statuses: Vec<u16> = bench
        .sent
        .drain(..)
        .map(|sent| match sent {
            Message::Response(response) => response.status,
            Message::Request(_) => 0,
        })
        .collect();
    assert_eq!(statuses, [200, 200]);
}

#[test]
fn offer_without_answer_in_prack_is_repeated() {
    let (mut bench, _) = called_in(settings(), &["Supported: 100rel"], None);
    bench.command(Command::Ring { invite: INBOUND, status: 183, body: Some(sdp("offer")) });
    let early = bench.response(183);
    let rack = format!("RAck: {} 1 INVITE", early.headers.get("RSeq").unwrap());
    let mut bob = DialogPeer::caller(&early);
    let prack = bob.request(&mut bench, "PRACK", &[&rack], None);
    bench.receive(prack);
    bench.response(200);
    bench.command(Command::Accept { invite: INBOUND, body: None });
    assert_eq!(bench.response(200).body, b"offer");
    let ack = bob.numbered(&mut bench, "ACK", 1, &[], Some(&sdp("answer")));
    bench.receive(ack);
    assert_eq!(bench.event(), Event::OfferAnswered { invite: INBOUND, body: sdp("answer") });
}

#[test]
fn reliable_response_without_prack_ends_with_504() {
    let (mut bench, _) = called_in(settings(), &["Require: 100rel"], Some("offer"));
    bench.command(Command::Ring { invite: INBOUND, status: 180, body: None });
    bench.wait(Duration::from_secs(32));
    bench.response(504);
    assert_eq!(bench.event(), Event::Ended { invite: INBOUND, cause: Cause::Lost });
    bench.assert_empty();
}

#[test]
fn long_ringing_repeats_provisional_responses() {
    let (mut bench, _) = called_in(settings(), &[], Some("offer"));
    bench.command(Command::Ring { invite: INBOUND, status: 180, body: None });
    bench.response(180);
    bench.wait(Duration::from_secs(59));
    bench.assert_quiet();
    bench.wait(Duration::from_secs(62));
    bench.response(180);
    bench.response(180);
    bench.assert_quiet();
}

#[test]
fn bye_in_early_dialog_ends_the_call() {
    let (mut bench, _) = called_in(settings(), &[], Some("offer"));
    bench.command(Command::Ring { invite: INBOUND, status: 180, body: None });
    let mut bob = DialogPeer::caller(&bench.response(180));
    let bye = bob.request(&mut bench, "BYE", &[], None);
    bench.receive(bye);
    bench.response(200);
    bench.response(487);
    assert_eq!(bench.event(), Event::Ended { invite: INBOUND, cause: Cause::Remote { reason: None } });
    bench.assert_empty();
}

#[test]
fn late_prack_is_accepted() {
    let (mut bench, _) = called_in(settings(), &["Require: 100rel"], Some("offer"));
    bench.command(Command::Ring { invite: INBOUND, status: 183, body: Some(sdp("answer")) });
    let early = bench.response(183);
    let rack = format!("RAck: {} 1 INVITE", early.headers.get("RSeq").unwrap());
    let mut bob = DialogPeer::caller(&early);
    let prack = bob.request(&mut bench, "PRACK", &[&rack], None);
    let info = bob.request(&mut bench, "INFO", &[], None);
    bench.receive(info);
    bench.response(200);
    bench.receive(prack);
    assert_eq!(bench.response(200).headers.get("CSeq"), Some("2 PRACK"));
    bench.command(Command::Accept { invite: INBOUND, body: None });
    bench.response(200);
}

#[test]
fn rejected_prack_is_repeated_and_defers_offers() {
    let (mut bench, invite) = calling(settings(), Some("offer"));
    bench.receive(with(with_body(reliable(&invite, 183, "bob", "1"), "answer"), "Allow", "UPDATE"));
    let prack = bench.request(&Method::Prack);
    bench.take_events();
    bench.command(Command::Offer { invite: CALL, body: sdp("offer 2") });
    bench.assert_quiet();
    bench.receive(reply(&prack, 500, "bob"));
    let again = bench.request(&Method::Prack);
    assert_eq!((again.headers.get("RAck"), again.headers.get("CSeq")), (Some("1 1 INVITE"), Some("3 PRACK")));
    bench.receive(reply(&again, 200, "bob"));
    assert_eq!(bench.request(&Method::Update).body, b"offer 2");
}
