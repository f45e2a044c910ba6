//! The table of all options with their names and conversions.

use super::value::{Given, closest};
use super::{Settings, api, guards, hooks, media_files, records, sip, tokens, trace};
use crate::http::{AllowedOrigins, ProxyHeader};
use argon2::password_hash::phc::PasswordHash;
use core::time::Duration;
use offhook_b2bua::config::{BusyStatus, CallWaiting, LoginName};

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
    ($($field:ident).+ = $given:ident => $value:expr) => {
        |settings, $given| {
            settings.$($field).+ = $value;
            Ok(())
        }
    };
}

/// Creates an option of `[sip.trunk]`, which has the options of an account.
macro_rules! trunk {
    ($name:literal) => {
        option("sip", concat!("trunk.", $name), |settings, given| {
            settings.sip.trunk.set($name, given).unwrap_or(Ok(()))
        })
    };
}

/// Every option except those of `[accounts]` and `[api.tokens]`, whose names are chosen by the operator.
pub const OPTIONS: &[OptionSpec] = &[
    option("listen", "plain", set!(listen_plain = given => Some(given.socket_addresses()?))),
    option("listen", "tls", set!(listen_tls = given => Some(given.socket_addresses()?))),
    option("listen", "header_timeout", set!(header_timeout = given => given.some_duration()?)),
    option("listen", "trusted_proxies", set!(trusted_proxies.networks = given => given.networks()?)),
    option("listen", "proxy_header", set!(trusted_proxies.header = given => proxy_header(given)?)),
    option("tls", "certificate", set!(tls_certificate = given => given.path()?)),
    option("tls", "key", set!(tls_key = given => given.path()?)),
    option("tls", "state_directory", set!(tls_state_directory = given => given.path()?)),
    option("tls", "names", set!(tls_names = given => given.words())),
    option("tls", "handshake_timeout", set!(tls_handshake_timeout = given => given.some_duration()?)),
    option("page", "directory", set!(page_directory = given => given.path()?)),
    option("page", "security_policy", set!(page_security_policy = given => header_value(given)?)),
    option("media", "address", set!(media_address = given => given.named_ip_addresses()?)),
    option("media", "public_address", set!(media_public_address = given => given.named_ip_addresses()?)),
    option("media", "port", set!(media_port = given => given.number(0, 65_535)?)),
    option("media", "workers", set!(media_workers = given => given.number(0, 1_024)?)),
    option("media", "wake_interval", set!(media_wake_interval = given => given.at_most(MAX_WAKE_INTERVAL)?)),
    option("media", "opus_complexity", set!(opus_complexity = given => given.number(0, 10)?)),
    option("media", "timeout", set!(media_timeout = given => given.some_duration()?)),
    option("media", "connect_timeout", set!(media_connect_timeout = given => given.some_duration()?)),
    option("media", "direct", set!(media_direct = given => given.choice(&[("true", true), ("false", false)])?)),
    option("calls", "ring_timeout", set!(ring_timeout = given => given.some_duration()?)),
    option("calls", "drain_timeout", set!(drain_timeout = given => given.duration()?)),
    option("calls", "call_waiting", set!(call_waiting = given => call_waiting(given)?)),
    option("calls", "busy_status", set!(busy_status = given => busy_status(given)?)),
    option("calls", "codecs", set!(codecs = given => codecs(given)?)),
    option("calls", "max_per_session", set!(max_calls_per_session = given => given.number(1, 1_000)?)),
    option("sessions", "keep_alive_for", set!(keep_alive_for = given => given.duration()?)),
    option("sessions", "anonymous", set!(anonymous = given => given.truth()?)),
    option("sessions", "max_per_login", set!(max_sessions_per_login = given => given.number(1, 100_000)?)),
    option("limits", "frame_size", set!(frame_size = given => given.number(4_096, 16_777_216)?)),
    option("limits", "message_rate", set!(message_rate = given => given.number(1, 1_000_000)?)),
    option("limits", "message_burst", set!(message_burst = given => given.number(1, 1_000_000)?)),
    option("limits", "connections", set!(connections = given => given.number(1, 1_000_000)?)),
    option("limits", "connections_per_address", set!(connections_per_address = given => given.number(1, 1_000_000)?)),
    option("limits", "send_queue", set!(send_queue = given => given.number(8, 65_536)?)),
    option("limits", "password_checks", set!(password_checks = given => given.number(1, 256)?)),
    option("signaling", "ping_interval", set!(ping_interval = given => given.duration()?)),
    option("signaling", "ping_probes", set!(ping_probes = given => given.number(1, 1_000)?)),
    option("signaling", "connection_timeout", set!(connection_timeout = given => given.some_duration()?)),
    option("guards", "calls_per_login", set!(guards.rules.calls_per_login = given => guards::limit(given)?)),
    option("guards", "calls_per_address", set!(guards.rules.calls_per_address = given => guards::limit(given)?)),
    option("guards", "call_rate_per_login", set!(guards.rules.call_rate_per_login = given => guards::limit(given)?)),
    option(
        "guards",
        "call_rate_per_address",
        set!(guards.rules.call_rate_per_address = given => guards::limit(given)?),
    ),
    option("guards", "max_call_duration", set!(guards.rules.max_call_duration = given => guards::duration(given)?)),
    option("guards", "deny_destinations", set!(guards.rules.destinations.deny = given => sip::patterns(given)?)),
    option("guards", "allow_destinations", set!(guards.rules.destinations.allow = given => sip::patterns(given)?)),
    option("guards", "origins", set!(guards.origins = given => AllowedOrigins::parse(&given.words())?)),
    option("tokens", "secret", tokens::set_secret),
    option("tokens", "secret_file", tokens::set_secret_file),
    option("tokens", "public_key_file", tokens::set_public_key_file),
    option("tokens", "jwks_url", tokens::set_jwks_url),
    option("tokens", "jwks_refresh", set!(tokens.jwks_refresh = given => given.some_duration()?)),
    option("tokens", "jwks_refetch_interval", set!(tokens.jwks_refetch_interval = given => given.some_duration()?)),
    option("tokens", "issuer", set!(tokens.issuer = given => given.one()?.to_owned())),
    option("tokens", "audience", set!(tokens.audience = given => given.one()?.to_owned())),
    option("tokens", "leeway", set!(tokens.leeway = given => given.at_most(Duration::from_secs(300))?)),
    option("tokens", "expiry_notice", set!(tokens.expiry_notice = given => given.duration()?)),
    option("records", "sqlite", set!(records.sqlite = given => records::location(given)?)),
    option("records", "database", set!(records.database = given => records::database(given)?)),
    option("records", "json_lines", set!(records.json_lines = given => given.path()?)),
    option("records", "retention_days", set!(records.retention = given => records::retention(given)?)),
    option("media_files", "directory", set!(media_files.directory = given => given.path()?)),
    option("media_files", "memory_mb", set!(media_files.memory = given => media_files::octets(given, 1)?)),
    option("media_files", "recordings", set!(media_files.recordings.directory = given => given.path()?)),
    option("media_files", "pattern", set!(media_files.recordings.pattern = given => media_files::pattern(given)?)),
    option("media_files", "format", set!(media_files.recordings.format = given => media_files::format(given)?)),
    option("media_files", "rate", set!(media_files.recordings.rate = given => media_files::rate(given)?)),
    option("media_files", "max_length", set!(media_files.recordings.max_length = given => given.some_duration()?)),
    option("media_files", "max_total_mb", set!(media_files.recordings.max_total = given => media_files::total(given)?)),
    option(
        "media_files",
        "min_free_mb",
        set!(media_files.recordings.min_free = given => media_files::octets(given, 0)?),
    ),
    option("trace", "enabled", set!(trace.is_on = given => given.truth()?)),
    option("trace", "memory", set!(trace.limits.octets = given => trace::octets(given)?)),
    option("trace", "keep", set!(trace.limits.keep = given => given.some_duration()?)),
    option("sip", "listen", set!(sip.listen = given => Some(sip::listen(given)?))),
    option("sip", "public_address", sip::public_address),
    option("sip", "local_networks", set!(sip.local_networks = given => given.networks()?)),
    option("sip", "domain", set!(sip.domain = given => sip::domain(given)?)),
    option("sip", "servers", set!(sip.servers = given => sip::servers(given)?)),
    option("sip", "private_networks", set!(sip.private_networks = given => Some(given.truth()?))),
    option("sip", "dns", set!(sip.dns = given => sip::dns(given)?)),
    option("sip", "tls_certificate", set!(sip.tls_certificate = given => given.path()?)),
    option("sip", "tls_key", set!(sip.tls_key = given => given.path()?)),
    option("sip", "tls_authorities", set!(sip.tls_authorities = given => given.path()?)),
    option("sip", "tls_verify", set!(sip.tls_verify = given => sip::verify(given)?)),
    option("sip", "accept_unknown", set!(sip.accept_unknown = given => given.truth()?)),
    option("sip", "forward_to", set!(sip.forward_to = given => sip::patterns(given)?)),
    option("sip", "follow_redirects", set!(sip.follow_redirects = given => sip::redirects(given)?)),
    option("sip", "trusted", set!(sip.trusted = given => given.ip_addresses()?)),
    option("sip", "expires", set!(sip.expires = given => given.at_least(Duration::from_secs(60))?)),
    option("sip", "session_expires", set!(sip.session_expires = given => sip::session_interval(given)?)),
    option(
        "sip",
        "min_session_expires",
        set!(sip.min_session_expires = given => given.at_least(Duration::from_secs(90))?),
    ),
    option("sip", "t1", set!(sip.t1 = given => given.at_least(Duration::from_millis(10))?)),
    option("sip", "keep_alive", set!(sip.keep_alive = given => given.at_least(Duration::from_secs(1))?)),
    option("sip", "nat_keep_alive", set!(sip.nat_keep_alive = given => given.duration()?)),
    option("sip", "connect_timeout", set!(sip.connect_timeout = given => given.some_duration()?)),
    option("sip", "idle_timeout", set!(sip.idle_timeout = given => given.some_duration()?)),
    option("sip", "unused_timeout", set!(sip.unused_timeout = given => given.some_duration()?)),
    option("sip", "message_rate", set!(sip.message_rate = given => given.number(10, 1_000_000)?)),
    option("sip", "send_queue", set!(sip.send_queue = given => given.number(8, 65_536)?)),
    option("sip", "connections", set!(sip.connections = given => given.number(1, 1_000_000)?)),
    option("sip", "connections_per_address", set!(sip.connections_per_address = given => given.number(1, 1_000_000)?)),
    trunk!("uri"),
    trunk!("name"),
    trunk!("username"),
    trunk!("password"),
    trunk!("password_file"),
    trunk!("registrar"),
    trunk!("register"),
    trunk!("retry_interval"),
    trunk!("proxy"),
    trunk!("transport"),
    trunk!("options_interval"),
    trunk!("sources"),
    trunk!("called_number"),
    option("sip", "trunk.country_code", set!(sip.trunk_numbering.country_code = given => sip::digits(given)?)),
    option(
        "sip",
        "trunk.international_prefix",
        set!(sip.trunk_numbering.international_prefix = given => sip::digits(given)?),
    ),
    option("sip", "trunk.national_prefix", set!(sip.trunk_numbering.national_prefix = given => sip::digits(given)?)),
    option("sip", "trunk.asserts_identity", set!(sip.trunk_asserts_identity = given => given.truth()?)),
    option("rtp", "address", set!(sip.rtp_address = given => sip::one_of_each_family(given)?)),
    option("rtp", "public_address", set!(sip.rtp_public_address = given => sip::one_of_each_family(given)?)),
    option("rtp", "first_port", set!(sip.rtp_first_port = given => given.number(0, 65_535)?)),
    option("rtp", "last_port", set!(sip.rtp_last_port = given => given.number(1, 65_535)?)),
    option("rtp", "port_rest", set!(sip.rtp_port_rest = given => given.duration()?)),
    option("rtp", "timeout", set!(sip.rtp_timeout = given => given.duration()?)),
    option("rtp", "ports_per_user", set!(sip.rtp_ports_per_user = given => given.number(16, 65_535)?)),
    option("rtp", "profile", set!(sip.rtp_profile = given => sip::profile(given)?)),
    option("rtp", "srtp", set!(sip.rtp_srtp = given => sip::srtp(given)?)),
    option("rtp", "latching", set!(sip.rtp_latch.latching = given => sip::latching(given)?)),
    option("rtp", "latch_packets", set!(sip.rtp_latch.packets = given => given.number(1, 255)?)),
    option("rtp", "latch_quiet", set!(sip.rtp_latch.quiet = given => given.duration()?)),
    option("api", "listen", set!(api.listen = given => Some(given.socket_addresses()?))),
    option("api", "basic_authentication", set!(api.basic_authentication = given => given.truth()?)),
    option("api", "allow_origin", set!(api.allow_origin = given => header_value(given)?)),
    option("api", "body_size", set!(api.body_size = given => given.number(1_024, 16_777_216)?)),
    option("api", "request_timeout", set!(api.request_timeout = given => given.some_duration()?)),
    option("hooks", "timeout", set!(hooks.timeout = given => hooks::timeout(given)?)),
    option("hooks", "queue", set!(hooks.queue = given => given.number(1, 1_000_000)?)),
    option("hooks", "attempts", set!(hooks.attempts = given => given.number(1, 20)?)),
    option("hooks", "concurrency", set!(hooks.concurrency = given => given.number(1, 1_024)?)),
    option("hooks", "authorities", set!(hooks.authorities = given => given.path()?)),
];

