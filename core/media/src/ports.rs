//! The ports of SIP-side media: pairs that are reserved at the worker, taken by a call, and rest after it.
//!
//! ```text
//!        to_reserve             reserved                take               give_back              rest is over
//! free ─────────────▶ reserving ────────▶ reserved ──────────────▶ taken ────────────▶ resting ──────────────▶ free
//!   │                     └── in use by another program ────────────────────────────────▶ ▲          ▲
//!   └──────────── take, when no pair is reserved ──────────────────▶ taken               └──────────┘
//! ```
//!
//! A reserved pair is bound already, so that no description names a port that another program has. Pairs are taken in the
//! order in which they became free, so that a port is used again as late as possible: a peer that still sends to a call that
//! has ended must not be received in another one.

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::command::LocalRtp;

/// How long a pair rests that another program has.
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

    /// Both on an address.
    #[must_use]
    pub const fn on(self, address: IpAddr) -> LocalRtp {
        LocalRtp { rtp: SocketAddr::new(address, self.rtp()), rtcp: SocketAddr::new(address, self.rtcp()) }
    }
}

/// The pairs that one media worker may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortPool {
    pairs: Pairs,
    rest: Duration,
    /// The longest free one first.
    free: VecDeque<PortPair>,
    /// Being bound by the worker.
    reserving: BTreeSet<PortPair>,
    /// Bound by the worker.
    reserved: VecDeque<PortPair>,
    /// With a call.
    taken: BTreeSet<PortPair>,
    /// In the order in which they become free.
    resting: VecDeque<(Time, PortPair)>,
    /// The same for those that another program has.
    in_use: VecDeque<(Time, PortPair)>,
}

impl PortPool {
    /// The pairs whose both ports lie within `first..=last`; each rests for `rest` after use.
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

    /// A range divided among workers, each getting neighbouring pairs; those that do not divide go to the first ones.
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

    /// How many pairs there are, free or not.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.pairs.count as usize
    }

    /// How many pairs calls have.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.len()
    }

    /// Whether a pair is one of this pool's.
    #[must_use]
    pub fn contains(&self, pair: PortPair) -> bool {
        pair.0 >= self.pairs.first && usize::from((pair.0 - self.pairs.first) / 2) < self.size()
    }

    /// Pairs for the worker to bind, so that `count` are reserved; none while more than half of these are. The worker answers
    /// with [`PortPool::reserved`].
    pub fn to_reserve(&mut self, count: usize, now: Time) -> Vec<PortPair> {
        let there = self.reserved.len() + self.reserving.len();
        if there > count / 2 {
            return Vec::new();
        }
        self.wake(now);
        let pairs: Vec<PortPair> = self.free.drain(..self.free.len().min(count - there)).collect();
        self.reserving.extend(&pairs);
        pairs
    }

    /// The worker has bound the pairs in `ready`; those in `in_use` it could not.
    pub fn reserved(&mut self, ready: &[PortPair], in_use: &[PortPair], now: Time) {
        self.reserved.extend(ready.iter().filter(|pair| self.reserving.remove(pair)));
        let refused = in_use.iter().filter(|pair| self.reserving.remove(pair));
        self.in_use.extend(refused.map(|pair| (now + IN_USE_REST, *pair)));
    }

    /// Takes `count` pairs; `None`, and none is taken, when there are not so many.
    pub fn take(&mut self, count: usize, now: Time) -> Option<Vec<PortPair>> {
        self.wake(now);
        if self.reserved.len() + self.free.len() < count {
            return None;
        }
        let reserved = self.reserved.len().min(count);
        let bound = self.reserved.drain(..reserved);
        let found: Vec<PortPair> = bound.chain(self.free.drain(..count - reserved)).collect();
        self.taken.extend(&found);
        Some(found)
    }

    /// The pairs begin to rest. What was not taken stays as it is.
    pub fn give_back(&mut self, pairs: &[PortPair], now: Time) {
        let given = pairs.iter().filter(|pair| self.taken.remove(pair));
        self.resting.extend(given.map(|pair| (now + self.rest, *pair)));
    }

    /// Frees what has rested.
    fn wake(&mut self, now: Time) {
        for resting in [&mut self.resting, &mut self.in_use] {
            while let Some((_, pair)) = resting.pop_front_if(|(until, _)| *until <= now) {
                self.free.push_back(pair);
            }
        }
    }
}

/// Neighbouring pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    fn iter(self) -> impl Iterator<Item = PortPair> {
        (self.first..).step_by(2).take(usize::from(self.count)).map(PortPair)
    }
}

#[cfg(test)]
mod tests;
