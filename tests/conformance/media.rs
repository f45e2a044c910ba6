//! Tests of the audio and DTMF relayed between two browsers.

use crate::{HIGH, LOW, Talk, talk};
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;

#[tokio::test]
async fn tones_are_relayed_in_both_directions() {
    let relay = Relay::start();
    let talk = Talk::begin(&relay).await;
    talk.both_hear().await;
    assert_eq!((talk.at_alice.peer.ssrcs().len(), talk.at_bob.peer.ssrcs().len()), (1, 1));
}

#[tokio::test]
async fn different_payload_types_are_mapped() {
    let relay = Relay::start();
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let mut bob = Browser::sign_in_like_firefox(&relay, "bob").await;
    let (at_alice, at_bob) = talk(&mut alice, &mut bob, Sound::Opus(0xA1), Sound::Opus(0xB0)).await;
    at_alice.peer.hears_opus(0xB0).await;
    at_bob.peer.hears_opus(0xA1).await;
}

#[tokio::test]
async fn configured_codec_is_offered() {
    let relay = Relay::start_with(&["calls.codecs=PCMU"]);
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    let call = alice.call("bob", Sound::Tone(LOW)).await;
    let incoming = bob.incoming().await;
    assert!(!incoming.offer.contains("opus"), "{}", incoming.offer);
    let (_, at_bob) = tokio::join!(alice.established(&call), bob.answer(&incoming, Sound::Tone(HIGH)));
    call.peer.hears(HIGH).await;
    at_bob.peer.hears(LOW).await;
}

#[tokio::test]
async fn hold_stops_media_in_both_directions() {
    let relay = Relay::start();
    let mut talk = Talk::begin(&relay).await;
    talk.both_hear().await;
    talk.alice.hold(&talk.at_alice.id).await;
    tokio::join!(talk.at_alice.peer.hears_nothing(), talk.at_bob.peer.hears_nothing());
    talk.alice.unhold(&talk.at_alice.id).await;
    talk.both_hear().await;
    // Hold by both sides: media resume only after both have resumed.
    talk.bob.hold(&talk.at_bob.id).await;
    talk.alice.hold(&talk.at_alice.id).await;
    talk.alice.unhold(&talk.at_alice.id).await;
    tokio::join!(talk.at_alice.peer.hears_nothing(), talk.at_bob.peer.hears_nothing());
    talk.bob.unhold(&talk.at_bob.id).await;
    talk.both_hear().await;
}

#[tokio::test]
async fn dtmf_digits_are_relayed_as_telephone_events() {
    let relay = Relay::start();
    let talk = Talk::begin(&relay).await;
    talk.both_hear().await;
    talk.alice.send_dtmf(&talk.at_alice.id, "15*#");
    talk.at_bob.peer.hears_digits("15*#").await;
    talk.bob.send_dtmf(&talk.at_bob.id, "0");
    talk.at_alice.peer.hears_digits("0").await;
    talk.both_hear().await;
    // No digit was repeated.
    talk.at_bob.peer.hears_digits("15*#").await;
    talk.at_alice.peer.hears_digits("0").await;
}
