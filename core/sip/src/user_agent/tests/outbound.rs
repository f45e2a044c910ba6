//! Tests of outbound calls.

use super::bench::{ALICE, Bench, CALL, DialogPeer, calling, order, reply, sdp, settings, with, with_body};
use crate::message::{Method, Request};
use crate::user_agent::io::{Branch, Cause, Command, Event, Failure, Redirects, UserAgentSettings};
use core::time::Duration;

const CHALLENGE: &str = "Digest realm=\"example.org\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256";

fn invite(offer: Option<&str>) -> (Bench, Request) {
    calling(settings(), offer)
}

fn answered() -> (Bench, DialogPeer) {
    let (mut bench, invite) = invite(Some("offer"));
    bench.receive(with_body(reply(&invite, 200, "bob"), "answer"));
    let ack = bench.request(&Method::Ack);
    assert_eq!(ack.headers.to().unwrap().tag(), Some("bob"));
    assert_eq!(ack.uri.to_string(), "sip:bob@192.0.2.2");
    assert_eq!(bench.event(), Event::Answered { invite: CALL, branch: Branch(0), body: Some(sdp("answer")) });
    (bench, DialogPeer::callee(&invite, "bob"))
}

#[test]
fn changed_source_address_of_peer_is_reported() {
    let (mut bench, mut bob) = answered();
    let peer = super::bench::peer().ip();
    assert_eq!(bench.sources, [peer]);
    let moved: std::net::SocketAddr = "198.51.100.9:40000".parse().unwrap();
    for _ in 0..2 {
        let info = bob.request(&mut bench, "INFO", &[], None);
        bench.receive_from(moved, crate::transport::Transport::Udp, info);
    }
    assert_eq!(bench.sources, [peer, moved.ip()]);
}

#[test]
fn outgoing_invite_has_identities_and_extensions() {
    let (_, invite) = invite(Some("offer"));
    let header = |name: &str| invite.headers.get(name).unwrap_or_default().to_owned();
    assert_eq!(invite.uri.to_string(), "sip:bob@example.org");
    assert_eq!(header("Route"), "<sip:192.0.2.2;lr>");
    assert_eq!(header("Contact"), "<sip:alice-1@192.0.2.1>");
    assert!(header("From").starts_with("\"Alice\" <sip:alice@example.org>;tag="));
    assert_eq!(header("To"), "<sip:bob@example.org>");
    assert_eq!(header("CSeq"), "1 INVITE");
    assert_eq!(header("Max-Forwards"), "70");
    assert_eq!(header("Supported"), "100rel, replaces, norefersub");
    assert!(header("Allow").contains("PRACK") && header("Allow").contains("UPDATE"));
    assert_eq!(header("User-Agent"), "Offhook");
    assert_eq!(header("Content-Type"), "application/sdp");
    assert_eq!(invite.body, b"offer");
}

#[test]
fn challenged_call_is_answered_and_ended_by_relay() {
    let (mut bench, first) = invite(Some("offer"));
    bench.receive(reply(&first, 100, ""));
    bench.receive(with(reply(&first, 407, "proxy"), "Proxy-Authenticate", CHALLENGE));
    assert_eq!(bench.request(&Method::Ack).headers.get("CSeq"), Some("1 ACK"));
    let second = bench.request(&Method::Invite);
    assert_eq!(second.headers.get("CSeq"), Some("2 INVITE"));
    assert_eq!(second.headers.call_id(), first.headers.call_id());
    let credentials = second.headers.get("Proxy-Authorization").unwrap().to_owned();
    assert!(credentials.contains("username=\"alice\"") && credentials.contains("nc=00000001"));
    bench.assert_quiet();
    bench.receive(reply(&second, 180, "bob"));
    let progress = bench.event();
    assert!(matches!(progress, Event::Progress { status: 180, branch: Branch(0), body: None, .. }), "{progress:?}");
    bench.receive(with_body(reply(&second, 200, "bob"), "answer"));
    let ack = bench.request(&Method::Ack);
    assert_eq!(ack.headers.get("Proxy-Authorization"), Some(credentials.as_str()), "RFC 3261 §22.1");
    assert_eq!(bench.event(), Event::Answered { invite: CALL, branch: Branch(0), body: Some(sdp("answer")) });
    bench.command(Command::HangUp { invite: CALL, reason: Some((200, "Bye".into())) });
    let bye = bench.request(&Method::Bye);
    assert_eq!(bye.headers.get("Reason"), Some("SIP;cause=200;text=\"Bye\""));
    assert!(bye.headers.get("Proxy-Authorization").unwrap().contains("nc=00000002"));
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Local });
    bench.receive(reply(&bye, 200, "bob"));
    bench.assert_quiet();
    bench.assert_empty();
}

