use super::Reception;
use crate::rtcp::packet::SenderReport;
use core::time::Duration;
use offhook_clock::Time;

#[test]
fn losses_are_counted_across_wrap_and_per_interval() {
    let mut reception = Reception::new(65_534, Time::EPOCH);
    let mut now = Time::EPOCH;
    for sequence in [65_534, 65_535, 1, 2] {
        reception.count(sequence, 0, 8000, now);
    }
    let report = reception.report(5, now);
    assert_eq!((report.ssrc, report.lost, report.fraction_lost), (5, 1, 51));
    assert_eq!(report.highest, 0x1_0002);
    // A late packet is a gain in the next interval, and no loss.
    reception.count(0, 0, 8000, now);
    reception.count(3, 0, 8000, now);
    let note = SenderReport { ssrc: 5, ntp: 0x1111_2222_3333_4444, timestamp: 0 };
    reception.note(&note, now);
    now = now + Duration::from_millis(500);
    let report = reception.report(5, now);
    assert_eq!((report.lost, report.fraction_lost), (0, 0));
    assert_eq!((report.last_sr, report.delay), (0x2222_3333, 32_768));
}

#[test]
fn jitter_is_zero_until_delay_varies() {
    let mut reception = Reception::new(0, Time::EPOCH);
    for n in 0..50_u16 {
        let now = Time::from_micros(u64::from(n) * 20_000);
        reception.count(n, u32::from(n) * 160, 8000, now);
    }
    assert_eq!(reception.report(1, Time::EPOCH).jitter, 0);
    for n in 50..250_u16 {
        let late = u64::from(n % 2) * 10_000;
        reception.count(n, u32::from(n) * 160, 8000, Time::from_micros(u64::from(n) * 20_000 + late));
    }
    let jitter = reception.report(1, Time::EPOCH).jitter;
    assert!((70..=80).contains(&jitter), "{jitter}");
}

#[test]
fn jitter_never_overflows_at_any_clock_rate() {
    let mut reception = Reception::new(0, Time::EPOCH);
    for n in 0..500_u16 {
        reception.count(n, u32::from(n % 2) << 31, u32::MAX, Time::EPOCH);
    }
    let jitter = reception.report(1, Time::EPOCH).jitter;
    assert!((0x7fff_fff0..=0x8000_0000).contains(&jitter), "{jitter}");
}

#[test]
fn restarted_source_has_no_losses() {
    let mut reception = Reception::new(10, Time::EPOCH);
    for sequence in [10, 11, 40_000, 12, 500, 50_000, 50_001, 50_002, 50_004] {
        reception.count(sequence, 0, 8000, Time::EPOCH);
    }
    let report = reception.report(5, Time::EPOCH);
    // Counted from 50 001, the second packet after the restart, to 50 004.
    assert_eq!((report.highest, report.lost, report.fraction_lost), (50_004, 1, 64));
    assert!(!reception.has_news());
}
