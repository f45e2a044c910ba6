//! `Via` header values: the hops of a request and the return path of its response (RFC 3261 §20.42).

use super::host::{self, Host, host_port};
use super::parameters::{Parameters, each};
use super::scan::{Malformed, find, is_token, split_around, split_once, trim};
use crate::transport::Transport;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The start of a branch that is unique by the rules of RFC 3261 (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// A transport in a `Via`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViaTransport {
    /// A known transport.
    Known(Transport),
    /// Another transport, such as SCTP.
    Other(String),
}

/// One hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// The transport that the sender used.
    pub transport: ViaTransport,
    /// The host of sent-by: the sender's own address for responses.
    pub host: Host,
    /// The port of sent-by.
    pub port: Option<u16>,
    /// The parameters, such as `branch`, `received` and `rport`.
    pub params: Parameters,
}

impl Via {
    /// Creates a hop.
    #[must_use]
    pub fn new(transport: Transport, host: Host, port: Option<u16>, branch: &str) -> Self {
        let params = Parameters::new().with("branch", branch);
        Self { transport: ViaTransport::Known(transport), host, port, params }
    }

    /// Requests that the response is sent to the source port of the request (RFC 3581 §3).
    #[must_use]
    pub fn with_rport(mut self) -> Self {
        self.params.set_flag("rport");
        self
    }

    /// Returns the `branch`.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// Returns the branch if it alone identifies the transaction (RFC 3261 §17.2.3): the magic cookie and further
    /// octets.
    #[must_use]
    pub fn unique_branch(&self) -> Option<&str> {
        let branch = self.branch()?;
        let (cookie, rest) = branch.split_at_checked(MAGIC_COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(MAGIC_COOKIE) && !rest.is_empty()).then_some(branch)
    }

    /// Returns the transport, if it is a known one.
    #[must_use]
    pub const fn known_transport(&self) -> Option<Transport> {
        match &self.transport {
            ViaTransport::Known(transport) => Some(*transport),
            ViaTransport::Other(_) => None,
        }
    }

    /// Returns the source address of the request, as added by the next hop.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        // Peers write it with and without brackets.
        text.trim_matches(['[', ']']).parse().ok()
    }

    /// Sets the source address of the request.
    pub fn set_received(&mut self, address: IpAddr) {
        self.params.set_plain("received", address.to_string());
    }

    /// Returns whether the sender requests that [`Self::rport`] is filled in.
    #[must_use]
    pub fn requests_rport(&self) -> bool {
        self.params.has("rport") && self.rport().is_none()
    }

    /// Returns the source port of the request, as added by the next hop (RFC 3581).
    #[must_use]
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport").and_then(|text| text.parse().ok())
    }

    /// Sets the source port of the request.
    pub fn set_rport(&mut self, port: u16) {
        self.params.set_plain("rport", port.to_string());
    }

    /// Returns the address for responses that replaces the sender's address.
    #[must_use]
    pub fn maddr(&self) -> Option<Host> {
        self.params.get("maddr").and_then(|text| text.parse().ok())
    }

    /// Returns the time to live of a multicast datagram.
    #[must_use]
    pub fn ttl(&self) -> Option<u8> {
        self.params.get("ttl").and_then(|text| text.parse().ok())
    }

    /// Returns the port, or the default port of the transport.
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or_else(|| self.known_transport().unwrap_or(Transport::Udp).default_port())
    }
}

const OTHER_VERSION: Malformed = Malformed("SIP version is not 2.0");

/// The parts of a `Via`, borrowed from its text.
pub(super) struct Parts<'a> {
    version: &'a str,
    transport: &'a str,
    sent_by: &'a str,
    params: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, Malformed> {
        let end = find(text, b';').unwrap_or(text.len());
        let (hop, params) = text.split_at_checked(end).unwrap_or((text, ""));
        let wrong = Malformed("invalid sent-protocol");
        let (name, rest) = split_once(hop, b'/').ok_or(wrong)?;
        let (version, rest) = split_once(rest, b'/').ok_or(wrong)?;
        if !trim(name).eq_ignore_ascii_case("SIP") {
            return Err(wrong);
        }
        let rest = trim(rest);
        let at = rest.bytes().position(|byte| matches!(byte, b' ' | b'\t')).ok_or(wrong)?;
        let (transport, sent_by) = split_around(rest, at);
        if !is_token(transport) {
            return Err(wrong);
        }
        Ok(Self { version: trim(version), transport, sent_by: trim(sent_by), params })
    }

    /// Parses the host and port.
    pub(super) fn sent_by(&self) -> Result<(Host, Option<u16>), Malformed> {
        host_port(self.sent_by)
    }

    /// Returns the transport.
    pub(super) fn transport(&self) -> ViaTransport {
        match self.transport.parse() {
            Ok(transport) => ViaTransport::Known(transport),
            Err(_) => ViaTransport::Other(self.transport.to_owned()),
        }
    }

    /// Returns the parameters, or none if they cannot be parsed.
    pub(super) fn params(&self) -> Parameters {
        Parameters::parse(self.params).unwrap_or_default()
    }

    /// Checks the syntax of all parts.
    pub(super) fn check(&self) -> Result<(), Malformed> {
        if self.version != "2.0" {
            return Err(OTHER_VERSION);
        }
        host::check(self.sent_by)?;
        each(self.params, |_| Ok(()))
    }
}

impl FromStr for Via {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parts = Parts::of(text)?;
        if parts.version != "2.0" {
            return Err(OTHER_VERSION);
        }
        let (host, port) = parts.sent_by()?;
        Ok(Self { transport: parts.transport(), host, port, params: Parameters::parse(parts.params)? })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match &self.transport {
            ViaTransport::Known(transport) => transport.name(),
            ViaTransport::Other(name) => name,
        };
        write!(f, "SIP/2.0/{transport} {}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}
