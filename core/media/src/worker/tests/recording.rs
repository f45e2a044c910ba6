//! Recording of legs.

use super::audio::{FULL, RATE, TAPE, amplitude, encode, mu_law, tone};
use super::phone::{OTHER, PHONE, section, stream, telephone};
use super::{Scene, payload};
use crate::command::{Command, Event, LegKey, MuteDirection, RecordedLeg, RecordingChannel, RecordingEnd, RecordingId};
use core::time::Duration;
use offhook_sdp::codec::MediaKind;

const LEFT: RecordingChannel = RecordingChannel::Left;
const RIGHT: RecordingChannel = RecordingChannel::Right;

fn call() -> Scene {
    let mut scene = Scene::new();
    for leg in [PHONE, OTHER] {
        scene.phone(leg, vec![telephone()]);
    }
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    scene
}

impl Scene {
    fn record(&mut self, leg: LegKey, channel: RecordingChannel) {
        let to = RecordedLeg { recording: TAPE, channel, origin: self.now };
        self.order(Command::Record { leg, to });
    }

    /// Records both phones.
    fn record_both(&mut self) {
        self.record(PHONE, LEFT);
        self.record(OTHER, RIGHT);
    }

    /// A phone sends 20 ms of a tone.
    fn sends_tone(&mut self, leg: LegKey, frequency: f64, sequence: u16) {
        let begin = u32::from(sequence) * 160;
        self.phone_sends(leg, 0, (0, sequence, begin, 7), &mu_law(&tone(frequency, begin, 160)));
    }

    /// Both phones send tones for these frames.
    fn send_tones(&mut self, frames: core::ops::Range<u16>) {
        for sequence in frames {
            self.sends_tone(PHONE, 440.0, sequence);
            self.sends_tone(OTHER, 1000.0, sequence);
            self.run(Duration::from_millis(20));
        }
    }

    fn stop(&mut self) {
        for leg in [PHONE, OTHER] {
            self.order(Command::StopRecording { leg, recording: TAPE });
        }
    }
}

fn samples(millis: usize) -> usize {
    millis * RATE as usize / 1000
}

/// The time in ms at which the channel begins and ends to have signal.
fn extent(channel: &[i16]) -> (usize, usize) {
    let is_loud = |sample: &i16| sample.unsigned_abs() > 1000;
    let first = channel.iter().position(is_loud).unwrap();
    let last = channel.iter().rposition(is_loud).unwrap();
    (first * 1000 / RATE as usize, last * 1000 / RATE as usize)
}

#[test]
fn both_legs_are_recorded_on_their_channels() {
    let mut scene = call();
    scene.record_both();
    scene.run(Duration::from_millis(100));
    scene.send_tones(0..100);
    scene.stop();
    let channels = scene.recorded.channels();
    for (channel, own, other) in [(LEFT, 440.0, 1000.0), (RIGHT, 1000.0, 440.0)] {
        let recorded = &channels[&channel];
        let steady = &recorded[samples(200)..samples(1900)];
        let [own, other] = [own, other].map(|frequency| amplitude(steady, RATE, frequency));
        assert!((own - 10_000.0).abs() < 200.0 && other < 100.0, "{channel:?}: {own} and {other}");
        let (begin, end) = extent(recorded);
        assert!((80..=82).contains(&begin) && (2078..=2081).contains(&end), "{channel:?}: {begin} to {end}");
    }
    let duration = Duration::from_millis(2100);
    let ended = |leg| {
        let (recording, end, lost) = (TAPE, RecordingEnd::Stopped, Duration::ZERO);
        Event::RecordingEnded { leg, recording, end, duration, lost }
    };
    assert_eq!(scene.events, [ended(PHONE), ended(OTHER)]);
}

#[test]
fn reordered_packets_are_recorded_in_order() {
    let mut scene = call();
    scene.record_both();
    for group in (0..100_u16).collect::<Vec<_>>().chunks(4) {
        for place in [1, 0, 3, 2] {
            scene.sends_tone(PHONE, 440.0, group[place]);
        }
        scene.run(Duration::from_millis(80));
    }
    scene.stop();
    let left = &scene.recorded.channels()[&LEFT];
    let amplitude = amplitude(&left[samples(200)..samples(1800)], RATE, 440.0);
    assert!((amplitude - 10_000.0).abs() < 300.0, "{amplitude}");
}

#[test]
fn lost_packets_do_not_move_later_audio() {
    let mut scene = call();
    scene.record_both();
    for sequence in 0..100 {
        // One lost packet is concealed; 600 ms are silence.
        if sequence != 10 && !(20..50).contains(&sequence) {
            scene.sends_tone(PHONE, 440.0, sequence);
        }
        scene.sends_tone(OTHER, 440.0, sequence);
        scene.run(Duration::from_millis(20));
    }
    scene.stop();
    let channels = scene.recorded.channels();
    let (left, right) = (&channels[&LEFT], &channels[&RIGHT]);
    let energy = |from, to| amplitude(&left[samples(from)..samples(to)], RATE, 440.0);
    assert!(energy(180, 200) > 3000.0, "concealed: {}", energy(180, 200));
    assert!(energy(440, 960) < 50.0, "silence: {}", energy(440, 960));
    // After the loss both channels have the same phase.
    let difference: Vec<i16> = left.iter().zip(right).map(|(left, right)| left.saturating_sub(*right)).collect();
    let rest = amplitude(&difference[samples(1100)..samples(1800)], RATE, 440.0);
    assert!(rest < 300.0, "{rest}");
}

