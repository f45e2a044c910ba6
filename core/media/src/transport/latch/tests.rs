use super::{Latch, LatchRules, Latching};
use offhook_clock::Time;
use proptest::prelude::*;
use std::net::SocketAddr;

const PEER: &str = "198.51.100.7:4000";
const BEHIND_NAT: &str = "203.0.113.5:61234";
const ATTACKER: &str = "192.0.2.66:5555";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1000)
}

fn rules(latching: Latching) -> LatchRules {
    LatchRules { latching, ..LatchRules::default() }
}

fn signaled() -> Latch {
    let mut latch = Latch::default();
    latch.signal(address(PEER), &LatchRules::default(), at(0));
    latch
}

/// Packets of one SSRC from one address with these numbers, 20 ms apart; which were admitted.
fn packets(latch: &mut Latch, from: &str, latching: Latching, numbers: &[u16], begin: u64) -> Vec<bool> {
    let times = (begin..).step_by(20);
    let admit = |(number, time): (&u16, u64)| latch.admit(address(from), 1, *number, &rules(latching), at(time));
    numbers.iter().zip(times).map(admit).collect()
}

#[test]
fn nobody_is_heard_before_an_address_is_signaled() {
    let mut latch = Latch::default();
    assert_eq!(packets(&mut latch, PEER, Latching::Any, &[1, 2, 3, 4, 5, 6, 7], 0), [false; 7]);
    assert!(!latch.admit_authentic(address(PEER), &rules(Latching::Any), at(0)));
    assert_eq!(latch.current(), None);
}

#[test]
fn five_packets_in_a_row_from_behind_a_nat_are_followed() {
    let mut latch = signaled();
    let numbers = [65_533, 65_534, 65_535, 0, 1, 2];
    let admitted = packets(&mut latch, BEHIND_NAT, Latching::Any, &numbers, 0);
    assert_eq!(admitted, [false, false, false, false, true, true]);
    assert_eq!(latch.current(), Some(address(BEHIND_NAT)));
}

#[test]
fn numbers_that_do_not_fit_together_are_never_followed() {
    for numbers in [[1, 2, 3, 4, 6, 7, 8, 9, 11], [9, 8, 7, 6, 5, 4, 3, 2, 1], [5, 5, 5, 5, 5, 5, 5, 5, 5]] {
        let mut latch = signaled();
        assert_eq!(packets(&mut latch, ATTACKER, Latching::Any, &numbers, 0), [false; 9], "{numbers:?}");
        assert_eq!(latch.current(), Some(address(PEER)));
    }
}

#[test]
fn two_senders_in_turn_and_two_ssrcs_in_turn_stay_on_probation() {
    let mut latch = signaled();
    let any = rules(Latching::Any);
    for number in 0..50 {
        assert!(!latch.admit(address(ATTACKER), 1, number, &any, at(0)));
        assert!(!latch.admit(address(BEHIND_NAT), 1, number, &any, at(0)));
    }
    for number in 0..50 {
        assert!(!latch.admit(address(ATTACKER), u32::from(number % 2), number, &any, at(0)));
    }
}

#[test]
fn what_is_alive_is_not_stolen_from() {
    let mut latch = signaled();
    for number in 0..500_u16 {
        let now = u64::from(number) * 20;
        assert_eq!(packets(&mut latch, PEER, Latching::Any, &[number], now), [true]);
        assert_eq!(packets(&mut latch, ATTACKER, Latching::Any, &[number + 1000], now), [false]);
    }
    assert_eq!(latch.current(), Some(address(PEER)));
}

#[test]
fn who_was_quicker_than_the_peer_loses_to_it() {
    let mut latch = signaled();
    assert!(packets(&mut latch, ATTACKER, Latching::Any, &[0, 1, 2, 3, 4], 0)[4]);
    assert_eq!(packets(&mut latch, PEER, Latching::Any, &[77], 100), [true]);
    assert_eq!(packets(&mut latch, ATTACKER, Latching::Any, &[5, 6, 7, 8, 9, 10], 120), [false; 6]);
    assert_eq!(latch.current(), Some(address(PEER)));
}

