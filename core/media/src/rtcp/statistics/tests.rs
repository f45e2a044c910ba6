use super::{Reception, ReceptionTotals, Timing};
use crate::rtcp::packet::SenderReport;
use core::time::Duration;
use offhook_clock::Time;

const fn sampled(timestamp: u32) -> Timing {
    Timing::Sampled { timestamp, rate: 8000 }
}

#[test]
fn losses_are_counted_across_wrap_and_per_interval() {
    let mut reception = Reception::new(65_534, Time::EPOCH);
    let mut now = Time::EPOCH;
    for sequence in [65_534, 65_535, 1, 2] {
        reception.count(sequence, 160, sampled(0), now);
    }
    let report = reception.report(5, now);
    assert_eq!((report.ssrc, report.lost, report.fraction_lost), (5, 1, 51));
    assert_eq!(report.highest, 0x1_0002);
    // A late packet is a gain in the next interval, and no loss.
    reception.count(0, 160, sampled(0), now);
    reception.count(3, 160, sampled(0), now);
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
        reception.count(n, 160, sampled(u32::from(n) * 160), now);
    }
    assert_eq!(reception.report(1, Time::EPOCH).jitter, 0);
    for n in 50..250_u16 {
        let late = u64::from(n % 2) * 10_000;
        reception.count(n, 160, sampled(u32::from(n) * 160), Time::from_micros(u64::from(n) * 20_000 + late));
    }
    let jitter = reception.report(1, Time::EPOCH).jitter;
    assert!((70..=80).contains(&jitter), "{jitter}");
}

#[test]
fn jitter_never_overflows_at_any_clock_rate() {
    let mut reception = Reception::new(0, Time::EPOCH);
    for n in 0..500_u16 {
        reception.count(n, 160, Timing::Sampled { timestamp: u32::from(n % 2) << 31, rate: u32::MAX }, Time::EPOCH);
    }
    let jitter = reception.report(1, Time::EPOCH).jitter;
    assert!((0x7fff_fff0..=0x8000_0000).contains(&jitter), "{jitter}");
}

#[test]
fn restarted_source_has_no_losses() {
    let mut reception = Reception::new(10, Time::EPOCH);
    for sequence in [10, 11, 40_000, 12, 500, 50_000, 50_001, 50_002, 50_004] {
        reception.count(sequence, 160, sampled(0), Time::EPOCH);
    }
    let report = reception.report(5, Time::EPOCH);
    // Counted from 50 001, the second packet after the restart, to 50 004.
    assert_eq!((report.highest, report.lost, report.fraction_lost), (50_004, 1, 64));
    assert!(!reception.has_new_packets());
}

#[test]
fn totals_continue_when_source_restarts() {
    let mut reception = Reception::new(10, Time::EPOCH);
    for sequence in [10, 11, 14, 40_000, 40_001, 40_002, 40_004] {
        reception.count(sequence, 20, sampled(0), Time::EPOCH);
    }
    // The first packet after the restart is not counted.
    assert_eq!(reception.totals(), ReceptionTotals { packets: 6, octets: 120, lost: 3 });
}

#[test]
fn packets_of_telephone_event_do_not_change_jitter() {
    let mut reception = Reception::new(0, Time::EPOCH);
    let arrival = |n: u16| Time::from_micros(u64::from(n) * 20_000);
    for n in 0..100_u16 {
        let timing = if (40..50).contains(&n) { Timing::OfEvent } else { sampled(u32::from(n) * 160) };
        reception.count(n, 160, timing, arrival(n));
    }
    assert_eq!((reception.jitter(), reception.totals().packets), (Duration::ZERO, 100));
    reception.count(100, 160, sampled(100 * 160), arrival(100) + Duration::from_millis(16));
    assert_eq!(reception.jitter(), Duration::from_millis(1), "a sixteenth of the difference");
}