/// Maximum of `media.wake_interval`: half of the 20 ms of audio that a packet usually contains.
const MAX_WAKE_INTERVAL: Duration = Duration::from_millis(10);

/// Encoding names (RFC 3551 and the codecs' own payload formats) that `calls.codecs` accepts.
const CODECS: &[&str] = &[
    "opus",
    "PCMU",
    "PCMA",
    "G722",
    "G723",
    "G728",
    "G729",
    "speex",
    "iLBC",
    "iSAC",
    "GSM",
    "L16",
    "AMR",
    "AMR-WB",
    "EVS",
    "VP8",
    "VP9",
    "H263",
    "H263-1998",
    "H264",
    "H265",
    "AV1",
    "AV1X",
];

/// Parses codec names. Unknown names are rejected, because they would leave calls without a codec.
fn codecs(given: &Given) -> Result<Vec<String>, String> {
    let names = given.words();
    for name in &names {
        if CODECS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        let lower: Vec<String> = CODECS.iter().map(|known| known.to_ascii_lowercase()).collect();
        let meant = closest(&name.to_ascii_lowercase(), lower.iter().map(String::as_str));
        let meant = CODECS.iter().find(|known| meant.is_some_and(|meant| known.eq_ignore_ascii_case(meant)));
        return Err(match meant {
            Some(meant) => format!("`{name}` is not a known codec; did you mean `{meant}`?"),
            None => format!("`{name}` is not a known codec; use one of: {}", CODECS.join(", ")),
        });
    }
    Ok(names)
}

