//! Tests of outgoing requests.

use super::{Bench, SentMessage, request, settings, source, target};
use crate::message::{HeaderName, Method, Request, Uri};
use crate::transaction::Failure;
use crate::transaction::layer::{ClientKey, Destination, Event, Input, Output};
use crate::transport::{self, FlowId, Hop, QueryId, Target, Transport};
use crate::user_agent::destinations::Reach;
use core::time::Duration;

const OPTIONS: &str = "OPTIONS sip:bob@example.org SIP/2.0
    From: <sip:alice@example.net>;tag=a
    To: <sip:bob@example.org>
    Call-ID: call
    CSeq: 3 OPTIONS
    Via: SIP/2.0/UDP placeholder;branch=z9hG4bKx
    Max-Forwards: 70
    Content-Length: 0";

const INVITE: &str = "INVITE sip:bob@example.org SIP/2.0
    From: <sip:alice@example.net>;tag=a
    To: <sip:bob@example.org>
    Call-ID: call
    CSeq: 3 INVITE
    Route: <sip:proxy.example.net;lr>
    Via: SIP/2.0/UDP placeholder;branch=z9hG4bKx
    Max-Forwards: 70
    Content-Length: 0";

const ACK: &str = "ACK sip:bob@198.51.100.7 SIP/2.0
    From: <sip:alice@example.net>;tag=a
    To: <sip:bob@example.org>;tag=peer
    Call-ID: call
    CSeq: 3 ACK
    Via: SIP/2.0/UDP placeholder;branch=z9hG4bKx
    Content-Length: 0";

fn first() -> Target {
    target(Transport::Udp, "203.0.113.1:5060")
}

fn second() -> Target {
    target(Transport::Udp, "203.0.113.2:5060")
}

fn send(bench: &mut Bench, text: &str, targets: Vec<Target>) -> (ClientKey, SentMessage) {
    send_request(bench, request(text), Destination::Targets(targets))
}

fn send_request(bench: &mut Bench, request: Request, destination: Destination) -> (ClientKey, SentMessage) {
    let key = bench.layer.request(request, destination, bench.now);
    (key, bench.sent_one())
}

fn assert_response(event: &Event, of: ClientKey, with: u16) {
    let Event::Response { key, response, .. } = event else { panic!("no response: {event:?}") };
    assert_eq!((*key, response.status), (of, with));
}

#[test]
fn request_via_names_its_transport() {
    let mut bench = Bench::new();
    for (to, sent_by) in [
        (first(), "SIP/2.0/UDP 192.0.2.1:5060"),
        (target(Transport::Tcp, "203.0.113.1:5060"), "SIP/2.0/TCP 192.0.2.1:5060"),
        (target(Transport::Tls, "203.0.113.1:5061"), "SIP/2.0/TLS relay.example.net:5061"),
        (target(Transport::Udp, "[2001:db8::9]:5060"), "SIP/2.0/UDP [2001:db8::1]:5060"),
    ] {
        let (_, shot) = send(&mut bench, OPTIONS, vec![to.clone()]);
        assert_eq!(shot.hop, Hop::Target(to));
        let via = shot.request().headers.get(HeaderName::Via).unwrap();
        assert!(via.starts_with(sent_by) && via.contains(";rport"), "{via}");
        assert_eq!(shot.request().headers.vias().unwrap().len(), 1, "the Via of the transaction user is replaced");
        assert!(shot.branch().starts_with("z9hG4bK"));
    }
    bench.assert_forgets_everything();
}

#[test]
fn unsupported_transport_is_unreachable() {
    let mut bench = Bench::new();
    let to = Destination::Targets(vec![target(Transport::Tcp, "[2001:db8::9]:5060")]);
    let key = bench.layer.request(request(OPTIONS), to, bench.now);
    assert_eq!(bench.events(), [Event::Failed { key, failure: Failure::Unreachable }]);
    let to = Destination::Targets(vec![target(Transport::Ws, "203.0.113.1:80"), first()]);
    let (_, shot) = send_request(&mut bench, request(OPTIONS), to);
    assert_eq!(shot.hop, Hop::Target(first()), "the next target is tried immediately");
}