#[test]
fn retransmitted_2xx_is_acknowledged_again() {
    let (mut bench, invite) = invite(Some("offer"));
    for _ in 0..3 {
        bench.receive(with_body(reply(&invite, 200, "bob"), "answer"));
        bench.request(&Method::Ack);
    }
    assert_eq!(bench.take_events().len(), 1);
}

#[test]
fn late_2xx_of_fork_is_acknowledged_with_credentials() {
    let (mut bench, first) = invite(Some("offer"));
    bench.receive(with(reply(&first, 407, "proxy"), "Proxy-Authenticate", CHALLENGE));
    bench.request(&Method::Ack);
    let second = bench.request(&Method::Invite);
    bench.receive(with_body(reply(&second, 200, "bob"), "answer"));
    bench.request(&Method::Ack);
    bench.take_events();
    bench.command(Command::HangUp { invite: CALL, reason: None });
    let bye = bench.request(&Method::Bye);
    bench.receive(reply(&bye, 200, "bob"));
    bench.take_events();
    bench.receive(with_body(reply(&second, 200, "carol"), "answer"));
    let ack = bench.request(&Method::Ack);
    for name in ["From", "Call-ID", "Proxy-Authorization"] {
        assert_eq!(ack.headers.get(name), second.headers.get(name), "{name}");
    }
    assert_eq!(ack.headers.get("CSeq"), Some("2 ACK"));
    assert_eq!(ack.headers.to().unwrap().tag(), Some("carol"));
    let bye = bench.request(&Method::Bye);
    assert_eq!(bye.headers.to().unwrap().tag(), Some("carol"));
    bench.receive(reply(&bye, 200, "carol"));
    bench.assert_quiet();
    bench.assert_empty();
}

#[test]
fn callee_bye_reports_its_reason() {
    let (mut bench, mut bob) = answered();
    let bye = bob.request(&mut bench, "BYE", &["Reason: Q.850;cause=16, SIP;cause=480;text=\"Gone\""], None);
    bench.receive(bye);
    bench.response(200);
    let reason = Some((480, "Gone".into()));
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Remote { reason } });
    bench.assert_empty();
}

#[test]
fn rejected_call_password_is_reported() {
    let (mut bench, first) = invite(Some("offer"));
    bench.receive(with(reply(&first, 401, "x"), "WWW-Authenticate", CHALLENGE));
    let second = bench.request(&Method::Invite);
    bench.receive(with(reply(&second, 401, "y"), "WWW-Authenticate", &CHALLENGE.replace("n1", "n2")));
    let cause = Cause::Failed(Failure::WrongPassword { realm: "example.org".into() });
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause });
    bench.assert_empty();
}

#[test]
fn stale_nonce_is_answered_again() {
    let (mut bench, first) = invite(Some("offer"));
    bench.receive(with(reply(&first, 401, "x"), "WWW-Authenticate", CHALLENGE));
    let second = bench.request(&Method::Invite);
    let stale = format!("{}, stale=true", CHALLENGE.replace("n1", "n2"));
    bench.receive(with(reply(&second, 401, "y"), "WWW-Authenticate", &stale));
    let third = bench.request(&Method::Invite);
    assert!(third.headers.get("Authorization").unwrap().contains("nonce=\"n2\""));
}

#[test]
fn proxy_and_server_may_both_challenge() {
    let (mut bench, first) = invite(Some("offer"));
    bench.receive(with(reply(&first, 407, "x"), "Proxy-Authenticate", CHALLENGE));
    let second = bench.request(&Method::Invite);
    let other = "Digest realm=\"pbx\", nonce=\"m1\", algorithm=MD5";
    bench.receive(with(reply(&second, 401, "y"), "WWW-Authenticate", other));
    let third = bench.request(&Method::Invite);
    assert!(third.headers.get("Proxy-Authorization").unwrap().contains("realm=\"example.org\""));
    assert!(third.headers.get("Authorization").unwrap().contains("realm=\"pbx\""));
}

