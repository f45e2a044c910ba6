//! Playback, recording, muting and collection of digits by command.

use super::{Bench, config};
use crate::address::Address;
use crate::call::{CallEvent, CallKey, CollectionEnd};
use crate::command::{
    Accepted, CallCommand, CallRef, CommandError, DigitLimits, Playback, RecordingAction, ReferOptions,
};
use core::time::Duration;
use offhook_media::command::{
    Command, Event, LegKey, MuteDirection, PlaybackEnd, PlaybackMode, PlaybackSource, RecordingEnd, RecordingId, Repeat,
};
use offhook_signaling::message::ClientMessage;

const RECORDING: RecordingId = RecordingId(7);
const SECOND: Duration = Duration::from_secs(1);

fn playback() -> Playback {
    let source = PlaybackSource::Tone { frequency: 440, duration: SECOND };
    Playback { source, repeat: Repeat::Once, mode: PlaybackMode::Replace }
}

fn limits(most: usize) -> DigitLimits {
    DigitLimits {
        most,
        terminators: "#".to_owned(),
        first_digit_timeout: Duration::from_secs(10),
        inter_digit_timeout: Duration::from_secs(5),
    }
}

fn record(call: CallKey) -> CallCommand {
    CallCommand::Record { call, recording: RECORDING, file: "17.wav".to_owned() }
}

impl Bench {
    /// Takes the audio commands since the last call, in a few words.
    fn audio_commands(&mut self) -> Vec<String> {
        let commands = core::mem::take(&mut self.media).into_iter().filter_map(|command| match command {
            Command::Play { leg, .. } => Some(format!("play {}", leg.0)),
            Command::StopPlayback { leg, .. } => Some(format!("stop {}", leg.0)),
            Command::Mute { leg, direction } => Some(format!("mute {} {direction:?}", leg.0)),
            Command::Unmute { leg, direction } => Some(format!("unmute {} {direction:?}", leg.0)),
            Command::Record { leg, to } => Some(format!("record {} {:?}", leg.0, to.channel)),
            Command::PauseRecording { leg, .. } => Some(format!("pause {}", leg.0)),
            Command::ResumeRecording { leg, .. } => Some(format!("resume {}", leg.0)),
            Command::StopRecording { leg, .. } => Some(format!("stop recording {}", leg.0)),
            _ => None,
        });
        commands.collect()
    }

    fn part_ended(&mut self, leg: LegKey, end: RecordingEnd) {
        let (duration, lost) = (SECOND, Duration::ZERO);
        self.media_event(Event::RecordingEnded { leg, recording: RECORDING, end, duration, lost });
    }

    /// Returns the last event other than statistics.
    fn last_event(&self) -> &CallEvent {
        &self.events.last().expect("an event").0
    }

    fn collected(&self) -> Vec<(String, CollectionEnd)> {
        let collected = self.events.iter().filter_map(|(event, _)| match event {
            CallEvent::DigitsCollected { digits, end, .. } => Some((digits.clone(), *end)),
            _ => None,
        });
        collected.collect()
    }
}

#[test]
fn playback_ends_by_itself_or_by_command() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    let id = bench.incoming(bob);
    let (caller, callee) = bench.participants();
    let play = CallCommand::Play { at: callee, playback: playback() };
    assert_eq!(bench.execute(play.clone()), Err(CommandError::NotEstablished));
    bench.answer(bob, &id);
    assert_eq!(bench.execute(CallCommand::StopPlayback { at: callee }), Err(CommandError::NotPlaying));
    let Ok(Accepted::Playing(first)) = bench.execute(play.clone()) else { panic!() };
    let Ok(Accepted::Playing(second)) = bench.execute(play) else { panic!() };
    let leg = callee.leg;
    // The worker reports the end of the first playback, which the second one has replaced.
    bench.media_event(Event::PlaybackEnded { leg, playback: first, end: PlaybackEnd::Stopped });
    assert_eq!(bench.execute(CallCommand::StopPlayback { at: callee }), Ok(Accepted::Passed));
    let number = leg.0;
    assert_eq!(bench.audio_commands(), [format!("play {number}"), format!("play {number}"), format!("stop {number}")]);
    bench.media_event(Event::PlaybackEnded { leg, playback: second, end: PlaybackEnd::Completed });
    let end = PlaybackEnd::Completed;
    assert_eq!(*bench.last_event(), CallEvent::PlaybackEnded { to: leg, playback: second, end });
    assert_eq!(bench.execute(CallCommand::StopPlayback { at: callee }), Err(CommandError::NotPlaying));
    bench.execute(CallCommand::Play { at: caller, playback: playback() }).unwrap();
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn participant_is_muted_in_one_direction() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    let (at, _) = bench.participants();
    let direction = MuteDirection::Sent;
    bench.execute(CallCommand::Mute { at, direction }).unwrap();
    assert_eq!(*bench.last_event(), CallEvent::Muted { leg: at.leg, direction });
    bench.execute(CallCommand::Unmute { at, direction }).unwrap();
    let number = at.leg.0;
    assert_eq!(bench.audio_commands(), [format!("mute {number} Sent"), format!("unmute {number} Sent")]);
}

