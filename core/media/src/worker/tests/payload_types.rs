//! Payload types that differ by direction, and telephone-events that the receiving peer does not support.

use super::phone::{OTHER, PHONE, PhoneStream, section, stream, telephone};
use super::{Scene, audio, payload};
use crate::command::{Command, Event, LegKey};
use crate::rtp::packet::payload as payload_of;
use core::time::Duration;
use offhook_sdp::codec::{MediaKind, Payload};
use offhook_sdp::webrtc::Section;

const STEP: Duration = Duration::from_millis(20);

fn alices() -> Vec<Section> {
    vec![audio(111, 126, (4, "0"), 1)]
}

fn opus_and_events(opus: u8, event: u8) -> Vec<Payload> {
    vec![payload(opus, "opus", 48_000, 2, &[]), payload(event, "telephone-event", 48_000, 1, &[])]
}

/// A peer that receives payload types 96 and 101, and sends 111 and 96.
fn crossed(leg: LegKey) -> PhoneStream {
    let outgoing = section(MediaKind::Audio, opus_and_events(96, 101));
    let mut stream = stream(leg, 0, outgoing);
    stream.stream.received = opus_and_events(111, 96);
    stream
}

/// A call between Alice and that peer.
fn crossed_call() -> Scene {
    let mut scene = Scene::phone_call(alices(), vec![telephone()]);
    scene.connect_phone(PHONE, vec![crossed(PHONE)]);
    scene
}

fn types_received(scene: &mut Scene) -> Vec<u8> {
    scene.alice.take_rtp().iter().map(|(header, _)| header.payload_type).collect()
}

fn types_sent(scene: &mut Scene, leg: LegKey) -> Vec<u8> {
    scene.take_rtp_of(leg, 0).iter().map(|(header, ..)| header.payload_type).collect()
}

#[test]
fn payload_types_differ_by_direction() {
    let mut scene = crossed_call();
    scene.alice.send_rtp((111, 1, 0, 77), &[], b"voice");
    scene.alice.send_rtp((126, 2, 960, 77), &[], &[5, 10, 1, 0]);
    scene.exchange();
    assert_eq!(types_sent(&mut scene, PHONE), [96, 101]);
    scene.events.clear();
    scene.phone_sends(PHONE, 0, (111, 1, 0, 5), b"voice");
    // 96 is Opus to the peer and telephone-event from the peer.
    scene.phone_sends(PHONE, 0, (96, 2, 960, 5), &[7, 10, 1, 0]);
    assert_eq!(types_received(&mut scene), [111, 126]);
    assert_eq!(scene.events, [Event::DtmfReceived { leg: PHONE, digit: '7' }]);
    scene.order(Command::SendDtmf { leg: PHONE, digits: "1".to_owned() });
    scene.run(Duration::from_millis(200));
    assert_eq!(types_sent(&mut scene, PHONE), [101; 7]);
}

#[test]
fn unambiguous_own_payload_type_of_peer_is_accepted() {
    let mut scene = crossed_call();
    scene.phone_sends(PHONE, 0, (101, 1, 0, 5), &[3, 10, 1, 0]);
    assert_eq!(scene.events, [Event::DtmfReceived { leg: PHONE, digit: '3' }]);
    assert_eq!(types_received(&mut scene), [126]);
    let before = scene.worker.counters().dropped;
    for number in [0, 97, 127] {
        scene.phone_sends(PHONE, 0, (number, 2, 960, 5), b"foreign");
    }
    assert_eq!(scene.worker.counters().dropped.unknown_stream - before.unknown_stream, 3);
    assert!(types_received(&mut scene).is_empty());
}

#[test]
fn payload_types_change_and_are_restored() {
    let mut scene = crossed_call();
    scene.alice.send_rtp((111, 1, 0, 77), &[], b"voice");
    scene.exchange();
    let before = scene.take_rtp_of(PHONE, 0)[0].0;
    scene.move_on(Duration::from_secs(1));
    scene.phone_sends(PHONE, 0, (96, 2, 960, 5), &[7, 10, 1, 0]);
    assert_eq!(types_received(&mut scene), [126]);
    let others = section(MediaKind::Audio, opus_and_events(120, 121));
    let mut changed = stream(PHONE, 0, others);
    changed.stream.received = opus_and_events(122, 123);
    scene.connect_phone(PHONE, vec![changed]);
    scene.alice.send_rtp((111, 2, 960, 77), &[], b"voice");
    scene.exchange();
    let after = scene.take_rtp_of(PHONE, 0)[0].0;
    assert_eq!((after.payload_type, after.sequence), (120, before.sequence.wrapping_add(1)));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(960), "the stream continues");
    for (number, sequence) in [(122, 3), (120, 4), (111, 5)] {
        scene.phone_sends(PHONE, 0, (number, sequence, 1920, 5), b"voice");
    }
    assert_eq!(types_received(&mut scene), [111, 111], "111 is no longer negotiated");
}

