//! The effective configuration in words, for `offhook-relay check`.

use super::Settings;
use core::fmt::Debug;
use core::time::Duration;
use offhook_b2bua::config::{BusyStatus, CallWaiting};
use std::path::PathBuf;

/// One line per option, in the order of `relay.example.toml`, with what it comes to.
#[must_use]
pub fn explain(settings: &Settings) -> String {
    let s = settings;
    let default_or =
        |list: &Option<Vec<_>>| list.as_ref().map_or("default addresses".to_owned(), |list| some(list, "off"));
    let call_waiting = match s.call_waiting {
        CallWaiting::Rings => "a second call rings too",
        CallWaiting::Busy => "a second call is busy",
    };
    let busy_status = match s.busy_status {
        BusyStatus::Failed => "callers of a busy user see FAILED",
        BusyStatus::Busy => "callers of a busy user see BUSY",
    };
    let workers = if s.media_workers == 0 { "one per core".to_owned() } else { s.media_workers.to_string() };
    let port = if s.media_port == 0 { "any free port".to_owned() } else { format!("{} and up", s.media_port) };
    let lines = [
        ("listen.plain", default_or(&s.listen_plain)),
        ("listen.tls", default_or(&s.listen_tls)),
        ("listen.header_timeout", seconds(s.header_timeout)),
        ("tls.certificate", path(&s.tls_certificate, "self-signed, made at first start")),
        ("tls.key", path(&s.tls_key, "self-signed, made at first start")),
        ("tls.state_directory", path(&s.tls_state_directory, "default place")),
        ("tls.names", some(&s.tls_names, "localhost and discovered addresses")),
        ("tls.handshake_timeout", seconds(s.tls_handshake_timeout)),
        ("page.directory", path(&s.page_directory, "next to the program, or demo-phone/dist")),
        ("media.address", some(&s.media_address, "all discovered addresses")),
        ("media.public_address", some(&s.media_public_address, "same as media.address")),
        ("media.port", port),
        ("media.workers", workers),
        ("media.timeout", seconds(s.media_timeout)),
        ("media.connect_timeout", seconds(s.media_connect_timeout)),
        ("accounts", format!("{} logins", s.accounts.len())),
        ("calls.ring_timeout", seconds(s.ring_timeout)),
        ("calls.call_waiting", call_waiting.to_owned()),
        ("calls.busy_status", busy_status.to_owned()),
        ("calls.codecs", some(&s.codecs, "the caller's choice")),
        ("calls.max_per_session", s.max_calls_per_session.to_string()),
        ("sessions.keep_alive_for", seconds(s.keep_alive_for)),
        ("sessions.max_per_login", s.max_sessions_per_login.to_string()),
        ("limits.frame_size", format!("{} octets", s.frame_size)),
        ("limits.message_rate", format!("{} a second", s.message_rate)),
        ("limits.message_burst", s.message_burst.to_string()),
        ("limits.connections", s.connections.to_string()),
        ("limits.send_queue", format!("{} frames", s.send_queue)),
        ("limits.password_checks", format!("{} at a time", s.password_checks)),
        (
            "signaling.ping_interval",
            if s.ping_interval.is_zero() { "off".to_owned() } else { seconds(s.ping_interval) },
        ),
        ("signaling.ping_probes", s.ping_probes.to_string()),
        ("signaling.connection_timeout", seconds(s.connection_timeout)),
    ];
    lines.map(|(name, value)| format!("{name:<30} {value}\n")).concat()
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
