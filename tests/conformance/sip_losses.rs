//! Tests of calls over a network that loses the first copy of every SIP message: retransmissions arrive and are not duplicated.

use crate::sip::{ScenarioCall, account, page};
use crate::{HIGH, LOW};
use offhook_signaling::message::CallStatus;
use offhook_tests::browser::Browser;
use offhook_tests::lossy::Lossy;
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, Sipp, own_address};
use offhook_tests::wire::Registrar;

#[tokio::test]
async fn outbound_call_survives_loss_of_every_first_message() {
    let (relay, phone, own) = (Relay::start_with_sip(&[]), RtpEndpoint::start(HIGH).await, own_address());
    let network = Lossy::to(own).await;
    let run = Run { own: Some(own), ..Run::default() }.with("contact", network.address());
    let mut peer = Sipp::start("uas-answer", run.with("rtp_port", phone.port())).await;
    let mut alice = Browser::connect(&relay, account("1001", network.address(), false), Habits::default()).await;
    let call = alice.call("9001", Sound::Tone(LOW)).await;
    peer.passes_by("ringing").await;
    let report = peer.reaches("answered").await;
    phone.send_to(report.media());
    alice.established(&call).await;
    tokio::join!(call.peer.receives_tone(HIGH), phone.receives_tone(LOW));
    peer.go(&report).await;
    alice.hang_up(&call.id);
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);
    peer.passes().await;
    assert!(network.lost() >= 6, "INVITE, 180, 200, ACK, BYE and its 200 were lost at least");
}

#[tokio::test]
async fn inbound_call_survives_loss_of_every_first_message() {
    let (relay, phone, registrar) =
        (Relay::start_with_sip(&[]), RtpEndpoint::start(HIGH).await, Registrar::start().await);
    // The messages of the registration are lost once, too.
    let server = Lossy::to(registrar.address()).await;
    let mut alice = page(&relay, "1001", server.address()).await;
    let network = Lossy::to(relay.sip("udp").await).await;
    let run = Run::toward(network.address()).with("ruri", registrar.contact("1001").await);
    let mut peer = Sipp::start("uac-delayed", run.with("rtp_port", phone.port())).await;
    let incoming = alice.incoming().await;
    let (report, call) = tokio::join!(peer.reaches("answered"), alice.answer(&incoming, Sound::Tone(LOW)));
    phone.send_to(report.media());
    let established = ScenarioCall { peer, phone, call, report };
    established.both_receive_tones().await;
    established.end(&mut alice, true).await;
    assert!(server.lost() >= 2 && network.lost() >= 6, "{} and {} were lost", server.lost(), network.lost());
}
