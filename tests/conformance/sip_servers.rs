//! Tests of browsers registered at Kamailio: calls between browsers, and with third-party phones.

use crate::sip::{account, account_over, page};
use crate::{HIGH, LOW, establish_call, ring};
use offhook_signaling::message::{CallStatus, ConnectionMessage, SipOptions};
use offhook_tests::baresip::{Baresip, Setup};
use offhook_tests::browser::{Browser, Ongoing};
use offhook_tests::kamailio::{Kamailio, KamailioOptions};
use offhook_tests::linphone::Linphone;
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::rtpengine::Rtpengine;

/// The tone sent by a third participant, in Hz.
const THIRD: f32 = 700.0;
const IN_THE_PATH: KamailioOptions = KamailioOptions::IN_THE_PATH;
const OUT_OF_IT: KamailioOptions = KamailioOptions::OUT_OF_THE_PATH;

async fn phone(user: &str, kamailio: &Kamailio, tone: u16) -> Baresip {
    Baresip::start(&Setup::of(user, kamailio.address(), tone)).await
}

/// Checks audio in both directions, hold by Alice, and resume.
async fn check_audio_and_hold(alice: &mut Browser, at_alice: &Ongoing, at_bob: &Ongoing) {
    tokio::join!(at_alice.peer.receives_tone(HIGH), at_bob.peer.receives_tone(LOW));
    alice.hold(&at_alice.id).await;
    tokio::join!(at_alice.peer.receives_silence(), at_bob.peer.receives_silence());
    alice.unhold(&at_alice.id).await;
    tokio::join!(at_alice.peer.receives_tone(HIGH), at_bob.peer.receives_tone(LOW));
}

