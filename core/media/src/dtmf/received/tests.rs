use super::{Events, ReceivedEvent};
use core::time::Duration;
use offhook_clock::Time;
use proptest::prelude::*;

/// The way in which a sender sets the fields of its events.
#[derive(Clone, Copy, Debug)]
struct Style {
    /// The increase of the timestamp from packet to packet of an event.
    step: u32,
    /// The increase between the three end packets.
    end_step: u32,
    /// The increase from the beginning of an event to that of the next.
    advance: u32,
    /// Whether the first packet has the marker.
    has_marker: bool,
}

const REGULAR: Style = Style { step: 0, end_step: 0, advance: 2400, has_marker: true };

/// The packets of some digits: nine per digit, with increasing duration and three end packets.
fn events(style: Style, digits: &[u8]) -> Vec<ReceivedEvent> {
    let (mut packets, mut sequence, mut timestamp) = (Vec::new(), 65_530_u16, 1000_u32);
    for event in digits {
        let mut at = timestamp;
        for number in 0..9_u16 {
            let marker = style.has_marker && number == 0;
            let duration = 160 * (number.min(6) + 1);
            packets.push(ReceivedEvent { sequence, timestamp: at, marker, event: *event, ends: number >= 6, duration });
            sequence = sequence.wrapping_add(1);
            at = at.wrapping_add(if number >= 6 { style.end_step } else { style.step });
        }
        timestamp = timestamp.wrapping_add(style.advance);
        if style.step > 0 {
            timestamp = at.wrapping_add(480);
        }
    }
    packets
}

fn detected(packets: impl IntoIterator<Item = ReceivedEvent>) -> Vec<u8> {
    let mut events = Events::default();
    let mut now = Time::from_micros(1_000_000);
    let begun = packets.into_iter().filter(|packet| {
        now = now + Duration::from_millis(20);
        events.begins(*packet, now)
    });
    begun.map(|packet| packet.event).collect()
}

#[test]
fn event_is_one_digit_with_any_timestamps() {
    let styles = [
        REGULAR,
        Style { has_marker: false, ..REGULAR },
        Style { step: 160, end_step: 160, ..REGULAR },
        Style { step: 160, end_step: 0, ..REGULAR },
        Style { step: 160, end_step: 160, has_marker: false, ..REGULAR },
        Style { advance: 0, ..REGULAR },
        Style { advance: 0, has_marker: false, ..REGULAR },
    ];
    for style in styles {
        for digits in [&[5][..], &[1, 2], &[1, 1], &[5, 5, 5, 7, 5], &[11, 10, 0]] {
            assert_eq!(detected(events(style, digits)), digits, "{style:?}");
        }
    }
}

#[test]
fn reordered_and_repeated_packets_begin_no_digit() {
    let mut packets = events(REGULAR, &[1, 2]);
    packets.swap(8, 9);
    packets.insert(12, packets[3]);
    packets.insert(15, packets[15]);
    assert_eq!(detected(packets), [1, 2]);
}

#[test]
fn digit_without_end_keeps_next_digit() {
    for style in [REGULAR, Style { advance: 0, ..REGULAR }] {
        let packets: Vec<ReceivedEvent> = events(style, &[3, 3]).into_iter().filter(|packet| !packet.ends).collect();
        assert_eq!(detected(packets), [3, 3], "{style:?}");
    }
}

#[test]
fn long_event_in_segments_is_one_digit() {
    let mut packets = Vec::new();
    for number in 0..500_u16 {
        let passed = u32::from(number) * 160;
        let segment = passed / 65_535;
        let duration = u16::try_from(passed - segment * 65_535).unwrap();
        let timestamp = 1000 + segment * 65_535;
        packets.push(ReceivedEvent {
            sequence: number,
            timestamp,
            marker: number == 0,
            event: 4,
            ends: false,
            duration,
        });
    }
    assert_eq!(detected(packets), [4]);
}

#[test]
fn same_digit_after_pause_is_new_digit() {
    let mut events = Events::default();
    let packet = ReceivedEvent { sequence: 1, timestamp: 7, marker: false, event: 1, ends: false, duration: 160 };
    let at = |seconds: u64| Time::from_micros(seconds * 1_000_000);
    assert!(events.begins(packet, at(1)));
    assert!(events.begins(ReceivedEvent { sequence: 2, duration: 320, ..packet }, at(3)));
    assert!(!events.begins(ReceivedEvent { sequence: 3, duration: 480, ..packet }, at(4)));
}

#[test]
fn payload_fields_are_parsed() {
    let expected = ReceivedEvent { sequence: 1, timestamp: 2, marker: true, event: 5, ends: true, duration: 800 };
    assert_eq!(ReceivedEvent::parse(1, 2, true, &[5, 0x8a, 3, 32, 9]), Some(expected));
    assert_eq!(ReceivedEvent::parse(1, 2, true, &[5, 0x8a, 3]), None);
}

proptest! {
    /// Lost packets of a regular sender neither suppress nor duplicate a digit.
    #[test]
    fn packet_loss_changes_no_digit(
        digits in prop::collection::vec(0_u8..16, 1..8),
        lost in prop::collection::vec(prop::bool::weighted(0.2), 72),
    ) {
        let mut kept = Vec::new();
        for (event, lost) in events(REGULAR, &digits).chunks(9).zip(lost.chunks(9)) {
            // At least two packets of each event arrive.
            let arrived = event.iter().zip(lost).enumerate().filter(|(place, (_, lost))| [2, 8].contains(place) || !**lost);
            kept.extend(arrived.map(|(_, (packet, _))| *packet));
        }
        prop_assert_eq!(detected(kept), digits);
    }
}
