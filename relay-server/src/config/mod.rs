//! Configuration of the relay: from the file, then the environment, then the flags, where later sources override earlier ones.

mod accounts;
mod api;
mod effective;
mod file;
mod guards;
mod hooks;
pub mod live;
mod media_files;
mod options;
mod records;
mod sip;
mod tokens;
mod trace;
mod value;

pub use accounts::AccountSettings;
pub use api::ApiSettings;
pub use effective::explain;
pub use guards::GuardSettings;
pub use hooks::{ApplicationSettings, HookSettings};
pub use media_files::{MediaFileSettings, RecordingFormat, RecordingSettings};
pub(crate) use options::login_name;
pub use options::{OPTIONS, OptionSpec};
pub use records::{DatabaseLocation, RecordSettings};
pub use sip::{HASHES, SipAddress, SipSettings, Verify};
pub use tokens::{KeySource, TokenSettings};
pub use trace::TraceSettings;
pub use value::Given;

use crate::http::TrustedProxies;
use core::fmt;
use core::time::Duration;
use offhook_b2bua::config::{BusyStatus, CallWaiting};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Content Security Policy that allows what the bundled phone page needs: its own scripts and styles, WebAssembly, and a WebSocket to
/// any relay. `frame-ancestors` prevents other sites from embedding the page (clickjacking).
const PAGE_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws: wss:; \
     img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// All options of the relay as typed values. `Settings::default()` contains the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Addresses for HTTP and `ws:`; `None`: the default addresses.
    pub listen_plain: Option<Vec<SocketAddr>>,
    /// Addresses for HTTPS and `wss:`; `None`: the default addresses.
    pub listen_tls: Option<Vec<SocketAddr>>,
    /// Time limit for the header section of a request.
    pub header_timeout: Duration,
    /// Reverse proxies whose header contains the client address.
    pub trusted_proxies: TrustedProxies,
    /// PEM file with the certificate chain.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub tls_key: Option<PathBuf>,
    /// Directory of the self-signed certificate.
    pub tls_state_directory: Option<PathBuf>,
    /// Additional names in the self-signed certificate.
    pub tls_names: Vec<String>,
    /// Time limit for a TLS handshake.
    pub tls_handshake_timeout: Duration,
    /// Directory of the built phone page.
    pub page_directory: Option<PathBuf>,
    /// `Content-Security-Policy` of the phone page; empty: none.
    pub page_security_policy: String,
    /// Addresses that the media sockets are bound to; empty: all discovered ones.
    pub media_address: Vec<IpAddr>,
    /// Addresses by which browsers reach the media sockets, if these differ from the bound ones.
    pub media_public_address: Vec<IpAddr>,
    /// Whether two browsers may exchange their media without the relay.
    pub media_direct: bool,
    /// UDP port of worker 0; 0: any free port.
    pub media_port: u16,
    /// Worker threads; 0: one per core.
    pub media_workers: u16,
    /// The shortest time between two wake-ups of a media thread.
    pub media_wake_interval: Duration,
    /// `[media] opus_complexity`: the complexity of the Opus encoder, 0 to 10.
    pub opus_complexity: u8,
    /// Time without packets and without ICE consent after which a leg fails.
    pub media_timeout: Duration,
    /// Time limit for ICE and DTLS.
    pub media_connect_timeout: Duration,
    /// Logins and the argon2 PHC strings of their passwords.
    pub accounts: BTreeMap<String, String>,
    /// Time after which a ringing call ends.
    pub ring_timeout: Duration,
    /// Time for which calls continue after SIGTERM.
    pub drain_timeout: Duration,
    /// Handling of a second call.
    pub call_waiting: CallWaiting,
    /// Status that the caller of a busy user receives.
    pub busy_status: BusyStatus,
    /// Codecs in order of preference; empty: all, in the caller's order.
    pub codecs: Vec<String>,
    /// Maximum number of calls of one client session.
    pub max_calls_per_session: usize,
    /// Time for which a client session is kept after the loss of its WebSocket.
    pub keep_alive_for: Duration,
    /// Whether client sessions without a login are accepted.
    pub anonymous: bool,
    /// Maximum number of client sessions of one login.
    pub max_sessions_per_login: usize,
    /// Maximum length of a text frame, in octets.
    pub frame_size: usize,
    /// Maximum number of messages per second from one client, on average.
    pub message_rate: u32,
    /// Maximum number of messages from one client in a burst.
    pub message_burst: u32,
    /// Maximum number of connections of all addresses together.
    pub connections: usize,
    /// Maximum number of connections of one remote address.
    pub connections_per_address: usize,
    /// Maximum number of frames that are queued for a client.
    pub send_queue: usize,
    /// Maximum number of concurrent password checks.
    pub password_checks: usize,
    /// Interval of pings; zero: never.
    pub ping_interval: Duration,
    /// Number of pings that may remain unanswered.
    pub ping_probes: u32,
    /// Time limit for the `connection` message.
    pub connection_timeout: Duration,
    /// Call detail records.
    pub records: RecordSettings,
    /// Traces of calls.
    pub trace: TraceSettings,
    /// Playback files and recordings.
    pub media_files: MediaFileSettings,
    /// SIP servers, phones, and media towards them.
    pub sip: SipSettings,
    /// The REST API.
    pub api: ApiSettings,
    /// Limits against toll fraud and abuse.
    pub guards: GuardSettings,
    /// Logins by tokens of an application.
    pub tokens: TokenSettings,
    /// Webhooks.
    pub hooks: HookSettings,
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
            media_wake_interval: Duration::from_millis(1),
            opus_complexity: 5,
            media_timeout: Duration::from_secs(30),
            media_connect_timeout: Duration::from_secs(15),
            accounts: BTreeMap::new(),
            ring_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(20),
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
            records: RecordSettings::default(),
            trace: TraceSettings::default(),
            media_files: MediaFileSettings::default(),
            sip: SipSettings::default(),
            api: ApiSettings::default(),
            guards: GuardSettings::default(),
            tokens: TokenSettings::default(),
            hooks: HookSettings::default(),
        }
    }
}