#[test]
fn payload_types_are_mapped_between_two_peers() {
    let mut scene = Scene::new();
    scene.open_phone(PHONE, 1);
    scene.open_phone(OTHER, 1);
    scene.connect_phone(PHONE, vec![crossed(PHONE)]);
    scene.connect_phone(OTHER, vec![stream(OTHER, 0, section(MediaKind::Audio, opus_and_events(98, 99)))]);
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    scene.phone_sends(PHONE, 0, (111, 1, 0, 5), b"voice");
    scene.phone_sends(PHONE, 0, (96, 2, 960, 5), &[7, 10, 1, 0]);
    scene.phone_sends(OTHER, 0, (98, 1, 0, 6), b"voice");
    scene.phone_sends(OTHER, 0, (99, 2, 960, 6), &[7, 10, 1, 0]);
    assert_eq!(types_sent(&mut scene, OTHER), [98, 99]);
    assert_eq!(types_sent(&mut scene, PHONE), [96, 101]);
}

/// Sends speech, a digit and speech from the phone, with time for the digit to be regenerated.
fn press(scene: &mut Scene, (speech, ticks): (u8, u32), event: u8) {
    for n in 0..2_u16 {
        scene.phone_sends(PHONE, 0, (speech, 1 + n, u32::from(n) * ticks, 5), b"x");
        scene.run(STEP);
    }
    for n in 0..5_u16 {
        let [d0, d1] = ((n + 1) * 160).to_be_bytes();
        scene.phone_sends(PHONE, 0, (event, 3 + n, 2 * ticks, 5), &[7, 10, d0, d1]);
        scene.run(STEP);
    }
    scene.run(STEP * 10);
    for n in 0..2_u16 {
        scene.phone_sends(PHONE, 0, (speech, 8 + n, (17 + u32::from(n)) * ticks, 5), b"x");
        scene.run(STEP);
    }
}

#[test]
fn digit_with_other_clock_rate_is_regenerated() {
    // The browser supports only telephone-event/48000, the phone only 8000.
    let mut scene = Scene::phone_call(alices(), vec![telephone()]);
    press(&mut scene, (0, 160), 96);
    assert_eq!(scene.events, [Event::DtmfReceived { leg: PHONE, digit: '7' }]);
    let received = scene.alice.take_rtp();
    let types: Vec<u8> = received.iter().map(|(header, _)| header.payload_type).collect();
    assert_eq!(types, [0, 0, 126, 126, 126, 126, 126, 126, 126, 0, 0]);
    for pair in received.windows(2) {
        assert_eq!(pair[1].0.sequence, pair[0].0.sequence.wrapping_add(1), "no gap");
    }
    assert!(received[3..9].iter().all(|(header, _)| header.timestamp == received[2].0.timestamp));
    assert_eq!(
        payload_of(&received[8].1, &received[8].0),
        Some(&[7, 0x80 | 10, 0x12, 0xc0][..]),
        "4800 units are 100 ms"
    );
    // The other direction: 48000 from the browser, which sends Opus.
    let mut of_phone = opus_and_events(96, 101);
    of_phone[1] = payload(101, "telephone-event", 8000, 1, &[]);
    scene.connect_phone(PHONE, vec![stream(PHONE, 0, section(MediaKind::Audio, of_phone))]);
    scene.take_rtp_of(PHONE, 0);
    for (n, number) in [(1_u16, 111), (2, 126), (3, 126), (4, 126)] {
        scene.alice.send_rtp((number, n, if n == 1 { 0 } else { 960 }, 77), &[], &[4, 10, 3, 0]);
        scene.run(STEP);
    }
    scene.run(STEP * 10);
    scene.alice.send_rtp((111, 5, 960 * 14, 77), &[], b"x");
    scene.exchange();
    let sent = scene.take_rtp_of(PHONE, 0);
    let types: Vec<u8> = sent.iter().map(|(header, ..)| header.payload_type).collect();
    assert_eq!(types, [96, 101, 101, 101, 101, 101, 101, 101, 96]);
    assert_eq!(sent[7].1[12..], [4, 0x80 | 10, 0x03, 0x20]);
    assert!(sent.windows(2).all(|pair| pair[1].0.sequence == pair[0].0.sequence.wrapping_add(1)));
}

#[test]
fn unsupported_telephone_event_leaves_no_gap() {
    for (speech, ticks) in [(0, 160), (111, 960)] {
        let mut of_alice = alices();
        of_alice[0].payloads.truncate(2);
        let mut of_phone = telephone();
        of_phone.payloads.push(payload(111, "opus", 48_000, 2, &[]));
        let mut scene = Scene::phone_call(of_alice, vec![of_phone]);
        press(&mut scene, (speech, ticks), 96);
        assert_eq!(scene.events, [Event::DtmfReceived { leg: PHONE, digit: '7' }]);
        let received: Vec<(u16, u32)> = scene.alice.take_rtp().iter().map(|(h, _)| (h.sequence, h.timestamp)).collect();
        let (sequence, timestamp) = received[0];
        let seen: Vec<_> = received.iter().map(|h| (h.0.wrapping_sub(sequence), h.1.wrapping_sub(timestamp))).collect();
        assert_eq!(seen, [(0, 0), (1, ticks), (2, 17 * ticks), (3, 18 * ticks)], "time advances without a gap");
    }
}
