//! The same call over other transports: TLS, IPv6, each SRTP profile; with pictures; and media that dies.

use crate::{HIGH, LOW, Talk, talk};
use offhook_signaling::message::CallStatus;
use offhook_tests::browser::Browser;
use offhook_tests::peer::{Habits, LIKE_FIREFOX, Sound, SrtpProtectionProfile};
use offhook_tests::picture::Picture;
use offhook_tests::relay::Relay;
use std::net::{IpAddr, Ipv6Addr};

async fn talks_with(relay: &Relay, of_alice: Habits, of_bob: Habits) -> Talk {
    let mut alice = Browser::sign_in_with(relay, "alice", of_alice).await;
    let mut bob = Browser::sign_in_with(relay, "bob", of_bob).await;
    let (at_alice, at_bob) = talk(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    Talk { alice, bob, at_alice, at_bob }
}

#[tokio::test]
async fn each_srtp_profile_carries_a_call_and_they_mix() {
    let relay = Relay::start();
    let knows = |profile| Habits { profile: Some(profile), ..Habits::default() };
    let (cm, gcm, strong) = (
        knows(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80),
        knows(SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm),
        knows(SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm),
    );
    for (of_alice, of_bob) in [(cm, gcm), (gcm, strong), (strong, cm)] {
        talks_with(&relay, of_alice, of_bob).await.both_hear().await;
    }
}

#[tokio::test]
async fn a_page_on_https_calls() {
    let state = std::env::temp_dir().join(format!("offhook-tls-{}", std::process::id()));
    let directory = format!("tls.state_directory={}", state.display());
    let flags = ["--demo", "--listen-tls", "127.0.0.1:0", "--media-address", "127.0.0.1", "--set", "listen.plain="];
    let relay = Relay::start_as(&flags, &[&directory]);
    assert!(relay.url().starts_with("wss:"), "{}", relay.url());
    Talk::begin(&relay).await.both_hear().await;
    drop(relay);
    std::fs::remove_dir_all(state).expect("the relay kept its certificate there");
}

#[tokio::test]
async fn a_call_needs_no_ipv4() {
    let relay = Relay::start_as(&["--demo", "--listen", "[::1]:0", "--no-tls", "--media-address", "::1"], &[]);
    let habits = Habits { address: IpAddr::V6(Ipv6Addr::LOCALHOST), ..Habits::default() };
    talks_with(&relay, habits, habits).await.both_hear().await;
}

#[tokio::test]
async fn pictures_begin_with_a_key_frame_and_keep_their_own_numbers() {
    let relay = Relay::start();
    for (encoding, of_alice, of_bob) in [("VP8", 96, 120), ("H264", 106, 126)] {
        let habits =
            |number, codecs| Habits { picture: Some(Picture { encoding, number }), codecs, ..Habits::default() };
        let chromium = habits(of_alice, Habits::default().codecs);
        let talk = talks_with(&relay, chromium, habits(of_bob, LIKE_FIREFOX)).await;
        // A real camera sends its first key frame unasked; this one only when the relay asked for it.
        tokio::join!(talk.at_alice.peer.sees(encoding), talk.at_bob.peer.sees(encoding));
        assert!(talk.at_alice.peer.key_frames_asked_for() > 0 && talk.at_bob.peer.key_frames_asked_for() > 0);
        talk.both_hear().await;
    }
}

#[tokio::test]
async fn pictures_stop_during_hold_and_begin_with_a_key_frame_again() {
    let relay = Relay::start();
    let habits = Habits { picture: Some(Picture { encoding: "VP8", number: 96 }), ..Habits::default() };
    let mut talk = talks_with(&relay, habits, habits).await;
    talk.at_bob.peer.sees("VP8").await;
    talk.alice.hold(&talk.at_alice.id).await;
    talk.at_bob.peer.hears_nothing().await;
    talk.at_bob.peer.forget_pictures();
    talk.alice.unhold(&talk.at_alice.id).await;
    talk.at_bob.peer.sees("VP8").await;
}

/// One side's packets stop, its WebSocket does not: the reason at the other tells which direction died.
#[tokio::test]
async fn media_that_dies_ends_the_call_and_says_whose_it_was() {
    let relay = Relay::start_with(&["media.timeout=2s"]);
    for (dies, text) in [("caller", "the caller"), ("callee", "the callee")] {
        let Talk { mut alice, mut bob, at_alice, at_bob } = Talk::begin(&relay).await;
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
