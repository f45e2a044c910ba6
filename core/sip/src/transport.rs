//! What SIP travels on: the words that the machines and the shell share (RFC 3261 §18).

use crate::subnet::Subnet;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A transport protocol as `Via` and the `transport` parameter name it (RFC 3261 §20.42, §26.2.2; RFC 7118 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket: read in foreign messages, never used by this relay.
    Ws,
    /// WebSocket over TLS: as `Ws`.
    Wss,
}

impl Transport {
    /// The name in a `Via` header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// Messages neither get lost nor need repeating on this hop (RFC 3261 §17).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// The port where a host name or address gives none (RFC 3261 §19.1.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not one of the transports of [`Transport`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTransport(pub String);

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(name: &str) -> Result<Self, UnknownTransport> {
        let all = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];
        let found = all.into_iter().find(|transport| transport.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| UnknownTransport(name.to_owned()))
    }
}

/// One connection, or one UDP socket with one peer's address, numbered by the shell; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowId(pub u64);

/// One place a message can be sent to: what RFC 3263 makes of a URI.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// The name that the peer's certificate must prove (RFC 5922 §4), where there is one.
    pub host: Option<String>,
}

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The connection it arrived on; answers go back on it.
    pub flow: FlowId,
    /// Its transport.
    pub transport: Transport,
    /// The relay's own address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// The next hop of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hop {
    /// A connection that exists.
    Flow(FlowId),
    /// An address; the shell opens a connection, or takes one that it has.
    Target(Target),
}

/// One message handed to the shell, named when it could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransmissionId(pub u64);

/// One question to the resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueryId(pub u64);

/// The addresses that peers in the relay's own networks see, where others see a public address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// Those networks.
    pub networks: Vec<Subnet>,
    /// Where the relay listens, as these peers reach it.
    pub local: Vec<LocalAddress>,
}

impl Inside {
    /// The peer is in one of the networks.
    #[must_use]
    pub fn has(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(peer))
    }
}

/// Where the relay listens, as peers reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAddress {
    /// The transport.
    pub transport: Transport,
    /// What `Via` and `Contact` say: a public address where there is one, else the socket's own.
    pub host: String,
    /// The port that goes with it.
    pub port: u16,
    /// IPv6.
    pub is_ipv6: bool,
}
