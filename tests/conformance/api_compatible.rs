//! The REST API of the Flashphoner server, below `/rest-api`.

use crate::api::is_problem;
use crate::sip::place;
use crate::{EstablishedCall, LOW, ring};
use offhook_signaling::message::CallStatus;
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::{Relay, api_token};
use offhook_tests::rest::{Reply, RestClient};
use offhook_tests::sipp::Run;
use serde_json::{Value, json};

const JSON: &str = "application/json;charset=UTF-8";

/// Sends a request as the stock client does: POST with a body, GET without.
async fn stock(api: &RestClient, path: &str, body: &Value) -> Reply {
    match body {
        Value::Null => api.get(&format!("/rest-api/{path}")).await,
        body => api.send("POST", &format!("/rest-api/{path}"), JSON, &body.to_string()).await,
    }
}

/// Asserts that a response is empty with status 200, as the stock client expects.
fn is_done(reply: &Reply) {
    assert_eq!((reply.status, &reply.body), (200, &Value::Null), "{reply:?}");
}

#[tokio::test]
async fn stock_client_finds_and_terminates_a_call() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    is_problem(&stock(&api, "call/find_all", &Value::Null).await, 404, "unknownCall");
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    let (at_alice, incoming) = ring(&mut alice, &mut bob, Sound::Tone(LOW)).await;
    // One object for each browser.
    let all = stock(&api, "call/find_all", &Value::Null).await;
    assert_eq!((all.status, all.body.as_array().map(Vec::len)), (200, Some(2)), "{all:?}");
    let by_id = json!({"callId": at_alice.id.as_str()});
    let found = stock(&api, "call/find", &by_id).await;
    let member = |name: &str| found.body.pointer(&format!("/0/{name}")).cloned().unwrap_or_default();
    assert_eq!((member("status"), member("sipStatus")), ("RING".into(), 180.into()), "{found:?}");
    assert_eq!((member("caller"), member("callee"), member("incoming")), ("alice".into(), "bob".into(), false.into()));
    let at_bob = bob.answer(&incoming, Sound::Tone(LOW)).await;
    alice.established(&at_alice).await;
    let established = json!({"status": "ESTABLISHED", "callId": at_bob.id.as_str()});
    assert_eq!(stock(&api, "call/find", &established).await.body.pointer("/0/incoming"), Some(&true.into()));
    alice.hold(&at_alice.id).await;
    assert_eq!(stock(&api, "call/find", &by_id).await.body.pointer("/0/status"), Some(&"HOLD".into()));
    let sound = json!({"callId": "x", "fileName": "tone:440"});
    is_problem(&stock(&api, "call/inject_sound", &sound).await, 404, "unknownCall");
    let startup = json!({"callId": at_alice.id.as_str(), "callee": "bob"});
    is_problem(&stock(&api, "call/startup", &startup).await, 409, "callIdInUse");
    is_problem(&stock(&api, "call/startup", &json!({"callId": "x", "sipPort": "5060"})).await, 400, "invalidField");
    // Additions to that API, and a `callId` that two sessions use.
    is_done(&stock(&api, "call/unhold", &by_id).await);
    assert_eq!(stock(&api, "call/find", &by_id).await.body.pointer("/0/status"), Some(&"ESTABLISHED".into()));
    let _carol = Browser::sign_in(&relay, "carol").await;
    let session = stock(&api, "connection/find", &json!({"sipLogin": "carol"})).await.body;
    let session = session.pointer("/0/sessionId").cloned().expect("a session");
    let id = at_alice.id.as_str();
    let place = json!({"sessionId": session, "callId": id, "callee": "bob", "sdp": at_alice.peer.description()});
    assert_eq!(api.post("/api/v1/calls", &place).await.status, 201);
    is_problem(&stock(&api, "call/terminate", &by_id).await, 409, "ambiguousCall");
    is_done(&stock(&api, "call/terminate", &json!({"callId": id, "sessionId": session})).await);
    is_done(&stock(&api, "call/terminate", &by_id).await);
    assert_eq!(bob.over(&at_bob.id).await.status, CallStatus::Finish);
    // The stock page shows FINISHED as soon as a request fails.
    is_problem(&stock(&api, "call/find", &by_id).await, 404, "unknownCall");
    is_problem(&stock(&api, "call/terminate", &by_id).await, 404, "unknownCall");
}