#[test]
fn call_canceled_while_ringing_ends_with_487() {
    let (mut bench, invite) = invite(Some("offer"));
    bench.receive(reply(&invite, 180, "bob"));
    bench.take_events();
    bench.command(Command::HangUp { invite: CALL, reason: None });
    let cancel = bench.request(&Method::Cancel);
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Local });
    bench.receive(reply(&cancel, 200, "bob"));
    bench.receive(reply(&invite, 487, "bob"));
    bench.request(&Method::Ack);
    bench.assert_quiet();
    bench.assert_empty();
}

#[test]
fn cancel_waits_for_first_provisional_response() {
    let (mut bench, invite) = invite(Some("offer"));
    bench.command(Command::HangUp { invite: CALL, reason: None });
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Local });
    bench.assert_quiet();
    bench.receive(reply(&invite, 100, ""));
    bench.request(&Method::Cancel);
    bench.receive(reply(&invite, 487, "bob"));
    bench.assert_empty();
}

#[test]
fn response_2xx_crossing_cancel_gets_ack_and_bye() {
    let (mut bench, invite) = invite(Some("offer"));
    bench.receive(reply(&invite, 180, "bob"));
    bench.take_events();
    bench.command(Command::HangUp { invite: CALL, reason: None });
    bench.request(&Method::Cancel);
    bench.take_events();
    bench.receive(with_body(reply(&invite, 200, "bob"), "answer"));
    bench.request(&Method::Ack);
    let bye = bench.request(&Method::Bye);
    bench.receive(reply(&bye, 200, "bob"));
    bench.assert_quiet();
    bench.assert_empty();
}

#[test]
fn only_first_answering_fork_is_kept() {
    let (mut bench, invite) = invite(Some("offer"));
    bench.receive(reply(&invite, 180, "bob"));
    bench.receive(reply(&invite, 180, "carol"));
    let branches: Vec<Branch> = bench
        .take_events()
        .into_iter()
        .map(|event| match event {
            Event::Progress { branch, .. } => branch,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(branches, [Branch(0), Branch(1)]);
    bench.receive(with_body(reply(&invite, 200, "carol"), "carol's"));
    bench.request(&Method::Ack);
    assert_eq!(bench.event(), Event::Answered { invite: CALL, branch: Branch(1), body: Some(sdp("carol's")) });
    bench.receive(with_body(reply(&invite, 200, "bob"), "bob's"));
    let ack = bench.request(&Method::Ack);
    assert_eq!(ack.headers.to().unwrap().tag(), Some("bob"));
    let bye = bench.request(&Method::Bye);
    assert_eq!(bye.headers.to().unwrap().tag(), Some("bob"));
    bench.receive(reply(&bye, 200, "bob"));
    // The BYE was answered, but the ACK was lost.
    bench.receive(with_body(reply(&invite, 200, "bob"), "bob's"));
    assert_eq!(bench.only().headers().to().unwrap().tag(), Some("bob"));
    bench.assert_quiet();
    bench.command(Command::HangUp { invite: CALL, reason: None });
    let bye = bench.request(&Method::Bye);
    bench.receive(reply(&bye, 200, "carol"));
    bench.assert_empty();
}

#[test]
fn call_rejection_is_reported_with_status_and_reason() {
    let (mut bench, invite) = invite(Some("offer"));
    let mut busy = reply(&invite, 486, "bob");
    busy.reason = "On the other line".into();
    bench.receive(busy);
    bench.request(&Method::Ack);
    let cause = Cause::Refused { status: 486, reason: "On the other line".into(), contacts: Vec::new() };
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause });
    bench.assert_empty();
}

#[test]
fn unanswered_call_ends_with_timeout() {
    let (mut bench, _) = invite(Some("offer"));
    bench.wait(Duration::from_secs(33));
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Failed(Failure::Timeout) });
    bench.assert_empty();
}

