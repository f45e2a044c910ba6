//! Tests of changes during a SIP call: hold by either side, new addresses, ports, codecs and directions, and glare.

use crate::sip::{Placed, place};
use crate::{HIGH, LOW};
use offhook_tests::rtp_endpoint::{PCMA, RtpEndpoint};
use offhook_tests::sipp::Run;

fn offer(direction: &str) -> Run {
    Run::default().with("direction", direction).with("address", "127.0.0.1").with("codec", 0).with("port", "[rtp_port]")
}

/// The peer sends an offer, which must be answered with one of these directions, and then restores the original media.
async fn peer_offers(run: Run, answers: &[&str], during: impl AsyncFn(&Placed)) {
    let mut call = place("uas-peer-offers", run).await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    let report = call.peer.reaches("changed").await;
    let answer = report.text.lines().find_map(|line| line.strip_prefix("a=")).unwrap_or_default().to_owned();
    assert!(answers.contains(&answer.as_str()), "{answer} is no answer: {}", report.text);
    during(&call).await;
    call.peer.go(&report).await;
    let report = call.peer.reaches("back").await;
    assert!(report.text.contains("a=sendrecv"), "{}", report.text);
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn peer_hold_with_sendonly_stops_media_to_peer() {
    peer_offers(offer("sendonly"), &["recvonly"], async |call| {
        call.phone.receives_silence().await;
        call.call.peer.receives_tone(HIGH).await;
    })
    .await;
}

#[tokio::test]
async fn peer_hold_with_inactive_stops_media() {
    peer_offers(offer("inactive"), &["inactive"], async |call| {
        tokio::join!(call.phone.receives_silence(), call.call.peer.receives_silence());
    })
    .await;
}

#[tokio::test]
async fn peer_recvonly_stops_media_to_browser() {
    peer_offers(offer("recvonly"), &["sendonly"], async |call| {
        tokio::join!(call.phone.receives_tone(LOW), call.call.peer.receives_silence());
    })
    .await;
}

#[tokio::test]
async fn peer_hold_with_null_address_stops_media_to_peer() {
    // Hold as in RFC 2543: nothing is sent to 0.0.0.0.
    let run = Run::default().with("direction", "sendrecv").with("address", "0.0.0.0").with("codec", 0);
    peer_offers(run.with("port", "[rtp_port]"), &["sendrecv", "recvonly", "inactive"], async |call| {
        call.phone.receives_silence().await;
    })
    .await;
}

async fn peer_moves_to_port_of(host: &str) {
    let other = RtpEndpoint::start(1700.0).await;
    let run = Run::default().with("direction", "sendrecv").with("address", host).with("codec", 0);
    peer_offers(run.with("port", other.port()), &["sendrecv"], async |call| {
        call.phone.be_silent(true);
        other.send_to(call.phone.target());
        tokio::join!(call.call.peer.receives_tone(1700.0), other.receives_tone(LOW));
        other.be_silent(true);
        call.phone.be_silent(false);
    })
    .await;
}

#[tokio::test]
async fn reinvite_with_new_port_moves_rtp() {
    peer_moves_to_port_of("127.0.0.1").await;
}

/// RFC 8866 §5.7: the connection address may be a host name.
#[tokio::test]
async fn reinvite_with_host_name_moves_rtp() {
    peer_moves_to_port_of("localhost").await;
}

#[tokio::test]
async fn reinvite_with_new_codec_changes_codec() {
    let run = Run::default().with("direction", "sendrecv").with("address", "127.0.0.1").with("codec", PCMA);
    peer_offers(run.with("port", "[rtp_port]"), &["sendrecv"], async |call| {
        call.phone.send_as(PCMA);
        call.both_receive_tones().await;
        assert!(call.phone.payload_types().contains(&PCMA));
        call.phone.send_as(offhook_tests::rtp_endpoint::PCMU);
    })
    .await;
}

#[tokio::test]
async fn update_moves_rtp_and_delayed_reinvite_restores_it() {
    let other = RtpEndpoint::start(1700.0).await;
    let mut call = place("uas-peer-updates", Run::default().with("other_port", other.port())).await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    let report = call.peer.reaches("changed").await;
    call.phone.be_silent(true);
    other.send_to(report.media());
    tokio::join!(call.call.peer.receives_tone(1700.0), other.receives_tone(LOW));
    other.be_silent(true);
    call.peer.go(&report).await;
    let report = call.peer.reaches("back").await;
    call.phone.be_silent(false);
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn browser_hold_and_resume_reinvite_peer() {
    let mut call = place("uas-held", Run::default()).await;
    let report = call.answered().await;
    call.both_receive_tones().await;
    call.peer.go(&report).await;
    call.alice.hold(&call.call.id).await;
    let report = call.peer.reaches("held").await;
    assert!(report.text.contains("a=sendonly") || report.text.contains("a=inactive"), "{}", report.text);
    tokio::join!(call.phone.receives_silence(), call.call.peer.receives_silence());
    call.peer.go(&report).await;
    call.alice.unhold(&call.call.id).await;
    let report = call.peer.reaches("resumed").await;
    assert!(report.text.contains("a=sendrecv"), "{}", report.text);
    call.both_receive_tones().await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn hold_refused_with_491_is_retried() {
    let mut call = place("uas-glare", Run::default()).await;
    let report = call.answered().await;
    call.peer.go(&report).await;
    call.alice.hold(&call.call.id).await;
    let report = call.peer.reaches("held").await;
    call.hang_up(&report).await;
}

#[tokio::test]
async fn reinvite_during_pending_offer_gets_491() {
    let mut call = place("uas-glare-too", Run::default()).await;
    let report = call.answered().await;
    call.peer.go(&report).await;
    call.alice.hold(&call.call.id).await;
    let report = call.peer.reaches("held").await;
    call.hang_up(&report).await;
}
