use super::super::{DecodedRun, RunPart};
use super::Placement;
use core::time::Duration;

const RATE: u32 = 8000;
const FRAME: u64 = 160;

fn run(part: RunPart, offset: u64) -> DecodedRun<'static> {
    DecodedRun { part, offset, samples: &[0; 160] }
}

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Frames that arrive at these times; the positions in ms.
fn positions(arrivals: impl IntoIterator<Item = u64>) -> Vec<i64> {
    let mut placement = Placement::new(RATE);
    let frames = arrivals.into_iter().zip(0..);
    let place = |(arrival, number): (u64, u64)| {
        let part = if number == 0 { RunPart::First } else { RunPart::Next };
        placement.place(&run(part, number * FRAME), at(arrival)) / 8
    };
    frames.map(place).collect()
}

#[test]
fn samples_end_at_arrival_and_jitter_does_not_move_them() {
    assert_eq!(positions([100, 125, 138, 190, 180]), [80, 100, 120, 140, 160]);
    assert_eq!(positions([10]), [-10], "taken before the beginning");
}

#[test]
fn delayed_first_packet_is_corrected() {
    // The first packet arrives 100 ms late, together with the next ones: at most 40 ms remain.
    assert_eq!(positions([200, 200, 200, 200, 200, 200, 220])[2..], [220, 180, 200, 220, 240]);
}

#[test]
fn audio_that_stops_without_timestamps_is_placed_by_arrival() {
    assert_eq!(positions([100, 120, 1000, 1020]), [80, 100, 980, 1000]);
}

#[test]
fn slow_clock_is_corrected_every_5_s() {
    // 20.4 ms for each frame of 20 ms.
    let positions = positions((0..1000).map(|number| 100 + number * 204 / 10));
    for (number, position) in (0..).zip(&positions) {
        let arrival = 80 + number * 204 / 10;
        let behind = arrival - position;
        assert!((-1..=220).contains(&behind), "frame {number} is {behind} ms before its arrival");
    }
    let last = 80 + 999 * 204 / 10 - positions[999];
    assert!(last < 220, "{last}");
}

#[test]
fn tail_of_run_is_not_placed_by_arrival() {
    let mut placement = Placement::new(RATE);
    placement.place(&run(RunPart::First, 0), at(100));
    assert_eq!(placement.place(&run(RunPart::Tail, FRAME), at(5000)), 8 * 100);
}
