//! Tests of calls from a browser to a SIP peer: answered, refused, redirected and canceled.

use crate::sip::{account, place, place_over};
use crate::{HIGH, LOW};
use offhook_signaling::message::{CallStatus, ServerMessage};
use offhook_tests::browser::Browser;
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, Sipp};

#[tokio::test]
async fn outbound_sip_call_is_answered() {
    let mut call = place("uas-answer", Run::default()).await;
    call.alice.status(&call.call.id, CallStatus::Ring).await;
    call.peer.passes_by("ringing").await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn outbound_call_uses_configured_tcp() {
    let mut call = place_over("tcp", "uas-answer", Run { transport: "t1", ..Run::default() }).await;
    call.peer.passes_by("ringing").await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn outbound_call_ends_with_peer_bye() {
    let mut call = place("uas-hangup", Run::default()).await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    assert_eq!(call.alice.over(&call.call.id).await.status, CallStatus::Finish);
    call.peer.passes().await;
}

#[tokio::test]
async fn caller_hangup_while_ringing_sends_cancel() {
    let mut call = place("uas-cancel", Run::default()).await;
    let report = call.peer.reaches("ringing").await;
    call.peer.go(&report).await;
    call.alice.status(&call.call.id, CallStatus::Ring).await;
    call.alice.hang_up(&call.call.id);
    assert_eq!(call.alice.over(&call.call.id).await.status, CallStatus::Finish);
    call.peer.passes().await;
}

#[tokio::test]
async fn answer_crossing_cancel_is_ended_with_bye() {
    let mut call = place("uas-cancel-crosses", Run::default()).await;
    let report = call.peer.reaches("ringing").await;
    call.peer.go(&report).await;
    call.alice.status(&call.call.id, CallStatus::Ring).await;
    call.alice.hang_up(&call.call.id);
    assert_eq!(call.alice.over(&call.call.id).await.status, CallStatus::Finish);
    call.peer.passes().await;
}

#[tokio::test]
async fn refusal_is_reported_with_sip_status() {
    let refusals = [
        ("404 Not Found", CallStatus::Failed),
        ("480 Temporarily Unavailable", CallStatus::Failed),
        ("486 Busy Here", CallStatus::Failed),
        ("500 Server Internal Error", CallStatus::Failed),
        ("503 Service Unavailable", CallStatus::Failed),
        ("600 Busy Everywhere", CallStatus::Failed),
        ("603 Decline", CallStatus::Finish),
    ];
    let refused = refusals.map(|(status, wanted)| async move {
        let run = Run::default().with("status", status).with("header", "Retry-After: 1");
        let mut call = place("uas-refuses", run).await;
        let end = call.alice.over(&call.call.id).await;
        let (code, _) = status.split_once(' ').expect("a status with a reason");
        assert_eq!(end.sip_status.map(|status| status.to_string()).as_deref(), Some(code), "{status}: {end:?}");
        assert_eq!(end.status, wanted, "{status}: {end:?}");
        let busy = |message: &ServerMessage| matches!(message, ServerMessage::Busy(_));
        assert_eq!(
            call.alice.has_received(busy),
            matches!(code, "486" | "600"),
            "{status}: busy is reported for 486 and 600 only"
        );
        call.peer.passes_by("refused").await;
        call.peer.passes().await;
    });
    futures_util::future::join_all(refused).await;
}

#[tokio::test]
async fn redirect_is_followed() {
    let phone = RtpEndpoint::start(HIGH).await;
    let mut there = Sipp::start("uas-answer", Run::default().with("rtp_port", phone.port())).await;
    let contact = format!("Contact: <sip:there@{}>", there.address());
    let run = Run::default().with("status", "302 Moved Temporarily").with("header", contact);
    let mut call = place("uas-refuses", run).await;
    call.peer.passes_by("refused").await;
    there.passes_by("ringing").await;
    let report = there.reaches("answered").await;
    phone.send_to(report.media());
    call.alice.established(&call.call).await;
    tokio::join!(call.call.peer.receives_tone(HIGH), phone.receives_tone(LOW));
    there.go(&report).await;
    call.alice.hang_up(&call.call.id);
    call.alice.over(&call.call.id).await;
    call.peer.passes().await;
    there.passes().await;
}

async fn authenticates(status: &str, challenge: &str) {
    let run = Run::default().with("status", status).with("challenge", challenge);
    let mut call = place("uas-challenges", run).await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    call.alice.hold(&call.call.id).await;
    let report = call.peer.reaches("held").await;
    assert!(report.text.contains("a=sendonly") || report.text.contains("a=inactive"), "{}", report.text);
    call.hang_up(&report).await;
}

#[tokio::test]
async fn challenge_401_is_answered_also_in_dialog() {
    authenticates("401 Unauthorized", "WWW-Authenticate").await;
}

#[tokio::test]
async fn challenge_407_is_answered_also_in_dialog() {
    authenticates("407 Proxy Authentication Required", "Proxy-Authenticate").await;
}

#[tokio::test]
async fn response_422_raises_session_interval() {
    let mut call = place("uas-422", Run::default()).await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn session_refresh_by_peer_is_answered() {
    let mut call = place("uas-refreshes", Run::default()).await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn session_is_refreshed_by_relay() {
    let mut call = place("uas-refreshed", Run::default()).await;
    let report = call.answered().await;
    call.peer.go(&report).await;
    // Half of 90 s, the minimum session interval of RFC 4028.
    let report = call.peer.reaches_late("refreshed").await;
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn call_to_closed_port_fails() {
    let relay = Relay::start_with_sip(&[]);
    let closed_port = offhook_tests::ports::free(2);
    let hello = account("1001", ([127, 0, 0, 1], closed_port).into(), false);
    let mut alice = Browser::connect(&relay, hello, Habits::default()).await;
    let call = alice.call("9001", Sound::Tone(LOW)).await;
    // The ICMP error is reported immediately; Timer B would expire after 32 s.
    let end = alice.over(&call.id).await;
    assert_eq!(end.status, CallStatus::Failed);
}
