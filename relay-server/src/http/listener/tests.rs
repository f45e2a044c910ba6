use super::{ConnectionSlot, Serving};
use crate::clock::Clock;
use crate::config::Settings;
use crate::security_log::SecurityLog;
use crate::security_log::tests::logged;
use axum::Router;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

/// Listeners with a limit of `total` connections, `per_address` of each address.
fn serving(total: usize, per_address: usize, proxy: Option<IpAddr>) -> Serving {
    let mut settings = Settings { connections: total, connections_per_address: per_address, ..Settings::default() };
    settings.trusted_proxies.networks = proxy.map(Into::into).into_iter().collect();
    let log = Arc::new(SecurityLog::new(Clock::start()));
    Serving::new(&settings, (Router::new(), Router::new()), log, watch::channel(false).1)
}

/// The lines of the security log after the given number of connections from each address, all of which stay open.
fn offenses(serving: &Serving, from: &[(IpAddr, usize)]) -> Vec<String> {
    let lines = logged(|| {
        let connections = from.iter().flat_map(|(address, count)| std::iter::repeat_n(*address, *count));
        let admitted: Vec<ConnectionSlot> =
            connections.filter_map(|address| serving.admit(address)).map(|(place, _)| place).collect();
        drop(admitted);
    });
    lines.into_iter().filter(|line| line.contains("offhook::security")).collect()
}

#[test]
fn full_relay_reports_no_offense() {
    assert!(
        offenses(&serving(2, 2, None), &[(ONE, 2), (OTHER, 100)]).is_empty(),
        "the other address has no connection"
    );
    assert!(offenses(&serving(2, 1, Some(OTHER)), &[(OTHER, 100)]).is_empty(), "many users share the proxy's address");
}

#[test]
fn address_beyond_limit_is_reported_after_20_rejections() {
    assert!(offenses(&serving(100, 2, None), &[(ONE, 21), (OTHER, 21)]).is_empty());
    let lines = offenses(&serving(100, 2, None), &[(ONE, 22)]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("kind=too-many-connections address=192.0.2.1 verified=true count=20"), "{lines:?}");
}
