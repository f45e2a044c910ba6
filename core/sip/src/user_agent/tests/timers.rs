//! Session timers (RFC 4028).

use super::bench::{
    Bench, CALL, FROM_BOB, INBOUND, answered_in, called_out, calling, reply, sdp, settings, with, with_body,
};
use crate::message::Method;
use crate::user_agent::io::{Cause, Command, Event, Settings};
use core::time::Duration;

fn timed() -> Settings {
    Settings { session_expires: Duration::from_secs(1_800), ..settings() }
}

#[test]
fn a_call_asks_for_a_session_interval_and_for_more_where_that_is_too_short() {
    let (mut bench, invite) = calling(timed(), Some("offer"));
    assert_eq!(invite.headers.get("Session-Expires"), Some("1800"));
    assert!(invite.headers.supports("timer"));
    bench.receive(with(reply(&invite, 422, "x"), "Min-SE", "3600"));
    bench.request(&Method::Ack);
    let again = bench.request(&Method::Invite);
    assert_eq!(again.headers.get("Session-Expires"), Some("3600"));
    assert_eq!(again.headers.get("Min-SE"), Some("3600"));
    // A server that is never content is not asked for ever.
    bench.receive(with(reply(&again, 422, "x"), "Min-SE", "3600"));
    assert!(matches!(bench.event(), Event::Ended { cause: Cause::Refused { status: 422, .. }, .. }));
}

#[test]
fn the_refresher_refreshes_at_half_the_interval_by_update() {
    let more = [("Session-Expires", "600;refresher=uac"), ("Allow", "INVITE, ACK, BYE, UPDATE")];
    let (mut bench, _) = called_out(timed(), &more);
    bench.wait(Duration::from_secs(299));
    bench.assert_quiet();
    bench.wait(Duration::from_secs(1));
    let update = bench.request(&Method::Update);
    assert!(update.body.is_empty());
    assert_eq!(update.headers.get("Session-Expires"), Some("1800;refresher=uac"));
    bench.receive(with(reply(&update, 200, "bob"), "Session-Expires", "600;refresher=uac"));
    bench.wait(Duration::from_secs(298));
    bench.assert_quiet();
    bench.wait(Duration::from_secs(3));
    bench.request(&Method::Update);
}

#[test]
fn a_peer_without_update_gets_the_description_in_force_again() {
    let (mut bench, _) =
        called_out(timed(), &[("Session-Expires", "600;refresher=uac"), ("Allow", "INVITE, ACK, BYE")]);
    bench.wait(Duration::from_secs(300));
    let invite = bench.request(&Method::Invite);
    assert_eq!(invite.body, b"offer");
    bench.receive(with_body(reply(&invite, 200, "bob"), "answer"));
    bench.request(&Method::Ack);
    bench.assert_quiet();
}

#[test]
fn a_refresh_that_brings_a_new_description_is_told() {
    let (mut bench, _) =
        called_out(timed(), &[("Session-Expires", "600;refresher=uac"), ("Allow", "INVITE, ACK, BYE")]);
    bench.wait(Duration::from_secs(300));
    let invite = bench.request(&Method::Invite);
    bench.receive(with_body(reply(&invite, 200, "bob"), "answer 2"));
    bench.request(&Method::Ack);
    assert_eq!(bench.event(), Event::OfferAnswered { invite: CALL, body: sdp("answer 2") });
}

#[test]
fn a_session_that_is_not_refreshed_ends() {
    let (mut bench, _) = called_out(timed(), &[("Session-Expires", "600;refresher=uas")]);
    bench.wait(Duration::from_secs(567));
    bench.assert_quiet();
    bench.wait(Duration::from_secs(2));
    bench.request(&Method::Bye);
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Lost });
    bench.assert_empty();
}

#[test]
fn a_refresh_of_the_peers_keeps_the_session() {
    let (mut bench, mut bob) = called_out(timed(), &[("Session-Expires", "600;refresher=uas")]);
    bench.wait(Duration::from_secs(400));
    let update = bob.request(&mut bench, "UPDATE", &["Supported: timer", "Session-Expires: 600;refresher=uac"], None);
    bench.receive(update);
    let success = bench.response(200);
    assert_eq!(success.headers.get("Session-Expires"), Some("600;refresher=uac"));
    assert_eq!(success.headers.get("Require"), Some("timer"));
    bench.wait(Duration::from_secs(500));
    bench.assert_quiet();
}

#[test]
fn a_refresh_that_is_refused_is_tried_until_the_interval_ends() {
    let more = [("Session-Expires", "600;refresher=uac"), ("Allow", "UPDATE")];
    let (mut bench, _) = called_out(timed(), &more);
    let mut tries = Vec::new();
    for _ in 0..700 {
        bench.wait(Duration::from_secs(1));
        for sent in core::mem::take(&mut bench.sent) {
            match sent {
                crate::message::Message::Request(request) if request.method == Method::Bye => {
                    bench.sent.push(request.into());
                }
                crate::message::Message::Request(request) if request.method != Method::Ack => {
                    bench.receive(reply(&request, 503, "bob"));
                    tries.push(request.method);
                }
                _ => {}
            }
        }
    }
    assert_eq!(tries.len(), 30, "every ten seconds");
    assert!(tries[0] == Method::Update && tries[1..].iter().all(|method| *method == Method::Invite), "{tries:?}");
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Lost });
    bench.request(&Method::Bye);
}

#[test]
fn a_caller_with_timers_refreshes_and_one_without_is_refreshed() {
    let (_, _, with_timers) = answered_in(timed(), &["Supported: timer", "Session-Expires: 1200"]);
    assert_eq!(with_timers.headers.get("Session-Expires"), Some("1200;refresher=uac"));
    assert_eq!(with_timers.headers.get("Require"), Some("timer"));
    let (mut bench, _, without) = answered_in(timed(), &[]);
    assert_eq!(without.headers.get("Session-Expires"), Some("1800;refresher=uas"));
    assert!(!without.headers.has("Require"));
    bench.wait(Duration::from_secs(900));
    assert_eq!(bench.request(&Method::Invite).body, b"answer");
}

#[test]
fn an_interval_that_is_too_short_is_refused() {
    let mut bench = Bench::with_alice(timed());
    let lines: Vec<&str> = FROM_BOB.iter().copied().chain(["Supported: timer", "Session-Expires: 60"]).collect();
    let invite = bench.make("INVITE sip:alice-1@192.0.2.1", &lines, None);
    bench.receive(invite);
    assert_eq!(bench.response(422).headers.get("Min-SE"), Some("90"));
    bench.assert_empty();
}

#[test]
fn without_session_timers_nothing_is_said_of_them() {
    let (mut bench, _, success) = answered_in(settings(), &["Supported: timer", "Session-Expires: 1200"]);
    assert!(!success.headers.has("Session-Expires") && !success.headers.supports("timer"));
    bench.wait(Duration::from_secs(2_000));
    bench.assert_quiet();
    bench.command(Command::HangUp { invite: INBOUND, reason: None });
    let bye = bench.request(&Method::Bye);
    bench.receive(reply(&bye, 200, "b1"));
    bench.take_events();
    bench.assert_empty();
}
