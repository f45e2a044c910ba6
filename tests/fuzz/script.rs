//! The script of a fuzz target: octets that select actions and their parameters.

/// The octets that a target has not used yet.
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl Script<'_> {
    /// Returns the next octet; none at the end of the script.
    pub(crate) fn next(&mut self) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(*first))
    }

    /// Returns a number below `limit`, or 0 if there is none.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.next().unwrap_or(0) % limit.max(1)
    }

    /// Returns one of the values; none if there are no values.
    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).cloned()
    }
}
