//! Tests of received requests.

use super::{Bench, octets, settings, source};
use crate::message::{HeaderName, Method, Request, Response};
use crate::transaction::layer::{Event, Input, Output, ServerKey};
use crate::transport::{self, FlowId, Hop, Target, Transport};
use core::time::Duration;

const INVITE: &str = "INVITE sip:alice@192.0.2.1 SIP/2.0
    Via: SIP/2.0/UDP 10.0.0.7:5062;branch=z9hG4bKb;rport
    From: <sip:bob@example.org>;tag=b
    To: <sip:alice@example.net>
    Call-ID: call
    CSeq: 1 INVITE
    Max-Forwards: 70
    Content-Length: 0";

/// Returns the INVITE with another method.
fn with_method(method: &str) -> String {
    INVITE.replace("INVITE", method)
}

fn over(transport: Transport, text: &str) -> Vec<u8> {
    octets(&text.replace("SIP/2.0/UDP", &format!("SIP/2.0/{transport}")))
}

/// Receives a request that is reported as an event.
fn receive(bench: &mut Bench, transport: Transport, text: &str) -> (ServerKey, Request) {
    bench.receive(transport, over(transport, text));
    let event = bench.event();
    let Event::Request { key, request, .. } = event else { panic!("no request: {event:?}") };
    (key, *request)
}

fn respond(bench: &mut Bench, key: ServerKey, request: &Request, status: u16) -> bool {
    let mut response = Response::to(request, status, "");
    if status > 100 {
        response.set_to_tag("relay");
    }
    bench.layer.respond(key, &response, bench.now)
}

#[test]
fn request_is_reported_once_and_response_retransmitted() {
    let mut bench = Bench::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        let (key, request) = receive(&mut bench, transport, &with_method("OPTIONS"));
        let octets = over(transport, &with_method("OPTIONS"));
        bench.receive(transport, octets.clone());
        assert_eq!(bench.outputs(), [], "no response before the transaction user responds");
        bench.save_and_load();
        assert!(bench.layer.is_waiting(key));
        assert!(respond(&mut bench, key, &request, 200));
        let sent = bench.sent_one();
        assert_eq!((sent.status(), &sent.hop), (200, &Hop::Flow(FlowId(7))));
        assert!(!bench.layer.is_waiting(key));
        assert!(!respond(&mut bench, key, &request, 404), "no second final response");
        if transport == Transport::Udp {
            bench.receive(transport, octets);
            let again = bench.sent_one();
            assert_eq!((again.message, again.hop), (sent.message, sent.hop));
        }
        bench.assert_forgets_everything();
    }
}

#[test]
fn request_source_is_noted_in_top_via() {
    let mut bench = Bench::new();
    let (_, request) = receive(&mut bench, Transport::Udp, INVITE);
    let via = request.headers.top_via().unwrap();
    assert_eq!(via.received(), Some("198.51.100.7".parse().unwrap()));
    assert_eq!(via.rport(), Some(40_000));

    let plain = with_method("OPTIONS").replace(";rport", "");
    let (_, request) = receive(&mut bench, Transport::Udp, &plain);
    let via = request.headers.top_via().unwrap();
    assert_eq!((via.received(), via.rport()), (Some("198.51.100.7".parse().unwrap()), None));

    let honest = with_method("INFO").replace(";rport", "").replace("10.0.0.7", "198.51.100.7");
    let (_, request) = receive(&mut bench, Transport::Udp, &honest);
    assert_eq!(request.headers.top_via().unwrap().received(), None);
}

#[test]
fn response_destination_follows_via_and_rport() {
    let mut bench = Bench::new();
    let plain = with_method("OPTIONS").replace(";rport", "").replace("10.0.0.7", "198.51.100.7");
    for (text, hop) in [
        (with_method("OPTIONS"), Hop::Flow(FlowId(7))),
        (plain.clone(), Hop::Target(super::target(Transport::Udp, "198.51.100.7:5062"))),
        (plain.replace(":5062", ""), Hop::Target(super::target(Transport::Udp, "198.51.100.7:5060"))),
        (plain.replace(":5062", ":40000"), Hop::Flow(FlowId(7))),
        (plain.replace(";branch", ";maddr=203.0.113.66;branch"), {
            Hop::Target(super::target(Transport::Udp, "198.51.100.7:5062"))
        }),
        // The peer is behind a NAT, where the port in `Via` is not open.
        (plain.replace("198.51.100.7", "10.0.0.7"), Hop::Flow(FlowId(7))),
        (
            plain.replace("198.51.100.7", "phone.example"),
            Hop::Target(super::target(Transport::Udp, "198.51.100.7:5062")),
        ),
    ] {
        let (key, request) = receive(&mut bench, Transport::Udp, &text);
        respond(&mut bench, key, &request, 200);
        assert_eq!(bench.sent_one().hop, hop, "{text}");
        bench.assert_forgets_everything();
    }
}

