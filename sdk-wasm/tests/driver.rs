//! Tests of the drivers in a browser: two sessions with real peer connections in one page, and failing sockets.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[expect(dead_code, reason = "the suite at the real relay needs more of it")]
mod page;

use js_sys::JSON;
use offhook_sdk_wasm::session::SessionHandle;
use page::{Browser, Log, SessionSide, received, refusing_url};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const LOOPBACK: &str = "ws://loopback.test/";

/// Returns a session registered at the loopback relay of page.js.
async fn registered(login: &str) -> Browser {
    Browser::registered(login, LOOPBACK).await
}

/// Returns a field of the last frame with this name for the call `id`.
fn sent(message: &str, id: &str, field: &str) -> String {
    let frames = received(message).into_iter().filter_map(|frame| JSON::parse(&frame.as_string()?).ok());
    let text = |frame: &JsValue, name: &str| offhook_sdk_wasm::wire::text(frame, name);
    let frame = frames.filter(|frame| text(frame, "callId").as_deref() == Some(id)).last();
    frame.and_then(|frame| text(&frame, field)).unwrap_or_default()
}

fn count(lines: &[String], line: &str) -> usize {
    lines.iter().filter(|entry| *entry == line).count()
}

/// Asserts that the descriptions sent are those created by the browser, without the stripped codecs.
fn check_descriptions(id: &str, created: &str) {
    let offer = sent("call", id, "sdp");
    assert!(offer.contains("m=audio") && offer.contains("opus/48000"), "{offer}");
    assert!(!offer.contains("m=video"), "{offer}");
    assert!(created.contains("PCMU/8000"), "the browser offers the codec that is stripped");
    assert!(!offer.contains("PCMU") && !offer.contains("PCMA"), "{offer}");
    assert!(!sent("answer", id, "sdp").contains("PCMU"), "the stripped codec is not answered");
}

