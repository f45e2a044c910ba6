//! Tests that the cost of a message grows at most linearly with its size, for every grammar that is parsed before
//! authentication.
//!
//! Each case fills a message with one element, repeated until the message has the required size. Sixteen times the octets
//! may cost up to 64 times as much; a quadratic scan costs 256 times as much. The measure is the CPU time of the thread, the
//! minimum of several runs, so that other load on the machine does not count.

#![expect(clippy::expect_used, reason = "tests")]

#[path = "../fuzz/descriptions.rs"]
mod descriptions;
mod sdp;
mod sip;
#[path = "../fuzz/sip_values.rs"]
mod sip_values;

use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;

const SMALL: usize = 3_750;
const LARGE: usize = 16 * SMALL;

/// Costs below this limit are ignored: they are noise, and harmless for a message of the maximum size.
const FLOOR_NS: u64 = 2_000_000;

/// A repeated element with the text before and after it.
struct Case {
    name: &'static str,
    head: &'static str,
    /// Returns the element with this number; all elements are different.
    element: fn(usize) -> String,
    tail: &'static str,
}

impl Case {
    fn text(&self, size: usize) -> Vec<u8> {
        let mut text = self.head.to_owned();
        let mut number = 0;
        while text.len() + self.tail.len() < size {
            text.push_str(&(self.element)(number));
            number += 1;
        }
        (text + self.tail).into_bytes()
    }
}

/// Returns the CPU time of this thread in nanoseconds.
fn processor_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("a time after the start")
}

fn cost(input: &[u8], act: &mut impl FnMut(&[u8])) -> u64 {
    let run = |_| {
        let before = processor_time();
        act(black_box(input));
        processor_time() - before
    };
    (0..7).map(run).min().expect("several runs")
}

fn assert_linear(cases: &[Case], mut act: impl FnMut(&[u8])) {
    for case in cases {
        let (small, large) = (case.text(SMALL), case.text(LARGE));
        let (small, large) = (cost(&small, &mut act), cost(&large, &mut act));
        assert!(
            large < 64 * small + FLOOR_NS,
            "{}: {small} ns for {SMALL} octets and {large} ns for {LARGE}: the cost grows faster than the size",
            case.name
        );
    }
}