#[test]
fn final_response_is_reported_once() {
    let mut bench = Bench::new();
    let (key, shot) = send(&mut bench, OPTIONS, vec![first()]);
    bench.save_and_load();
    bench.receive(Transport::Udp, shot.answer(100));
    assert_response(&bench.event(), key, 100);
    bench.receive(Transport::Udp, shot.answer(200));
    assert_response(&bench.event(), key, 200);
    bench.receive(Transport::Udp, shot.answer(200));
    bench.receive(Transport::Udp, shot.answer(404));
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.layer.counters().stray_responses, 0);
    bench.assert_forgets_everything();
    bench.receive(Transport::Udp, shot.answer(200));
    assert_eq!(bench.layer.counters().stray_responses, 1);
}

#[test]
fn unmatched_response_is_counted_as_stray() {
    let mut bench = Bench::new();
    let (_, shot) = send(&mut bench, OPTIONS, vec![first()]);
    let good = String::from_utf8(shot.answer(200)).unwrap();
    let last = shot.branch().chars().last().unwrap();
    let other = format!("{}{}", &shot.branch()[..shot.branch().len() - 1], if last == '0' { '1' } else { '0' });
    let bad = [
        good.replace(&shot.branch(), &other),
        good.replace(&shot.branch(), "z9hG4bK"),
        good.replace(&shot.branch(), "z9hG4bK\u{e9}"),
        good.replace("3 OPTIONS", "3 INVITE"),
        good.replace("3 OPTIONS", "3 CANCEL"),
        good.replace("From:", "Via: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK9\r\nFrom:"),
    ];
    for text in &bad {
        bench.receive(Transport::Udp, text.clone().into_bytes());
        assert_eq!(bench.outputs(), [], "{text}");
    }
    let counters = bench.layer.counters();
    assert_eq!(counters.stray_responses + counters.malformed, bad.len() as u64);
}

#[test]
fn unanswered_request_is_retransmitted_then_times_out() {
    let mut bench = Bench::new();
    let (key, shot) = send(&mut bench, OPTIONS, vec![first()]);
    bench.wait(Duration::from_millis(31_999));
    let again = bench.sent();
    assert_eq!(again.len(), 10);
    assert!(again.iter().all(|again| again.message == shot.message && again.hop == shot.hop));
    assert_eq!(bench.layer.counters().resent, 10);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.events(), [Event::Failed { key, failure: Failure::Timeout }]);
    bench.assert_forgets_everything();
}

#[test]
fn failed_server_is_replaced_with_new_branch() {
    type Failing = fn(&mut Bench, &SentMessage);
    let failures: [(Failing, Failure); 2] = [
        (
            |bench, _| {
                bench.wait(Duration::from_millis(31_999));
                bench.sent();
                bench.wait(Duration::from_millis(1));
            },
            Failure::Timeout,
        ),
        (|bench, shot| bench.fail(shot), Failure::Unreachable),
    ];
    for text in [OPTIONS, INVITE] {
        for (fail, failure) in failures {
            let mut bench = Bench::new();
            let (key, shot) = send(&mut bench, text, vec![first(), second()]);
            fail(&mut bench, &shot);
            let next = bench.sent_one();
            assert_eq!(next.hop, Hop::Target(second()));
            assert_ne!(next.branch(), shot.branch());
            assert_eq!(next.request().headers.vias().unwrap().len(), 1);
            fail(&mut bench, &next);
            assert_eq!(bench.events(), [Event::Failed { key, failure }]);
            assert_eq!(bench.layer.counters().failovers, 1);
            bench.assert_forgets_everything();
        }
    }
}

