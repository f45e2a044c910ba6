//! SIP phones with no server but the relay: they register at it, and call its pages and each other.

use crate::{HIGH, LOW};
use offhook_signaling::message::CallStatus;
use offhook_tests::baresip::{Baresip, Setup};
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;

/// Passwords `secret` and `other`, as `hash-password --sip` prints them: baresip 1.0 gives up when SHA-256 is offered, too.
const PHONES: [&str; 3] = [
    "sip.domain=pbx.test",
    "sip.phones.101=md5:43ba4b6a024bbbd4056fd3e58d52ed38",
    "sip.phones.102=md5:1d6a0aa1ce06d9b7284fa3f3dcd3a3db",
];

async fn phone(relay: &Relay, user: &str, password: &str, tone: u16) -> Baresip {
    let server = relay.sip("udp").await;
    Baresip::start(&Setup { password: password.to_owned(), ..Setup::of(user, server, tone) }).await
}

#[tokio::test]
async fn a_page_calls_a_phone_of_the_relay() {
    let relay = Relay::start_with_sip(&PHONES);
    let mut desk = phone(&relay, "101", "secret", 1000).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let call = alice.call("101", Sound::Tone(LOW)).await;
    desk.rings().await;
    alice.status(&call.id, CallStatus::Ring).await;
    tokio::join!(alice.established(&call), desk.accept());
    tokio::join!(call.peer.hears(HIGH), desk.hears(LOW));
    alice.hold(&call.id).await;
    tokio::join!(call.peer.hears_nothing(), desk.hears_nothing());
    alice.unhold(&call.id).await;
    tokio::join!(call.peer.hears(HIGH), desk.hears(LOW));
    desk.hang_up().await;
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn a_phone_of_the_relay_calls_a_page() {
    let relay = Relay::start_with_sip(&PHONES);
    let mut desk = phone(&relay, "101", "secret", 1000).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    desk.dial(&format!("sip:alice@{}", relay.sip("udp").await)).await;
    let incoming = alice.incoming().await;
    assert_eq!(incoming.call.caller, "101");
    let (call, ()) = tokio::join!(alice.answer(&incoming, Sound::Tone(LOW)), desk.established());
    tokio::join!(call.peer.hears(HIGH), desk.hears(LOW));
    alice.hang_up(&call.id);
    desk.over().await;
}

#[tokio::test]
async fn two_phones_of_the_relay_talk() {
    let relay = Relay::start_with_sip(&PHONES);
    let mut desk = phone(&relay, "101", "secret", 440).await;
    let mut door = phone(&relay, "102", "other", 1000).await;
    desk.dial(&format!("sip:102@{}", relay.sip("udp").await)).await;
    door.rings().await;
    door.accept().await;
    desk.established().await;
    tokio::join!(desk.hears(HIGH), door.hears(LOW));
    door.hang_up().await;
    desk.over().await;
}

#[tokio::test]
async fn a_phone_with_the_wrong_password_stays_out() {
    let relay = Relay::start_with_sip(&PHONES);
    let server = relay.sip("udp").await;
    let setup = Setup { password: "guess".to_owned(), ..Setup::of("101", server, 1000) };
    let mut desk = Baresip::switch_on(&setup).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    // Whatever it tries, it is not called.
    desk.dial(&format!("sip:alice@{server}")).await;
    desk.over().await;
    let call = alice.call("101", Sound::Tone(LOW)).await;
    assert_eq!(alice.over(&call.id).await.sip_status, Some(480));
}
