//! A map of bounded size that removes the least recently used entry when it is full.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A map of at most `capacity` entries. If it is full, a new entry replaces the least recently used one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent<K: Ord, V> {
    capacity: usize,
    #[serde(
        with = "crate::pairs",
        bound(
            serialize = "K: Serialize, V: Serialize",
            deserialize = "K: Deserialize<'de> + Ord, V: Deserialize<'de>"
        )
    )]
    entries: BTreeMap<K, (u64, V)>,
    by_use: BTreeMap<u64, K>,
    uses: u64,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    /// An empty map.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { capacity, entries: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    /// The entry of a key; this does not count as a use.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The entry of a key; this does not count as a use.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// The entry of a key, created by `new` if there is none; this counts as a use.
    pub fn entry(&mut self, key: &K, new: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(key)
            && self.entries.len() >= self.capacity
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.uses += 1;
        let (used, value) = self.entries.entry(key.clone()).or_insert_with(|| (0, new()));
        self.by_use.remove(used);
        *used = self.uses;
        self.by_use.insert(self.uses, key.clone());
        value
    }

    /// Removes the entry of a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (used, value) = self.entries.remove(key)?;
        self.by_use.remove(&used);
        Some(value)
    }

    /// The first key that is not less than `key`.
    #[must_use]
    pub fn first_from(&self, key: &K) -> Option<&K> {
        self.entries.range(key..).next().map(|(key, _)| key)
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn entry_beyond_capacity_replaces_the_least_recently_used() {
        let mut map = Recent::new(2);
        *map.entry(&"a", || 0) = 1;
        *map.entry(&"b", || 0) = 2;
        map.entry(&"a", || 0);
        map.entry(&"c", || 3);
        assert_eq!((map.get(&"a"), map.get(&"b"), map.get(&"c")), (Some(&1), None, Some(&3)));
        assert_eq!((map.len(), map.remove(&"a"), map.remove(&"a"), map.len()), (2, Some(1), None, 1));
    }

    #[test]
    fn size_stays_bounded_under_any_keys() {
        let mut map = Recent::new(8);
        for key in 0..1_000_u32 {
            map.entry(&(key % 37), || key);
            map.remove(&(key % 5));
        }
        assert!(map.len() <= 8 && map.by_use.len() == map.entries.len());
    }
}
