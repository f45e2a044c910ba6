//! Tests of transfers with SIP peers: by REFER, by the relay if the peer does not support REFER, and requested by the peer.

use crate::sip::{Placed, place};
use crate::{HIGH, LOW};
use offhook_signaling::message::{CallStatus, ServerMessage, TransferStatus};
use offhook_tests::browser::{Browser, Ongoing};
use offhook_tests::peer::Sound;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, Sipp};

/// The tone sent by the third participant, in Hz.
const THIRD: f32 = 1700.0;

async fn expect_transfer_status(alice: &mut Browser, call: &Ongoing, wanted: TransferStatus) {
    let matching = |message: &ServerMessage| matches!(message, ServerMessage::Transfer { call_id, status } if *call_id == call.id && *status == wanted);
    alice.expect(&format!("notifyTransferEvent {wanted:?}"), |message| matching(message).then_some(())).await;
}

async fn referred(status: &str, then: &str) -> Placed {
    let mut call = place("uas-refer", Run::default().with("status", status).with("then", then)).await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    call.alice.transfer(&call.call.id, "9002");
    let report = call.peer.reaches("referred").await;
    assert!(report.field("Header").contains("sip:9002@"), "{}", report.text);
    call.peer.go(&report).await;
    call
}

#[tokio::test]
async fn transfer_is_delegated_to_peer_by_refer() {
    let mut call = referred("200 OK", "").await;
    expect_transfer_status(&mut call.alice, &call.call, TransferStatus::Completed).await;
    assert_eq!(call.alice.over(&call.call.id).await.status, CallStatus::Finish);
    call.peer.passes().await;
}

#[tokio::test]
async fn transfer_refused_by_target_keeps_call() {
    let mut call = referred("486 Busy Here", "{{report event=notified}}").await;
    let report = call.peer.reaches("notified").await;
    let failed = |message: &ServerMessage| matches!(message, ServerMessage::Fail { .. });
    call.alice.expect("fail", |message| failed(message).then_some(())).await;
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

/// Starts a third phone.
async fn third() -> (Sipp, RtpEndpoint) {
    let phone = RtpEndpoint::start(THIRD).await;
    let peer = Sipp::start("uas-answer", Run::default().with("rtp_port", phone.port())).await;
    (peer, phone)
}

#[tokio::test]
async fn transfer_without_refer_support_is_done_by_relay() {
    let (mut there, phone) = third().await;
    let mut call = place("uas-refer-refused", Run::default().with("status", "501 Not Implemented")).await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    call.alice.transfer(&call.call.id, &format!("sip:there@{}", there.address()));
    call.peer.passes_by("refused").await;
    there.passes_by("ringing").await;
    let report = there.reaches("answered").await;
    phone.send_to(report.media());
    expect_transfer_status(&mut call.alice, &call.call, TransferStatus::Completed).await;
    assert_eq!(call.alice.over(&call.call.id).await.status, CallStatus::Finish);
    // The call is now between two SIP phones.
    tokio::join!(call.phone.receives_tone(THIRD), phone.receives_tone(HIGH));
    there.go(&report).await;
    // The relay ends the call when it is terminated.
    drop(call.relay);
}

#[tokio::test]
async fn refer_by_peer_transfers_browser() {
    let (mut there, phone) = third().await;
    let run = Run::default().with("refer_to", format!("sip:there@{}", there.address()));
    let mut call = place("uas-refers", run).await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    there.passes_by("ringing").await;
    let report = there.reaches("answered").await;
    phone.send_to(report.media());
    // The browser's call is now with the transfer target.
    tokio::join!(call.call.peer.receives_tone(THIRD), phone.receives_tone(LOW));
    call.peer.passes().await;
    there.go(&report).await;
    call.alice.hang_up(&call.call.id);
    assert_eq!(call.alice.over(&call.call.id).await.status, CallStatus::Finish);
    there.passes().await;
}

#[tokio::test]
async fn attended_transfer_sends_refer_with_replaces() {
    let mut call = place("uas-attended", Run::default()).await;
    let first = call.answered().await;
    call.both_receive_tones().await;
    call.peer.go(&first).await;
    call.alice.hold(&call.call.id).await;
    let (mut there, phone) = third().await;
    let second = call.alice.call(&format!("sip:there@{}", there.address()), Sound::Tone(LOW)).await;
    there.passes_by("ringing").await;
    let report = there.reaches("answered").await;
    phone.send_to(report.media());
    call.alice.established(&second).await;
    tokio::join!(second.peer.receives_tone(THIRD), phone.receives_tone(LOW));
    call.alice.transfer(&call.call.id, &format!("sip:there@{}", there.address()));
    let referred = call.peer.reaches("referred").await;
    // `Replaces=` with the Call-ID of the second call, escaped in the URI (RFC 3891 §6, RFC 3261 §19.1.1).
    let escaped = report.call_id().replace('@', "%40");
    let target = referred.field("Header");
    assert!(target.contains(&format!("Replaces={escaped}")), "{target}");
    there.go(&report).await;
    call.peer.go(&referred).await;
    expect_transfer_status(&mut call.alice, &call.call, TransferStatus::Completed).await;
    call.alice.over(&call.call.id).await;
    call.peer.passes().await;
}

#[tokio::test]
async fn transfer_to_unreachable_target_is_reported() {
    let mut call = place("uas-refer-refused", Run::default().with("status", "501 Not Implemented")).await;
    let report = call.answered().await;
    call.peer.go(&report).await;
    let closed_port = offhook_tests::ports::free(2);
    call.alice.transfer(&call.call.id, &format!("sip:nobody@127.0.0.1:{closed_port}"));
    let report = call.peer.reaches("refused").await;
    call.peer.go(&report).await;
    let failed = |message: &ServerMessage| matches!(message, ServerMessage::Fail { .. });
    call.alice.expect("fail", |message| failed(message).then_some(())).await;
    call.both_receive_tones().await;
    call.alice.hang_up(&call.call.id);
    call.peer.passes().await;
}
