//! Tests of transfers between local users.

use crate::{EstablishedCall, establish_call};
use offhook_signaling::message::{CallStatus, ServerMessage, TransferStatus};
use offhook_tests::browser::{Browser, Ongoing};
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;

/// The tone sent by the third participant, in Hz.
const THIRD: f32 = 1700.0;

async fn completed(browser: &mut Browser, call: &Ongoing) {
    let done = |message: &ServerMessage| matches!(message, ServerMessage::Transfer { call_id, status: TransferStatus::Completed } if *call_id == call.id);
    browser.expect("notifyTransferEvent COMPLETED", |message| done(message).then_some(())).await;
    assert_eq!(browser.over(&call.id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn blind_transfer_connects_peer_and_target() {
    let relay = Relay::start();
    let EstablishedCall { mut alice, bob: _bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    let mut carol = Browser::sign_in(&relay, "carol").await;
    alice.transfer(&at_alice.id, "carol");
    let incoming = carol.incoming().await;
    let at_carol = carol.answer(&incoming, Sound::Tone(THIRD)).await;
    completed(&mut alice, &at_alice).await;
    at_bob.peer.receives_tone(THIRD).await;
    at_carol.peer.receives_tone(crate::HIGH).await;
}

#[tokio::test]
async fn refused_transfer_keeps_call() {
    let relay = Relay::start();
    let mut established = EstablishedCall::begin(&relay).await;
    established.alice.transfer(&established.at_alice.id, "nobody");
    let failed = |message: &ServerMessage| matches!(message, ServerMessage::Fail { .. });
    established.alice.expect("fail", |message| failed(message).then_some(())).await;
    established.both_receive_tones().await;
}

#[tokio::test]
async fn attended_transfer_connects_both_peers() {
    let relay = Relay::start();
    let EstablishedCall { mut alice, bob: _bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    let mut carol = Browser::sign_in(&relay, "carol").await;
    alice.hold(&at_alice.id).await;
    let (second, at_carol) = establish_call(&mut alice, &mut carol, Sound::Tone(300.0), Sound::Tone(THIRD)).await;
    at_carol.peer.receives_tone(300.0).await;
    alice.transfer(&at_alice.id, "carol");
    completed(&mut alice, &at_alice).await;
    alice.over(&second.id).await;
    at_bob.peer.receives_tone(THIRD).await;
    at_carol.peer.receives_tone(crate::HIGH).await;
}

#[tokio::test]
async fn attended_transfer_across_media_workers_connects_both_peers() {
    let relay = Relay::start_with(&["media.workers=2"]);
    let EstablishedCall { mut alice, bob: _bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    let (mut carol, mut dave) = (Browser::sign_in(&relay, "carol").await, Browser::sign_in(&relay, "dave").await);
    let (with_dave, _at_dave) = establish_call(&mut carol, &mut dave, Sound::Tone(300.0), Sound::Tone(300.0)).await;
    relay.has_connected_legs([2, 2]).await;
    // The call from Carol is on the worker of her other call, which is not that of the call of Alice and Bob.
    carol.hold(&with_dave.id).await;
    alice.hold(&at_alice.id).await;
    let (at_carol, second) = establish_call(&mut carol, &mut alice, Sound::Tone(THIRD), Sound::Tone(300.0)).await;
    relay.has_connected_legs([2, 4]).await;
    at_carol.peer.receives_tone(300.0).await;
    alice.transfer(&at_alice.id, "carol");
    completed(&mut alice, &at_alice).await;
    alice.over(&second.id).await;
    tokio::join!(at_bob.peer.receives_tone(THIRD), at_carol.peer.receives_tone(crate::HIGH));
}