#[test]
fn recording_has_a_channel_for_each_side() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    let id = bench.incoming(bob);
    let (caller, callee) = bench.participants();
    let call = caller.call;
    assert_eq!(bench.execute(record(call)), Err(CommandError::NotEstablished));
    bench.answer(bob, &id);
    let stop = CallCommand::ControlRecording { call, action: RecordingAction::Stop };
    assert_eq!(bench.execute(stop.clone()), Err(CommandError::NotRecording));
    assert_eq!(bench.execute(record(call)), Ok(Accepted::Passed));
    assert_eq!(bench.execute(record(call)), Err(CommandError::AlreadyRecording));
    let (a, b) = (caller.leg.0, callee.leg.0);
    assert_eq!(bench.audio_commands(), [format!("record {a} Left"), format!("record {b} Right")]);
    bench.execute(CallCommand::ControlRecording { call, action: RecordingAction::Pause }).unwrap();
    bench.execute(CallCommand::ControlRecording { call, action: RecordingAction::Resume }).unwrap();
    bench.execute(stop).unwrap();
    let expected = ["pause", "resume", "stop recording"].map(|word| [format!("{word} {a}"), format!("{word} {b}")]);
    assert_eq!(bench.audio_commands(), expected.concat());
    bench.reload();
    bench.part_ended(caller.leg, RecordingEnd::Stopped);
    assert!(!matches!(bench.last_event(), CallEvent::RecordingEnded { .. }), "one channel is still open");
    bench.part_ended(callee.leg, RecordingEnd::Stopped);
    assert!(matches!(bench.last_event(), CallEvent::RecordingEnded { end: RecordingEnd::Stopped, .. }));
    assert_eq!(bench.events.last().unwrap().1.recordings, ["17.wav"]);
    assert_eq!(bench.execute(record(call)), Ok(Accepted::Passed), "another recording is possible");
    bench.hang_up(alice, "a1");
    for leg in [caller.leg, callee.leg] {
        bench.part_ended(leg, RecordingEnd::LegClosed);
    }
    bench.assert_no_leak(&[]);
}

#[test]
fn recording_follows_a_transfer() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    bench.establish(alice, "a1", bob, "bob");
    let (caller, callee) = bench.participants();
    bench.execute(record(caller.call)).unwrap();
    bench.execute(CallCommand::ControlRecording { call: caller.call, action: RecordingAction::Pause }).unwrap();
    bench.audio_commands();
    let target = Address::parse("carol");
    bench.execute(CallCommand::TransferBlind { at: caller, target, refer: ReferOptions::default() }).unwrap();
    let at_carol = bench.incoming(carol);
    let (_, target) = bench.participants();
    bench.answer(carol, &at_carol);
    let number = target.leg.0;
    assert_eq!(bench.audio_commands(), [format!("record {number} Left"), format!("pause {number}")]);
    bench.part_ended(caller.leg, RecordingEnd::LegClosed);
    assert!(!matches!(bench.last_event(), CallEvent::RecordingEnded { .. }), "the recording continues");
    bench.hang_up(carol, at_carol.as_str());
    for leg in [callee.leg, target.leg] {
        bench.part_ended(leg, RecordingEnd::LegClosed);
    }
    bench.assert_no_leak(&[]);
}

#[test]
fn recording_ends_when_its_leg_joins_another_call() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    bench.establish(alice, "a1", bob, "bob");
    let (at, _) = bench.participants();
    bench.establish(alice, "a2", carol, "carol");
    let (other, joining) = bench.participants();
    bench.execute(record(other.call)).unwrap();
    bench.audio_commands();
    bench.execute(CallCommand::TransferAttended { at, other }).unwrap();
    assert_eq!(bench.audio_commands(), [format!("stop recording {}", joining.leg.0)]);
}

#[test]
fn digits_are_collected_until_the_maximum_or_a_terminator() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    let (caller, callee) = bench.participants();
    let press = |bench: &mut Bench, at: CallRef, digits: &str| {
        for digit in digits.chars() {
            bench.media_event(Event::DtmfReceived { leg: at.leg, digit });
        }
    };
    press(&mut bench, callee, "9");
    bench.execute(CallCommand::CollectDigits { at: callee, limits: limits(3) }).unwrap();
    press(&mut bench, caller, "8");
    press(&mut bench, callee, "1234");
    assert_eq!(bench.collected(), [("123".to_owned(), CollectionEnd::Complete)]);
    // A browser's digits arrive in a message.
    bench.execute(CallCommand::CollectDigits { at: caller, limits: limits(9) }).unwrap();
    bench.reload();
    let digits = ClientMessage::SendDtmf {
        call_id: "a1".into(),
        kind: offhook_signaling::message::DtmfType::Rfc2833,
        digits: "45#6".to_owned(),
    };
    bench.send(alice, &digits);
    assert_eq!(bench.collected().last(), Some(&("45".to_owned(), CollectionEnd::Terminator('#'))));
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn collection_ends_in_time_or_with_the_participant() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    let (caller, at) = bench.participants();
    let collect = CallCommand::CollectDigits { at, limits: limits(3) };
    bench.execute(collect.clone()).unwrap();
    bench.wait(Duration::from_secs(10));
    bench.execute(collect.clone()).unwrap();
    bench.wait(Duration::from_secs(9));
    bench.media_event(Event::DtmfReceived { leg: at.leg, digit: '1' });
    bench.wait(Duration::from_secs(4));
    bench.execute(collect.clone()).unwrap();
    bench.hang_up(alice, "a1");
    let ends = [CollectionEnd::Timeout, CollectionEnd::Canceled, CollectionEnd::Left];
    let expected = ["", "1", ""].map(str::to_owned).into_iter().zip(ends).collect::<Vec<_>>();
    assert_eq!(bench.collected(), expected);
    assert_eq!(bench.execute(collect), Err(CommandError::UnknownCall));
    assert_eq!(bench.relay.call(caller.call), None);
    bench.assert_no_leak(&[]);
}
