//! SIP servers in the notation of pages and settings.

use super::without_display_name;
use core::fmt;
use offhook_sip::message::{Host, SipUri, Uri};
use offhook_sip::transport::Transport;
use serde::{Deserialize, Serialize};

/// Longest host name, in octets (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;

/// A SIP server: `host`, `host:port`, `sip:host:port;transport=tcp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Name in lower case, or address.
    pub host: Host,
    /// The port, if it is not the default one.
    pub port: Option<u16>,
    /// The transport, if it is given.
    pub transport: Option<Transport>,
    /// `sips:`
    pub secure: bool,
}

/// The error for a text that is not a server's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidServer;

impl Server {
    /// Parses a server's address.
    ///
    /// # Errors
    /// [`InvalidServer`] if it is not a host name or address, the port is invalid, or the relay does not support the
    /// transport.
    pub fn parse(text: &str) -> Result<Self, InvalidServer> {
        let written = without_display_name(text);
        let has_scheme = Uri::has_telephony_scheme(written);
        let uri = if has_scheme { written.parse() } else { format!("sip:{written}").parse() };
        let uri: SipUri = uri.map_err(|_| InvalidServer)?;
        let transport = match uri.params().get("transport") {
            None => None,
            Some(_) => {
                let known =
                    |transport: &Transport| matches!(transport, Transport::Udp | Transport::Tcp | Transport::Tls);
                Some(uri.transport().filter(known).ok_or(InvalidServer)?)
            }
        };
        let has_more = uri.user().is_some() || uri.headers().next().is_some();
        let is_host = !has_more && uri.port() != Some(0) && uri.host().bare().len() <= MAX_HOST;
        let secure = uri.is_secure();
        let default = transport.map_or(if secure { 5061 } else { 5060 }, Transport::default_port);
        let port = uri.port().filter(|port| *port != default);
        is_host.then(|| Self { host: uri.host().to_lower_case(), port, transport, secure }).ok_or(InvalidServer)
    }

    /// Returns the server of an address of record or registrar, without transport.
    #[must_use]
    pub fn of_uri(uri: &SipUri) -> Self {
        let port = uri.port().filter(|port| *port != Transport::Udp.default_port());
        Self { host: uri.host().to_lower_case(), port, transport: None, secure: false }
    }

    /// Returns the server's host and port as a URI.
    #[must_use]
    pub fn domain(&self) -> SipUri {
        SipUri::new(self.host.clone()).with_port(self.port)
    }

    /// Returns the URI of a user of this server.
    #[must_use]
    pub fn user(&self, name: &str) -> SipUri {
        self.domain().with_subscriber(name)
    }

    /// Returns the URI for a `Route` (RFC 3261 §20.34) of a loose router.
    #[must_use]
    pub fn route(&self) -> SipUri {
        self.uri().with_flag("lr")
    }

    /// Returns the URI of the server itself, with its transport.
    #[must_use]
    pub fn uri(&self) -> SipUri {
        let uri = self.domain().with_secure(self.secure);
        match self.transport {
            Some(transport) => uri.with_param("transport", &transport.name().to_ascii_lowercase()),
            None => uri,
        }
    }
}

/// Host and port in the form of a URI.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}
