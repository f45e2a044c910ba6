//! Conformance tests: the real relay on loopback with headless browsers that use a third-party media engine.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod accounts;
mod api;
mod api_calls;
mod api_compatible;
mod api_events;
mod api_lists;
mod api_schema;
mod application;
mod calls;
mod codecs;
mod container;
mod hooks;
mod lifecycle;
mod logins;
mod media;
mod metrics;
mod nat;
mod postgres;
mod providers;
mod quality;
mod recording;
mod records;
mod robustness;
mod sessions;
mod sip;
mod sip_changes;
mod sip_digits;
mod sip_early;
mod sip_inbound;
mod sip_losses;
mod sip_messages;
mod sip_outbound;
mod sip_peers;
mod sip_phones;
mod sip_servers;
mod sip_torture;
mod sip_transfer;
mod sip_webrtc;
mod tokens;
mod trace;
mod transfer;
mod transports;
mod trunks;

use offhook_tests::browser::{Browser, Incoming, Ongoing};
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;

/// The tone sent by the caller, in Hz.
pub(crate) const LOW: f32 = 440.0;
/// The tone sent by the callee, in Hz.
pub(crate) const HIGH: f32 = 1000.0;

/// An established call between two browsers.
pub(crate) struct EstablishedCall {
    pub(crate) alice: Browser,
    pub(crate) bob: Browser,
    pub(crate) at_alice: Ongoing,
    pub(crate) at_bob: Ongoing,
}

impl EstablishedCall {
    /// Establishes a call from Alice to Bob.
    pub(crate) async fn begin(relay: &Relay) -> Self {
        let (mut alice, mut bob) = (Browser::sign_in(relay, "alice").await, Browser::sign_in(relay, "bob").await);
        let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
        Self { alice, bob, at_alice, at_bob }
    }

    /// Waits until both receive the tone of the other.
    pub(crate) async fn both_receive_tones(&self) {
        self.at_alice.peer.receives_tone(HIGH).await;
        self.at_bob.peer.receives_tone(LOW).await;
    }
}

/// Establishes a call.
pub(crate) async fn establish_call(
    caller: &mut Browser,
    callee: &mut Browser,
    caller_sound: Sound,
    callee_sound: Sound,
) -> (Ongoing, Ongoing) {
    let (at_caller, incoming) = ring(caller, callee, caller_sound).await;
    let (_, at_callee) = tokio::join!(caller.established(&at_caller), callee.answer(&incoming, callee_sound));
    (at_caller, at_callee)
}

/// Places a call and waits until it rings.
pub(crate) async fn ring(caller: &mut Browser, callee: &mut Browser, sound: Sound) -> (Ongoing, Incoming) {
    let at_caller = caller.call(callee.login(), sound).await;
    let incoming = callee.incoming().await;
    assert_eq!(incoming.call.caller, caller.login());
    assert!(incoming.call.incoming, "the flag distinguishes incoming calls");
    caller.status(&at_caller.id, offhook_signaling::message::CallStatus::Ring).await;
    (at_caller, incoming)
}