#[test]
fn response_uses_fallback_after_connection_loss() {
    let mut bench = Bench::new();
    let (key, request) = receive(&mut bench, Transport::Tcp, INVITE);
    bench.layer.handle_input(Input::FlowClosed { flow: FlowId(7) }, bench.now);
    assert_eq!(bench.outputs(), [], "no response to reroute yet");
    respond(&mut bench, key, &request, 486);
    let target = super::target(Transport::Tcp, "198.51.100.7:5062");
    let sent = bench.sent_one();
    assert_eq!(sent.hop, Hop::Target(target.clone()));
    bench.fail(&sent);
    assert_eq!(bench.outputs(), [], "no third destination");
    bench.assert_forgets_everything();

    let (key, request) = receive(&mut bench, Transport::Tls, &INVITE.replace("10.0.0.7:5062", "phone.example.org"));
    respond(&mut bench, key, &request, 180);
    let sent = bench.sent_one();
    bench.fail(&sent);
    let again = bench.sent_one();
    let target = Target { host: Some("phone.example.org".to_owned()), ..target };
    let target = Target { transport: Transport::Tls, address: "198.51.100.7:5061".parse().unwrap(), ..target };
    assert_eq!((again.hop, again.message), (Hop::Target(target), sent.message));
    bench.layer.handle_input(Input::FlowClosed { flow: FlowId(7) }, bench.now);
    bench.layer.handle_input(Input::SendFailed { transmission: sent.transmission }, bench.now);
    assert_eq!(bench.outputs(), [], "a repeated failure report has no effect");
    respond(&mut bench, key, &request, 486);
    bench.assert_forgets_everything();
}

#[test]
fn invite_without_response_sends_100_after_200_ms() {
    let mut bench = Bench::new();
    let (key, request) = receive(&mut bench, Transport::Udp, INVITE);
    bench.wait(Duration::from_millis(199));
    assert_eq!(bench.outputs(), []);
    bench.wait(Duration::from_millis(1));
    let trying = bench.sent_one();
    assert_eq!(trying.status(), 100);
    assert_eq!(trying.response().headers.to().unwrap().tag(), None);
    bench.receive(Transport::Udp, octets(INVITE));
    assert_eq!(bench.sent_one().status(), 100);
    respond(&mut bench, key, &request, 180);
    assert_eq!(bench.sent_one().status(), 180);
    bench.receive(Transport::Udp, octets(INVITE));
    assert_eq!(bench.sent_one().status(), 180);
}

#[test]
fn failure_response_is_retransmitted_until_ack() {
    let mut bench = Bench::new();
    let (key, request) = receive(&mut bench, Transport::Udp, INVITE);
    respond(&mut bench, key, &request, 486);
    bench.wait(Duration::from_millis(500));
    assert_eq!(bench.sent().len(), 2);
    bench.receive(Transport::Udp, octets(&with_method("ACK")));
    bench.receive(Transport::Udp, octets(&with_method("ACK")));
    bench.wait(Duration::from_secs(4));
    assert_eq!(bench.outputs(), [], "neither retransmitted nor reported");
    bench.assert_forgets_everything();

    let (key, request) = receive(&mut bench, Transport::Udp, INVITE);
    respond(&mut bench, key, &request, 486);
    bench.wait(Duration::from_secs(32));
    let mut outputs = bench.outputs();
    assert_eq!(outputs.pop(), Some(Output::Event(Event::Unacknowledged { key })));
    assert_eq!(outputs.len(), 11);
    bench.assert_forgets_everything();
}

