//! Tests of the audio and DTMF relayed between two browsers.

use crate::{EstablishedCall, HIGH, LOW, establish_call};
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;

#[tokio::test]
async fn tones_are_relayed_in_both_directions() {
    let relay = Relay::start();
    let established = EstablishedCall::begin(&relay).await;
    established.both_receive_tones().await;
    assert_eq!((established.at_alice.peer.ssrcs().len(), established.at_bob.peer.ssrcs().len()), (1, 1));
}

#[tokio::test]
async fn different_payload_types_are_mapped() {
    let relay = Relay::start();
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let mut bob = Browser::sign_in_like_firefox(&relay, "bob").await;
    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Opus(0xA1), Sound::Opus(0xB0)).await;
    at_alice.peer.receives_opus_of(0xB0).await;
    at_bob.peer.receives_opus_of(0xA1).await;
}

#[tokio::test]
async fn configured_codec_is_offered() {
    let relay = Relay::start_with(&["calls.codecs=PCMU"]);
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    let call = alice.call("bob", Sound::Tone(LOW)).await;
    let incoming = bob.incoming().await;
    assert!(!incoming.offer.contains("opus"), "{}", incoming.offer);
    let (_, at_bob) = tokio::join!(alice.established(&call), bob.answer(&incoming, Sound::Tone(HIGH)));
    call.peer.receives_tone(HIGH).await;
    at_bob.peer.receives_tone(LOW).await;
}

#[tokio::test]
async fn hold_stops_media_in_both_directions() {
    let relay = Relay::start();
    let mut established = EstablishedCall::begin(&relay).await;
    established.both_receive_tones().await;
    established.alice.hold(&established.at_alice.id).await;
    tokio::join!(established.at_alice.peer.receives_silence(), established.at_bob.peer.receives_silence());
    established.alice.unhold(&established.at_alice.id).await;
    established.both_receive_tones().await;
    // Hold by both sides: media resume only after both have resumed.
    established.bob.hold(&established.at_bob.id).await;
    established.alice.hold(&established.at_alice.id).await;
    established.alice.unhold(&established.at_alice.id).await;
    tokio::join!(established.at_alice.peer.receives_silence(), established.at_bob.peer.receives_silence());
    established.bob.unhold(&established.at_bob.id).await;
    established.both_receive_tones().await;
}

#[tokio::test]
async fn dtmf_digits_are_relayed_as_telephone_events() {
    let relay = Relay::start();
    let established = EstablishedCall::begin(&relay).await;
    established.both_receive_tones().await;
    established.alice.send_dtmf(&established.at_alice.id, "15*#");
    established.at_bob.peer.receives_digits("15*#").await;
    established.bob.send_dtmf(&established.at_bob.id, "0");
    established.at_alice.peer.receives_digits("0").await;
    established.both_receive_tones().await;
    // No digit was repeated.
    established.at_bob.peer.receives_digits("15*#").await;
    established.at_alice.peer.receives_digits("0").await;
}
