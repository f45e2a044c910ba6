use super::{PortPair, PortPool};
use core::time::Duration;
use offhook_clock::Time;
use proptest::prelude::*;

const REST: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

fn numbers(pairs: &[PortPair]) -> Vec<u16> {
    pairs.iter().map(|pair| pair.rtp()).collect()
}

#[test]
fn pairs_start_even_and_end_within_range() {
    let mut pool = PortPool::new(10_001, 10_006, REST);
    assert_eq!(pool.size(), 2);
    let pairs = pool.take(2, at(0)).unwrap();
    assert_eq!(numbers(&pairs), [10_002, 10_004]);
    assert_eq!(pairs[1].rtcp(), 10_005);
    let local = pairs[0].on("2001:db8::1".parse().unwrap());
    assert_eq!(local.rtp, "[2001:db8::1]:10002".parse().unwrap());
    assert_eq!(local.rtcp, "[2001:db8::1]:10003".parse().unwrap());
}

#[test]
fn range_without_pair_gives_empty_pool() {
    for (first, last) in [(9, 8), (9, 9), (9, 10), (65_535, 65_535), (0, 0), (0, 2)] {
        let mut pool = PortPool::new(first, last, REST);
        assert_eq!((pool.size(), pool.take(1, at(0))), (0, None), "{first} to {last}");
        assert_eq!(pool.take(0, at(0)), Some(Vec::new()));
    }
    assert_eq!(PortPool::new(0, u16::MAX, REST).size(), 32_767);
}

#[test]
fn all_requested_pairs_are_taken_or_none() {
    let mut pool = PortPool::new(20_000, 20_005, REST);
    assert!(pool.take(2, at(0)).is_some());
    assert_eq!(pool.take(2, at(0)), None);
    assert_eq!(pool.taken(), 2);
    assert_eq!(numbers(&pool.take(1, at(0)).unwrap()), [20_004]);
}

#[test]
fn used_pairs_rest_and_are_reused_last() {
    let mut pool = PortPool::new(20_000, 20_005, REST);
    let used = pool.take(1, at(0)).unwrap();
    pool.give_back(&used, at(5));
    assert_eq!(numbers(&pool.take(2, at(6)).unwrap()), [20_002, 20_004]);
    assert_eq!(pool.take(1, at(14)), None, "the pair rests");
    assert_eq!(numbers(&pool.take(1, at(15)).unwrap()), [20_000]);
}

#[test]
fn reserved_pairs_come_first_and_used_ones_rest() {
    let mut pool = PortPool::new(20_000, 20_011, REST);
    let asked = pool.to_reserve(4, at(0));
    assert_eq!(numbers(&asked), [20_000, 20_002, 20_004, 20_006]);
    assert_eq!(pool.to_reserve(4, at(0)), [], "they are being bound");
    pool.reserved(&asked[1..], &asked[..1], at(0));
    assert_eq!(numbers(&pool.take(2, at(0)).unwrap()), [20_002, 20_004]);
    assert_eq!(numbers(&pool.to_reserve(4, at(0))), [20_008, 20_010]);
    assert_eq!(numbers(&pool.take(1, at(0)).unwrap()), [20_006]);
    assert_eq!(pool.take(1, at(59)), None, "the remaining pairs are being bound or in use");
    assert_eq!(numbers(&pool.take(1, at(60)).unwrap()), [20_000]);
}

#[test]
fn unrequested_reservation_report_changes_nothing() {
    let mut pool = PortPool::new(20_000, 20_003, REST);
    let before = pool.clone();
    pool.reserved(&[PortPair(20_000)], &[PortPair(20_002), PortPair(7)], at(0));
    assert_eq!(pool, before);
    assert!(pool.contains(PortPair(20_002)) && !pool.contains(PortPair(20_004)) && !pool.contains(PortPair(19_998)));
}

#[test]
fn free_pair_is_taken_when_none_is_reserved() {
    let mut pool = PortPool::new(20_000, 20_003, REST);
    let asked = pool.to_reserve(1, at(0));
    assert_eq!(numbers(&pool.take(1, at(0)).unwrap()), [20_002]);
    assert_eq!(pool.take(1, at(0)), None);
    pool.reserved(&asked, &[], at(0));
    assert_eq!(numbers(&pool.take(1, at(0)).unwrap()), [20_000]);
}

#[test]
fn second_give_back_changes_nothing() {
    let mut pool = PortPool::new(20_000, 20_001, REST);
    let used = pool.take(1, at(0)).unwrap();
    pool.give_back(&used, at(0));
    pool.give_back(&used, at(9));
    assert!(pool.take(1, at(10)).is_some());
    pool.give_back(&[PortPair(7)], at(10));
    assert_eq!(pool.taken(), 1);
}

#[test]
fn divided_range_is_complete_and_without_overlap() {
    let mut pools = PortPool::divided(20_000, 20_013, REST, 3);
    assert_eq!(pools.iter().map(PortPool::size).collect::<Vec<_>>(), [3, 2, 2]);
    let taken: Vec<u16> = pools.iter_mut().flat_map(|p| numbers(&p.take(p.size(), at(0)).unwrap())).collect();
    assert_eq!(taken, (20_000..=20_013).step_by(2).collect::<Vec<_>>());
    assert!(PortPool::divided(20_000, 20_013, REST, 0).is_empty());
    assert_eq!(PortPool::divided(0, u16::MAX, REST, 1)[0].size(), 32_767);
    assert_eq!(PortPool::divided(65_534, u16::MAX, REST, 2)[1].size(), 0);
}

proptest! {
    #[test]
    fn pair_is_never_shared_or_taken_while_resting(
        steps in prop::collection::vec((any::<bool>(), 1_usize..3, 0_u64..4), 1..200),
        reserve in 0_usize..4,
    ) {
        let mut pool = PortPool::new(1000, 1019, REST);
        let (mut calls, mut freed, mut now) = (Vec::<Vec<PortPair>>::new(), std::collections::BTreeMap::new(), 0);
        for (takes, count, passes) in steps {
            now += passes;
            let (ready, in_use): (Vec<_>, Vec<_>) =
                pool.to_reserve(reserve, at(now)).into_iter().partition(|pair| !pair.rtp().is_multiple_of(5));
            pool.reserved(&ready, &in_use, at(now));
            if takes {
                let Some(pairs) = pool.take(count, at(now)) else { continue };
                for pair in &pairs {
                    prop_assert!(!calls.iter().flatten().any(|taken| taken == pair));
                    prop_assert!(freed.get(pair).is_none_or(|freed| freed + 10 <= now));
                }
                calls.push(pairs);
            } else if let Some(pairs) = calls.pop() {
                pool.give_back(&pairs, at(now));
                freed.extend(pairs.iter().map(|pair| (*pair, now)));
            }
            let text = serde_json::to_string(&pool).unwrap();
            prop_assert_eq!(&serde_json::from_str::<PortPool>(&text).unwrap(), &pool);
        }
    }
}
