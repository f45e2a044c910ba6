//! The ports of SIP-side media: pairs that are taken, rest after their call, and are taken again.
//!
//! ```text
//!          take                give_back                 rest is over
//! free ───────────▶ taken ─────────────────▶ resting ─────────────────▶ free
//! ```
//!
//! Pairs are taken round robin, so that a port is used again as late as possible: who still sends to a call that ended
//! must not be heard in another one.

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::command::LocalRtp;

/// Two neighbouring ports: RTP on the even one, RTCP on the odd one after it (RFC 3550 §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PortPair(u16);

impl PortPair {
    /// The port of RTP.
    #[must_use]
    pub const fn rtp(self) -> u16 {
        self.0
    }

    /// The port of RTCP.
    #[must_use]
    pub const fn rtcp(self) -> u16 {
        self.0 | 1
    }

    /// Both on an address.
    #[must_use]
    pub const fn on(self, address: IpAddr) -> LocalRtp {
        LocalRtp { rtp: SocketAddr::new(address, self.rtp()), rtcp: SocketAddr::new(address, self.rtcp()) }
    }
}

/// The pairs that one media worker may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortPool {
    /// Even port of the first pair.
    first: u16,
    /// How many pairs there are.
    pairs: u16,
    /// Place of the pair to be tried next.
    next: u16,
    rest: Duration,
    /// By its even port, what is not free: taken, or resting until then.
    busy: BTreeMap<u16, Option<Time>>,
}

impl PortPool {
    /// The pairs whose both ports lie within `first..=last`; each rests for `rest` after use.
    #[must_use]
    pub fn new(first: u16, last: u16, rest: Duration) -> Self {
        let pairs = Pairs::within(first, last);
        Self { first: pairs.first, pairs: pairs.count, next: 0, rest, busy: BTreeMap::new() }
    }

    /// A range divided among workers, each getting neighbouring pairs; those that do not divide go to the first ones.
    #[must_use]
    pub fn divided(first: u16, last: u16, rest: Duration, workers: u16) -> Vec<Self> {
        let mut pairs = Pairs::within(first, last);
        let mut pools = Vec::with_capacity(usize::from(workers));
        for left in (1..=workers).rev() {
            let count = pairs.count.div_ceil(left);
            pools.push(Self { first: pairs.first, pairs: count, next: 0, rest, busy: BTreeMap::new() });
            pairs = Pairs { first: pairs.first.wrapping_add(count.wrapping_mul(2)), count: pairs.count - count };
        }
        pools
    }

    /// How many pairs there are, free or not.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.pairs as usize
    }

    /// How many pairs calls have.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.busy.values().filter(|until| until.is_none()).count()
    }

    /// Takes `count` pairs; `None`, and none is taken, when there are not so many.
    pub fn take(&mut self, count: usize, now: Time) -> Option<Vec<PortPair>> {
        self.busy.retain(|_, until| until.is_none_or(|until| until > now));
        if self.size() - self.busy.len() < count {
            return None;
        }
        let mut found = Vec::with_capacity(count);
        while found.len() < count {
            let port = self.first + self.next * 2;
            self.next = (self.next + 1) % self.pairs;
            if let std::collections::btree_map::Entry::Vacant(place) = self.busy.entry(port) {
                place.insert(None);
                found.push(PortPair(port));
            }
        }
        Some(found)
    }

    /// The pairs begin to rest. What was not taken stays as it is. A pair that could not be bound comes back the same way:
    /// when its turn comes again, whoever had it may be gone.
    pub fn give_back(&mut self, pairs: &[PortPair], now: Time) {
        for PortPair(port) in pairs {
            if let Some(until @ None) = self.busy.get_mut(port) {
                *until = Some(now + self.rest);
            }
        }
    }
}

/// Neighbouring pairs.
#[derive(Clone, Copy)]
struct Pairs {
    first: u16,
    count: u16,
}

impl Pairs {
    fn within(first: u16, last: u16) -> Self {
        // Port 0 is none (RFC 3264 §6 gives it another meaning).
        let even = u32::from(first.max(1)).next_multiple_of(2);
        let ports = (u32::from(last) + 1).saturating_sub(even);
        let first = u16::try_from(even).unwrap_or(u16::MAX);
        Self { first, count: u16::try_from(ports / 2).unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests;