#[test]
fn response_503_selects_the_next_server() {
    let mut bench = Bench::new();
    let (key, shot) = send(&mut bench, INVITE, vec![first(), second()]);
    bench.receive(Transport::Udp, shot.answer(503));
    let [ack, next] = &bench.sent()[..] else { panic!() };
    assert_eq!((ack.method(), ack.branch()), (Method::Ack, shot.branch()));
    assert_eq!((next.method(), &next.hop), (Method::Invite, &Hop::Target(second())));
    bench.receive(Transport::Udp, shot.answer(503));
    assert_eq!(bench.sent_one().method(), Method::Ack, "a retransmitted 503 is acknowledged again");
    bench.receive(Transport::Udp, next.answer(503));
    let mut outputs = bench.outputs();
    assert!(matches!(&outputs.remove(0), Output::Transport(transport::io::Output::Send { .. })));
    let [Output::Event(event)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_response(event, key, 503);
    bench.assert_forgets_everything();
}

#[test]
fn every_retransmitted_failure_response_is_acknowledged() {
    let mut bench = Bench::new();
    let (key, shot) = send(&mut bench, INVITE, vec![first()]);
    bench.receive(Transport::Udp, shot.answer(486));
    let outputs = bench.outputs();
    let [Output::Transport(transport::io::Output::Send { octets, hop, .. }), Output::Event(event)] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(hop, &shot.hop);
    assert_response(event, key, 486);
    let text = String::from_utf8(octets.clone()).unwrap();
    for line in [
        "ACK sip:bob@example.org SIP/2.0",
        "To: <sip:bob@example.org>;tag=peer",
        "From: <sip:alice@example.net>;tag=a",
        "Call-ID: call",
        "CSeq: 3 ACK",
        "Route: <sip:proxy.example.net;lr>",
        "Max-Forwards: 70",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
    assert!(text.contains(&shot.branch()));
    bench.wait(Duration::from_secs(31));
    bench.receive(Transport::Udp, shot.answer(486));
    let again = bench.outputs();
    assert!(
        matches!(&again[..], [Output::Transport(transport::io::Output::Send { octets: again, .. })] if again == octets),
        "{again:?}"
    );
    bench.assert_forgets_everything();
}

#[test]
fn forked_2xx_responses_are_reported_until_ended() {
    let mut bench = Bench::new();
    let (key, shot) = send(&mut bench, INVITE, vec![first(), second()]);
    bench.receive(Transport::Udp, shot.answer_by("one", 180));
    bench.receive(Transport::Udp, shot.answer_by("two", 183));
    bench.receive(Transport::Udp, shot.answer_by("one", 200));
    bench.receive(Transport::Udp, shot.answer_by("one", 200));
    bench.receive(Transport::Udp, shot.answer_by("two", 200));
    let events = bench.events();
    let statuses: Vec<u16> = events
        .iter()
        .map(|event| match event {
            Event::Response { response, .. } => response.status,
            _ => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(statuses, [180, 183, 200, 200, 200]);
    bench.save_and_load();
    bench.wait(Duration::from_secs(32));
    assert_eq!(bench.events(), [Event::Ended { key }]);
    bench.assert_forgets_everything();
}

#[test]
fn cancel_is_deferred_until_provisional_response() {
    let mut bench = Bench::new();
    let (key, shot) = send(&mut bench, INVITE, vec![first(), second()]);
    bench.layer.cancel(key, Some("SIP;cause=200;text=\"Call completed elsewhere\"".to_owned()), bench.now);
    assert_eq!(bench.outputs(), [], "no CANCEL before a provisional response");
    bench.receive(Transport::Udp, shot.answer(180));
    let mut outputs = bench.outputs();
    let Output::Event(event) = outputs.remove(0) else { panic!() };
    assert_response(&event, key, 180);
    let [Output::Transport(transport::io::Output::Send { hop, octets, .. })] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(hop, &shot.hop);
    let text = String::from_utf8(octets.clone()).unwrap();
    for line in [
        "CANCEL sip:bob@example.org SIP/2.0",
        "To: <sip:bob@example.org>",
        "CSeq: 3 CANCEL",
        "Route: <sip:proxy.example.net;lr>",
        "Reason: SIP;cause=200;text=\"Call completed elsewhere\"",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
    assert!(text.contains(&shot.branch()), "the branch of the INVITE");
    bench.wait(Duration::from_millis(500));
    let again = bench.sent_one();
    assert_eq!(again.method(), Method::Cancel);
    bench.receive(Transport::Udp, again.answer(200));
    assert_eq!(bench.outputs(), [], "the response to a CANCEL is not reported");
    bench.receive(Transport::Udp, shot.answer(487));
    let outputs = bench.outputs();
    let [Output::Transport(transport::io::Output::Send { .. }), Output::Event(event)] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_response(event, key, 487);
    bench.assert_forgets_everything();
}

#[test]
fn canceled_invite_tries_no_other_server() {
    let mut bench = Bench::new();
    let (key, shot) = send(&mut bench, INVITE, vec![first(), second()]);
    bench.layer.cancel(key, None, bench.now);
    bench.fail(&shot);
    assert_eq!(bench.events(), [Event::Failed { key, failure: Failure::Unreachable }]);

    let (key, shot) = send(&mut bench, INVITE, vec![first(), second()]);
    bench.receive(Transport::Udp, shot.answer(100));
    bench.event();
    bench.layer.cancel(key, None, bench.now);
    assert_eq!(bench.sent_one().method(), Method::Cancel);
    bench.layer.cancel(key, None, bench.now);
    assert_eq!(bench.outputs(), [], "a second cancel has no effect");
    bench.receive(Transport::Udp, shot.answer(503));
    assert_eq!(bench.outputs().len(), 2, "ACK and response");
    bench.assert_forgets_everything();
}

#[test]
fn canceled_invite_without_response_times_out() {
    let mut bench = Bench::new();
    let (key, shot) = send(&mut bench, INVITE, vec![first()]);
    bench.receive(Transport::Udp, shot.answer(180));
    bench.event();
    bench.layer.cancel(key, None, bench.now);
    bench.wait(Duration::from_millis(31_999));
    assert!(bench.sent().iter().all(|shot| shot.method() == Method::Cancel));
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.events(), [Event::Failed { key, failure: Failure::Timeout }]);
    bench.assert_forgets_everything();
}

#[test]
fn cancel_of_non_invite_is_ignored() {
    let mut bench = Bench::new();
    let (key, _) = send(&mut bench, OPTIONS, vec![first()]);
    bench.layer.cancel(key, None, bench.now);
    bench.layer.cancel(ClientKey(99), None, bench.now);
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.layer.counters().ignored, 2);
}

fn named(transport: Option<Transport>) -> Destination {
    let host = "example.org".parse().unwrap();
    Destination::Resolve { host, port: None, transport, secure: false, reach: Reach::ANYWHERE }
}

#[test]
fn host_name_is_resolved_before_sending() {
    let mut bench = Bench::new();
    let key = bench.layer.request(request(OPTIONS), named(Some(Transport::Udp)), bench.now);
    let outputs = bench.outputs();
    let [Output::Transport(transport::io::Output::Resolve { query, host, port: None, transport, secure: false })] =
        &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!((host.as_str(), *transport), ("example.org", Some(Transport::Udp)));
    bench.save_and_load();
    bench.layer.handle_input(Input::Resolved { query: *query, targets: vec![first()] }, bench.now);
    assert_eq!(bench.sent_one().hop, Hop::Target(first()));
    bench.layer.handle_input(Input::Resolved { query: *query, targets: vec![second()] }, bench.now);
    assert_eq!(bench.outputs(), [], "the query is no longer pending");
    let failure = Failure::NoSuchHost;

    let lost = bench.layer.request(request(OPTIONS), named(None), bench.now);
    bench.outputs();
    bench.layer.handle_input(Input::Resolved { query: QueryId(lost.0), targets: vec![] }, bench.now);
    assert_eq!(bench.events(), [Event::Failed { key: lost, failure }]);

    let waiting = bench.layer.request(request(OPTIONS), named(None), bench.now);
    bench.outputs();
    bench.wait(Duration::from_secs(32));
    let events = bench.outputs();
    assert!(events.contains(&Output::Event(Event::Failed { key: waiting, failure })), "{events:?}");
    assert!(events.contains(&Output::Event(Event::Failed { key, failure: Failure::Timeout })), "{events:?}");
    bench.assert_forgets_everything();
}

#[test]
fn invite_canceled_while_resolving_is_not_sent() {
    let mut bench = Bench::new();
    let key = bench.layer.request(request(INVITE), named(None), bench.now);
    bench.outputs();
    bench.layer.cancel(key, None, bench.now);
    assert_eq!(bench.events(), [Event::Failed { key, failure: Failure::Withdrawn }]);
    bench.layer.handle_input(Input::Resolved { query: QueryId(key.0), targets: vec![first()] }, bench.now);
    assert_eq!(bench.outputs(), []);
    bench.assert_forgets_everything();
}

#[test]
fn destination_is_first_route_or_request_uri() {
    let mut bench = Bench::new();
    let proxy = Destination::of_request(&request(INVITE), None).unwrap();
    let host = "proxy.example.net".parse().unwrap();
    assert_eq!(
        proxy,
        Destination::Resolve { host, port: None, transport: None, secure: false, reach: Reach::ANYWHERE }
    );
    for (uri, to) in [
        ("sip:bob@203.0.113.9", target(Transport::Udp, "203.0.113.9:5060")),
        ("sip:bob@203.0.113.9:5080;transport=tcp", target(Transport::Tcp, "203.0.113.9:5080")),
        ("sip:bob@example.org;maddr=203.0.113.9", target(Transport::Udp, "203.0.113.9:5060")),
        (
            "sips:bob@203.0.113.9",
            Target { host: Some("203.0.113.9".to_owned()), ..target(Transport::Tls, "203.0.113.9:5061") },
        ),
    ] {
        let mut request = request(OPTIONS);
        request.uri = uri.parse().unwrap();
        let to_uri = Destination::of_request(&request, None).unwrap();
        assert_eq!(send_request(&mut bench, request, to_uri).1.hop, Hop::Target(to), "{uri}");
    }
    let mut request = request(OPTIONS);
    request.uri = "tel:+15551234".parse().unwrap();
    assert_eq!(Destination::of_request(&request, None), None);
}

fn large() -> Request {
    let mut large = request(OPTIONS);
    large.set_body("text/plain", vec![b'x'; 1_200]);
    large
}

#[test]
fn large_request_falls_back_from_tcp_to_udp() {
    let mut bench = Bench::new();
    let over_tcp = Target { transport: Transport::Tcp, ..first() };
    let (_, shot) = send_request(&mut bench, large(), Destination::Targets(vec![first(), second()]));
    assert_eq!(shot.hop, Hop::Target(over_tcp.clone()));
    assert!(shot.request().headers.get(HeaderName::Via).unwrap().starts_with("SIP/2.0/TCP"));
    bench.fail(&shot);
    let datagram = bench.sent_one();
    assert_eq!(datagram.hop, Hop::Target(first()));
    assert!(datagram.request().headers.get(HeaderName::Via).unwrap().starts_with("SIP/2.0/UDP"));
    bench.fail(&datagram);
    assert_eq!(bench.sent_one().hop, Hop::Target(Target { transport: Transport::Tcp, ..second() }));

    let mut bench = Bench::new();
    let (key, shot) = send_request(&mut bench, large(), Destination::Targets(vec![first(), second()]));
    bench.receive(Transport::Tcp, shot.answer(503));
    let next = bench.sent_one();
    assert_eq!(
        next.hop,
        Hop::Target(Target { transport: Transport::Tcp, ..second() }),
        "no UDP after a response over TCP"
    );
    bench.receive(Transport::Tcp, next.answer(503));
    assert_response(&bench.event(), key, 503);
    bench.assert_forgets_everything();
}

#[test]
fn server_without_tcp_is_remembered() {
    let mut bench = Bench::new();
    let over_tcp = Hop::Target(Target { transport: Transport::Tcp, ..first() });
    let (_, shot) = send_request(&mut bench, large(), Destination::Targets(vec![first()]));
    bench.fail(&shot);
    let datagram = bench.sent_one();
    bench.receive(Transport::Udp, datagram.answer(200));
    bench.event();
    bench.save_and_load();
    let (_, shot) = send_request(&mut bench, large(), Destination::Targets(vec![first()]));
    assert_eq!(shot.hop, Hop::Target(first()), "UDP is used immediately");
    let (_, shot) = send_request(&mut bench, large(), Destination::Targets(vec![second()]));
    assert_eq!(
        shot.hop,
        Hop::Target(Target { transport: Transport::Tcp, ..second() }),
        "another server is tried over TCP"
    );
    bench.wait(Duration::from_secs(601));
    bench.outputs();
    let (_, shot) = send_request(&mut bench, large(), Destination::Targets(vec![first()]));
    assert_eq!(shot.hop, over_tcp, "TCP is tried again after the entry has expired");
}

#[test]
fn silent_tcp_server_is_tried_over_udp() {
    for text in [INVITE, OPTIONS] {
        let mut bench = Bench::new();
        let mut request = request(text);
        request.set_body("text/plain", vec![b'x'; 1_200]);
        let (_, shot) = send_request(&mut bench, request.clone(), Destination::Targets(vec![first()]));
        bench.wait(Duration::from_secs(4));
        assert_eq!(bench.outputs(), []);
        bench.wait(Duration::from_secs(1));
        assert_eq!(bench.sent_one().hop, Hop::Target(first()), "{text}");
        bench.receive(Transport::Tcp, shot.answer(200));
        assert_eq!(bench.outputs(), [], "the response over TCP is too late");
        bench.assert_forgets_everything();

        let mut bench = Bench::new();
        let (_, shot) = send_request(&mut bench, request, Destination::Targets(vec![first()]));
        bench.receive(Transport::Tcp, shot.answer(100));
        bench.wait(Duration::from_secs(10));
        assert!(
            bench.outputs().iter().all(|output| matches!(output, Output::Event(_))),
            "no fallback to UDP after a provisional response: {text}"
        );
    }
}

#[test]
fn request_with_explicit_udp_stays_on_udp() {
    let to = |text: &str, transport| {
        let Uri::Sip(uri) = text.parse().unwrap() else { panic!() };
        Destination::of_uri(&uri, transport)
    };
    for (destination, transport) in [
        (to("sip:bob@203.0.113.9;transport=udp", None), Transport::Udp),
        (to("sip:bob@203.0.113.9", Some(Transport::Udp)), Transport::Udp),
        (to("sip:bob@203.0.113.9", None), Transport::Tcp),
    ] {
        let mut bench = Bench::new();
        let (_, shot) = send_request(&mut bench, large(), destination);
        assert_eq!(shot.hop, Hop::Target(target(transport, "203.0.113.9:5060")));
    }
}

#[test]
fn large_request_uses_udp_without_local_tcp() {
    let mut settings = settings();
    settings.local.retain(|local| local.transport != Transport::Tcp);
    let mut bench = Bench::with(settings);
    let (_, shot) = send_request(&mut bench, large(), Destination::Targets(vec![first()]));
    assert_eq!(shot.hop, Hop::Target(first()));
}

#[test]
fn closed_flow_is_replaced_by_fallback_target() {
    let mut bench = Bench::new();
    let flow = source(Transport::Tcp);
    let fallback = vec![target(Transport::Tcp, "198.51.100.7:5060")];
    let to = Destination::Flow { flow, fallback: fallback.clone() };
    let (_, shot) = send_request(&mut bench, request(INVITE), to.clone());
    assert_eq!(shot.hop, Hop::Flow(flow.flow));
    bench.layer.handle_input(Input::FlowClosed { flow: FlowId(8) }, bench.now);
    assert_eq!(bench.outputs(), [], "an unrelated flow");
    bench.layer.handle_input(Input::FlowClosed { flow: flow.flow }, bench.now);
    assert_eq!(bench.sent_one().hop, Hop::Target(fallback[0].clone()));

    let (key, shot) = send_request(&mut bench, request(INVITE), to);
    bench.receive(Transport::Tcp, shot.answer(180));
    bench.event();
    bench.layer.handle_input(Input::FlowClosed { flow: flow.flow }, bench.now);
    assert_eq!(bench.outputs(), [], "the INVITE is ringing and waits for a response on a new connection");
    bench.receive(Transport::Tcp, shot.answer(200));
    assert_response(&bench.event(), key, 200);
    bench.assert_forgets_everything();
}

#[test]
fn failed_ack_is_sent_to_next_target() {
    let mut bench = Bench::new();
    bench.layer.ack(request(ACK), Destination::Targets(vec![first(), second()]), bench.now);
    let ack = bench.sent_one();
    assert_eq!((ack.method(), &ack.hop), (Method::Ack, &Hop::Target(first())));
    bench.fail(&ack);
    let again = bench.sent_one();
    assert_eq!(again.hop, Hop::Target(second()));
    bench.fail(&again);
    assert_eq!(bench.outputs(), [], "no failure event for an ACK");
    assert_eq!(bench.layer.transaction_count(), (0, 0));

    bench.layer.ack(request(ACK), named(None), bench.now);
    let outputs = bench.outputs();
    let [Output::Transport(transport::io::Output::Resolve { query, .. })] = &outputs[..] else { panic!("{outputs:?}") };
    bench.layer.handle_input(Input::Resolved { query: *query, targets: vec![first(), second()] }, bench.now);
    assert_eq!(bench.sent_one().method(), Method::Ack);
    bench.wait(Duration::from_secs(40));
    assert_eq!(bench.outputs(), [], "an ACK is not retransmitted");
    bench.assert_forgets_everything();
}

#[test]
fn requests_beyond_client_limit_fail_immediately() {
    let mut settings = settings();
    settings.limits.clients = 1;
    let mut bench = Bench::with(settings);
    send(&mut bench, OPTIONS, vec![first()]);
    let key = bench.layer.request(request(OPTIONS), Destination::Targets(vec![first()]), bench.now);
    assert_eq!(bench.events(), [Event::Failed { key, failure: Failure::Unreachable }]);
    bench.assert_forgets_everything();
}
