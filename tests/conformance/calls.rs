//! Tests of call setup and call end.

use crate::{EstablishedCall, ring};
use offhook_signaling::message::{CallStatus, ServerMessage};
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;

const SILENT: Sound = Sound::Tone(0.0);

#[tokio::test]
async fn caller_hangup_finishes_call_on_both_sides() {
    let relay = Relay::start();
    let EstablishedCall { mut alice, mut bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    alice.hang_up(&at_alice.id);
    assert_eq!(alice.over(&at_alice.id).await.status, CallStatus::Finish);
    assert_eq!(bob.over(&at_bob.id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn callee_hangup_finishes_call_on_both_sides() {
    let relay = Relay::start();
    let EstablishedCall { mut alice, mut bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    bob.hang_up(&at_bob.id);
    assert_eq!(alice.over(&at_alice.id).await.status, CallStatus::Finish);
    assert_eq!(bob.over(&at_bob.id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn rejected_call_finishes_on_both_sides() {
    let relay = Relay::start();
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    let (at_alice, incoming) = ring(&mut alice, &mut bob, SILENT).await;
    bob.hang_up(&incoming.call.call_id);
    assert!(alice.over(&at_alice.id).await.status.is_terminal());
    assert_eq!(bob.over(&incoming.call.call_id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn canceled_call_finishes_on_both_sides() {
    let relay = Relay::start();
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    let (at_alice, incoming) = ring(&mut alice, &mut bob, SILENT).await;
    alice.hang_up(&at_alice.id);
    assert_eq!(alice.over(&at_alice.id).await.status, CallStatus::Finish);
    assert_eq!(bob.over(&incoming.call.call_id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn unanswered_call_fails_after_ring_timeout() {
    let relay = Relay::start_with(&["calls.ring_timeout=1s"]);
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    let (at_alice, incoming) = ring(&mut alice, &mut bob, SILENT).await;
    assert_eq!(alice.over(&at_alice.id).await.status, CallStatus::Failed);
    assert_eq!(bob.over(&incoming.call.call_id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn user_in_call_is_busy_without_call_waiting() {
    let relay = Relay::start_with(&["calls.call_waiting=busy"]);
    let established = EstablishedCall::begin(&relay).await;
    let mut carol = Browser::sign_in(&relay, "carol").await;
    let third = carol.call("bob", SILENT).await;
    let busy = |message: &ServerMessage| matches!(message, ServerMessage::Busy(call) if call.call_id == third.id);
    carol.expect("busy", |message| busy(message).then_some(())).await;
    let end = carol.over(&third.id).await;
    assert_eq!((end.status, end.sip_status), (CallStatus::Failed, Some(486)));
    established.both_receive_tones().await;
}

#[tokio::test]
async fn user_in_call_is_rung_by_default() {
    let relay = Relay::start();
    let mut established = EstablishedCall::begin(&relay).await;
    let mut carol = Browser::sign_in(&relay, "carol").await;
    let (third, incoming) = ring(&mut carol, &mut established.bob, SILENT).await;
    established.bob.hang_up(&incoming.call.call_id);
    carol.over(&third.id).await;
    established.both_receive_tones().await;
}

#[tokio::test]
async fn call_to_unknown_user_fails() {
    let relay = Relay::start();
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let call = alice.call("nobody", SILENT).await;
    let end = alice.over(&call.id).await;
    assert_eq!(end.status, CallStatus::Failed);
    assert!(matches!(end.sip_status, Some(404 | 480)), "{end:?}");
}

#[tokio::test]
async fn calls_are_logged_without_names() {
    let relay = Relay::start();
    let EstablishedCall { mut alice, mut bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    alice.hang_up(&at_alice.id);
    bob.over(&at_bob.id).await;
    relay.logs("call ended").await;
    let refused = alice.call("carol", SILENT).await;
    alice.over(&refused.id).await;
    relay.logs("call ended before it was routed").await;
    let log = relay.log();
    let lines: Vec<&str> = log.lines().filter_map(|line| Some(&line[line.find("offhook::calls")?..])).collect();
    let starts = ["call placed", "call answered", "call ended", "call ended before it was routed"];
    assert_eq!(lines.len(), starts.len(), "{log}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.contains(&format!(": {start} call=")) && line.contains("scheme=local"), "{log}");
        assert!(["alice", "bob", "carol"].iter().all(|name| !line.contains(name)), "{log}");
    }
    assert!(lines[2].contains("reason=\"hungUp\"") && lines[3].contains("reason=\"notFound\""), "{log}");
}

#[tokio::test]
async fn lost_caller_socket_ends_call() {
    let relay = Relay::start();
    let EstablishedCall { alice, mut bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    drop((alice, at_alice));
    assert!(bob.over(&at_bob.id).await.status.is_terminal());
}

#[tokio::test]
async fn held_call_resumes_after_second_call() {
    let relay = Relay::start();
    let mut established = EstablishedCall::begin(&relay).await;
    let mut carol = Browser::sign_in(&relay, "carol").await;
    established.bob.hold(&established.at_bob.id).await;
    let (at_carol, at_bob) =
        crate::establish_call(&mut carol, &mut established.bob, Sound::Tone(700.0), Sound::Tone(1500.0)).await;
    at_carol.peer.receives_tone(1500.0).await;
    at_bob.peer.receives_tone(700.0).await;
    established.at_alice.peer.receives_silence().await;
    carol.hang_up(&at_carol.id);
    established.bob.over(&at_bob.id).await;
    established.bob.unhold(&established.at_bob.id).await;
    established.both_receive_tones().await;
}

#[tokio::test]
async fn hangup_of_unknown_call_is_ignored() {
    let relay = Relay::start();
    let established = EstablishedCall::begin(&relay).await;
    established.alice.hang_up(&"no such call".into());
    established.alice.hang_up(&established.at_bob.id);
    established.both_receive_tones().await;
}
