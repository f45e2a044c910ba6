//! Tests of other methods, in dialogs and outside, and of application headers.

use super::bench::{Bench, CALL, called_out, order, reply, sdp, settings};
use crate::message::Method;
use crate::user_agent::application_headers;
use crate::user_agent::io::{Body, Cause, Command, Destination, Event, Identity, Origin, UserAgentSettings};
use core::time::Duration;

const OUT_OF_DIALOG: [&str; 4] =
    ["From: <sip:bob@example.org>;tag=b", "To: <sip:x@y>", "Call-ID: s1", "Contact: <sip:b@192.0.2.2>"];

fn send_request(bench: &mut Bench, method: &str, uri: &str, more: &[&str]) {
    let cseq = format!("CSeq: 9 {method}");
    let call_id = format!("Call-ID: {}", bench.branch());
    let lines: Vec<&str> = OUT_OF_DIALOG
        .iter()
        .copied()
        .filter(|line| !line.starts_with("Call-ID"))
        .chain([cseq.as_str(), call_id.as_str()])
        .chain(more.iter().copied())
        .collect();
    let request = bench.make(&format!("{method} {uri}"), &lines, None);
    bench.receive(request);
}

#[test]
fn options_response_lists_capabilities() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    send_request(&mut bench, "OPTIONS", "sip:192.0.2.1", &[]);
    let outside = bench.response(200);
    let inside = bob.request(&mut bench, "OPTIONS", &[], None);
    bench.receive(inside);
    for response in [outside, bench.response(200)] {
        assert!(response.headers.get("Allow").unwrap().contains("REFER"));
        assert!(response.headers.get("Supported").unwrap().contains("replaces"));
        assert_eq!(response.headers.get("Accept"), Some("application/sdp"));
        assert!(response.headers.to().unwrap().tag().is_some());
    }
}

#[test]
fn unsupported_methods_get_their_status() {
    let mut bench = Bench::with_alice(settings());
    let cases = [
        ("SUBSCRIBE", 489),
        ("PUBLISH", 489),
        ("NOTIFY", 489),
        ("REFER", 403),
        ("REGISTER", 405),
        ("DANCE", 501),
        ("BYE", 481),
        ("INFO", 481),
        ("UPDATE", 481),
        ("PRACK", 481),
    ];
    for (method, status) in cases {
        send_request(&mut bench, method, "sip:alice-1@192.0.2.1", &[]);
        let response = bench.response(status);
        assert_eq!(response.headers.has("Allow"), matches!(status, 405 | 501), "{method}");
    }
    send_request(&mut bench, "OPTIONS", "sip:192.0.2.1", &["Require: levitation"]);
    assert_eq!(bench.response(420).headers.get("Unsupported"), Some("levitation"));
    send_request(&mut bench, "INVITE", "mailto:alice@example.org", &[]);
    bench.response(416);
    bench.assert_empty();
}

#[test]
fn unsupported_in_dialog_method_keeps_the_dialog() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    for (method, status) in [("SUBSCRIBE", 489), ("PUBLISH", 405), ("REGISTER", 405), ("DANCE", 501), ("NOTIFY", 489)] {
        let request = bob.request(&mut bench, method, &[], None);
        bench.receive(request);
        bench.response(status);
    }
    let request = bob.request(&mut bench, "INFO", &["Require: levitation"], None);
    bench.receive(request);
    bench.response(420);
    bench.assert_quiet();
}

#[test]
fn message_method_is_rejected() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    let lines = ["From: \"Bob\" <sip:bob@example.org>;tag=b", "To: <sip:a@b>", "Call-ID: m1", "CSeq: 1 MESSAGE"];
    let body = Body { content_type: "text/plain".into(), octets: b"hello".to_vec() };
    let outside = bench.make("MESSAGE sip:alice-1@192.0.2.1", &lines, Some(&body));
    let inside = bob.request(&mut bench, "MESSAGE", &[], Some(&body));
    for request in [outside, inside] {
        bench.receive(request);
        let refused = bench.response(405);
        assert!(!refused.headers.get("Allow").unwrap().contains("MESSAGE"));
        bench.assert_quiet();
    }
}

