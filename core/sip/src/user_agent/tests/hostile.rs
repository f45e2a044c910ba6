//! Tests of hostile peers and of peers that violate the protocol.

use super::bench::{
    ALICE, Bench, CALL, DialogPeer, FROM_BOB, INBOUND, alice, called_out, order, reply, sdp, settings, with,
};
use super::phones::{register, with_phones};
use crate::message::{Message, Method};
use crate::user_agent::io::{Account, Cause, Command, Destination, Event, UserAgentSettings};
use core::time::Duration;

/// Creates a user agent whose account has no proxy.
fn without_proxy() -> Bench {
    let mut bench = Bench::new(settings());
    let settings = Box::new(Account { route: Vec::new(), ..alice() });
    bench.command(Command::AddAccount { account: ALICE, settings });
    bench
}

const CHALLENGE: &str = "Digest realm=\"example.org\", nonce=\"n\", qop=\"auth\"";

#[test]
fn rejection_to_unauthenticated_source_is_not_retransmitted() {
    let mut bench = Bench::new(with_phones());
    let lines = |from: &'static str| [from, "To: <sip:x@relay.example>", "Call-ID: c", "CSeq: 1 INVITE"];
    for (from, status) in [("From: <sip:x@192.0.2.9>;tag=a", 403), ("From: <sip:desk@relay.example>;tag=b", 401)] {
        let invite = bench.make("INVITE sip:x@192.0.2.1", &lines(from), None);
        bench.receive(invite.clone());
        bench.response(status);
        bench.wait(Duration::from_secs(40));
        bench.assert_quiet();
        assert_eq!(bench.agent.counts().server_transactions, 0);
        bench.receive(invite);
        bench.response(status);
    }
    bench.assert_empty();
}

#[test]
fn redirect_to_other_host_carries_no_credentials() {
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
fn redirect_within_the_host_keeps_credentials() {
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
fn bye_challenge_of_foreign_caller_is_not_answered() {
    let mut bench = without_proxy();
    let invite = bench.make("INVITE sip:alice-1@192.0.2.1", &FROM_BOB, Some(&sdp("offer")));
    bench.receive(invite);
    bench.response(100);
    assert!(matches!(bench.event(), Event::Incoming { invite: INBOUND, .. }));
    bench.command(Command::Accept { invite: INBOUND, body: Some(sdp("answer")) });
    let success = bench.response(200);
    let ack = DialogPeer::caller(&success).request(&mut bench, "ACK", &[], None);
    bench.receive(ack);
    bench.command(Command::HangUp { invite: INBOUND, reason: None });
    let bye = bench.request(&Method::Bye);
    bench.event();
    bench.receive(with(reply(&bye, 401, "b1"), "WWW-Authenticate", CHALLENGE));
    bench.assert_quiet();
    bench.assert_empty();
}

#[test]
fn sips_call_is_not_redirected_to_sip() {
    let mut bench = Bench::with_alice(settings());
    let mut request = order(Some("offer"));
    request.to = Destination::Uri("sips:bob@example.org".parse().unwrap());
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    let first = bench.request(&Method::Invite);
    bench.receive(with(reply(&first, 302, "x"), "Contact", "<sip:bob@example.org>, <sips:b@example.org>;q=0.1"));
    bench.request(&Method::Ack);
    let second = bench.request(&Method::Invite);
    assert_eq!(second.uri.to_string(), "sips:b@example.org");
}

#[test]
fn redirect_of_registered_phone_is_not_followed() {
    let mut bench = Bench::new(with_phones());
    let binding = register(&mut bench);
    let mut request = order(Some("offer"));
    request.account = None;
    request.to = Destination::Binding(binding);
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    let invite = bench.request(&Method::Invite);
    bench.receive(with(reply(&invite, 302, "x"), "Contact", "<sip:premium@evil.example>"));
    bench.request(&Method::Ack);
    let contacts = vec!["sip:premium@evil.example".parse().unwrap()];
    let cause = Cause::Refused { status: 302, reason: "Moved Temporarily".into(), contacts };
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause });
    bench.assert_quiet();
}

