//! Listening and media addresses: defaults for options that are absent, and the restriction of `--demo` to loopback.

use crate::config::{ConfigError, Settings};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Default port of plain HTTP.
pub const PLAIN_PORT: u16 = 8080;
/// Default port of HTTPS.
pub const TLS_PORT: u16 = 8443;

/// Default port of the REST API.
pub const API_PORT: u16 = 8081;

/// Whether logins are accepted without a password, and at which addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demo {
    /// Logins require a password.
    Off,
    /// Any login is accepted, on loopback addresses.
    Loopback,
    /// Any login is accepted, on all addresses.
    Anywhere,
}

/// Returns the addresses of this machine's interfaces that a browser could reach: IPv4 first, loopback last, without link-local
/// addresses (which require an interface name).
///
/// # Errors
/// If the system does not report the interfaces.
pub fn discover() -> io::Result<Vec<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs()?;
    let mut found: Vec<IpAddr> = interfaces.iter().map(if_addrs::Interface::ip).filter(usable).collect();
    found.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6(), *ip));
    found.dedup();
    Ok(found)
}

fn usable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

/// Returns the addresses for HTTP and HTTPS.
///
/// # Errors
/// `--demo` with an address that is not loopback.
pub fn listen(
    settings: &Settings,
    demo: Demo,
    discovered: &[IpAddr],
) -> Result<(Vec<SocketAddr>, Vec<SocketAddr>), ConfigError> {
    let otherwise = |port: u16| -> Vec<SocketAddr> {
        let v6 = discovered.iter().any(IpAddr::is_ipv6);
        let (v4_only, both): (IpAddr, [IpAddr; 2]) = match demo {
            Demo::Loopback => (Ipv4Addr::LOCALHOST.into(), [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
            Demo::Off | Demo::Anywhere => {
                (Ipv4Addr::UNSPECIFIED.into(), [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()])
            }
        };
        let ips = if v6 { both.to_vec() } else { vec![v4_only] };
        ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
    };
    let plain = settings.listen_plain.clone().unwrap_or_else(|| otherwise(PLAIN_PORT));
    let tls = settings.listen_tls.clone().unwrap_or_else(|| otherwise(TLS_PORT));
    if demo == Demo::Loopback {
        if let Some(open) = plain.iter().chain(&tls).find(|address| !address.ip().is_loopback()) {
            return Err(refused("listen", &open.to_string()));
        }
        // Only configured media addresses must be loopback. Discovered ones need not be, because media packets are
        // accepted only with the ICE password of a logged-in client.
        let named = settings.media_address.iter().chain(&settings.media_public_address);
        if let Some(open) = named.into_iter().find(|ip| !ip.is_loopback()) {
            return Err(refused("media", &open.to_string()));
        }
    }
    Ok((plain, tls))
}

/// Returns the addresses of the REST API: by default one on loopback only.
///
/// # Errors
/// `--demo` with an address that is not loopback.
pub fn api(settings: &Settings, demo: Demo) -> Result<Vec<SocketAddr>, ConfigError> {
    let listen = settings.api.listen.clone();
    let listen = listen.unwrap_or_else(|| vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), API_PORT)]);
    match listen.iter().find(|address| demo == Demo::Loopback && !address.ip().is_loopback()) {
        Some(open) => Err(refused("api", &open.to_string())),
        None => Ok(listen),
    }
}

pub(crate) fn refused(section: &str, address: &str) -> ConfigError {
    ConfigError::new(
        "--demo",
        format_args!(
            "accepts any login without a password, but [{section}] contains {address}, which is not a loopback address. Use \
             127.0.0.1 or [::1], or configure [accounts] instead of --demo, or use --demo-anywhere if every host that can \
             reach this machine may use the relay"
        ),
    )
}

/// Returns the addresses of the media sockets, in order of preference.
#[must_use]
pub fn media(settings: &Settings, discovered: &[IpAddr]) -> Vec<IpAddr> {
    if settings.media_address.is_empty() { discovered.to_vec() } else { settings.media_address.clone() }
}

/// Returns the addresses of a worker's ICE candidates: the public addresses first, then those that its sockets are
/// bound to.
#[must_use]
pub fn advertised(public: &[IpAddr], bound: &[SocketAddr]) -> Vec<SocketAddr> {
    let port = bound.first().map_or(0, SocketAddr::port);
    let mut all: Vec<SocketAddr> = public.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    all.extend(bound.iter().filter(|address| !public.contains(&address.ip())));
    all
}
