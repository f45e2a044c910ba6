//! Events of calls as Server-Sent Events.

use crate::api::is_problem;
use crate::{EstablishedCall, LOW, ring};
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;
use offhook_tests::rest::{EventStream, RestClient};
use serde_json::{Value, json};

/// Waits for events with these names, in this order. Returns the identifier and the data of the last one.
async fn receives(events: &mut EventStream, names: &[&str]) -> (String, Value) {
    let mut last = (String::new(), Value::Null);
    for expected in names {
        let (id, name, data) = events.next().await;
        assert_eq!((name.as_str(), data.get("type")), (*expected, Some(&Value::from(*expected))), "{data}");
        last = (id, data);
    }
    last
}

#[tokio::test]
async fn events_of_a_call_are_streamed_and_resumed() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let mut all = api.events("/api/v1/events", None).await;
    let mut call = EstablishedCall::begin(&relay).await;
    let (_, answered) = receives(&mut all, &["placed", "routed", "ringing", "answered"]).await;
    assert_eq!(answered.pointer("/call/state"), Some(&"established".into()), "{answered}");
    assert_eq!(answered.pointer("/participantId"), answered.pointer("/call/participants/1/id"), "{answered}");
    call.bob.hold(&call.at_bob.id).await;
    let (held, data) = receives(&mut all, &["held"]).await;
    assert_eq!(data.pointer("/call/participants/1/isHolding"), Some(&true.into()), "{data}");
    drop(all);
    // What happens meanwhile is received after the client has returned.
    call.bob.unhold(&call.at_bob.id).await;
    let mut resumed = api.events("/api/v1/events?user=alice", Some(&held)).await;
    receives(&mut resumed, &["resumed"]).await;
    call.alice.hang_up(&call.at_alice.id);
    let (_, ended) = receives(&mut resumed, &["left", "left", "ended"]).await;
    assert_eq!(ended.get("reason"), Some(&"hungUp".into()), "{ended}");
    assert_eq!(ended.get("callId"), data.get("callId"), "{ended}");
}

#[tokio::test]
async fn filters_select_events() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let mut of_carol = api.events("/api/v1/events?user=carol", None).await;
    let mut of_kind = api.events("/api/v1/events?type=ended,placed", None).await;
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    let (at_alice, _) = ring(&mut alice, &mut bob, Sound::Tone(LOW)).await;
    alice.hang_up(&at_alice.id);
    let (_, ended) = receives(&mut of_kind, &["placed", "ended"]).await;
    assert_eq!(ended.get("reason"), Some(&"canceled".into()), "{ended}");
    let mut carol = Browser::sign_in(&relay, "carol").await;
    ring(&mut alice, &mut carol, Sound::Tone(LOW)).await;
    let (_, placed) = receives(&mut of_carol, &["placed"]).await;
    assert_ne!(placed.get("callId"), ended.get("callId"), "{placed}");
    is_problem(&api.get("/api/v1/events?type=nothing").await, 400, "invalidField");
}

#[tokio::test]
async fn event_of_another_run_causes_a_gap() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let mut events = api.events("/api/v1/events", Some("1-1")).await;
    let (_, name, data) = events.next().await;
    assert_eq!(name, "gap", "{data}");
    assert_eq!(data, json!({"reason": "events are lost: request the list of calls"}));
}

#[tokio::test]
async fn stream_ends_with_a_reason_at_shutdown() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let mut events = api.events("/api/v1/events", None).await;
    relay.signal("TERM");
    let (_, name, data) = events.next().await;
    assert_eq!((name.as_str(), data), ("end", json!({"reason": "the relay is shutting down"})));
}
