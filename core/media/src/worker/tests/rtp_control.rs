//! RTCP of SIP legs: reports, BYE and key frame requests.

use super::phone::{PHONE, camera, contexts, keys, kinds, local, remote, rtcp_of, ssrc, stream, telephone};
use super::{ALICE, Scene, audio, video};
use crate::command::{Command, Event, LegKey};
use crate::rtcp::packet::{BYE, Compound, FIR, PLI, PSFB, RR, SDES, SR, word};
use crate::rtcp::write::{self, SenderFigures};
use crate::transport::srtp::Profile;
use core::time::Duration;

const STEP: Duration = Duration::from_millis(20);

fn phone_call() -> Scene {
    Scene::phone_call(vec![audio(111, 110, (4, "0"), 1)], vec![telephone()])
}

fn phone_reports(scene: &mut Scene, section: u16, compound: Vec<u8>) {
    scene.arrives(rtcp_of(remote(PHONE, section)), local(PHONE, section).rtcp, compound);
}

/// RTCP that was sent to the phone for a section.
fn taken(scene: &mut Scene, section: u16) -> Vec<Vec<u8>> {
    let sent = scene.take_rtcp_from(local(PHONE, section).rtcp);
    let to = rtcp_of(remote(PHONE, section));
    sent.into_iter().map(|(compound, remote)| (remote == to).then_some(compound).expect("to the phone")).collect()
}

fn body(compound: &[u8], kind: u8) -> Vec<u8> {
    Compound::new(compound).find(|chunk| chunk.kind == kind).unwrap().body.to_vec()
}

/// Advances time until RTCP is sent to the phone, and returns it.
fn next(scene: &mut Scene, section: u16) -> Vec<Vec<u8>> {
    for _ in 0..1000 {
        scene.run(Duration::from_millis(10));
        let compounds = taken(scene, section);
        if !compounds.is_empty() {
            return compounds;
        }
    }
    panic!("no report within 10 s")
}

#[test]
fn report_interval_is_randomized() {
    let mut scene = phone_call();
    let mut gaps = Vec::new();
    for n in 0..40_u16 {
        let before = scene.now;
        scene.phone_sends(PHONE, 0, (0, n, 0, 5), b"x");
        scene.alice.check(false);
        next(&mut scene, 0);
        gaps.push(u32::try_from(scene.now.since(before).as_millis()).unwrap());
    }
    assert!(gaps.iter().all(|gap| (2500..=7510).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap < 3500) && gaps.iter().any(|gap| *gap > 6500), "{gaps:?}");
    let average = gaps.iter().sum::<u32>() / 40;
    assert!((4000..6000).contains(&average), "{average}");
}

#[test]
fn reports_match_sent_and_received_packets() {
    let mut scene = phone_call();
    let quiet = next(&mut scene, 0);
    assert_eq!(quiet.len(), 1);
    assert_eq!(kinds(&quiet[0]), [RR, SDES]);
    assert_eq!(body(&quiet[0], RR), ssrc(PHONE, 0).to_be_bytes(), "without a block");
    assert_eq!(body(&quiet[0], SDES)[4..13], *b"\x01\x07phone-3");
    // 100 packets are sent; 75 of 100 packets are received.
    let started = scene.now;
    for n in 0..100_u16 {
        scene.alice.send_rtp((0, n, 160 * u32::from(n), 77), &[], &[0; 160]);
        if n % 4 != 1 {
            scene.phone_sends(PHONE, 0, (0, n, 160 * u32::from(n), 5), &[0; 160]);
        }
        scene.run(STEP);
    }
    let last = scene.take_rtp_of(PHONE, 0).pop().unwrap().0.timestamp;
    let report = next(&mut scene, 0).remove(0);
    assert_eq!(kinds(&report), [SR, SDES]);
    let report = body(&report, SR);
    assert_eq!(word(&report, 0), Some(ssrc(PHONE, 0)));
    let fraction = (u64::from(word(&report, 8).unwrap()) * 1_000_000) >> 32;
    let reported_at = (u64::from(word(&report, 4).unwrap()) - 2_208_988_800) * 1_000_000 + fraction;
    assert!(scene.now.as_micros() - reported_at <= 10_001, "the relay's own clock");
    let since_last = reported_at - (started + STEP * 99).as_micros();
    let passed = u32::try_from(since_last * 8 / 1000).unwrap();
    assert!(word(&report, 12).unwrap().wrapping_sub(last).abs_diff(passed) <= 1);
    assert_eq!((word(&report, 16), word(&report, 20)), (Some(100), Some(16_000)));
    assert_eq!(word(&report, 24), Some(5), "one block for one source");
    assert_eq!(word(&report, 28), Some(64 << 24 | 25), "a quarter lost");
    assert_eq!(word(&report, 32), Some(0x1_0000 + 99 - 0x1_0000));
    scene.run(Duration::from_secs(20));
    let after = taken(&mut scene, 0);
    assert_eq!(kinds(after.last().unwrap()), [RR, SDES], "nothing was sent for two intervals");
    assert_eq!(body(after.last().unwrap(), RR).len(), 4, "and nothing was received");
}

