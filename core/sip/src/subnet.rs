//! A range of IP addresses.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An IP network such as `192.0.2.0/24`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Subnet {
    address: IpAddr,
    prefix: u32,
}

impl Subnet {
    /// Returns whether the network contains the address. An IPv4-mapped IPv6 address is treated as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl Subnet {
    /// Returns the prefix length in bits.
    #[must_use]
    pub const fn prefix(self) -> u32 {
        self.prefix
    }
}

/// The reason that a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSubnet {
    /// It is neither an address nor an address with a prefix length.
    Malformed,
    /// It is an IPv4-mapped IPv6 address with a prefix shorter than 96 bits.
    MappedPrefix,
}

impl fmt::Display for NoSubnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a network like `192.0.2.0/24` or `2001:db8::/32`",
            Self::MappedPrefix => {
                "an IPv4-mapped network with a prefix below 96: write the IPv4 network, like `192.0.2.0/24`"
            }
        })
    }
}

impl core::error::Error for NoSubnet {}

/// The length of the prefix `::ffff:0:0/96` of IPv4-mapped IPv6 addresses (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u32 = 96;

impl From<IpAddr> for Subnet {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, prefix: if address.is_ipv6() { 128 } else { 32 } }
    }
}

impl FromStr for Subnet {
    type Err = NoSubnet;

    /// Parses an address, or an address with a prefix length. A network of IPv4-mapped IPv6 addresses is the IPv4
    /// network.
    fn from_str(text: &str) -> Result<Self, NoSubnet> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.trim().parse().map_err(|_| NoSubnet::Malformed)?;
        let longest = if address.is_ipv6() { 128 } else { 32 };
        let prefix = match prefix {
            None => longest,
            Some(prefix) => {
                prefix.trim().parse().ok().filter(|prefix| *prefix <= longest).ok_or(NoSubnet::Malformed)?
            }
        };
        let canonical = address.to_canonical();
        if canonical.is_ipv4() && address.is_ipv6() {
            let prefix = u32::checked_sub(prefix, MAPPED_PREFIX).ok_or(NoSubnet::MappedPrefix)?;
            return Ok(Self { address: canonical, prefix });
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl TryFrom<String> for Subnet {
    type Error = NoSubnet;

    fn try_from(text: String) -> Result<Self, NoSubnet> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::{NoSubnet, Subnet};
    use std::net::IpAddr;

    #[test]
    fn subnet_contains_addresses_of_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.128/25", "192.0.2.129", "192.0.2.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("10.1.2.3/8", "10.0.0.1", "::ffff:11.0.0.1"),
        ] {
            let network: Subnet = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
            assert_eq!(network.to_string().parse(), Ok(network));
        }
        let mapped: Subnet = "10.0.0.0/8".parse().unwrap();
        assert!(mapped.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert_eq!(Subnet::from("::ffff:192.0.2.7".parse::<IpAddr>().unwrap()).to_string(), "192.0.2.7/32");
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "lan"] {
            assert_eq!(text.parse::<Subnet>(), Err(NoSubnet::Malformed), "{text}");
        }
    }

    #[test]
    fn ipv4_mapped_network_is_the_ipv4_network() {
        for (mapped, canonical) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:a00:0/104", "10.0.0.0/8"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7/128", "192.0.2.7/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            let network: Subnet = mapped.parse().unwrap();
            assert_eq!(network.to_string(), canonical);
            assert_eq!(network, canonical.parse().unwrap());
        }
        // Both IPv4 and IPv6 addresses are in it.
        for text in ["::ffff:10.0.0.0/95", "::ffff:10.0.0.0/8", "::ffff:0:0/0"] {
            assert_eq!(text.parse::<Subnet>(), Err(NoSubnet::MappedPrefix), "{text}");
        }
    }
}
