//! The events and records of calls, as the shell receives them.

use super::{Bench, config, with_sip};
use crate::call::{CallEvent, EndpointKind};
use crate::io::ConnectionId;
use crate::record::{CallScheme, LegRole};
use core::time::Duration;
use offhook_media::command::{Command, Event, LegKey, LegReport, PeerReception, ReportStage, StreamStatistics};
use offhook_media::quality::SpeechCodec;
use offhook_media::rtcp::statistics::ReceptionTotals;
use offhook_sdp::codec::MediaKind;
use offhook_signaling::message::ClientMessage;
use offhook_signaling::reason::EndReason;

/// The events that the log writes, with the scheme and the callee of their records.
fn milestones(bench: &mut Bench) -> Vec<(&'static str, CallScheme, Option<EndpointKind>)> {
    let events = core::mem::take(&mut bench.events).into_iter();
    let logged = events.filter_map(|(event, record)| {
        let name = match event {
            CallEvent::Placed { .. } => "placed",
            CallEvent::Answered { .. } => "answered",
            CallEvent::Ended { .. } => "ended",
            _ => return None,
        };
        Some((name, record.scheme, record.callee))
    });
    logged.collect()
}

#[test]
fn answered_call_is_reported_when_placed_answered_and_ended() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    let at_bob = bench.incoming(bob);
    assert_eq!(bench.relay.counts().legs, 2);
    bench.wait(Duration::from_secs(3));
    bench.answer(bob, &at_bob);
    bench.wait(Duration::from_secs(20));
    bench.hang_up(alice, "a1");
    assert_eq!(bench.relay.counts().legs, 0);
    let (event, record) = bench.events.last().cloned().unwrap();
    assert_eq!(event, CallEvent::Ended { reason: EndReason::HungUp });
    assert_eq!(record.setup_time(bench.now), Duration::from_secs(3));
    assert_eq!(record.duration(bench.now), Some(Duration::from_secs(20)));
    assert_eq!(record.codecs.first().map(String::as_str), Some("opus"));
    assert_eq!((record.from.as_str(), record.to.as_str()), ("alice", "bob"));
    assert_eq!(record.callee_address.as_deref(), Some("bob"));
    assert_eq!((record.alerted_at, record.sip_status), (Some(record.placed_at), Some(200)));
    let callee = Some(EndpointKind::Browser);
    let expected = [
        ("placed", CallScheme::Local, None),
        ("answered", CallScheme::Local, callee),
        ("ended", CallScheme::Local, callee),
    ];
    assert_eq!(milestones(&mut bench), expected);
    bench.assert_no_leak(&[]);
}

#[test]
fn refused_call_is_reported_without_an_answer() {
    let mut bench = Bench::new(config());
    let alice = bench.login("alice");
    bench.call(alice, "a1", "nobody");
    let (event, record) = bench.events.last().cloned().unwrap();
    assert_eq!(event, CallEvent::Ended { reason: EndReason::NotFound });
    assert_eq!(record.duration(bench.now), None);
    assert_eq!((record.to.as_str(), record.routes.len(), record.sip_status), ("nobody", 0, Some(404)));
    assert_eq!(milestones(&mut bench), [("placed", CallScheme::Local, None), ("ended", CallScheme::Local, None)]);
}

#[test]
fn ignored_input_is_counted() {
    let mut bench = Bench::new(with_sip());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    bench.incoming(bob);
    let leg = bench.relay.calls.legs()[0];
    bench.media_event(Event::DtmfReceived { leg, digit: '1' });
    assert_eq!(bench.relay.counters().ignored_by_calls, 1);
}

fn statistics(received: u64, lost: u64, jitter_ms: u64) -> Vec<StreamStatistics> {
    vec![StreamStatistics {
        kind: MediaKind::Audio,
        received_codec: Some(SpeechCodec::Pcm),
        sent_codec: Some(SpeechCodec::Pcm),
        received: ReceptionTotals { packets: received, octets: received * 160, lost },
        jitter: Duration::from_millis(jitter_ms),
        sent_packets: 1000,
        sent_octets: 160_000,
        peer: Some(PeerReception {
            fraction_lost: 0,
            lost: 9,
            jitter: Duration::from_millis(2),
            round_trip: Some(Duration::from_millis(40)),
        }),
    }]
}

/// The legs of an established call of two browsers, caller first.
fn legs(bench: &Bench) -> [LegKey; 2] {
    let opened: Vec<LegKey> = bench.media.iter().filter_map(Command::opened_leg).collect();
    // The callee's leg is opened first.
    let record = &bench.events.last().expect("an event").1;
    let caller = record.caller_leg;
    let callee = record.callee_leg.expect("a callee");
    assert!(opened.contains(&caller) && opened.contains(&callee));
    [caller, callee]
}

fn interim(bench: &mut Bench, leg: LegKey, streams: Vec<StreamStatistics>) {
    bench.media_event(Event::LegReports(vec![LegReport { leg, stage: ReportStage::Interim, streams }]));
}

