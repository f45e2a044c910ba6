//! The drivers in a browser: two sessions and their real peer connections in one page, and sockets that fail.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[expect(dead_code, reason = "the suite at the real relay needs more of it")]
mod page;

use js_sys::JSON;
use offhook_sdk_wasm::session::Session;
use page::{Browser, Log, SessionSide, received, refusing_url};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const LOOPBACK: &str = "ws://loopback.test/";

/// A session at the relay behind page.js.
async fn registered(login: &str) -> Browser {
    Browser::registered(login, LOOPBACK).await
}

/// A field of the last frame of that name, of the call `id`.
fn sent(message: &str, id: &str, field: &str) -> String {
    let frames = received(message).into_iter().filter_map(|frame| JSON::parse(&frame.as_string()?).ok());
    let text = |frame: &JsValue, name: &str| offhook_sdk_wasm::wire::text(frame, name);
    let frame = frames.filter(|frame| text(frame, "callId").as_deref() == Some(id)).last();
    frame.and_then(|frame| text(&frame, field)).unwrap_or_default()
}

fn count(lines: &[String], line: &str) -> usize {
    lines.iter().filter(|entry| *entry == line).count()
}

/// What was sent is what the browser made, without the codecs the page had stripped.
fn check_descriptions(id: &str, made: &str) {
    let offer = sent("call", id, "sdp");
    assert!(offer.contains("m=audio") && offer.contains("opus/48000"), "{offer}");
    assert!(!offer.contains("m=video"), "{offer}");
    assert!(made.contains("PCMU/8000"), "the browser offers what is to be stripped");
    assert!(!offer.contains("PCMU") && !offer.contains("PCMA"), "{offer}");
    assert!(!sent("answer", id, "sdp").contains("PCMU"), "what was stripped is not answered either");
}

/// One end was told, the first, and the connection is gone.
fn check_end(log: &Log) {
    let lines = log.lines();
    assert_eq!(count(&lines, "FINISH"), 1, "{lines:?}");
    assert_eq!(count(&lines, "FAILED"), 0, "only the first end is told: {lines:?}");
    assert_eq!(count(&lines, "connection closed"), 1, "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("fault")), "{lines:?}");
}

#[wasm_bindgen_test]
async fn two_peers_negotiate_get_each_other_s_stream_and_close() {
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
async fn a_call_without_a_microphone_fails_with_the_browser_s_words() {
    let carol = registered("carol").await;
    let (call, _side, log) = carol.call("no-microphone", r#"{"callee": "carol"}"#, "no microphone");
    call.dial().unwrap();
    log.has("FAILED").await;
    assert_eq!(log.lines(), ["capture video=true", "FAILED"]);
    assert_eq!(call.info().as_deref(), Some("Local error"));
    assert_eq!(call.error_info().as_deref(), Some("no microphone"));
    assert_eq!(sent("call", "no-microphone", "callId"), "", "nothing was offered");
}

#[wasm_bindgen_test]
async fn refused_connection_fails_the_call_with_the_exception() {
    let judy = registered("judy").await;
    let (call, _side, log) = judy.call("no-connection", r#"{"callee": "judy", "turn": true}"#, "");
    call.dial().unwrap();
    log.has("FAILED").await;
    assert_eq!(log.lines(), ["capture video=true", "connection undefined", "FAILED"]);
    assert_eq!(call.info().as_deref(), Some("Local error"));
    assert!(call.error_info().is_some_and(|text| !text.is_empty()));
    assert_eq!(sent("call", "no-connection", "callId"), "", "nothing was offered");
}

#[wasm_bindgen_test]
async fn refused_answer_ends_the_call_on_both_sides() {
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
async fn lost_session_closes_the_connection_of_its_call() {
    let (mia, _ned) = (registered("mia").await, registered("ned").await);
    let (call, _side, log) = mia.call("lost", r#"{"callee": "ned", "receiveVideo": false}"#, "");
    call.dial().unwrap();
    log.has("RING").await;
    mia.session.disconnect();
    mia.log.has("DISCONNECTED").await;
    assert_eq!(count(&log.lines(), "connection closed"), 1);
    assert_eq!(call.status(), "RING", "the page gets no event of it");
}

#[wasm_bindgen_test]
async fn a_second_dial_is_refused_to_the_page() {
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
async fn a_closed_session_is_disconnected_and_taken_off_the_list() {
    let erin = registered("erin").await;
    assert!(erin.session.takes_calls());
    assert_eq!(erin.session.login().as_deref(), Some("erin"));
    erin.session.disconnect();
    erin.log.has("DISCONNECTED").await;
    assert_eq!(erin.log.lines(), ["CONNECTED", "ESTABLISHED", "REGISTERED", "remove", "DISCONNECTED"]);
    assert!(!erin.session.takes_calls());
}

#[wasm_bindgen_test]
async fn a_server_that_takes_no_websocket_fails_the_session() {
    let frank = Browser::open("frank", &refusing_url(), 0.0);
    frank.log.has("FAILED").await;
    assert_eq!(frank.log.lines(), ["remove", "FAILED"]);
    assert_eq!(frank.session.status(), "FAILED");
}

#[wasm_bindgen_test]
async fn a_socket_that_never_opens_fails_the_session_by_the_browser_s_timer() {
    let grace = Browser::open("grace", &format!("{LOOPBACK}silent"), 1.0);
    assert_eq!(grace.session.status(), "PENDING");
    grace.log.has("FAILED").await;
    assert_eq!(grace.log.lines(), ["remove", "FAILED"]);
}

#[wasm_bindgen_test]
fn an_address_that_is_none_is_refused() {
    let log = Log::new();
    let side = SessionSide::new("heidi", &log);
    let session = Session::new(side.unchecked_into(), 0.0, 0.0, 0.0, 0);
    assert!(session.open("mailto:relay").is_err());
}
