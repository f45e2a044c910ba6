//! Payload types that differ by direction, and telephone-events that the other side has not.

use super::phone::{OTHER, PHONE, section, stream, telephone};
use super::{Scene, audio, payload};
use crate::command::{Command, Event, LegKey, RtpStream};

use core::time::Duration;
use offhook_sdp::codec::{MediaKind, Payload};
use offhook_sdp::webrtc::Section;

fn alices() -> Vec<Section> {
    vec![audio(111, 126, (4, "0"), 1)]
}

fn opus_and_events(opus: u8, event: u8) -> Vec<Payload> {
    vec![payload(opus, "opus", 48_000, 2, &[]), payload(event, "telephone-event", 48_000, 1, &[])]
}

/// A peer that wants to receive 96 and 101, and was offered 111 and 96.
fn crossed(leg: LegKey) -> RtpStream {
    let wanted = section(MediaKind::Audio, opus_and_events(96, 101));
    RtpStream { received: opus_and_events(111, 96), ..stream(leg, 0, wanted) }
}

/// Alice talks to that peer.
fn calling_crossed() -> Scene {
    let mut scene = Scene::calling(alices(), vec![telephone()]);
    scene.connect_phone(PHONE, vec![crossed(PHONE)]);
    scene
}

fn types_heard(scene: &mut Scene) -> Vec<u8> {
    scene.alice.take_rtp().iter().map(|(header, _)| header.payload_type).collect()
}

fn types_sent(scene: &mut Scene, leg: LegKey) -> Vec<u8> {
    scene.take_rtp_of(leg, 0).iter().map(|(header, ..)| header.payload_type).collect()
}

#[test]
fn a_peer_is_sent_its_own_numbers_and_sends_the_relays() {
    let mut scene = calling_crossed();
    scene.alice.send_rtp((111, 1, 0, 77), &[], b"voice");
    scene.alice.send_rtp((126, 2, 960, 77), &[], &[5, 10, 1, 0]);
    scene.exchange();
    assert_eq!(types_sent(&mut scene, PHONE), [96, 101]);
    scene.events.clear();
    scene.phone_sends(PHONE, 0, (111, 1, 0, 5), b"voice");
    // 96 is the peer's Opus, and the relay's telephone-event: it came from the peer.
    scene.phone_sends(PHONE, 0, (96, 2, 960, 5), &[7, 10, 1, 0]);
    assert_eq!(types_heard(&mut scene), [111, 126]);
    assert_eq!(scene.events, [Event::DtmfReceived { leg: PHONE, digit: '7' }]);
    scene.order(Command::SendDtmf { leg: PHONE, digits: "1".to_owned() });
    scene.run(Duration::from_millis(200));
    assert_eq!(types_sent(&mut scene, PHONE), [101; 7]);
}

#[test]
fn a_peer_that_sends_its_own_numbers_is_heard_where_they_mean_nothing_else() {
    let mut scene = calling_crossed();
    scene.phone_sends(PHONE, 0, (101, 1, 0, 5), &[3, 10, 1, 0]);
    assert_eq!(scene.events, [Event::DtmfReceived { leg: PHONE, digit: '3' }]);
    assert_eq!(types_heard(&mut scene), [126]);
    let before = scene.worker.counters().dropped;
    for number in [0, 97, 127] {
        scene.phone_sends(PHONE, 0, (number, 2, 960, 5), b"foreign");
    }
    assert_eq!(scene.worker.counters().dropped.unknown_stream - before.unknown_stream, 3);
    assert!(types_heard(&mut scene).is_empty());
}

#[test]
fn numbers_change_in_a_call_and_outlive_the_process() {
    let mut scene = calling_crossed();
    scene.alice.send_rtp((111, 1, 0, 77), &[], b"voice");
    scene.exchange();
    let before = scene.take_rtp_of(PHONE, 0)[0].0;
    scene.move_on(Duration::from_secs(1));
    scene.phone_sends(PHONE, 0, (96, 2, 960, 5), &[7, 10, 1, 0]);
    assert_eq!(types_heard(&mut scene), [126]);
    let others = section(MediaKind::Audio, opus_and_events(120, 121));
    let changed = RtpStream { received: opus_and_events(122, 123), ..stream(PHONE, 0, others) };
    scene.connect_phone(PHONE, vec![changed]);
    scene.alice.send_rtp((111, 2, 960, 77), &[], b"voice");
    scene.exchange();
    let after = scene.take_rtp_of(PHONE, 0)[0].0;
    assert_eq!((after.payload_type, after.sequence), (120, before.sequence.wrapping_add(1)));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(960), "the stream goes on undisturbed");
    for (number, sequence) in [(122, 3), (120, 4), (111, 5)] {
        scene.phone_sends(PHONE, 0, (number, sequence, 1920, 5), b"voice");
    }
    assert_eq!(types_heard(&mut scene), [111, 111], "111 is nobody's any more");
}

#[test]
fn two_peers_with_numbers_of_their_own_hear_each_other() {
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
