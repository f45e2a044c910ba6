//! Who tries passwords.

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// How long wrong passwords are counted.
pub const PENANCE: Duration = Duration::from_secs(60);

/// Addresses whose wrong passwords are counted at a time; the oldest are forgotten beyond that.
const MOST: usize = 10_000;

/// Wrong passwords, by the address they came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Guesses {
    counts: BTreeMap<IpAddr, u32>,
    /// When each address began.
    since: VecDeque<(Time, IpAddr)>,
}

impl Guesses {
    /// How many there were of late.
    pub(super) fn count(&mut self, address: IpAddr, now: Time) -> u32 {
        while self.since.front().is_some_and(|(since, _)| now.since(*since) >= PENANCE) {
            self.forget_oldest();
        }
        self.counts.get(&network(address)).copied().unwrap_or(0)
    }

    /// There was one more.
    pub(super) fn note(&mut self, address: IpAddr, now: Time) {
        let address = network(address);
        let count = self.counts.entry(address).or_insert(0);
        if *count == 0 {
            self.since.push_back((now, address));
        }
        *count = count.saturating_add(1);
        while self.since.len() > MOST {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, address)) = self.since.pop_front() {
            self.counts.remove(&address);
        }
    }
}

/// Who has one IPv6 address has 2^64 of them (RFC 4291 §2.5.1).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}
