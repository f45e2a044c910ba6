//! Requests outside calls, and what a server must do with requests that are repeated, loop, or are not understood.

use crate::sip::listen;
use core::time::Duration;
use offhook_tests::wire::{Wire, header, status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const HOPS: &str = "Max-Forwards: 70\r\n";

async fn asked(method: &str, more: &str) -> String {
    let here = listen().await;
    let wire = Wire::toward(here.relay.sip("udp").await).await;
    wire.send(wire.request(method, &here.contact, more)).await;
    wire.final_response().await
}

#[tokio::test]
async fn options_says_what_the_relay_can() {
    let answer = asked("OPTIONS", HOPS).await;
    assert_eq!(status(&answer), Some(200), "{answer}");
    let allow = header(&answer, "Allow").expect("Allow (RFC 3261 §11.2)");
    for method in ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE", "REFER", "NOTIFY", "INFO"] {
        assert!(allow.contains(method), "{method} in {allow}");
    }
    let supported = header(&answer, "Supported").expect("Supported");
    for tag in ["100rel", "timer", "replaces"] {
        assert!(supported.contains(tag), "{tag} in {supported}");
    }
    assert!(header(&answer, "Accept").expect("Accept").contains("application/sdp"));
}

#[tokio::test]
async fn options_is_answered_at_the_last_hop() {
    let answer = asked("OPTIONS", "Max-Forwards: 0\r\n").await;
    assert_eq!(status(&answer), Some(200), "RFC 3261 §11: {answer}");
}

#[tokio::test]
async fn a_method_that_is_not_known_is_refused_with_those_that_are() {
    let answer = asked("DANCE", HOPS).await;
    assert!(matches!(status(&answer), Some(405 | 501)), "RFC 3261 §8.2.1: {answer}");
    assert!(header(&answer, "Allow").is_some_and(|allow| allow.contains("INVITE")), "{answer}");
}

#[tokio::test]
async fn an_extension_that_is_not_known_is_refused_by_name() {
    let answer = asked("OPTIONS", &format!("{HOPS}Require: nothing-like-it\r\n")).await;
    assert_eq!(status(&answer), Some(420), "{answer}");
    assert_eq!(header(&answer, "Unsupported"), Some("nothing-like-it"));
}

#[tokio::test]
async fn a_request_within_no_dialog_is_refused() {
    let here = listen().await;
    let wire = Wire::toward(here.relay.sip("udp").await).await;
    for method in ["BYE", "INFO", "UPDATE", "PRACK", "NOTIFY", "REFER"] {
        let request = wire.request(method, &here.contact, HOPS).replace("\r\nTo: <", "\r\nTo: <>;tag=none\r\nX: <");
        let request = request.replace("To: <>", &format!("To: <{}>", here.contact));
        wire.send(request).await;
        let answer = wire.final_response().await;
        assert_eq!(status(&answer), Some(481), "{method}, RFC 3261 §12.2.2: {answer}");
    }
}

#[tokio::test]
async fn a_call_that_is_at_its_last_hop_is_refused() {
    let answer = asked("INVITE", "Max-Forwards: 0\r\n").await;
    assert_eq!(status(&answer), Some(483), "RFC 7332 §4.2: {answer}");
}

#[tokio::test]
async fn an_invite_that_comes_by_two_ways_is_taken_once() {
    let mut here = listen().await;
    let relay = here.relay.sip("udp").await;
    let wire = Wire::toward(relay).await;
    let first = wire.request("INVITE", &here.contact, HOPS);
    wire.send(&first).await;
    let incoming = here.alice.incoming().await;
    // Another branch, all else alike (RFC 3261 §8.2.2.2).
    wire.send(first.replace("branch=z9hG4bK", "branch=z9hG4bKother")).await;
    let answer = wire.final_response().await;
    assert_eq!(status(&answer), Some(482), "{answer}");
    // The same once more is a retransmission: no second call, and the same answer as before.
    wire.send(&first).await;
    let again = wire.receive().await;
    assert!(status(&again).is_some_and(|status| status < 200), "{again}");
    here.alice.hang_up(&incoming.call.call_id);
    assert!(status(&wire.final_response().await).is_some_and(|status| status >= 300));
}

#[tokio::test]
async fn a_response_to_nothing_and_an_ack_for_nothing_are_passed_over() {
    let here = listen().await;
    let wire = Wire::toward(here.relay.sip("udp").await).await;
    wire.send(wire.request("ACK", &here.contact, HOPS)).await;
    let response = wire.request("OPTIONS", &here.contact, HOPS).replacen(
        &format!("OPTIONS {}", here.contact),
        "SIP/2.0 200 OK ",
        1,
    );
    wire.send(response.replacen(" SIP/2.0\r\n", "\r\n", 1)).await;
    wire.send(wire.request("OPTIONS", &here.contact, HOPS)).await;
    let answer = wire.receive().await;
    assert_eq!((status(&answer), header(&answer, "CSeq")), (Some(200), Some("1 OPTIONS")), "the only answer");
}

#[tokio::test]
async fn a_message_that_nobody_would_see_is_not_taken() {
    let here = listen().await;
    let wire = Wire::toward(here.relay.sip("udp").await).await;
    let request = wire.request("MESSAGE", &here.contact, HOPS);
    let text = "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    wire.send(request.replace("Content-Length: 0\r\n\r\n", text)).await;
    let answer = wire.final_response().await;
    assert_eq!(status(&answer), Some(405), "RFC 3428 §7, RFC 3261 §8.2.1: {answer}");
    assert!(header(&answer, "Allow").is_some_and(|allow| !allow.contains("MESSAGE")), "{answer}");
}

#[tokio::test]
async fn keep_alives_are_answered() {
    let here = listen().await;
    let mut stream = tokio::net::TcpStream::connect(here.relay.sip("tcp").await).await.expect("a connection");
    stream.write_all(b"\r\n\r\n").await.expect("a ping");
    let mut pong = [0; 2];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut pong)).await;
    assert!(matches!(read, Ok(Ok(_))) && &pong == b"\r\n", "RFC 5626 §4.4.1: {pong:?}");
    // Over UDP it is a STUN Binding (RFC 5626 §4.4.2); an empty line is passed over.
    let wire = Wire::toward(here.relay.sip("udp").await).await;
    wire.send("\r\n\r\n").await;
    wire.send(wire.request("OPTIONS", &here.contact, HOPS)).await;
    assert_eq!(status(&wire.receive().await), Some(200));
}

#[tokio::test]
async fn a_page_that_leaves_is_unregistered() {
    let mut here = listen().await;
    drop(here.alice);
    // The page asked for `keepAlive`; it ends with the session.
    here.relay.signal("TERM");
    here.registrar.forgets("1001").await;
    let _ = &mut here.relay;
}
