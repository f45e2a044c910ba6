use super::{Admission, Latch, LatchRules, Latching, ReceivedPacket};
use core::time::Duration;
use offhook_clock::Time;
use proptest::prelude::*;
use std::net::SocketAddr;

/// A peer that sends from the address in its description.
const PEER: &str = "198.51.100.7:4000";
/// A peer behind a NAT: the described address, and its public address.
const INSIDE: &str = "192.168.6.10:4000";
const OUTSIDE: &str = "203.0.113.5:61234";
const UNKNOWN: &str = "192.0.2.66:5555";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn packet(from: &str, ssrc: u32, sequence: u16) -> ReceivedPacket {
    ReceivedPacket { from: address(from), ssrc, sequence }
}

fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1000)
}

fn rules(latching: Latching) -> LatchRules {
    LatchRules { latching, ..LatchRules::default() }
}

/// A peer that describes `text` and whose SIP messages come from the host of `signaling`.
fn described(text: &str, signaling: &str) -> Latch {
    let mut latch = Latch::default();
    latch.describe(address(text), Some(address(signaling).ip()), &LatchRules::default(), at(0));
    latch
}

fn reachable() -> Latch {
    described(PEER, PEER)
}

fn behind_nat() -> Latch {
    described(INSIDE, OUTSIDE)
}

/// Sends packets of SSRC 1 with these sequence numbers, 20 ms apart; returns which were admitted.
fn send(latch: &mut Latch, from: &str, latching: Latching, numbers: &[u16], begin: u64) -> Vec<bool> {
    send_as(latch, from, latching, 1, numbers, begin)
}

fn send_as(latch: &mut Latch, from: &str, latching: Latching, ssrc: u32, numbers: &[u16], begin: u64) -> Vec<bool> {
    let times = (begin..).step_by(20);
    let admit = |(number, time): (&u16, u64)| {
        latch.admit(packet(from, ssrc, *number), &rules(latching), at(time)) == Admission::Admitted
    };
    numbers.iter().zip(times).map(admit).collect()
}

#[test]
fn packets_before_a_description_are_refused() {
    let mut latch = Latch::default();
    assert_eq!(send(&mut latch, PEER, Latching::Any, &[1, 2, 3, 4], 0), [false; 4]);
    latch.admit_authentic(packet(PEER, 1, 1), &rules(Latching::Any), at(0));
    assert_eq!(latch.current(), None);
}

#[test]
fn second_packet_from_signaling_host_is_followed() {
    let mut latch = behind_nat();
    assert_eq!(send(&mut latch, OUTSIDE, Latching::Signaling, &[65_535, 0, 1], 0), [false, true, true]);
    assert_eq!(latch.current(), Some(address(OUTSIDE)));
}

#[test]
fn loss_and_reordering_do_not_prolong_probation() {
    let every_fifth_lost = [5, 6, 7, 9, 10];
    let swapped_in_pairs = [2, 1, 4, 3, 6];
    let spurts_with_jumps = [1, 12, 13, 24];
    for numbers in [&every_fifth_lost[..], &swapped_in_pairs, &spurts_with_jumps] {
        let admitted = send(&mut behind_nat(), OUTSIDE, Latching::Signaling, numbers, 0);
        assert!(admitted[..3].contains(&true), "{numbers:?}: {admitted:?}");
    }
}

#[test]
fn unordered_sequence_numbers_stay_on_probation() {
    for numbers in [[9, 8, 7, 6, 5, 4], [5, 5, 5, 5, 5, 5], [1, 5000, 10_000, 15_000, 20_000, 25_000]] {
        let mut latch = behind_nat();
        assert_eq!(send(&mut latch, OUTSIDE, Latching::Any, &numbers, 0), [false; 6], "{numbers:?}");
        assert_eq!(latch.current(), Some(address(INSIDE)));
    }
}

#[test]
fn only_peer_host_can_be_on_probation() {
    let signaling = rules(Latching::Signaling);
    let mut latch = behind_nat();
    assert_eq!(latch.admit(packet(OUTSIDE, 1, 1), &signaling, at(0)), Admission::OnProbation);
    for number in 0..50 {
        let admission = latch.admit(packet(UNKNOWN, 2, number), &rules(Latching::Any), at(20_000));
        assert_eq!(admission, Admission::Foreign);
    }
}

