//! Statistics of legs and their reports.

use super::phone::{OTHER, PHONE, connect, local, remote, rtcp_of, telephone};
use super::{ALICE, BOB, Output, Scene};
use crate::command::{Command, Event, LegKey, LegReport, LocalRtp, LocalTransport, ReportStage, Silence};
use crate::rtcp::packet::{Compound, SR, SenderReport};
use crate::rtcp::statistics::{ReceptionTotals, ReportBlock, middle_of};
use crate::rtcp::write;
use crate::rtp::rewrite::ticks;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::MediaKind;

/// The final report of a leg.
fn final_report(scene: &Scene, leg: LegKey) -> LegReport {
    let of_leg = |report: &&LegReport| report.leg == leg && report.stage == ReportStage::Final;
    let reports: Vec<&LegReport> = scene.reports.iter().filter(of_leg).collect();
    assert_eq!(reports.len(), 1, "{:?}", scene.reports);
    reports[0].clone()
}

/// A call between two phones.
fn call_of_phones() -> Scene {
    let mut scene = Scene::new();
    scene.phone(PHONE, vec![telephone()]);
    scene.phone(OTHER, vec![telephone()]);
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    scene
}

/// The phone sends packets of 160 octets every 20 ms, of which each 20th is lost and every other one is 5 ms late.
fn send_with_losses(scene: &mut Scene, packets: u16) {
    for n in 0..packets {
        let late = Duration::from_millis(if n % 2 == 1 { 5 } else { 0 });
        scene.run(late);
        if n % 20 != 10 {
            scene.phone_sends(PHONE, 0, (0, n, u32::from(n) * 160, 7), &[0x55; 160]);
        }
        scene.run(Duration::from_millis(20) - late);
    }
}

#[test]
fn closed_leg_reports_losses_and_jitter() {
    let mut scene = call_of_phones();
    send_with_losses(&mut scene, 400);
    scene.order(Command::Close { leg: PHONE });
    scene.order(Command::Close { leg: OTHER });
    let stream = final_report(&scene, PHONE).streams[0];
    assert_eq!(stream.received, ReceptionTotals { packets: 380, octets: 380 * 160, lost: 20 });
    // Every difference of transit times is 5 ms, except across a loss.
    let jitter = stream.jitter.as_micros();
    assert!((4_400..=5_000).contains(&jitter), "{jitter} us");
    assert_eq!((stream.kind, stream.sent_packets, stream.peer), (MediaKind::Audio, 0, None));
    let stream = final_report(&scene, OTHER).streams[0];
    assert_eq!((stream.received, stream.jitter), (ReceptionTotals::default(), Duration::ZERO));
    assert_eq!((stream.sent_packets, stream.sent_octets), (380, 380 * 160));
}

#[test]
fn totals_include_sources_that_sent_bye() {
    let mut scene = call_of_phones();
    for (ssrc, sequence) in [(7, 1), (7, 3), (8, 100), (8, 101)] {
        scene.phone_sends(PHONE, 0, (0, sequence, 0, ssrc), &[0x55; 160]);
        let mut goodbye = Vec::new();
        write::receiver_report(ssrc, &[], &mut goodbye);
        write::goodbye(ssrc, &mut goodbye);
        if sequence == 3 {
            scene.arrives(rtcp_of(remote(PHONE, 0)), local(PHONE, 0).rtcp, goodbye);
        }
    }
    scene.order(Command::Close { leg: PHONE });
    let stream = final_report(&scene, PHONE).streams[0];
    assert_eq!(stream.received, ReceptionTotals { packets: 4, octets: 640, lost: 1 });
}

#[test]
fn report_of_peer_has_losses_jitter_and_round_trip() {
    let mut scene = call_of_phones();
    // OTHER receives what PHONE sends, and a sender report about it.
    send_with_losses(&mut scene, 500);
    let sent = scene.take_rtcp_from(local(OTHER, 0).rtcp);
    let reports = sent.iter().flat_map(|(compound, _)| Compound::new(compound)).filter(|chunk| chunk.kind == SR);
    let ntp = reports.filter_map(|chunk| SenderReport::parse(chunk.body)).last().expect("a sender report").ntp;
    let micros = ((ntp >> 32) - 2_208_988_800) * 1_000_000 + (((ntp & u64::from(u32::MAX)) * 1_000_000) >> 32);
    let network = Duration::from_millis(60);
    let delay = scene.now.since(Time::from_micros(micros)) - network;
    let block = ReportBlock {
        ssrc: super::phone::ssrc(OTHER, 0),
        fraction_lost: 26,
        lost: 0xff_fffe,
        highest: 500,
        jitter: 24,
        last_sr: middle_of(ntp),
        delay: ticks(delay, 65_536),
    };
    let mut report = Vec::new();
    write::receiver_report(9, &[ReportBlock { ssrc: 1, lost: 77, ..block }, block], &mut report);
    scene.arrives(rtcp_of(remote(OTHER, 0)), local(OTHER, 0).rtcp, report);
    scene.order(Command::Close { leg: OTHER });
    let peer = final_report(&scene, OTHER).streams[0].peer.expect("the peer's report");
    assert_eq!((peer.fraction_lost, peer.lost, peer.jitter), (26, -2, Duration::from_millis(3)));
    let round_trip = peer.round_trip.expect("a round-trip time");
    assert!(round_trip.abs_diff(network) < Duration::from_micros(100), "{round_trip:?}");
}

