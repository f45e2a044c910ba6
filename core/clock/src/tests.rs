use super::{Time, earliest};
use core::time::Duration;

#[test]
fn time_saturates_at_both_ends() {
    assert_eq!(Time::EPOCH - Duration::from_secs(1), Time::EPOCH);
    assert_eq!(Time::from_micros(u64::MAX) + Duration::from_secs(1), Time::from_micros(u64::MAX));
    assert_eq!(Time::EPOCH.since(Time::from_micros(5)), Duration::ZERO);
}

#[test]
fn earliest_takes_whatever_is_there() {
    let (a, b) = (Time::from_micros(1), Time::from_micros(2));
    assert_eq!(earliest(Some(a), Some(b)), Some(a));
    assert_eq!(earliest(None, Some(b)), Some(b));
    assert_eq!(earliest(Some(a), None), Some(a));
    assert_eq!(earliest(None, None), None);
}
