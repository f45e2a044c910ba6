//! Identifiers of calls, legs, sessions, accounts, INVITEs, bridges and requests.

use serde::{Deserialize, Serialize};

/// The number of low-order bits of an identifier that contain the counter. The higher bits contain the node number.
const COUNTER_BITS: u32 = 48;

/// Generates all identifiers of one relay. They are unique among the nodes of a cluster, and no code depends on their
/// structure. Those of node 0 are small numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identifiers {
    last: u64,
}

impl Identifiers {
    pub(super) const fn new() -> Self {
        Self { last: 1 }
    }

    /// Returns an identifier that was not returned before on this node.
    pub(super) const fn mint(&mut self, node: u16) -> u64 {
        self.last += 1;
        ((node as u64) << COUNTER_BITS) | (self.last & ((1 << COUNTER_BITS) - 1))
    }
}

#[cfg(test)]
mod tests;
