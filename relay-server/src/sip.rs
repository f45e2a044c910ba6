//! Configuration of the relay machine and the SIP transport from `[sip]` and `[rtp]`.

use crate::addresses::{Demo, refused};
use crate::config::{ConfigError, Settings, SipSettings, Verify};
use crate::sip_transport::{Listening, Public, Shown, TlsSides, advertised, main_address};
use crate::tls::CertifiedFiles;
use offhook_b2bua::config::{Destinations, PortRules, RtpAddress, RtpWorker, Sip, Trunk};
use offhook_sip::transport::{Inside, LocalAddress, Transport};
use offhook_sip::user_agent::io::{Account, PhoneUser, UserAgentSettings as UserAgent};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};

/// `User-Agent` and `Server`.
const PRODUCT: &str = concat!("Offhook/", env!("CARGO_PKG_VERSION"));
/// Number of RTP port pairs that each worker binds in advance. It suffices for a burst of calls between two turns of
/// the signaling plane.
const RESERVED_PAIRS: usize = 16;
/// Ports of one worker if `first_port` is 0.
const FREE_PORTS: u16 = 128;
/// Maximum number of ranges that are tried in the search for free ports.
const ATTEMPTS: u32 = 200;
/// Bounds of the search: lower ports belong to well-known services, higher ones are ephemeral ports of the system.
const FREE_PORTS_FROM: u16 = 10_000;
/// See [`FREE_PORTS_FROM`].
const FREE_PORTS_TO: u16 = 32_000;

/// The SIP configuration of the relay machine.
///
/// # Errors
/// RTP addresses or ports that cannot be used.
pub fn machine(
    settings: &Settings,
    demo: Demo,
    listening: &[Listening],
    discovered: &[IpAddr],
    workers: u16,
) -> io::Result<Sip> {
    let sip = &settings.sip;
    let public = Public { addresses: &sip.public_address, name: sip.public_name.as_deref() };
    let local = advertised(listening, public, discovered);
    let inside =
        Inside { networks: sip.local_networks.clone(), local: advertised(listening, Public::default(), discovered) };
    let accounts = sip.accounts.iter();
    let accounts = accounts.filter_map(|(login, account)| Some((login.clone(), account.account(sip.expires)?)));
    Ok(Sip {
        user_agent: user_agent(sip, demo, local, inside),
        accounts: accounts.collect(),
        trunk: sip.trunk.account(sip.expires).map(|account| Trunk {
            account: Account { is_trunk: true, ..account },
            numbers: sip.trunk_numbers.clone(),
            numbering: sip.trunk_numbering.clone(),
            asserts_identity: sip.trunk_asserts_identity,
        }),
        forward_to: sip.forward_to.clone(),
        expires: sip.expires,
        srtp: sip.rtp_srtp,
        profile: sip.rtp_profile,
        ports: PortRules { rest: sip.rtp_port_rest, reserved: RESERVED_PAIRS, per_user: sip.rtp_ports_per_user },
        workers: rtp_workers(sip, demo, discovered, workers)?,
    })
}

fn user_agent(sip: &SipSettings, demo: Demo, local: Vec<LocalAddress>, inside: Inside) -> UserAgent {
    let address = local.first().map_or_else(|| "localhost".to_owned(), |local| local.host.clone());
    UserAgent {
        domain: if sip.domain.is_empty() { address } else { sip.domain.clone() },
        local,
        phones: sip
            .phones
            .iter()
            .map(|(user, verifier)| PhoneUser { user: user.clone(), verifier: verifier.clone() })
            .collect(),
        destinations: Destinations::new(sip.servers.clone(), private_networks(sip, demo)),
        any_domain: sip.domain.is_empty(),
        accept_unknown: sip.accept_unknown,
        redirects: sip.follow_redirects,
        trusted: sip.trusted.clone(),
        product: PRODUCT.to_owned(),
        t1: sip.t1,
        session_expires: sip.session_expires,
        min_session_expires: sip.min_session_expires,
        keep_alive: sip.keep_alive,
        nat_keep_alive: sip.nat_keep_alive,
        inside,
    }
}

/// Whether hosts that are not listed may resolve to private networks. By default with `--demo` only, where all peers are on this machine.
pub fn private_networks(sip: &SipSettings, demo: Demo) -> bool {
    sip.private_networks.unwrap_or(demo == Demo::Loopback)
}

/// Returns the addresses for RTP: the configured ones, else those of the machine.
///
/// # Errors
/// `--demo` with an address that is not loopback.
pub fn rtp_addresses(sip: &SipSettings, demo: Demo, discovered: &[IpAddr]) -> Result<Vec<RtpAddress>, ConfigError> {
    let local: Vec<IpAddr> = if !sip.rtp_address.is_empty() {
        sip.rtp_address.clone()
    } else if demo == Demo::Loopback {
        let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        both.into_iter().filter(|ip| discovered.contains(ip)).collect()
    } else {
        [false, true].into_iter().filter_map(|is_ipv6| main_address(is_ipv6, discovered)).collect()
    };
    if let Some(open) = local.iter().find(|ip| demo == Demo::Loopback && !ip.is_loopback()) {
        return Err(refused("rtp", &open.to_string()));
    }
    let named = match &sip.public_name {
        Some(name) if sip.rtp_public_address.is_empty() && sip.public_address.is_empty() => resolved(name),
        Some(_) | None => Vec::new(),
    };
    let public = [&sip.rtp_public_address, &sip.public_address, &named].into_iter().find(|list| !list.is_empty());
    let public = public.map_or(&[][..], Vec::as_slice);
    let of_family = |local: IpAddr| public.iter().copied().find(|ip| ip.is_ipv6() == local.is_ipv6()).unwrap_or(local);
    Ok(local.into_iter().map(|local| RtpAddress { advertised: of_family(local), local }).collect())
}

