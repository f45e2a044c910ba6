//! Where something is: a name or an address (RFC 3261 §25.1 `host`).

use super::scan::{Malformed, Octets, find, split_around, trim};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host name or address. Names are compared without regard to case.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Host {
    /// A name to be resolved.
    Name(String),
    /// An address; version 6 is written in brackets.
    Address(IpAddr),
}

impl Host {
    /// The address, where it is one.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(address) => Some(*address),
        }
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::Address(a), Self::Address(b)) => a == b,
            (Self::Name(_), Self::Address(_)) | (Self::Address(_), Self::Name(_)) => false,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

impl TryFrom<String> for Host {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl FromStr for Host {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        read(text).map(|address| address.map_or_else(|| Self::Name(text.to_owned()), Self::Address))
    }
}

/// Underscores are not allowed in host names, but in use.
static NAME: Octets = Octets::alphanumeric_and(b"-._");

/// The address that `text` is, or none where it is a name.
fn read(text: &str) -> Result<Option<IpAddr>, Malformed> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(Malformed("a bracket is missing"))?;
        let address: Ipv6Addr = inner.parse().map_err(|_| Malformed("no IPv6 address in brackets"))?;
        return Ok(Some(address.into()));
    }
    if text.is_empty() || !NAME.has_all(text) {
        return Err(Malformed("no host name"));
    }
    let numeric = text.as_bytes().last().is_some_and(u8::is_ascii_digit);
    Ok(if numeric { text.parse::<Ipv4Addr>().ok().map(IpAddr::V4) } else { None })
}

/// `text` is `host` or `host:port`.
pub(super) fn check(text: &str) -> Result<(), Malformed> {
    let (host, _) = split(text)?;
    // What is made of digits is a name too.
    if NAME.has_all(host) && !host.is_empty() { Ok(()) } else { read(host).map(|_| ()) }
}

/// `host` or `host:port`, with white space around the colon as `Via` allows it.
pub(super) fn host_port(text: &str) -> Result<(Host, Option<u16>), Malformed> {
    let (host, port) = split(text)?;
    Ok((host.parse()?, port))
}

/// As [`host_port`], the host still text.
fn split(text: &str) -> Result<(&str, Option<u16>), Malformed> {
    let after_address = if text.starts_with('[') { text.find(']').unwrap_or(0) } else { 0 };
    let colon = find(text.get(after_address..).unwrap_or_default(), b':');
    let Some(colon) = colon else { return Ok((text, None)) };
    let (host, port) = split_around(text, after_address + colon);
    let port = trim(port);
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { port.parse().ok() } else { None };
    Ok((trim(host), Some(port.ok_or(Malformed("no port number"))?)))
}
