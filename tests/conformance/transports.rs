//! Tests of calls over TLS and IPv6, with each SRTP profile, with video, and with lost media.

use crate::{EstablishedCall, HIGH, LOW, establish_call};
use offhook_signaling::message::CallStatus;
use offhook_tests::browser::Browser;
use offhook_tests::peer::{Habits, LIKE_FIREFOX, Sound, SrtpProtectionProfile};
use offhook_tests::picture::Picture;
use offhook_tests::relay::Relay;
use std::net::{IpAddr, Ipv6Addr};

async fn establish_with(relay: &Relay, of_alice: Habits, of_bob: Habits) -> EstablishedCall {
    let mut alice = Browser::sign_in_with(relay, "alice", of_alice).await;
    let mut bob = Browser::sign_in_with(relay, "bob", of_bob).await;
    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    EstablishedCall { alice, bob, at_alice, at_bob }
}

#[tokio::test]
async fn legs_with_different_srtp_profiles_are_bridged() {
    let relay = Relay::start();
    let with_profile = |profile| Habits { profile: Some(profile), ..Habits::default() };
    let (cm, gcm, strong) = (
        with_profile(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80),
        with_profile(SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm),
        with_profile(SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm),
    );
    for (of_alice, of_bob) in [(cm, gcm), (gcm, strong), (strong, cm)] {
        establish_with(&relay, of_alice, of_bob).await.both_receive_tones().await;
    }
}

#[tokio::test]
async fn call_over_wss_is_established() {
    let state = std::env::temp_dir().join(format!("offhook-tls-{}", std::process::id()));
    let directory = format!("tls.state_directory={}", state.display());
    let flags = ["--demo", "--listen-tls", "127.0.0.1:0", "--media-address", "127.0.0.1", "--set", "listen.plain="];
    let relay = Relay::start_as(&flags, &[&directory]);
    assert!(relay.url().starts_with("wss:"), "{}", relay.url());
    EstablishedCall::begin(&relay).await.both_receive_tones().await;
    drop(relay);
    std::fs::remove_dir_all(state).expect("the relay kept its certificate there");
}

#[tokio::test]
async fn call_over_ipv6_is_established() {
    let relay = Relay::start_as(&["--demo", "--listen", "[::1]:0", "--no-tls", "--media-address", "::1"], &[]);
    let habits = Habits { address: IpAddr::V6(Ipv6Addr::LOCALHOST), ..Habits::default() };
    establish_with(&relay, habits, habits).await.both_receive_tones().await;
}

#[tokio::test]
async fn video_starts_with_requested_key_frame() {
    let relay = Relay::start();
    for (encoding, of_alice, of_bob) in [("VP8", 96, 120), ("H264", 106, 126)] {
        let habits =
            |number, codecs| Habits { picture: Some(Picture { encoding, number }), codecs, ..Habits::default() };
        let chromium = habits(of_alice, Habits::default().codecs);
        let established = establish_with(&relay, chromium, habits(of_bob, LIKE_FIREFOX)).await;
        // A real camera starts with a key frame; this one only sends key frames on request of the relay.
        tokio::join!(established.at_alice.peer.sees(encoding), established.at_bob.peer.sees(encoding));
        assert!(
            established.at_alice.peer.key_frames_asked_for() > 0 && established.at_bob.peer.key_frames_asked_for() > 0
        );
        established.both_receive_tones().await;
    }
}

#[tokio::test]
async fn video_resumes_with_key_frame_after_hold() {
    let relay = Relay::start();
    let habits = Habits { picture: Some(Picture { encoding: "VP8", number: 96 }), ..Habits::default() };
    let mut established = establish_with(&relay, habits, habits).await;
    established.at_bob.peer.sees("VP8").await;
    established.alice.hold(&established.at_alice.id).await;
    established.at_bob.peer.receives_silence().await;
    established.at_bob.peer.forget_pictures();
    established.alice.unhold(&established.at_alice.id).await;
    established.at_bob.peer.sees("VP8").await;
}

/// The media of one side stop while its WebSocket stays open: the end reason identifies that side.
#[tokio::test]
async fn lost_media_ends_call_with_direction() {
    let relay = Relay::start_with(&["media.timeout=2s"]);
    for (dies, text) in [("caller", "the caller"), ("callee", "the callee")] {
        let EstablishedCall { mut alice, mut bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
        let (of_alice, of_bob) = (at_alice.id.clone(), at_bob.id.clone());
        let (gone, _stays) = if dies == "caller" { (at_alice.peer, at_bob.peer) } else { (at_bob.peer, at_alice.peer) };
        drop(gone);
        for (browser, call) in [(&mut alice, &of_alice), (&mut bob, &of_bob)] {
            let over = browser.over(call).await;
            assert_eq!(over.status, CallStatus::Failed);
            let info = over.info.expect("a reason");
            assert!(info.starts_with("Failed by RTP activity") && info.ends_with(text), "{info}");
        }
    }
}
