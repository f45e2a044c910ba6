//! Tests of SIP endpoints that use WebRTC: a browser's media engine with handwritten SIP, and rtpengine. (baresip 1.0 has an
//! RSA certificate, which the relay's DTLS does not support.)

use crate::sip::{account, listen, page};
use crate::{HIGH, LOW, establish_call};
use offhook_signaling::message::{CallStatus, ServerMessage};
use offhook_tests::baresip::{Baresip, Setup};
use offhook_tests::browser::Browser;
use offhook_tests::kamailio::{Kamailio, KamailioOptions};
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::picture::Picture;
use offhook_tests::relay::Relay;
use offhook_tests::rtpengine::Rtpengine;
use offhook_tests::webrtc_phone::Idle;

/// Returns whether a browser got a second description, apart from the offer that it answered.
fn second_description(browser: &mut Browser, answered: &str) -> bool {
    browser.has_received(|message| matches!(message, ServerMessage::RemoteSdp { sdp, .. } if sdp != answered))
}

#[tokio::test]
async fn webrtc_endpoint_calls_browser_with_hold() {
    let mut here = listen().await;
    let phone = Idle::start(here.relay.sip("udp").await).await;
    let mut phone = phone.call(&here.contact, Sound::Tone(HIGH), Habits::default()).await;
    let incoming = here.alice.incoming().await;
    let (call, answer) = tokio::join!(here.alice.answer(&incoming, Sound::Tone(LOW)), phone.is_answered());
    assert!(answer.contains("a=ice-lite") && answer.contains("UDP/TLS/RTP/SAVPF"), "{answer}");
    tokio::join!(call.peer.receives_tone(HIGH), phone.peer.receives_tone(LOW));
    let (offer, ()) = tokio::join!(phone.takes_an_offer("recvonly"), here.alice.hold(&call.id));
    assert!(offer.contains("a=sendonly"), "{offer}");
    tokio::join!(call.peer.receives_silence(), phone.peer.receives_silence());
    tokio::join!(phone.takes_an_offer("sendrecv"), here.alice.unhold(&call.id));
    tokio::join!(call.peer.receives_tone(HIGH), phone.peer.receives_tone(LOW));
    assert!(phone.reoffers("inactive").await.contains("a=inactive"));
    tokio::join!(call.peer.receives_silence(), phone.peer.receives_silence());
    assert!(phone.reoffers("sendrecv").await.contains("a=sendrecv"));
    tokio::join!(call.peer.receives_tone(HIGH), phone.peer.receives_tone(LOW));
    phone.hang_up().await;
    assert_eq!(here.alice.over(&call.id).await.status, CallStatus::Finish);
    assert!(!second_description(&mut here.alice, &incoming.offer));
}

#[tokio::test]
async fn browser_calls_webrtc_endpoint_with_video() {
    let relay = Relay::start_with_sip(&["rtp.profile=webrtc"]);
    let phone = Idle::start(relay.sip("udp").await).await;
    let camera = Habits { picture: Some(Picture { encoding: "VP8", number: 96 }), ..Habits::default() };
    let mut alice = Browser::connect(&relay, account("1001", phone.address(), false), camera).await;
    let call = alice.call("9001", Sound::Tone(LOW)).await;
    let (mut phone, offer) = phone.takes_a_call(Sound::Tone(HIGH), camera).await;
    assert!(offer.contains("a=group:BUNDLE ") && offer.contains("a=setup:actpass"), "{offer}");
    alice.established(&call).await;
    tokio::join!(call.peer.receives_tone(HIGH), phone.peer.receives_tone(LOW));
    tokio::join!(call.peer.sees("VP8"), phone.peer.sees("VP8"));
    assert!(call.peer.key_frames_asked_for() > 0 && phone.peer.key_frames_asked_for() > 0);
    alice.hang_up(&call.id);
    phone.over().await;
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn unsupported_webrtc_offer_is_refused_with_reason() {
    let mut here = listen().await;
    let offer = offhook_tests::peer::Peer::offer(Sound::Tone(HIGH), Habits::default()).await.description().to_owned();
    for (offer, reason) in [
        (offer.replace("a=ice-ufrag", "a=x-ufrag"), "488 DTLS-SRTP Needs ICE Here"),
        (offer.replace("t=0 0", "t=0 0\r\na=ice-lite"), "488 Two ICE-lite Agents Cannot Meet"),
    ] {
        let phone = Idle::start(here.relay.sip("udp").await).await;
        let refusal = phone.is_refused(&here.contact, &offer).await;
        assert!(refusal.starts_with(&format!("SIP/2.0 {reason}\r\n")), "{refusal}");
    }
    assert!(!here.alice.has_received(|message| matches!(message, ServerMessage::IncomingCall(_))));
}

/// The server converts between the phone's RTP and the relay's WebRTC.
#[tokio::test]
async fn phone_behind_webrtc_gateway_calls_browser() {
    let (relay, engine) = (Relay::start_with_sip(&["rtp.profile=webrtc"]), Rtpengine::start().await);
    let options = KamailioOptions {
        records_route: true,
        media: Some(engine.control()),
        webrtc: true,
        ..KamailioOptions::default()
    };
    let kamailio = Kamailio::start(options).await;
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let mut bob = Baresip::start(&Setup::of("1002", kamailio.address(), 1000)).await;
    let call = alice.call("1002", Sound::Tone(LOW)).await;
    bob.rings().await;
    tokio::join!(alice.established(&call), bob.accept());
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    alice.hold(&call.id).await;
    call.peer.receives_silence().await;
    alice.unhold(&call.id).await;
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    alice.hang_up(&call.id);
    bob.over().await;
    alice.over(&call.id).await;
    bob.dial(&format!("sip:1001@{}", kamailio.address())).await;
    let incoming = alice.incoming().await;
    let (call, ()) = tokio::join!(alice.answer(&incoming, Sound::Tone(LOW)), bob.established());
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    bob.hang_up().await;
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);
    assert!(!second_description(&mut alice, &incoming.offer));
}

/// The looped INVITE has the relay's own ICE-lite offer.
#[tokio::test]
async fn looped_call_offered_as_webrtc_is_bridged() {
    let relay = Relay::start_with_sip(&["rtp.profile=webrtc"]);
    let kamailio = Kamailio::start(KamailioOptions { records_route: true, ..KamailioOptions::default() }).await;
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let mut bob = page(&relay, "1002", kamailio.address()).await;
    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    tokio::join!(at_alice.peer.receives_tone(HIGH), at_bob.peer.receives_tone(LOW));
    bob.hang_up(&at_bob.id);
    assert_eq!(alice.over(&at_alice.id).await.status, CallStatus::Finish);
}