#[test]
fn sips_request_has_sips_contact() {
    let mut bench = Bench::with_alice(settings());
    let mut request = order(Some("offer"));
    request.to = Destination::Uri("sips:bob@example.org".parse().unwrap());
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    let invite = bench.request(&Method::Invite);
    assert!(invite.headers.get("Contact").unwrap().starts_with("<sips:alice-1@192.0.2.1"));
}

#[test]
fn info_is_sent_and_received() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    let digit = Body { content_type: "application/dtmf-relay".into(), octets: b"Signal=5\r\n".to_vec() };
    bench.command(Command::Info { invite: CALL, body: digit.clone() });
    let info = bench.request(&Method::Info);
    assert_eq!(info.headers.get("Content-Type"), Some("application/dtmf-relay"));
    bench.receive(reply(&info, 415, "bob"));
    bench.assert_quiet();
    let info = bob.request(&mut bench, "INFO", &[], Some(&digit));
    bench.receive(info);
    bench.response(200);
    assert_eq!(bench.event(), Event::Info { invite: CALL, body: digit });
    bench.command(Command::Info { invite: CALL, body: sdp("x") });
    let info = bench.request(&Method::Info);
    bench.receive(reply(&info, 481, "bob"));
    assert_eq!(bench.event(), Event::Ended { invite: CALL, cause: Cause::Lost });
}

#[test]
fn info_package_is_rejected_with_empty_recv_info() {
    let (mut bench, mut bob) = called_out(settings(), &[]);
    let info = bob.request(&mut bench, "INFO", &["Info-Package: infoDtmf"], None);
    bench.receive(info);
    let response = bench.response(469);
    assert_eq!(response.headers.get("Recv-Info"), Some(""));
    let octets = response.to_bytes();
    assert!(String::from_utf8(octets).unwrap().contains("\r\nRecv-Info: \r\n"));
    assert!(bench.events.is_empty(), "the call goes on without the content of the package");
}

#[test]
fn application_cannot_set_user_agent_headers() {
    for (name, value) in [
        ("Via", "x"),
        ("v", "x"),
        ("CONTACT", "<sip:evil@example.org>"),
        ("Route", "<sip:evil@example.org>"),
        ("Content-Length", "0"),
        ("P-Asserted-Identity", "<sip:ceo@example.org>"),
        ("remote-party-id", "<sip:ceo@example.org>;party=calling"),
        ("Diversion", "<sip:ceo@example.org>"),
        ("History-Info", "<sip:ceo@example.org>;index=1"),
        ("y", "x;info=<https://example.org>"),
        ("p-charge-info", "<sip:ceo@example.org>"),
        ("X-A", "1\r\nX-B: 2"),
        ("X-A", "1\n 2"),
        ("X-A\r\nX-B", "2"),
        ("X A", "1"),
        ("", "1"),
    ] {
        assert!(!application_headers::is_allowed(name, value), "{name}: {value}");
    }
    assert!(application_headers::is_allowed("X-Customer", "ümläut, ok"));
    assert!(application_headers::is_allowed("Subject", ""));
    let mut bench = Bench::with_alice(settings());
    let mut request = order(Some("offer"));
    request.headers =
        vec![("X-Ok".into(), "yes".into()), ("X-Bad".into(), "1\r\nX-Worse: 2".into()), ("To".into(), "x".into())];
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    let invite = bench.request(&Method::Invite);
    assert_eq!(invite.headers.get("X-Ok"), Some("yes"));
    assert!(!invite.headers.has("X-Bad") && !invite.headers.has("X-Worse"));
    assert_eq!(invite.headers.lines("To").count(), 1);
}

