use super::EventMapping;
use core::time::Duration;
use offhook_clock::Time;

const START: Time = Time::from_micros(1_000_000);

fn payload(digit: u8, flags: u8, duration: u16) -> [u8; 4] {
    let [d0, d1] = duration.to_be_bytes();
    [digit, flags, d0, d1]
}

#[test]
fn duration_is_scaled_and_timestamp_is_kept_during_event() {
    let mut mapping = EventMapping::new(vec![(110, 48_000), (101, 8000)]);
    let first = mapping.map((110, 5000), &payload(5, 10, 960), 8000, 70, START).unwrap();
    assert_eq!((first.timestamp, first.payload, first.begins), (70, payload(5, 10, 160), true));
    let next = mapping.map((110, 5000), &payload(5, 10, 1920), 8000, 900, START).unwrap();
    assert_eq!((next.timestamp, next.payload, next.begins), (70, payload(5, 10, 320), false));
    let other = mapping.map((101, 9000), &payload(6, 10, 160), 48_000, 2000, START).unwrap();
    assert_eq!((other.timestamp, other.payload, other.begins), (2000, payload(6, 10, 960), true));
    let long = mapping.map((101, 9000), &payload(6, 10, 60_000), 48_000, 2000, START).unwrap();
    assert_eq!(long.payload, payload(6, 10, u16::MAX));
}

#[test]
fn event_is_active_until_it_ends() {
    let mut mapping = EventMapping::new(vec![(101, 8000)]);
    assert!(!mapping.is_active(START) && mapping.takes(101) && !mapping.takes(96));
    mapping.map((101, 1), &payload(1, 10, 160), 8000, 0, START).unwrap();
    assert!(
        mapping.is_active(START + Duration::from_millis(99)) && !mapping.is_active(START + Duration::from_millis(100))
    );
    mapping.map((101, 1), &payload(1, 0x8a, 320), 8000, 0, START).unwrap();
    assert!(!mapping.is_active(START));
}

#[test]
fn malformed_event_is_not_mapped() {
    let mut mapping = EventMapping::new(vec![(101, 8000)]);
    assert_eq!(mapping.map((101, 1), &[1, 2, 3], 8000, 0, START), None);
    assert_eq!(mapping.map((96, 1), &payload(1, 10, 160), 8000, 0, START), None);
    assert!(!mapping.is_active(START));
}
