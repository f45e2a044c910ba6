//! The unit of limits by remote address: an IPv4 address or an IPv6 /64 network.

use core::fmt;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or the /64 network of an IPv6 address.
///
/// A subscriber receives at least a /64 (RFC 6177 §2), and an attacker can use any address in it. A limit for single
/// IPv6 addresses would have no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceNetwork(IpAddr);

impl SourceNetwork {
    /// The source that an address belongs to. IPv4-mapped IPv6 addresses count as IPv4.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4(address)),
            IpAddr::V6(address) => Self(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))),
        }
    }
}

impl From<IpAddr> for SourceNetwork {
    fn from(address: IpAddr) -> Self {
        Self::of(address)
    }
}

impl fmt::Display for SourceNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SourceNetwork;

    #[test]
    fn ipv6_addresses_of_one_network_are_one_source() {
        let source = |text: &str| SourceNetwork::of(text.parse().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_eq!(source("2001:db8::1").to_string(), "2001:db8::/64");
    }
}
