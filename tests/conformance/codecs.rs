//! Calls between a browser and a SIP peer without a common codec: the relay transcodes. The tones are measured at both ends.

use crate::sip::account_over;
use crate::{HIGH, LOW};
use futures_util::future::join_all;
use offhook_signaling::message::CallStatus;
use offhook_tests::browser::Browser;
use offhook_tests::endpoint_codec::{EndpointCodec, Format};
use offhook_tests::peer::{Habits, Offered, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, Sipp};

const PCMU: Format = Format { number: 0, name: "PCMU", clock_rate: 8000, channels: 1 };
const PCMA: Format = Format { number: 8, name: "PCMA", clock_rate: 8000, channels: 1 };
const G722: Format = Format { number: 9, name: "G722", clock_rate: 8000, channels: 1 };
const G729: Format = Format { number: 18, name: "G729", clock_rate: 8000, channels: 1 };
const SPEEX: Format = Format { number: 97, name: "speex", clock_rate: 8000, channels: 1 };
const SPEEX_WIDEBAND: Format = Format { number: 98, name: "speex", clock_rate: 16_000, channels: 1 };

const ONLY_OPUS: &[Offered] = &[("opus", 111), ("telephone-event", 126)];
const ONLY_PCMU: &[Offered] = &[("PCMU", 0), ("telephone-event", 126)];

/// A call from a browser with these codecs to a SIP peer with one codec. Both exchange tones and a digit.
async fn exchange(relay: &Relay, sound: Sound, codecs: &'static [Offered], format: Format) {
    let phone = RtpEndpoint::start(HIGH).await;
    phone.use_codec(EndpointCodec::new(format));
    let run = Run::default().with("rtp_port", phone.port()).with("number", format.number).with("format", format);
    let mut peer = Sipp::start("uas-codec", run).await;
    let hello = account_over("udp", &format!("{}{}", format.name, format.clock_rate), peer.address(), false);
    let mut alice = Browser::connect(relay, hello, Habits { codecs, ..Habits::default() }).await;
    let call = alice.call("9001", sound).await;
    let report = peer.reaches("answered").await;
    phone.send_to(report.media());
    alice.established(&call).await;
    tokio::join!(call.peer.receives_tone_at_level(HIGH), phone.receives_tone_at_level(LOW));
    phone.press("5");
    call.peer.receives_digits("5").await;
    call.peer.receives_tone(HIGH).await;
    peer.go(&report).await;
    alice.hang_up(&call.id);
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);
    peer.passes().await;
}

#[tokio::test]
async fn browser_with_opus_reaches_every_codec() {
    let mut relay = Relay::start_with_sip(&[]);
    let formats = [PCMU, PCMA, G722, G729, SPEEX, SPEEX_WIDEBAND];
    join_all(formats.map(|format| exchange(&relay, Sound::OpusTone(LOW), ONLY_OPUS, format))).await;
    relay.assert_alive();
}

#[tokio::test]
async fn browser_with_pcmu_reaches_every_codec() {
    let mut relay = Relay::start_with_sip(&[]);
    let formats = [G722, G729, SPEEX, SPEEX_WIDEBAND];
    join_all(formats.map(|format| exchange(&relay, Sound::Tone(LOW), ONLY_PCMU, format))).await;
    relay.assert_alive();
}
