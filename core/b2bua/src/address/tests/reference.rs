//! The parser that `Address` replaced.

use crate::config::LoginName;
use core::fmt::{self, Write};
use offhook_sip::message::{Host, Uri};
use offhook_sip::transaction::layer::Destination;
use offhook_sip::transport::Transport;
use std::net::IpAddr;

/// Longest address accepted from a page or a peer, in octets.
const MAX_ADDRESS: usize = 512;

/// Returns the login in a callee that a page names: `bob`, `bob@host`, `sip:bob@host;transport=ws`, `"Bob"
/// <sip:bob@host>`.
#[must_use]
pub(super) fn address_of_record(callee: &str) -> LoginName {
    let without_scheme = split_scheme(inner(callee)).1;
    let user = without_scheme.split(['@', ';', '?']).next().unwrap_or(without_scheme);
    LoginName(unescape(user))
}

/// Returns the text between angle brackets, or the whole text without them.
fn inner(address: &str) -> &str {
    address.rsplit_once('<').map_or(address, |(_, rest)| rest.split('>').next().unwrap_or(rest)).trim()
}

fn split_scheme(address: &str) -> (Option<&'static str>, &str) {
    let schemes = ["sip", "sips", "tel"];
    let found = schemes.into_iter().find_map(|scheme| {
        let (name, rest) = address.split_once(':')?;
        name.eq_ignore_ascii_case(scheme).then_some((Some(scheme), rest))
    });
    found.unwrap_or((None, address))
}

/// Returns the host of a SIP URI, in lower case, IPv6 without brackets; none for a `tel:` URI.
#[must_use]
pub(super) fn host_of(uri: &str) -> Option<String> {
    let (Some("sip" | "sips"), rest) = split_scheme(inner(uri)) else { return None };
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split([';', '?']).next().unwrap_or(place);
    Server::parse(place).ok().map(|server| server.host)
}

/// Returns the host and port that a request for a URI is sent to (RFC 3263 §4), as the transaction layer parses them;
/// none if it is not a SIP URI.
#[must_use]
pub(super) fn next_hop_of(uri: &str) -> Option<(Host, Option<u16>)> {
    let uri: Uri = uri.parse().ok()?;
    match Destination::of_uri(uri.as_sip()?, None) {
        Destination::Resolve { host, port, .. } => Some((host, port)),
        Destination::Flow { .. } | Destination::Targets(_) => None,
    }
}

/// Returns a name as the user part of a SIP URI, with escapes for characters that are not allowed there (RFC 3261
/// §19.1.2).
#[must_use]
pub(super) fn escape_user(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,/".contains(&octet) {
            escaped.push(char::from(octet));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{octet:02X}");
        }
    }
    escaped
}

fn unescape(user: &str) -> String {
    let mut octets = Vec::with_capacity(user.len());
    let mut rest = user.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| core::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(octets).unwrap_or_else(|_| user.to_owned())
}

/// Returns the URI to call for a callee that a page names: a URI unchanged, a name or number with the caller's
/// `domain`. Returns none if that is no valid URI.
#[must_use]
pub(super) fn callee_uri(callee: &str, domain: &Server) -> Option<String> {
    let written = inner(callee);
    if written.is_empty() || written.len() > MAX_ADDRESS {
        return None;
    }
    let uri = match split_scheme(written) {
        (Some("tel"), number) => return telephone_uri(number, domain),
        (Some(scheme), rest) => format!("{scheme}:{rest}"),
        (None, name) if name.contains('@') => format!("sip:{name}"),
        // Numbers may contain spaces as separators; in a name, a space is kept.
        (None, name) if name.contains(' ') && telephone_uri(name, domain).is_some() => {
            return telephone_uri(name, domain);
        }
        (None, name) => format!("sip:{}@{domain}", escape_user(name)),
    };
    let is_clean = uri.bytes().all(|octet| octet.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&octet));
    (is_clean && host_of(&uri).is_some()).then_some(uri)
}

/// Returns a telephone number as the user part of a SIP URI (RFC 3261 §19.1.6), because some servers reject `tel:`.
fn telephone_uri(number: &str, domain: &Server) -> Option<String> {
    let digits: String = number
        .split(';')
        .next()
        .unwrap_or(number)
        .chars()
        .filter(|character| !matches!(character, '-' | '.' | '(' | ')' | ' '))
        .collect();
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '+' | '*' | '#'));
    is_number.then(|| format!("sip:{}@{domain}", escape_user(&digits)))
}

/// A SIP server in the notation of the settings: `host`, `host:port`, `sip:host:port;transport=tcp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Name or address, in lower case, IPv6 without brackets.
    pub host: String,
    /// The port, if it is not the default one.
    pub port: Option<u16>,
    /// The transport, if it is given.
    pub transport: Option<Transport>,
    /// `sips:`
    pub secure: bool,
}

/// The error for a text that is not a server's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoServer;

impl Server {
    /// Parses a server's address.
    ///
    /// # Errors
    /// [`NoServer`] if it is not a host name or address, the port is invalid, or the relay does not support the
    /// transport.
    pub(super) fn parse(text: &str) -> Result<Self, NoServer> {
        let (scheme, rest) = split_scheme(inner(text));
        let mut parameters = rest.split(';');
        let place = parameters.next().unwrap_or(rest);
        let (host, port) = split_port(place).ok_or(NoServer)?;
        let secure = scheme == Some("sips");
        let mut transport = None;
        for parameter in parameters {
            if let Some(("transport", name)) = parameter.split_once('=') {
                let known = name.parse().ok().filter(|t| matches!(t, Transport::Udp | Transport::Tcp | Transport::Tls));
                transport = Some(known.ok_or(NoServer)?);
            }
        }
        let default = transport.map_or(if secure { 5061 } else { 5060 }, Transport::default_port);
        Ok(Self { host, port: port.filter(|port| *port != default), transport, secure })
    }

    /// Returns the host in the form of SIP messages.
    #[must_use]
    pub(super) fn named_host(&self) -> Host {
        self.host.parse::<IpAddr>().map_or_else(|_| Host::Name(self.host.clone()), Host::Address)
    }

    /// Returns the URI for a `Route` (RFC 3261 §20.34) of a loose router.
    #[must_use]
    pub(super) fn route(&self) -> String {
        format!("{};lr", self.uri())
    }

    /// Returns the URI of the server itself, with its transport.
    #[must_use]
    pub(super) fn uri(&self) -> String {
        let scheme = if self.secure { "sips" } else { "sip" };
        let transport = self.transport.map(|transport| transport.name().to_ascii_lowercase());
        let transport = transport.map(|name| format!(";transport={name}")).unwrap_or_default();
        format!("{scheme}:{self}{transport}")
    }
}

/// Host and port in the form of a URI.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "{open}{}{close}{port}", self.host)
    }
}

fn split_port(place: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(bracketed) => {
            let (address, rest) = bracketed.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0)?),
        None => None,
    };
    let is_name = |host: &str| host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-.".contains(&octet));
    let fits = !host.is_empty() && host.len() <= 253 && (is_name(host) || place.starts_with('['));
    fits.then(|| (host.to_ascii_lowercase(), port))
}