#[test]
fn response_2xx_is_left_to_transaction_user() {
    let mut bench = Bench::new();
    let (key, request) = receive(&mut bench, Transport::Udp, INVITE);
    respond(&mut bench, key, &request, 200);
    bench.wait(Duration::from_secs(5));
    assert_eq!(bench.sent().len(), 1, "the layer does not retransmit a 2xx");
    bench.receive(Transport::Udp, octets(INVITE));
    assert_eq!(bench.outputs(), []);
    assert!(respond(&mut bench, key, &request, 200));
    assert_eq!(bench.sent_one().status(), 200);
    assert!(!respond(&mut bench, key, &request, 486));
    // Some clients send the ACK with the branch of the INVITE.
    for branch in ["z9hG4bKb", "z9hG4bKc"] {
        bench.receive(Transport::Udp, octets(&with_method("ACK").replace("z9hG4bKb", branch)));
        assert!(matches!(bench.event(), Event::Ack { request, .. } if request.method == Method::Ack));
    }
    bench.assert_forgets_everything();
}

#[test]
fn cancel_is_answered_and_reported() {
    let mut bench = Bench::new();
    let (key, request) = receive(&mut bench, Transport::Udp, INVITE);
    respond(&mut bench, key, &request, 180);
    bench.outputs();
    bench.receive(Transport::Udp, octets(&with_method("CANCEL")));
    let outputs = bench.outputs();
    let [
        Output::Transport(transport::io::Output::Send { octets: answer, .. }),
        Output::Event(Event::Cancelled { key: events, .. }),
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(*events, key);
    let answer = String::from_utf8(answer.clone()).unwrap();
    assert!(answer.starts_with("SIP/2.0 200 ") && answer.contains("CSeq: 1 CANCEL"), "{answer}");
    assert!(answer.contains(";tag=relay"), "the tag of the INVITE's responses");
    bench.receive(Transport::Udp, octets(&with_method("CANCEL")));
    assert_eq!(bench.sent_one().status(), 200, "the CANCEL is reported once");
    respond(&mut bench, key, &request, 487);
    assert_eq!(bench.sent_one().status(), 487);
    bench.receive(Transport::Udp, octets(&with_method("ACK")));
    bench.assert_forgets_everything();
}

#[test]
fn cancel_after_2xx_has_no_effect() {
    let mut bench = Bench::new();
    let (key, request) = receive(&mut bench, Transport::Udp, INVITE);
    respond(&mut bench, key, &request, 200);
    bench.outputs();
    bench.receive(Transport::Udp, octets(&with_method("CANCEL")));
    assert_eq!(bench.sent_one().status(), 200);
    bench.assert_forgets_everything();
}

#[test]
fn cancel_without_invite_is_rejected_with_481() {
    let mut bench = Bench::new();
    bench.receive(Transport::Udp, octets(&with_method("CANCEL")));
    let sent = bench.sent_one();
    assert_eq!(sent.status(), 481);
    assert!(sent.response().headers.to().unwrap().tag().is_some());
    assert_eq!(bench.layer.transaction_count(), (0, 0));
}

#[test]
fn merged_request_is_rejected_with_482() {
    let mut bench = Bench::new();
    let (_, first) = receive(&mut bench, Transport::Udp, INVITE);
    bench.receive(Transport::Udp, octets(&INVITE.replace("z9hG4bKb", "z9hG4bKc")));
    assert_eq!(bench.sent_one().status(), 482);
    assert_eq!(bench.layer.counters().merged_requests, 1);

    let other_contact = INVITE.replace("z9hG4bKb", "z9hG4bKd").replace("sip:alice@192", "sip:carol@192");
    let (_, forked) = receive(&mut bench, Transport::Udp, &other_contact);
    assert_ne!(first.uri, forked.uri);

    let inside = with_method("UPDATE").replace("sip:alice@example.net>", "sip:alice@example.net>;tag=relay");
    receive(&mut bench, Transport::Udp, &inside);
    receive(&mut bench, Transport::Udp, &inside.replace("z9hG4bKb", "z9hG4bKe"));
}

#[test]
fn invite_with_zero_max_forwards_is_rejected() {
    let mut bench = Bench::new();
    let exhausted = |text: &str| text.replace("Max-Forwards: 70", "Max-Forwards: 0");
    bench.receive(Transport::Udp, octets(&exhausted(INVITE)));
    assert_eq!(bench.sent_one().status(), 483);
    receive(&mut bench, Transport::Udp, &exhausted(&with_method("OPTIONS")));
    let inside = exhausted(INVITE).replace("z9hG4bKb", "z9hG4bKi").replace(".net>", ".net>;tag=relay");
    receive(&mut bench, Transport::Udp, &inside);
}

#[test]
fn rfc_2543_request_matches_without_branch() {
    let mut bench = Bench::new();
    let old = |text: &str| text.replace(";branch=z9hG4bKb", "");
    let (key, request) = receive(&mut bench, Transport::Udp, &old(INVITE));
    bench.receive(Transport::Udp, octets(&old(INVITE)));
    assert_eq!(bench.sent_one().status(), 100, "a retransmission without a branch matches");
    let (_, other) = receive(&mut bench, Transport::Udp, &old(INVITE).replace("CSeq: 1", "CSeq: 2"));
    assert_eq!(other.headers.cseq().unwrap().number, 2);
    bench.receive(Transport::Udp, octets(&old(&with_method("CANCEL"))));
    let outputs = bench.outputs();
    let [Output::Transport(transport::io::Output::Send { .. }), Output::Event(Event::Cancelled { key: events, .. })] =
        &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(*events, key);
    respond(&mut bench, key, &request, 487);
    assert_eq!(bench.sent_one().status(), 487);
    bench.receive(Transport::Udp, octets(&old(&with_method("ACK"))));
    bench.wait(Duration::from_millis(100));
    assert_eq!(bench.outputs(), [], "no retransmission after the ACK");
}

/// Returns an out-of-dialog request with a different branch and Call-ID.
fn another(text: &str, number: usize) -> String {
    text.replace("z9hG4bKb", &format!("z9hG4bKb{number}")).replace("Call-ID: call", &format!("Call-ID: call{number}"))
}

#[test]
fn full_table_rejects_only_new_invites() {
    let mut settings = settings();
    settings.limits.servers_per_source = 1;
    let mut bench = Bench::with(settings);
    let (key, request) = receive(&mut bench, Transport::Udp, INVITE);
    bench.receive(Transport::Udp, octets(&another(INVITE, 1)));
    let sent = bench.sent_one();
    assert_eq!((sent.status(), sent.response().headers.get(HeaderName::RetryAfter)), (503, Some("10")));
    assert_eq!(bench.layer.counters().overloaded, 1);
    bench.receive(Transport::Udp, octets(&with_method("CANCEL")));
    assert_eq!(bench.outputs().len(), 2, "CANCEL is served despite overload");

    // Out-of-dialog requests and the BYE of a call are served; their transactions end with the final response.
    let bye = with_method("BYE").replace("sip:alice@example.net>", "sip:alice@example.net>;tag=relay");
    for (number, text) in [with_method("OPTIONS"), with_method("REGISTER"), bye].iter().enumerate() {
        let before = bench.layer.transaction_count();
        let (key, request) = receive(&mut bench, Transport::Udp, &another(text, number));
        assert!(respond(&mut bench, key, &request, 200));
        assert_eq!(bench.sent_one().status(), 200, "{text}");
        assert_eq!(bench.layer.transaction_count(), before, "{text}");
    }
    respond(&mut bench, key, &request, 487);
    bench.wait(Duration::from_secs(40));
    bench.outputs();
    let (key, request) = receive(&mut bench, Transport::Udp, INVITE);
    respond(&mut bench, key, &request, 486);
    bench.assert_forgets_everything();
}

#[test]
fn ipv6_source_limit_applies_per_64() {
    let mut settings = settings();
    settings.limits.servers_per_source = 1;
    let mut bench = Bench::with(settings);
    let mut status = |address: &str, number| {
        let source = transport::Source {
            remote: address.parse().unwrap(),
            local: "[2001:db8::1]:5060".parse().unwrap(),
            ..source(Transport::Udp)
        };
        bench.layer.handle_input(Input::Received { source, octets: octets(&another(INVITE, number)) }, bench.now);
        match &bench.outputs()[..] {
            [Output::Event(Event::Request { .. })] => None,
            [Output::Transport(transport::io::Output::Send { octets, .. })] => {
                Some(String::from_utf8_lossy(octets)[8..11].to_owned())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status("[2001:db8:1::7]:5060", 1), None);
    assert_eq!(status("[2001:db8:1::ffff:8]:5060", 2).as_deref(), Some("503"), "same /64");
    assert_eq!(status("[2001:db8:1:1::7]:5060", 3), None);
}

#[test]
fn stateless_responses_are_identical_for_retransmissions() {
    let mut bench = Bench::new();
    for (text, status) in [(INVITE.to_owned(), 401), (with_method("OPTIONS"), 200), (with_method("REGISTER"), 401)] {
        let mut answer = || {
            let (key, request) = receive(&mut bench, Transport::Udp, &text);
            let mut response = Response::to(&request, status, "");
            response.set_stateless_tag();
            bench.layer.respond_statelessly(key, &response, bench.now);
            assert_eq!(bench.layer.transaction_count(), (0, 0), "{text}");
            bench.sent_one()
        };
        let (first, again) = (answer(), answer());
        assert_eq!(first.message, again.message);
        assert!(first.response().headers.to().unwrap().tag().is_some());
    }
    bench.assert_forgets_everything();

    // Over a stream a transaction is kept: it ends immediately for most requests, and the ACK of an INVITE must match
    // it.
    let (key, request) = receive(&mut bench, Transport::Tcp, INVITE);
    bench.layer.respond_statelessly(key, &Response::to(&request, 401, ""), bench.now);
    assert_eq!((bench.sent_one().status(), bench.layer.transaction_count()), (401, (0, 1)));
    bench.receive(Transport::Tcp, over(Transport::Tcp, &with_method("ACK")));
    assert_eq!(bench.outputs(), []);
    bench.assert_forgets_everything();
}

#[test]
fn server_transaction_memory_is_bounded() {
    let mut settings = settings();
    settings.limits.server_octets = 100_000;
    let mut bench = Bench::with(settings);
    for call in 0..20 {
        let large = another(INVITE, call).replace("branch=", &format!("branch=z9hG4bK{call}{}", "x".repeat(9_000)));
        bench.receive(Transport::Udp, octets(&large));
    }
    assert!(bench.layer.server_octets < 160_000, "{}", bench.layer.server_octets);
    assert!(bench.layer.counters().overloaded > 10);
    bench.wait(Duration::from_secs(40));
    bench.outputs();
}

#[test]
fn malformed_request_is_rejected_with_400() {
    let mut bench = Bench::new();
    bench.receive(Transport::Udp, octets(&INVITE.replace("CSeq: 1 INVITE", "CSeq: 1 BYE")));
    assert_eq!(bench.sent_one().status(), 400);
    bench.receive(Transport::Udp, b"nonsense".to_vec());
    bench.receive(Transport::Udp, octets(&with_method("ACK").replace("CSeq: 1 ACK", "CSeq: 1 BYE")));
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.layer.counters().malformed, 3);
}

#[test]
fn looped_request_is_recognized_by_its_vias() {
    let bench = Bench::new();
    let request = |below: &str| {
        let via = "Max-Forwards: 70".to_owned() + "\n" + below;
        super::request(&INVITE.replace("Max-Forwards: 70", &via))
    };
    for (below, is_own) in [
        ("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKo", true),
        ("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKo", true),
        ("Via: SIP/2.0/TLS RELAY.example.net;branch=z9hG4bKo", true),
        ("Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKo, SIP/2.0/UDP [2001:db8::1];branch=z9hG4bKp", true),
        ("Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKo", false),
        ("Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKo", false),
    ] {
        assert_eq!(bench.layer.has_own_via(&request(below)), is_own, "{below}");
    }
    assert!(!bench.layer.has_own_via(&super::request(INVITE)));
}

#[test]
fn keep_alive_is_answered_over_streams_only() {
    let mut bench = Bench::new();
    bench.receive(Transport::Udp, b"\r\n\r\n".to_vec());
    assert_eq!(bench.outputs(), []);
    bench.receive(Transport::Tcp, b"\r\n\r\n".to_vec());
    let outputs = bench.outputs();
    let [Output::Transport(transport::io::Output::Send { transmission, hop: Hop::Flow(FlowId(7)), octets })] =
        &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(octets, b"\r\n");
    bench.layer.handle_input(Input::SendFailed { transmission: *transmission }, bench.now);
    bench.receive(Transport::Tcp, b"\r\n".to_vec());
    assert_eq!(bench.events(), [Event::Pong { source: source(Transport::Tcp) }]);
    bench.layer.ping(FlowId(7));
    let outputs = bench.outputs();
    assert!(
        matches!(&outputs[..], [Output::Transport(transport::io::Output::Send { octets, .. })] if octets == b"\r\n\r\n"),
        "{outputs:?}"
    );
}