#[test]
fn browser_report_about_relayed_clock_has_round_trip() {
    let mut scene = Scene::bridged_call();
    // The sender report of Bob's browser has the clock of that browser; it is relayed to Alice's at once.
    scene.bob.send_rtp((109, 1, 960, 88), &[], b"b");
    scene.exchange();
    scene.bob.send_sender_report(88, 0x1234_5678_9abc_def0, 960);
    scene.exchange();
    let (ssrc, ntp, ..) = scene.alice.take_sender_reports()[0];
    scene.run(Duration::from_millis(250));
    let delay = ticks(Duration::from_millis(200), 65_536);
    let block = ReportBlock { ssrc, lost: 3, jitter: 480, last_sr: middle_of(ntp), delay, ..ReportBlock::default() };
    let mut report = Vec::new();
    write::receiver_report(77, &[block], &mut report);
    scene.alice.send_rtcp(report);
    scene.exchange();
    scene.order(Command::Close { leg: ALICE });
    let peer = final_report(&scene, ALICE).streams[0].peer.expect("the browser's report");
    assert_eq!((peer.lost, peer.jitter), (3, Duration::from_millis(10)));
    let round_trip = peer.round_trip.expect("a round-trip time");
    assert!(round_trip.abs_diff(Duration::from_millis(50)) < Duration::from_micros(100), "{round_trip:?}");
}

#[test]
fn failed_and_unconnected_legs_have_final_report() {
    let mut scene = Scene::new();
    scene.phone(PHONE, vec![telephone()]);
    scene.phone_sends(PHONE, 0, (0, 1, 0, 7), &[0x55; 160]);
    scene.run(Duration::from_secs(40));
    assert_eq!(scene.events, [Event::LegDead { leg: PHONE }]);
    assert_eq!(final_report(&scene, PHONE).streams[0].received.packets, 1);
    scene.order(Command::Close { leg: BOB });
    assert_eq!(final_report(&scene, BOB).streams, []);
}

#[test]
fn final_report_precedes_failure() {
    let mut scene = call_of_phones();
    while scene.worker.legs.len() > 3 {
        scene.now = scene.now + Duration::from_secs(1);
        scene.worker.handle_timeout(scene.now);
    }
    let mut events = Vec::new();
    while let Some(output) = scene.worker.poll_output() {
        match output {
            Output::Event(Event::LegReports(reports)) if reports[0].stage == ReportStage::Final => {
                events.push("report");
            }
            Output::Event(Event::LegDead { .. }) => events.push("dead"),
            _ => {}
        }
    }
    assert_eq!(events.get(..2), Some(["report", "dead"].as_slice()));
}

#[test]
fn every_connected_leg_is_reported_once_per_interval_in_slices() {
    let mut scene = Scene::new();
    let interval = scene.worker.config.report_interval;
    scene.run(interval);
    assert_eq!(scene.reports, [], "no leg is connected");
    let legs: Vec<LegKey> = (10..30).map(LegKey).collect();
    for leg in &legs {
        let (rtp, rtcp) = (20_000 + 2 * leg.0, 20_001 + 2 * leg.0);
        let on = |port| format!("192.0.2.1:{port}").parse().unwrap();
        let sections = vec![LocalRtp { rtp: on(rtp), rtcp: on(rtcp) }];
        scene.order(Command::Open { leg: *leg, transport: LocalTransport::Rtp { sections, cname: String::new() } });
        let streams = vec![super::phone::stream(*leg, 0, telephone())];
        let silence = Silence::Tolerated;
        scene.order(connect(*leg, streams, None, silence));
    }
    scene.reports.clear();
    let mut batches = Vec::new();
    let end = scene.now + interval;
    while let Some(next) = scene.worker.poll_timeout().filter(|next| *next <= end) {
        scene.now = next;
        scene.worker.handle_timeout(next);
        while let Some(output) = scene.worker.poll_output() {
            if let Output::Event(Event::LegReports(reports)) = output {
                batches.push(reports);
            }
        }
    }
    assert_eq!(batches.len(), 8);
    let mut reported: Vec<LegKey> = batches.iter().flatten().map(|report| report.leg).collect();
    reported.sort();
    assert_eq!(reported, legs);
    assert!(batches.iter().all(|batch| batch.len() <= 3), "the legs are spread over the slices");
}

#[test]
fn worker_without_legs_has_no_deadline_for_reports() {
    let mut scene = call_of_phones();
    for leg in [ALICE, BOB, PHONE, OTHER] {
        scene.order(Command::Close { leg });
    }
    assert_eq!(scene.worker.poll_timeout(), None);
}
