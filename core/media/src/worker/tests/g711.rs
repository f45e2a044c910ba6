//! Two legs with different laws of G.711.

use super::phone::{PHONE, section, stream};
use super::{Scene, payload};
use crate::graph::g711::Law;
use crate::rtp::packet;
use core::time::Duration;
use offhook_sdp::codec::MediaKind;

#[test]
fn legs_with_different_laws_are_transcoded() {
    let (mut of_alice, mut of_bob) = Scene::sections();
    of_alice[0].payloads = vec![payload(0, "PCMU", 8_000, 1, &[])];
    of_bob[0].payloads = vec![payload(8, "PCMA", 8_000, 1, &[])];
    let mut scene = Scene::new();
    scene.connect_both(of_alice, of_bob);
    scene.bridge();
    let sound: Vec<u8> = (0..160).collect();
    scene.alice.send_rtp((0, 1, 160, 77), &[], &sound);
    scene.bob.send_rtp((8, 1, 160, 78), &[], &sound);
    scene.exchange();
    for (received, number, law) in [(scene.bob.take_rtp(), 8, Law::MuToA), (scene.alice.take_rtp(), 0, Law::AToMu)] {
        let [(header, packet)] = &received[..] else { panic!("one packet") };
        let mut expected = Vec::new();
        law.convert(&sound, &mut expected);
        assert_eq!((header.payload_type, packet::payload(packet, header)), (number, Some(expected.as_slice())));
    }
}

#[test]
fn changed_law_is_transcoded_at_once() {
    let mut of_alice = Scene::sections().0;
    of_alice[0].payloads = vec![payload(0, "PCMU", 8_000, 1, &[])];
    let law_of = |number, name| section(MediaKind::Audio, vec![payload(number, name, 8_000, 1, &[])]);
    // Early media use one law, the answer the other.
    let mut scene = Scene::phone_call(of_alice, vec![law_of(0, "PCMU")]);
    let sound: Vec<u8> = (0..160).collect();
    let exchange = |scene: &mut Scene, sequence: u16, number: u8| {
        let timestamp = 160 * u32::from(sequence);
        scene.alice.send_rtp((0, sequence, timestamp, 77), &[], &sound);
        scene.phone_sends(PHONE, 0, (number, sequence, timestamp, 5), &sound);
        scene.run(Duration::from_millis(20));
        let (sent, received) = (scene.take_rtp_of(PHONE, 0).remove(0), scene.alice.take_rtp().remove(0));
        [(sent.0, sent.1), received].map(|(header, packet)| {
            let sound = packet::payload(&packet, &header).unwrap().to_vec();
            (header.payload_type, header.sequence, sound)
        })
    };
    let before = exchange(&mut scene, 1, 0);
    assert_eq!(before.each_ref().map(|packet| (packet.0, &packet.2)), [(0, &sound), (0, &sound)]);
    scene.connect_phone(PHONE, vec![stream(PHONE, 0, law_of(8, "PCMA"))]);
    let after = exchange(&mut scene, 2, 8);
    for ((before, after), (number, law)) in before.iter().zip(&after).zip([(8, Law::MuToA), (0, Law::AToMu)]) {
        let mut expected = Vec::new();
        law.convert(&sound, &mut expected);
        assert_eq!(*after, (number, before.1.wrapping_add(1), expected));
    }
}

#[test]
fn unnegotiated_law_is_transcoded() {
    let mut of_alice = Scene::sections().0;
    of_alice[0].payloads = vec![payload(8, "PCMA", 8_000, 1, &[])];
    let mut scene =
        Scene::phone_call(of_alice, vec![section(MediaKind::Audio, vec![payload(8, "PCMA", 8_000, 1, &[])])]);
    let sound: Vec<u8> = (0..160).collect();
    let mut converted = Vec::new();
    Law::MuToA.convert(&sound, &mut converted);
    for (sequence, number, expected) in [(1, 8, Some(&sound)), (2, 0, Some(&converted)), (3, 9, None)] {
        scene.phone_sends(PHONE, 0, (number, sequence, 160 * u32::from(sequence), 5), &sound);
        scene.run(Duration::from_millis(20));
        let received = scene.alice.take_rtp();
        let received =
            received.first().map(|(header, packet)| (header.payload_type, packet::payload(packet, header).unwrap()));
        assert_eq!(received, expected.map(|sound| (8, sound.as_slice())), "payload type {number}");
    }
}
