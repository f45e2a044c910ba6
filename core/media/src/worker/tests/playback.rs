//! Playback to phones and browsers.

use super::audio::{BROKEN, CONSTANT, EMPTY, SHORT, UNKNOWN, amplitude, mu_law, of_mu_law, tone};
use super::phone::{OTHER, PHONE, section, stream, telephone};
use super::{ALICE, Scene, payload};
use crate::command::{
    AudioSourceId, Command, Event, LegKey, PlaybackEnd, PlaybackFailure, PlaybackId, PlaybackMode, PlaybackSource,
    Repeat,
};
use crate::rtp::packet::{self, Header};
use core::time::Duration;
use offhook_sdp::codec::MediaKind;
use offhook_sdp::direction::Direction;

const ID: PlaybackId = PlaybackId(1);

fn tone_of(frequency: u16, millis: u64) -> PlaybackSource {
    PlaybackSource::Tone { frequency, duration: Duration::from_millis(millis) }
}

fn loaded(id: AudioSourceId) -> PlaybackSource {
    PlaybackSource::Loaded(id)
}

fn play(leg: LegKey, source: PlaybackSource, repeat: Repeat, mode: PlaybackMode) -> Command {
    Command::Play { leg, playback: ID, source, repeat, mode }
}

fn play_once(leg: LegKey, source: PlaybackSource) -> Command {
    play(leg, source, Repeat::Once, PlaybackMode::Replace)
}

fn ended(leg: LegKey, end: PlaybackEnd) -> Event {
    Event::PlaybackEnded { leg, playback: ID, end }
}

/// A phone that is connected, and bridged to another one.
fn call() -> Scene {
    let mut scene = Scene::new();
    scene.phone(PHONE, vec![telephone()]);
    scene.phone(OTHER, vec![telephone()]);
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    scene
}

/// Checks sequence numbers, timestamps and markers of G.711 packets of 20 ms that follow each other, and returns their samples.
fn continuous(packets: &[(Header, Vec<u8>, std::net::SocketAddr)]) -> Vec<i16> {
    for pair in packets.windows(2) {
        assert_eq!(pair[1].0.sequence, pair[0].0.sequence.wrapping_add(1));
        assert_eq!(pair[1].0.timestamp, pair[0].0.timestamp.wrapping_add(160));
    }
    packets.iter().flat_map(|(header, packet, _)| of_mu_law(packet::payload(packet, header).unwrap())).collect()
}

#[test]
fn tone_is_played_to_unbridged_phone() {
    let mut scene = Scene::new();
    scene.phone(PHONE, vec![telephone()]);
    scene.order(play_once(PHONE, tone_of(440, 1000)));
    scene.run(Duration::from_secs(2));
    let packets = scene.take_rtp_of(PHONE, 0);
    assert_eq!(packets.len(), 50);
    assert!(packets.iter().all(|(header, ..)| header.payload_type == 0));
    assert_eq!(packets.iter().position(|(header, ..)| header.marker), Some(0));
    assert_eq!(packets.iter().filter(|(header, ..)| header.marker).count(), 1);
    let samples = continuous(&packets);
    // −13 dBm0: the largest sine is 3.14 dBm0.
    let level = 20.0 * (amplitude(&samples[160..7840], 8000, 440.0) / 32_767.0).log10();
    assert!((level + 16.14).abs() < 0.2, "{level} dB");
    assert_eq!(scene.events, [ended(PHONE, PlaybackEnd::Completed)]);
}