/// Resolves the public host name of the relay, because SDP contains addresses.
fn resolved(name: &str) -> Vec<IpAddr> {
    match (name, 0).to_socket_addrs() {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(error) => {
            tracing::warn!(
                %name, %error,
                "the host name in [sip] public_address does not resolve: SDP will contain the local RTP address; set the \
                 public address in [rtp] public_address"
            );
            Vec::new()
        }
    }
}

/// The addresses and ports of each worker.
fn rtp_workers(sip: &SipSettings, demo: Demo, discovered: &[IpAddr], workers: u16) -> io::Result<Vec<RtpWorker>> {
    let addresses = rtp_addresses(sip, demo, discovered).map_err(io::Error::other)?;
    if addresses.is_empty() {
        return Err(io::Error::other("this machine has no usable address for RTP: set [rtp] address"));
    }
    let (first, last) = if sip.rtp_first_port == 0 {
        free_ports(&addresses, FREE_PORTS.saturating_mul(workers.max(1)))?
    } else {
        (sip.rtp_first_port, sip.rtp_last_port)
    };
    let ranges = divided(first, last, workers);
    let small = |(first, last): &(u16, u16)| last.saturating_sub(*first) < 3;
    if ranges.iter().any(small) {
        return Err(io::Error::other(format!(
            "[rtp] the range `first_port` to `last_port` is too small for {workers} workers: each needs at least four ports"
        )));
    }
    Ok(ranges
        .into_iter()
        .map(|(first_port, last_port)| RtpWorker { addresses: addresses.clone(), first_port, last_port })
        .collect())
}

/// Divides a port range into `parts`, each of which begins with an even port (RFC 3550 §11).
fn divided(first: u16, last: u16, parts: u16) -> Vec<(u16, u16)> {
    let first = u32::from(first).next_multiple_of(2);
    let pairs = (u32::from(last) + 1).saturating_sub(first) / 2;
    let each = pairs / u32::from(parts.max(1)) * 2;
    let port = |port: u32| u16::try_from(port).unwrap_or(u16::MAX);
    (0..u32::from(parts))
        .map(|part| (port(first + part * each), port((first + (part + 1) * each).saturating_sub(1))))
        .collect()
}

/// Finds a port range that is free on all `addresses`. Its position is random, so that relays that start at the same time rarely select
/// the same range.
fn free_ports(addresses: &[RtpAddress], count: u16) -> io::Result<(u16, u16)> {
    let room = u32::from(FREE_PORTS_TO - FREE_PORTS_FROM).saturating_sub(u32::from(count)).max(1);
    for _ in 0..ATTEMPTS {
        let mut octets = [0; 4];
        getrandom::fill(&mut octets).map_err(io::Error::other)?;
        let offset = u16::try_from(u32::from_le_bytes(octets) % room).unwrap_or(0) & !1;
        let first = FREE_PORTS_FROM + offset;
        let last = first.saturating_add(count - 1);
        let is_free = |ip: IpAddr| (first..=last).all(|port| UdpSocket::bind(SocketAddr::new(ip, port)).is_ok());
        if addresses.iter().all(|address| is_free(address.local)) {
            return Ok((first, last));
        }
    }
    Err(io::Error::other("no free UDP port range found for RTP: set [rtp] first_port and last_port"))
}

/// The TLS configuration of SIP. `https` returns the files of HTTPS, which are used if SIP has none, or `None` if HTTPS is off.
///
/// # Errors
/// A file that cannot be read or used.
pub fn tls_sides(
    sip: &SipSettings,
    listening: &[Listening],
    https: impl FnOnce() -> io::Result<Option<CertifiedFiles>>,
) -> io::Result<TlsSides> {
    if sip.tls_verify == Verify::Off {
        tracing::warn!("[sip] tls_verify is off: SIP servers are not authenticated, and TLS can be intercepted");
    }
    let own = own_files(sip);
    let listens = listening.iter().any(|listening| listening.transport == Transport::Tls);
    let shown = match (&own, listens) {
        (_, false) => Shown::Nothing,
        (Some(own), true) => Shown::Files(own.clone()),
        (None, true) => https()?.map_or(Shown::MadeNow, Shown::Files),
    };
    TlsSides::load(&shown, own.as_ref(), sip.tls_authorities.as_deref(), sip.tls_verify)
}

fn own_files(sip: &SipSettings) -> Option<CertifiedFiles> {
    let (certificate, key) = (sip.tls_certificate.clone()?, sip.tls_key.clone()?);
    Some(CertifiedFiles { certificate, key })
}

/// Checks that the TLS files can be used, for `offhook-relay check`.
///
/// # Errors
/// A file that cannot be read or used.
pub fn check_files(sip: &SipSettings) -> io::Result<()> {
    let own = own_files(sip);
    let shown = own.clone().map_or(Shown::Nothing, Shown::Files);
    TlsSides::load(&shown, own.as_ref(), sip.tls_authorities.as_deref(), sip.tls_verify).map(|_| ())
}

#[cfg(test)]
mod tests;