async fn pages_exchange_audio(options: KamailioOptions) {
    let (relay, kamailio) = (Relay::start_with_sip(&[]), Kamailio::start(options).await);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let mut bob = page(&relay, "1002", kamailio.address()).await;
    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    check_audio_and_hold(&mut alice, &at_alice, &at_bob).await;
    bob.hang_up(&at_bob.id);
    assert_eq!(alice.over(&at_alice.id).await.status, CallStatus::Finish);
    assert_eq!(bob.over(&at_bob.id).await.status, CallStatus::Finish);
    // A rejected and a canceled call.
    let (at_alice, incoming) = ring(&mut alice, &mut bob, Sound::Tone(LOW)).await;
    bob.hang_up(&incoming.call.call_id);
    alice.over(&at_alice.id).await;
    bob.over(&incoming.call.call_id).await;
    let (at_bob, incoming) = ring(&mut bob, &mut alice, Sound::Tone(LOW)).await;
    bob.hang_up(&at_bob.id);
    assert_eq!(alice.over(&incoming.call.call_id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn looped_call_through_record_routing_proxy_is_bridged() {
    pages_exchange_audio(IN_THE_PATH).await;
}

#[tokio::test]
async fn looped_call_without_record_route_is_bridged() {
    pages_exchange_audio(OUT_OF_IT).await;
}

#[tokio::test]
async fn looped_call_keeps_browser_only_codecs() {
    let (relay, kamailio) = (Relay::start_with_sip(&["rtp.srtp=off"]), Kamailio::start(IN_THE_PATH).await);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let hello = account("1002", kamailio.address(), true);
    let firefox = Habits { codecs: offhook_tests::peer::LIKE_FIREFOX, ..Habits::default() };
    let mut bob = Browser::connect(&relay, hello, firefox).await;
    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Opus(0xA1), Sound::Opus(0xB0)).await;
    at_alice.peer.receives_opus_of(0xB0).await;
    at_bob.peer.receives_opus_of(0xA1).await;
}

/// Establishes a call through a server with a media relay, terminates the media relay, and checks whether the media continue.
async fn media_outlive_those_of_the_server(options: KamailioOptions, outlive: bool) {
    let (relay, mut engine) = (Relay::start_with_sip(&[]), Rtpengine::start().await);
    let kamailio = Kamailio::start(KamailioOptions { media: Some(engine.control()), ..options }).await;
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let mut bob = page(&relay, "1002", kamailio.address()).await;
    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    check_audio_and_hold(&mut alice, &at_alice, &at_bob).await;
    engine.end().await;
    if outlive {
        tokio::join!(at_alice.peer.receives_tone(HIGH), at_bob.peer.receives_tone(LOW));
    } else {
        tokio::join!(at_alice.peer.receives_silence(), at_bob.peer.receives_silence());
    }
    alice.hang_up(&at_alice.id);
    bob.over(&at_bob.id).await;
}

#[tokio::test]
async fn unrecognized_looped_call_relays_media_through_server() {
    media_outlive_those_of_the_server(KamailioOptions { hides: true, ..IN_THE_PATH }, false).await;
}

#[tokio::test]
async fn recognized_looped_call_keeps_media_in_relay() {
    media_outlive_those_of_the_server(IN_THE_PATH, true).await;
}

#[tokio::test]
async fn looped_call_with_replaced_origin_is_bridged() {
    pages_exchange_audio(KamailioOptions { renames: true, ..IN_THE_PATH }).await;
}

/// Starts a relay with SIP over TLS that uses and trusts the certificate of the server.
fn relay_that_trusts(kamailio: &Kamailio) -> Relay {
    let (certificate, key) = (kamailio.certificate(), kamailio.key());
    Relay::start_with_sip(&[
        "sip.listen=udp:127.0.0.1:0,tcp:127.0.0.1:0,tls:127.0.0.1:0",
        &format!("sip.tls_authorities={}", certificate.display()),
        &format!("sip.tls_certificate={}", certificate.display()),
        &format!("sip.tls_key={}", key.display()),
    ])
}

async fn page_calls_phone(transport: &'static str) {
    let kamailio = Kamailio::start(IN_THE_PATH).await;
    let relay = relay_that_trusts(&kamailio);
    let server = if transport == "tls" { kamailio.tls() } else { kamailio.address() };
    let mut alice = Browser::connect(&relay, account_over(transport, "1001", server, true), Habits::default()).await;
    let mut bob = phone("1002", &kamailio, 1000).await;
    let call = alice.call("1002", Sound::Tone(LOW)).await;
    assert!(bob.rings().await.starts_with("sip:1001@"));
    alice.status(&call.id, CallStatus::Ring).await;
    tokio::join!(alice.established(&call), bob.accept());
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    alice.hang_up(&call.id);
    bob.over().await;
    alice.over(&call.id).await;
}

#[tokio::test]
async fn browser_calls_phone_over_udp() {
    page_calls_phone("udp").await;
}

#[tokio::test]
async fn browser_calls_phone_over_tcp() {
    page_calls_phone("tcp").await;
}

#[tokio::test]
async fn browser_calls_phone_over_tls() {
    page_calls_phone("tls").await;
}

async fn phone_calls_page(transport: &'static str) {
    let kamailio = Kamailio::start(IN_THE_PATH).await;
    let relay = relay_that_trusts(&kamailio);
    let server = if transport == "tls" { kamailio.tls() } else { kamailio.address() };
    let mut alice = Browser::connect(&relay, account_over(transport, "1001", server, true), Habits::default()).await;
    let mut bob = phone("1002", &kamailio, 1000).await;
    bob.dial(&format!("sip:1001@{}", kamailio.address())).await;
    let incoming = alice.incoming().await;
    assert_eq!(incoming.call.caller, "1002");
    let (call, ()) = tokio::join!(alice.answer(&incoming, Sound::Tone(LOW)), bob.established());
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    bob.hang_up().await;
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn phone_calls_browser_registered_over_udp() {
    phone_calls_page("udp").await;
}

#[tokio::test]
async fn phone_calls_browser_registered_over_tcp() {
    phone_calls_page("tcp").await;
}

#[tokio::test]
async fn phone_calls_browser_registered_over_tls() {
    phone_calls_page("tls").await;
}

#[tokio::test]
async fn browser_and_phone_hold_and_exchange_dtmf() {
    let (relay, kamailio) = (Relay::start_with_sip(&[]), Kamailio::start(IN_THE_PATH).await);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let mut bob = phone("1002", &kamailio, 1000).await;
    let call = alice.call("1002", Sound::Tone(LOW)).await;
    bob.rings().await;
    tokio::join!(alice.established(&call), bob.accept());
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    alice.hold(&call.id).await;
    tokio::join!(call.peer.receives_silence(), bob.receives_silence());
    alice.unhold(&call.id).await;
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    bob.hold().await;
    call.peer.receives_silence().await;
    bob.resume().await;
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    bob.press('7').await;
    call.peer.receives_digits("7").await;
    alice.send_dtmf(&call.id, "9");
    bob.event("CALL_DTMF_START").await;
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
}

#[tokio::test]
async fn private_contact_of_server_is_not_used_in_dialog() {
    let kamailio = Kamailio::start(KamailioOptions { has_private_contact: true, ..OUT_OF_IT }).await;
    let relay = Relay::start_with_sip(&[]);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let mut bob = phone("1002", &kamailio, 1000).await;
    let call = alice.call("1002", Sound::Tone(LOW)).await;
    bob.rings().await;
    tokio::join!(alice.established(&call), bob.accept());
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    alice.hold(&call.id).await;
    tokio::join!(call.peer.receives_silence(), bob.receives_silence());
    alice.unhold(&call.id).await;
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    alice.hang_up(&call.id);
    bob.over().await;
    alice.over(&call.id).await;
}

#[tokio::test]
async fn browser_transfers_phone_to_phone() {
    let (relay, kamailio) = (Relay::start_with_sip(&[]), Kamailio::start(IN_THE_PATH).await);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let (mut bob, mut carol) = (phone("1002", &kamailio, 1000).await, phone("1003", &kamailio, 700).await);
    let call = alice.call("1002", Sound::Tone(LOW)).await;
    bob.rings().await;
    tokio::join!(alice.established(&call), bob.accept());
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    alice.transfer(&call.id, "1003");
    carol.rings().await;
    carol.accept().await;
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);
    tokio::join!(bob.receives_tone(THIRD), carol.receives_tone(HIGH));
}

#[tokio::test]
async fn phone_transfers_browser_to_phone() {
    let (relay, kamailio) = (Relay::start_with_sip(&[]), Kamailio::start(IN_THE_PATH).await);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let (mut bob, mut carol) = (phone("1002", &kamailio, 1000).await, phone("1003", &kamailio, 700).await);
    let call = alice.call("1002", Sound::Tone(LOW)).await;
    bob.rings().await;
    tokio::join!(alice.established(&call), bob.accept());
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    bob.transfer(&format!("sip:1003@{}", kamailio.address())).await;
    carol.rings().await;
    carol.accept().await;
    tokio::join!(call.peer.receives_tone(THIRD), carol.receives_tone(LOW));
    alice.hang_up(&call.id);
    carol.over().await;
    alice.over(&call.id).await;
}

#[tokio::test]
async fn browser_calls_linphone() {
    let (relay, kamailio) = (Relay::start_with_sip(&[]), Kamailio::start(IN_THE_PATH).await);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let linphone = Linphone::start("1006", kamailio.address(), HIGH).await;
    let call = alice.call("1006", Sound::Tone(LOW)).await;
    alice.established(&call).await;
    call.peer.receives_tone(HIGH).await;
    linphone.received_tone(LOW).await;
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn linphone_calls_browser() {
    let (relay, kamailio) = (Relay::start_with_sip(&[]), Kamailio::start(IN_THE_PATH).await);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let mut linphone = Linphone::start("1006", kamailio.address(), HIGH).await;
    linphone.dial(&format!("sip:1001@{}", kamailio.address()));
    let incoming = alice.incoming().await;
    let call = alice.answer(&incoming, Sound::Tone(LOW)).await;
    call.peer.receives_tone(HIGH).await;
    linphone.received_tone(LOW).await;
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);
}

#[tokio::test]
async fn phone_with_mandatory_srtp_calls_browser() {
    let (relay, kamailio) = (Relay::start_with_sip(&["rtp.srtp=offered"]), Kamailio::start(IN_THE_PATH).await);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let setup = Setup { encryption: "srtp-mand", ..Setup::of("1002", kamailio.address(), 1000) };
    let mut bob = Baresip::start(&setup).await;
    bob.dial(&format!("sip:1001@{}", kamailio.address())).await;
    let incoming = alice.incoming().await;
    let (call, ()) = tokio::join!(alice.answer(&incoming, Sound::Tone(LOW)), bob.established());
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    bob.hang_up().await;
    alice.over(&call.id).await;
}

#[tokio::test]
async fn browser_with_required_srtp_calls_phone() {
    let (relay, kamailio) = (Relay::start_with_sip(&["rtp.srtp=required"]), Kamailio::start(IN_THE_PATH).await);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let setup = Setup { encryption: "srtp", ..Setup::of("1002", kamailio.address(), 1000) };
    let mut bob = Baresip::start(&setup).await;
    let call = alice.call("1002", Sound::Tone(LOW)).await;
    bob.rings().await;
    tokio::join!(alice.established(&call), bob.accept());
    tokio::join!(call.peer.receives_tone(HIGH), bob.receives_tone(LOW));
    alice.hang_up(&call.id);
    bob.over().await;
}

#[tokio::test]
async fn wrong_sip_password_closes_session() {
    let (relay, kamailio) = (Relay::start_with_sip(&[]), Kamailio::start(IN_THE_PATH).await);
    let hello = account("1001", kamailio.address(), true);
    let sip = SipOptions { password: Some("guess".to_owned()), ..hello.sip.clone() };
    let alice = Browser::knock(&relay, ConnectionMessage { sip, ..hello }, Habits::default()).await;
    let refused = alice.refused().await;
    assert!(refused.contains("password"), "{refused}");
}

#[tokio::test]
async fn unreachable_registrar_closes_session() {
    let relay = Relay::start_with_sip(&["sip.t1=20ms"]);
    let closed_port = offhook_tests::ports::free(2);
    let hello = account("1001", ([127, 0, 0, 1], closed_port).into(), true);
    let alice = Browser::knock(&relay, hello, Habits::default()).await;
    let refused = alice.refused().await;
    assert!(refused.contains("server"), "{refused}");
}

#[tokio::test]
async fn closed_session_unregisters_account() {
    let (relay, kamailio) = (Relay::start_with_sip(&[]), Kamailio::start(IN_THE_PATH).await);
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let hello = account("1002", kamailio.address(), true);
    let passing = ConnectionMessage { keep_alive: Some(false), ..hello };
    let bob = Browser::connect(&relay, passing, Habits::default()).await;
    let call = alice.call("1002", Sound::Tone(LOW)).await;
    alice.status(&call.id, CallStatus::Ring).await;
    alice.hang_up(&call.id);
    alice.over(&call.id).await;
    drop(bob);
    // The call is refused with 480 as soon as the account is unregistered.
    let gone = async {
        loop {
            let call = alice.call("1002", Sound::Tone(LOW)).await;
            if alice.over(&call.id).await.sip_status == Some(480) {
                return;
            }
        }
    };
    let gone = tokio::time::timeout(offhook_tests::wait::PATIENCE, gone).await;
    assert!(gone.is_ok(), "Kamailio has removed the contact of 1002");
}

#[tokio::test]
async fn call_through_ended_server_fails() {
    let relay = Relay::start_with_sip(&["sip.t1=20ms"]);
    let mut kamailio = Kamailio::start(IN_THE_PATH).await;
    let mut alice = page(&relay, "1001", kamailio.address()).await;
    let unknown = alice.call("4711", Sound::Tone(LOW)).await;
    assert_eq!(alice.over(&unknown.id).await.sip_status, Some(404));
    kamailio.end().await;
    let call = alice.call("1002", Sound::Tone(LOW)).await;
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Failed);
}
