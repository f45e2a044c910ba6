//! A queue that serves its sources in turn (round-robin).

use std::collections::{BTreeMap, VecDeque};

/// Items of several sources. The items of each source stay in order. One item of each source is served before the second item of
/// any of them, so that a source with a thousand items delays the others by one item.
#[derive(Debug)]
pub(super) struct FairQueue<K, T> {
    items: BTreeMap<K, VecDeque<T>>,
    /// The sources that have items, in the order in which they are served.
    turns: VecDeque<K>,
    length: usize,
}

impl<K: Ord + Copy, T> FairQueue<K, T> {
    pub(super) const fn new() -> Self {
        Self { items: BTreeMap::new(), turns: VecDeque::new(), length: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Returns the number of items of `source`.
    pub(super) fn len_of(&self, source: K) -> usize {
        self.items.get(&source).map_or(0, VecDeque::len)
    }

    pub(super) fn push(&mut self, source: K, item: T) {
        let items = self.items.entry(source).or_default();
        if items.is_empty() {
            self.turns.push_back(source);
        }
        items.push_back(item);
        self.length += 1;
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let source = self.turns.pop_front()?;
        let items = self.items.get_mut(&source)?;
        let item = items.pop_front();
        if items.is_empty() {
            self.items.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        self.length -= usize::from(item.is_some());
        item
    }
}

#[cfg(test)]
mod tests {
    use super::FairQueue;

    #[test]
    fn source_with_many_items_delays_others_by_one() {
        let mut queue = FairQueue::new();
        for item in 0..1_000 {
            queue.push("flood", ("flood", item));
        }
        for item in 0..2 {
            queue.push("a", ("a", item));
            queue.push("b", ("b", item));
        }
        assert_eq!((queue.len(), queue.len_of("flood"), queue.len_of("c")), (1_004, 1_000, 0));
        let first: Vec<_> = core::iter::from_fn(|| queue.pop()).take(7).collect();
        let expected = [("flood", 0), ("a", 0), ("b", 0), ("flood", 1), ("a", 1), ("b", 1), ("flood", 2)];
        assert_eq!(first, expected);
        assert_eq!(core::iter::from_fn(|| queue.pop()).count(), 997);
        assert_eq!((queue.len(), queue.pop()), (0, None));
    }
}
