//! The configuration of the relay machine, from the settings and what is known at start.

use crate::config::{KeySource, Settings};
use crate::hooks;
use crate::sip_transport::Listening;
use offhook_b2bua::config::{AcceptedLogins, Config, LoginName, OwnNames};
use offhook_sdp::plan::Conversions;
use offhook_sdp::webrtc::Fingerprint;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpListener;

/// The parts of the configuration that are determined at start and stay the same until the end.
#[derive(Clone, Debug)]
pub(super) struct FixedParts {
    pub(super) admission: AcceptedLogins,
    /// The fingerprint of the DTLS certificate.
    pub(super) fingerprint: Fingerprint,
    /// The addresses of the media workers, as browsers reach them.
    pub(super) workers: Vec<Vec<SocketAddr>>,
    /// The conversions between the available codecs.
    pub(super) conversions: Conversions,
}

/// The configuration of the relay machine, without SIP. `fixed` contains the parts that do not follow from the settings.
pub(super) fn machine_config(settings: &Settings, fixed: FixedParts) -> Config {
    let FixedParts { admission, fingerprint, workers, conversions } = fixed;
    let (authorization, routing) = hooks::machine(&settings.hooks);
    Config {
        node: 0,
        admission,
        anonymous: settings.anonymous,
        password_checks: settings.password_checks,
        accounts: settings.accounts.keys().cloned().map(LoginName).collect(),
        routing,
        authorization,
        call_waiting: settings.call_waiting,
        busy_status: settings.busy_status,
        direct_media: settings.media_direct,
        ring_timeout: settings.ring_timeout,
        keep_alive_for: settings.keep_alive_for,
        ping_interval: settings.ping_interval,
        ping_probes: settings.ping_probes,
        connection_timeout: settings.connection_timeout,
        max_frame: settings.frame_size,
        message_rate: settings.message_rate,
        message_burst: settings.message_burst,
        max_calls_per_session: settings.max_calls_per_session,
        max_sessions_per_login: settings.max_sessions_per_login,
        guards: settings.guards.rules.clone(),
        token_notice: (settings.tokens.keys != KeySource::None).then_some(settings.tokens.expiry_notice),
        own: OwnNames::default(),
        codecs: settings.codecs.clone(),
        conversions,
        fingerprint,
        workers,
        sip: None,
    }
}

/// Returns the names and addresses of this relay that are known from the configuration and the network interfaces.
pub(super) fn own_names(
    settings: &Settings,
    discovered: &[IpAddr],
    http: &[&[TcpListener]],
    sip: &[Listening],
) -> OwnNames {
    let addresses = discovered.iter().chain(&settings.media_public_address).chain(&settings.sip.public_address);
    let names = ["localhost".to_owned()].into_iter().chain(settings.tls_names.iter().cloned());
    let hosts = addresses.map(IpAddr::to_string).chain(names.map(|name| name.to_ascii_lowercase())).collect();
    let http = http.iter().flat_map(|listeners| listeners.iter()).filter_map(|listener| listener.local_addr().ok());
    let sip = sip.iter().map(|listening| (listening.transport, listening.address));
    OwnNames { hosts, sip: sip.collect(), http: http.collect() }
}
