//! What the operator decides, from three places: the file, then the environment, then the flags; the later wins.

mod accounts;
mod effective;
mod file;
mod options;
mod sip;
mod value;

pub use accounts::AccountSettings;
pub use effective::explain;
pub use options::{OPTIONS, OptionSpec};
pub use sip::{HASHES, SipAddress, SipSettings, Verify};
pub use value::Given;

use crate::http::TrustedProxies;
use core::fmt;
use core::time::Duration;
use offhook_b2bua::config::{BusyStatus, CallWaiting};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// What the bundled phone page needs and nothing else: its own scripts and styles, WebAssembly, and a WebSocket to any relay.
/// Other sites may not embed it (`frame-ancestors`), since they could make a user click on its buttons.
const PAGE_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws: wss:; \
     img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Every option of the relay, typed. `Settings::default()` is what holds where nobody says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Addresses for HTTP and `ws:`; `None`: the default addresses.
    pub listen_plain: Option<Vec<SocketAddr>>,
    /// Addresses for HTTPS and `wss:`; `None`: the default addresses.
    pub listen_tls: Option<Vec<SocketAddr>>,
    /// How long a client may take for a request's headers.
    pub header_timeout: Duration,
    /// Proxies in front of the relay that name their clients.
    pub trusted_proxies: TrustedProxies,
    /// PEM file with the certificate chain.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub tls_key: Option<PathBuf>,
    /// Where the self-signed certificate is kept.
    pub tls_state_directory: Option<PathBuf>,
    /// More names for the self-signed certificate.
    pub tls_names: Vec<String>,
    /// How long a TLS handshake may take.
    pub tls_handshake_timeout: Duration,
    /// The built phone page.
    pub page_directory: Option<PathBuf>,
    /// `Content-Security-Policy` of the phone page; empty: none.
    pub page_security_policy: String,
    /// Addresses the media sockets are bound to; empty: all discovered.
    pub media_address: Vec<IpAddr>,
    /// Addresses browsers reach those by, where that differs.
    pub media_public_address: Vec<IpAddr>,
    /// Two browsers that can may exchange their media without the relay.
    pub media_direct: bool,
    /// UDP port of worker 0; 0: any free port.
    pub media_port: u16,
    /// Worker threads; 0: one per core.
    pub media_workers: u16,
    /// After how long without packets and consent a leg is dead.
    pub media_timeout: Duration,
    /// How long ICE and DTLS may take.
    pub media_connect_timeout: Duration,
    /// Login and argon2 PHC string.
    pub accounts: BTreeMap<String, String>,
    /// How long a call rings.
    pub ring_timeout: Duration,
    /// What a second call finds.
    pub call_waiting: CallWaiting,
    /// What the caller of a busy user is told.
    pub busy_status: BusyStatus,
    /// Codecs in order of preference; empty: the caller's choice.
    pub codecs: Vec<String>,
    /// Calls one session may have at once.
    pub max_calls_per_session: usize,
    /// How long a session outlives its socket.
    pub keep_alive_for: Duration,
    /// Sessions without a login are accepted.
    pub anonymous: bool,
    /// Sessions one login may have at once.
    pub max_sessions_per_login: usize,
    /// Longest text frame, in octets.
    pub frame_size: usize,
    /// Messages a second, on average.
    pub message_rate: u32,
    /// Messages at once.
    pub message_burst: u32,
    /// Open sockets of all addresses together.
    pub connections: usize,
    /// Open sockets of one remote address.
    pub connections_per_address: usize,
    /// Frames that may wait for a slow reader.
    pub send_queue: usize,
    /// Passwords checked at the same time.
    pub password_checks: usize,
    /// How often the relay pings; zero: never.
    pub ping_interval: Duration,
    /// Pongs that may be missed.
    pub ping_probes: u32,
    /// How long a socket may stay silent before its `connection` message.
    pub connection_timeout: Duration,
    /// SIP servers, phones, and the media towards them.
    pub sip: SipSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen_plain: None,
            listen_tls: None,
            header_timeout: Duration::from_secs(10),
            trusted_proxies: TrustedProxies::default(),
            tls_certificate: None,
            tls_key: None,
            tls_state_directory: None,
            tls_names: Vec::new(),
            tls_handshake_timeout: Duration::from_secs(10),
            page_directory: None,
            page_security_policy: PAGE_SECURITY_POLICY.to_owned(),
            media_address: Vec::new(),
            media_public_address: Vec::new(),
            media_direct: false,
            media_port: 40_000,
            media_workers: 0,
            media_timeout: Duration::from_secs(30),
            media_connect_timeout: Duration::from_secs(15),
            accounts: BTreeMap::new(),
            ring_timeout: Duration::from_secs(60),
            call_waiting: CallWaiting::Rings,
            busy_status: BusyStatus::Failed,
            codecs: Vec::new(),
            max_calls_per_session: 8,
            keep_alive_for: Duration::from_secs(60),
            anonymous: false,
            max_sessions_per_login: 16,
            frame_size: 65_536,
            message_rate: 50,
            message_burst: 200,
            connections: 10_000,
            connections_per_address: 500,
            send_queue: 256,
            password_checks: 2,
            ping_interval: Duration::from_secs(5),
            ping_probes: 10,
            connection_timeout: Duration::from_secs(10),
            sip: SipSettings::default(),
        }
    }
}

