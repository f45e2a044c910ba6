mod creations;

use super::{Transcoder, TranscoderFormats};
use crate::graph::codec::tests::{LinearCodecs, linear, payload, samples};
use crate::graph::jitter::{ArrivingPacket, LONGEST_DELAY};
use crate::rtp::rewrite::SourceId;
use core::f64::consts::TAU;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::Payload;
use proptest::prelude::*;
use std::sync::Arc;

const START: Time = Time::from_micros(1_000_000_000);
const FROM: u8 = 96;
const NOISE: u8 = 13;

fn at(milliseconds: u64) -> Time {
    START + Duration::from_millis(milliseconds)
}

/// A transcoder from L16 at `from` Hz to another format.
fn transcoder(from: u32, sink: Payload, packet: u64) -> Transcoder {
    let sources = vec![(FROM, payload(FROM, "L16", from).codec), (NOISE, payload(NOISE, "CN", from).codec)];
    let packet = Duration::from_millis(packet);
    Transcoder::new(Arc::new(LinearCodecs), TranscoderFormats { sources, sink, packet })
}

fn tone(from: usize, rate: u32, count: usize) -> Vec<i16> {
    let step = 400.0 * TAU / f64::from(rate);
    (from..from + count).map(|index| (8000.0 * (step * index as f64).sin()).round() as i16).collect()
}

/// Packet `number` of a tone at 8 kHz with packets of 20 ms.
fn send(transcoder: &mut Transcoder, number: u16, now: Time) -> bool {
    let payload = linear(&tone(usize::from(number) * 160, 8000, 160));
    receive(transcoder, FROM, (number, u32::from(number) * 160), &payload, now)
}

fn receive(
    transcoder: &mut Transcoder,
    payload_type: u8,
    (sequence, timestamp): (u16, u32),
    payload: &[u8],
    now: Time,
) -> bool {
    transcoder.receive(SourceId::new(0, 7), ArrivingPacket { sequence, timestamp, payload_type, payload }, now)
}

/// A packet for the sink.
#[derive(Debug)]
struct Sent {
    at: Time,
    begins: bool,
    units: u32,
    payload: Vec<u8>,
}

/// The packets until a time.
fn run(transcoder: &mut Transcoder, until: Time) -> Vec<Sent> {
    let mut sent = Vec::new();
    while let Some(due) = transcoder.poll_timeout().filter(|due| *due <= until) {
        let mut payload = Vec::new();
        let produced = transcoder.poll(due, &mut payload).unwrap();
        sent.push(Sent { at: due, begins: produced.begins, units: produced.units, payload });
    }
    sent
}

/// The samples of the packets, which are L16.
fn received(sent: &[Sent]) -> Vec<i16> {
    sent.iter().flat_map(|packet| samples(&packet.payload)).collect()
}

fn amplitude(samples: &[i16]) -> f64 {
    let square: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64;
    (2.0 * square).sqrt()
}

#[test]
fn regular_packets_are_converted_one_by_one() {
    let mut transcoder = transcoder(8000, payload(8, "PCMA", 8000), 20);
    let mut sent = Vec::new();
    for number in 0..50 {
        let is_new = send(&mut transcoder, number, at(u64::from(number) * 20));
        assert_eq!(is_new, number == 0);
        sent.extend(run(&mut transcoder, at(u64::from(number) * 20 + 19)));
    }
    assert_eq!(sent.len(), 49);
    assert!(sent.iter().all(|packet| packet.units == 160 && packet.payload.len() == 160));
    assert_eq!(sent.iter().map(|packet| packet.begins).filter(|begins| *begins).count(), 1);
    assert!(sent[0].begins && sent[0].at.since(START) <= Duration::from_millis(24), "{:?}", sent[0].at);
    assert!(sent.windows(2).all(|pair| pair[1].at.since(pair[0].at) == Duration::from_millis(20)));
}

