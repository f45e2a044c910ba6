use super::{Lockouts, MAX_LOGINS, MAX_SOURCES, Policy};
use crate::SourceNetwork;
use core::time::Duration;
use offhook_clock::Time;
use proptest::prelude::{any, prop_assert, proptest};

fn source(number: u32) -> SourceNetwork {
    SourceNetwork::of(core::net::Ipv4Addr::from_bits(number).into())
}

fn seconds(seconds: u64) -> Time {
    Time::EPOCH + Duration::from_secs(seconds)
}

/// Fails as often as the lockouts allow, and returns the number of failures.
fn attack(lockouts: &mut Lockouts, from: SourceNetwork, logins: &[&str], period: core::ops::Range<u64>) -> u32 {
    let mut failures = 0;
    for second in period {
        for login in logins {
            if lockouts.remaining(from, login, seconds(second)).is_none() {
                lockouts.fail(from, login, seconds(second));
                failures += 1;
            }
        }
    }
    failures
}

#[test]
fn lockout_begins_after_free_failures_and_doubles() {
    let mut lockouts = Lockouts::new(Policy::default());
    let mut now = seconds(0);
    for _ in 0..10 {
        lockouts.fail(source(1), "alice", now);
        assert_eq!(lockouts.remaining(source(1), "alice", now), None);
    }
    for wait in [1, 2, 4, 8, 16, 32, 64] {
        lockouts.fail(source(1), "alice", now);
        let remaining = lockouts.remaining(source(1), "alice", now);
        assert_eq!(remaining, Some(Duration::from_secs(wait)));
        now = now + Duration::from_secs(wait);
        assert_eq!(lockouts.remaining(source(1), "alice", now), None, "after {wait} s");
    }
}

#[test]
fn lockout_concerns_one_login_from_one_source() {
    let mut lockouts = Lockouts::new(Policy::default());
    attack(&mut lockouts, source(1), &["alice"], 0..60);
    assert!(lockouts.remaining(source(1), "alice", seconds(60)).is_some());
    assert_eq!(lockouts.remaining(source(2), "alice", seconds(60)), None, "the user elsewhere");
    assert_eq!(lockouts.remaining(source(1), "bob", seconds(60)), None, "another user behind the same NAT");
}

#[test]
fn daily_attempts_at_one_login_are_limited() {
    let mut lockouts = Lockouts::new(Policy::default());
    let hour = attack(&mut lockouts, source(1), &["alice"], 0..3_600);
    assert!((15..=40).contains(&hour), "{hour}");
    let day = attack(&mut lockouts, source(1), &["alice"], 3_600..86_400);
    assert!((100..=400).contains(&day), "{day}");
}

#[test]
fn source_that_tries_many_logins_is_locked_out() {
    let mut lockouts = Lockouts::new(Policy::default());
    let names: Vec<String> = (0..200).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let failures = attack(&mut lockouts, source(1), &names, 0..60);
    assert!((61..=70).contains(&failures), "{failures}");
    assert!(lockouts.remaining(source(1), "never tried", seconds(60)).is_some());
}

#[test]
fn known_user_at_attacked_source_logs_in() {
    let mut lockouts = Lockouts::new(Policy::default());
    lockouts.succeed(source(1), "alice");
    let names: Vec<String> = (0..200).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    attack(&mut lockouts, source(1), &names, 0..600);
    assert_eq!(lockouts.remaining(source(1), "alice", seconds(600)), None);
    attack(&mut lockouts, source(1), &["alice"], 600..1_200);
    assert_eq!(lockouts.remaining(source(1), "alice", seconds(1_202)), None);
    lockouts.succeed(source(1), "alice");
    assert_eq!(lockouts.remaining(source(1), "alice", seconds(1_200)), None);
    assert!(lockouts.failures(source(1), seconds(1_200)) > 60, "a success of one user does not absolve the source");
}

#[test]
fn one_typo_an_hour_never_locks_out() {
    let mut lockouts = Lockouts::new(Policy::default());
    for hour in 0..1_000 {
        lockouts.fail(source(1), "alice", seconds(3_600 * hour));
        assert_eq!(lockouts.remaining(source(1), "alice", seconds(3_600 * hour)), None);
    }
}

#[test]
fn repeated_wrong_answer_counts_once() {
    let mut lockouts = Lockouts::new(Policy::default());
    assert!(lockouts.fail_with(source(1), "101", "0123", seconds(0)));
    assert!(lockouts.fail_with(source(1), "101", "4567", seconds(1)));
    for second in 2..100 {
        assert!(!lockouts.fail_with(source(1), "101", "0123", seconds(second)));
        assert!(!lockouts.fail_with(source(1), "101", "4567", seconds(second)));
    }
    assert_eq!(lockouts.failures_of(source(1), "101", seconds(100)), 2);
    assert!(lockouts.fail_with(source(1), "102", "0123", seconds(100)), "another login");
}

