//! Tests of the media statistics in the log line of an ended call.

use crate::sip::account;
use crate::{EstablishedCall, LOW};
use core::time::Duration;
use offhook_tests::browser::Browser;
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::sipp::{Run, Sipp, own_address};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::UdpSocket;

/// Packets that the phone numbers, of which each 20th is lost.
const PACKETS: u16 = 300;
const LOST: u16 = PACKETS / 20;
/// Every other packet is sampled later than it is sent, by this time in units of 1/8000 s: 200 ms, which is long
/// compared with the delays that other processes cause.
const LATE: u32 = 1600;
const PCMU: u8 = 0;

/// Sockets for RTP and RTCP, at adjacent ports.
async fn sockets() -> [UdpSocket; 2] {
    loop {
        let rtp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = rtp.local_addr().expect("an address").port();
        if let Some(next) = port.checked_add(1)
            && let Ok(rtcp) = UdpSocket::bind((Ipv4Addr::LOCALHOST, next)).await
        {
            return [rtp, rtcp];
        }
    }
}

/// Sends packets every 20 ms, with losses and jitter.
async fn send_media(rtp: &UdpSocket, to: SocketAddr) {
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for sequence in 0..PACKETS {
        clock.tick().await;
        if sequence % 20 == 10 {
            continue;
        }
        let timestamp = u32::from(sequence) * 160 + u32::from(sequence % 2) * LATE;
        let mut packet = vec![0x80, PCMU];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(7_u32.to_be_bytes());
        packet.extend([0xd5; 160]);
        rtp.send_to(&packet, to).await.expect("a route");
    }
}

/// A receiver report of 7 lost packets and a jitter of 20 ms.
fn receiver_report(ssrc: [u8; 4]) -> Vec<u8> {
    let words = [[0x81, 201, 0, 7], 7_u32.to_be_bytes(), ssrc, [10, 0, 0, 7], [0, 0, 1, 0], 160_u32.to_be_bytes()];
    let mut report = words.concat();
    report.extend([0; 8]);
    report
}

/// The value of a field in a log line.
fn field(line: &str, name: &str) -> Option<f64> {
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.parse().expect("a number"))
}

#[tokio::test]
async fn ended_call_logs_losses_and_jitter_of_both_legs() {
    let (relay, [rtp, rtcp], own) = (Relay::start_with_sip(&[]), sockets().await, own_address());
    let port = rtp.local_addr().expect("an address").port();
    let run = Run { own: Some(own), ..Run::default() }.with("rtp_port", port);
    let mut phone = Sipp::start("uas-answer", run).await;
    let mut alice = Browser::connect(&relay, account("1001", own, false), Habits::default()).await;
    let call = alice.call("9001", Sound::Tone(LOW)).await;
    phone.passes_by("ringing").await;
    let answered = phone.reaches("answered").await;
    let media = answered.media();
    alice.established(&call).await;
    call.peer.connected().await;
    let mut packet = [0; 1500];
    rtp.recv_from(&mut packet).await.expect("media of the browser");
    let ssrc = *packet[8..].first_chunk().expect("an SSRC");
    send_media(&rtp, media).await;
    let relay_rtcp = SocketAddr::new(media.ip(), media.port() + 1);
    rtcp.send_to(&receiver_report(ssrc), relay_rtcp).await.expect("a route");
    phone.go(&answered).await;
    alice.hang_up(&call.id);
    alice.over(&call.id).await;
    phone.passes().await;
    relay.logs("call ended").await;
    let log = relay.log();
    let line = log.lines().find(|line| line.contains("call ended")).expect("the line");
    let of = |name| field(line, name).unwrap_or_else(|| panic!("{name} is missing: {line}"));
    assert_eq!(of("callee_rx_packets"), f64::from(PACKETS - LOST), "{line}");
    assert_eq!(of("callee_rx_lost"), f64::from(LOST), "{line}");
    // 200 ms between neighbors, none across a loss.
    assert!((175.0..=215.0).contains(&of("callee_rx_jitter_ms")), "{line}");
    assert_eq!((of("callee_tx_lost"), of("callee_tx_jitter_ms")), (7.0, 20.0), "{line}");
    assert!(of("caller_rx_packets") > 200.0 && of("caller_tx_packets") == f64::from(PACKETS - LOST), "{line}");
    assert!(of("caller_rx_lost") <= 2.0 && of("caller_rx_jitter_ms") < 150.0, "{line}");
    // 5 % of losses and a delay of 420 ms at the relay; 7 losses and 20 ms of jitter at the phone.
    assert!((2.0..2.6).contains(&of("callee_rx_mos")) && (3.9..4.35).contains(&of("callee_tx_mos")), "{line}");
    assert_eq!(field(line, "other_rx_packets"), None, "{line}");
}

#[tokio::test]
async fn shutdown_waits_for_figures_of_its_calls() {
    let relay = Relay::start();
    let call = EstablishedCall::begin(&relay).await;
    call.both_receive_tones().await;
    relay.signal("TERM");
    relay.logs("call ended").await;
    let log = relay.log();
    let line = log.lines().find(|line| line.contains("call ended")).expect("the line");
    let packets = ["caller_rx_packets", "callee_rx_packets"].map(|name| field(line, name));
    assert!(packets.iter().all(|packets| packets.is_some_and(|packets| packets > 0.0)), "{line}");
}