#[test]
fn latching_setting_limits_followed_addresses() {
    let other_port = "198.51.100.7:4002";
    let table = [
        (Latching::Never, other_port, false),
        (Latching::Never, OUTSIDE, false),
        (Latching::SameAddress, other_port, true),
        (Latching::SameAddress, OUTSIDE, false),
        (Latching::Signaling, other_port, true),
        (Latching::Signaling, OUTSIDE, true),
        (Latching::Signaling, UNKNOWN, false),
    ];
    for (latching, from, is_followed) in table {
        let admitted = send(&mut described(PEER, OUTSIDE), from, latching, &[1, 2, 3, 4, 5], 0);
        assert_eq!(admitted[4], is_followed, "{latching:?} {from}");
    }
}

#[test]
fn authentic_packets_are_followed_within_configured_limits() {
    let table =
        [(Latching::Never, false), (Latching::SameAddress, false), (Latching::Signaling, true), (Latching::Any, true)];
    for (latching, is_followed) in table {
        let mut latch = reachable();
        send(&mut latch, PEER, latching, &[1], 0);
        latch.admit_authentic(packet(UNKNOWN, 1, 2), &rules(latching), at(1));
        assert_eq!(latch.current() == Some(address(UNKNOWN)), is_followed, "{latching:?}");
    }
}

#[test]
fn reordered_authentic_packet_does_not_move_media() {
    let signaling = rules(Latching::Signaling);
    let mut latch = reachable();
    for (from, number) in [(PEER, 1), (OUTSIDE, 3), (PEER, 2)] {
        latch.admit_authentic(packet(from, 1, number), &signaling, at(0));
    }
    assert_eq!(latch.current(), Some(address(OUTSIDE)));
    latch.admit_authentic(packet(PEER, 1, 4), &signaling, at(0));
    assert_eq!(latch.current(), Some(address(PEER)));
}

#[test]
fn active_address_is_kept_against_another_port() {
    let mut latch = behind_nat();
    let other_port = "203.0.113.5:61235";
    send(&mut latch, OUTSIDE, Latching::Any, &[65_534, 65_535], 0);
    for number in 0..500_u16 {
        let now = u64::from(number) * 20;
        send(&mut latch, OUTSIDE, Latching::Any, &[number], now);
        assert_eq!(send_as(&mut latch, other_port, Latching::Any, 2, &[number], now), [false]);
    }
    assert_eq!(latch.current(), Some(address(OUTSIDE)));
}

#[test]
fn silent_peer_is_followed_to_another_port() {
    let mut latch = behind_nat();
    let other_port = "203.0.113.5:61235";
    send(&mut latch, OUTSIDE, Latching::Signaling, &[0, 1, 2], 0);
    assert_eq!(send_as(&mut latch, other_port, Latching::Signaling, 2, &[7, 8, 9], 1900), [false; 3]);
    assert!(send_as(&mut latch, other_port, Latching::Signaling, 2, &[10, 11], 2100)[1]);
}

#[test]
fn continued_stream_is_followed_after_nat_rebinding() {
    let mut latch = behind_nat();
    let rebound = "192.0.2.99:40404";
    let numbers: Vec<u16> = (0..50).collect();
    send(&mut latch, OUTSIDE, Latching::Signaling, &numbers, 0);
    // Another SSRC, or distant sequence numbers, do not continue the stream.
    assert_eq!(send_as(&mut latch, UNKNOWN, Latching::Signaling, 2, &[50, 51, 52, 53], 2000), [false; 4]);
    assert_eq!(send(&mut latch, UNKNOWN, Latching::Signaling, &[9000, 9001, 9002], 2000), [false; 3]);
    assert_eq!(send(&mut latch, rebound, Latching::Signaling, &[55, 56, 57], 2100), [false, true, true]);
    assert_eq!(latch.current(), Some(address(rebound)));
}

#[test]
fn stream_on_two_paths_stays_on_the_first() {
    let mut latch = behind_nat();
    for number in 0..100_u16 {
        let now = u64::from(number) * 20;
        send(&mut latch, OUTSIDE, Latching::Signaling, &[2 * number], now);
        send(&mut latch, UNKNOWN, Latching::Signaling, &[2 * number + 1], now);
    }
    assert_eq!(latch.current(), Some(address(OUTSIDE)));
}

