//! Tests of DTMF with a SIP peer, as telephone-events and as INFO, in both directions.

use crate::sip::{account, place};
use crate::{HIGH, LOW};
use offhook_signaling::message::{ConnectionMessage, DtmfType, ServerMessage};
use offhook_signaling::version::{Extension, feature};
use offhook_tests::browser::Browser;
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, Sipp};

#[tokio::test]
async fn dtmf_is_relayed_as_telephone_events_with_sip() {
    let mut call = place("uas-answer", Run::default()).await;
    call.peer.passes_by("ringing").await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.alice.send_dtmf(&call.call.id, "15*#");
    call.phone.receives_digits("15*#").await;
    call.phone.press("0D");
    call.call.peer.receives_digits("0D").await;
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

async fn by_info(kind: DtmfType, content_type: &str, digit: &str) {
    let mut call = place("uas-info", Run::default().with("type", content_type).with("digit", digit)).await;
    let report = call.answered().await;
    call.peer.go(&report).await;
    call.alice.send_dtmf_as(&call.call.id, kind, "7");
    let report = call.peer.reaches("digit").await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn dtmf_is_sent_by_info() {
    by_info(DtmfType::Info, "application/dtmf", "7").await;
}

#[tokio::test]
async fn dtmf_is_sent_by_info_with_duration() {
    by_info(DtmfType::InfoRelay, "application/dtmf-relay", "Signal= *7").await;
}

#[tokio::test]
async fn dtmf_received_by_info_is_reported_to_browser() {
    let relay = Relay::start_with_sip(&[]);
    let phone = RtpEndpoint::start(HIGH).await;
    let mut peer = Sipp::start("uas-sends-info", Run::default().with("rtp_port", phone.port())).await;
    let offhook = Extension { version: 1, features: vec![feature::DTMF_EVENTS.to_owned()] };
    let hello = ConnectionMessage { offhook: Some(offhook), ..account("1001", peer.address(), false) };
    let mut alice = Browser::connect(&relay, hello, Habits::default()).await;
    let call = alice.call("9001", Sound::Tone(LOW)).await;
    let report = peer.reaches("answered").await;
    alice.established(&call).await;
    peer.go(&report).await;
    for wanted in ['5', '#'] {
        let digit = |message: &ServerMessage| matches!(message, ServerMessage::Dtmf { digit, .. } if *digit == wanted);
        alice.expect("offhookDtmf", |message| digit(message).then_some(())).await;
    }
    peer.passes_by("reported").await;
    alice.hang_up(&call.id);
    peer.passes().await;
}