#[test]
fn a_rebinding_nat_is_followed_after_a_silence() {
    let mut latch = signaled();
    packets(&mut latch, BEHIND_NAT, Latching::Any, &[0, 1, 2, 3, 4], 0);
    let moved = "203.0.113.5:61235";
    assert_eq!(packets(&mut latch, moved, Latching::Any, &[5, 6, 7, 8, 9], 1900), [false; 5]);
    assert!(packets(&mut latch, moved, Latching::Any, &[100, 101, 102, 103, 104], 2100)[4]);
}

#[test]
fn strictness_limits_who_is_considered() {
    let port_moved = "198.51.100.7:4002";
    let table = [
        (Latching::Never, port_moved, false),
        (Latching::Never, BEHIND_NAT, false),
        (Latching::SameAddress, port_moved, true),
        (Latching::SameAddress, BEHIND_NAT, false),
        (Latching::Any, port_moved, true),
        (Latching::Any, BEHIND_NAT, true),
    ];
    for (latching, from, is_followed) in table {
        let admitted = packets(&mut signaled(), from, latching, &[1, 2, 3, 4, 5], 0);
        assert_eq!(admitted[4], is_followed, "{latching:?} {from}");
        let authentic = signaled().admit_authentic(address(from), &rules(latching), at(0));
        assert_eq!(authentic, is_followed, "{latching:?} {from}, authentic");
    }
}

#[test]
fn authentic_packets_are_followed_at_once_and_back() {
    let mut latch = signaled();
    let any = rules(Latching::Any);
    packets(&mut latch, PEER, Latching::Any, &[1], 0);
    assert!(latch.admit_authentic(address(BEHIND_NAT), &any, at(1)));
    assert_eq!(latch.current(), Some(address(BEHIND_NAT)));
}

#[test]
fn the_same_description_again_keeps_what_was_learned_and_another_one_does_not() {
    let mut latch = signaled();
    let any = LatchRules::default();
    packets(&mut latch, BEHIND_NAT, Latching::Any, &[0, 1, 2, 3, 4], 0);
    latch.signal(address(PEER), &any, at(200));
    assert_eq!(latch.current(), Some(address(BEHIND_NAT)));
    let other = "198.51.100.8:4000";
    latch.signal(address(other), &any, at(200));
    assert_eq!(latch.current(), Some(address(other)));
    // The fork that lost goes on for a while: it must not win the call back.
    let numbers: Vec<u16> = (5..100).collect();
    assert!(packets(&mut latch, BEHIND_NAT, Latching::Any, &numbers, 210).iter().all(|admitted| !admitted));
    assert_eq!(packets(&mut latch, other, Latching::Any, &[1], 300), [true]);
}

#[test]
fn rtcp_follows_where_rtp_is() {
    let any = LatchRules::default();
    let (mut rtp, mut rtcp) = (signaled(), Latch::default());
    rtcp.signal(address("198.51.100.7:4001"), &any, at(0));
    let (nat, other_nat) = (address("203.0.113.5:61300"), address("203.0.113.5:61301"));
    assert!(!rtcp.admit_beside(&rtp, nat, &any, at(0)), "RTP was not heard there");
    packets(&mut rtp, BEHIND_NAT, Latching::Any, &[0, 1, 2, 3, 4], 0);
    assert!(!rtcp.admit_beside(&rtp, address(ATTACKER), &any, at(100)));
    assert!(rtcp.admit_beside(&rtp, nat, &any, at(100)));
    assert_eq!(rtcp.current(), Some(nat));
    assert!(!rtcp.admit_beside(&rtp, other_nat, &any, at(10_000)), "the other port is alive");
    assert!(rtcp.admit_beside(&rtp, other_nat, &any, at(15_100)));
    assert!(!rtcp.admit_beside(&rtp, nat, &rules(Latching::Never), at(99_000)));
}

proptest! {
    /// Whatever an attacker sends, while the peer sends at least every second the peer keeps its media.
    #[test]
    fn no_flood_moves_a_live_peer(
        flood in prop::collection::vec((any::<u32>(), any::<u16>(), 0_u64..1000), 0..300),
    ) {
        let mut latch = signaled();
        let (mut now, mut number) = (0, 0);
        for (ssrc, sequence, passes) in flood {
            prop_assert!(packets(&mut latch, PEER, Latching::Any, &[number], now)[0]);
            (now, number) = (now + passes, number + 1);
            prop_assert!(!latch.admit(address(ATTACKER), ssrc % 2, sequence, &rules(Latching::Any), at(now)));
            prop_assert_eq!(latch.current(), Some(address(PEER)));
        }
    }
}