/// The value of an HTTP header.
fn header_value(given: &Given) -> Result<String, String> {
    let text = given.one()?;
    match text.bytes().find(|octet| !(b' '..=b'~').contains(octet)) {
        Some(octet) => {
            Err(format!("octet {octet:#04x} is not allowed in an HTTP header: use one line of printable ASCII"))
        }
        None => Ok(text.to_owned()),
    }
}

fn proxy_header(given: &Given) -> Result<ProxyHeader, String> {
    given.choice(&[("x-forwarded-for", ProxyHeader::XForwardedFor), ("forwarded", ProxyHeader::Forwarded)])
}

fn call_waiting(given: &Given) -> Result<CallWaiting, String> {
    given.choice(&[("rings", CallWaiting::Rings), ("busy", CallWaiting::Busy)])
}

fn busy_status(given: &Given) -> Result<BusyStatus, String> {
    given.choice(&[("failed", BusyStatus::Failed), ("busy", BusyStatus::Busy)])
}

/// Sets one option. The error states the allowed values.
pub(super) fn set(settings: &mut Settings, section: &str, name: &str, given: &Given) -> Result<(), String> {
    if section == "accounts" {
        return set_account(settings, name, given);
    }
    if let ("api", Some(token)) = (section, name.strip_prefix("tokens.")) {
        return api::token(&mut settings.api, token, given);
    }
    if let ("hooks", Some(application)) = (section, name.strip_prefix("applications.")) {
        return hooks::set(&mut settings.hooks, application, given);
    }
    if section == "sip"
        && let Some(result) = set_named(settings, name, given)
    {
        return result;
    }
    if let Some(option) = OPTIONS.iter().find(|option| option.section == section && option.name == name) {
        return (option.apply)(settings, given).map_err(|problem| format!("`{name}`: {problem}"));
    }
    let here = OPTIONS.iter().filter(|option| option.section == section);
    if let Some(meant) = closest(name, here.map(|option| option.name)) {
        return Err(format!("`{name}` is not an option of [{section}]; did you mean `{meant}`?"));
    }
    if let Some(elsewhere) = OPTIONS.iter().find(|option| option.name == name) {
        return Err(format!("`{name}` is not an option of [{section}]; it is an option of `[{}]`", elsewhere.section));
    }
    let names: Vec<&str> =
        OPTIONS.iter().filter(|option| option.section == section).map(|option| option.name).collect();
    if names.is_empty() {
        return Err(format!("there is no section [{section}]"));
    }
    Err(format!("`{name}` is not an option of [{section}]; its options are: {}", names.join(", ")))
}

