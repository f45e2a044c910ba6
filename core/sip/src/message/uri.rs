//! Addresses that SIP messages name (RFC 3261 §19.1, RFC 3966).

use super::host::{Host, host_port};
use super::parameters::Parameters;
use super::scan::Malformed;
use crate::transport::Transport;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A URI. Equality is of the text's parts; [`Uri::is_equivalent`] compares as RFC 3261 §19.1.4 does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:` (RFC 3966).
    Tel(TelUri),
    /// Any other scheme.
    Other {
        /// The scheme as written.
        scheme: String,
        /// What follows the colon.
        rest: String,
    },
}

/// A `sip:` or `sips:` URI. Texts are kept with their escapes, so that it is printed as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipUri {
    secure: bool,
    pub(super) user: Option<String>,
    password: Option<String>,
    host: Host,
    port: Option<u16>,
    pub(super) params: Parameters,
    pub(super) headers: Vec<(String, String)>,
}

/// A `tel:` URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelUri {
    /// The number with its visual separators.
    number: String,
    pub(super) params: Parameters,
}

impl Uri {
    /// `sip:user@host`; what `user` may not hold is escaped.
    #[must_use]
    pub fn sip(user: &str, host: Host) -> Self {
        Self::Sip(SipUri::new(host).with_user(user))
    }

    /// The scheme in lower case, where it is one of those known here, else as written.
    #[must_use]
    pub fn scheme(&self) -> &str {
        match self {
            Self::Sip(uri) if uri.secure => "sips",
            Self::Sip(_) => "sip",
            Self::Tel(_) => "tel",
            Self::Other { scheme, .. } => scheme,
        }
    }

    /// The `sip:` or `sips:` URI, if it is one.
    #[must_use]
    pub const fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other { .. } => None,
        }
    }

    /// As [`Self::as_sip`], to be changed.
    #[must_use]
    pub const fn as_sip_mut(&mut self) -> Option<&mut SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other { .. } => None,
        }
    }

    /// The user part without escapes; of a `tel:` URI the number without visual separators.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sip(uri) => uri.user(),
            Self::Tel(uri) => Some(Cow::Owned(uri.number())),
            Self::Other { .. } => None,
        }
    }

    /// The host, where there is one.
    #[must_use]
    pub fn host(&self) -> Option<&Host> {
        self.as_sip().map(SipUri::host)
    }

    /// The port, where there is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.as_sip().and_then(SipUri::port)
    }

    /// The value of a URI parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        match self {
            Self::Sip(uri) => uri.params.get(name),
            Self::Tel(uri) => uri.params.get(name),
            Self::Other { .. } => None,
        }
    }

    /// A URI parameter of this name is there.
    #[must_use]
    pub fn has_param(&self, name: &str) -> bool {
        match self {
            Self::Sip(uri) => uri.params.has(name),
            Self::Tel(uri) => uri.params.has(name),
            Self::Other { .. } => false,
        }
    }

    /// The route is a loose one (RFC 3261 §19.1.1).
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.has_param("lr")
    }
}

impl SipUri {
    /// `sip:host`.
    #[must_use]
    pub const fn new(host: Host) -> Self {
        let params = Parameters::new();
        Self { secure: false, user: None, password: None, host, port: None, params, headers: Vec::new() }
    }

    /// With a user part; what it may not hold is escaped.
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        self.set_user(Some(user));
        self
    }

    /// With a port.
    #[must_use]
    pub const fn with_port(mut self, port: Option<u16>) -> Self {
        self.port = port;
        self
    }

    /// As `sips:`.
    #[must_use]
    pub const fn with_secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// With a parameter; what its value may not hold is escaped.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.set_param(name, value);
        self
    }

    /// With a parameter that has no value.
    #[must_use]
    pub fn with_flag(mut self, name: &str) -> Self {
        self.params.set_flag(name);
        self
    }

    /// With a header; what its value may not hold is escaped.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((escaped(name, is_header), escaped(value, is_header)));
        self
    }

    /// `sips:`.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The user part without escapes.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.user.as_deref().map(unescaped)
    }

    /// The password without escapes. Nobody should put one there (RFC 3261 §19.1.1).
    #[must_use]
    pub fn password(&self) -> Option<Cow<'_, str>> {
        self.password.as_deref().map(unescaped)
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, if given.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Parameters {
        &self.params
    }

    /// The `transport` parameter, where it names a transport known here.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        self.params.get("transport").and_then(|name| name.parse().ok())
    }

    /// Headers for a request to be made from this URI: names and values without escapes.
    pub fn headers(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.headers.iter().map(|(name, value)| (unescaped(name), unescaped(value)))
    }

    /// Sets or removes the user part and with it the password.
    pub fn set_user(&mut self, user: Option<&str>) {
        self.user = user.filter(|user| !user.is_empty()).map(|user| escaped(user, is_user));
        self.password = None;
    }

    /// Sets the host and port.
    pub fn set_host(&mut self, host: Host, port: Option<u16>) {
        (self.host, self.port) = (host, port);
    }

    /// Sets a parameter; what its value may not hold is escaped.
    pub fn set_param(&mut self, name: &str, value: &str) {
        self.params.set_plain(name, escaped(value, is_param));
    }

    /// Removes a parameter.
    pub fn remove_param(&mut self, name: &str) {
        self.params.remove(name);
    }

    /// Removes the headers, and `method`: what a Request-URI must not have (RFC 3261 §19.1.1, table 1).
    pub fn make_request_uri(&mut self) {
        self.headers.clear();
        self.params.remove("method");
    }

    fn parse(secure: bool, text: &str) -> Result<Self, Malformed> {
        // The last one: an address as user part should have its own escaped, but often has not.
        let (userinfo, rest) = match text.rsplit_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, text),
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, parse_headers(headers)?),
            None => (rest, Vec::new()),
        };
        let (address, params) = match rest.split_once(';') {
            Some((address, params)) => (address, Parameters::parse_uri(params, |text| legal(text, is_param))?),
            None => (rest, Parameters::new()),
        };
        let (host, port) = host_port(address)?;
        let (user, password) = match userinfo.map(|userinfo| userinfo.split_once(':').ok_or(userinfo)) {
            None => (None, None),
            Some(Ok((user, password))) => (Some(legal(user, is_user)?), Some(legal(password, is_password)?)),
            Some(Err(user)) => (Some(legal(user, is_user)?), None),
        };
        if user.as_deref() == Some("") {
            return Err(Malformed("an empty user part"));
        }
        let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        Ok(Self { secure, user: own(user), password: own(password), host, port, params, headers })
    }
}