/// Phones of one manufacturer use the same RTP port, so that the port is no evidence.
#[test]
fn described_port_of_another_host_is_not_followed() {
    let kept = "203.0.113.5:4000";
    let numbers: Vec<u16> = (1..40).collect();
    let mut latch = described(INSIDE, "198.51.100.1:5060");
    assert!(send(&mut latch, kept, Latching::Signaling, &numbers, 0).iter().all(|admitted| !admitted));
    // A trusted host replaces at once an address that was accepted with `Any`.
    assert!(send(&mut latch, kept, Latching::Any, &numbers, 0).iter().any(|admitted| *admitted));
    assert!(send_as(&mut latch, "198.51.100.1:7000", Latching::Any, 2, &[1, 2], 6001)[1]);
}

#[test]
fn early_window_restarts_with_answer() {
    let numbers: Vec<u16> = (1..40).collect();
    let mut latch = described(INSIDE, "198.51.100.1:5060");
    latch.describe(address(INSIDE), None, &LatchRules::default(), at(30_000));
    assert!(send(&mut latch, OUTSIDE, Latching::Any, &numbers, 30_500).iter().any(|admitted| *admitted));
}

#[test]
fn any_follows_early_steady_sender_once() {
    let numbers: Vec<u16> = (1..40).collect();
    let mut latch = described(INSIDE, "198.51.100.1:5060");
    let admitted = send(&mut latch, OUTSIDE, Latching::Any, &numbers, 0);
    assert_eq!(admitted.iter().position(|admitted| *admitted), Some(25), "after 500 ms");
    // Afterwards no unknown source is followed, whether the peer sends or not.
    for begin in [2000, 60_000] {
        assert!(send_as(&mut latch, UNKNOWN, Latching::Any, 2, &numbers, begin).iter().all(|admitted| !admitted));
    }
    assert_eq!(latch.current(), Some(address(OUTSIDE)));
    let late = send(&mut described(INSIDE, "198.51.100.1:5060"), OUTSIDE, Latching::Any, &numbers, 10_000);
    assert!(late.iter().all(|admitted| !admitted));
}

#[test]
fn any_does_not_follow_port_scan() {
    let mut latch = described(INSIDE, "198.51.100.1:5060");
    for sweep in 0..14_u16 {
        for burst in 0..5 {
            let now = at(u64::from(sweep) * 700);
            let admission = latch.admit(packet(UNKNOWN, 1, sweep * 5 + burst), &rules(Latching::Any), now);
            assert_eq!(admission, Admission::Foreign);
        }
    }
    assert_eq!(latch.current(), Some(address(INSIDE)));
}

#[test]
fn described_address_wins_over_earlier_sender() {
    let mut latch = described(PEER, OUTSIDE);
    assert!(send(&mut latch, OUTSIDE, Latching::Signaling, &[0, 1], 0)[1]);
    assert_eq!(send_as(&mut latch, PEER, Latching::Signaling, 2, &[77], 30), [true]);
    assert_eq!(send(&mut latch, OUTSIDE, Latching::Signaling, &[2, 3, 4, 5], 40), [false; 4]);
    assert_eq!(latch.current(), Some(address(PEER)));
}

#[test]
fn new_description_resets_learned_address() {
    let any = LatchRules::default();
    let mut latch = behind_nat();
    send(&mut latch, OUTSIDE, Latching::Signaling, &[0, 1, 2], 0);
    latch.describe(address(INSIDE), None, &any, at(200));
    assert_eq!(latch.current(), Some(address(OUTSIDE)));
    latch.describe(address(PEER), None, &any, at(200));
    assert_eq!(latch.current(), Some(address(PEER)));
    // The previous endpoint still sends for a while; its address must not be used again.
    let numbers: Vec<u16> = (5..100).collect();
    assert!(send(&mut latch, OUTSIDE, Latching::Signaling, &numbers, 210).iter().all(|admitted| !admitted));
    assert_eq!(send_as(&mut latch, PEER, Latching::Signaling, 2, &[1], 300), [true]);
}

