//! Sources with several sinks.

use super::Scene;
use super::phone::{OTHER, PHONE, kinds, local, remote, rtcp_of, section, telephone};
use crate::command::{Command, LegKey};
use crate::rtcp::packet::{PSFB, SR};
use crate::rtcp::write::{self, SenderFigures};
use core::time::Duration;
use offhook_sdp::codec::MediaKind;

const THIRD: LegKey = LegKey(5);

/// A call of two phones whose caller also feeds a third leg, which receives PCMA.
fn fed() -> Scene {
    let mut scene = Scene::new();
    let mut only_a = telephone();
    only_a.payloads.retain(|payload| payload.number == 8);
    let video = || section(MediaKind::Video, vec![super::payload(99, "VP8", 90_000, 1, &["nack pli"])]);
    for (leg, audio) in [(PHONE, telephone()), (OTHER, telephone()), (THIRD, only_a)] {
        scene.phone(leg, vec![audio, video()]);
    }
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    scene.worker.feed(PHONE, THIRD);
    scene
}

impl Scene {
    /// The numbers of packets that reached the other leg of the call and the third leg.
    fn fan_out(&mut self, sequence: u16) -> [usize; 2] {
        self.phone_sends(PHONE, 0, (0, sequence, u32::from(sequence) * 160, 7), &[0xff; 160]);
        self.run(Duration::from_millis(20));
        [OTHER, THIRD].map(|leg| self.take_rtp_of(leg, 0).len())
    }
}

#[test]
fn one_source_feeds_two_sinks() {
    let mut scene = fed();
    scene.phone_sends(PHONE, 0, (0, 1, 160, 7), &[0xff; 160]);
    let [other, third] = [OTHER, THIRD].map(|leg| scene.take_rtp_of(leg, 0).remove(0));
    assert_eq!((other.0.payload_type, &other.1[12..]), (0, &[0xff; 160][..]), "unchanged");
    assert_eq!((third.0.payload_type, &third.1[12..]), (8, &[0xd5; 160][..]), "converted");
    assert_eq!([other.2, third.2], [OTHER, THIRD].map(|leg| remote(leg, 0).rtp));
    // The streams of the third leg have no sink.
    let before = scene.worker.counters().dropped.not_bridged;
    scene.phone_sends(THIRD, 0, (8, 1, 160, 7), &[0xd5; 160]);
    assert_eq!(scene.worker.counters().dropped.not_bridged, before + 1);
    scene.phone_sends(OTHER, 0, (0, 1, 160, 7), &[0xff; 160]);
    assert_eq!([PHONE, THIRD].map(|leg| scene.take_rtp_of(leg, 0).len()), [1, 0]);
}

#[test]
fn each_sink_ends_by_itself() {
    let mut scene = fed();
    assert_eq!(scene.fan_out(1), [1, 1]);
    scene.order(Command::Unbridge { leg: PHONE });
    assert_eq!(scene.fan_out(2), [0, 1]);
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    assert_eq!(scene.fan_out(3), [1, 1]);
    scene.order(Command::Close { leg: OTHER });
    assert_eq!(scene.fan_out(4)[1], 1);
    scene.order(Command::Close { leg: THIRD });
    let before = scene.worker.counters().dropped.not_bridged;
    assert_eq!(scene.fan_out(5), [0, 0]);
    assert_eq!(scene.worker.counters().dropped.not_bridged, before + 1, "there is no sink left");
}

#[test]
fn index_of_closed_sink_is_not_used_by_next_leg() {
    let mut scene = fed();
    scene.order(Command::Close { leg: THIRD });
    let next = LegKey(6);
    scene.phone(next, vec![telephone()]);
    scene.fan_out(1);
    assert_eq!(scene.take_rtp_of(next, 0).len(), 0);
}

#[test]
fn new_description_of_one_sink_keeps_other() {
    let mut scene = fed();
    scene.fan_out(1);
    let mut streams = vec![super::phone::stream(THIRD, 0, telephone())];
    scene.connect_phone(THIRD, core::mem::take(&mut streams));
    assert_eq!(scene.fan_out(2), [1, 1]);
}

#[test]
fn sender_report_reaches_all_sinks_and_feedback_reaches_source() {
    let mut scene = fed();
    scene.phone_sends(PHONE, 1, (99, 1, 3000, 9), &[0x10, 0, 0, 0]);
    scene.run(Duration::from_millis(20));
    scene.outside.clear();
    let figures = SenderFigures { ssrc: 9, ntp: 7 << 32, timestamp: 3000, packets: 1, octets: 4 };
    let mut report = Vec::new();
    write::sender_report(&figures, &[], &mut report);
    scene.arrives(rtcp_of(remote(PHONE, 1)), local(PHONE, 1).rtcp, report);
    // Long enough for the repeated key frame requests of the new sinks.
    scene.run(Duration::from_secs(5));
    for leg in [OTHER, THIRD] {
        let compound = scene.take_rtcp_from(local(leg, 1).rtcp).remove(0).0;
        let seconds = compound[8..12].iter().fold(0, |value, octet| value << 8 | u32::from(*octet));
        assert_eq!(kinds(&compound)[0], SR);
        assert!((7..10).contains(&seconds), "the clock of the source and not that of the relay: {seconds}");
    }
    // A key frame request of the third leg.
    scene.outside.clear();
    let mut request = Vec::new();
    write::receiver_report(1, &[], &mut request);
    write::picture_loss(1, super::phone::ssrc(THIRD, 1), &mut request);
    scene.arrives(rtcp_of(remote(THIRD, 1)), local(THIRD, 1).rtcp, request);
    scene.run(Duration::from_millis(10));
    let to_source = scene.take_rtcp_from(local(PHONE, 1).rtcp);
    assert!(to_source.iter().any(|(compound, _)| kinds(compound).contains(&PSFB)));
}
