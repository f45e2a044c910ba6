//! Options of accounts at SIP servers, `[[sip.accounts]]` and `[sip.trunk]`.

use super::sip::is_host_name;
use super::value::Given;
use core::time::Duration;
use offhook_sip::auth::{Login, Secret};
use offhook_sip::subnet::Subnet;
use offhook_sip::transport::Transport;
use offhook_sip::user_agent::io::{Account, CalledNumberSource, Identity};
use std::net::IpAddr;
use std::path::PathBuf;

/// An account as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// `sip:alice@example.org`.
    pub uri: String,
    /// The display name.
    pub name: String,
    /// User name for digest authentication; empty: the user of `uri`.
    pub username: String,
    /// Password for digest authentication.
    pub password: Option<Secret>,
    /// The file that the password was read from.
    pub password_file: Option<PathBuf>,
    /// The registrar; empty: the domain of `uri`.
    pub registrar: String,
    /// Whether to register.
    pub register: bool,
    /// Interval until the registration is retried after the first rejection.
    pub retry_interval: Duration,
    /// Proxies that requests are routed through.
    pub proxy: Vec<String>,
    /// The transport if neither the URI nor DNS determines it.
    pub transport: Option<Transport>,
    /// Interval of OPTIONS requests to its server if it does not register; zero: never.
    pub options_interval: Duration,
    /// Source addresses of its calls; empty: those of its proxies, registrar and domain.
    pub sources: Vec<Subnet>,
    /// The parts of an INVITE that can contain the called number, in order of preference.
    pub called_number: Vec<CalledNumberSource>,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            uri: String::new(),
            name: String::new(),
            username: String::new(),
            password: None,
            password_file: None,
            registrar: String::new(),
            register: true,
            retry_interval: Duration::from_secs(60),
            proxy: Vec::new(),
            transport: None,
            options_interval: Duration::from_secs(60),
            sources: Vec::new(),
            called_number: CalledNumberSource::ALL.to_vec(),
        }
    }
}

impl AccountSettings {
    /// Whether the account is configured.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        !self.uri.is_empty()
    }

    /// Returns the account for the user agent. The relay machine generates its `contact_user`.
    #[must_use]
    pub fn account(&self, expires: Duration) -> Account {
        let (scheme, user, domain) = parts(&self.uri).unwrap_or(("sip", "", ""));
        let username = if self.username.is_empty() { user } else { &self.username };
        let password = self.password.as_ref();
        let registrar = if self.registrar.is_empty() { format!("{scheme}:{domain}") } else { self.registrar.clone() };
        Account {
            identity: Identity { name: (!self.name.is_empty()).then(|| self.name.clone()), uri: self.uri.clone() },
            login: password.map(|password| Login::new(username, password.reveal())),
            registrar: self.register.then_some(registrar),
            route: self.proxy.clone(),
            transport: self.transport,
            expires,
            options_interval: self.options_interval,
            sources: self.sources.clone(),
            called_number: self.called_number.clone(),
            is_trunk: false,
            persists: true,
            retry_interval: self.retry_interval,
            contact_user: String::new(),
        }
    }

    /// Sets one option. The error states the allowed values. `None`: there is no such option.
    pub(super) fn set(&mut self, name: &str, given: &Given) -> Option<Result<(), String>> {
        Some(match name {
            "uri" => address_of_record(given).map(|uri| self.uri = uri),
            "name" => text(given).map(|name| self.name = name),
            "username" => text(given).map(|username| self.username = username),
            "password" => given.one().map(|text| self.password = (!text.is_empty()).then(|| secret(text))),
            "password_file" => self.read_password(given),
            "registrar" => registrar(given).map(|registrar| self.registrar = registrar),
            "register" => given.truth().map(|register| self.register = register),
            "retry_interval" => given.at_least(Duration::from_secs(1)).map(|interval| self.retry_interval = interval),
            "proxy" => proxies(given).map(|proxy| self.proxy = proxy),
            "options_interval" => given.duration().map(|interval| self.options_interval = interval),
            "sources" => sources(given).map(|sources| self.sources = sources),
            "called_number" => called_number(given).map(|order| self.called_number = order),
            "transport" => transport(given).map(|transport| self.transport = transport),
            _ => return None,
        })
    }

    fn read_password(&mut self, given: &Given) -> Result<(), String> {
        let Some(path) = given.path()? else { return Ok(()) };
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        self.password = Some(secret(text.trim_end_matches(['\r', '\n'])));
        self.password_file = Some(path);
        Ok(())
    }
}

