use super::{ArrivingPacket, Correction, JitterBuffer, LONGEST_DELAY, NextPacket, SHORTEST_DELAY};
use core::time::Duration;
use offhook_clock::Time;
use proptest::prelude::*;

const START: Time = Time::from_micros(1_000_000_000);

fn at(milliseconds: u64) -> Time {
    START + Duration::from_millis(milliseconds)
}

/// Packet `number` of a source with packets of 20 ms at 8 kHz.
fn arrives(buffer: &mut JitterBuffer, number: u16, now: Time) {
    let timestamp = u32::from(number) * 160;
    buffer.insert(ArrivingPacket { sequence: number, timestamp, payload_type: 0, payload: &number.to_be_bytes() }, now);
}

fn takes(buffer: &mut JitterBuffer, concealed: u32, now: Time) -> Option<u16> {
    match buffer.take(concealed, now) {
        NextPacket::Due(packet) => {
            let number = packet.sequence;
            assert_eq!(packet.payload, number.to_be_bytes());
            buffer.played(packet, 160);
            Some(number)
        }
        NextPacket::Lost { .. } | NextPacket::Empty => None,
    }
}

#[test]
fn reordered_and_repeated_packets_are_taken_in_order_once() {
    let mut buffer = JitterBuffer::new(8000);
    for number in [1, 3, 2, 3, 5, 4] {
        arrives(&mut buffer, number, at(0));
    }
    let taken: Vec<_> = (0..6).map(|_| takes(&mut buffer, 0, at(20))).collect();
    assert_eq!(taken, [Some(1), Some(2), Some(3), Some(4), Some(5), None]);
    arrives(&mut buffer, 5, at(20));
    assert!(buffer.is_empty() && buffer.late() == 1);
}

#[test]
fn gap_is_reported_once_without_the_concealed_part() {
    let mut buffer = JitterBuffer::new(8000);
    arrives(&mut buffer, 1, at(0));
    arrives(&mut buffer, 5, at(80));
    assert_eq!(takes(&mut buffer, 0, at(20)), Some(1));
    assert_eq!(buffer.take(160, at(40)), NextPacket::Lost { units: 320 });
    assert_eq!(takes(&mut buffer, 480, at(40)), Some(5));
    assert_eq!(buffer.take(0, at(60)), NextPacket::Empty);
    arrives(&mut buffer, 7, at(140));
    assert_eq!(takes(&mut buffer, 160, at(160)), Some(7), "all of it was concealed");
}

#[test]
fn sequence_number_wraps() {
    let mut buffer = JitterBuffer::new(8000);
    for (sequence, timestamp) in [(u16::MAX, u32::MAX - 159), (0, 0), (1, 160)] {
        buffer.insert(ArrivingPacket { sequence, timestamp, payload_type: 0, payload: &sequence.to_be_bytes() }, at(0));
    }
    let taken: Vec<_> = (0..3).map(|_| takes(&mut buffer, 0, at(20))).collect();
    assert_eq!(taken, [Some(u16::MAX), Some(0), Some(1)]);
}

#[test]
fn restarted_source_is_not_late() {
    let mut buffer = JitterBuffer::new(8000);
    arrives(&mut buffer, 30_000, at(0));
    assert_eq!(takes(&mut buffer, 0, at(20)), Some(30_000));
    arrives(&mut buffer, 7, at(40));
    assert_eq!(takes(&mut buffer, 0, at(60)), Some(7));
    assert!(buffer.target() == SHORTEST_DELAY && buffer.delay() <= Duration::from_millis(20));
}

#[test]
fn target_follows_jitter() {
    let mut buffer = JitterBuffer::new(8000);
    let play = |buffer: &mut JitterBuffer, numbers: core::ops::Range<u16>, jitter: fn(u16) -> u64| {
        for number in numbers {
            arrives(buffer, number, at(u64::from(number) * 20 + jitter(number)));
            takes(buffer, 0, at(u64::from(number) * 20 + 60));
        }
        buffer.target()
    };
    assert_eq!(play(&mut buffer, 0..100, |_| 0), SHORTEST_DELAY);
    let high = play(&mut buffer, 100..800, |number| u64::from(number * 7 % 12) * 5);
    assert!((55..=65).contains(&high.as_millis()), "{high:?}");
    let low = play(&mut buffer, 800..2500, |_| 0);
    assert_eq!(low, SHORTEST_DELAY);
    let longest = play(&mut buffer, 2500..3500, |number| u64::from(number % 2) * 900);
    assert!(longest <= LONGEST_DELAY);
}

#[test]
fn correction_brings_delay_to_target() {
    let mut buffer = JitterBuffer::new(8000);
    let correction = |buffer: &mut JitterBuffer, number: u16, lead: u64| {
        arrives(buffer, number, at(u64::from(number) * 20));
        takes(buffer, 0, at(u64::from(number) * 20 + lead));
        buffer.correction()
    };
    assert_eq!(correction(&mut buffer, 1, 25), Correction::None);
    assert_eq!(correction(&mut buffer, 2, 40), Correction::Shorten);
    assert_eq!(correction(&mut buffer, 3, 4), Correction::Lengthen);
}

#[test]
fn stored_media_are_limited() {
    let mut buffer = JitterBuffer::new(8000);
    for number in 0..500 {
        arrives(&mut buffer, number, at(0));
    }
    assert_eq!(takes(&mut buffer, 0, at(20)), Some(499 - 12), "240 ms are kept");
}

#[test]
fn packet_rate_of_drifting_clock_keeps_target() {
    // The source's clock is 500 ppm slow or fast, for 10 minutes.
    for drift in [-0.0005, 0.0005] {
        let mut buffer = JitterBuffer::new(8000);
        for number in 0..30_000_u16 {
            let micros = f64::from(number) * 20_000.0 * (1.0 + drift);
            arrives(&mut buffer, number, START + Duration::from_micros(micros as u64));
            takes(&mut buffer, 0, START + Duration::from_micros(micros as u64 + 22_000));
            assert!(buffer.target() <= Duration::from_millis(25));
            assert!(buffer.delay() < Duration::from_millis(30), "{:?}", buffer.delay());
        }
    }
}

proptest! {
    #[test]
    fn every_packet_is_taken_at_most_once_and_in_order(
        packets in proptest::collection::vec((0_u16..200, 0_u64..200), 1..200),
        start in any::<u16>(),
    ) {
        let mut buffer = JitterBuffer::new(8000);
        let mut now = START;
        let mut last: Option<u16> = None;
        for (number, pause) in packets {
            now = now + Duration::from_millis(pause);
            let sequence = start.wrapping_add(number);
            let timestamp = u32::from(number) * 160;
            buffer.insert(ArrivingPacket { sequence, timestamp, payload_type: 0, payload: &[] }, now);
            if let NextPacket::Due(packet) = buffer.take(0, now) {
                let number = packet.sequence.wrapping_sub(start);
                prop_assert!(last.is_none_or(|last| number > last), "{last:?} {number}");
                last = Some(number);
                buffer.played(packet, 160);
            }
            prop_assert!(buffer.target() <= LONGEST_DELAY);
        }
    }
}
