//! Tests of client sessions: several sessions of one login, and reconnection after a lost socket.

use crate::{EstablishedCall, HIGH, LOW, establish_call};
use offhook_signaling::message::{CallStatus, ConnectionMessage, ServerMessage, SipOptions};
use offhook_tests::browser::{Browser, connection};
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;

#[tokio::test]
async fn first_answering_session_of_login_gets_call() {
    let relay = Relay::start();
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let (mut desk, mut mobile) = (Browser::sign_in(&relay, "bob").await, Browser::sign_in(&relay, "bob").await);
    let call = alice.call("bob", Sound::Tone(LOW)).await;
    let at_desk = desk.incoming().await;
    let at_mobile = mobile.incoming().await;
    let (_, answered) = tokio::join!(alice.established(&call), mobile.answer(&at_mobile, Sound::Tone(HIGH)));
    assert_eq!(desk.over(&at_desk.call.call_id).await.status, CallStatus::Finish, "answered elsewhere");
    answered.peer.receives_tone(LOW).await;
    call.peer.receives_tone(HIGH).await;
}

#[tokio::test]
async fn other_sessions_keep_ringing_when_one_vanishes() {
    let relay = Relay::start();
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let (mut desk, mut mobile) = (Browser::sign_in(&relay, "bob").await, Browser::sign_in(&relay, "bob").await);
    let call = alice.call("bob", Sound::Tone(LOW)).await;
    let at_desk = desk.incoming().await;
    let at_mobile = mobile.incoming().await;
    drop(at_desk);
    drop(desk);
    let (_, answered) = tokio::join!(alice.established(&call), mobile.answer(&at_mobile, Sound::Tone(HIGH)));
    answered.peer.receives_tone(LOW).await;
}

#[tokio::test]
async fn session_resumes_with_token_without_credentials() {
    let relay = Relay::start();
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let bob = Browser::sign_in(&relay, "bob").await;
    let token = bob.token().to_owned();
    drop(bob);
    let mut bob = Browser::sign_in_with_token(&relay, &token).await;
    assert_eq!(bob.login(), "bob");
    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    at_alice.peer.receives_tone(HIGH).await;
    at_bob.peer.receives_tone(LOW).await;
}

#[tokio::test]
async fn resumed_session_starts_without_calls() {
    let relay = Relay::start();
    let EstablishedCall { mut alice, bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    let token = bob.token().to_owned();
    drop((bob, at_bob));
    assert!(alice.over(&at_alice.id).await.status.is_terminal());
    let mut bob = Browser::sign_in_with_token(&relay, &token).await;
    let (at_alice, _at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    at_alice.peer.receives_tone(HIGH).await;
}

/// Returns a `connection` with `sipOptions` as typically set without a SIP server.
fn without_server(login: &str, relay: &Relay) -> ConnectionMessage {
    let hello = connection(login);
    let host = Some(relay.url().trim_start_matches("ws://").split(':').next().expect("a host").to_owned());
    let sip = SipOptions {
        password: Some("secret".to_owned()),
        domain: host.clone(),
        outbound_proxy: host,
        port: Some("0".to_owned()),
        register_required: Some(false),
        ..hello.sip.clone()
    };
    ConnectionMessage { sip, ..hello }
}

#[tokio::test]
async fn sessions_without_registration_call_each_other() {
    for options in [&[][..], &["sip.listen=udp:127.0.0.1:0", "sip.servers=pbx.example.org", "rtp.first_port=0"][..]] {
        let relay = Relay::start_with(options);
        let mut one = Browser::connect(&relay, without_server("test1", &relay), Habits::default()).await;
        let mut two = Browser::connect(&relay, without_server("test2", &relay), Habits::default()).await;
        let (at_one, at_two) = establish_call(&mut one, &mut two, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
        at_one.peer.receives_tone(HIGH).await;
        at_two.peer.receives_tone(LOW).await;
        assert!(!one.has_received(|message| matches!(message, ServerMessage::Registered | ServerMessage::Fail { .. })));
        assert!(!relay.log().contains("servers"), "{}", relay.log());
    }
}
