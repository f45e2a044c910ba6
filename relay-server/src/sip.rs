//! What the relay machine and the transports are told of `[sip]` and `[rtp]`.

use crate::addresses::{Demo, refused};
use crate::config::{ConfigError, Settings, SipSettings, Verify};
use crate::sip_transport::{Listening, Public, Shown, TlsSides, advertised, main_address};
use crate::tls::CertifiedFiles;
use offhook_b2bua::config::{Destinations, PortRules, RtpAddress, RtpWorker, Sip, Trunk};
use offhook_sip::transport::{Inside, LocalAddress, Transport};
use offhook_sip::user_agent::io::{Account, PhoneUser, Settings as UserAgent};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};

/// `User-Agent` and `Server`.
const PRODUCT: &str = concat!("Offhook/", env!("CARGO_PKG_VERSION"));
/// Pairs of RTP ports that each worker keeps bound for calls to come: a burst of calls between two turns of the signaling plane.
const RESERVED_PAIRS: usize = 16;
/// Ports of one worker where the configuration leaves them open.
const FREE_PORTS: u16 = 128;
/// How often another range of free ports is looked for.
const ATTEMPTS: u32 = 200;
/// Below are the ports of well-known services, above those that systems give to clients.
const FREE_PORTS_FROM: u16 = 10_000;
/// See [`FREE_PORTS_FROM`].
const FREE_PORTS_TO: u16 = 32_000;

/// The machine's part of the configuration.
///
/// # Errors
/// RTP addresses or ports that cannot be.
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
    Ok(Sip {
        user_agent: user_agent(sip, demo, local, inside),
        accounts: sip.accounts.iter().map(|(login, account)| (login.clone(), account.account(sip.expires))).collect(),
        trunk: sip.trunk.is_given().then(|| Trunk {
            account: Account { is_trunk: true, ..sip.trunk.account(sip.expires) },
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

/// Whether hosts that are not listed may lead into private networks: where everything is on this machine, they must.
pub fn private_networks(sip: &SipSettings, demo: Demo) -> bool {
    sip.private_networks.unwrap_or(demo == Demo::Loopback)
}

/// The addresses for RTP: those that are named, else the machine's own.
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
    let told = |local: IpAddr| public.iter().copied().find(|ip| ip.is_ipv6() == local.is_ipv6()).unwrap_or(local);
    Ok(local.into_iter().map(|local| RtpAddress { advertised: told(local), local }).collect())
}

/// The addresses of the host name that peers reach the relay by: media need addresses.
fn resolved(name: &str) -> Vec<IpAddr> {
    match (name, 0).to_socket_addrs() {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(error) => {
            tracing::warn!(
                %name, %error,
                "the name in [sip] public_address does not resolve: peers are told the RTP address of this machine; give the \
                 public one in [rtp] public_address"
            );
            Vec::new()
        }
    }
}

/// The addresses and ports of each worker.
fn rtp_workers(sip: &SipSettings, demo: Demo, discovered: &[IpAddr], workers: u16) -> io::Result<Vec<RtpWorker>> {
    let addresses = rtp_addresses(sip, demo, discovered).map_err(io::Error::other)?;
    if addresses.is_empty() {
        return Err(io::Error::other("this machine has no address for RTP: name one in [rtp] address"));
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
            "[rtp] `first_port` to `last_port` are too few for {workers} workers, which need four ports each at least"
        )));
    }
    Ok(ranges
        .into_iter()
        .map(|(first_port, last_port)| RtpWorker { addresses: addresses.clone(), first_port, last_port })
        .collect())
}

/// A range in as many parts, each beginning with an even port (RFC 3550 §11).
fn divided(first: u16, last: u16, parts: u16) -> Vec<(u16, u16)> {
    let first = u32::from(first).next_multiple_of(2);
    let pairs = (u32::from(last) + 1).saturating_sub(first) / 2;
    let each = pairs / u32::from(parts.max(1)) * 2;
    let port = |port: u32| u16::try_from(port).unwrap_or(u16::MAX);
    (0..u32::from(parts))
        .map(|part| (port(first + part * each), port((first + (part + 1) * each).saturating_sub(1))))
        .collect()
}

/// A range that nobody uses now, on any of the addresses, at a place drawn by chance so that relays started side by side
/// seldom want the same.
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
    Err(io::Error::other("there are no free ports for RTP: name some in [rtp] first_port and last_port"))
}

/// What TLS is spoken with. `https` are the files of HTTPS, which serve for SIP where it has none of its own; `None`: there
/// is no HTTPS.
///
/// # Errors
/// A file that cannot be read or used.
pub fn tls_sides(
    sip: &SipSettings,
    listening: &[Listening],
    https: impl FnOnce() -> io::Result<Option<CertifiedFiles>>,
) -> io::Result<TlsSides> {
    if sip.tls_verify == Verify::Off {
        tracing::warn!("[sip] tls_verify is off: anybody on the way to a SIP server can pose as it");
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

/// Whether the files for TLS can be used; for `check`.
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