#[test]
fn sender_reports_are_relayed_in_both_directions() {
    let mut scene = phone_call();
    scene.alice.send_rtp((0, 1, 8000, 77), &[], b"a");
    scene.exchange();
    let first = scene.take_rtp_of(PHONE, 0)[0].0.timestamp;
    scene.alice.send_sender_report(77, 10 << 32, 8160);
    let report = body(&next(&mut scene, 0)[0], SR);
    let passed = word(&report, 4).unwrap() - 10;
    assert!((1..=7).contains(&passed), "the current time by the browser's clock");
    let ticks = passed * 8000 + u32::try_from((u64::from(word(&report, 8).unwrap()) * 8000) >> 32).unwrap();
    let mapped = word(&report, 12).unwrap().wrapping_sub(first.wrapping_add(160));
    assert!(mapped.abs_diff(ticks) <= 1, "{mapped} units after the browser's report, by its clock {ticks}");

    scene.phone_sends(PHONE, 0, (0, 1, 500, 5), b"x");
    let received = scene.alice.take_rtp()[0].0;
    let mut compound = Vec::new();
    let figures = SenderFigures { ssrc: 5, ntp: 99 << 32, timestamp: 660, packets: 9, octets: 9 };
    write::sender_report(&figures, &[], &mut compound);
    phone_reports(&mut scene, 0, compound);
    let reports = scene.alice.take_sender_reports();
    assert_eq!(reports, [(1000, 99 << 32, received.timestamp.wrapping_add(160), 1, 1)]);
    let report = next(&mut scene, 0).remove(0);
    let block =
        if kinds(&report)[0] == SR { body(&report, SR)[24..].to_vec() } else { body(&report, RR)[4..].to_vec() };
    assert_eq!(word(&block, 16), Some(99 << 16), "middle of the phone's NTP time");
    let delay = word(&block, 20).unwrap();
    assert!((5 << 15..=15 << 15).contains(&delay), "2.5 to 7.5 s: {delay}");
}

#[test]
fn relay_generates_sender_report_if_phone_sends_none() {
    let mut scene = phone_call();
    let mut reports = Vec::new();
    for n in 0..150_u16 {
        scene.phone_sends(PHONE, 0, (0, n, 160 * u32::from(n), 5), &[0; 160]);
        scene.run(STEP);
        reports = scene.alice.take_sender_reports();
        if !reports.is_empty() {
            break;
        }
    }
    let last = scene.alice.take_rtp().pop().unwrap().0.timestamp;
    let [(ssrc, ntp, timestamp, packets, octets)] = reports[..] else { panic!("one report: {reports:?}") };
    assert_eq!((ssrc, octets / packets), (1000, 160));
    let ago = scene.now.as_micros() / 1_000_000 + 2_208_988_800 - (ntp >> 32);
    assert!(ago <= 1 && timestamp.wrapping_sub(last) <= 160, "{ago} s, {last} and {timestamp}");
}