#[test]
fn channels_stay_aligned_when_one_clock_drifts() {
    let mut scene = call();
    scene.record_both();
    // A clock that is 1 % slow for a minute: 600 ms. A tone burst of both phones every second marks the time.
    let begin = scene.now;
    let (mut sent, mut slow) = (0_u16, 0_u16);
    let burst = |sequence: u16, time: Duration| {
        let is_loud = time.subsec_millis() < 100;
        let begin = u32::from(sequence) * 160;
        mu_law(&tone(if is_loud { 1000.0 } else { 0.0 }, begin, 160))
    };
    while scene.now < begin + Duration::from_secs(60) {
        let time = scene.now.since(begin);
        if u128::from(sent) * 20_000 <= time.as_micros() {
            scene.phone_sends(PHONE, 0, (0, sent, u32::from(sent) * 160, 7), &burst(sent, time));
            sent += 1;
        }
        if u128::from(slow) * 20_200 <= time.as_micros() {
            scene.phone_sends(OTHER, 0, (0, slow, u32::from(slow) * 160, 7), &burst(slow, time));
            slow += 1;
        }
        scene.run(Duration::from_micros(200));
    }
    scene.stop();
    let channels = scene.recorded.channels();
    let from = samples(59_000) - samples(100);
    let [left, right] = [LEFT, RIGHT].map(|channel| extent(&channels[&channel][from..samples(59_500)]).0);
    assert!(left.abs_diff(right) <= 120, "{left} ms and {right} ms");
}

#[test]
fn frozen_timestamps_after_pause_are_placed_by_arrival() {
    let mut scene = call();
    scene.record_both();
    scene.send_tones(0..10);
    scene.run(Duration::from_secs(3));
    // The phone's timestamps did not advance.
    scene.send_tones(10..20);
    scene.stop();
    let (_, end) = extent(&scene.recorded.channels()[&LEFT]);
    assert!((3370..=3400).contains(&end), "{end}");
}

#[test]
fn pause_and_mute_are_recorded_as_silence() {
    let mut scene = call();
    scene.record_both();
    scene.send_tones(0..25);
    scene.order(Command::PauseRecording { leg: PHONE, recording: TAPE });
    scene.order(Command::Mute { leg: OTHER, direction: MuteDirection::Sent });
    scene.send_tones(25..50);
    scene.order(Command::ResumeRecording { leg: PHONE, recording: TAPE });
    scene.order(Command::Unmute { leg: OTHER, direction: MuteDirection::Sent });
    scene.send_tones(50..75);
    scene.stop();
    for (channel, recorded) in scene.recorded.channels() {
        let peak = |from, to| recorded[samples(from)..samples(to)].iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak(100, 400) > 9000 && peak(1100, 1400) > 9000, "{channel:?}");
        assert_eq!(peak(500, 960), 0, "{channel:?}");
    }
}

#[test]
fn recording_continues_over_hold_codec_change_and_new_partner() {
    let mut scene = call();
    scene.record(PHONE, LEFT);
    scene.send_tones(0..10);
    scene.order(Command::Unbridge { leg: PHONE });
    scene.send_tones(10..20);
    scene.order(Command::Close { leg: OTHER });
    let law = section(MediaKind::Audio, vec![payload(97, "PCMA", 8000, 1, &[])]);
    scene.connect_phone(PHONE, vec![stream(PHONE, 0, law)]);
    for sequence in 20..30_u16 {
        let begin = u32::from(sequence) * 160;
        scene.phone_sends(PHONE, 0, (97, sequence, begin, 7), &encode(8, &tone(440.0, begin, 160)));
        scene.run(Duration::from_millis(20));
    }
    scene.order(Command::Close { leg: PHONE });
    let left = &scene.recorded.channels()[&LEFT];
    let whole = amplitude(&left[samples(20)..samples(560)], RATE, 440.0);
    assert!((whole - 10_000.0).abs() < 300.0, "{whole}");
    let end = scene.events.iter().find_map(|event| match event {
        Event::RecordingEnded { leg: PHONE, end, .. } => Some(*end),
        _ => None,
    });
    assert_eq!(end, Some(RecordingEnd::LegClosed));
}

#[test]
fn full_and_unknown_sinks_are_reported() {
    let mut scene = call();
    let to = |recording| RecordedLeg { recording, channel: LEFT, origin: scene.now };
    let [full, unknown] = [to(FULL), to(RecordingId(9))];
    scene.order(Command::Record { leg: PHONE, to: unknown });
    let zero = Duration::ZERO;
    let (recording, end) = (unknown.recording, RecordingEnd::Failed);
    let failed = Event::RecordingEnded { leg: PHONE, recording, end, duration: zero, lost: zero };
    assert_eq!(core::mem::take(&mut scene.events), [failed]);
    scene.order(Command::Record { leg: PHONE, to: full });
    scene.send_tones(0..100);
    let [Event::RecordingEnded { end: RecordingEnd::Limit, lost, .. }] = scene.events[..] else {
        panic!("{:?}", scene.events)
    };
    assert!((1000..1200).contains(&lost.as_millis()), "{lost:?}");
    let before = scene.worker.counters().dropped.bad_command;
    scene.order(Command::StopRecording { leg: PHONE, recording: FULL });
    assert_eq!(scene.worker.counters().dropped.bad_command, before + 1);
}

#[test]
fn second_command_for_same_recording_is_refused() {
    let mut scene = call();
    scene.record(PHONE, LEFT);
    let before = scene.worker.counters().dropped.bad_command;
    scene.record(PHONE, RIGHT);
    assert_eq!(scene.worker.counters().dropped.bad_command, before + 1);
}