#[test]
fn memory_is_bounded_under_many_sources_and_names() {
    let mut lockouts = Lockouts::new(Policy::default());
    for number in 0..2 * u32::try_from(MAX_SOURCES).unwrap() {
        lockouts.fail(source(number), "alice", seconds(0));
    }
    assert_eq!(lockouts.sources.len(), MAX_SOURCES);
    for number in 0..1_000 {
        lockouts.fail_with(source(7), &format!("user{number}"), "0123", seconds(0));
    }
    assert_eq!(lockouts.sources.get(&source(7)).unwrap().logins.len(), MAX_LOGINS);
    assert!(lockouts.remaining(source(7), "user0", seconds(1)).is_some(), "forgotten names do not free the source");
}

proptest! {
    /// Failures at other sources never lock out a user whose own source has no failures.
    #[test]
    fn failures_elsewhere_never_lock_a_user_out(attempts in proptest::collection::vec((any::<u8>(), 0..4_u8, 0..100_u64), 0..500)) {
        let mut lockouts = Lockouts::new(Policy::default());
        let mut now = 0;
        for (from, name, passed) in attempts {
            now += passed;
            lockouts.fail(source(u32::from(from)), &name.to_string(), seconds(now));
            prop_assert!(lockouts.remaining(source(1_000), "1", seconds(now)).is_none());
        }
    }
}

/// Tries each login ten times a second with wrong credentials; returns the number of attempts that were admitted.
fn try_passwords(
    lockouts: &mut Lockouts,
    from: SourceNetwork,
    logins: &[&str],
    period: core::ops::Range<u64>,
) -> usize {
    let mut admitted = 0;
    for tenth in 10 * period.start..10 * period.end {
        let now = Time::EPOCH + Duration::from_millis(100 * tenth);
        for login in logins {
            if lockouts.admits(from, login, now) {
                lockouts.fail(from, login, now);
                admitted += 1;
            }
        }
    }
    admitted
}

#[test]
fn admitted_guesses_are_independent_of_login_count() {
    let mut lockouts = Lockouts::new(Policy::default());
    let names: Vec<String> = (0..32).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let minute = try_passwords(&mut lockouts, source(1), &names, 0..60);
    assert!((60..=120).contains(&minute), "{minute} guesses in the first minute");
    let hour = try_passwords(&mut lockouts, source(1), &names, 60..3_660);
    assert!((100..=200).contains(&hour), "{hour} guesses in the next hour");
    assert!(lockouts.admits(source(2), "user0", seconds(3_660)), "the user elsewhere");
}

#[test]
fn guesses_at_one_login_are_limited() {
    let mut lockouts = Lockouts::new(Policy::default());
    try_passwords(&mut lockouts, source(1), &["alice"], 0..3_600);
    let day = try_passwords(&mut lockouts, source(1), &["alice"], 3_600..90_000);
    assert!((250..=300).contains(&day), "{day} guesses in a day");
}

#[test]
fn known_login_is_admitted_while_its_source_guesses() {
    let mut lockouts = Lockouts::new(Policy::default());
    lockouts.succeed(source(1), "alice");
    let names: Vec<String> = (0..32).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for minute in 0..10 {
        try_passwords(&mut lockouts, source(1), &names, 60 * minute..60 * (minute + 1));
        assert!((0..100).all(|_| lockouts.admits(source(1), "alice", seconds(60 * (minute + 1)))));
    }
}

#[test]
fn new_login_behind_attackers_nat_is_admitted() {
    let mut lockouts = Lockouts::new(Policy::default());
    try_passwords(&mut lockouts, source(1), &["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"], 0..60);
    let wait = (60..).find(|second| lockouts.admits(source(1), "bob", seconds(*second))).unwrap();
    assert!(wait <= 60 + 30, "after {wait} s");
}

#[test]
fn failures_without_a_login_count_for_the_source() {
    let mut lockouts = Lockouts::new(Policy::default());
    lockouts.succeed(source(1), "alice");
    for _ in 0..70 {
        lockouts.fail_source(source(1), seconds(0));
    }
    assert!(lockouts.remaining(source(1), "bob", seconds(0)).is_some());
    assert!(lockouts.remaining(source(1), "alice", seconds(0)).is_none(), "a login that has succeeded from there");
    assert!(lockouts.remaining(source(2), "bob", seconds(0)).is_none());
}

#[test]
fn precedence_is_used_up_and_restored() {
    let mut lockouts = Lockouts::new(Policy::default());
    assert!(!lockouts.has_precedence(source(1), "alice", seconds(0)), "a login that never succeeded");
    lockouts.succeed(source(1), "alice");
    for _ in 0..5 {
        assert!(lockouts.has_precedence(source(1), "alice", seconds(0)));
        lockouts.take_precedence(source(1), "alice", seconds(0));
        lockouts.succeed(source(1), "alice");
    }
    assert!(!lockouts.has_precedence(source(1), "alice", seconds(1)));
    assert!(lockouts.has_precedence(source(1), "alice", seconds(2)));
}
