//! Tests of out-of-dialog requests, and of retransmitted, merged, looped and unsupported requests.

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
async fn options_lists_capabilities() {
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
async fn options_with_max_forwards_zero_is_answered() {
    let answer = asked("OPTIONS", "Max-Forwards: 0\r\n").await;
    assert_eq!(status(&answer), Some(200), "RFC 3261 §11: {answer}");
}

#[tokio::test]
async fn unknown_method_is_refused_with_allow() {
    let answer = asked("DANCE", HOPS).await;
    assert!(matches!(status(&answer), Some(405 | 501)), "RFC 3261 §8.2.1: {answer}");
    assert!(header(&answer, "Allow").is_some_and(|allow| allow.contains("INVITE")), "{answer}");
}

#[tokio::test]
async fn options_requiring_unknown_extension_gets_420() {
    let answer = asked("OPTIONS", &format!("{HOPS}Require: nothing-like-it\r\n")).await;
    assert_eq!(status(&answer), Some(420), "{answer}");
    assert_eq!(header(&answer, "Unsupported"), Some("nothing-like-it"));
}

#[tokio::test]
async fn request_for_unknown_dialog_gets_481() {
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
async fn invite_with_max_forwards_zero_gets_483() {
    let answer = asked("INVITE", "Max-Forwards: 0\r\n").await;
    assert_eq!(status(&answer), Some(483), "RFC 7332 §4.2: {answer}");
}

#[tokio::test]
async fn merged_invite_gets_482() {
    let mut here = listen().await;
    let relay = here.relay.sip("udp").await;
    let wire = Wire::toward(relay).await;
    let first = wire.request("INVITE", &here.contact, HOPS);
    wire.send(&first).await;
    let incoming = here.alice.incoming().await;
    // The same request with another branch is a merged request (RFC 3261 §8.2.2.2).
    wire.send(first.replace("branch=z9hG4bK", "branch=z9hG4bKother")).await;
    let answer = wire.final_response().await;
    assert_eq!(status(&answer), Some(482), "{answer}");
    // The same request is a retransmission: no second call, and the same response.
    wire.send(&first).await;
    let again = wire.receive().await;
    assert!(status(&again).is_some_and(|status| status < 200), "{again}");
    here.alice.hang_up(&incoming.call.call_id);
    assert!(status(&wire.final_response().await).is_some_and(|status| status >= 300));
}

#[tokio::test]
async fn unmatched_response_and_ack_are_ignored() {
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
async fn message_method_gets_405() {
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
async fn crlf_keep_alive_is_answered() {
    let here = listen().await;
    let mut stream = tokio::net::TcpStream::connect(here.relay.sip("tcp").await).await.expect("a connection");
    stream.write_all(b"\r\n\r\n").await.expect("a ping");
    let mut pong = [0; 2];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut pong)).await;
    assert!(matches!(read, Ok(Ok(_))) && &pong == b"\r\n", "RFC 5626 §4.4.1: {pong:?}");
    // Over UDP, the keep-alive is a STUN Binding request (RFC 5626 §4.4.2); empty lines are ignored.
    let wire = Wire::toward(here.relay.sip("udp").await).await;
    wire.send("\r\n\r\n").await;
    wire.send(wire.request("OPTIONS", &here.contact, HOPS)).await;
    assert_eq!(status(&wire.receive().await), Some(200));
}

#[tokio::test]
async fn relay_shutdown_unregisters_accounts() {
    let mut here = listen().await;
    drop(here.alice);
    // The session has `keepAlive`, so it only ends with the relay.
    here.relay.signal("TERM");
    here.registrar.forgets("1001").await;
    let _ = &mut here.relay;
}
