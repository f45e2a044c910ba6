//! A timer queue without a clock: one deadline per owner, ordered by time.

use crate::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A set of owners, each with one deadline.
///
/// A machine that contains thousands of smaller ones does not ask each for its next deadline: it calls [`Deadlines::set`] when
/// one has changed. Its `poll_timeout` is [`Deadlines::next`], and its `handle_timeout` serves what [`Deadlines::pop_due`]
/// returns. Owners with the same deadline are served in the order of their keys.
///
/// While an owner is served, it may set a deadline that is already due. An owner that always sets the same deadline again
/// would make the loop endless, so the loop ends in this case:
///
/// ```
/// # use offhook_clock::{Deadlines, Time};
/// # fn serve(_owner: u32, _deadlines: &mut Deadlines<u32>) {}
/// # let (mut deadlines, now) = (Deadlines::default(), Time::EPOCH);
/// while let Some((due, owner)) = deadlines.pop_due(now) {
///     serve(owner, &mut deadlines);
///     if deadlines.get(&owner) == Some(due) {
///         break;
///     }
/// }
/// ```
///
/// The set is serialized as a list of pairs, because JSON allows only strings as keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    into = "Vec<(K, Time)>",
    from = "Vec<(K, Time)>",
    bound(serialize = "K: Clone + Ord + Serialize", deserialize = "K: Clone + Ord + Deserialize<'de>")
)]
pub struct Deadlines<K: Ord> {
    in_order: BTreeSet<(Time, K)>,
    of: BTreeMap<K, Time>,
}

impl<K: Ord> Default for Deadlines<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord> Deadlines<K> {
    /// An empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { in_order: BTreeSet::new(), of: BTreeMap::new() }
    }

    /// The deadline of an owner.
    #[must_use]
    pub fn get(&self, owner: &K) -> Option<Time> {
        self.of.get(owner).copied()
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.in_order.first().map(|(at, _)| *at)
    }

    /// The number of owners that have a deadline.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether no owner has a deadline.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

impl<K: Ord + Clone> Deadlines<K> {
    /// Sets or replaces the deadline of an owner; `None` removes it.
    pub fn set(&mut self, owner: K, at: Option<Time>) {
        let before = match at {
            Some(at) => self.of.insert(owner.clone(), at),
            None => self.of.remove(&owner),
        };
        match (before, at) {
            (before, at) if before == at => {}
            (None, Some(at)) => {
                self.in_order.insert((at, owner));
            }
            (Some(before), None) => {
                self.in_order.remove(&(before, owner));
            }
            (Some(before), Some(at)) => {
                let before = (before, owner);
                self.in_order.remove(&before);
                self.in_order.insert((at, before.1));
            }
            (None, None) => {}
        }
    }

    /// Removes the earliest deadline if it has passed, and returns it with its owner.
    pub fn pop_due(&mut self, now: Time) -> Option<(Time, K)> {
        if self.next()? > now {
            return None;
        }
        let first = self.in_order.pop_first()?;
        self.of.remove(&first.1);
        Some(first)
    }

    /// The owners whose deadlines have passed, the earliest first. They keep their deadlines.
    #[must_use]
    pub fn due(&self, now: Time) -> Vec<K> {
        self.in_order.iter().take_while(|(at, _)| *at <= now).map(|(_, owner)| owner.clone()).collect()
    }

    /// Removes the deadlines of all owners for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.of.retain(|owner, _| keep(owner));
        self.in_order.retain(|(_, owner)| self.of.contains_key(owner));
    }
}

impl<K: Ord + Clone> From<Deadlines<K>> for Vec<(K, Time)> {
    fn from(deadlines: Deadlines<K>) -> Self {
        deadlines.of.into_iter().collect()
    }
}

impl<K: Ord + Clone> From<Vec<(K, Time)>> for Deadlines<K> {
    fn from(pairs: Vec<(K, Time)>) -> Self {
        let mut deadlines = Self::new();
        for (owner, at) in pairs {
            deadlines.set(owner, Some(at));
        }
        deadlines
    }
}

#[cfg(test)]
mod tests;