/// The names of the options.
pub(super) const OPTIONS: [&str; 13] = [
    "uri",
    "name",
    "username",
    "password",
    "password_file",
    "registrar",
    "register",
    "retry_interval",
    "proxy",
    "transport",
    "options_interval",
    "sources",
    "called_number",
];

/// The values of `called_number`.
pub(super) const CALLED_NUMBER_SOURCES: [(&str, CalledNumberSource); 3] = [
    ("request-uri", CalledNumberSource::RequestUri),
    ("p-called-party-id", CalledNumberSource::CalledPartyId),
    ("to", CalledNumberSource::To),
];

/// A password that is redacted in `Debug` output.
pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn text(given: &Given) -> Result<String, String> {
    let text = given.one()?;
    if text.contains(char::is_control) {
        return Err("the value contains a control character: remove it".to_owned());
    }
    Ok(text.to_owned())
}

fn address_of_record(given: &Given) -> Result<String, String> {
    let uri = text(given)?;
    match parts(&uri) {
        Some((_, user, _)) if !user.is_empty() => Ok(uri),
        None if uri.is_empty() => Ok(uri),
        _ => Err(format!("`{uri}` is not an address of record: use a form like `sip:alice@example.org`")),
    }
}

fn registrar(given: &Given) -> Result<String, String> {
    let uri = text(given)?;
    match parts(&uri) {
        Some((_, "", _)) => Ok(uri),
        None if uri.is_empty() => Ok(uri),
        _ => Err(format!("`{uri}` is not a registrar URI: use its domain, like `sip:example.org`")),
    }
}

fn proxies(given: &Given) -> Result<Vec<String>, String> {
    let proxy = |uri: String| match parts(&uri) {
        // Without `lr`, the proxy would be a strict router as in RFC 2543 (RFC 3261 §16.12).
        Some((_, _, _)) if uri.contains(";lr") => Ok(uri),
        Some((_, _, _)) => Ok(format!("{uri};lr")),
        None => {
            Err(format!("`{uri}` is not a proxy URI: use a form like `sip:proxy.example.org` or `sip:192.0.2.7:5080`"))
        }
    };
    given.words().into_iter().map(proxy).collect()
}

fn transport(given: &Given) -> Result<Option<Transport>, String> {
    given.choice(&[
        ("", None),
        ("udp", Some(Transport::Udp)),
        ("tcp", Some(Transport::Tcp)),
        ("tls", Some(Transport::Tls)),
    ])
}

/// Addresses and networks. A network of all addresses is rejected, because every call would then belong to the account.
fn sources(given: &Given) -> Result<Vec<Subnet>, String> {
    let sources = given.networks()?;
    match sources.iter().find(|network| network.prefix() == 0) {
        Some(all) => {
            Err(format!("`{all}` contains every address: list only the source addresses of the server's calls"))
        }
        None => Ok(sources),
    }
}

/// Parses `called_number`: parts of an INVITE in order of preference, each at most once.
fn called_number(given: &Given) -> Result<Vec<CalledNumberSource>, String> {
    let advice = "list some of \"request-uri\", \"p-called-party-id\" and \"to\", the preferred one first";
    let mut order = Vec::new();
    for word in given.words() {
        let known = CALLED_NUMBER_SOURCES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(&word));
        let Some((name, source)) = known else {
            return Err(format!("`{word}` is not a part of an INVITE that contains the called number: {advice}"));
        };
        if order.contains(&source) {
            return Err(format!("`{name}` is listed twice: {advice}"));
        }
        order.push(source);
    }
    if order.is_empty() {
        Err(format!("the list is empty, so that all calls would be rejected: {advice}"))
    } else {
        Ok(order)
    }
}

/// Scheme, user and host (with port) of a SIP URI, if it looks like one.
fn parts(uri: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    if !matches!(scheme, "sip" | "sips") || uri.contains([' ', '<', '>', '"', ',']) {
        return None;
    }
    let whole = rest.split([';', '?']).next()?;
    let (user, host) = whole.rsplit_once('@').unwrap_or(("", whole));
    is_host_port(host).then_some((scheme, user, host))
}

fn is_host_port(text: &str) -> bool {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0);
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_address = host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
        return is_address && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    }
    match text.split_once(':') {
        Some((host, port)) => is_host_name(host) && is_port(port),
        None => is_host_name(text),
    }
}
