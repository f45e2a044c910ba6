use super::*;
use crate::relay::tests::with_sip;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn payer(call: u64) -> Payer {
    Payer::Session(SessionId(call % 3))
}

proptest! {
    /// Whatever legs take and give back, the shares are those of the ports in use, and nothing is left in the end.
    #[test]
    fn ports_and_shares_are_given_back(steps in prop::collection::vec((0..6_u64, 0..2_u16, 0..4_usize, prop::bool::ANY), 0..60)) {
        let mut workers = MediaWorkers::new(&with_sip());
        let now = Time::EPOCH;
        let mut legs: BTreeMap<u64, Vec<(WorkerId, Vec<PortPair>)>> = BTreeMap::new();
        for (call, worker, count, ends) in steps {
            if ends {
                for (worker, pairs) in legs.remove(&call).unwrap_or_default() {
                    workers.give_back(&pairs, worker, now);
                }
                workers.end_call(CallKey(call));
                continue;
            }
            workers.begin_call(CallKey(call), payer(call));
            if let Some(pairs) = workers.take(CallKey(call), WorkerId(worker), count, 40, now) {
                prop_assert_eq!(pairs.len(), count);
                legs.entry(call).or_default().push((WorkerId(worker), pairs));
            }
            let taken: usize = legs.values().flatten().map(|(_, pairs)| pairs.len()).sum();
            prop_assert_eq!(workers.taken(), taken);
        }
        for (call, legs) in legs {
            legs.into_iter().for_each(|(worker, pairs)| workers.give_back(&pairs, worker, now));
            workers.end_call(CallKey(call));
        }
        (0..6).for_each(|call| workers.end_call(CallKey(call)));
        prop_assert!(workers.is_idle());
    }
}

#[test]
fn worker_with_other_ports_loses_those_in_use() {
    let mut config = with_sip();
    let mut workers = MediaWorkers::new(&config);
    let now = Time::EPOCH;
    for worker in [0, 1] {
        assert!(workers.take(CallKey(1), WorkerId(worker), 2, 40, now).is_some());
    }
    assert_eq!(workers.clone().configured(&config), workers);
    config.sip.iter_mut().for_each(|sip| sip.workers[1].last_port += 100);
    let resumed = workers.configured(&config);
    assert_eq!(resumed.taken(), 2);
    assert_eq!(resumed, resumed.clone().configured(&config));
}
