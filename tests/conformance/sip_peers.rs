//! Tests of the SIP servers and phones without the relay, to detect failures that are not caused by the relay.

use crate::{HIGH, LOW};
use offhook_tests::baresip::{Baresip, Setup};
use offhook_tests::kamailio::{Kamailio, KamailioOptions};
use offhook_tests::linphone::Linphone;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, Sipp};

const IN_THE_PATH: KamailioOptions = KamailioOptions::IN_THE_PATH;

#[tokio::test]
async fn two_baresips_call_through_kamailio() {
    let kamailio = Kamailio::start(IN_THE_PATH).await;
    let mut alice = Baresip::start(&Setup::of("1001", kamailio.address(), 440)).await;
    let over_tls = Setup { transport: "tls", server: kamailio.tls(), ..Setup::of("1002", kamailio.tls(), 1000) };
    let mut bob = Baresip::start(&over_tls).await;
    alice.dial(&format!("sip:1002@{}", kamailio.address())).await;
    assert!(bob.rings().await.starts_with("sip:1001@"));
    bob.accept().await;
    alice.established().await;
    tokio::join!(alice.receives_tone(HIGH), bob.receives_tone(LOW));
    alice.hold().await;
    alice.resume().await;
    tokio::join!(alice.receives_tone(HIGH), bob.receives_tone(LOW));
    alice.hang_up().await;
    bob.over().await;
}

#[tokio::test]
async fn two_scenarios_call_through_kamailio() {
    let (near, far) = (RtpEndpoint::start(LOW).await, RtpEndpoint::start(HIGH).await);
    let mut callee = Sipp::start("uas-answer", Run::default().with("rtp_port", far.port())).await;
    let options = KamailioOptions { is_open: true, trunk: Some(callee.address()), ..IN_THE_PATH };
    let kamailio = Kamailio::start(options).await;
    let run = Run::toward(kamailio.address()).with("rtp_port", near.port());
    let mut caller = Sipp::start("uac-hangup", run.with("ruri", format!("sip:9001@{}", kamailio.address()))).await;
    callee.passes_by("ringing").await;
    let at_caller = caller.reaches("answered").await;
    let at_callee = callee.reaches("answered").await;
    near.send_to(at_caller.media());
    far.send_to(at_callee.media());
    tokio::join!(near.receives_tone(HIGH), far.receives_tone(LOW));
    callee.go(&at_callee).await;
    caller.go(&at_caller).await;
    tokio::join!(caller.passes(), callee.passes());
}

#[tokio::test]
async fn baresip_calls_linphone_through_kamailio() {
    let kamailio = Kamailio::start(IN_THE_PATH).await;
    let linphone = Linphone::start("1006", kamailio.address(), HIGH).await;
    let mut alice = Baresip::start(&Setup::of("1001", kamailio.address(), 440)).await;
    alice.dial(&format!("sip:1006@{}", kamailio.address())).await;
    alice.established().await;
    alice.receives_tone(HIGH).await;
    linphone.received_tone(LOW).await;
    alice.over().await;
}
