//! `sip:` and `sips:` URIs (RFC 3261 §19.1).

use super::escape::{
    HEADER, PARAM, PASSWORD, SUBSCRIBER, UNEXPECTED, UNRESERVED, USER, escape_illegal, escaped, unescaped,
};
use super::host::{self, Host, host_port};
use super::parameters::{Parameters, check_count};
use super::scan::{Malformed, Octets, split_once};
use super::uri::Uri;
use crate::transport::Transport;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A `sip:` or `sips:` URI. Parts are stored with their escapes, so that it is serialized unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SipUri {
    secure: bool,
    pub(super) user: Option<String>,
    password: Option<String>,
    host: Host,
    port: Option<u16>,
    pub(super) params: Parameters,
    pub(super) headers: Vec<(String, String)>,
}

impl SipUri {
    /// Creates `sip:host`.
    #[must_use]
    pub const fn new(host: Host) -> Self {
        let params = Parameters::new();
        Self { secure: false, user: None, password: None, host, port: None, params, headers: Vec::new() }
    }

    /// Sets the user part, with escapes where needed.
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        self.set_user(Some(user));
        self
    }

    /// Sets the port.
    #[must_use]
    pub const fn with_port(mut self, port: Option<u16>) -> Self {
        self.port = port;
        self
    }

    /// Selects `sips:`.
    #[must_use]
    pub const fn with_secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Sets a parameter, with escapes where needed.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.set_param(name, value);
        self
    }

    /// Sets a parameter without value.
    #[must_use]
    pub fn with_flag(mut self, name: &str) -> Self {
        self.params.set_flag(name);
        self
    }

    /// Adds a header, with escapes where needed.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((escaped(name, &HEADER), escaped(value, &HEADER)));
        self
    }

    /// Returns whether the scheme is `sips:`.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the user part without escapes.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.user.as_deref().map(unescaped)
    }

    /// Returns the password without escapes. Its use is discouraged (RFC 3261 §19.1.1).
    #[must_use]
    pub fn password(&self) -> Option<Cow<'_, str>> {
        self.password.as_deref().map(unescaped)
    }

    /// Returns the host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the host that a request for this URI is sent to, without a route: `maddr` if it is present and valid
    /// (RFC 3263 §4).
    #[must_use]
    pub fn next_hop(&self) -> Host {
        let maddr = self.params.get("maddr").and_then(|maddr| maddr.parse().ok());
        maddr.unwrap_or_else(|| self.host.clone())
    }

    /// Returns the port, if present.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns whether the URI has parameters or headers.
    #[must_use]
    pub fn has_parameters(&self) -> bool {
        self.params != Parameters::new() || !self.headers.is_empty()
    }

    /// Returns the parameters.
    #[must_use]
    pub const fn params(&self) -> &Parameters {
        &self.params
    }

    /// Returns the `transport` parameter, if it is a known transport.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        self.params.get("transport").and_then(|name| name.parse().ok())
    }

    /// Returns the headers for a request created from this URI: names and values without escapes.
    pub fn headers(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.headers.iter().map(|(name, value)| (unescaped(name), unescaped(value)))
    }

    /// Returns the user part without escapes and without the parameters of a telephone subscriber, as in
    /// `+4930123;phone-context=example.org` (RFC 3261 §19.1.6).
    #[must_use]
    pub fn subscriber(&self) -> Option<Cow<'_, str>> {
        let user = self.user.as_deref()?;
        Some(unescaped(user.split([';', '?']).next().unwrap_or(user)))
    }

    /// Sets the user part to a name or number, in which `;` and `?` have no meaning and are escaped, too.
    #[must_use]
    pub fn with_subscriber(mut self, name: &str) -> Self {
        self.user = Some(escaped(name, &SUBSCRIBER)).filter(|user| !user.is_empty());
        self.password = None;
        self
    }

    /// Sets or removes the user part and removes the password.
    pub fn set_user(&mut self, user: Option<&str>) {
        self.user = user.filter(|user| !user.is_empty()).map(|user| escaped(user, &USER));
        self.password = None;
    }

    /// Sets the host and port.
    pub fn set_host(&mut self, host: Host, port: Option<u16>) {
        (self.host, self.port) = (host, port);
    }

    /// Sets a parameter, with escapes where needed.
    pub fn set_param(&mut self, name: &str, value: &str) {
        self.params.set_plain(name, escaped(value, &PARAM));
    }

    /// Removes a parameter.
    pub fn remove_param(&mut self, name: &str) {
        self.params.remove(name);
    }

    /// Removes the headers and `method`, which a Request-URI must not have (RFC 3261 §19.1.1, table 1).
    pub fn make_request_uri(&mut self) {
        self.headers.clear();
        self.params.remove("method");
    }

    pub(super) fn parse(secure: bool, text: &str) -> Result<Self, Malformed> {
        let parts = Parts::of(text)?;
        let (host, port) = host_port(parts.address)?;
        let own = |text: Option<&str>, fits: &Octets| text.map(|text| escape_illegal(text, fits));
        Ok(Self {
            secure,
            user: own(parts.user, &USER),
            password: own(parts.password, &PASSWORD),
            host,
            port,
            params: match parts.params {
                Some(params) => Parameters::parse_uri(params, &PARAM)?,
                None => Parameters::new(),
            },
            headers: parts.headers().map(|header| header.map(own_header)).collect::<Result<_, _>>()?,
        })
    }
}

