//! Calls from a SIP peer to a page: how they are answered, refused, given up and replaced.

use crate::sip::{Talking, listen, listen_with};
use crate::{HIGH, LOW};
use offhook_signaling::message::CallStatus;
use offhook_tests::peer::Sound;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, Sipp};
use offhook_tests::wire::{Wire, status};

#[tokio::test]
async fn a_sip_phone_calls_and_is_answered() {
    let mut here = listen().await;
    let (mut peer, phone, incoming) = here.called_by("uac-call").await;
    let known = (incoming.call.caller.as_str(), incoming.call.visible_name.as_str());
    assert_eq!(known, ("peer", "The Peer"), "an identity is not believed of anybody (RFC 3325 §5)");
    peer.passes_by("ringing").await;
    let (told, call) = tokio::join!(peer.reaches("answered"), here.alice.answer(&incoming, Sound::Tone(LOW)));
    phone.send_to(told.media());
    let talk = Talking { peer, phone, call, told };
    talk.both_hear().await;
    talk.end(&mut here.alice, true).await;
}

#[tokio::test]
async fn a_trusted_server_says_who_calls() {
    let mut here = listen_with(&["sip.trusted=127.0.0.1"]).await;
    let (mut peer, _phone, incoming) = here.called_by("uac-call").await;
    let known = (incoming.call.caller.as_str(), incoming.call.visible_name.as_str());
    assert_eq!(known, ("4711", "Asserted"));
    peer.passes_by("ringing").await;
    let call = here.alice.answer(&incoming, Sound::Tone(LOW)).await;
    peer.passes_by("answered").await;
    here.alice.hang_up(&call.id);
    peer.passes().await;
}

#[tokio::test]
async fn the_calling_phone_hangs_up() {
    let mut here = listen().await;
    let talk = here.talks_to("uac-hangup").await;
    talk.both_hear().await;
    talk.end(&mut here.alice, false).await;
}

#[tokio::test]
async fn a_call_without_an_offer_gets_one() {
    let mut here = listen().await;
    let talk = here.talks_to("uac-delayed").await;
    talk.both_hear().await;
    talk.end(&mut here.alice, true).await;
}

#[tokio::test]
async fn a_caller_insists_on_reliable_ringing() {
    let mut here = listen().await;
    let (mut peer, phone, incoming) = here.called_by("uac-100rel").await;
    peer.passes_by("ringing").await;
    let (told, call) = tokio::join!(peer.reaches("answered"), here.alice.answer(&incoming, Sound::Tone(LOW)));
    phone.send_to(told.media());
    let talk = Talking { peer, phone, call, told };
    talk.both_hear().await;
    talk.end(&mut here.alice, true).await;
}

#[tokio::test]
async fn the_phone_gives_up_while_it_rings() {
    let mut here = listen().await;
    let (mut peer, _phone, incoming) = here.called_by("uac-cancel").await;
    peer.passes_by("ringing").await;
    assert_eq!(here.alice.over(&incoming.call.call_id).await.status, CallStatus::Finish);
    peer.passes().await;
}

#[tokio::test]
async fn a_cancel_that_comes_after_the_answer_changes_nothing() {
    let mut here = listen().await;
    let talk = here.talks_to("uac-cancel-late").await;
    talk.both_hear().await;
    talk.end(&mut here.alice, true).await;
}

async fn refused(run: Run, status: u16, note: &'static str) -> String {
    let run = run.with("status", status).with("note", note);
    let mut peer = Sipp::start("uac-refused", run).await;
    let told = peer.reaches("refused").await;
    peer.go(&told).await;
    peer.passes().await;
    told.field("Header").to_owned()
}

#[tokio::test]
async fn a_page_rejects() {
    let mut here = listen().await;
    let phone = RtpEndpoint::start(HIGH).await;
    let run = here.run(&phone).await.with("header", "Subject: no");
    let rejects = async {
        let incoming = here.alice.incoming().await;
        here.alice.hang_up(&incoming.call.call_id);
        here.alice.over(&incoming.call.call_id).await;
    };
    tokio::join!(refused(run, 603, "To"), rejects);
}

async fn a_stranger_calls_nobody(options: &[&str], wanted: u16) {
    let here = listen_with(options).await;
    let relay = here.relay.sip("udp").await;
    // What comes from a server's own address is that server's.
    let stranger = Wire::between(([127, 0, 0, 2], 0).into(), relay).await;
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let offer = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}", offer.len());
    let invite = stranger.request("INVITE", &format!("sip:nobody@{relay}"), "Max-Forwards: 70\r\n");
    stranger.send(invite.replace("Content-Length: 0\r\n\r\n", &offer)).await;
    assert_eq!(status(&stranger.final_response().await), Some(wanted));
}

#[tokio::test]
async fn a_user_that_nobody_knows_is_not_found() {
    a_stranger_calls_nobody(&["sip.accept_unknown=true"], 404).await;
}

#[tokio::test]
async fn strangers_learn_nothing_of_the_users_here() {
    a_stranger_calls_nobody(&[], 403).await;
}

#[tokio::test]
async fn an_extension_that_is_not_known_is_named() {
    let here = listen().await;
    let phone = RtpEndpoint::start(HIGH).await;
    let run = here.run(&phone).await.with("header", "Require: 100rel, nothing-like-it");
    assert_eq!(refused(run, 420, "Unsupported").await, "nothing-like-it");
}

#[tokio::test]
async fn too_small_a_session_interval_is_refused() {
    let here = listen().await;
    let phone = RtpEndpoint::start(HIGH).await;
    let run = here.run(&phone).await.with("header", "Supported: timer\nSession-Expires: 30;refresher=uas");
    let least: u32 = refused(run, 422, "Min-SE").await.parse().expect("seconds");
    assert!(least >= 90, "RFC 4028 §5");
}

#[tokio::test]
async fn a_call_takes_the_place_of_another() {
    let mut here = listen().await;
    let phone = RtpEndpoint::start(HIGH).await;
    let mut first = Sipp::start("uac-replaced", here.run(&phone).await).await;
    let incoming = here.alice.incoming().await;
    let (told, call) = tokio::join!(first.reaches("answered"), here.alice.answer(&incoming, Sound::Tone(LOW)));
    phone.send_to(told.media());
    tokio::join!(call.peer.hears(HIGH), phone.hears(LOW));
    // The tags as the relay sees them: its own is To of the call that came in.
    let tag = |field: &str| told.field(field).split_once(";tag=").expect("a tag").1.to_owned();
    let replaces = format!("{};to-tag={};from-tag={}", told.call_id(), tag("Remote"), tag("Local"));
    let other = RtpEndpoint::start(1700.0).await;
    let run = here.run(&other).await.with("replaces", replaces);
    let mut second = Sipp::start("uac-replaces", run).await;
    first.go(&told).await;
    let told = second.reaches("answered").await;
    other.send_to(told.media());
    tokio::join!(call.peer.hears(1700.0), other.hears(LOW));
    first.passes().await;
    second.go(&told).await;
    here.alice.hang_up(&call.id);
    assert_eq!(here.alice.over(&call.id).await.status, CallStatus::Finish);
    second.passes().await;
}
