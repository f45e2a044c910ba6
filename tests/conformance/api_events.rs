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

#[tokio::test]
async fn web_socket_has_the_same_events_filters_and_resuming() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let mut all = api.event_socket("/api/v1/events/ws").await.expect("accepted");
    let mut held_only = api.event_socket("/api/v1/events/ws?type=held").await.expect("accepted");
    let mut stream = api.events("/api/v1/events?type=held", None).await;
    let mut call = EstablishedCall::begin(&relay).await;
    for expected in ["placed", "routed", "ringing", "answered"] {
        assert_eq!(all.next().await.get("type"), Some(&expected.into()));
    }
    call.bob.hold(&call.at_bob.id).await;
    let mut held = all.next().await;
    assert_eq!(held_only.next().await, held);
    let (id, _, data) = stream.next().await;
    let own = held.as_object_mut().expect("an object").remove("id");
    assert_eq!((own, held), (Some(Value::from(id.clone())), data), "the message is the event with its id");
    drop(all);
    call.bob.unhold(&call.at_bob.id).await;
    let resume = format!("/api/v1/events/ws?user=alice&after={id}");
    let mut resumed = api.event_socket(&resume).await.expect("accepted");
    assert_eq!(resumed.next().await.get("type"), Some(&"resumed".into()));
    let mut other_run = api.event_socket("/api/v1/events/ws?after=1-1").await.expect("accepted");
    let gap = json!({"type": "gap", "reason": "events are lost: request the list of calls"});
    assert_eq!(other_run.next().await, gap);
}

#[tokio::test]
async fn web_socket_is_refused_or_closed_with_a_reason() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let anonymous = RestClient::anonymous(&relay).await;
    assert_eq!(anonymous.event_socket("/api/v1/events/ws").await.err(), Some(401));
    assert_eq!(api.event_socket("/api/v1/events/ws?type=nothing").await.err(), Some(400));
    let plain = api.get("/api/v1/events/ws").await;
    is_problem(&plain, 426, "upgradeRequired");
    assert!(plain.head.contains("upgrade: websocket"), "{plain:?}");
    let mut talkative = api.event_socket("/api/v1/events/ws").await.expect("accepted");
    talkative.send("hello").await;
    assert_eq!(talkative.close_code().await, 1008);
    let mut socket = api.event_socket("/api/v1/events/ws").await.expect("accepted");
    relay.signal("TERM");
    assert_eq!(socket.next().await, json!({"type": "end", "reason": "the relay is shutting down"}));
    assert_eq!(socket.close_code().await, 1001);
}
