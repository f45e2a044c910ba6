use super::{Incoming, Rewriter, SourceId, StreamPosition, StreamSource, ticks};
use crate::command::LegKey;
use core::time::Duration;
use offhook_clock::Time;

fn source(number: u8) -> StreamSource {
    StreamSource { leg: LegKey(u64::from(number)), id: SourceId::new(0, u32::from(number)) }
}

fn packet(number: u8, sequence: u16, timestamp: u32) -> Incoming {
    Incoming { source: source(number), sequence, timestamp, rate: 8000 }
}

const A: u8 = 1;
const B: u8 = 2;

fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1000)
}

#[test]
fn new_source_continues_sequence_and_time() {
    let mut rewriter = Rewriter::new(1000, 5000);
    let first = rewriter.place(&packet(A, 7, 70), at(0)).unwrap();
    assert_eq!(first, StreamPosition { sequence: 1001, timestamp: 5000, switched: true });
    assert_eq!(rewriter.place(&packet(A, 9, 390), at(40)).unwrap().sequence, 1003);
    let other = rewriter.place(&packet(B, 65_535, 9), at(60)).unwrap();
    assert_eq!(other, StreamPosition { sequence: 1004, timestamp: 5000 + 320 + 160, switched: true });
    assert_eq!(rewriter.place(&packet(B, 0, 169), at(80)).unwrap().sequence, 1005);
    assert_eq!(rewriter.sequence_of_source(1005), Some(0));
    assert_eq!(rewriter.timestamp_from(source(B), 169), Some(5640));
    assert_eq!(rewriter.timestamp_from(source(A), 169), None);
}

#[test]
fn packet_older_than_first_mapped_is_dropped() {
    let mut rewriter = Rewriter::new(0, 0);
    rewriter.place(&packet(A, 1, 0), at(0));
    rewriter.place(&packet(B, 100, 0), at(20));
    assert_eq!(rewriter.place(&packet(B, 99, 0), at(21)), None);
    assert!(rewriter.place(&packet(B, 101, 0), at(22)).is_some());
}

#[test]
fn inserted_packets_have_own_sequence_numbers() {
    let mut rewriter = Rewriter::new(0, 0);
    let before = rewriter.place(&packet(A, 1, 0), at(0)).unwrap();
    let timestamp = rewriter.timestamp_at(8000, at(20));
    let inserted = rewriter.insert(timestamp, at(20));
    assert_eq!(inserted, before.sequence + 1);
    let after = rewriter.place(&packet(A, 2, 160), at(100)).unwrap();
    assert_eq!((after.sequence, after.switched), (inserted + 1, true));
    assert_eq!(after.timestamp, timestamp + 640);
}

#[test]
fn skipped_packet_leaves_no_sequence_gap() {
    let mut rewriter = Rewriter::new(0, 0);
    let begin = rewriter.place(&packet(A, 10, 0), at(0)).unwrap();
    rewriter.skip(packet(A, 11, 0).source, 11);
    rewriter.skip(packet(A, 11, 0).source, 11);
    rewriter.skip(packet(A, 12, 0).source, 12);
    assert_eq!(rewriter.place(&packet(A, 9, 0), at(50)), None, "its sequence number is used by another packet");
    let after = rewriter.place(&packet(A, 13, 480), at(60)).unwrap();
    assert_eq!((after.sequence, after.timestamp), (begin.sequence + 1, begin.timestamp + 480));
    assert!(!after.switched);
    assert_eq!(
        rewriter.place(&packet(A, 15, 800), at(100)).unwrap().sequence,
        begin.sequence + 3,
        "a loss stays a gap"
    );
    rewriter.skip(packet(B, 16, 0).source, 16);
    assert_eq!(rewriter.place(&packet(A, 16, 960), at(120)).unwrap().sequence, begin.sequence + 4);
}

#[test]
fn restarted_source_continues_with_its_second_packet() {
    let mut rewriter = Rewriter::new(0, 0);
    let begin = rewriter.place(&packet(A, 10, 0), at(0)).unwrap();
    assert_eq!(rewriter.place(&packet(A, 30_000, 77), at(20)), None);
    assert_eq!(
        rewriter.place(&packet(A, 11, 160), at(20)).unwrap().sequence,
        begin.sequence + 1,
        "one packet out of range does not restart the source"
    );
    assert_eq!(rewriter.place(&packet(A, 30_001, 77), at(40)), None);
    let restarted = rewriter.place(&packet(A, 30_002, 237), at(60)).unwrap();
    assert_eq!(
        restarted,
        StreamPosition { sequence: begin.sequence + 2, timestamp: begin.timestamp + 480, switched: true }
    );
    assert_eq!(rewriter.place(&packet(A, 12, 320), at(61)), None);
}

#[test]
fn clock_rate_change_and_jump_start_new_mapping() {
    let mut rewriter = Rewriter::new(0, 0);
    let begin = rewriter.place(&packet(A, 10, 0), at(0)).unwrap();
    let wide = |sequence, timestamp| Incoming { rate: 48_000, ..packet(A, sequence, timestamp) };
    let switched = rewriter.place(&wide(11, 960), at(20)).unwrap();
    assert_eq!((switched.sequence, switched.switched), (begin.sequence + 1, true));
    assert_eq!(rewriter.place(&wide(12, 1920), at(40)).map(|place| place.switched), Some(false));
    let jumped = rewriter.place(&wide(13, 900_000), at(60)).unwrap();
    assert_eq!((jumped.sequence, jumped.switched), (begin.sequence + 3, true));
    assert_eq!(jumped.timestamp, switched.timestamp + 1920);
    // A pause is not a jump: timestamp and clock advance equally.
    assert_eq!(rewriter.place(&wide(14, 900_000 + 480_000), at(10_060)).map(|place| place.switched), Some(false));
}

#[test]
fn ticks_wrap_like_timestamps() {
    assert_eq!(ticks(Duration::from_millis(20), 48_000), 960);
    assert_eq!(ticks(Duration::from_secs(1 << 32), 1), 0);
}
