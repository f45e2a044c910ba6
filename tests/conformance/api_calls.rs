//! Calls controlled by the REST API.

use crate::api::is_problem;
use crate::sip::place;
use crate::{EstablishedCall, HIGH, LOW, establish_call, ring};
use offhook_signaling::message::{CallStatus, ServerMessage, TransferStatus};
use offhook_signaling::reason::EndReason;
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::{Relay, api_token};
use offhook_tests::rest::RestClient;
use offhook_tests::sipp::Run;
use serde_json::{Value, json};

/// The tone sent by the third participant, in Hz.
const THIRD: f32 = 1700.0;

/// Returns the only call in the list.
async fn only_call(api: &RestClient) -> Value {
    let list = api.get("/api/v1/calls").await;
    assert_eq!((list.status, list.body.get("total")), (200, Some(&Value::from(1))), "{list:?}");
    list.body.pointer("/items/0").cloned().expect("a call")
}

fn id(call: &Value) -> &str {
    call.get("id").and_then(Value::as_str).expect("an identifier")
}

/// The path of an action on the only call.
async fn action(api: &RestClient, name: &str) -> String {
    format!("/api/v1/calls/{}/{name}", id(&only_call(api).await))
}

#[tokio::test]
async fn call_is_listed_while_it_exists() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    assert_eq!(api.get("/api/v1/calls").await.body, json!({"items": [], "total": 0, "next": null}));
    let (at_alice, incoming) = ring(&mut alice, &mut bob, Sound::Tone(LOW)).await;
    let ringing = only_call(&api).await;
    assert_eq!(ringing.get("state"), Some(&"ringing".into()), "{ringing}");
    assert_eq!(ringing.pointer("/participants/1/state"), Some(&"alerting".into()), "{ringing}");
    let at_bob = bob.answer(&incoming, Sound::Tone(LOW)).await;
    alice.established(&at_alice).await;
    let call = api.get(&format!("/api/v1/calls/{}", id(&ringing))).await.body;
    let member = |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!((member("/state"), member("/scheme")), ("established".into(), "local".into()), "{call}");
    assert_eq!((member("/participants/0/role"), member("/participants/1/role")), ("caller".into(), "callee".into()));
    assert_eq!(member("/participants/0/callId"), at_alice.id.as_str(), "{call}");
    assert_eq!(member("/participants/1/callId"), at_bob.id.as_str(), "{call}");
    assert_eq!((member("/participants/1/caller"), member("/participants/1/callee")), ("alice".into(), "bob".into()));
    assert!(member("/placedAt") <= member("/answeredAt") && member("/answeredAt").ends_with('Z'), "{call}");
    assert_eq!(member("/codecs/0"), "PCMU", "{call}");
    // Filters.
    for (query, total) in [("user=bob", 1), ("user=carol", 0), ("state=established", 1), ("state=ringing", 0)] {
        let list = api.get(&format!("/api/v1/calls?{query}")).await;
        assert_eq!(list.body.get("total"), Some(&Value::from(total)), "{query}: {list:?}");
    }
    for wrong in ["state=nothing", "limit=0", "limit=501", "after=x", "user=a&user=b", "usr=a"] {
        is_problem(&api.get(&format!("/api/v1/calls?{wrong}")).await, 400, "invalidField");
    }
    alice.hang_up(&at_alice.id);
    bob.over(&at_bob.id).await;
    is_problem(&api.get(&format!("/api/v1/calls/{}", id(&call))).await, 404, "unknownCall");
}

#[tokio::test]
async fn list_of_calls_has_pages() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    for _ in 0..2 {
        ring(&mut alice, &mut bob, Sound::Tone(LOW)).await;
    }
    let first = api.get("/api/v1/calls?limit=1").await.body;
    let next = first.get("next").and_then(Value::as_str).expect("a second page");
    assert_eq!(first.pointer("/items/0/id").and_then(Value::as_str), Some(next), "{first}");
    let second = api.get(&format!("/api/v1/calls?limit=1&after={next}")).await.body;
    assert_eq!((second.get("next"), second.get("total")), (Some(&Value::Null), Some(&Value::from(2))), "{second}");
    assert_ne!(second.pointer("/items/0/id").and_then(Value::as_str), Some(next), "{second}");
}

