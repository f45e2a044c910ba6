//! Allocation of RTP port pairs for SIP legs: the worker binds pairs in advance, a call takes them, and they are not
//! reused until a rest time has passed.
//!
//! ```text
//!        to_reserve             reserved                take               give_back              rest is over
//! free ─────────────▶ reserving ────────▶ reserved ──────────────▶ taken ────────────▶ resting ──────────────▶ free
//!   │                     │                                          ▲
//!   └─────────────────────┼── take, when no pair is reserved ────────┘                            rest is over
//!                         └── in use by another program ─────────────────────────────▶ in_use ───────────────▶ free
//! ```
//!
//! A reserved pair is already bound, so that no description names a port that another program uses. Pairs are taken in
//! the order in which they became free, so that a port is reused as late as possible: packets of a peer that still
//! sends to an ended call must not be received in another call.

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::command::LocalRtp;

/// The rest time of a pair if another program uses one of its ports.
const IN_USE_REST: Duration = Duration::from_secs(60);

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

    /// The addresses of both ports on `address`.
    #[must_use]
    pub const fn on(self, address: IpAddr) -> LocalRtp {
        LocalRtp { rtp: SocketAddr::new(address, self.rtp()), rtcp: SocketAddr::new(address, self.rtcp()) }
    }
}

/// The port pairs of one media worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortPool {
    pairs: Pairs,
    rest: Duration,
    /// Free pairs, the one that was freed first in front.
    free: VecDeque<PortPair>,
    /// Pairs that the worker is binding.
    reserving: BTreeSet<PortPair>,
    /// Pairs that the worker has bound.
    reserved: VecDeque<PortPair>,
    /// Pairs that a call uses.
    taken: BTreeSet<PortPair>,
    /// Resting pairs, in the order in which they become free.
    resting: VecDeque<(Time, PortPair)>,
    /// Pairs that another program uses, in the order in which they become free.
    in_use: VecDeque<(Time, PortPair)>,
}

impl PortPool {
    /// Creates a pool of the pairs whose ports both lie within `first..=last`; each pair rests for `rest` after use.
    #[must_use]
    pub fn new(first: u16, last: u16, rest: Duration) -> Self {
        Self::of(Pairs::within(first, last), rest)
    }

    fn of(pairs: Pairs, rest: Duration) -> Self {
        Self {
            pairs,
            rest,
            free: pairs.iter().collect(),
            reserving: BTreeSet::new(),
            reserved: VecDeque::new(),
            taken: BTreeSet::new(),
            resting: VecDeque::new(),
            in_use: VecDeque::new(),
        }
    }

    /// Continues with the pairs of a pool from before a restart, if it has the same ports.
    #[must_use]
    pub fn resumed(self, before: Option<Self>) -> Self {
        match before {
            Some(before) if before.pairs == self.pairs => Self { rest: self.rest, ..before },
            Some(_) | None => self,
        }
    }

    /// Divides a range among workers. Each gets adjacent pairs; the remainder goes to the first workers.
    #[must_use]
    pub fn divided(first: u16, last: u16, rest: Duration, workers: u16) -> Vec<Self> {
        let mut pairs = Pairs::within(first, last);
        let mut pools = Vec::with_capacity(usize::from(workers));
        for left in (1..=workers).rev() {
            let count = pairs.count.div_ceil(left);
            pools.push(Self::of(Pairs { first: pairs.first, count }, rest));
            pairs = Pairs { first: pairs.first.wrapping_add(count.wrapping_mul(2)), count: pairs.count - count };
        }
        pools
    }

    /// The number of pairs, free or not.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.pairs.count as usize
    }

    /// The number of pairs that calls use.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.len()
    }

    /// Whether a pair belongs to this pool.
    #[must_use]
    pub fn contains(&self, pair: PortPair) -> bool {
        pair.0 >= self.pairs.first && usize::from((pair.0 - self.pairs.first) / 2) < self.size()
    }

    /// Returns pairs for the worker to bind, so that `count` pairs are reserved; none while more than half of `count`
    /// are reserved. The worker's result goes to [`PortPool::reserved`].
    pub fn to_reserve(&mut self, count: usize, now: Time) -> Vec<PortPair> {
        let there = self.reserved.len() + self.reserving.len();
        if there > count / 2 {
            return Vec::new();
        }
        self.free_rested(now);
        let pairs: Vec<PortPair> = self.free.drain(..self.free.len().min(count - there)).collect();
        self.reserving.extend(&pairs);
        pairs
    }

    /// Records the worker's result: the pairs in `ready` are bound, those in `in_use` could not be.
    pub fn reserved(&mut self, ready: &[PortPair], in_use: &[PortPair], now: Time) {
        self.reserved.extend(ready.iter().filter(|pair| self.reserving.remove(pair)));
        let refused = in_use.iter().filter(|pair| self.reserving.remove(pair));
        self.in_use.extend(refused.map(|pair| (now + IN_USE_REST, *pair)));
    }

    /// Takes `count` pairs; returns `None` and takes none if fewer are available.
    pub fn take(&mut self, count: usize, now: Time) -> Option<Vec<PortPair>> {
        self.free_rested(now);
        if self.reserved.len() + self.free.len() < count {
            return None;
        }
        let reserved = self.reserved.len().min(count);
        let bound = self.reserved.drain(..reserved);
        let found: Vec<PortPair> = bound.chain(self.free.drain(..count - reserved)).collect();
        self.taken.extend(&found);
        Some(found)
    }

    /// Starts the rest time of pairs. Pairs that were not taken are unchanged.
    pub fn give_back(&mut self, pairs: &[PortPair], now: Time) {
        let given = pairs.iter().filter(|pair| self.taken.remove(pair));
        self.resting.extend(given.map(|pair| (now + self.rest, *pair)));
    }

    /// Frees the pairs whose rest time is over.
    fn free_rested(&mut self, now: Time) {
        for resting in [&mut self.resting, &mut self.in_use] {
            while let Some((_, pair)) = resting.pop_front_if(|(until, _)| *until <= now) {
                self.free.push_back(pair);
            }
        }
    }
}

/// A range of adjacent pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pairs {
    first: u16,
    count: u16,
}

impl Pairs {
    fn within(first: u16, last: u16) -> Self {
        // Port 0 cannot be used (RFC 3264 §6 gives it another meaning).
        let even = u32::from(first.max(1)).next_multiple_of(2);
        let ports = (u32::from(last) + 1).saturating_sub(even);
        let first = u16::try_from(even).unwrap_or(u16::MAX);
        Self { first, count: u16::try_from(ports / 2).unwrap_or(0) }
    }

    fn iter(self) -> impl Iterator<Item = PortPair> {
        (self.first..).step_by(2).take(usize::from(self.count)).map(PortPair)
    }
}

#[cfg(test)]
mod tests;
