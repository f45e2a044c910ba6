//! Tests of `GET /metrics`: the output is parsed by promtool, and counters follow calls.

use crate::EstablishedCall;
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;
use offhook_tests::wait::PATIENCE;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// `promtool` of the package that `cargo xtask setup` has unpacked, or else the installed one.
fn promtool() -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder of the target folder");
    let unpacked = target.join("tools/prometheus/usr/bin/promtool");
    Command::new(if unpacked.is_file() { unpacked.as_os_str() } else { "promtool".as_ref() })
}

/// The samples of `/metrics`, by name and labels.
pub(crate) async fn samples(relay: &Relay) -> BTreeMap<String, f64> {
    let (head, body) = relay.request("/metrics", "").await;
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            line.rsplit_once(' ')
                .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
                .expect("a sample")
        })
        .collect()
}

/// Waits until the samples satisfy `is_met`, and returns them.
pub(crate) async fn samples_when(
    relay: &Relay,
    is_met: impl Fn(&BTreeMap<String, f64>) -> bool,
) -> BTreeMap<String, f64> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let samples = samples(relay).await;
        if is_met(&samples) {
            return samples;
        }
        assert!(tokio::time::Instant::now() < deadline, "{samples:#?}");
    }
}

pub(crate) fn value(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    samples.get(name).copied().expect(name)
}

#[tokio::test]
async fn promtool_accepts_names_units_and_format() {
    let relay = Relay::start_with_sip(&[]);
    let (_, body) = relay.request("/metrics", "").await;
    let mut promtool = promtool();
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checking = promtool.spawn().expect("promtool runs: cargo xtask setup unpacks it");
    checking.stdin.take().expect("piped").write_all(body.as_bytes()).expect("written");
    let output = checking.wait_with_output().expect("an exit status");
    let found = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && found.is_empty(), "{found}\n{body}");
}

#[tokio::test]
async fn openmetrics_is_selected_by_accept() {
    let relay = Relay::start();
    let (head, body) = relay.request("/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n").await;
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn counters_follow_answered_call() {
    let relay = Relay::start();
    let before = samples(&relay).await;
    assert!(value(&before, "process_resident_memory_bytes") > 1e6);
    let mut call = EstablishedCall::begin(&relay).await;
    call.both_receive_tones().await;
    let during = samples_when(&relay, |samples| {
        value(samples, "offhook_media_received_rtp_packets_total{worker=\"0\"}") > 0.0
            || value(samples, "offhook_media_received_rtp_packets_total{worker=\"1\"}") > 0.0
    })
    .await;
    let gauges = ["offhook_calls", "offhook_legs", "offhook_sessions", "offhook_websocket_connections"];
    assert_eq!(gauges.map(|name| value(&during, name)), [1.0, 2.0, 2.0, 2.0]);
    call.alice.hang_up(&call.at_alice.id);
    call.bob.over(&call.at_bob.id).await;
    let ended = "offhook_calls_ended_total{reason=\"hungUp\"}";
    let after = samples_when(&relay, |samples| value(samples, ended) > 0.0).await;
    for name in [
        "offhook_calls_placed_total{caller=\"browser\"}",
        "offhook_calls_answered_total{scheme=\"local\"}",
        ended,
        "offhook_call_alerting_delay_seconds_count",
        "offhook_call_setup_seconds_count",
        "offhook_call_duration_seconds_count",
        "offhook_call_duration_seconds_bucket{le=\"+Inf\"}",
    ] {
        assert_eq!((value(&before, name), value(&after, name)), (0.0, 1.0), "{name}");
    }
    let jitter = "offhook_stream_jitter_seconds_count{direction=\"received\"}";
    assert_eq!(value(&after, jitter), 2.0, "one audio stream of each leg");
    assert_eq!(value(&after, "offhook_stream_mos_count{direction=\"received\"}"), 2.0);
    let summed = ["offhook_call_setup_seconds_sum", "offhook_call_duration_seconds_sum"];
    assert!(summed.iter().all(|name| value(&after, name) > 0.0), "{after:#?}");
    assert_eq!((value(&after, "offhook_calls"), value(&after, "offhook_legs")), (0.0, 0.0));
}

#[tokio::test]
async fn refused_call_is_counted_by_its_reason() {
    let relay = Relay::start();
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let call = alice.call("nobody", Sound::Tone(0.0)).await;
    alice.over(&call.id).await;
    let reason = "offhook_calls_ended_total{reason=\"notFound\"}";
    let after = samples_when(&relay, |samples| value(samples, reason) > 0.0).await;
    assert_eq!(value(&after, "offhook_call_setup_seconds_count"), 0.0);
}