#[tokio::test]
async fn hold_stops_media_until_resume() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let mut call = EstablishedCall::begin(&relay).await;
    call.both_receive_tones().await;
    let held = api.post(&action(&api, "hold").await, &json!({"participant": "callee"})).await;
    assert_eq!(held.status, 200, "{held:?}");
    assert_eq!(held.body.pointer("/participants/1/isHolding"), Some(&true.into()), "{held:?}");
    call.bob.status(&call.at_bob.id, CallStatus::Hold).await;
    tokio::join!(call.at_alice.peer.receives_silence(), call.at_bob.peer.receives_silence());
    let participant = held.body.pointer("/participants/1/id").cloned().expect("an identifier");
    let resumed = api.post(&action(&api, "resume").await, &json!({"participant": participant})).await;
    assert_eq!(resumed.body.pointer("/participants/1/isHolding"), Some(&false.into()), "{resumed:?}");
    call.both_receive_tones().await;
}

#[tokio::test]
async fn hang_up_ends_the_call_with_its_reason() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let mut call = EstablishedCall::begin(&relay).await;
    let reply = api.post(&action(&api, "hangup").await, &json!({"participant": "callee"})).await;
    assert_eq!((reply.status, &reply.body), (204, &Value::Null), "{reply:?}");
    assert_eq!(call.alice.over(&call.at_alice.id).await.info.as_deref(), Some(EndReason::HungUp.info()));
    call.bob.over(&call.at_bob.id).await;
    // A call that is ringing is canceled by its caller, which is the default.
    let (at_alice, incoming) = ring(&mut call.alice, &mut call.bob, Sound::Tone(LOW)).await;
    let path = action(&api, "hangup").await;
    assert_eq!(api.post(&path, &json!({})).await.status, 204);
    call.bob.over(&incoming.call.call_id).await;
    call.alice.over(&at_alice.id).await;
    is_problem(&api.post(&path, &json!({})).await, 404, "unknownCall");
}

#[tokio::test]
async fn blind_transfer_connects_the_target() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let EstablishedCall { mut alice, bob: _bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    let mut carol = Browser::sign_in(&relay, "carol").await;
    let body = json!({"participant": "caller", "target": "carol"});
    let reply = api.post(&action(&api, "transfer").await, &body).await;
    assert_eq!(reply.body.get("state"), Some(&"transferring".into()), "{reply:?}");
    let incoming = carol.incoming().await;
    let at_carol = carol.answer(&incoming, Sound::Tone(THIRD)).await;
    let done =
        |message: &ServerMessage| matches!(message, ServerMessage::Transfer { status: TransferStatus::Completed, .. });
    alice.expect("notifyTransferEvent COMPLETED", |message| done(message).then_some(())).await;
    alice.over(&at_alice.id).await;
    tokio::join!(at_bob.peer.receives_tone(THIRD), at_carol.peer.receives_tone(HIGH));
    let call = only_call(&api).await;
    assert_eq!(call.pointer("/participants/0/callId"), Some(&at_carol.id.as_str().into()), "{call}");
}

#[tokio::test]
async fn attended_transfer_joins_two_calls() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let EstablishedCall { mut alice, bob: _bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    let first = id(&only_call(&api).await).to_owned();
    let mut carol = Browser::sign_in(&relay, "carol").await;
    alice.hold(&at_alice.id).await;
    let (_second, at_carol) = establish_call(&mut alice, &mut carol, Sound::Tone(300.0), Sound::Tone(THIRD)).await;
    let calls = api.get("/api/v1/calls?user=carol").await.body;
    let second = calls.pointer("/items/0/id").cloned().expect("the second call");
    let body = json!({"participant": "caller", "otherCall": second});
    let reply = api.post(&format!("/api/v1/calls/{first}/transfer"), &body).await;
    assert!([200, 204].contains(&reply.status), "{reply:?}");
    tokio::join!(at_bob.peer.receives_tone(THIRD), at_carol.peer.receives_tone(HIGH));
    let call = only_call(&api).await;
    let ids = ["/participants/0/callId", "/participants/1/callId"].map(|pointer| call.pointer(pointer).cloned());
    let known = [at_bob.id.as_str(), at_carol.id.as_str()].map(|id| Some(Value::from(id)));
    assert!(known.iter().all(|id| ids.contains(id)), "{call}");
}

