//! Tests of the selection of flows for in-dialog requests.

use super::{to_callee, to_caller};
use crate::message::{Message, Request, Response};
use crate::transport::{FlowId, Source, Transport};

fn source(transport: Transport, remote: &str) -> Source {
    Source { flow: FlowId(7), transport, local: "192.0.2.1:5060".parse().unwrap(), remote: remote.parse().unwrap() }
}

fn invite(via: &str, more: &str) -> Request {
    let text = format!(
        "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
         Call-ID: 1\r\nCSeq: 1 INVITE\r\n{more}\r\n\r\n"
    );
    let Ok(Message::Request(request)) = Message::parse(text.as_bytes()) else { panic!("{text}") };
    request
}

fn success(contact: &str, more: &str) -> Response {
    let mut response = Response::to(&invite("192.0.2.1", more), 200, "");
    response.headers.push("Contact", contact);
    response
}

#[test]
fn callee_with_private_contact_is_reached_at_source() {
    use Transport::{Tcp, Udp};
    for (transport, remote, contact, by_flow, fallbacks) in [
        (Udp, "198.51.100.7:5070", "<sip:pbx@10.99.99.9:5060>", true, 0),
        (Udp, "198.51.100.7:5070", "<sip:pbx@[fd00::9]>", true, 0),
        (Udp, "192.168.1.5:5060", "<sip:pbx@172.17.0.2>", true, 0),
        (Udp, "10.0.0.5:5060", "<sip:pbx@10.0.0.6>", false, 0),
        (Udp, "198.51.100.7:5070", "<sip:pbx@203.0.113.9>", false, 0),
        (Udp, "198.51.100.7:5070", "<sip:pbx@198.51.100.7:5060>", false, 0),
        (Udp, "198.51.100.7:5070", "<sip:pbx@example.org>", false, 0),
        (Tcp, "198.51.100.7:5070", "<sip:pbx@198.51.100.7:17828;transport=tcp>", true, 1),
        (Tcp, "198.51.100.7:5070", "<sip:pbx@10.0.0.6>", true, 0),
        (Tcp, "198.51.100.7:5070", "<sip:pbx@203.0.113.9>", false, 0),
    ] {
        let found = to_callee(&success(contact, "X: y"), &source(transport, remote));
        assert_eq!(
            found.as_ref().map(|(_, fallback)| fallback.len()),
            by_flow.then_some(fallbacks),
            "{remote} {contact}"
        );
        let routed = success(contact, "Record-Route: <sip:proxy.example;lr>");
        assert_eq!(to_callee(&routed, &source(transport, remote)), None, "{remote} {contact}");
    }
}

#[test]
fn caller_with_private_contact_is_reached_at_source() {
    let udp = source(Transport::Udp, "198.51.100.7:5070");
    for (via, contact, by_flow) in [
        ("10.0.0.9", "<sip:a@10.0.0.9>", true),
        ("198.51.100.7:5070", "<sip:a@10.0.0.9>", true),
        ("198.51.100.7:5070", "<sip:a@198.51.100.7:5060>", false),
        ("198.51.100.7:5070", "<sip:a@203.0.113.9>", false),
    ] {
        let next_hop = to_caller(&invite(via, &format!("Contact: {contact}")), &udp);
        assert_eq!(next_hop.flow.is_some(), by_flow, "{via} {contact}");
    }
}
