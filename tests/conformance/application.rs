//! Calls that the application places by the REST API.

use crate::api::is_problem;
use crate::{EstablishedCall, HIGH, LOW};
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;
use offhook_tests::rest::{EventStream, RestClient};
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, Sipp};
use serde_json::{Value, json};

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Waits for an event of this name, and returns its data.
async fn event(events: &mut EventStream, name: &str) -> Value {
    loop {
        let (_, received, data) = events.next().await;
        if received == name {
            return data;
        }
    }
}

/// The fields of the stock pages' request for a call to a SIP peer. All values are strings.
fn startup(call_id: &str, server: std::net::SocketAddr) -> Value {
    json!({
        "callId": call_id, "callee": "9001", "rtmpUrl": "", "hasAudio": "true", "hasVideo": "false",
        "sipLogin": "1001", "sipAuthenticationName": "1001", "sipPassword": "secret", "sipDomain": server.ip().to_string(),
        "sipOutboundProxy": server.ip().to_string(), "sipPort": server.port().to_string(), "appKey": "defaultApp",
        "sipRegisterRequired": "false", "visibleName": "Office",
    })
}

/// The path of an action on a call.
fn action(call: &str, name: &str) -> String {
    format!("/api/v1/calls/{call}/{name}")
}

#[tokio::test]
async fn application_calls_phone_and_browser_and_bridges_them() {
    let relay = Relay::start_with_sip(&[]);
    let api = RestClient::of(&relay).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let mut events = api.events("/api/v1/events?type=answered,held,transferCompleted", None).await;
    let phone = RtpEndpoint::start(HIGH).await;
    let mut peer = Sipp::start("uas-answer", Run::default().with("rtp_port", phone.port())).await;
    let started = api.post("/rest-api/call/startup", &startup("c1", peer.address())).await;
    assert_eq!((started.status, &started.body), (200, &Value::Null), "{started:?}");
    is_problem(&api.post("/rest-api/call/startup", &startup("c1", peer.address())).await, 409, "callIdInUse");
    peer.passes_by("ringing").await;
    let report = peer.reaches("answered").await;
    phone.send_to(report.media());
    let first = text(&event(&mut events, "answered").await, "/callId").to_owned();
    let found = api.post("/rest-api/call/find", &json!({"callId": "c1", "incoming": "false"})).await;
    assert_eq!((text(&found.body, "/0/status"), text(&found.body, "/0/callee")), ("ESTABLISHED", "9001"), "{found:?}");
    // Click-to-dial: the second call is to a user of the relay.
    let body = json!({"callee": "alice", "caller": "9001", "visibleName": "Phone"});
    let placed = api.post("/api/v1/calls", &body).await;
    assert_eq!((placed.status, text(&placed.body, "/participants/0/endpoint")), (201, "application"), "{placed:?}");
    let incoming = alice.incoming().await;
    assert_eq!((incoming.call.caller.as_str(), incoming.call.visible_name.as_str()), ("9001", "Phone"));
    let second = text(&placed.body, "/id").to_owned();
    let bridge = json!({"otherCall": second});
    is_problem(&api.post(&action(&first, "bridge"), &bridge).await, 409, "notOfApplication");
    let at_alice = alice.answer(&incoming, Sound::Tone(LOW)).await;
    event(&mut events, "answered").await;
    at_alice.peer.receives_silence().await;
    let bridged = api.post(&action(&first, "bridge"), &bridge).await;
    assert_eq!((bridged.status, text(&bridged.body, "/state")), (200, "established"), "{bridged:?}");
    tokio::join!(at_alice.peer.receives_tone(HIGH), phone.receives_tone(LOW));
    is_problem(&api.post("/rest-api/call/find", &json!({"callId": "c1"})).await, 404, "unknownCall");
    let holder = bridged.body.pointer("/participants").and_then(Value::as_array).into_iter().flatten();
    let holder = holder.filter(|one| text(one, "/endpoint") == "sipServer").map(|one| text(one, "/id")).next();
    let holder = json!({"participant": holder});
    assert_eq!(api.post(&action(&first, "hold"), &holder).await.status, 200);
    tokio::join!(at_alice.peer.receives_silence(), phone.receives_silence());
    assert_eq!(api.post(&action(&first, "resume"), &holder).await.status, 200);
    tokio::join!(at_alice.peer.receives_tone(HIGH), phone.receives_tone(LOW));
    peer.go(&report).await;
    let hang_up = api.post(&action(&first, "hangup"), &json!({"reason": "unavailable"})).await;
    assert_eq!(hang_up.status, 204, "{hang_up:?}");
    assert_eq!(alice.over(&at_alice.id).await.sip_status, Some(480));
    peer.passes().await;
}

