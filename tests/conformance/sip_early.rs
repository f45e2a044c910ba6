//! Media before the answer: with 183 and 180, reliably, from two places at once, and from another place than later.

use crate::sip::{Placed, place};
use crate::{HIGH, LOW};
use offhook_signaling::message::CallStatus;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::Run;

/// What an announcement sends, in Hz.
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
async fn session_progress_with_a_description_is_heard() {
    early("183 Session Progress").await;
}

#[tokio::test]
async fn ringing_with_a_description_is_heard() {
    early("180 Ringing").await;
}

#[tokio::test]
async fn a_reliable_response_is_acknowledged() {
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
async fn a_callee_moves_before_it_answers() {
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

/// Alice hears an announcement from elsewhere first.
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
async fn the_answer_may_be_elsewhere_than_the_announcement() {
    let (call, announcement) = announced("uas-early-changed", "early").await;
    talks_after(call, announcement).await;
}

#[tokio::test]
async fn of_two_forks_the_one_that_answers_is_heard() {
    let (mut call, announcement) = announced("uas-forks", "first").await;
    let told = call.peer.reaches("second").await;
    call.peer.go(&told).await;
    talks_after(call, announcement).await;
}

#[tokio::test]
async fn the_page_is_told_of_early_media() {
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
