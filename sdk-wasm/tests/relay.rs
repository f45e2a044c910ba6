//! Tests of the drivers against a real relay with real sockets, peer connections and tones.
//! `tests/browser/bin/with-relay` starts the relay and sets its URL in the compiler's environment.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod page;

use offhook_sdk_wasm::call::CallHandle;
use page::{Browser, CallSide, Log};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// The tone sent by the caller, in Hz.
const LOW: f64 = 440.0;
/// The tone sent by the callee, in Hz.
const HIGH: f64 = 1000.0;

fn relay() -> &'static str {
    match option_env!("OFFHOOK_TEST_RELAY") {
        Some(url) => url,
        None => panic!("there is no relay: run `cargo xtask wasm-test`"),
    }
}

async fn receives_tone(side: &CallSide, hz: f64) {
    JsFuture::from(side.receives_tone(hz)).await.unwrap();
}

async fn receives_silence(side: &CallSide) {
    JsFuture::from(side.receives_silence()).await.unwrap();
}

async fn sign_in(login: &str) -> Browser {
    Browser::registered(login, relay()).await
}

/// Places a call and waits until it rings.
async fn ring(caller: &Browser, callee: &Browser, id: &str, name: &str) -> (CallHandle, CallSide, Log) {
    let details = format!(r#"{{"callee": "{name}", "receiveVideo": false, "tone": {LOW}}}"#);
    let (call, side, log) = caller.call(id, &details, "");
    call.dial().unwrap();
    callee.log.has("INCOMING_CALL").await;
    callee.side.call_log().has("RING").await;
    log.has("RING").await;
    (call, side, log)
}

fn ended_without_fault(log: &Log) {
    let lines = log.lines();
    assert!(!lines.iter().any(|line| line.starts_with("fault")), "{lines:?}");
}

#[wasm_bindgen_test]
async fn two_browsers_call_hold_and_hang_up() {
    let (alice, bob) = (sign_in("wasm-alice").await, sign_in("wasm-bob").await);
    let (call, side, log) = ring(&alice, &bob, "talk", "wasm-bob").await;
    bob.side.answer_with(HIGH);
    let (bob_side, bob_log) = (bob.side.call_side(), bob.side.call_log());
    for log in [&log, &bob_log] {
        log.has("ESTABLISHED").await;
        log.has("play audio").await;
    }
    receives_tone(&side, HIGH).await;
    receives_tone(&bob_side, LOW).await;

    call.hold(false);
    log.has("HOLD").await;
    receives_silence(&side).await;
    receives_silence(&bob_side).await;
    call.unhold();
    receives_tone(&side, HIGH).await;
    receives_tone(&bob_side, LOW).await;
    assert_eq!(call.status(), "ESTABLISHED");

    call.send_dtmf("7".to_owned(), "RFC2833").unwrap();
    bob_log.has("DTMF 7").await;

    bob.side.reject();
    for log in [&log, &bob_log] {
        log.has("FINISH").await;
        ended_without_fault(log);
    }
    assert_eq!(call.end_reason().as_deref(), Some("hungUp"));
}

#[wasm_bindgen_test]
async fn rejected_canceled_and_unknown_calls_report_reason() {
    let (carol, dave) = (sign_in("wasm-carol").await, sign_in("wasm-dave").await);
    let (call, _side, log) = ring(&carol, &dave, "rejected", "wasm-dave").await;
    dave.side.reject();
    log.has("FINISH").await;
    assert_eq!(call.end_reason().as_deref(), Some("rejected"));

    let (call, _side, log) = ring(&carol, &dave, "canceled", "wasm-dave").await;
    call.hang_up();
    log.has("FINISH").await;
    dave.side.call_log().has("FINISH").await;

    let (call, _side, log) = carol.call("nobody", r#"{"callee": "wasm-nobody"}"#, "");
    call.dial().unwrap();
    log.has("FAILED").await;
    assert_eq!(call.end_reason().as_deref(), Some("notFound"));
}

#[wasm_bindgen_test]
async fn session_resumes_with_token() {
    let erin = sign_in("wasm-erin").await;
    let token = erin.side.token();
    assert!(!token.is_empty());
    erin.session.disconnect();
    erin.log.has("DISCONNECTED").await;

    let again = Browser::back(&token, relay());
    again.log.has("REGISTERED").await;
    assert_eq!(again.session.login().as_deref(), Some("wasm-erin"));
    // The session can be called by that login.
    let frank = sign_in("wasm-frank").await;
    let (call, _side, log) = ring(&frank, &again, "back", "wasm-erin").await;
    call.hang_up();
    log.has("FINISH").await;
}
