//! Tests of SIP phones registered at the relay: calls to and from browsers and between phones.

use crate::{HIGH, LOW};
use offhook_signaling::message::CallStatus;
use offhook_tests::baresip::{Baresip, Setup};
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;

/// Hashes of the passwords `secret` and `other` for MD5 only, because baresip 1.0 does not authenticate if SHA-256 is offered,
/// too.
pub(crate) const PHONES: [&str; 3] = [
    "sip.domain=pbx.test",
    "sip.phones.101=md5:43ba4b6a024bbbd4056fd3e58d52ed38",
    "sip.phones.102=md5:1d6a0aa1ce06d9b7284fa3f3dcd3a3db",
];

async fn phone(relay: &Relay, user: &str, password: &str, tone: u16) -> Baresip {
    let server = relay.sip("udp").await;
    Baresip::start(&Setup { password: password.to_owned(), ..Setup::of(user, server, tone) }).await
}

#[tokio::test]
async fn browser_calls_registered_phone() {
    let relay = Relay::start_with_sip(&PHONES);
    let mut desk = phone(&relay, "101", "secret", 1000).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let call = alice.call("101", Sound::Tone(LOW)).await;
    desk.rings().await;
    alice.status(&call.id, CallStatus::Ring).await;
    tokio::join!(alice.established(&call), desk.accept());
    tokio::join!(call.peer.receives_tone(HIGH), desk.receives_tone(LOW));
    alice.hold(&call.id).await;
    tokio::join!(call.peer.receives_silence(), desk.receives_silence());
    alice.unhold(&call.id).await;
    tokio::join!(call.peer.receives_tone(HIGH), desk.receives_tone(LOW));
    desk.hang_up().await;
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn registered_phone_calls_browser() {
    let relay = Relay::start_with_sip(&PHONES);
    let mut desk = phone(&relay, "101", "secret", 1000).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    desk.dial(&format!("sip:alice@{}", relay.sip("udp").await)).await;
    let incoming = alice.incoming().await;
    assert_eq!(incoming.call.caller, "101");
    let (call, ()) = tokio::join!(alice.answer(&incoming, Sound::Tone(LOW)), desk.established());
    tokio::join!(call.peer.receives_tone(HIGH), desk.receives_tone(LOW));
    alice.hang_up(&call.id);
    desk.over().await;
}

#[tokio::test]
async fn two_registered_phones_call_each_other() {
    let relay = Relay::start_with_sip(&PHONES);
    let mut desk = phone(&relay, "101", "secret", 440).await;
    let mut door = phone(&relay, "102", "other", 1000).await;
    desk.dial(&format!("sip:102@{}", relay.sip("udp").await)).await;
    door.rings().await;
    door.accept().await;
    desk.established().await;
    tokio::join!(desk.receives_tone(HIGH), door.receives_tone(LOW));
    door.hang_up().await;
    desk.over().await;
}

#[tokio::test]
async fn phone_with_wrong_password_is_not_registered() {
    let relay = Relay::start_with_sip(&PHONES);
    let server = relay.sip("udp").await;
    let setup = Setup { password: "guess".to_owned(), ..Setup::of("101", server, 1000) };
    let mut desk = Baresip::switch_on(&setup).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    // It can neither place nor receive calls.
    desk.dial(&format!("sip:alice@{server}")).await;
    desk.over().await;
    let call = alice.call("101", Sound::Tone(LOW)).await;
    assert_eq!(alice.over(&call.id).await.sip_status, Some(480));
}