#[test]
fn challenged_refer_subscription_has_the_last_cseq() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    bench.command(Command::Refer {
        invite: CALL,
        target: Box::new("sip:carol@example.org".parse().unwrap()),
        replaces: None,
    });
    let first = bench.request(&Method::Refer);
    bench.receive(with(reply(&first, 407, "bob"), "Proxy-Authenticate", CHALLENGE));
    let second = bench.request(&Method::Refer);
    bench.receive(reply(&second, 202, "bob"));
    let id = second.headers.cseq().unwrap().number;
    let lines = [&*format!("Event: refer;id={id}"), "Subscription-State: terminated", "Content-Type: message/sipfrag"];
    let mut notify = bob.request(&mut bench, "NOTIFY", &lines, None);
    notify.body = b"SIP/2.0 200 OK\r\n".to_vec();
    bench.receive(notify);
    bench.response(200);
    let told = bench.take_events();
    assert!(matches!(told.last(), Some(Event::ReferProgress { status: 200, is_final: true, .. })), "{told:?}");
}

#[test]
fn refer_result_is_reported_despite_full_queue() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    let refer = bob.request(&mut bench, "REFER", &["Refer-To: <sip:carol@example.org>"], None);
    bench.receive(refer);
    bench.command(Command::AnswerRefer { invite: CALL, status: 202 });
    bench.response(202);
    for _ in 0..30 {
        bench.command(Command::NotifyRefer { invite: CALL, status: 180, reason: "Ringing".into() });
    }
    bench.command(Command::NotifyRefer { invite: CALL, status: 200, reason: "OK".into() });
    let mut last = bench.request(&Method::Notify);
    for _ in 0..30 {
        bench.receive(reply(&last, 200, "bob"));
        if bench.sent.is_empty() {
            break;
        }
        last = bench.request(&Method::Notify);
    }
    assert_eq!(last.body, b"SIP/2.0 200 OK\r\n");
    assert_eq!(last.headers.get("Subscription-State"), Some("terminated;reason=noresource"));
}

#[test]
fn refer_result_is_sent_before_bye() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    let refer = bob.request(&mut bench, "REFER", &["Refer-To: <sip:carol@example.org>"], None);
    bench.receive(refer);
    bench.command(Command::AnswerRefer { invite: CALL, status: 202 });
    bench.response(202);
    bench.command(Command::NotifyRefer { invite: CALL, status: 180, reason: "Ringing".into() });
    bench.command(Command::NotifyRefer { invite: CALL, status: 200, reason: "OK".into() });
    assert_eq!(bench.request(&Method::Notify).body, b"SIP/2.0 100 Trying\r\n");
    assert!(bench.sent.is_empty(), "only one NOTIFY can be pending");
    bench.command(Command::HangUp { invite: CALL, reason: None });
    assert_eq!(bench.request(&Method::Notify).body, b"SIP/2.0 200 OK\r\n");
    bench.request(&Method::Bye);
}

#[test]
fn prack_to_caller_is_rejected_with_481() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    let prack = bob.request(&mut bench, "PRACK", &["RAck: 1 1 INVITE"], Some(&sdp("offer")));
    bench.receive(prack);
    bench.response(481);
    bench.assert_quiet();
}

#[test]
fn session_refresh_uses_invite_after_rejected_update() {
    let settings = UserAgentSettings { session_expires: Duration::from_secs(1_800), ..settings() };
    let more = [("Session-Expires", "1800;refresher=uac"), ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")];
    for status in [400, 403, 405, 488, 500, 501, 603] {
        let (mut bench, _) = called_out(settings.clone(), &more);
        bench.wait(Duration::from_secs(901));
        let update = bench.request(&Method::Update);
        // `Allow` in a later message does not enable UPDATE again.
        bench.receive(with(reply(&update, status, "bob"), "Allow", "INVITE, ACK, BYE, CANCEL, UPDATE"));
        bench.sent.clear();
        bench.wait(Duration::from_secs(15));
        let is_invite = |sent: &Message| matches!(sent, Message::Request(request) if request.method == Method::Invite);
        assert!(bench.sent.iter().any(is_invite), "{status}: {:#?}", bench.sent);
    }
}
