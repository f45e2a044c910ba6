//! Server nonces that need no state until they are used: a timestamp, the client's address, and a MAC over both (RFC
//! 7616 §5.4).
//!
//! A challenge creates no state, so a flood of requests without credentials fills no table. After the first valid
//! credentials, the counts used with a nonce are stored, so that no request can be replayed.

use super::algorithm::hex;
use super::secret::constant_time_eq;
use core::fmt;
use core::time::Duration;
use hmac::{Hmac, KeyInit as _, Mac as _};
use offhook_clock::Time;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// The nonces of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Nonces {
    key: Key,
    lifetime: Duration,
    max: usize,
    last: Time,
    /// The creation time of the newest nonce that was removed from `used`. Nonces up to this time are rejected, because
    /// a replay could not be detected.
    forgotten: Option<Time>,
    /// The counts used with each nonce, by its creation time, which is unique.
    used: BTreeMap<Time, Counts>,
}

/// The counts used with a nonce: the highest, and a bit set of the 64 counts up to it, because UDP may reorder
/// requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    highest: u32,
    seen: u64,
}

/// The time at which a nonce was created, which identifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(Time);

impl Nonces {
    pub(super) fn new(lifetime: Duration, max: usize, rng: &mut ChaCha20Rng) -> Self {
        let mut key = Key([0; 32]);
        rng.fill_bytes(&mut key.0);
        Self { key, lifetime, max, last: Time::EPOCH, forgotten: None, used: BTreeMap::new() }
    }

    /// Returns a new nonce for the client at `address`.
    pub(super) fn make(&mut self, address: IpAddr, now: Time) -> String {
        self.last = now.max(self.last + Duration::from_micros(1));
        let address = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let stamp = format!("{:016x}{:032x}", self.last.as_micros(), address.to_bits());
        let mac = self.mac(&stamp);
        stamp + &mac
    }

    /// Returns the identity of a nonce if it was created here, has not expired, and its counts were not removed to
    /// limit memory.
    pub(super) fn check(&self, nonce: &str, now: Time) -> Option<Stamp> {
        let at = Time::from_micros(u64::from_str_radix(self.verify_mac(nonce)?.get(..16)?, 16).ok()?);
        let known = self.forgotten.is_none_or(|forgotten| at > forgotten);
        (known && now.since(at) <= self.lifetime).then_some(Stamp(at))
    }

    /// Returns the address that the nonce was created for. `None` if it was not created here.
    pub(super) fn challenged_address(&self, nonce: &str) -> Option<IpAddr> {
        let bits = u128::from_str_radix(self.verify_mac(nonce)?.get(16..)?, 16).ok()?;
        Some(IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical())
    }

    /// Returns the part under the MAC if the MAC is valid.
    fn verify_mac<'a>(&self, nonce: &'a str) -> Option<&'a str> {
        let (stamp, mac) = nonce.split_at_checked(48)?;
        constant_time_eq(self.mac(stamp).as_bytes(), mac.as_bytes()).then_some(stamp)
    }

    /// Records that a nonce was used with `count`. Returns false if the count was used before or is too old to be
    /// checked.
    pub(super) fn record_use(&mut self, stamp: Stamp, count: u32, now: Time) -> bool {
        while let Some(oldest) = self.used.first_entry().filter(|oldest| now.since(*oldest.key()) > self.lifetime) {
            oldest.remove();
        }
        let fresh = self.used.entry(stamp.0).or_default().take(count);
        while self.used.len() > self.max {
            self.forgotten = self.used.pop_first().map(|(at, _)| at);
        }
        fresh
    }

    fn mac(&self, stamp: &str) -> String {
        // HMAC accepts keys of any length, so a key of 32 octets cannot fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key.0) else { return String::new() };
        mac.update(stamp.as_bytes());
        let tag = mac.finalize().into_bytes();
        hex(tag.get(..16).unwrap_or_default())
    }
}

impl Counts {
    fn take(&mut self, count: u32) -> bool {
        if count == 0 {
            return false;
        }
        if let Some(ahead) = count.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let bit = 1_u64.checked_shl(self.highest - count).unwrap_or(0);
        let fresh = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

/// The key of the MAC.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Key(#[serde(serialize_with = "offhook_secret::serialize")] [u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}
