//! Tests of parsing and serialization.

use super::*;

mod framing;
mod headers;
mod lenient;
mod limits;
mod property;
mod torture;
mod uri;

const INVITE: &str = "INVITE sip:bob@biloxi.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.example:5066;branch=z9hG4bK776asdhds;rport, SIP/2.0/TCP [2001:db8::1];branch=z9hG4bKx\r\n\
    Max-Forwards: 70\r\n\
    t: Bob <sip:bob@biloxi.example>\r\n\
    From: \"Alice \\\"A\\\", Ms\" <sip:alice@atlanta.example;transport=tcp>;tag=1928301774\r\n\
    i: a84b4c76e66710@pc33.atlanta.example\r\n\
    CSeq: 314159 INVITE\r\n\
    Contact: <sip:alice@pc33.atlanta.example>\r\n\
    X-Thing: one,\r\n two\r\n\
    Content-Type: application/sdp\r\n\
    l: 4\r\n\r\nv=0\r\n";

fn request(text: &str) -> Request {
    match Message::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

#[test]
fn request_is_parsed_into_types() {
    let invite = request(INVITE);
    assert_eq!((&invite.method, invite.uri.to_string().as_str()), (&Method::Invite, "sip:bob@biloxi.example"));
    let vias = invite.headers.vias().unwrap();
    assert_eq!(vias[0].unique_branch(), Some("z9hG4bK776asdhds"));
    assert!(vias[0].requests_rport() && vias[0].port == Some(5066));
    assert_eq!(vias[1].host, Host::Address("2001:db8::1".parse().unwrap()));
    let from = invite.headers.from().unwrap();
    assert_eq!((from.display.as_deref(), from.tag()), (Some("Alice \"A\", Ms"), Some("1928301774")));
    assert_eq!(from.uri.param("transport"), Some("tcp"));
    assert_eq!(invite.headers.to().unwrap().display.as_deref(), Some("Bob"));
    assert_eq!(invite.headers.call_id(), Ok("a84b4c76e66710@pc33.atlanta.example"));
    assert_eq!(invite.headers.cseq(), Ok(CSeq { number: 314_159, method: Method::Invite }));
    assert_eq!(invite.headers.max_forwards(), Some(Ok(70)));
    assert_eq!(invite.headers.get("x-thing"), Some("one,  two"));
    assert_eq!(invite.body, b"v=0\r");
}

#[test]
fn serialized_request_parses_to_equal_request() {
    let invite = request(INVITE);
    let printed = String::from_utf8(invite.to_bytes()).unwrap();
    assert!(printed.contains("\r\nCall-ID: a84b") && printed.ends_with("Content-Length: 4\r\n\r\nv=0\r"), "{printed}");
    assert_eq!(request(&printed), invite);
    let saved = serde_json::to_string(&invite).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&saved).unwrap(), invite);
}

#[test]
fn response_copies_headers_of_its_request() {
    let invite = request(INVITE);
    let mut ringing = Response::to(&invite, 180, "");
    ringing.set_to_tag("314");
    ringing.set_to_tag("another");
    assert_eq!((ringing.status, ringing.reason.as_str()), (180, "Ringing"));
    assert_eq!(ringing.headers.vias(), invite.headers.vias());
    assert_eq!(ringing.headers.to().unwrap().tag(), Some("314"));
    assert_eq!(Message::parse(&ringing.to_bytes()), Ok(Message::Response(ringing)));
}