#[test]
fn audio_and_video_reports_share_one_clock() {
    let of_alice = vec![audio(111, 110, (4, "0"), 1), video(100, 78)];
    let mut scene = Scene::phone_call(of_alice, vec![telephone(), camera(&[])]);
    for n in 0..40_u16 {
        scene.alice.send_rtp((0, n, 160 * u32::from(n), 77), &[], b"sound");
        scene.alice.send_rtp((100, n, 1800 * u32::from(n), 78), &[], b"picture");
        scene.run(STEP);
    }
    scene.alice.send_sender_report(77, 10 << 32, 6400);
    scene.run(Duration::from_millis(400));
    let kinds_of = |scene: &mut Scene, section| kinds(&taken(scene, section)[0])[0];
    assert_eq!((kinds_of(&mut scene, 0), kinds_of(&mut scene, 1)), (SR, RR), "no sender report for video yet");
    scene.alice.send_sender_report(78, 10 << 32, 72_000);
    scene.run(Duration::from_secs(1));
    let seconds = [0, 1].map(|section| word(&body(&taken(&mut scene, section)[0], SR), 4).unwrap());
    assert!(seconds.iter().all(|seconds| (10..=12).contains(seconds)), "{seconds:?}");
}

#[test]
fn bye_is_sent_once_and_processed() {
    let mut scene = phone_call();
    scene.phone_sends(PHONE, 0, (0, 1, 160, 5), b"x");
    let mut compound = Vec::new();
    write::receiver_report(5, &[], &mut compound);
    write::goodbye(5, &mut compound);
    phone_reports(&mut scene, 0, compound);
    assert!(scene.worker.legs[&PHONE].source_count() == 0, "the source is removed");
    scene.alice.send_rtp((0, 1, 8000, 77), &[], b"a");
    scene.exchange();
    scene.order(Command::Close { leg: PHONE });
    assert_eq!(kinds(&scene.outside.pop().unwrap().payload), [SR, SDES, BYE]);
    assert!(scene.sockets.is_empty(), "closed after the BYE");

    let mut silent = phone_call();
    silent.order(Command::Close { leg: PHONE });
    assert!(silent.outside.is_empty(), "no BYE if nothing was sent (RFC 3550 §6.3.7)");
}

#[test]
fn reports_are_protected_if_rtp_is() {
    for suite in [Profile::AesCm128HmacSha1, Profile::AesCm128HmacSha1Short, Profile::AeadAes128Gcm] {
        let mut scene = phone_call();
        let keys = keys(suite, 9);
        let (mut inbound, mut outbound) = contexts(&keys);
        let mut secure = stream(PHONE, 0, telephone());
        secure.srtp = Some(keys);
        scene.connect_phone(PHONE, vec![secure]);
        scene.run(Duration::from_secs(5));
        scene.order(Command::Close { leg: PHONE });
        for (n, mut compound) in taken(&mut scene, 0).into_iter().enumerate() {
            let length = inbound.unprotect_rtcp(&mut compound).unwrap();
            let expected: &[u8] = if n == 0 { &[RR, SDES] } else { &[RR, SDES, BYE] };
            assert_eq!(kinds(&compound[..length]), expected, "{suite:?}");
        }
        let mut scene = phone_call();
        let mut secure = stream(PHONE, 0, telephone());
        secure.srtp = Some(super::phone::keys(suite, 9));
        scene.connect_phone(PHONE, vec![secure]);
        let mut report = Vec::new();
        write::receiver_report(5, &[], &mut report);
        let plain = [report.clone(), vec![0; 20]].concat();
        outbound.protect_rtcp(&mut report).unwrap();
        phone_reports(&mut scene, 0, report.clone());
        phone_reports(&mut scene, 0, report);
        phone_reports(&mut scene, 0, plain);
        let counters = scene.worker.counters();
        assert_eq!((counters.rx_rtcp, counters.dropped.replayed, counters.dropped.unauthentic), (1, 1, 1));
    }
}

