//! Two legs without a common codec.

use super::Scene;
use super::payload;
use super::phone::{OTHER, PHONE, section, ssrc, stream};
use crate::command::{Command, LegKey};
use crate::graph::codec::tests::{linear, samples};
use crate::rtp::packet::{self, Header};
use core::time::Duration;
use offhook_sdp::codec::MediaKind;
use offhook_sdp::webrtc::Section;

const LINEAR: u8 = 96;

fn of_linear() -> Section {
    let payloads = vec![payload(LINEAR, "L16", 16_000, 1, &[]), payload(110, "telephone-event", 16_000, 1, &[])];
    section(MediaKind::Audio, payloads)
}

fn of_g711() -> Section {
    section(MediaKind::Audio, vec![payload(8, "PCMA", 8000, 1, &[]), payload(101, "telephone-event", 8000, 1, &[])])
}

/// A call of a phone with L16 at 16 kHz and one with PCMA.
fn call() -> Scene {
    let mut scene = Scene::new();
    scene.phone(PHONE, vec![of_linear()]);
    scene.phone(OTHER, vec![of_g711()]);
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    scene
}

impl Scene {
    /// Sends this number of packets of 20 ms and returns those that the other leg received.
    fn exchange_audio(&mut self, from: LegKey, to: LegKey, numbers: core::ops::Range<u16>) -> Vec<(Header, Vec<u8>)> {
        let mut received = Vec::new();
        for number in numbers {
            let time = u32::from(number);
            if from == PHONE {
                self.phone_sends(PHONE, 0, (LINEAR, number, time * 320, 5), &linear(&[1000; 320]));
            } else {
                self.phone_sends(OTHER, 0, (8, number, time * 160, 6), &[0xd5 ^ 0x20; 160]);
            }
            self.run(Duration::from_millis(20));
            received.extend(self.take_rtp_of(to, 0).into_iter().map(|(header, packet, _)| {
                let payload = packet::payload(&packet, &header).unwrap().to_vec();
                (header, payload)
            }));
        }
        received
    }
}

/// Checks that sequence numbers and timestamps have no gap.
fn assert_continuous(received: &[(Header, Vec<u8>)], units: u32) {
    for pair in received.windows(2) {
        let (before, after) = (&pair[0].0, &pair[1].0);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert_eq!(after.timestamp.wrapping_sub(before.timestamp), units);
        assert_eq!(after.ssrc, before.ssrc);
    }
}

#[test]
fn legs_without_common_codec_are_transcoded() {
    let mut scene = call();
    let received = scene.exchange_audio(PHONE, OTHER, 1..30);
    assert!((26..=29).contains(&received.len()), "{}", received.len());
    assert!(received.iter().all(|(header, payload)| (header.payload_type, payload.len()) == (8, 160)));
    assert_eq!(received.iter().filter(|(header, _)| header.marker).count(), 1);
    assert_eq!(received[0].0.ssrc, ssrc(OTHER, 0));
    assert_continuous(&received, 160);
    let received = scene.exchange_audio(OTHER, PHONE, 1..30);
    assert!(received.iter().all(|(header, payload)| (header.payload_type, payload.len()) == (LINEAR, 640)));
    assert_continuous(&received, 320);
    let last = samples(&received.last().unwrap().1);
    assert!(last.iter().all(|sample| *sample == last[0] && sample.unsigned_abs() > 100), "{last:?}");
}

#[test]
fn new_description_keeps_transcoded_stream() {
    let mut scene = call();
    let mut received = scene.exchange_audio(PHONE, OTHER, 1..20);
    scene.connect_phone(OTHER, vec![stream(OTHER, 0, of_g711())]);
    received.extend(scene.exchange_audio(PHONE, OTHER, 20..40));
    assert_continuous(&received, 160);
    // Another codec is used at once, without another stream.
    scene.connect_phone(
        OTHER,
        vec![stream(OTHER, 0, section(MediaKind::Audio, vec![payload(0, "PCMU", 8000, 1, &[])]))],
    );
    let after = scene.exchange_audio(PHONE, OTHER, 40..60);
    assert!(after.iter().all(|(header, _)| header.payload_type == 0) && after[0].0.marker);
    assert_eq!(after[0].0.sequence, received.last().unwrap().0.sequence.wrapping_add(1));
    assert_continuous(&after, 160);
}

#[test]
fn codec_that_passes_again_is_not_transcoded() {
    let mut scene = call();
    scene.exchange_audio(PHONE, OTHER, 1..10);
    let both = section(MediaKind::Audio, [of_g711().payloads, of_linear().payloads].concat());
    scene.connect_phone(OTHER, vec![stream(OTHER, 0, both)]);
    scene.run(Duration::from_millis(200));
    scene.take_rtp_of(OTHER, 0);
    let received = scene.exchange_audio(PHONE, OTHER, 10..20);
    assert_eq!(received.len(), 10, "packet by packet");
    assert!(received.iter().all(|(header, payload)| header.payload_type == LINEAR && *payload == linear(&[1000; 320])));
}

#[test]
fn digit_beside_transcoded_audio_has_clock_rate_of_sink() {
    let mut scene = call();
    scene.exchange_audio(PHONE, OTHER, 1..10);
    let mut received = Vec::new();
    for (number, duration, flags) in [(10, 320_u16, 0), (11, 640, 0), (12, 960, 0), (13, 1280, 0x80), (14, 1280, 0x80)]
    {
        let [d0, d1] = duration.to_be_bytes();
        scene.phone_sends(PHONE, 0, (110, number, 3200, 5), &[5, flags | 10, d0, d1]);
        if flags == 0 {
            scene.run(Duration::from_millis(20));
        }
        received.extend(scene.take_rtp_of(OTHER, 0));
    }
    let events: Vec<_> = received.iter().filter(|(header, ..)| header.payload_type == 101).collect();
    let durations: Vec<u16> =
        events.iter().map(|(_, packet, _)| u16::from_be_bytes([packet[14], packet[15]])).collect();
    assert_eq!(durations, [160, 320, 480, 640, 640]);
    assert!(events.iter().all(|(header, ..)| header.timestamp == events[0].0.timestamp));
    assert_eq!(events.iter().filter(|(header, ..)| header.marker).count(), 1);
    let sequences: Vec<u16> = received.iter().map(|(header, ..)| header.sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{sequences:?}");
    let audio = received.iter().filter(|(header, ..)| header.payload_type == 8).count();
    assert!(audio <= 1, "no audio during the digit: {audio}");
    let after = scene.exchange_audio(PHONE, OTHER, 15..25);
    assert!(after.len() > 7 && after[0].0.marker);
}

#[test]
fn silent_leg_has_no_deadline_of_transcoder() {
    let mut scene = call();
    scene.exchange_audio(PHONE, OTHER, 1..10);
    scene.run(Duration::from_millis(500));
    scene.take_rtp_of(OTHER, 0);
    scene.run(Duration::from_millis(500));
    assert_eq!(scene.take_rtp_of(OTHER, 0).len(), 0);
}