#[test]
fn display_name_with_line_break_stays_in_header() {
    let mut bench = Bench::with_alice(settings());
    let mut request = order(Some("offer"));
    let name = Some("Eve\"\r\nX-Worse: 2".to_owned());
    request.from = Some(Identity { name, uri: "sip:eve@example.org".parse().unwrap() });
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    let invite = bench.request(&Method::Invite);
    assert!(!invite.headers.has("X-Worse"));
    assert_eq!(invite.headers.from().unwrap().uri.to_string(), "sip:eve@example.org");
}

#[test]
fn anonymous_caller_is_identified_to_server_only() {
    let mut bench = Bench::with_alice(settings());
    let mut request = order(Some("offer"));
    request.anonymous = true;
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    let invite = bench.request(&Method::Invite);
    assert_eq!(invite.headers.from().unwrap().uri.to_string(), "sip:anonymous@anonymous.invalid");
    assert_eq!(invite.headers.get("Privacy"), Some("id"));
    assert_eq!(invite.headers.get("P-Preferred-Identity"), Some("\"Alice\" <sip:alice@example.org>"));
}

#[test]
fn trunk_asserts_the_caller_identity() {
    let mut bench = Bench::with_alice(settings());
    let mut request = order(Some("offer"));
    request.asserted = Some(Identity { name: None, uri: "tel:+4930123".parse().unwrap() });
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    assert_eq!(bench.request(&Method::Invite).headers.get("P-Asserted-Identity"), Some("<tel:+4930123>"));
}

#[test]
fn tel_uri_is_called_at_account_server() {
    let mut bench = Bench::with_alice(settings());
    let mut request = order(Some("offer"));
    request.to = Destination::Uri("tel:+49-30-123".parse().unwrap());
    bench.command(Command::Invite { invite: CALL, request: Box::new(request) });
    assert_eq!(bench.request(&Method::Invite).uri.to_string(), "sip:+4930123@example.org;user=phone");
}

#[test]
fn trusted_server_asserts_the_caller() {
    let trusted = vec!["192.0.2.2".parse().unwrap()];
    let mut bench = Bench::with_alice(UserAgentSettings { trusted, accept_unknown: true, ..settings() });
    let more = ["P-Asserted-Identity: \"Bob\" <sip:+49301@example.org>", "Privacy: id"];
    send_request(&mut bench, "INVITE", "sip:reception@relay.example", &more);
    let Event::Incoming { request, .. } = bench.event() else { panic!() };
    assert_eq!(request.origin, Origin::Unknown);
    assert_eq!(request.asserted.unwrap().uri.to_string(), "sip:+49301@example.org");
    assert!(request.anonymous);
    let more = ["Remote-Party-ID: <sip:+49302@example.org>;party=calling;screen=yes"];
    send_request(&mut bench, "INVITE", "sip:reception@relay.example", &more);
    let Event::Incoming { request, .. } = bench.event() else { panic!() };
    assert_eq!(request.asserted.unwrap().uri.to_string(), "sip:+49302@example.org");
}

#[test]
fn calls_from_one_address_are_limited() {
    let mut bench = Bench::with_alice(UserAgentSettings { accept_unknown: true, ..settings() });
    for _ in 0..256 {
        send_request(&mut bench, "INVITE", "sip:reception@relay.example", &[]);
        bench.response(100);
    }
    assert_eq!(bench.take_events().len(), 256);
    send_request(&mut bench, "INVITE", "sip:reception@relay.example", &[]);
    assert!(bench.response(503).headers.has("Retry-After"));
    assert!(bench.events.is_empty());
}

#[test]
fn shutdown_ends_calls_and_registrations() {
    let (mut bench, _) = called_out(settings(), &[]);
    send_request(&mut bench, "INVITE", "sip:alice-1@192.0.2.1", &[]);
    bench.take_events();
    bench.command(Command::Shutdown);
    bench.request(&Method::Bye);
    bench.response(480);
    let told = bench.take_events();
    assert_eq!(told.iter().filter(|event| matches!(event, Event::Ended { cause: Cause::Local, .. })).count(), 2);
    send_request(&mut bench, "INVITE", "sip:alice-1@192.0.2.1", &[]);
    bench.response(503);
    bench.wait(Duration::from_secs(60));
    bench.assert_empty();
}