/// Asserts that only the first terminal status was emitted and the connection is closed.
fn check_end(log: &Log) {
    let lines = log.lines();
    assert_eq!(count(&lines, "FINISH"), 1, "{lines:?}");
    assert_eq!(count(&lines, "FAILED"), 0, "only the first terminal status is emitted: {lines:?}");
    assert_eq!(count(&lines, "connection closed"), 1, "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("fault")), "{lines:?}");
}

#[wasm_bindgen_test]
async fn two_peers_exchange_streams_and_close() {
    let (alice, bob) = (registered("alice").await, registered("bob").await);
    let details = r#"{"callee": "bob", "receiveVideo": false, "stripCodecs": "PCMU, pcma"}"#;
    let (call, side, log) = alice.call("two-peers", details, "");
    call.dial().unwrap();
    assert_eq!(call.status(), "PENDING");
    bob.log.has("INCOMING_CALL").await;
    let bob_log = bob.side.call_log();
    bob_log.has("RING").await;
    bob.side.answer();
    for log in [&log, &bob_log] {
        log.has("ESTABLISHED").await;
        log.has("signaling stable").await;
        log.has("play audio").await;
    }
    assert_eq!(call.status(), "ESTABLISHED");
    assert_eq!((side.remote_kind(), bob.side.remote_kind()), ("answer".to_owned(), "offer".to_owned()));

    check_descriptions("two-peers", &side.local_sdp());

    call.send_dtmf("5".to_owned(), "RFC2833").unwrap();
    bob_log.has("DTMF 5").await;

    call.hang_up();
    alice.log.has("WARN").await;
    bob.log.has("WARN").await;
    check_end(&log);
    check_end(&bob_log);
    assert_eq!(call.status(), "FINISH");
}

#[wasm_bindgen_test]
async fn call_without_microphone_fails_with_browser_error() {
    let carol = registered("carol").await;
    let (call, _side, log) = carol.call("no-microphone", r#"{"callee": "carol"}"#, "no microphone");
    call.dial().unwrap();
    log.has("FAILED").await;
    assert_eq!(log.lines(), ["capture video=true", "FAILED"]);
    assert_eq!(call.info().as_deref(), Some("Local error"));
    assert_eq!(call.error_info().as_deref(), Some("no microphone"));
    assert_eq!(sent("call", "no-microphone", "callId"), "", "no call was sent");
}

#[wasm_bindgen_test]
async fn refused_peer_connection_fails_call_with_browser_error() {
    let judy = registered("judy").await;
    let (call, _side, log) = judy.call("no-connection", r#"{"callee": "judy", "turn": true}"#, "");
    call.dial().unwrap();
    log.has("FAILED").await;
    assert_eq!(log.lines(), ["capture video=true", "connection undefined", "FAILED"]);
    assert_eq!(call.info().as_deref(), Some("Local error"));
    assert!(call.error_info().is_some_and(|text| !text.is_empty()));
    assert_eq!(sent("call", "no-connection", "callId"), "", "no call was sent");
}

#[wasm_bindgen_test]
async fn refused_answer_ends_call_on_both_sides() {
    let (kim, leo) = (registered("kim").await, registered("leo").await);
    let (call, _side, log) = kim.call("garbled", r#"{"callee": "leo", "receiveVideo": false, "garbled": true}"#, "");
    call.dial().unwrap();
    leo.log.has("INCOMING_CALL").await;
    let leo_log = leo.side.call_log();
    leo_log.has("RING").await;
    leo.side.answer();
    log.has("FAILED").await;
    leo_log.has("FINISH").await;
    assert_eq!(count(&log.lines(), "connection closed"), 1);
    assert!(call.error_info().is_some_and(|text| !text.is_empty()));
}

#[wasm_bindgen_test]
async fn lost_session_closes_peer_connection() {
    let (mia, _ned) = (registered("mia").await, registered("ned").await);
    let (call, _side, log) = mia.call("lost", r#"{"callee": "ned", "receiveVideo": false}"#, "");
    call.dial().unwrap();
    log.has("RING").await;
    mia.session.disconnect();
    mia.log.has("DISCONNECTED").await;
    assert_eq!(count(&log.lines(), "connection closed"), 1);
    assert_eq!(call.status(), "RING", "no event is emitted");
}

#[wasm_bindgen_test]
async fn second_dial_throws() {
    let dave = registered("dave").await;
    let (call, _side, log) = dave.call("twice", r#"{"callee": "dave"}"#, "");
    call.dial().unwrap();
    let error: js_sys::Error = call.dial().unwrap_err().unchecked_into();
    assert_eq!(String::from(error.message()), "Invalid call state");
    call.hang_up();
    log.has("FAILED").await;
    assert_eq!(log.lines(), ["capture video=true", "release", "FAILED"]);
}

#[wasm_bindgen_test]
async fn closed_session_is_removed_and_disconnected() {
    let erin = registered("erin").await;
    assert!(erin.session.takes_calls());
    assert_eq!(erin.session.login().as_deref(), Some("erin"));
    erin.session.disconnect();
    erin.log.has("DISCONNECTED").await;
    assert_eq!(erin.log.lines(), ["CONNECTED", "ESTABLISHED", "REGISTERED", "remove", "DISCONNECTED"]);
    assert!(!erin.session.takes_calls());
}

#[wasm_bindgen_test]
async fn server_without_websocket_fails_session() {
    let frank = Browser::open("frank", &refusing_url(), 0.0);
    frank.log.has("FAILED").await;
    assert_eq!(frank.log.lines(), ["remove", "FAILED"]);
    assert_eq!(frank.session.status(), "FAILED");
}

#[wasm_bindgen_test]
async fn connect_timeout_fails_session() {
    let grace = Browser::open("grace", &format!("{LOOPBACK}silent"), 1.0);
    assert_eq!(grace.session.status(), "PENDING");
    grace.log.has("FAILED").await;
    assert_eq!(grace.log.lines(), ["remove", "FAILED"]);
}

#[wasm_bindgen_test]
fn invalid_url_throws() {
    let log = Log::new();
    let side = SessionSide::new("heidi", &log);
    let session = SessionHandle::new(side.unchecked_into(), 0.0, 0.0, 0.0, 0);
    assert!(session.open("mailto:relay").is_err());
}
