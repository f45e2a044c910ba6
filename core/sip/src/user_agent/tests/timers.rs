//! Tests of session timers (RFC 4028).

use super::bench::{
    Bench, CALL, FROM_BOB, INBOUND, answered_in, called_out, calling, reply, sdp, settings, with, with_body,
};
use crate::message::Method;
use crate::user_agent::io::{Cause, Command, Event, UserAgentSettings};
use core::time::Duration;

fn timed() -> UserAgentSettings {
    UserAgentSettings { session_expires: Duration::from_secs(1_800), ..settings() }
}

#[test]
fn session_interval_is_requested_and_raised_after_422() {
    let (mut bench, invite) = calling(timed(), Some("offer"));
    assert_eq!(invite.headers.get("Session-Expires"), Some("1800"));
    assert!(invite.headers.supports("timer"));
    bench.receive(with(reply(&invite, 422, "x"), "Min-SE", "3600"));
    bench.request(&Method::Ack);
    let again = bench.request(&Method::Invite);
    assert_eq!(again.headers.get("Session-Expires"), Some("3600"));
    assert_eq!(again.headers.get("Min-SE"), Some("3600"));
    // The number of 422 responses that are followed is limited.
    bench.receive(with(reply(&again, 422, "x"), "Min-SE", "3600"));
    assert!(matches!(bench.event(), Event::Ended { cause: Cause::Refused { status: 422, .. }, .. }));
}

#[test]
fn refresher_sends_update_at_half_the_interval() {
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
fn refresh_without_update_resends_current_description() {
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
fn refresh_with_new_description_is_reported() {
    let (mut bench, _) =
        called_out(timed(), &[("Session-Expires", "600;refresher=uac"), ("Allow", "INVITE, ACK, BYE")]);
    bench.wait(Duration::from_secs(300));
    let invite = bench.request(&Method::Invite);
    bench.receive(with_body(reply(&invite, 200, "bob"), "answer 2"));
    bench.request(&Method::Ack);
    assert_eq!(bench.event(), Event::OfferAnswered { invite: CALL, body: sdp("answer 2") });
}

#[test]
fn session_without_refresh_ends() {
    let (mut bench, _) = called_out(timed(), &[("Session-Expires", "600;refresher=uas")]);
    bench.wait(Duration::from_secs(567));
    bench.assert_quiet();
    bench.wait(Duration::from_secs(2));
    bench.request(&Method::Bye);
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Lost });
    bench.assert_empty();
}

#[test]
fn peer_refresh_extends_the_session() {
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
fn rejected_refresh_is_repeated_until_expiry() {
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
    assert_eq!(tries.len(), 30, "one attempt every ten seconds");
    assert!(tries[0] == Method::Update && tries[1..].iter().all(|method| *method == Method::Invite), "{tries:?}");
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Lost });
    bench.request(&Method::Bye);
}

#[test]
fn caller_with_timer_support_is_refresher() {
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
fn brief_session_interval_is_rejected_with_422() {
    let mut bench = Bench::with_alice(timed());
    let lines: Vec<&str> = FROM_BOB.iter().copied().chain(["Supported: timer", "Session-Expires: 60"]).collect();
    let invite = bench.make("INVITE sip:alice-1@192.0.2.1", &lines, None);
    bench.receive(invite);
    assert_eq!(bench.response(422).headers.get("Min-SE"), Some("90"));
    bench.assert_empty();
}

#[test]
fn disabled_session_timer_sends_no_headers() {
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