fn parse_headers(text: &str) -> Result<Vec<(String, String)>, Malformed> {
    let header = |header: &str| {
        let (name, value) = header.split_once('=').ok_or(Malformed("a URI header without value"))?;
        if name.is_empty() {
            return Err(Malformed("a URI header without name"));
        }
        Ok((legal(name, is_header)?.into_owned(), legal(value, is_header)?.into_owned()))
    };
    text.split('&').map(header).collect()
}

impl TelUri {
    /// The number without visual separators (RFC 3966 §5.1.1).
    #[must_use]
    pub fn number(&self) -> String {
        self.number.chars().filter(|letter| !matches!(letter, '-' | '.' | '(' | ')')).collect()
    }

    /// The number as written.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.number
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Parameters {
        &self.params
    }

    fn parse(text: &str) -> Result<Self, Malformed> {
        let (number, params) = match text.split_once(';') {
            Some((number, params)) => (number, Parameters::parse_uri(params, |text| legal(text, is_param))?),
            None => (text, Parameters::new()),
        };
        let phone = |byte: u8| byte.is_ascii_hexdigit() || b"*#-.()".contains(&byte);
        let digits = number.strip_prefix('+').unwrap_or(number);
        if digits.is_empty() || !digits.bytes().all(phone) {
            return Err(Malformed("no telephone number"));
        }
        Ok(Self { number: number.to_owned(), params })
    }
}

impl FromStr for Uri {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.bytes().any(|byte| matches!(byte, 0..=b' ' | b'<' | b'>' | 0x7f)) {
            return Err(Malformed("white space or brackets in a URI"));
        }
        let (scheme, rest) = text.split_once(':').ok_or(Malformed("a URI without scheme"))?;
        if scheme.eq_ignore_ascii_case("sip") {
            return SipUri::parse(false, rest).map(Self::Sip);
        }
        if scheme.eq_ignore_ascii_case("sips") {
            return SipUri::parse(true, rest).map(Self::Sip);
        }
        if scheme.eq_ignore_ascii_case("tel") {
            return TelUri::parse(rest).map(Self::Tel);
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.bytes().all(plain) {
            return Err(Malformed("no URI scheme"));
        }
        if rest.is_empty() || !rest.bytes().all(is_opaque) {
            return Err(Malformed("no URI"));
        }
        Ok(Self::Other { scheme: scheme.to_owned(), rest: rest.to_owned() })
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => write!(f, "{uri}"),
            Self::Tel(uri) => write!(f, "tel:{}{}", uri.number, uri.params),
            Self::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
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

impl From<Uri> for String {
    fn from(uri: Uri) -> Self {
        uri.to_string()
    }
}

impl TryFrom<String> for Uri {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)
}

fn is_user(byte: u8) -> bool {
    is_unreserved(byte) || b"&=+$,;?/".contains(&byte)
}

fn is_password(byte: u8) -> bool {
    is_unreserved(byte) || b"&=+$,".contains(&byte)
}

fn is_param(byte: u8) -> bool {
    is_unreserved(byte) || b"[]/:&+$".contains(&byte)
}

fn is_header(byte: u8) -> bool {
    is_unreserved(byte) || b"[]/?:+$".contains(&byte)
}

/// Nothing that ends a URI where it stands in a header or a request line.
fn is_opaque(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
}

/// `text` as it came, with escapes for what should have had them.
fn legal(text: &str, fits: impl Fn(u8) -> bool) -> Result<Cow<'_, str>, Malformed> {
    let bytes = text.as_bytes();
    let mut whole = true;
    for (at, byte) in bytes.iter().enumerate() {
        let hex = |offset| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
        match byte {
            b'%' if hex(1) && hex(2) => {}
            b'%' => return Err(Malformed("an escape without two digits")),
            byte => whole &= fits(*byte),
        }
    }
    if whole {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(escaped(text, |byte| byte == b'%' || fits(byte))))
}

fn escaped(text: &str, fits: impl Fn(u8) -> bool) -> String {
    use fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii() && fits(byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| core::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) if *first == b'%' => {
                plain.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8(plain).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