#[test]
fn redirects_are_followed_by_priority_each_once() {
    let (mut bench, first) = invite(Some("offer"));
    let moved = "<sip:c@example.org>;q=0.2, <sip:b@example.org>;q=0.9, <sip:bob@example.org>, <mailto:b@example.org>";
    bench.receive(with(reply(&first, 302, "x"), "Contact", moved));
    bench.request(&Method::Ack);
    let second = bench.request(&Method::Invite);
    assert_eq!(second.uri.to_string(), "sip:b@example.org");
    assert_eq!(second.headers.get("To"), Some("<sip:bob@example.org>"));
    bench.receive(reply(&second, 480, "x"));
    bench.request(&Method::Ack);
    let third = bench.request(&Method::Invite);
    assert_eq!(third.uri.to_string(), "sip:c@example.org");
    bench.receive(with(reply(&third, 302, "x"), "Contact", "<sip:b@example.org>"));
    bench.request(&Method::Ack);
    let contacts = ["sip:bob@example.org", "mailto:b@example.org", "sip:b@example.org", "sip:c@example.org"];
    match bench.event() {
        Event::Ended { cause: Cause::Refused { status: 480, contacts: told, .. }, .. } => {
            assert_eq!(told.get(..4).unwrap(), contacts.map(|contact| contact.parse().unwrap()));
        }
        other => panic!("{other:?}"),
    }
    bench.assert_empty();
}

#[test]
fn call_with_unknown_account_fails_immediately() {
    let mut bench = Bench::new(settings());
    bench.command(Command::Invite { invite: CALL, request: Box::new(order(None)) });
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Failed(Failure::NoSuchHost) });
    bench.command(Command::RemoveAccount { account: ALICE });
    bench.assert_quiet();
    bench.assert_empty();
}

#[test]
fn callee_offer_in_2xx_is_answered_in_ack() {
    let (mut bench, invite) = invite(None);
    assert!(invite.body.is_empty());
    bench.receive(with_body(reply(&invite, 200, "bob"), "offer"));
    assert_eq!(bench.event(), Event::Answered { invite: CALL, branch: Branch(0), body: Some(sdp("offer")) });
    bench.assert_quiet();
    bench.receive(with_body(reply(&invite, 200, "bob"), "offer"));
    bench.assert_quiet();
    bench.command(Command::AnswerOffer { invite: CALL, branch: Branch(0), body: sdp("answer") });
    let ack = bench.request(&Method::Ack);
    assert_eq!((ack.body.as_slice(), ack.headers.get("Content-Type")), (b"answer".as_slice(), Some("application/sdp")));
    bench.receive(with_body(reply(&invite, 200, "bob"), "offer"));
    assert_eq!(bench.request(&Method::Ack).body, b"answer");
    bench.assert_quiet();
}

#[test]
fn rejected_delayed_offer_ends_the_call() {
    let (mut bench, invite) = invite(None);
    bench.receive(with_body(reply(&invite, 200, "bob"), "offer"));
    bench.take_events();
    bench.command(Command::RefuseOffer { invite: CALL, branch: Branch(0), status: 488, reason: None });
    assert!(bench.request(&Method::Ack).body.is_empty());
    let bye = bench.request(&Method::Bye);
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Local });
    bench.receive(reply(&bye, 200, "bob"));
    bench.assert_empty();
}

#[test]
fn unreachable_network_or_silent_callee_fails_the_call() {
    let (mut bench, _) = answered();
    bench.command(Command::HangUp { invite: CALL, reason: None });
    bench.request(&Method::Bye);
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Local });
    bench.assert_empty();
}

#[test]
fn redirects_are_limited_by_configuration() {
    use Redirects::{All, Domain, Off};
    let (home, server, elsewhere) = ("sip:carol@example.org", "sip:carol@192.0.2.2:5080", "sip:carol@198.51.100.9");
    for (redirects, contact, is_followed) in [
        (Domain, home, true),
        (Domain, server, true),
        (Domain, elsewhere, false),
        // The host is the original one, but `maddr` selects another address, which would receive the credentials.
        (Domain, "sip:carol@example.org;maddr=198.51.100.9", false),
        (Domain, "sip:carol@192.0.2.2:5080;maddr=198.51.100.9", false),
        (All, elsewhere, true),
        (Off, home, false),
    ] {
        let (mut bench, invite) = calling(UserAgentSettings { redirects, ..settings() }, Some("offer"));
        bench.receive(with(reply(&invite, 302, "bob"), "Contact", &format!("<{contact}>")));
        bench.request(&Method::Ack);
        if is_followed {
            assert_eq!(bench.request(&Method::Invite).uri.to_string(), contact, "{redirects:?}");
            bench.assert_quiet();
        } else {
            let Event::Ended { cause: Cause::Refused { status: 302, contacts, .. }, .. } = bench.event() else {
                panic!()
            };
            assert_eq!(contacts, [contact.parse().unwrap()], "the contact is reported");
        }
    }
}
