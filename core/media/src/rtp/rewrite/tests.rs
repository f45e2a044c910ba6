use super::{Place, Rewriter, Source, ticks};
use crate::command::LegKey;
use core::time::Duration;
use offhook_clock::Time;

const A: Source = Source { leg: LegKey(1), ssrc: 1 };
const B: Source = Source { leg: LegKey(2), ssrc: 2 };

fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1000)
}

#[test]
fn another_source_goes_on_where_the_first_left_off() {
    let mut rewriter = Rewriter::new(1000, 5000);
    let first = rewriter.place(A, 7, 70, 8000, at(0)).unwrap();
    assert_eq!(first, Place { sequence: 1001, timestamp: 5000, switched: true });
    assert_eq!(rewriter.place(A, 9, 390, 8000, at(40)).unwrap().sequence, 1003);
    let other = rewriter.place(B, 65_535, 9, 8000, at(60)).unwrap();
    assert_eq!(other, Place { sequence: 1004, timestamp: 5000 + 320 + 160, switched: true });
    assert_eq!(rewriter.place(B, 0, 169, 8000, at(80)).unwrap().sequence, 1005);
    assert_eq!(rewriter.sequence_of_source(1005), Some(0));
    assert_eq!(rewriter.timestamp_from(B, 169), Some(5640));
    assert_eq!(rewriter.timestamp_from(A, 169), None);
}

#[test]
fn what_is_older_than_the_take_over_is_dropped() {
    let mut rewriter = Rewriter::new(0, 0);
    rewriter.place(A, 1, 0, 8000, at(0));
    rewriter.place(B, 100, 0, 8000, at(20));
    assert_eq!(rewriter.place(B, 99, 0, 8000, at(21)), None);
    assert!(rewriter.place(B, 101, 0, 8000, at(22)).is_some());
}

#[test]
fn inserted_packets_have_their_own_numbers() {
    let mut rewriter = Rewriter::new(0, 0);
    let before = rewriter.place(A, 1, 0, 8000, at(0)).unwrap();
    let timestamp = rewriter.timestamp_at(8000, at(20));
    let inserted = rewriter.insert(timestamp, at(20));
    assert_eq!(inserted, before.sequence + 1);
    let after = rewriter.place(A, 2, 160, 8000, at(100)).unwrap();
    assert_eq!((after.sequence, after.switched), (inserted + 1, true));
    assert_eq!(after.timestamp, timestamp + 640);
}

#[test]
fn ticks_wrap_as_timestamps_do() {
    assert_eq!(ticks(Duration::from_millis(20), 48_000), 960);
    assert_eq!(ticks(Duration::from_secs(1 << 32), 1), 0);
}