#[test]
fn rtcp_follows_host_of_rtp() {
    let any = LatchRules::default();
    let (mut rtp, mut rtcp) = (behind_nat(), described("192.168.6.10:4001", "203.0.113.5:5060"));
    let (nat, other_nat) = (address("203.0.113.5:61300"), address("203.0.113.5:61301"));
    assert!(!rtcp.admit_beside(&rtp, address(UNKNOWN), &any, at(0)));
    send(&mut rtp, OUTSIDE, Latching::Signaling, &[0, 1, 2], 0);
    assert!(!rtcp.admit_beside(&rtp, address(UNKNOWN), &any, at(100)));
    assert!(rtcp.admit_beside(&rtp, nat, &any, at(100)));
    assert_eq!(rtcp.current(), Some(nat));
    assert!(!rtcp.admit_beside(&rtp, other_nat, &any, at(10_000)), "the current port is active");
    assert!(rtcp.admit_beside(&rtp, other_nat, &any, at(15_100)));
    assert!(!rtcp.admit_beside(&rtp, nat, &rules(Latching::Never), at(99_000)));
}

#[test]
fn rtcp_without_rtp_is_accepted_from_peer_host() {
    let any = LatchRules::default();
    let (rtp, mut rtcp) = (behind_nat(), described("192.168.6.10:4001", "203.0.113.5:5060"));
    assert!(!rtcp.admit_beside(&rtp, address("203.0.113.5:61300"), &rules(Latching::SameAddress), at(0)));
    assert!(rtcp.admit_beside(&rtp, address("203.0.113.5:61300"), &any, at(0)));
}

/// An event in a call under attack.
#[derive(Clone, Debug)]
enum Step {
    /// An unknown source sends: SSRC, sequence number, last octet of its address, port.
    Sweep(u32, u16, u8, u16),
    /// The peer sends this number of packets.
    Peer(u8),
    /// Nothing is sent for this number of milliseconds.
    Pause(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (2_u32..5, 0_u16..300, 1_u8..3, 5000_u16..5003).prop_map(|(a, b, c, d)| Step::Sweep(a, b, c, d)),
        2 => (1_u8..40).prop_map(Step::Peer),
        1 => (0_u16..30_000).prop_map(Step::Pause),
    ]
}

proptest! {
    /// An unknown source never receives media, whatever it sends and when, with or without a peer that sends, behind a
    /// NAT or not. The peer receives media whenever it sends.
    #[test]
    fn unknown_source_never_gets_media(is_behind_nat: bool, steps in prop::collection::vec(step(), 0..120)) {
        let (mut latch, peer) = if is_behind_nat { (behind_nat(), OUTSIDE) } else { (reachable(), PEER) };
        let rules = LatchRules::default();
        let (mut now, mut number) = (at(0), 65_500_u16);
        for step in steps {
            match step {
                Step::Sweep(ssrc, sequence, host, port) => {
                    let from = SocketAddr::from(([192, 0, 2, host], port));
                    prop_assert_eq!(latch.admit(ReceivedPacket { from, ssrc, sequence }, &rules, now), Admission::Foreign);
                }
                Step::Peer(packets) => {
                    for count in 0..packets {
                        let admission = latch.admit(packet(peer, 1, number), &rules, now);
                        prop_assert!(count == 0 || admission == Admission::Admitted);
                        number = number.wrapping_add(1);
                        now = now + Duration::from_millis(20);
                    }
                }
                Step::Pause(millis) => now = now + Duration::from_millis(millis.into()),
            }
            let expected = [address(peer), address(if is_behind_nat { INSIDE } else { PEER })];
            prop_assert!(latch.current().is_some_and(|current| expected.contains(&current)));
        }
    }

    /// A phone behind a NAT is followed within the first packets that arrive, despite loss and reordering.
    #[test]
    fn phone_behind_nat_is_followed_despite_loss(
        arrives in prop::collection::vec(prop::bool::weighted(0.6), 20..40),
        is_swapped: bool,
    ) {
        let numbers = (0_u16..).map(|number| if is_swapped { number ^ 1 } else { number });
        let arrived: Vec<u16> = numbers.zip(&arrives).filter(|(_, arrives)| **arrives).map(|(number, _)| number).collect();
        let mut latch = behind_nat();
        let admitted = send(&mut latch, OUTSIDE, Latching::Signaling, &arrived, 0);
        // The first two packets may be swapped.
        prop_assert!(arrived.len() < 3 || admitted[2]);
    }
}