#[test]
fn frames_follow_clock_and_late_worker_catches_up() {
    let mut scene = Scene::new();
    scene.phone(PHONE, vec![telephone()]);
    scene.order(play(PHONE, tone_of(440, 1000), Repeat::Forever, PlaybackMode::Replace));
    scene.run(Duration::from_secs(10));
    assert_eq!(scene.take_rtp_of(PHONE, 0).len(), 501, "at 0 and every 20 ms");
    // The worker is busy for 70 ms, then for 1 s.
    let late = |scene: &mut Scene, millis| {
        scene.now = scene.now + Duration::from_millis(millis);
        scene.worker.handle_timeout(scene.now);
        scene.exchange();
        scene.take_rtp_of(PHONE, 0)
    };
    let packets = late(&mut scene, 70);
    assert_eq!(packets.len(), 3);
    continuous(&packets);
    let after = late(&mut scene, 1000);
    assert_eq!(after.len(), 1, "the time missed is skipped");
    assert_eq!(after[0].0.sequence, packets[2].0.sequence.wrapping_add(1));
    let skipped = after[0].0.timestamp.wrapping_sub(packets[2].0.timestamp);
    assert_eq!(skipped, 50 * 160, "timestamps follow the clock");
}

#[test]
fn repeated_audio_has_no_gap() {
    let mut scene = Scene::new();
    scene.phone(PHONE, vec![telephone()]);
    scene.order(play(PHONE, loaded(SHORT), Repeat::Forever, PlaybackMode::Replace));
    scene.run(Duration::from_secs(1));
    let samples = continuous(&scene.take_rtp_of(PHONE, 0));
    assert!(samples.iter().all(|sample| (i32::from(*sample) - i32::from(CONSTANT)).abs() < 200));
    scene.order(Command::StopPlayback { leg: PHONE, playback: PlaybackId(8) });
    assert_eq!(scene.events, [], "another playback");
    scene.order(Command::StopPlayback { leg: PHONE, playback: ID });
    assert_eq!(scene.events, [ended(PHONE, PlaybackEnd::Stopped)]);
    scene.run(Duration::from_secs(1));
    assert_eq!(scene.take_rtp_of(PHONE, 0), []);
}

#[test]
fn audio_of_50_ms_ends_in_third_frame() {
    let mut scene = Scene::new();
    scene.phone(PHONE, vec![telephone()]);
    scene.order(play_once(PHONE, loaded(SHORT)));
    scene.run(Duration::from_secs(1));
    let samples = continuous(&scene.take_rtp_of(PHONE, 0));
    assert_eq!(samples.len(), 480);
    assert!(samples[..400].iter().all(|sample| *sample > 7000) && samples[400..].iter().all(|sample| *sample == 0));
    assert_eq!(scene.events, [ended(PHONE, PlaybackEnd::Completed)]);
}

#[test]
fn unusable_source_and_codec_are_reported() {
    let mut scene = Scene::new();
    scene.phone(PHONE, vec![telephone()]);
    for (source, repeat, end) in [
        (UNKNOWN, Repeat::Once, PlaybackEnd::Failed(PlaybackFailure::Source)),
        (BROKEN, Repeat::Once, PlaybackEnd::Failed(PlaybackFailure::Source)),
        (EMPTY, Repeat::Forever, PlaybackEnd::Failed(PlaybackFailure::Source)),
        (EMPTY, Repeat::Once, PlaybackEnd::Completed),
    ] {
        scene.order(play(PHONE, loaded(source), repeat, PlaybackMode::Replace));
        scene.run(Duration::from_millis(100));
        assert_eq!(core::mem::take(&mut scene.events), [ended(PHONE, end)], "{source:?}");
    }
    scene.phone(OTHER, vec![section(MediaKind::Audio, vec![payload(18, "G729", 8000, 1, &[])])]);
    scene.order(play_once(OTHER, tone_of(440, 100)));
    assert_eq!(scene.events, [ended(OTHER, PlaybackEnd::Failed(PlaybackFailure::NoCodec))]);
}