#[test]
fn packet_duration_and_rate_of_sink_differ_from_source() {
    for (rate, packet, octets) in [(8000, 30, 480), (16_000, 60, 1920), (16_000, 10, 320)] {
        let mut transcoder = transcoder(8000, payload(97, "L16", rate), packet);
        let mut sent = Vec::new();
        for number in 0..60 {
            send(&mut transcoder, number, at(u64::from(number) * 20));
            sent.extend(run(&mut transcoder, at(u64::from(number) * 20 + 19)));
        }
        assert!(sent.iter().all(|sent| sent.payload.len() == octets && sent.units == octets as u32 / 2));
        let expected = 1200 / packet as usize;
        assert!((expected - 3..=expected).contains(&sent.len()), "{} of {expected}", sent.len());
        let received = received(&sent);
        let measured = amplitude(&received[received.len() / 4..]);
        assert!((measured - 8000.0).abs() < 300.0, "{measured}");
    }
}

#[test]
fn silent_source_pauses_and_begins_again() {
    let mut transcoder = transcoder(8000, payload(97, "L16", 8000), 20);
    for number in 0..10 {
        send(&mut transcoder, number, at(u64::from(number) * 20));
        run(&mut transcoder, at(u64::from(number) * 20 + 19));
    }
    let rest = run(&mut transcoder, at(10_000));
    assert!((4..=7).contains(&rest.len()), "{}", rest.len());
    assert!(!transcoder.is_playing() && transcoder.poll_timeout().is_none());
    assert!(send(&mut transcoder, 500, at(10_000)), "a new deadline");
    let sent = run(&mut transcoder, at(10_030));
    assert!(sent[0].begins);
    assert!(amplitude(&received(&sent)) > 7000.0, "no gap is concealed: {sent:?}");
}

#[test]
fn lost_packet_is_restored_from_its_successor() {
    let mut transcoder = transcoder(8000, payload(97, "L16", 8000), 20);
    let mut sent = Vec::new();
    for number in 0..30_u16 {
        let now = at(u64::from(number) * 20);
        if number != 15 {
            let value = i16::try_from(number).unwrap() * 100;
            receive(&mut transcoder, FROM, (number, u32::from(number) * 160), &linear(&[value; 160]), now);
        }
        // The packet after the lost one arrives early enough.
        if number == 15 {
            receive(&mut transcoder, FROM, (16, 16 * 160), &linear(&[1600; 160]), now);
        }
        sent.extend(run(&mut transcoder, now + Duration::from_millis(19)));
    }
    let received = received(&sent);
    assert!(!received.contains(&1500));
    assert_eq!(received.iter().filter(|sample| **sample == 1600).count(), 320, "both packets");
}

#[test]
fn comfort_noise_fills_silence_until_speech() {
    let mut transcoder = transcoder(8000, payload(97, "L16", 8000), 20);
    for number in 0..5 {
        send(&mut transcoder, number, at(u64::from(number) * 20));
        run(&mut transcoder, at(u64::from(number) * 20 + 19));
    }
    receive(&mut transcoder, NOISE, (5, 800), &[40], at(100));
    let noise = run(&mut transcoder, at(2000));
    let level = amplitude(&received(&noise)[1600..]);
    assert!((300.0..600.0).contains(&level), "-40 dBov: {level}");
    receive(&mut transcoder, FROM, (6, 16_000), &linear(&[9000; 160]), at(2000));
    assert!(received(&run(&mut transcoder, at(2060))).contains(&9000));
    assert!(noise.iter().all(|packet| !packet.begins));
}

#[test]
fn other_source_starts_new_jitter_buffer() {
    let mut transcoder = transcoder(8000, payload(97, "L16", 8000), 20);
    send(&mut transcoder, 9, at(0));
    let packet = linear(&[500; 160]);
    let arriving = ArrivingPacket { sequence: 1, timestamp: 5, payload_type: FROM, payload: &packet };
    assert!(transcoder.receive(SourceId::new(0, 8), arriving, at(5)));
    let sent = run(&mut transcoder, at(60));
    assert!(sent[0].begins && received(&sent[..1]).iter().all(|sample| *sample == 500));
}

#[test]
fn unknown_payload_type_and_unsupported_sink_are_ignored() {
    let mut unsupported = transcoder(8000, payload(9, "G722", 8000), 20);
    assert!(!send(&mut unsupported, 0, at(0)) && unsupported.jitter_buffer().is_none());
    let mut transcoder = transcoder(8000, payload(0, "PCMU", 8000), 20);
    assert!(!receive(&mut transcoder, 77, (1, 1), &[0; 160], at(0)));
    let mut out = Vec::new();
    assert_eq!(transcoder.poll(at(1000), &mut out), None);
}

