//! Tests of early media: with 183, 180 and reliable responses, from forked branches, and from another address than the answer.

use crate::sip::{Placed, place};
use crate::{HIGH, LOW};
use offhook_signaling::message::CallStatus;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::Run;

/// The tone sent by an announcement, in Hz.
const ANNOUNCEMENT: f32 = 700.0;

async fn early(status: &str) {
    let mut call = place("uas-early", Run::default().with("status", status)).await;
    let report = call.peer.reaches("early").await;
    call.phone.send_to(report.media());
    call.alice.media(&call.call).await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    let report = call.answered_after_early_media().await;
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn early_media_of_183_is_relayed() {
    early("183 Session Progress").await;
}

#[tokio::test]
async fn early_media_of_180_is_relayed() {
    early("180 Ringing").await;
}

#[tokio::test]
async fn reliable_provisional_response_is_acknowledged_by_prack() {
    let mut call = place("uas-100rel", Run::default()).await;
    let report = call.peer.reaches("early").await;
    call.phone.send_to(report.media());
    call.alice.media(&call.call).await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    let report = call.answered_after_early_media().await;
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn update_before_answer_moves_early_media() {
    let other = RtpEndpoint::start(ANNOUNCEMENT).await;
    let mut call = place("uas-early-updates", Run::default().with("other_port", other.port())).await;
    let report = call.peer.reaches("early").await;
    call.phone.send_to(report.media());
    call.alice.media(&call.call).await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    let report = call.peer.reaches("changed").await;
    call.phone.be_silent(true);
    other.send_to(report.media());
    tokio::join!(call.call.peer.receives_tone(ANNOUNCEMENT), other.receives_tone(LOW));
    call.peer.go(&report).await;
    let report = call.answered_after_early_media().await;
    tokio::join!(call.call.peer.receives_tone(ANNOUNCEMENT), other.receives_tone(LOW), call.phone.receives_silence());
    call.hang_up(&report).await;
}

/// Places a call for which Alice first receives an announcement from another address.
async fn announced(scenario: &str, event: &str) -> (Placed, RtpEndpoint) {
    let announcement = RtpEndpoint::start(ANNOUNCEMENT).await;
    let mut call = place(scenario, Run::default().with("early_port", announcement.port())).await;
    let report = call.peer.reaches(event).await;
    announcement.send_to(report.media());
    call.phone.send_to(report.media());
    call.phone.be_silent(true);
    call.alice.media(&call.call).await;
    tokio::join!(call.call.peer.receives_tone(ANNOUNCEMENT), announcement.receives_tone(LOW));
    call.peer.go(&report).await;
    (call, announcement)
}

async fn is_established_after(mut call: Placed, announcement: RtpEndpoint) {
    let report = call.answered_after_early_media().await;
    drop(announcement);
    call.phone.be_silent(false);
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn answer_at_other_address_than_early_media_is_used() {
    let (call, announcement) = announced("uas-early-changed", "early").await;
    is_established_after(call, announcement).await;
}

#[tokio::test]
async fn answering_branch_of_forked_call_is_relayed() {
    let (mut call, announcement) = announced("uas-forks", "first").await;
    let report = call.peer.reaches("second").await;
    call.peer.go(&report).await;
    is_established_after(call, announcement).await;
}

#[tokio::test]
async fn early_media_is_reported_as_ring_media() {
    let mut call = place("uas-early", Run::default().with("status", "183 Session Progress")).await;
    let report = call.peer.reaches("early").await;
    call.alice.status(&call.call.id, CallStatus::RingMedia).await;
    call.alice.media(&call.call).await;
    call.phone.send_to(report.media());
    call.call.peer.receives_tone(HIGH).await;
    call.peer.go(&report).await;
    let report = call.answered_after_early_media().await;
    call.hang_up(&report).await;
}
