//! A hash table with open addressing that finds the legs of a worker's shared sockets by checked address pair.

use crate::ice::agent::Pair;
use crate::leg::LegIndex;
use std::net::{IpAddr, SocketAddr};

/// The smallest number of slots.
const SMALLEST: usize = 16;

/// A hash table from address pairs to legs. The hash depends on a secret seed, and each word of an address is folded into it
/// separately: a peer cannot cancel one word with another, and cannot compute which addresses collide. Nothing depends on the order
/// of its slots.
#[derive(Debug)]
pub(super) struct PairTable {
    seed: u64,
    /// The slots, a power of two in number and at most half of them used.
    places: Vec<Option<(Pair, LegIndex)>>,
    taken: usize,
}

impl PairTable {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, places: vec![None; SMALLEST], taken: 0 }
    }

    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.taken
    }

    #[cfg(test)]
    pub(super) const fn is_empty(&self) -> bool {
        self.taken == 0
    }

    pub(super) fn get(&self, pair: &Pair) -> Option<LegIndex> {
        match self.places.get(self.find(pair)) {
            Some(Some((_, leg))) => Some(*leg),
            _ => None,
        }
    }

    pub(super) fn insert(&mut self, pair: Pair, leg: LegIndex) {
        let place = self.find(&pair);
        let Some(slot) = self.places.get_mut(place) else { return };
        if slot.replace((pair, leg)).is_none() {
            self.taken += 1;
        }
        if self.taken * 2 > self.places.len() {
            self.resize(self.places.len() * 2);
        }
    }

    pub(super) fn remove(&mut self, pair: &Pair) {
        let mut gap = self.find(pair);
        if self.places.get_mut(gap).and_then(Option::take).is_none() {
            return;
        }
        self.taken -= 1;
        // Entries after the gap that were displaced by a collision move into it, so that they are still found.
        let mask = self.places.len() - 1;
        let mut next = (gap + 1) & mask;
        while let Some(Some((pair, _))) = self.places.get(next) {
            let home = self.home(pair);
            let is_between = (next.wrapping_sub(home) & mask) < (next.wrapping_sub(gap) & mask);
            if !is_between {
                self.places.swap(gap, next);
                gap = next;
            }
            next = (next + 1) & mask;
        }
        if self.places.len() > SMALLEST && self.taken * 8 < self.places.len() {
            self.resize(self.places.len() / 2);
        }
    }

    fn resize(&mut self, places: usize) {
        let before = core::mem::replace(&mut self.places, vec![None; places]);
        self.taken = 0;
        for (pair, leg) in before.into_iter().flatten() {
            self.insert(pair, leg);
        }
    }

    /// The slot of a pair, or the empty slot where it belongs.
    fn find(&self, pair: &Pair) -> usize {
        let mask = self.places.len() - 1;
        let mut place = self.home(pair);
        while let Some(Some((known, _))) = self.places.get(place) {
            if known == pair {
                break;
            }
            place = (place + 1) & mask;
        }
        place
    }

    fn home(&self, pair: &Pair) -> usize {
        let hash = mix(mix(self.seed, &pair.remote), &pair.local);
        // The mask limits the hash to the size of the table.
        (hash as usize) & (self.places.len() - 1)
    }
}

/// Folds the words of an address into a hash, one after the other.
fn mix(hash: u64, address: &SocketAddr) -> u64 {
    let (high, low) = match address.ip() {
        IpAddr::V4(ip) => (0, u64::from(ip.to_bits())),
        IpAddr::V6(ip) => ((ip.to_bits() >> 64) as u64, ip.to_bits() as u64),
    };
    [high, low, u64::from(address.port())].into_iter().fold(hash, |hash, word| fold(hash ^ word))
}

/// Combines both halves of a product, so that every bit of the factor affects the low bits of the result.
const fn fold(value: u64) -> u64 {
    let product = (value ^ 0x9e37_79b9_7f4a_7c15) as u128 * 0xd6e8_feb8_6659_fd93;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::{PairTable, SMALLEST};
    use crate::ice::agent::Pair;
    use crate::leg::LegIndex;
    use proptest::prelude::{Strategy, any, prop};
    use proptest::{prop_assert, prop_assert_eq, proptest};
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv6Addr, SocketAddr};

    fn pair(number: u16) -> Pair {
        let ip = if number.is_multiple_of(2) {
            IpAddr::from([10, 0, 0, 1])
        } else {
            IpAddr::from(Ipv6Addr::from_bits(7 << 64))
        };
        let local = SocketAddr::from(([192, 0, 2, 1], 5000));
        Pair { local, remote: SocketAddr::new(ip, number) }
    }

    proptest! {
        #[test]
        fn pair_table_behaves_like_map(
            seed in any::<u64>(),
            steps in prop::collection::vec((any::<bool>(), 0..96_u16).prop_map(|(add, number)| (add, number)), 0..400),
        ) {
            let (mut table, mut map) = (PairTable::new(seed), BTreeMap::new());
            for (count, (is_added, number)) in steps.into_iter().enumerate() {
                if is_added {
                    table.insert(pair(number), LegIndex::at(count));
                    map.insert(number, LegIndex::at(count));
                } else {
                    table.remove(&pair(number));
                    map.remove(&number);
                }
                for number in 0..96 {
                    prop_assert_eq!(table.get(&pair(number)), map.get(&number).copied());
                }
                prop_assert!(table.taken == map.len() && table.places.len() >= 2 * table.taken);
            }
        }
    }

    /// The largest number of slots between the first slot of a pair and the slot that holds it.
    fn longest_probe(table: &PairTable) -> usize {
        let mask = table.places.len() - 1;
        let places = table.places.iter().enumerate();
        let probes =
            places.filter_map(|(place, taken)| Some(place.wrapping_sub(table.home(&taken.as_ref()?.0)) & mask));
        probes.max().unwrap_or_default()
    }

    #[test]
    fn pair_table_with_chosen_hosts_and_ports_has_short_probes() {
        // The hosts of one /64 network, each with a port that cancels a part of the host.
        let chosen = |port: u16, shift: u32| {
            let ip = Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | u128::from(u64::from(port) << shift ^ 0x1234));
            let local = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5000));
            Pair { local, remote: SocketAddr::new(IpAddr::V6(ip), port) }
        };
        for seed in [0, 1, 0x9e37_79b9_7f4a_7c15, u64::MAX, 0x0123_4567_89ab_cdef] {
            for shift in (0..=48).step_by(8) {
                let mut table = PairTable::new(seed);
                (1..=4096).for_each(|port| table.insert(chosen(port, shift), LegIndex::at(0)));
                let longest = longest_probe(&table);
                assert!(longest < 64, "seed {seed:#x}, shift {shift}: {longest} slots");
            }
        }
    }

    #[test]
    fn pair_table_shrinks_after_removals() {
        let mut table = PairTable::new(1);
        (0..5000).for_each(|number| table.insert(pair(number), LegIndex::at(0)));
        (0..5000).for_each(|number| table.remove(&pair(number)));
        assert_eq!(table.places.len(), SMALLEST);
    }
}