fn watching(feedback: &[&str]) -> Scene {
    let of_alice = vec![audio(111, 110, (4, "0"), 1), video(100, 78)];
    let mut scene = Scene::phone_call(of_alice, vec![telephone(), camera(feedback)]);
    // A VP8 key frame, which a new source is expected to send.
    scene.phone_sends(PHONE, 1, (99, 1, 0, 6), &[0x10, 0, 0, 0]);
    scene.run(Duration::from_secs(4));
    scene.alice.check(false);
    scene.outside.clear();
    scene.events.clear();
    assert_eq!(scene.alice.take_rtp().len(), 1);
    scene
}

fn feedback(scene: &mut Scene) -> Vec<(u8, u8)> {
    let sent = taken(scene, 1);
    let chunks =
        sent.iter().flat_map(|compound| Compound::new(compound).map(|c| (c.kind, c.count)).collect::<Vec<_>>());
    chunks.filter(|(kind, _)| *kind == PSFB).collect()
}

#[test]
fn key_frame_request_uses_feedback_of_phone() {
    let table = [
        (vec!["nack pli"], vec![(PSFB, PLI)], vec![]),
        (vec!["ccm fir"], vec![(PSFB, FIR)], vec![]),
        (vec![], vec![], vec![Event::KeyFrameWanted { leg: PHONE }]),
    ];
    for (negotiated, sent, events) in table {
        let mut scene = watching(&negotiated);
        scene.alice.send_feedback(PSFB, PLI, 1001, &[]);
        scene.run(STEP);
        assert_eq!(feedback(&mut scene), sent, "{negotiated:?}");
        assert_eq!(scene.events, events, "{negotiated:?}");
    }
    let mut scene = watching(&[]);
    for _ in 0..100 {
        scene.alice.send_feedback(PSFB, PLI, 1001, &[]);
        scene.run(STEP);
    }
    assert_eq!(scene.events.len(), 2, "at most one request per second");
}

#[test]
fn key_frame_request_of_phone_reaches_browser() {
    let mut scene = watching(&[]);
    for n in 0..2 {
        scene.alice.send_rtp((100, n, 0, 78), &[], &[0x10, 0, 0, 0]);
    }
    scene.run(Duration::from_secs(1));
    scene.alice.take_feedback(PSFB, PLI);
    scene.order(Command::RequestKeyFrame { leg: PHONE });
    assert_eq!(scene.alice.take_feedback(PSFB, PLI), [(78, vec![])]);
    scene.run(Duration::from_secs(2));
    assert_eq!(scene.alice.take_feedback(PSFB, PLI), [], "requested once");
    let ask: [fn(&mut Vec<u8>); 2] =
        [|out| write::picture_loss(6, ssrc(PHONE, 1), out), |out| write::full_intra_request(6, ssrc(PHONE, 1), 1, out)];
    for write in ask {
        let mut compound = Vec::new();
        write::receiver_report(6, &[], &mut compound);
        write(&mut compound);
        phone_reports(&mut scene, 1, compound);
        assert_eq!(scene.alice.take_feedback(PSFB, PLI), [(78, vec![])]);
        scene.run(Duration::from_secs(1));
    }
    scene.order(Command::RequestKeyFrame { leg: ALICE });
    assert_eq!(scene.events, [Event::KeyFrameWanted { leg: PHONE }]);
    scene.order(Command::Unbridge { leg: PHONE });
    scene.order(Command::RequestKeyFrame { leg: PHONE });
    scene.order(Command::RequestKeyFrame { leg: LegKey(99) });
    assert_eq!(scene.worker.counters().dropped.bad_command, 1);
}
