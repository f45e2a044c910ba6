//! Description of the effective configuration, for `offhook-relay check`.

use super::accounts::CALLED_NUMBER_SOURCES;
use super::{ApiSettings, Settings, SipSettings, Verify, guards, hooks, media_files, records, tokens, trace};
use crate::http::ProxyHeader;
use core::fmt::Debug;
use core::time::Duration;
use offhook_b2bua::config::{BusyStatus, CallWaiting, MediaProfile, Servers, Srtp};
use offhook_media::transport::latch::Latching;
use offhook_sip::message::SipUri;
use offhook_sip::user_agent::io::{CalledNumberSource, Redirects};
use std::path::PathBuf;

/// Returns one line for each option with its effective value, in the order of `relay.example.toml`.
#[must_use]
pub fn explain(settings: &Settings) -> String {
    let s = settings;
    let default_or =
        |list: &Option<Vec<_>>| list.as_ref().map_or("default addresses".to_owned(), |list| some(list, "off"));
    let call_waiting = match s.call_waiting {
        CallWaiting::Rings => "a second call rings",
        CallWaiting::Busy => "a second call is rejected as busy",
    };
    let busy_status = match s.busy_status {
        BusyStatus::Failed => "callers of a busy user receive FAILED",
        BusyStatus::Busy => "callers of a busy user receive BUSY",
    };
    let networks: Vec<String> = s.trusted_proxies.networks.iter().map(ToString::to_string).collect();
    let proxy_header = match s.trusted_proxies.header {
        ProxyHeader::XForwardedFor => "X-Forwarded-For",
        ProxyHeader::Forwarded => "Forwarded",
    };
    let workers = if s.media_workers == 0 { "one per core".to_owned() } else { s.media_workers.to_string() };
    let port = if s.media_port == 0 { "any free port".to_owned() } else { format!("{} and up", s.media_port) };
    let lines = [
        ("listen.plain", default_or(&s.listen_plain)),
        ("listen.tls", default_or(&s.listen_tls)),
        ("listen.trusted_proxies", some(&networks, "none: a client's address is that of its connection")),
        ("listen.proxy_header", proxy_header.to_owned()),
        ("listen.header_timeout", seconds(s.header_timeout)),
        ("tls.certificate", path(&s.tls_certificate, "self-signed, created at the first start")),
        ("tls.key", path(&s.tls_key, "self-signed, created at the first start")),
        ("tls.state_directory", path(&s.tls_state_directory, "default directory")),
        ("tls.names", some(&s.tls_names, "localhost and discovered addresses")),
        ("tls.handshake_timeout", seconds(s.tls_handshake_timeout)),
        ("page.directory", path(&s.page_directory, "next to the program, or demo-phone/dist")),
        ("page.security_policy", otherwise(&s.page_security_policy, "none")),
        ("media.address", some(&s.media_address, "all discovered addresses")),
        ("media.public_address", some(&s.media_public_address, "same as media.address")),
        ("media.port", port),
        ("media.workers", workers),
        ("media.wake_interval", format!("{} ms", s.media_wake_interval.as_millis())),
        ("media.opus_complexity", s.opus_complexity.to_string()),
        ("media.timeout", seconds(s.media_timeout)),
        ("media.connect_timeout", seconds(s.media_connect_timeout)),
        ("media.direct", s.media_direct.to_string()),
        ("accounts", format!("{} logins", s.accounts.len())),
        ("calls.ring_timeout", seconds(s.ring_timeout)),
        ("calls.drain_timeout", seconds(s.drain_timeout)),
        ("calls.call_waiting", call_waiting.to_owned()),
        ("calls.busy_status", busy_status.to_owned()),
        ("calls.codecs", some(&s.codecs, "all, in the caller's order")),
        ("calls.max_per_session", s.max_calls_per_session.to_string()),
        ("sessions.keep_alive_for", seconds(s.keep_alive_for)),
        ("sessions.anonymous", s.anonymous.to_string()),
        ("sessions.max_per_login", s.max_sessions_per_login.to_string()),
        ("limits.frame_size", format!("{} octets", s.frame_size)),
        ("limits.message_rate", format!("{} a second", s.message_rate)),
        ("limits.message_burst", s.message_burst.to_string()),
        ("limits.connections", s.connections.to_string()),
        ("limits.connections_per_address", s.connections_per_address.to_string()),
        ("limits.send_queue", format!("{} frames", s.send_queue)),
        ("limits.password_checks", format!("{} at a time", s.password_checks)),
        (
            "signaling.ping_interval",
            if s.ping_interval.is_zero() { "off".to_owned() } else { seconds(s.ping_interval) },
        ),
        ("signaling.ping_probes", s.ping_probes.to_string()),
        ("signaling.connection_timeout", seconds(s.connection_timeout)),
    ];
    lines
        .into_iter()
        .chain(guards::explain(&s.guards))
        .chain(tokens::explain(&s.tokens))
        .chain(records::explain(&s.records))
        .chain(trace::explain(&s.trace))
        .chain(media_files::explain(&s.media_files))
        .chain(sip(&s.sip))
        .chain(api(&s.api))
        .map(|(name, value)| (name.to_owned(), value))
        .chain(hooks::explain(&s.hooks))
        .map(|(name, value)| format!("{name:<30} {value}\n"))
        .collect()
}