/// An error in the configuration, with its location and the allowed values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// Creates an error at `place`: `relay.toml:12`, `OFFHOOK_MEDIA_PORT`, `--set media.port`.
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
/// `environment` contains all variables of the process, `flags` contains pairs of `section.option` and value.
///
/// # Errors
/// The first option that does not exist or has an invalid value, with its location.
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
        let (section, name) =
            option.split_once('.').ok_or_else(|| ConfigError::new(&place, "expected `section.name=value`"))?;
        options::set(&mut settings, section, name, given).map_err(|problem| ConfigError::new(&place, problem))?;
    }
    validate(&settings)?;
    Ok(settings)
}

/// Parses the text of a configuration file, without environment and flags. `name` is the name of the file in errors.
///
/// # Errors
/// The first option that does not exist or has an invalid value, with its line.
pub fn parse(name: &str, text: &str) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    file::apply(&mut settings, name, text)?;
    validate(&settings)?;
    Ok(settings)
}

/// Applies an environment variable: `OFFHOOK_CALLS_RING_TIMEOUT` is `ring_timeout` of `[calls]`. Variables whose first word is not a
/// section are ignored (`OFFHOOK_LOG`, and those of other tools).
fn apply_variable(settings: &mut Settings, variable: &str, rest: &str, value: String) -> Result<(), ConfigError> {
    let lower = rest.to_ascii_lowercase();
    let Some((section, name)) = lower.split_once('_') else { return Ok(()) };
    if !OPTIONS.iter().any(|option| option.section == section) {
        return Ok(());
    }
    // `OFFHOOK_SIP_TRUNK_URI` is `uri` of `[sip.trunk]`.
    let nested = OPTIONS.iter().find(|option| option.section == section && option.name.replace('.', "_") == name);
    let name = nested.map_or(name, |option| option.name);
    // `OFFHOOK_API_TOKENS_BACKEND` is `backend` of `[api.tokens]`.
    let token = name.strip_prefix("tokens_").filter(|_| section == "api").map(|token| format!("tokens.{token}"));
    let name = token.as_deref().unwrap_or(name);
    let application = if section == "hooks" { hooks::of_variable(name) } else { None };
    let name = application.as_deref().unwrap_or(name);
    options::set(settings, section, name, &Given::Text(value)).map_err(|problem| ConfigError::new(variable, problem))
}

/// Returns a warning for each ignored variable whose name resembles that of an option.
pub fn overlooked<'a>(variables: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let sections = || OPTIONS.iter().map(|option| option.section);
    let warning = |name: &str| {
        let word = name.strip_prefix("OFFHOOK_")?.split_once('_')?.0;
        let lower = word.to_ascii_lowercase();
        if lower == "accounts" {
            return Some(format!("{name} is ignored: [accounts] can be set in the configuration file only"));
        }
        if sections().any(|section| section == lower) {
            return None;
        }
        let meant = value::closest(&lower, sections())?.to_ascii_uppercase();
        Some(format!("{name} is ignored: there is no section {word}; did you mean OFFHOOK_{meant}_…?"))
    };
    variables.into_iter().filter_map(warning).collect()
}

/// Checks combinations of options.
fn validate(settings: &Settings) -> Result<(), ConfigError> {
    match (&settings.tls_certificate, &settings.tls_key) {
        (Some(_), None) => {
            return Err(ConfigError::new(
                "[tls]",
                "`certificate` is set without `key`: set `key` to the file of its private key",
            ));
        }
        (None, Some(_)) => {
            return Err(ConfigError::new(
                "[tls]",
                "`key` is set without `certificate`: set `certificate` to the file of its chain",
            ));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    let none = |list: &Option<Vec<SocketAddr>>| list.as_ref().is_some_and(Vec::is_empty);
    if none(&settings.listen_plain) && none(&settings.listen_tls) {
        return Err(ConfigError::new(
            "[listen]",
            "`plain` and `tls` are both empty, so the relay would accept no connections: set an address in one of them",
        ));
    }
    if settings.message_burst < settings.message_rate.min(10) {
        return Err(ConfigError::new(
            "[limits]",
            "`message_burst` is too small for a login, which takes several messages: set at least 10, or `message_rate` if \
             that is less",
        ));
    }
    let last = u32::from(settings.media_port) + u32::from(settings.media_workers.max(1)) - 1;
    if settings.media_port != 0 && last > u32::from(u16::MAX) {
        return Err(ConfigError::new("[media]", "`port` plus `workers` exceeds 65535: choose a lower port"));
    }
    tokens::validate(&settings.tokens)?;
    hooks::validate(&settings.hooks)?;
    sip::validate(&settings.sip)
}

#[cfg(test)]
mod tests;