#[test]
fn playback_replaces_bridged_audio_and_returns_to_it() {
    let mut scene = call();
    let mut sequence = 0_u16;
    let mut talk = |scene: &mut Scene, frames: u16| {
        for _ in 0..frames {
            let timestamp = u32::from(sequence) * 160;
            scene.phone_sends(OTHER, 0, (0, sequence, timestamp, 7), &[0x55; 160]);
            scene.run(Duration::from_millis(20));
            sequence += 1;
        }
    };
    talk(&mut scene, 5);
    scene.run(Duration::from_millis(7));
    scene.order(play(PHONE, tone_of(440, 1000), Repeat::Forever, PlaybackMode::Replace));
    talk(&mut scene, 50);
    scene.order(Command::StopPlayback { leg: PHONE, playback: ID });
    talk(&mut scene, 5);
    let packets = scene.take_rtp_of(PHONE, 0);
    let is_forwarded = |packet: &[u8]| packet[12..] == [0x55; 160];
    let forwarded: Vec<bool> = packets.iter().map(|(_, packet, _)| is_forwarded(packet)).collect();
    let played = forwarded.iter().filter(|forwarded| !**forwarded).count();
    assert_eq!((played, forwarded.len() - played), (51, 10));
    for pair in packets.windows(2) {
        assert_eq!(pair[1].0.sequence, pair[0].0.sequence.wrapping_add(1), "no loss");
        let step = pair[1].0.timestamp.wrapping_sub(pair[0].0.timestamp);
        assert!((160..=340).contains(&step), "timestamps increase by {step}");
    }
    let markers: Vec<usize> =
        packets.iter().enumerate().filter(|(_, (header, ..))| header.marker).map(|(index, _)| index).collect();
    assert_eq!(markers, [0, 5, 56], "the first packet, the playback, and the return");
    assert_eq!(scene.worker.counters().dropped.replaced, 50);
    scene.phone_sends(PHONE, 0, (0, 1, 160, 8), &[0x66; 160]);
    assert_eq!(scene.take_rtp_of(OTHER, 0).len(), 1, "the other direction is not affected");
}

#[test]
fn mixed_playback_contains_both_tones() {
    let mut scene = call();
    scene.order(play(PHONE, tone_of(440, 1000), Repeat::Forever, PlaybackMode::Mix));
    for sequence in 0..100_u16 {
        let begin = u32::from(sequence) * 160;
        scene.phone_sends(OTHER, 0, (0, sequence, begin, 7), &mu_law(&tone(1000.0, begin, 160)));
        scene.run(Duration::from_millis(20));
    }
    let samples = continuous(&scene.take_rtp_of(PHONE, 0));
    let steady = &samples[1600..14_400];
    let [played, mixed] = [440.0, 1000.0].map(|frequency| amplitude(steady, 8000, frequency));
    assert!((played - 5112.0).abs() < 100.0 && (mixed - 10_000.0).abs() < 200.0, "{played} and {mixed}");
    assert_eq!(scene.worker.counters().dropped.replaced, 0);
}

#[test]
fn digits_are_sent_during_playback() {
    let mut scene = call();
    scene.order(play(PHONE, tone_of(440, 1000), Repeat::Forever, PlaybackMode::Replace));
    scene.run(Duration::from_millis(100));
    for sequence in 1..4 {
        scene.phone_sends(OTHER, 0, (96, sequence, 960, 7), &[5, 0x0a, 0, 160]);
    }
    scene.run(Duration::from_millis(500));
    let packets = scene.take_rtp_of(PHONE, 0);
    let digits: Vec<_> = packets.iter().filter(|(header, ..)| header.payload_type == 96).collect();
    assert_eq!(digits.len(), 7, "one event of the relay");
    assert!(digits.iter().all(|(_, packet, _)| packet[12] == 5));
    for pair in packets.windows(2) {
        assert_eq!(pair[1].0.sequence, pair[0].0.sequence.wrapping_add(1));
    }
    assert_eq!(packets.last().unwrap().0.payload_type, 0, "the audio continues");
}