/// The lines of `[api]`.
fn api(s: &ApiSettings) -> [(&'static str, String); 6] {
    let listen = s.listen.as_ref().map_or("default address".to_owned(), |listen| some(listen, "off"));
    let tokens: Vec<String> = s.tokens.iter().map(|(name, entry)| format!("{name} ({})", entry.scope)).collect();
    let tokens =
        if tokens.is_empty() { "none: one is created at the first start".to_owned() } else { tokens.join(", ") };
    [
        ("api.listen", listen),
        ("api.basic_authentication", if s.basic_authentication { "yes" } else { "no" }.to_owned()),
        ("api.allow_origin", otherwise(&s.allow_origin, "none")),
        ("api.body_size", format!("{} octets", s.body_size)),
        ("api.request_timeout", seconds(s.request_timeout)),
        ("api.tokens", tokens),
    ]
}

/// The lines of `[sip]` and `[rtp]`, without passwords.
fn sip(s: &SipSettings) -> Vec<(&'static str, String)> {
    let listen = match &s.listen {
        None if s.is_required() => "default addresses".to_owned(),
        None => "off, because no option requires SIP".to_owned(),
        Some(addresses) if addresses.is_empty() => "off".to_owned(),
        Some(addresses) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let servers = match &s.servers {
        Servers::Any => "ANY host that a client names".to_owned(),
        Servers::Listed(hosts) if hosts.is_empty() => "none".to_owned(),
        Servers::Listed(hosts) => hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let private_networks = match s.private_networks {
        None => "for listed servers (for all with --demo)",
        Some(false) => "for listed servers",
        Some(true) => "for ALL hosts that a client names",
    };
    let verify = match s.tls_verify {
        Verify::Strict => "certificates must be valid for the domain",
        Verify::Wildcards => "certificates must be valid for the domain, wildcards allowed",
        Verify::Off => "OFF: servers are not authenticated",
    };
    let redirects = match s.follow_redirects {
        Redirects::Off => "none",
        Redirects::Domain => "to the called domain and the account's server",
        Redirects::All => "to any host, charged to the account",
    };
    let yes_or_no = |truth: bool| if truth { "yes" } else { "no" }.to_owned();
    let mut lines = vec![
        ("sip.listen", listen),
        ("sip.public_address", public_address(s, &some(&s.public_address, "same as sip.listen"))),
        ("sip.local_networks", some(&s.local_networks, "none")),
        ("sip.domain", if s.domain.is_empty() { "the relay's SIP address".to_owned() } else { s.domain.clone() }),
        ("sip.servers", servers),
        ("sip.private_networks", private_networks.to_owned()),
        ("sip.dns", some(&s.dns, "the system's servers")),
        ("sip.tls_certificate", path(&s.tls_certificate, "that of HTTPS")),
        ("sip.tls_key", path(&s.tls_key, "that of HTTPS")),
        ("sip.tls_authorities", path(&s.tls_authorities, "the system's")),
        ("sip.tls_verify", verify.to_owned()),
        ("sip.accept_unknown", yes_or_no(s.accept_unknown)),
        ("sip.follow_redirects", redirects.to_owned()),
        ("sip.forward_to", some(&s.forward_to, "no number")),
        ("sip.trusted", some(&s.trusted, "none")),
        ("sip.expires", seconds(s.expires)),
        (
            "sip.session_expires",
            if s.session_expires.is_zero() { "off".to_owned() } else { seconds(s.session_expires) },
        ),
        ("sip.min_session_expires", seconds(s.min_session_expires)),
        ("sip.t1", seconds(s.t1)),
        ("sip.keep_alive", seconds(s.keep_alive)),
        ("sip.nat_keep_alive", if s.nat_keep_alive.is_zero() { "off".to_owned() } else { seconds(s.nat_keep_alive) }),
        ("sip.connect_timeout", seconds(s.connect_timeout)),
        ("sip.idle_timeout", seconds(s.idle_timeout)),
        ("sip.unused_timeout", seconds(s.unused_timeout)),
        ("sip.message_rate", format!("{} a second", s.message_rate)),
        ("sip.send_queue", format!("{} messages", s.send_queue)),
        ("sip.connections", s.connections.to_string()),
        ("sip.connections_per_address", s.connections_per_address.to_string()),
        ("sip.phones", format!("{} users", s.phones.len())),
        ("sip.accounts", format!("{} logins", s.accounts.len())),
    ];
    lines.extend(trunk(s));
    lines.extend(rtp(s));
    lines
}

fn public_address(s: &SipSettings, addresses: &str) -> String {
    match &s.public_name {
        Some(name) if s.public_address.is_empty() => name.clone(),
        Some(name) => format!("{name}, {addresses}"),
        None => addresses.to_owned(),
    }
}

/// The lines of `[rtp]`.
fn rtp(s: &SipSettings) -> Vec<(&'static str, String)> {
    let srtp = match s.rtp_srtp {
        Srtp::Off => "plain RTP only",
        Srtp::Accepted => "SRTP where the peer offers it",
        Srtp::Offered => "SRTP is offered, plain RTP is accepted",
        Srtp::Required => "SRTP only",
    };
    let profile = match s.rtp_profile {
        MediaProfile::Rtp => "servers are offered RTP",
        MediaProfile::WebRtc => "servers are offered WebRTC",
    };
    let latching = match s.rtp_latch.latching {
        Latching::Never => "media are sent to the address in SDP only",
        Latching::SameAddress => "media are latched to another port of the address in SDP",
        Latching::Signaling => "media are latched to the source address of the peer's SIP messages",
        Latching::Any => "media are latched to any address at the beginning of a call",
    };
    let port = |port: u16| if s.rtp_first_port == 0 { "any free port".to_owned() } else { port.to_string() };
    vec![
        ("rtp.address", some(&s.rtp_address, "the address of this machine")),
        ("rtp.public_address", some(&s.rtp_public_address, "that of [sip], or rtp.address")),
        ("rtp.first_port", port(s.rtp_first_port)),
        ("rtp.last_port", port(s.rtp_last_port)),
        ("rtp.port_rest", seconds(s.rtp_port_rest)),
        ("rtp.timeout", if s.rtp_timeout.is_zero() { "never".to_owned() } else { seconds(s.rtp_timeout) }),
        ("rtp.ports_per_user", s.rtp_ports_per_user.to_string()),
        ("rtp.profile", profile.to_owned()),
        ("rtp.srtp", srtp.to_owned()),
        ("rtp.latching", latching.to_owned()),
        ("rtp.latch_packets", s.rtp_latch.packets.to_string()),
        ("rtp.latch_quiet", seconds(s.rtp_latch.quiet)),
    ]
}

fn trunk(s: &SipSettings) -> Vec<(&'static str, String)> {
    let t = &s.trunk;
    let password = if t.password.is_some() { "given" } else { "none" };
    vec![
        ("sip.trunk.uri", given(t.uri.as_ref(), "no trunk")),
        ("sip.trunk.name", otherwise(&t.name, "none")),
        ("sip.trunk.username", otherwise(&t.username, "the user of its uri")),
        ("sip.trunk.password", password.to_owned()),
        ("sip.trunk.password_file", path(&t.password_file, "none")),
        ("sip.trunk.registrar", given(t.registrar.as_ref(), "the domain of its uri")),
        ("sip.trunk.register", if t.register { "yes" } else { "no" }.to_owned()),
        ("sip.trunk.retry_interval", seconds(t.retry_interval)),
        ("sip.trunk.proxy", some(&t.proxy.iter().map(SipUri::to_string).collect::<Vec<_>>(), "none")),
        ("sip.trunk.transport", t.transport.map_or("from DNS, else udp".to_owned(), |transport| transport.to_string())),
        (
            "sip.trunk.options_interval",
            if t.options_interval.is_zero() { "off".to_owned() } else { seconds(t.options_interval) },
        ),
        ("sip.trunk.sources", some(&t.sources, "its proxies, registrar and domain")),
        ("sip.trunk.called_number", called_number(&t.called_number)),
        ("sip.trunk.numbers", format!("{} logins", s.trunk_numbers.len())),
        ("sip.trunk.country_code", otherwise(&s.trunk_numbering.country_code, "none")),
        ("sip.trunk.international_prefix", otherwise(&s.trunk_numbering.international_prefix, "none")),
        ("sip.trunk.national_prefix", otherwise(&s.trunk_numbering.national_prefix, "none")),
        ("sip.trunk.asserts_identity", if s.trunk_asserts_identity { "yes" } else { "no" }.to_owned()),
    ]
}

fn given(uri: Option<&SipUri>, otherwise: &str) -> String {
    uri.map_or_else(|| otherwise.to_owned(), SipUri::to_string)
}

fn called_number(order: &[CalledNumberSource]) -> String {
    let name = |source: &CalledNumberSource| CALLED_NUMBER_SOURCES.iter().find(|(_, known)| known == source);
    order.iter().filter_map(name).map(|(name, _)| *name).collect::<Vec<_>>().join(", then ")
}

fn otherwise(text: &str, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text.to_owned() }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn path(path: &Option<PathBuf>, otherwise: &str) -> String {
    path.as_ref().map_or(otherwise.to_owned(), |path| path.display().to_string())
}

fn some<T: Debug>(list: &[T], otherwise: &str) -> String {
    if list.is_empty() { otherwise.to_owned() } else { format!("{list:?}") }
}
