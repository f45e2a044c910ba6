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
    let told = call.peer.reaches("early").await;
    call.phone.send_to(told.media());
    call.alice.media(&call.call).await;
    call.both_hear().await;
    call.peer.go(&told).await;
    let told = call.answered_after_early_media().await;
    call.both_hear().await;
    call.hang_up(&told).await;
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
    let told = call.peer.reaches("early").await;
    call.phone.send_to(told.media());
    call.alice.media(&call.call).await;
    call.both_hear().await;
    call.peer.go(&told).await;
    let told = call.answered_after_early_media().await;
    call.both_hear().await;
    call.hang_up(&told).await;
}

#[tokio::test]
async fn update_before_answer_moves_early_media() {
    let other = RtpEndpoint::start(ANNOUNCEMENT).await;
    let mut call = place("uas-early-updates", Run::default().with("other_port", other.port())).await;
    let told = call.peer.reaches("early").await;
    call.phone.send_to(told.media());
    call.alice.media(&call.call).await;
    call.both_hear().await;
    call.peer.go(&told).await;
    let told = call.peer.reaches("changed").await;
    call.phone.be_silent(true);
    other.send_to(told.media());
    tokio::join!(call.call.peer.hears(ANNOUNCEMENT), other.hears(LOW));
    call.peer.go(&told).await;
    let told = call.answered_after_early_media().await;
    tokio::join!(call.call.peer.hears(ANNOUNCEMENT), other.hears(LOW), call.phone.hears_nothing());
    call.hang_up(&told).await;
}

/// Places a call for which Alice first receives an announcement from another address.
async fn announced(scenario: &str, event: &str) -> (Placed, RtpEndpoint) {
    let announcement = RtpEndpoint::start(ANNOUNCEMENT).await;
    let mut call = place(scenario, Run::default().with("early_port", announcement.port())).await;
    let told = call.peer.reaches(event).await;
    announcement.send_to(told.media());
    call.phone.send_to(told.media());
    call.phone.be_silent(true);
    call.alice.media(&call.call).await;
    tokio::join!(call.call.peer.hears(ANNOUNCEMENT), announcement.hears(LOW));
    call.peer.go(&told).await;
    (call, announcement)
}

async fn talks_after(mut call: Placed, announcement: RtpEndpoint) {
    let told = call.answered_after_early_media().await;
    drop(announcement);
    call.phone.be_silent(false);
    call.both_hear().await;
    call.hang_up(&told).await;
}

#[tokio::test]
async fn answer_at_other_address_than_early_media_is_used() {
    let (call, announcement) = announced("uas-early-changed", "early").await;
    talks_after(call, announcement).await;
}

#[tokio::test]
async fn answering_branch_of_forked_call_is_relayed() {
    let (mut call, announcement) = announced("uas-forks", "first").await;
    let told = call.peer.reaches("second").await;
    call.peer.go(&told).await;
    talks_after(call, announcement).await;
}

#[tokio::test]
async fn early_media_is_reported_as_ring_media() {
    let mut call = place("uas-early", Run::default().with("status", "183 Session Progress")).await;
    let told = call.peer.reaches("early").await;
    call.alice.status(&call.call.id, CallStatus::RingMedia).await;
    call.alice.media(&call.call).await;
    call.phone.send_to(told.media());
    call.call.peer.hears(HIGH).await;
    call.peer.go(&told).await;
    let told = call.answered_after_early_media().await;
    call.hang_up(&told).await;
}