#[test]
fn playback_waits_while_phone_is_on_hold() {
    let mut scene = Scene::new();
    scene.open_phone(PHONE, 1);
    scene.order(play_once(PHONE, tone_of(440, 200)));
    scene.run(Duration::from_secs(1));
    assert_eq!((scene.events.len(), scene.outside.len()), (0, 0), "the leg is not connected");
    scene.connect_phone(PHONE, vec![stream(PHONE, 0, telephone())]);
    scene.run(Duration::from_millis(90));
    assert_eq!(scene.take_rtp_of(PHONE, 0).len(), 5);
    let mut held = stream(PHONE, 0, telephone());
    held.stream.remote.direction = Direction::SendOnly;
    scene.connect_phone(PHONE, vec![held]);
    scene.run(Duration::from_secs(1));
    assert_eq!(scene.take_rtp_of(PHONE, 0), []);
    // The rest follows in another codec.
    let law = section(MediaKind::Audio, vec![payload(8, "PCMA", 8000, 1, &[])]);
    scene.connect_phone(PHONE, vec![stream(PHONE, 0, law)]);
    scene.run(Duration::from_secs(1));
    let rest = scene.take_rtp_of(PHONE, 0);
    assert!((5..=6).contains(&rest.len()), "{}", rest.len());
    assert!(rest.iter().all(|(header, ..)| header.payload_type == 8) && rest[0].0.marker);
    assert_eq!(scene.events, [ended(PHONE, PlaybackEnd::Completed)]);
}

#[test]
fn second_playback_replaces_first() {
    let mut scene = call();
    scene.order(play(PHONE, tone_of(440, 1000), Repeat::Forever, PlaybackMode::Replace));
    scene.run(Duration::from_millis(50));
    let second = PlaybackId(2);
    let (source, repeat, mode) = (tone_of(600, 100), Repeat::Once, PlaybackMode::Replace);
    scene.order(Command::Play { leg: PHONE, playback: second, source, repeat, mode });
    assert_eq!(scene.events, [ended(PHONE, PlaybackEnd::Stopped)]);
    scene.run(Duration::from_secs(1));
    let end = PlaybackEnd::Completed;
    assert_eq!(scene.events[1..], [Event::PlaybackEnded { leg: PHONE, playback: second, end }]);
    scene.order(play(PHONE, tone_of(440, 1000), Repeat::Forever, PlaybackMode::Replace));
    scene.events.clear();
    scene.order(Command::Close { leg: PHONE });
    assert_eq!(scene.events, [], "closing the leg ends it without an event");
}

#[test]
fn browser_receives_playback_after_handshake() {
    let mut scene = Scene::new();
    let (mut of_alice, of_bob) = Scene::sections();
    of_alice[0].payloads.retain(|payload| payload.number != 111);
    scene.worker.handle_command(play_once(ALICE, tone_of(440, 400)), scene.now);
    scene.connect_both(of_alice, of_bob);
    scene.run(Duration::from_secs(1));
    let received = scene.alice.take_rtp();
    assert_eq!(received.len(), 20);
    assert!(received.iter().all(|(header, _)| (header.payload_type, header.ssrc) == (0, 1000)));
    let samples: Vec<i16> =
        received.iter().flat_map(|(header, packet)| of_mu_law(packet::payload(packet, header).unwrap())).collect();
    assert!(amplitude(&samples[160..3040], 8000, 440.0) > 5000.0);
}

#[test]
fn restored_leg_does_not_play() {
    let mut scene = call();
    scene.order(play(PHONE, tone_of(440, 1000), Repeat::Forever, PlaybackMode::Replace));
    scene.run(Duration::from_millis(100));
    let before = scene.take_rtp_of(PHONE, 0);
    scene.move_on(Duration::from_millis(100));
    scene.run(Duration::from_millis(100));
    assert_eq!(scene.take_rtp_of(PHONE, 0), []);
    scene.phone_sends(OTHER, 0, (0, 1, 160, 7), &[0x55; 160]);
    let after = scene.take_rtp_of(PHONE, 0);
    assert_eq!(after[0].0.sequence, before.last().unwrap().0.sequence.wrapping_add(1));
}