fn own_header((name, value): (&str, &str)) -> (String, String) {
    (escape_illegal(name, &HEADER), escape_illegal(value, &HEADER))
}

/// The parts of a SIP URI, borrowed from its text.
pub(super) struct Parts<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    address: &'a str,
    params: Option<&'a str>,
    headers: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Splits the text in one pass: URIs are the largest part of the cost of parsing a message.
    pub(super) fn of(text: &'a str) -> Result<Self, Malformed> {
        let octets = text.as_bytes();
        let (mut host, mut colon, mut semicolon, mut question) = (None, None, None, None);
        for (at, octet) in octets.iter().enumerate() {
            match octet {
                octet if UNRESERVED.has(*octet) => {}
                // The last `@` separates the host: an address used as user part should have its own escaped, but often
                // does not.
                b'@' => (host, semicolon, question) = (Some(at), None, None),
                b':' => colon = colon.or(Some(at)),
                b';' if question.is_none() => semicolon = semicolon.or(Some(at)),
                b'?' => question = question.or(Some(at)),
                0..=b' ' | b'<' | b'>' | 0x7f => return Err(UNEXPECTED),
                _ => {}
            }
        }
        let part = |from: usize, to: Option<usize>| text.get(from..to.unwrap_or(text.len())).unwrap_or_default();
        let (user, password) = match (host, colon) {
            (None, _) => (None, None),
            (Some(end), Some(colon)) if colon < end => (Some(part(0, Some(colon))), Some(part(colon + 1, Some(end)))),
            (Some(end), _) => (Some(part(0, Some(end))), None),
        };
        // Gateways send `sip:@host` for callers with an unknown number.
        let user = user.filter(|user| !user.is_empty());
        if user.is_none() && password.is_some() {
            return Err(Malformed("password without user"));
        }
        let headers = question.map(|at| part(at + 1, None));
        headers.map_or(Ok(()), |headers| check_count(headers, '&'))?;
        Ok(Self {
            user,
            password,
            address: part(host.map_or(0, |at| at + 1), semicolon.or(question)),
            params: semicolon.map(|at| part(at + 1, question)),
            headers,
        })
    }

    fn headers(&self) -> impl Iterator<Item = Result<(&'a str, &'a str), Malformed>> {
        let headers = self.headers.into_iter().flat_map(|headers| headers.split('&'));
        headers.map(|header| match split_once(header, b'=') {
            Some((name, value)) if !name.is_empty() => Ok((name, value)),
            Some(_) | None => Err(Malformed("URI header without name or value")),
        })
    }

    /// Checks the syntax of all parts.
    pub(super) fn check(&self) -> Result<(), Malformed> {
        host::check(self.address)?;
        self.params.map_or(Ok(()), |params| check_count(params, ';'))?;
        let nameless = |param: &str| param.starts_with('=');
        if self.params.is_some_and(|params| params.split(';').any(nameless)) {
            return Err(Malformed("URI parameter without name"));
        }
        self.headers().try_for_each(|header| header.map(|_| ()))
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        for (at, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl FromStr for SipUri {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.parse()? {
            Uri::Sip(uri) => Ok(uri),
            Uri::Tel(_) | Uri::Other { .. } => Err(Malformed("neither a `sip:` nor a `sips:` URI")),
        }
    }
}

impl From<SipUri> for String {
    fn from(uri: SipUri) -> Self {
        uri.to_string()
    }
}

impl TryFrom<String> for SipUri {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}
