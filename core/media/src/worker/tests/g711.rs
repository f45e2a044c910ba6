//! Two legs with different laws of G.711.

use super::{Scene, payload};
use crate::rtp::g711::Law;
use crate::rtp::packet;

#[test]
fn legs_of_different_laws_hear_each_other() {
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
    for (heard, number, law) in [(scene.bob.take_rtp(), 8, Law::MuToA), (scene.alice.take_rtp(), 0, Law::AToMu)] {
        let [(header, packet)] = &heard[..] else { panic!("one packet") };
        let mut expected = Vec::new();
        law.convert(&sound, false, &mut expected);
        assert_eq!((header.payload_type, packet::payload(packet, header)), (number, Some(expected.as_slice())));
    }
}