/// A call of two browsers, and its legs, caller first.
fn established() -> (Bench, ConnectionId, [LegKey; 2]) {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    let legs = legs(&bench);
    (bench, alice, legs)
}

#[test]
fn ended_record_has_final_statistics_of_both_legs() {
    let (mut bench, alice, [caller, callee]) = established();
    interim(&mut bench, caller, statistics(10, 1, 1));
    let (event, record) = bench.events.last().cloned().unwrap();
    assert_eq!(event, CallEvent::QualityReported { leg: caller, streams: statistics(10, 1, 1) });
    assert_eq!(record.quality_of(LegRole::Caller).map(|quality| quality.received.lost), Some(1));
    bench.statistics = [(caller, statistics(950, 50, 5)), (callee, statistics(1000, 0, 1))].into();
    bench.hang_up(alice, "a1");
    let (event, record) = bench.events.last().cloned().unwrap();
    assert_eq!(event, CallEvent::Ended { reason: EndReason::HungUp });
    let [of_caller, of_callee] = [LegRole::Caller, LegRole::Callee].map(|role| record.quality_of(role).unwrap());
    assert_eq!((of_caller.received.packets, of_caller.received.lost), (950, 50));
    assert_eq!((of_caller.jitter, of_callee.jitter), (Duration::from_millis(5), Duration::from_millis(1)));
    let peer = of_caller.peer.unwrap();
    assert_eq!((peer.lost, peer.jitter.as_millis(), peer.round_trip), (9, 2, Some(Duration::from_millis(40))));
    // 5 % of losses at the relay, less than 1 % at the peer; both with 40 ms of round-trip time.
    let [received, sent] = [of_caller.mos, peer.mos].map(|mos| mos.expect("a score"));
    assert!((3.80..3.90).contains(&received) && (4.25..4.35).contains(&sent), "{received} {sent}");
    assert_eq!(record.quality_of(LegRole::Other), None);
    bench.assert_no_leak(&[]);
}

#[test]
fn record_is_not_reported_before_final_statistics() {
    let (mut bench, alice, [caller, callee]) = established();
    bench.workers_run = false;
    bench.hang_up(alice, "a1");
    let ended_at = bench.now;
    let ended = |bench: &Bench| bench.events.iter().any(|(event, _)| matches!(event, CallEvent::Ended { .. }));
    assert_eq!(bench.relay.counts().calls, 0);
    bench.wait(Duration::from_millis(300));
    for leg in [caller, callee] {
        assert!(!ended(&bench) && bench.relay.has_pending_records());
        let streams = statistics(100, 5, 5);
        bench.media_event(Event::LegReports(vec![LegReport { leg, stage: ReportStage::Final, streams }]));
    }
    let (_, record) = bench.events.last().unwrap();
    assert!(ended(&bench) && !bench.relay.has_pending_records());
    assert_eq!(record.quality_of(LegRole::Callee).unwrap().received.lost, 5);
    assert_eq!(bench.ends, [ended_at], "the time of the end, not that of the reports");
    bench.assert_no_leak(&[]);
}

#[test]
fn record_of_call_on_dead_worker_is_reported_after_one_second() {
    let (mut bench, alice, [caller, _]) = established();
    interim(&mut bench, caller, statistics(10, 1, 1));
    bench.workers_run = false;
    bench.hang_up(alice, "a1");
    bench.wait(Duration::from_millis(999));
    assert!(bench.relay.has_pending_records());
    bench.wait(Duration::from_millis(1));
    let (event, record) = bench.events.last().unwrap();
    assert_eq!(*event, CallEvent::Ended { reason: EndReason::HungUp });
    assert_eq!(record.quality_of(LegRole::Caller).unwrap().received.lost, 1, "the last interim report");
    bench.assert_no_leak(&[]);
}

#[test]
fn transferred_leg_is_in_the_record_of_the_remaining_call() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    let id_of_bob = bench.establish(alice, "a1", bob, "bob");
    let [_, at_bob] = legs(&bench);
    bench.send(alice, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: true });
    bench.take(alice);
    bench.establish(alice, "a2", carol, "carol");
    let [_, at_carol] = legs(&bench);
    interim(&mut bench, at_carol, statistics(30, 3, 3));
    bench.statistics = [(at_bob, statistics(900, 10, 1)), (at_carol, statistics(500, 20, 4))].into();
    bench.send(alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "carol".into() });
    bench.hang_up(bob, id_of_bob.as_str());
    let ended = bench.events.iter().filter(|(event, _)| matches!(event, CallEvent::Ended { .. }));
    let records: Vec<_> = ended.map(|(_, record)| record).collect();
    let [consultation, remaining] = records[..] else { panic!("{records:?}") };
    assert!(!consultation.legs.contains_key(&at_carol), "{consultation:?}");
    assert_eq!(remaining.quality_of(LegRole::Callee).unwrap().received.lost, 10);
    assert_eq!(remaining.quality_of(LegRole::Other).unwrap().received.lost, 20);
    bench.assert_no_leak(&[]);
}