/// Sets options of `[sip]` whose names are users or logins.
fn set_named(settings: &mut Settings, name: &str, given: &Given) -> Option<Result<(), String>> {
    if let Some(user) = name.strip_prefix("phones.") {
        return Some(sip::phone(settings, user, given));
    }
    let login = name.strip_prefix("trunk.numbers.")?;
    let numbered = login_name(login).and_then(|()| given.one()).map(|number| {
        settings.sip.trunk_numbers.insert(LoginName(login.to_owned()), number.to_owned());
    });
    Some(numbered)
}

fn set_account(settings: &mut Settings, login: &str, given: &Given) -> Result<(), String> {
    let hash = given.one()?;
    login_name(login)?;
    let valid = PasswordHash::new(hash).is_ok_and(|hash| hash.algorithm.as_str().starts_with("argon2"));
    if !valid {
        return Err(format!(
            "the password of `{login}` is not an argon2 hash: create one with `offhook-relay hash-password`"
        ));
    }
    settings.accounts.insert(login.to_owned(), hash.to_owned());
    Ok(())
}

/// Maximum length of a login, in octets.
const LOGIN_LENGTH: usize = 128;

/// Rejects logins that could not be used to log in or could not be called. Before a callee address is looked up, its
/// scheme is removed, and it is truncated at the characters that are rejected here.
pub(crate) fn login_name(login: &str) -> Result<(), String> {
    if login.is_empty() {
        return Err("the login is empty".to_owned());
    }
    if login.len() > LOGIN_LENGTH {
        return Err(format!("the login has {} octets; the maximum is {LOGIN_LENGTH}", login.len()));
    }
    if login.trim() != login {
        return Err(format!("the login {login:?} begins or ends with white space: remove it"));
    }
    if login.contains(char::is_control) {
        return Err(format!("the login {login:?} contains a control character: remove it"));
    }
    if let Some(found) = login.chars().find(|c| "@;?<>".contains(*c)) {
        return Err(format!("the login `{login}` contains `{found}` and could not be called: use the bare user name"));
    }
    let scheme = ["sip:", "sips:", "tel:"]
        .into_iter()
        .find(|scheme| login.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if let Some(scheme) = scheme {
        return Err(format!("the login `{login}` begins with `{scheme}` and could not be called: remove the scheme"));
    }
    Ok(())
}
