//! Muting of legs.

use super::Scene;
use super::phone::{OTHER, PHONE, camera, telephone};
use crate::command::{Command, Event, MuteDirection};
use core::time::Duration;

const PHONES: [crate::command::LegKey; 2] = [PHONE, OTHER];

fn call() -> Scene {
    let mut scene = Scene::new();
    for leg in PHONES {
        scene.phone(leg, vec![telephone(), camera(&[])]);
    }
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    scene.run(Duration::from_secs(4));
    scene.events.clear();
    scene
}

impl Scene {
    /// Both phones send audio for some frames; returns the packets that each receives.
    fn both_send_audio(&mut self, first: u16, frames: u16) -> [Vec<(u16, u32, bool)>; 2] {
        for sequence in first..first + frames {
            for leg in PHONES {
                self.phone_sends(leg, 0, (0, sequence, u32::from(sequence) * 160, 7), &[0x55; 160]);
            }
            self.run(Duration::from_millis(20));
        }
        PHONES.map(|leg| {
            let packets = self.take_rtp_of(leg, 0);
            packets.iter().map(|(header, ..)| (header.sequence, header.timestamp, header.marker)).collect()
        })
    }
}

#[test]
fn muted_audio_is_not_forwarded_and_continues_without_loss() {
    for (direction, silent) in [(MuteDirection::Sent, 1), (MuteDirection::Received, 0)] {
        let mut scene = call();
        let before = scene.both_send_audio(0, 10);
        scene.order(Command::Mute { leg: PHONE, direction });
        let during = scene.both_send_audio(10, 50);
        assert_eq!((during[silent].len(), during[1 - silent].len()), (0, 50), "{direction:?}");
        assert_eq!(scene.worker.counters().dropped.replaced, 50);
        scene.order(Command::Unmute { leg: PHONE, direction });
        let after = scene.both_send_audio(60, 10);
        assert_eq!(after.each_ref().map(Vec::len), [10, 10]);
        let (last, first) = (before[silent][9], after[silent][0]);
        assert_eq!(first.0, last.0.wrapping_add(1), "no loss");
        assert_eq!(first.1.wrapping_sub(last.1), 51 * 160, "the time has passed");
        assert!(first.2 && !after[silent][1].2, "the marker begins a talkspurt");
    }
}

#[test]
fn digits_of_muted_phone_are_reported_and_video_is_forwarded() {
    let mut scene = call();
    scene.order(Command::Mute { leg: PHONE, direction: MuteDirection::Sent });
    scene.phone_sends(PHONE, 0, (96, 1, 960, 7), &[5, 0x0a, 0, 160]);
    scene.phone_sends(PHONE, 1, (99, 1, 3000, 9), &[0x10, 0, 0, 0]);
    scene.run(Duration::from_millis(200));
    scene.events.retain(|event| !matches!(event, Event::KeyFrameWanted { .. }));
    assert_eq!(scene.events, [Event::DtmfReceived { leg: PHONE, digit: '5' }]);
    assert_eq!((scene.take_rtp_of(OTHER, 0).len(), scene.take_rtp_of(OTHER, 1).len()), (0, 1));
}

#[test]
fn leg_is_muted_after_restore_and_next_bridge() {
    let mut scene = call();
    scene.order(Command::Mute { leg: PHONE, direction: MuteDirection::Sent });
    scene.move_on(Duration::from_millis(100));
    assert_eq!(scene.both_send_audio(1, 5)[1].len(), 0);
    scene.order(Command::Unbridge { leg: PHONE });
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    assert_eq!(scene.both_send_audio(10, 5)[1].len(), 0);
}
