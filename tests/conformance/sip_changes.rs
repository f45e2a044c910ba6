//! What changes during a call: hold from both sides, new addresses, ports, codecs and directions, and both at once.

use crate::sip::{Placed, place};
use crate::{HIGH, LOW};
use offhook_tests::rtp_endpoint::{PCMA, RtpEndpoint};
use offhook_tests::sipp::Run;

fn offer(direction: &str) -> Run {
    Run::default().with("direction", direction).with("address", "127.0.0.1").with("codec", 0).with("port", "[rtp_port]")
}

/// The peer makes an offer, and is answered with a direction; then it takes it back.
async fn peer_offers(run: Run, answers: &[&str], during: impl AsyncFn(&Placed)) {
    let mut call = place("uas-peer-offers", run).await;
    let told = call.answered().await;
    call.both_hear().await;
    call.peer.go(&told).await;
    let told = call.peer.reaches("changed").await;
    let answer = told.text.lines().find_map(|line| line.strip_prefix("a=")).unwrap_or_default().to_owned();
    assert!(answers.contains(&answer.as_str()), "{answer} is no answer: {}", told.text);
    during(&call).await;
    call.peer.go(&told).await;
    let told = call.peer.reaches("back").await;
    assert!(told.text.contains("a=sendrecv"), "{}", told.text);
    call.both_hear().await;
    call.hang_up(&told).await;
}

#[tokio::test]
async fn the_peer_holds_with_sendonly() {
    peer_offers(offer("sendonly"), &["recvonly"], async |call| {
        call.phone.hears_nothing().await;
        call.call.peer.hears(HIGH).await;
    })
    .await;
}

#[tokio::test]
async fn the_peer_holds_with_inactive() {
    peer_offers(offer("inactive"), &["inactive"], async |call| {
        tokio::join!(call.phone.hears_nothing(), call.call.peer.hears_nothing());
    })
    .await;
}

#[tokio::test]
async fn the_peer_only_listens() {
    peer_offers(offer("recvonly"), &["sendonly"], async |call| {
        tokio::join!(call.phone.hears(LOW), call.call.peer.hears_nothing());
    })
    .await;
}

#[tokio::test]
async fn the_peer_holds_with_the_null_address() {
    // As before RFC 3264: nothing is to be sent to 0.0.0.0.
    let run = Run::default().with("direction", "sendrecv").with("address", "0.0.0.0").with("codec", 0);
    peer_offers(run.with("port", "[rtp_port]"), &["sendrecv", "recvonly", "inactive"], async |call| {
        call.phone.hears_nothing().await;
    })
    .await;
}

async fn the_peer_moves_to_another_port_of(host: &str) {
    let other = RtpEndpoint::start(1700.0).await;
    let run = Run::default().with("direction", "sendrecv").with("address", host).with("codec", 0);
    peer_offers(run.with("port", other.port()), &["sendrecv"], async |call| {
        call.phone.be_silent(true);
        other.send_to(call.phone.target());
        tokio::join!(call.call.peer.hears(1700.0), other.hears(LOW));
        other.be_silent(true);
        call.phone.be_silent(false);
    })
    .await;
}

#[tokio::test]
async fn the_peer_moves_to_another_port() {
    the_peer_moves_to_another_port_of("127.0.0.1").await;
}

/// RFC 8866 §5.7: the connection address may be a host name.
#[tokio::test]
async fn the_peer_moves_to_a_host_by_name() {
    the_peer_moves_to_another_port_of("localhost").await;
}

#[tokio::test]
async fn the_peer_changes_the_codec() {
    let run = Run::default().with("direction", "sendrecv").with("address", "127.0.0.1").with("codec", PCMA);
    peer_offers(run.with("port", "[rtp_port]"), &["sendrecv"], async |call| {
        call.phone.send_as(PCMA);
        call.both_hear().await;
        assert!(call.phone.payload_types().contains(&PCMA));
        call.phone.send_as(offhook_tests::rtp_endpoint::PCMU);
    })
    .await;
}

#[tokio::test]
async fn the_peer_updates_its_port_and_asks_for_an_offer() {
    let other = RtpEndpoint::start(1700.0).await;
    let mut call = place("uas-peer-updates", Run::default().with("other_port", other.port())).await;
    let told = call.answered().await;
    call.both_hear().await;
    call.peer.go(&told).await;
    let told = call.peer.reaches("changed").await;
    call.phone.be_silent(true);
    other.send_to(told.media());
    tokio::join!(call.call.peer.hears(1700.0), other.hears(LOW));
    other.be_silent(true);
    call.peer.go(&told).await;
    let told = call.peer.reaches("back").await;
    call.phone.be_silent(false);
    call.both_hear().await;
    call.hang_up(&told).await;
}

#[tokio::test]
async fn the_page_holds_and_comes_back() {
    let mut call = place("uas-held", Run::default()).await;
    let told = call.answered().await;
    call.both_hear().await;
    call.peer.go(&told).await;
    call.alice.hold(&call.call.id).await;
    let told = call.peer.reaches("held").await;
    assert!(told.text.contains("a=sendonly") || told.text.contains("a=inactive"), "{}", told.text);
    tokio::join!(call.phone.hears_nothing(), call.call.peer.hears_nothing());
    call.peer.go(&told).await;
    call.alice.unhold(&call.call.id).await;
    let told = call.peer.reaches("resumed").await;
    assert!(told.text.contains("a=sendrecv"), "{}", told.text);
    call.both_hear().await;
    call.hang_up(&told).await;
}

#[tokio::test]
async fn a_hold_that_was_refused_for_a_moment_is_tried_again() {
    let mut call = place("uas-glare", Run::default()).await;
    let told = call.answered().await;
    call.peer.go(&told).await;
    call.alice.hold(&call.call.id).await;
    let told = call.peer.reaches("held").await;
    call.hang_up(&told).await;
}

#[tokio::test]
async fn an_offer_during_an_offer_is_refused_for_a_moment() {
    let mut call = place("uas-glare-too", Run::default()).await;
    let told = call.answered().await;
    call.peer.go(&told).await;
    call.alice.hold(&call.call.id).await;
    let told = call.peer.reaches("held").await;
    call.hang_up(&told).await;
}
