//! Transport-level types that the SIP machines share with the shell (RFC 3261 §18).

pub mod io;
pub mod udp_flows;

use crate::subnet::Subnet;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A transport protocol as `Via` and the `transport` parameter name it (RFC 3261 §20.42, §26.2.2; RFC 7118 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket. Parsed in messages of other endpoints, never used by the relay itself.
    Ws,
    /// WebSocket over TLS. Parsed only, like `Ws`.
    Wss,
}

impl Transport {
    /// Returns the name in a `Via` header.
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

    /// Returns whether the transport delivers messages without loss, so that they are not retransmitted on this hop
    /// (RFC 3261 §17).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Returns the port that applies when a host name or address has none (RFC 3261 §19.1.2).
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

/// The error for a name that is not one of the transports in [`Transport`].
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

/// One connection, or one UDP socket with one peer address. The shell assigns the number and never reuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowId(pub u64);

/// One address and transport that a message can be sent to: a result of RFC 3263 for a URI.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The transport.
    pub transport: Transport,
    /// The address.
    pub address: SocketAddr,
    /// The name that the peer's TLS certificate must match (RFC 5922 §4), if one applies.
    pub host: Option<String>,
}

/// The flow and the addresses that a message was received on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The flow that the message arrived on. Responses are sent on the same flow.
    pub flow: FlowId,
    /// Its transport.
    pub transport: Transport,
    /// The relay's address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// The next hop of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hop {
    /// An existing connection.
    Flow(FlowId),
    /// An address. The shell opens a connection or reuses an existing one.
    Target(Target),
}

/// A message handed to the shell for sending. The shell reports a failure with this identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransmissionId(pub u64);

/// A query to the DNS resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueryId(pub u64);

/// The relay's addresses as peers in its own networks reach them. Other peers reach it at the public addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// The networks.
    pub networks: Vec<Subnet>,
    /// The addresses that the relay listens on, as peers in these networks reach them.
    pub local: Vec<LocalAddress>,
}

impl Inside {
    /// Returns whether the peer is in one of the networks.
    #[must_use]
    pub fn has(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(peer))
    }
}

/// An address that the relay listens on, as peers reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAddress {
    /// The transport.
    pub transport: Transport,
    /// The host in `Via` and `Contact`: the public address if one is configured, else the socket's own.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether the address is IPv6.
    pub is_ipv6: bool,
}
