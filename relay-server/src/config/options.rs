//! The table of all options: the one place where their names stand.

use super::Settings;
use super::value::{Given, closest};
use argon2::password_hash::phc::PasswordHash;
use offhook_b2bua::config::{BusyStatus, CallWaiting};

/// One option.
pub struct OptionSpec {
    /// Its section in the file.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    apply: fn(&mut Settings, &Given) -> Result<(), String>,
}

const fn option(
    section: &'static str,
    name: &'static str,
    apply: fn(&mut Settings, &Given) -> Result<(), String>,
) -> OptionSpec {
    OptionSpec { section, name, apply }
}

macro_rules! set {
    ($field:ident = $given:ident => $value:expr) => {
        |settings, $given| {
            settings.$field = $value;
            Ok(())
        }
    };
}

/// Every option except `[accounts]`, whose names are the operator's.
pub const OPTIONS: &[OptionSpec] = &[
    option("listen", "plain", set!(listen_plain = given => Some(given.socket_addresses()?))),
    option("listen", "tls", set!(listen_tls = given => Some(given.socket_addresses()?))),
    option("listen", "header_timeout", set!(header_timeout = given => given.some_duration()?)),
    option("tls", "certificate", set!(tls_certificate = given => given.path()?)),
    option("tls", "key", set!(tls_key = given => given.path()?)),
    option("tls", "state_directory", set!(tls_state_directory = given => given.path()?)),
    option("tls", "names", set!(tls_names = given => given.words())),
    option("tls", "handshake_timeout", set!(tls_handshake_timeout = given => given.some_duration()?)),
    option("page", "directory", set!(page_directory = given => given.path()?)),
    option("media", "address", set!(media_address = given => given.ip_addresses()?)),
    option("media", "public_address", set!(media_public_address = given => given.ip_addresses()?)),
    option("media", "port", set!(media_port = given => given.number(0, 65_535)?)),
    option("media", "workers", set!(media_workers = given => given.number(0, 1_024)?)),
    option("media", "timeout", set!(media_timeout = given => given.some_duration()?)),
    option("media", "connect_timeout", set!(media_connect_timeout = given => given.some_duration()?)),
    option("calls", "ring_timeout", set!(ring_timeout = given => given.some_duration()?)),
    option("calls", "call_waiting", set!(call_waiting = given => call_waiting(given)?)),
    option("calls", "busy_status", set!(busy_status = given => busy_status(given)?)),
    option("calls", "codecs", set!(codecs = given => given.words())),
    option("calls", "max_per_session", set!(max_calls_per_session = given => given.number(1, 1_000)?)),
    option("sessions", "keep_alive_for", set!(keep_alive_for = given => given.duration()?)),
    option("sessions", "max_per_login", set!(max_sessions_per_login = given => given.number(1, 100_000)?)),
    option("limits", "frame_size", set!(frame_size = given => given.number(4_096, 16_777_216)?)),
    option("limits", "message_rate", set!(message_rate = given => given.number(1, 1_000_000)?)),
    option("limits", "message_burst", set!(message_burst = given => given.number(1, 1_000_000)?)),
    option("limits", "connections", set!(connections = given => given.number(1, 1_000_000)?)),
    option("limits", "send_queue", set!(send_queue = given => given.number(8, 65_536)?)),
    option("limits", "password_checks", set!(password_checks = given => given.number(1, 256)?)),
    option("signaling", "ping_interval", set!(ping_interval = given => given.duration()?)),
    option("signaling", "ping_probes", set!(ping_probes = given => given.number(1, 1_000)?)),
    option("signaling", "connection_timeout", set!(connection_timeout = given => given.some_duration()?)),
];

fn call_waiting(given: &Given) -> Result<CallWaiting, String> {
    given.choice(&[("rings", CallWaiting::Rings), ("busy", CallWaiting::Busy)])
}

fn busy_status(given: &Given) -> Result<BusyStatus, String> {
    given.choice(&[("failed", BusyStatus::Failed), ("busy", BusyStatus::Busy)])
}

/// Sets one option; the error says what would be right.
pub(super) fn set(settings: &mut Settings, section: &str, name: &str, given: &Given) -> Result<(), String> {
    if section == "accounts" {
        return set_account(settings, name, given);
    }
    if let Some(option) = OPTIONS.iter().find(|option| option.section == section && option.name == name) {
        return (option.apply)(settings, given).map_err(|problem| format!("`{name}`: {problem}"));
    }
    let here = OPTIONS.iter().filter(|option| option.section == section);
    if let Some(meant) = closest(name, here.map(|option| option.name)) {
        return Err(format!("`{name}` is not an option of [{section}]; did you mean `{meant}`?"));
    }
    if let Some(elsewhere) = OPTIONS.iter().find(|option| option.name == name) {
        return Err(format!("`{name}` is not an option of [{section}]; it belongs below `[{}]`", elsewhere.section));
    }
    let names: Vec<&str> =
        OPTIONS.iter().filter(|option| option.section == section).map(|option| option.name).collect();
    if names.is_empty() {
        return Err(format!("there is no section [{section}]"));
    }
    Err(format!("`{name}` is not an option of [{section}], which has: {}", names.join(", ")))
}

fn set_account(settings: &mut Settings, login: &str, given: &Given) -> Result<(), String> {
    let hash = given.one()?;
    if login.is_empty() {
        return Err("a login is empty".to_owned());
    }
    let valid = PasswordHash::new(hash).is_ok_and(|hash| hash.algorithm.as_str().starts_with("argon2"));
    if !valid {
        return Err(format!(
            "the password of `{login}` is not an argon2 hash: make one with `offhook-relay hash-password`"
        ));
    }
    settings.accounts.insert(login.to_owned(), hash.to_owned());
    Ok(())
}
