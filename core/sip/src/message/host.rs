//! Hosts in URIs and `Via`: a name or an IP address (RFC 3261 §25.1 `host`).

use super::scan::{Malformed, Octets, find, trim};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host name or IP address. Names are compared without regard to case.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Host {
    /// A host name.
    Name(String),
    /// An IP address. IPv6 addresses are written in brackets.
    Address(IpAddr),
}

impl Host {
    /// Returns the IP address, if it is one.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(address) => Some(*address),
        }
    }

    /// Returns the host as text in lower case, an IPv6 address without brackets.
    #[must_use]
    pub fn bare(&self) -> String {
        match self {
            Self::Name(name) => name.to_ascii_lowercase(),
            Self::Address(address) => address.to_string(),
        }
    }

    /// Returns the host with its name in lower case.
    #[must_use]
    pub fn to_lower_case(&self) -> Self {
        match self {
            Self::Name(name) => Self::Name(name.to_ascii_lowercase()),
            Self::Address(address) => Self::Address(*address),
        }
    }

    /// Creates the host that a setting names: an address with or without brackets, or a name.
    #[must_use]
    pub fn of_setting(text: &str) -> Self {
        text.parse().or_else(|_| text.parse().map(Self::Address)).unwrap_or_else(|_| Self::Name(text.to_owned()))
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
        match host_port(text)? {
            (host, None) if !text.ends_with(|last: char| last.is_ascii_whitespace()) => Ok(host),
            _ => Err(NO_HOST),
        }
    }
}

const NO_HOST: Malformed = Malformed("invalid host");

/// Underscores are not allowed in host names but are in use.
static NAME: Octets = Octets::alphanumeric_and(b"-._");

/// Checks that `text` is `host` or `host:port`.
pub(super) fn check(text: &str) -> Result<(), Malformed> {
    let (host, _) = split(text)?;
    // A host that consists of digits is a name.
    if host.starts_with('[') { bracketed(host).map(|_| ()) } else { Ok(()) }
}

/// Parses `host` or `host:port`, with optional white space around the colon as in `Via`.
pub(super) fn host_port(text: &str) -> Result<(Host, Option<u16>), Malformed> {
    let (host, port) = split(text)?;
    if host.starts_with('[') {
        return Ok((Host::Address(bracketed(host)?.into()), port));
    }
    let numeric = host.as_bytes().last().is_some_and(u8::is_ascii_digit);
    let address = if numeric { host.parse::<Ipv4Addr>().ok() } else { None };
    Ok((address.map_or_else(|| Host::Name(host.to_owned()), |address| Host::Address(address.into())), port))
}

fn bracketed(host: &str) -> Result<Ipv6Addr, Malformed> {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.and_then(|inner| inner.parse().ok()).ok_or(Malformed("invalid IPv6 address in brackets"))
}

/// Splits like [`host_port`], with the host still as text: octets of a name, or a text in brackets.
fn split(text: &str) -> Result<(&str, Option<u16>), Malformed> {
    let end = match text.as_bytes() {
        [b'[', ..] => find(text, b']').map(|at| at + 1),
        octets => octets.iter().position(|octet| !NAME.has(*octet)),
    };
    let (host, rest) = text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""));
    if host.is_empty() {
        return Err(NO_HOST);
    }
    let rest = trim(rest);
    if rest.is_empty() {
        return Ok((host, None));
    }
    let port = trim(rest.strip_prefix(':').ok_or(NO_HOST)?);
    let digits = !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit());
    let port = if digits { port.parse().ok() } else { None };
    Ok((host, Some(port.ok_or(Malformed("invalid port number"))?)))
}