#[test]
fn late_worker_does_not_send_a_burst() {
    let mut transcoder = transcoder(8000, payload(0, "PCMU", 8000), 20);
    for number in 0..10 {
        send(&mut transcoder, number, at(0));
    }
    let mut count = 0;
    while transcoder.poll(at(1000), &mut Vec::new()).is_some() {
        count += 1;
    }
    assert_eq!(count, 1);
}

/// Sends packets with these delays in ms (`None`: lost) from a source whose clock is fast by `drift`. Returns the packets for
/// the sink and the largest delay of the jitter buffer after the first seconds.
fn over_network(delays: &[Option<u64>], drift: f64) -> (Vec<Sent>, Duration) {
    let mut transcoder = transcoder(8000, payload(97, "L16", 8000), 20);
    let mut arrivals: Vec<(u64, u16)> = delays
        .iter()
        .zip(0_u16..)
        .filter_map(|(delay, number)| {
            Some(((f64::from(number) * 20_000.0 / (1.0 + drift)) as u64 + (*delay)? * 1000, number))
        })
        .collect();
    arrivals.sort_unstable();
    let (mut sent, mut longest) = (Vec::new(), Duration::ZERO);
    for (micros, number) in arrivals {
        let now = START + Duration::from_micros(micros);
        sent.extend(run(&mut transcoder, now));
        send(&mut transcoder, number, now);
        let delay = transcoder.jitter_buffer().unwrap().delay();
        longest = if number > 100 { longest.max(delay) } else { longest };
    }
    (sent, longest)
}

#[test]
fn drifting_clock_is_compensated_for_ten_minutes() {
    for drift in [-0.0001, 0.0001] {
        let (sent, longest) = over_network(&vec![Some(0); 30_000], drift);
        assert!(longest <= Duration::from_millis(45), "{longest:?}");
        assert!((29_980..=30_020).contains(&sent.len()), "one packet per 20 ms of the relay's clock: {}", sent.len());
        // The tone is continuous: nothing is concealed by silence.
        let received = received(&sent);
        assert!(received[1600..].chunks(160).all(|chunk| amplitude(chunk) > 7000.0));
    }
}

#[test]
fn delay_is_bounded_with_loss_and_jitter() {
    for (loss, jitter) in [(0, 0), (1, 20), (5, 40), (20, 100)] {
        let mut state = 7_u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        let delays: Vec<Option<u64>> =
            (0..3000).map(|_| (random(100) >= loss).then(|| u64::from(random(jitter + 1)))).collect();
        let (sent, longest) = over_network(&delays, 0.0);
        assert!(longest <= Duration::from_millis(u64::from(jitter) + 60), "{loss} %, {jitter} ms: {longest:?}");
        assert!((2980..=3005).contains(&sent.len()), "{}", sent.len());
        let received = received(&sent);
        let present = received.chunks(160).filter(|chunk| amplitude(chunk) > 4000.0).count();
        assert!(
            present * 100 >= sent.len() * (97 - loss as usize),
            "{loss} %, {jitter} ms: {present} of {}",
            sent.len()
        );
    }
}

proptest! {
    #[test]
    fn any_packets_are_survived(
        packets in proptest::collection::vec((any::<u16>(), any::<u32>(), 0_u8..3, 0_usize..700, 0_u64..90), 1..60),
        near in any::<bool>(),
    ) {
        let mut transcoder = transcoder(8000, payload(8, "PCMA", 8000), 20);
        let mut now = START;
        for (sequence, timestamp, kind, length, pause) in packets {
            now = now + Duration::from_millis(pause);
            let (sequence, timestamp) = if near { (sequence % 64, timestamp % 10_240) } else { (sequence, timestamp) };
            let payload_type = [FROM, NOISE, 50][usize::from(kind)];
            receive(&mut transcoder, payload_type, (sequence, timestamp), &vec![1; length], now);
            for sent in run(&mut transcoder, now) {
                prop_assert_eq!((sent.units, sent.payload.len()), (160, 160));
            }
            prop_assert!(transcoder.jitter_buffer().is_none_or(|buffer| buffer.target() <= LONGEST_DELAY));
        }
    }
}