#[tokio::test]
async fn dtmf_reaches_a_sip_phone_as_telephone_events() {
    let mut call = place("uas-answer", Run::default()).await;
    call.peer.passes_by("ringing").await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    let api = RestClient::of(&call.relay).await;
    let body = json!({"participant": "caller", "digits": "15*#"});
    let reply = api.post(&action(&api, "dtmf").await, &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.body.get("scheme"), Some(&"proxied".into()), "{reply:?}");
    call.phone.receives_digits("15*#").await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn invalid_action_is_refused_and_changes_nothing() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let call = EstablishedCall::begin(&relay).await;
    let (hold, dtmf) = (action(&api, "hold").await, action(&api, "dtmf").await);
    let cases = [
        (&hold, json!({}), 400, "invalidField"),
        (&hold, json!({"participant": "callee", "more": 1}), 400, "invalidField"),
        (&hold, json!({"participant": "nobody"}), 404, "unknownParticipant"),
        (&dtmf, json!({"participant": "caller", "digits": "1x"}), 400, "invalidDigit"),
        (&dtmf, json!({"participant": "caller", "digits": ""}), 400, "invalidField"),
        (&dtmf, json!({"participant": "caller", "digits": "1".repeat(65)}), 400, "tooManyDigits"),
        (&action(&api, "transfer").await, json!({"participant": "caller"}), 400, "invalidField"),
        (&action(&api, "answer").await, json!({}), 501, "notImplemented"),
        (&action(&api, "hangup").await, json!({"reason": "bored"}), 400, "invalidField"),
        (&"/api/v1/calls/0/hold".to_owned(), json!({"participant": "caller"}), 404, "unknownCall"),
        (&"/api/v1/calls".to_owned(), json!({"callee": ""}), 400, "invalidField"),
        (&"/api/v1/calls".to_owned(), json!({"callee": "bob", "sdp": "v=0"}), 400, "invalidField"),
        (&"/api/v1/calls".to_owned(), json!({"callee": "bob", "sessionId": "1"}), 400, "invalidField"),
        (&"/api/v1/calls".to_owned(), json!({"callee": "bob", "account": "nobody"}), 400, "invalidField"),
    ];
    for (path, body, status, code) in cases {
        is_problem(&api.post(path, &body).await, status, code);
    }
    let send = async |kind: &str, body: &str| api.send("POST", &hold, kind, body).await;
    is_problem(&send("application/json", "{\"participant\":").await, 400, "malformedJson");
    is_problem(&send("text/plain", "{}").await, 415, "unsupportedMediaType");
    is_problem(&send("application/json", &" ".repeat(65_537)).await, 413, "bodyTooLarge");
    call.both_receive_tones().await;
}

#[tokio::test]
async fn token_for_reading_controls_nothing() {
    let (token, entry) = api_token("read");
    let relay = Relay::start_with(&[&format!("api.tokens.reader={entry}")]);
    let api = RestClient::anonymous(&relay).await.with(&format!("Bearer {token}"));
    let call = EstablishedCall::begin(&relay).await;
    let reply = api.post(&action(&api, "hangup").await, &json!({})).await;
    is_problem(&reply, 403, "scopeRequired");
    relay.logs("API request refused token=\"reader\" address=127.0.0.1 reason=\"scope required\"").await;
    call.both_receive_tones().await;
}

#[tokio::test]
async fn call_of_a_session_is_placed() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    // The session of Alice is found by a call of hers.
    let (at_alice, _) = ring(&mut alice, &mut bob, Sound::Tone(LOW)).await;
    let session = only_call(&api).await.pointer("/participants/0/sessionId").cloned().expect("a session");
    let body = json!({
        "sessionId": session, "callId": "by-rest", "callee": "bob", "sdp": at_alice.peer.description(), "visibleName": "Alice",
    });
    let reply = api.post("/api/v1/calls", &body).await;
    assert_eq!((reply.status, reply.body.get("state")), (201, Some(&"ringing".into())), "{reply:?}");
    assert!(reply.head.contains(&format!("location: /api/v1/calls/{}", id(&reply.body))), "{reply:?}");
    assert_eq!(bob.incoming().await.call.visible_name, "Alice");
    is_problem(&api.post("/api/v1/calls", &body).await, 409, "callIdInUse");
    let unknown = json!({"sessionId": "0", "callId": "x", "callee": "bob", "sdp": "v=0"});
    is_problem(&api.post("/api/v1/calls", &unknown).await, 404, "unknownSession");
}