/// What is wrong with the configuration, where it stands, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// An error at `place`: `relay.toml:12`, `OFFHOOK_MEDIA_PORT`, `--set media.port`.
    pub fn new(place: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self(format!("{place}: {problem}"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Reads file, environment and flags, in this order.
///
/// `environment` are all variables of the process, `flags` are `section.option` and value.
///
/// # Errors
/// The first option that does not exist or has an impossible value, with its place.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[(String, Given)],
) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::new(path.display(), error))?;
        file::apply(&mut settings, &path.display().to_string(), &text)?;
    }
    for (name, value) in environment {
        if let Some(rest) = name.strip_prefix("OFFHOOK_") {
            apply_variable(&mut settings, &name, rest, value)?;
        }
    }
    for (option, given) in flags {
        let place = format!("--set {option}");
        let (section, name) = option
            .split_once('.')
            .ok_or_else(|| ConfigError::new(&place, "an option is written `section.name=value`"))?;
        options::set(&mut settings, section, name, given).map_err(|problem| ConfigError::new(&place, problem))?;
    }
    validate(&settings)?;
    Ok(settings)
}

/// Reads the text of a configuration file alone, as if it were called `name`.
///
/// # Errors
/// The first option that does not exist or has an impossible value, with its line.
pub fn parse(name: &str, text: &str) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    file::apply(&mut settings, name, text)?;
    validate(&settings)?;
    Ok(settings)
}

/// `OFFHOOK_CALLS_RING_TIMEOUT` is `ring_timeout` of `[calls]`. Variables whose first word is no section are not ours
/// (`OFFHOOK_LOG`, and what other tools around the relay may use).
fn apply_variable(settings: &mut Settings, variable: &str, rest: &str, value: String) -> Result<(), ConfigError> {
    let lower = rest.to_ascii_lowercase();
    let Some((section, name)) = lower.split_once('_') else { return Ok(()) };
    if !OPTIONS.iter().any(|option| option.section == section) {
        return Ok(());
    }
    // `OFFHOOK_SIP_TRUNK_URI` is `uri` of `[sip.trunk]`.
    let nested = OPTIONS.iter().find(|option| option.section == section && option.name.replace('.', "_") == name);
    let name = nested.map_or(name, |option| option.name);
    options::set(settings, section, name, &Given::Text(value)).map_err(|problem| ConfigError::new(variable, problem))
}

/// A warning for each variable that looks as if it were meant for the relay and is not looked at.
pub fn overlooked<'a>(variables: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let sections = || OPTIONS.iter().map(|option| option.section);
    let warning = |name: &str| {
        let word = name.strip_prefix("OFFHOOK_")?.split_once('_')?.0;
        let lower = word.to_ascii_lowercase();
        if lower == "accounts" {
            return Some(format!("{name} is not looked at: [accounts] stands in the file only"));
        }
        if sections().any(|section| section == lower) {
            return None;
        }
        let meant = value::closest(&lower, sections())?.to_ascii_uppercase();
        Some(format!("{name} is not looked at: there is no section {word}; did you mean OFFHOOK_{meant}_…?"))
    };
    variables.into_iter().filter_map(warning).collect()
}

/// What only shows when all options are known.
fn validate(settings: &Settings) -> Result<(), ConfigError> {
    match (&settings.tls_certificate, &settings.tls_key) {
        (Some(_), None) => {
            return Err(ConfigError::new(
                "[tls]",
                "`certificate` is given without `key`: give the file of its private key",
            ));
        }
        (None, Some(_)) => {
            return Err(ConfigError::new("[tls]", "`key` is given without `certificate`: give the file of its chain"));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    let none = |list: &Option<Vec<SocketAddr>>| list.as_ref().is_some_and(Vec::is_empty);
    if none(&settings.listen_plain) && none(&settings.listen_tls) {
        return Err(ConfigError::new(
            "[listen]",
            "`plain` and `tls` are both empty, so nobody could reach the relay: give one of them an address",
        ));
    }
    if settings.message_burst < settings.message_rate.min(10) {
        return Err(ConfigError::new(
            "[limits]",
            "`message_burst` is too small: logging in alone takes several messages",
        ));
    }
    let last = u32::from(settings.media_port) + u32::from(settings.media_workers.max(1)) - 1;
    if settings.media_port != 0 && last > u32::from(u16::MAX) {
        return Err(ConfigError::new("[media]", "`port` + `workers` goes beyond 65535: choose a lower port"));
    }
    sip::validate(&settings.sip)
}

#[cfg(test)]
mod tests;