#[tokio::test]
async fn stock_client_sends_dtmf() {
    let mut call = place("uas-answer", Run::default()).await;
    call.peer.passes_by("ringing").await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    let api = RestClient::of(&call.relay).await;
    // Digits may be a number.
    let id = call.call.id.as_str();
    is_done(&stock(&api, "call/send_dtmf", &json!({"callId": id, "dtmf": 12, "type": "RFC2833"})).await);
    is_done(&stock(&api, "call/send_dtmf", &json!({"callId": id, "dtmf": "#"})).await);
    call.phone.receives_digits("12#").await;
    is_problem(&stock(&api, "call/send_dtmf", &json!({"callId": id, "dtmf": "x"})).await, 400, "invalidDigit");
    call.hang_up(&report).await;
}

#[tokio::test]
async fn connections_are_found() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    is_problem(&stock(&api, "connection/find_all", &Value::Null).await, 404, "unknownSession");
    let alice = Browser::sign_in(&relay, "alice").await;
    let all = stock(&api, "connection/find_all", &Value::Null).await;
    assert_eq!(all.body.pointer("/0/sipLogin"), Some(&"alice".into()), "{all:?}");
    let session = all.body.pointer("/0/sessionId").cloned().expect("a session");
    let found = stock(&api, "connection/find", &json!({"sessionId": session})).await;
    assert_eq!(found.body.pointer("/0/status"), Some(&"ESTABLISHED".into()), "{found:?}");
    is_problem(&stock(&api, "connection/find", &json!({"sipLogin": "bob"})).await, 404, "unknownSession");
    is_done(&stock(&api, "connection/terminate", &json!({"sessionId": session})).await);
    assert_eq!(alice.is_closed().await, "the application has ended the session");
    is_problem(&stock(&api, "connection/terminate", &json!({"sessionId": "0"})).await, 404, "unknownSession");
}

#[tokio::test]
async fn control_needs_its_scope_and_no_query_controls_calls() {
    let (token, entry) = api_token("read");
    let (control, control_entry) = api_token("control");
    let tokens = [format!("api.tokens.reader={entry}"), format!("api.tokens.writer={control_entry}")];
    let relay = Relay::start_with(&[&tokens[0], &tokens[1]]);
    let anonymous = RestClient::anonymous(&relay).await;
    let call = EstablishedCall::begin(&relay).await;
    let reader = anonymous.with(&format!("Bearer {token}"));
    let by_id = json!({"callId": call.at_alice.id.as_str()});
    assert_eq!(stock(&reader, "call/find", &by_id).await.status, 200);
    is_problem(&stock(&reader, "call/terminate", &by_id).await, 403, "scopeRequired");
    let writer = anonymous.with(&format!("Bearer {control}"));
    let query = format!("/rest-api/call/terminate?callId={}", call.at_alice.id.as_str());
    is_problem(&writer.get(&query).await, 404, "unknownCall");
    call.both_receive_tones().await;
}

#[tokio::test]
async fn page_of_the_configured_origin_may_use_the_compatible_api() {
    let relay = Relay::start_with(&["api.allow_origin=https://app.test"]);
    let anonymous = RestClient::anonymous(&relay).await;
    let preflight = anonymous.send("OPTIONS", "/rest-api/call/find", "", "").await;
    assert_eq!(preflight.status, 204, "{preflight:?}");
    let allowed = "access-control-allow-origin: https://app.test";
    assert!(preflight.head.contains(allowed) && preflight.head.contains("authorization"), "{preflight:?}");
    let refused = stock(&anonymous, "call/find_all", &Value::Null).await;
    is_problem(&refused, 401, "unauthorized");
    assert!(refused.head.contains(allowed), "the page can read the error: {refused:?}");
    let own = anonymous.send("OPTIONS", "/api/v1/calls", "", "").await;
    assert!(own.status == 401 && !own.head.contains("access-control"), "{own:?}");
}
