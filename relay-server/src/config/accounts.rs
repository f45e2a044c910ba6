//! Options of accounts at SIP servers, `[[sip.accounts]]` and `[sip.trunk]`.

use super::sip::is_host;
use super::value::Given;
use core::time::Duration;
use offhook_sip::auth::{Login, Secret};
use offhook_sip::message::{SipUri, Uri};
use offhook_sip::subnet::Subnet;
use offhook_sip::transport::Transport;
use offhook_sip::user_agent::io::{Account, CalledNumberSource, Identity};
use std::path::PathBuf;

/// An account as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// The address of record, `sip:alice@example.org`; none: there is no account.
    pub uri: Option<SipUri>,
    /// The display name.
    pub name: String,
    /// User name for digest authentication; empty: the user of `uri`.
    pub username: String,
    /// Password for digest authentication.
    pub password: Option<Secret>,
    /// The file that the password was read from.
    pub password_file: Option<PathBuf>,
    /// The registrar; none: the domain of `uri`.
    pub registrar: Option<SipUri>,
    /// Whether the relay registers the account at the registrar.
    pub register: bool,
    /// Interval until the registration is retried after the first rejection.
    pub retry_interval: Duration,
    /// Proxies that requests are routed through.
    pub proxy: Vec<SipUri>,
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
            uri: None,
            name: String::new(),
            username: String::new(),
            password: None,
            password_file: None,
            registrar: None,
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
        self.uri.is_some()
    }

    /// Returns the account for the user agent, if it is configured. The relay machine generates its `contact_user`.
    #[must_use]
    pub fn account(&self, expires: Duration) -> Option<Account> {
        let uri = self.uri.as_ref()?;
        let user = uri.user().unwrap_or_default();
        let username = if self.username.is_empty() { &*user } else { &self.username };
        let password = self.password.as_ref();
        let domain = || SipUri::new(uri.host().clone()).with_port(uri.port()).with_secure(uri.is_secure());
        let name = (!self.name.is_empty()).then(|| self.name.clone());
        Some(Account {
            identity: Identity { name, uri: Uri::Sip(uri.clone()) },
            login: password.map(|password| Login::new(username, password.reveal())),
            registrar: self.register.then(|| self.registrar.clone().unwrap_or_else(domain)),
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
        })
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

/// Wraps a password, so that it is redacted in `Debug` output.
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

fn address_of_record(given: &Given) -> Result<Option<SipUri>, String> {
    let text = text(given)?;
    match sip_uri(&text) {
        Some(uri) if uri.user().is_some() => Ok(Some(uri)),
        None if text.is_empty() => Ok(None),
        _ => Err(format!("`{text}` is not an address of record: use a form like `sip:alice@example.org`")),
    }
}

fn registrar(given: &Given) -> Result<Option<SipUri>, String> {
    let text = text(given)?;
    match sip_uri(&text) {
        Some(uri) if uri.user().is_none() => Ok(Some(uri)),
        None if text.is_empty() => Ok(None),
        _ => Err(format!("`{text}` is not a registrar URI: use its domain, like `sip:example.org`")),
    }
}

fn proxies(given: &Given) -> Result<Vec<SipUri>, String> {
    let proxy = |text: String| match sip_uri(&text) {
        // Without `lr`, the proxy would be a strict router as in RFC 2543 (RFC 3261 §16.12).
        Some(uri) => Ok(uri.with_flag("lr")),
        None => {
            Err(format!("`{text}` is not a proxy URI: use a form like `sip:proxy.example.org` or `sip:192.0.2.7:5080`"))
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

/// Parses `sources`. A network that contains all addresses is rejected, because every call would then belong to the
/// account.
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

/// Parses a SIP URI with a valid host.
fn sip_uri(text: &str) -> Option<SipUri> {
    let uri: SipUri = text.parse().ok()?;
    (is_host(uri.host()) && uri.port() != Some(0) && !text.contains(['"', ','])).then_some(uri)
}
