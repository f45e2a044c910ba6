//! The legs of a worker: an array for the packet path, and an index by key for commands.

use crate::command::LegKey;
use crate::leg::{Leg, LegIndex};
use std::collections::BTreeMap;

/// All legs of a worker.
#[derive(Debug, Default)]
pub(super) struct Legs {
    places: Vec<Option<Box<Leg>>>,
    free: Vec<LegIndex>,
    by_key: BTreeMap<LegKey, LegIndex>,
}

impl Legs {
    /// The index of the next leg to be inserted.
    pub(super) fn next_index(&self) -> LegIndex {
        self.free.last().copied().unwrap_or(LegIndex::at(self.places.len()))
    }

    /// Inserts a leg whose key is new.
    pub(super) fn insert(&mut self, leg: Leg) {
        let (key, index) = (leg.key, self.next_index());
        match self.free.pop().and_then(|free| self.places.get_mut(free.place())) {
            Some(place) => *place = Some(Box::new(leg)),
            None => self.places.push(Some(Box::new(leg))),
        }
        self.by_key.insert(key, index);
    }

    /// Removes a leg. Its index is reused; the array is freed when no legs are left.
    pub(super) fn remove(&mut self, key: LegKey) -> Option<(LegIndex, Box<Leg>)> {
        let index = self.by_key.remove(&key)?;
        let leg = self.places.get_mut(index.place()).and_then(Option::take)?;
        self.free.push(index);
        if self.by_key.is_empty() {
            *self = Self::default();
        }
        Some((index, leg))
    }

    pub(super) fn index_of(&self, key: LegKey) -> Option<LegIndex> {
        self.by_key.get(&key).copied()
    }

    pub(super) fn contains(&self, key: LegKey) -> bool {
        self.by_key.contains_key(&key)
    }

    pub(super) fn at(&mut self, index: LegIndex) -> Option<&mut Leg> {
        self.places.get_mut(index.place())?.as_deref_mut()
    }

    /// The number of places of the array.
    pub(super) const fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn at_place(&self, place: usize) -> Option<&Leg> {
        self.places.get(place)?.as_deref()
    }

    pub(super) fn get(&self, key: LegKey) -> Option<&Leg> {
        self.places.get(self.index_of(key)?.place())?.as_deref()
    }

    pub(super) fn get_mut(&mut self, key: LegKey) -> Option<&mut Leg> {
        self.at(self.index_of(key)?)
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The keys in order.
    pub(super) fn keys(&self) -> Vec<LegKey> {
        self.by_key.keys().copied().collect()
    }
}

#[cfg(test)]
impl core::ops::Index<&LegKey> for Legs {
    type Output = Leg;

    fn index(&self, key: &LegKey) -> &Leg {
        self.get(*key).unwrap()
    }
}
