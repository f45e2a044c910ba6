//! Tests of dialogs (RFC 3261 §12).

use super::{Dialog, DialogId, OutOfOrder, Referral, Stage, refer_to};
use crate::message::{Message, Method, Replaces, Request, Response};

fn lines(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect()
}

fn request(text: &[&str]) -> Request {
    match Message::parse(&lines(text)).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

fn response(text: &[&str]) -> Response {
    match Message::parse(&lines(text)).unwrap() {
        Message::Response(response) => response,
        Message::Request(_) => panic!("a request"),
    }
}

fn invite() -> Request {
    request(&[
        "INVITE sip:bob@example.org SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa",
        "Max-Forwards: 70",
        "From: Alice <sip:alice@example.org>;tag=a1",
        "To: <sip:bob@example.org>",
        "Call-ID: c1",
        "CSeq: 7 INVITE",
        "Record-Route: <sip:p2.example.org;lr>, <sip:p1.example.org;lr>",
        "Contact: <sip:alice@192.0.2.1>",
        "",
    ])
}

fn success(record_routes: &str) -> Response {
    response(&[
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa",
        "From: Alice <sip:alice@example.org>;tag=a1",
        "To: <sip:bob@example.org>;tag=b1",
        "Call-ID: c1",
        "CSeq: 7 INVITE",
        &format!("Record-Route: {record_routes}"),
        "Contact: <sip:bob@192.0.2.2;method=INVITE?Subject=no>",
        "",
    ])
}

fn text(request: &Request) -> String {
    String::from_utf8(request.to_bytes()).unwrap()
}

#[test]
fn in_dialog_request_has_loose_routes_and_target() {
    let mut dialog =
        Dialog::of_client(&invite(), &success("<sip:p1.example.org;lr>, <sip:p2.example.org;lr>")).unwrap();
    let bye = text(&dialog.request(Method::Bye));
    let expected = [
        "BYE sip:bob@192.0.2.2 SIP/2.0",
        "Route: <sip:p2.example.org;lr>",
        "Route: <sip:p1.example.org;lr>",
        "Max-Forwards: 70",
        "From: \"Alice\" <sip:alice@example.org>;tag=a1",
        "To: <sip:bob@example.org>;tag=b1",
        "Call-ID: c1",
        "CSeq: 8 BYE",
        "Content-Length: 0",
        "",
        "",
    ];
    assert_eq!(bye, expected.join("\r\n"));
}

#[test]
fn strict_router_becomes_request_uri_target_last_route() {
    let mut dialog =
        Dialog::of_client(&invite(), &success("<sip:p1.example.org;lr>, <sip:p2.example.org;method=X>")).unwrap();
    let info = dialog.request(Method::Info);
    assert_eq!(info.uri.to_string(), "sip:p2.example.org");
    let routes: Vec<&str> = info.headers.lines("Route").collect();
    assert_eq!(routes, ["<sip:p1.example.org;lr>", "<sip:bob@192.0.2.2>"]);
}

#[test]
fn uas_dialog_keeps_route_order_and_own_cseq() {
    let mut dialog = Dialog::of_server(&invite(), "b1", false).unwrap();
    let id = DialogId { call_id: "c1".into(), local_tag: "b1".into(), remote_tag: "a1".into() };
    assert_eq!((dialog.id(), dialog.stage()), (&id, Stage::Early));
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:alice@192.0.2.1");
    assert_eq!(bye.headers.lines("Route").collect::<Vec<_>>(), ["<sip:p2.example.org;lr>", "<sip:p1.example.org;lr>"]);
    assert_eq!(bye.headers.cseq().unwrap().number, 1);
    assert_eq!(bye.headers.to().unwrap().tag(), Some("a1"));
    assert_eq!(bye.headers.from().unwrap().tag(), Some("b1"));
}

#[test]
fn response_2xx_replaces_early_route_set() {
    let mut dialog = Dialog::of_client(&invite(), &success("<sip:p1.example.org;lr>")).unwrap();
    dialog.confirm(Some(&success("<sip:p9.example.org;lr>"))).unwrap();
    assert_eq!(dialog.stage(), Stage::Confirmed);
    assert_eq!(dialog.ack(7).headers.lines("Route").collect::<Vec<_>>(), ["<sip:p9.example.org;lr>"]);
    assert_eq!(dialog.ack(7).headers.get("CSeq"), Some("7 ACK"));
}

#[test]
fn request_with_lower_cseq_is_out_of_order() {
    let mut dialog = Dialog::of_server(&invite(), "b1", false).unwrap();
    assert_eq!(dialog.accept_cseq(7), Err(OutOfOrder));
    assert_eq!(dialog.accept_cseq(6), Err(OutOfOrder));
    assert_eq!(dialog.accept_cseq(12), Ok(()));
    assert_eq!(dialog.accept_cseq(8), Err(OutOfOrder));
}

#[test]
fn target_refresh_ignores_malformed_contact() {
    let mut dialog = Dialog::of_server(&invite(), "b1", false).unwrap();
    dialog.refresh_target(Some("<sip:alice@192.0.2.9>".parse()));
    dialog.refresh_target(Some("<sip:alice".parse()));
    dialog.refresh_target(None);
    assert_eq!(dialog.target().to_string(), "sip:alice@192.0.2.9");
}

#[test]
fn invite_without_contact_creates_no_dialog() {
    let mut request = invite();
    request.headers.remove("Contact");
    Dialog::of_server(&request, "b1", false).unwrap_err();
}

#[test]
fn replaces_of_peer_identifies_the_dialog() {
    let ours = DialogId { call_id: "c1".into(), local_tag: "a1".into(), remote_tag: "b1".into() };
    let named: Replaces = ours.replaces().to_string().parse().unwrap();
    let theirs = DialogId::of_replaces(&named);
    assert_eq!(theirs, DialogId { call_id: "c1".into(), local_tag: "b1".into(), remote_tag: "a1".into() });
}

#[test]
fn refer_to_carries_replaces() {
    let replaces = Replaces { call_id: "c1@x".into(), to_tag: "t".into(), from_tag: "f".into(), early_only: false };
    let refer_to = refer_to("sip:carol@example.org;user=phone".parse().unwrap(), Some(&replaces)).unwrap();
    assert_eq!(refer_to.to_string(), "<sip:carol@example.org;user=phone?Replaces=c1%40x%3Bto-tag%3Dt%3Bfrom-tag%3Df>");
    let referral = Referral::of(&refer_to.to_string().parse().unwrap()).unwrap();
    assert_eq!(referral.target.to_string(), "sip:carol@example.org;user=phone");
    assert_eq!(referral.replaces, Some(replaces));
}

#[test]
fn refer_to_with_other_method_is_rejected() {
    Referral::of(&"<sip:carol@example.org;method=BYE>".parse().unwrap()).unwrap_err();
    Referral::of(&"<sip:carol@example.org?Replaces=nonsense>".parse().unwrap()).unwrap_err();
    let plain = Referral::of(&"tel:+4930123".parse().unwrap()).unwrap();
    assert_eq!((plain.target.to_string().as_str(), plain.replaces), ("tel:+4930123", None));
}

#[test]
fn dialog_survives_serialization() {
    let dialog = Dialog::of_server(&invite(), "b1", false).unwrap();
    let saved = serde_json::to_string(&dialog).unwrap();
    assert_eq!(serde_json::from_str::<Dialog>(&saved).unwrap(), dialog);
}