#[tokio::test]
async fn placed_call_is_ended_by_callee_and_by_stock_client() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let mut events = api.events("/api/v1/events?type=ended", None).await;
    let body = json!({"callee": "alice", "callId": "c1"});
    // A repeated request with the same key places no other call.
    let placed = api.post_with_key("/api/v1/calls", &body, "key-1").await;
    let repeated = api.post_with_key("/api/v1/calls", &body, "key-1").await;
    assert_eq!((repeated.status, &repeated.body), (201, &placed.body), "{repeated:?}");
    is_problem(
        &api.post_with_key("/api/v1/calls", &json!({"callee": "bob"}), "key-1").await,
        422,
        "idempotencyKeyReused",
    );
    is_problem(&api.post("/api/v1/calls", &body).await, 409, "callIdInUse");
    let incoming = alice.incoming().await;
    assert_eq!(incoming.call.caller, "application");
    alice.hang_up(&incoming.call.call_id);
    assert_eq!(text(&event(&mut events, "ended").await, "/reason"), "rejected");
    for (callee, reason) in [("nobody", "notFound"), ("alice", "canceled")] {
        let startup = json!({"callId": "c2", "callee": callee});
        assert_eq!(api.post("/rest-api/call/startup", &startup).await.status, 200);
        if callee == "alice" {
            let incoming = alice.incoming().await;
            assert_eq!(api.post("/rest-api/call/terminate", &json!({"callId": "c2"})).await.status, 200);
            alice.over(&incoming.call.call_id).await;
        }
        assert_eq!(text(&event(&mut events, "ended").await, "/reason"), reason);
    }
    let refused = json!({"callId": "c3", "callee": "1", "sipLogin": "1", "sipDomain": "sip.test"});
    is_problem(&api.post("/rest-api/call/startup", &refused).await, 403, "serverNotAllowed");
}

#[tokio::test]
async fn application_plays_a_tone_and_collects_digits() {
    let relay = Relay::start_with_sip(&[]);
    let api = RestClient::of(&relay).await;
    let mut events = api.events("/api/v1/events?type=answered,playbackEnded,digitsCollected", None).await;
    let phone = RtpEndpoint::start(HIGH).await;
    let mut peer = Sipp::start("uas-answer", Run::default().with("rtp_port", phone.port())).await;
    assert_eq!(api.post("/rest-api/call/startup", &startup("c1", peer.address())).await.status, 200);
    peer.passes_by("ringing").await;
    let report = peer.reaches("answered").await;
    phone.send_to(report.media());
    let call = text(&event(&mut events, "answered").await, "/callId").to_owned();
    let tone = json!({"file": "tone:440", "loop": true});
    let playing = api.post(&action(&call, "play"), &tone).await;
    assert_eq!(playing.status, 202, "{playing:?}");
    phone.receives_tone(LOW).await;
    let collect = json!({"participant": "callee", "maxDigits": 4});
    let collecting = api.post(&action(&call, "collect"), &collect).await;
    phone.press("42#");
    let collected = event(&mut events, "digitsCollected").await;
    assert_eq!(
        (text(&collected, "/operation/digits"), text(&collected, "/detail")),
        ("42", "terminator"),
        "{collected}"
    );
    assert_eq!(collected.pointer("/operation/id"), collecting.body.pointer("/operations/0/id"), "{collecting:?}");
    assert_eq!(api.post(&action(&call, "stop"), &json!({"participant": "callee"})).await.status, 200);
    let ended = event(&mut events, "playbackEnded").await;
    assert_eq!(text(&ended, "/detail"), "stopped", "{ended}");
    assert_eq!(ended.pointer("/operation/id"), playing.body.pointer("/operations/0/id"), "{playing:?}");
    phone.receives_silence().await;
    let injected = api.post("/rest-api/call/inject_sound", &json!({"callId": "c1", "fileName": "tone:440:200"})).await;
    assert_eq!((injected.status, &injected.body), (200, &Value::Null), "{injected:?}");
    assert_eq!(text(&event(&mut events, "playbackEnded").await, "/detail"), "completed");
    let to_itself = json!({"participant": "caller", "file": "tone:440"});
    is_problem(&api.post(&action(&call, "play"), &to_itself).await, 409, "noMedia");
    is_problem(&api.post(&action(&call, "play"), &json!({"file": "../x.wav"})).await, 409, "notConfigured");
    peer.go(&report).await;
    assert_eq!(api.post("/rest-api/call/terminate", &json!({"callId": "c1"})).await.status, 200);
    peer.passes().await;
}

#[tokio::test]
async fn participant_is_muted_and_call_is_recorded() {
    let directory = std::env::temp_dir().join(format!("offhook-recordings-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let relay = Relay::start_with(&[&format!("media_files.recordings={}", directory.display())]);
    let api = RestClient::of(&relay).await;
    let mut events = api.events("/api/v1/events?type=recordingEnded", None).await;
    let call = EstablishedCall::begin(&relay).await;
    call.both_receive_tones().await;
    let id = text(&api.get("/api/v1/calls").await.body, "/items/0/id").to_owned();
    let started = api.post(&action(&id, "record"), &json!({"action": "start"})).await;
    assert_eq!(started.status, 202, "{started:?}");
    is_problem(&api.post(&action(&id, "record"), &json!({"action": "start"})).await, 409, "alreadyRecording");
    assert_eq!(api.post(&action(&id, "mute"), &json!({"participant": "caller"})).await.status, 200);
    call.at_bob.peer.receives_silence().await;
    call.at_alice.peer.receives_tone(HIGH).await;
    assert_eq!(api.post(&action(&id, "unmute"), &json!({"participant": "caller"})).await.status, 200);
    call.both_receive_tones().await;
    assert_eq!(api.post(&action(&id, "record"), &json!({"action": "stop"})).await.status, 200);
    let ended = event(&mut events, "recordingEnded").await;
    assert_eq!(text(&ended, "/detail"), "stopped", "{ended}");
    let file = text(&started.body, "/operations/0/file");
    assert!(file.starts_with(&directory.display().to_string()) && std::path::Path::new(file).is_file(), "{file}");
    is_problem(&api.post(&action(&id, "record"), &json!({"action": "pause"})).await, 409, "notRecording");
    let _ = std::fs::remove_dir_all(&directory);
}
