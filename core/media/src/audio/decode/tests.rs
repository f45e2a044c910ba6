use super::super::{EncodedAudio, RunPart, StreamDecoder};
use super::{HOLD, MAX_HELD};
use crate::command::LegKey;
use crate::graph::g711::G711Codecs;
use crate::rtp::rewrite::{SourceId, StreamSource};
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::{Codec, Payload};
use proptest::prelude::*;
use std::sync::Arc;

fn payloads() -> Vec<Payload> {
    let event = Codec { name: "telephone-event".to_owned(), clock_rate: 8000, channels: 1, fmtp: None };
    let codecs = [0, 8].map(|number| (number, Codec::of_static_payload(number).unwrap()));
    let all = codecs.into_iter().chain([(96, event)]);
    all.map(|(number, codec)| Payload { number, codec, feedback: Vec::new() }).collect()
}

struct Bench {
    decoder: StreamDecoder,
    now: Time,
    /// The parts of runs with their offsets and lengths.
    runs: Vec<(RunPart, u64, usize)>,
}

impl Bench {
    fn new() -> Self {
        let decoder = StreamDecoder::new(8000, &payloads(), Arc::new(G711Codecs));
        Self { decoder, now: Time::EPOCH, runs: Vec::new() }
    }

    fn push_from(&mut self, ssrc: u32, payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) {
        let source = StreamSource { leg: LegKey(1), id: SourceId::new(0, ssrc) };
        let packet = EncodedAudio { source, payload_type, sequence, timestamp, payload };
        let runs = &mut self.runs;
        self.decoder.push(&packet, self.now, &mut |run| runs.push((run.part, run.offset, run.samples.len())));
    }

    fn push(&mut self, sequence: u16) {
        self.push_from(7, 0, sequence, u32::from(sequence) * 160, &[0x55; 160]);
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        let runs = &mut self.runs;
        self.decoder.handle_timeout(self.now, &mut |run| runs.push((run.part, run.offset, run.samples.len())));
    }

    fn take(&mut self) -> Vec<(RunPart, u64, usize)> {
        core::mem::take(&mut self.runs)
    }
}

use RunPart::{First, Next};

#[test]
fn late_and_repeated_packets_are_dropped() {
    let mut bench = Bench::new();
    for sequence in [5, 5, 4, 6, 5] {
        bench.push(sequence);
    }
    assert_eq!(bench.take(), [(First, 0, 160), (Next, 160, 160)]);
}

#[test]
fn packets_wait_for_earlier_ones() {
    let mut bench = Bench::new();
    for sequence in [1, 3, 4, 2] {
        bench.push(sequence);
    }
    assert_eq!(bench.take().len(), 4);
    bench.push(6);
    bench.wait(HOLD - Duration::from_millis(1));
    assert_eq!(bench.take(), []);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.take(), [(Next, 640, 320)], "20 ms are concealed");
    for sequence in 8..8 + MAX_HELD as u16 {
        bench.push(sequence);
    }
    assert_eq!(bench.take(), []);
    bench.push(100);
    assert_eq!(bench.take().len(), MAX_HELD, "the buffer is full");
}

#[test]
fn long_loss_is_silence_and_restart_begins_run() {
    let mut bench = Bench::new();
    bench.push(1);
    bench.push(101);
    bench.wait(HOLD);
    assert_eq!(bench.take()[1..], [(Next, 16_000, 160)]);
    bench.push(20_000);
    bench.push_from(8, 0, 3, 480, &[0x55; 160]);
    assert_eq!(bench.take(), [(First, 0, 160), (First, 0, 160)], "far away, and another source");
    bench.push_from(8, 0, 4, 9_000_000, &[0x55; 160]);
    assert_eq!(bench.take(), [(First, 0, 160)], "a jump of the timestamp");
    bench.decoder.interrupt(&mut |_| {});
    bench.push_from(8, 0, 5, 9_000_160, &[0x55; 160]);
    assert_eq!(bench.take(), [(First, 0, 160)]);
}

#[test]
fn events_other_law_and_malformed_packets_continue_run() {
    let mut bench = Bench::new();
    bench.push(1);
    bench.push_from(7, 96, 2, 320, &[1, 10, 0, 160]);
    bench.push_from(7, 8, 3, 480, &[0x55; 160]);
    bench.push_from(7, 0, 4, 640, &[]);
    bench.push_from(7, 50, 5, 800, &[1; 160]);
    bench.push_from(7, 0, 6, 960, &[0x55; 80]);
    assert_eq!(
        bench.take(),
        [(First, 0, 160), (Next, 320, 160), (Next, 480, 160), (Next, 800, 80)],
        "the time of an event or an unknown payload type is a gap"
    );
}

proptest! {
    /// Whatever is lost or reordered within the window, positions follow timestamps and never overlap.
    #[test]
    fn positions_follow_timestamps(lost in prop::collection::vec(any::<bool>(), 200), swaps in prop::collection::vec(0..196_usize, 20)) {
        let mut order: Vec<u16> = (1..200).filter(|n| *n == 1 || !lost[usize::from(*n)]).collect();
        for swap in swaps {
            if swap > 0 && swap + 1 < order.len() {
                order.swap(swap, swap + 1);
            }
        }
        order.retain(|sequence| *sequence != 1);
        order.insert(0, 1);
        let mut bench = Bench::new();
        for sequence in order {
            bench.push(sequence);
            bench.wait(Duration::from_millis(20));
        }
        bench.wait(HOLD);
        let mut end = 0;
        for (part, offset, length) in bench.take() {
            prop_assert!(part == First || offset >= end, "{} before {}", offset, end);
            prop_assert_eq!(offset % 160, 0);
            end = offset + length as u64;
        }
        prop_assert!(end <= 199 * 160);
    }
}
