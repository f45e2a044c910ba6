//! The way a request has come, which the response goes back (RFC 3261 §20.42).

use super::host::{self, Host, host_port};
use super::parameters::{Parameters, each};
use super::scan::{Malformed, find, is_token, split_around, split_once, trim};
use crate::transport::Transport;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What distinguishes a branch made by RFC 3261 (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// A transport as a `Via` names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViaTransport {
    /// One that is known here.
    Known(Transport),
    /// Another, as SCTP.
    Other(String),
}

/// One hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// What the sender used.
    pub transport: ViaTransport,
    /// Where it wants the response, by its own account.
    pub host: Host,
    /// The port there.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and others.
    pub params: Parameters,
}

impl Via {
    /// A hop of this transport, host and port, with this branch.
    #[must_use]
    pub fn new(transport: Transport, host: Host, port: Option<u16>, branch: &str) -> Self {
        let params = Parameters::new().with("branch", branch);
        Self { transport: ViaTransport::Known(transport), host, port, params }
    }

    /// Asks for the response to come back to the port it was sent from (RFC 3581 §3).
    #[must_use]
    pub fn with_rport(mut self) -> Self {
        self.params.set_flag("rport");
        self
    }

    /// The `branch`.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// The branch where it alone identifies the transaction (RFC 3261 §17.2.3): with the magic cookie, and more than that.
    #[must_use]
    pub fn unique_branch(&self) -> Option<&str> {
        let branch = self.branch()?;
        let (cookie, rest) = branch.split_at_checked(MAGIC_COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(MAGIC_COOKIE) && !rest.is_empty()).then_some(branch)
    }

    /// The transport, where it is known here.
    #[must_use]
    pub const fn known_transport(&self) -> Option<Transport> {
        match &self.transport {
            ViaTransport::Known(transport) => Some(*transport),
            ViaTransport::Other(_) => None,
        }
    }

    /// The address the request came from, as the next hop saw it.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        // Written with and without brackets.
        text.trim_matches(['[', ']']).parse().ok()
    }

    /// Notes the address the request came from.
    pub fn set_received(&mut self, address: IpAddr) {
        self.params.set_plain("received", address.to_string());
    }

    /// The sender asks for [`Self::rport`] to be filled in.
    #[must_use]
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport") && self.rport().is_none()
    }

    /// The port the request came from, as the next hop saw it (RFC 3581).
    #[must_use]
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport").and_then(|text| text.parse().ok())
    }

    /// Notes the port the request came from.
    pub fn set_rport(&mut self, port: u16) {
        self.params.set_plain("rport", port.to_string());
    }

    /// Where the response is to go instead of the sender's address.
    #[must_use]
    pub fn maddr(&self) -> Option<Host> {
        self.params.get("maddr").and_then(|text| text.parse().ok())
    }

    /// The time to live of a multicast datagram.
    #[must_use]
    pub fn ttl(&self) -> Option<u8> {
        self.params.get("ttl").and_then(|text| text.parse().ok())
    }

    /// The port to send to where none is given.
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or_else(|| self.known_transport().unwrap_or(Transport::Udp).default_port())
    }
}

const OTHER_VERSION: Malformed = Malformed("a version of SIP that is not 2.0");

/// The parts of a `Via` in the text they are read from.
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
        let wrong = Malformed("no sent-protocol");
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

    /// The host and port.
    pub(super) fn sent_by(&self) -> Result<(Host, Option<u16>), Malformed> {
        host_port(self.sent_by)
    }

    /// The transport.
    pub(super) fn transport(&self) -> ViaTransport {
        match self.transport.parse() {
            Ok(transport) => ViaTransport::Known(transport),
            Err(_) => ViaTransport::Other(self.transport.to_owned()),
        }
    }

    /// The parameters, none where they cannot be read.
    pub(super) fn params(&self) -> Parameters {
        Parameters::parse(self.params).unwrap_or_default()
    }

    /// All parts are what they have to be.
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
