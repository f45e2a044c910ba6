//! Tests of calls from a SIP peer to a browser: answered, refused, canceled and replaced.

use crate::sip::{ScenarioCall, listen, listen_with};
use crate::{HIGH, LOW};
use offhook_signaling::message::CallStatus;
use offhook_tests::peer::Sound;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, Sipp};
use offhook_tests::wire::{Wire, status};

#[tokio::test]
async fn inbound_sip_call_is_answered() {
    let mut here = listen().await;
    let (mut peer, phone, incoming) = here.called_by("uac-call").await;
    let caller = (incoming.call.caller.as_str(), incoming.call.visible_name.as_str());
    assert_eq!(caller, ("peer", "The Peer"), "P-Asserted-Identity is only used from trusted peers (RFC 3325 §5)");
    peer.passes_by("ringing").await;
    let (report, call) = tokio::join!(peer.reaches("answered"), here.alice.answer(&incoming, Sound::Tone(LOW)));
    phone.send_to(report.media());
    let established = ScenarioCall { peer, phone, call, report };
    established.both_receive_tones().await;
    established.end(&mut here.alice, true).await;
}

#[tokio::test]
async fn asserted_identity_of_trusted_server_is_used() {
    let mut here = listen_with(&["sip.trusted=127.0.0.1"]).await;
    let (mut peer, _phone, incoming) = here.called_by("uac-call").await;
    let caller = (incoming.call.caller.as_str(), incoming.call.visible_name.as_str());
    assert_eq!(caller, ("4711", "Asserted"));
    peer.passes_by("ringing").await;
    let call = here.alice.answer(&incoming, Sound::Tone(LOW)).await;
    peer.passes_by("answered").await;
    here.alice.hang_up(&call.id);
    peer.passes().await;
}

#[tokio::test]
async fn inbound_sip_call_ends_with_peer_bye() {
    let mut here = listen().await;
    let established = here.answer_scenario("uac-hangup").await;
    established.both_receive_tones().await;
    established.end(&mut here.alice, false).await;
}

#[tokio::test]
async fn invite_without_offer_gets_offer_in_200() {
    let mut here = listen().await;
    let established = here.answer_scenario("uac-delayed").await;
    established.both_receive_tones().await;
    established.end(&mut here.alice, true).await;
}

#[tokio::test]
async fn required_100rel_sends_reliable_ringing() {
    let mut here = listen().await;
    let (mut peer, phone, incoming) = here.called_by("uac-100rel").await;
    peer.passes_by("ringing").await;
    let (report, call) = tokio::join!(peer.reaches("answered"), here.alice.answer(&incoming, Sound::Tone(LOW)));
    phone.send_to(report.media());
    let established = ScenarioCall { peer, phone, call, report };
    established.both_receive_tones().await;
    established.end(&mut here.alice, true).await;
}

#[tokio::test]
async fn cancel_while_ringing_finishes_call() {
    let mut here = listen().await;
    let (mut peer, _phone, incoming) = here.called_by("uac-cancel").await;
    peer.passes_by("ringing").await;
    assert_eq!(here.alice.over(&incoming.call.call_id).await.status, CallStatus::Finish);
    peer.passes().await;
}

#[tokio::test]
async fn cancel_after_answer_is_ignored() {
    let mut here = listen().await;
    let established = here.answer_scenario("uac-cancel-late").await;
    established.both_receive_tones().await;
    established.end(&mut here.alice, true).await;
}

async fn refused(run: Run, status: u16, note: &'static str) -> String {
    let run = run.with("status", status).with("note", note);
    let mut peer = Sipp::start("uac-refused", run).await;
    let report = peer.reaches("refused").await;
    peer.go(&report).await;
    peer.passes().await;
    report.field("Header").to_owned()
}

#[tokio::test]
async fn rejected_inbound_call_gets_603() {
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

async fn unknown_source_calls_unknown_user(options: &[&str], wanted: u16) {
    let here = listen_with(options).await;
    let relay = here.relay.sip("udp").await;
    // The address differs from the server's, because requests from that address are attributed to the server.
    let source = Wire::between(([127, 0, 0, 2], 0).into(), relay).await;
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let offer = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}", offer.len());
    let invite = source.request("INVITE", &format!("sip:nobody@{relay}"), "Max-Forwards: 70\r\n");
    source.send(invite.replace("Content-Length: 0\r\n\r\n", &offer)).await;
    assert_eq!(status(&source.final_response().await), Some(wanted));
}

#[tokio::test]
async fn call_to_unknown_user_gets_404() {
    unknown_source_calls_unknown_user(&["sip.accept_unknown=true"], 404).await;
}

#[tokio::test]
async fn call_from_unknown_source_gets_403() {
    unknown_source_calls_unknown_user(&[], 403).await;
}

#[tokio::test]
async fn invite_requiring_unknown_extension_gets_420() {
    let here = listen().await;
    let phone = RtpEndpoint::start(HIGH).await;
    let run = here.run(&phone).await.with("header", "Require: 100rel, nothing-like-it");
    assert_eq!(refused(run, 420, "Unsupported").await, "nothing-like-it");
}

#[tokio::test]
async fn too_small_session_interval_gets_422() {
    let here = listen().await;
    let phone = RtpEndpoint::start(HIGH).await;
    let run = here.run(&phone).await.with("header", "Supported: timer\nSession-Expires: 30;refresher=uas");
    let least: u32 = refused(run, 422, "Min-SE").await.parse().expect("seconds");
    assert!(least >= 90, "RFC 4028 §5");
}

#[tokio::test]
async fn invite_with_replaces_replaces_call() {
    let mut here = listen().await;
    let phone = RtpEndpoint::start(HIGH).await;
    let mut first = Sipp::start("uac-replaced", here.run(&phone).await).await;
    let incoming = here.alice.incoming().await;
    let (report, call) = tokio::join!(first.reaches("answered"), here.alice.answer(&incoming, Sound::Tone(LOW)));
    phone.send_to(report.media());
    tokio::join!(call.peer.receives_tone(HIGH), phone.receives_tone(LOW));
    // The tags from the point of view of the relay: its local tag is that of To in the received INVITE.
    let tag = |field: &str| report.field(field).split_once(";tag=").expect("a tag").1.to_owned();
    let replaces = format!("{};to-tag={};from-tag={}", report.call_id(), tag("Remote"), tag("Local"));
    let other = RtpEndpoint::start(1700.0).await;
    let run = here.run(&other).await.with("replaces", replaces);
    let mut second = Sipp::start("uac-replaces", run).await;
    first.go(&report).await;
    let report = second.reaches("answered").await;
    other.send_to(report.media());
    tokio::join!(call.peer.receives_tone(1700.0), other.receives_tone(LOW));
    first.passes().await;
    second.go(&report).await;
    here.alice.hang_up(&call.id);
    assert_eq!(here.alice.over(&call.id).await.status, CallStatus::Finish);
    second.passes().await;
}
