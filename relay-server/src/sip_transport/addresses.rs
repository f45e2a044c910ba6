//! Where SIP is taken, and what peers are told of it.

use super::report::Report;
use super::udp;
use crate::addresses::{Demo, discover};
use crate::config::{ConfigError, SipAddress, SipSettings};
use core::time::Duration;
use offhook_sip::location::Abilities;
use offhook_sip::transport::{LocalAddress, Transport};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use tokio::sync::mpsc;

/// How often another free port is tried when an address has the chosen one in use.
const ATTEMPTS: usize = 50;
/// How often it is looked whether the machine has other addresses.
const NETWORK_INTERVAL: Duration = Duration::from_secs(5);

/// Which addresses to listen on; none: SIP is off.
///
/// # Errors
/// `--demo` with an address that is not loopback.
pub fn listen_addresses(
    settings: &SipSettings,
    demo: Demo,
    discovered: &[IpAddr],
) -> Result<Vec<SipAddress>, ConfigError> {
    if let Some(given) = &settings.listen {
        let open = given.iter().find(|wanted| !wanted.address.ip().is_loopback());
        return match open.filter(|_| demo == Demo::Loopback) {
            Some(open) => Err(crate::addresses::refused("sip", &open.to_string())),
            None => Ok(given.clone()),
        };
    }
    if !settings.is_wanted() {
        return Ok(Vec::new());
    }
    let all: [IpAddr; 2] = match demo {
        Demo::Loopback => [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Demo::Off | Demo::Anywhere => [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
    };
    let has = |ip: &IpAddr| match demo {
        Demo::Loopback => discovered.contains(ip),
        Demo::Off | Demo::Anywhere => discovered.iter().any(|found| found.is_ipv6() == ip.is_ipv6()),
    };
    // Trying the relay out must not fail because a telephone on the same machine has the usual port.
    let port = |transport: Transport| if demo == Demo::Loopback { 0 } else { transport.default_port() };
    let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
    Ok(transports
        .into_iter()
        .flat_map(|transport| all.iter().filter(|ip| has(ip)).map(move |ip| (transport, *ip)))
        .map(|(transport, ip)| SipAddress { transport, address: SocketAddr::new(ip, port(transport)) })
        .collect())
}

/// Bound sockets.
#[derive(Debug)]
pub struct Sockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<(Transport, TcpListener)>,
    /// What is bound, in the order to be told.
    pub listening: Vec<Listening>,
}

/// One bound address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Its transport.
    pub transport: Transport,
    /// With its real port.
    pub address: SocketAddr,
}

impl core::fmt::Display for Listening {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.transport.name().to_ascii_lowercase(), self.address)
    }
}

impl Sockets {
    /// Binds them all. For UDP, `0.0.0.0` and `[::]` are all addresses of the family, a socket each.
    ///
    /// # Errors
    /// An address in use or not this machine's, with what to change.
    pub fn bind(wanted: &[SipAddress], discovered: &[IpAddr]) -> io::Result<Self> {
        let mut sockets = Self { udp: Vec::new(), tcp: Vec::new(), listening: Vec::new() };
        for wanted in wanted {
            let bound = sockets.add(*wanted, discovered);
            bound.map_err(|error| {
                let what = format!("cannot take SIP on {wanted}: {error}; choose another address in [sip] listen");
                io::Error::new(error.kind(), what)
            })?;
        }
        Ok(sockets)
    }

    fn add(&mut self, wanted: SipAddress, discovered: &[IpAddr]) -> io::Result<()> {
        if wanted.transport != Transport::Udp {
            let listener = listen(wanted.address)?;
            self.listening.push(Listening { transport: wanted.transport, address: listener.local_addr()? });
            self.tcp.push((wanted.transport, listener));
            return Ok(());
        }
        let ip = wanted.address.ip();
        let ips = if ip.is_unspecified() { in_order_of_use(ip.is_ipv6(), discovered) } else { vec![ip] };
        for socket in same_port(&ips, wanted.address.port())? {
            self.listening.push(Listening { transport: Transport::Udp, address: socket.local_addr()? });
            self.udp.push(socket);
        }
        Ok(())
    }

    /// What can be spoken with them.
    pub(super) fn abilities(&self) -> Abilities {
        let family = |is_ipv6: bool| self.listening.iter().any(|listening| listening.address.is_ipv6() == is_ipv6);
        let transport = |wanted: Transport| self.listening.iter().any(|listening| listening.transport == wanted);
        Abilities {
            ipv4: family(false),
            ipv6: family(true),
            udp: transport(Transport::Udp),
            tcp: transport(Transport::Tcp),
            tls: transport(Transport::Tls),
        }
    }
}

/// One socket for each address, all on one port; 0 means one that all of them have free.
fn same_port(ips: &[IpAddr], port: u16) -> io::Result<Vec<UdpSocket>> {
    let mut attempts = if port == 0 { ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let mut port = port;
        let bound = ips.iter().map(|ip| {
            let socket = udp::bind(SocketAddr::new(*ip, port))?;
            port = socket.local_addr()?.port();
            Ok(socket)
        });
        match bound.collect::<io::Result<Vec<_>>>() {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            result => return result,
        }
    }
}

/// An IPv6 socket takes IPv6 only, so that `0.0.0.0` and `[::]` can stand side by side with one port.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The addresses of a family, the one that the internet is reached from first.
fn in_order_of_use(is_ipv6: bool, discovered: &[IpAddr]) -> Vec<IpAddr> {
    let main = main_address(is_ipv6, discovered);
    let others = discovered.iter().copied().filter(|ip| ip.is_ipv6() == is_ipv6 && Some(*ip) != main);
    main.into_iter().chain(others).collect()
}

/// The address of a family that the internet is reached from; else the first one that was discovered.
#[must_use]
pub fn main_address(is_ipv6: bool, discovered: &[IpAddr]) -> Option<IpAddr> {
    // Addresses for documentation (RFC 5737, RFC 3849): nobody has them, and the way there is the way to everybody.
    let somewhere: IpAddr = if is_ipv6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()
    } else {
        Ipv4Addr::new(192, 0, 2, 1).into()
    };
    let routed = udp::source_toward(SocketAddr::new(somewhere, 9)).filter(|ip| discovered.contains(ip));
    routed.or_else(|| discovered.iter().copied().find(|ip| ip.is_ipv6() == is_ipv6))
}

/// By what peers reach the relay, where that is not the address of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Public<'a> {
    /// Addresses, at most one of each family.
    pub addresses: &'a [IpAddr],
    /// A host name; it comes first.
    pub name: Option<&'a str>,
}

/// What peers are told: a public name or public addresses where there are any, else those that are bound, the main one of each transport and
/// family first.
#[must_use]
pub fn advertised(listening: &[Listening], public: Public<'_>, discovered: &[IpAddr]) -> Vec<LocalAddress> {
    let mut all = Vec::new();
    for Listening { transport, address } in listening {
        let is_ipv6 = address.is_ipv6();
        let of_family = public.addresses.iter().copied().find(|ip| ip.is_ipv6() == is_ipv6);
        let bound = if address.ip().is_unspecified() { main_address(is_ipv6, discovered) } else { Some(address.ip()) };
        let shown = of_family.or(bound).map(|shown| shown.to_string());
        let Some(host) = public.name.map(str::to_owned).or(shown) else { continue };
        let told = LocalAddress { transport: *transport, host, port: address.port(), is_ipv6 };
        if !all.contains(&told) {
            all.push(told);
        }
    }
    all
}

/// Tells when the machine has other addresses than before.
pub(super) async fn watch_network(reports: mpsc::Sender<Report>) {
    let mut before = discover().unwrap_or_default();
    loop {
        tokio::time::sleep(NETWORK_INTERVAL).await;
        let Ok(now) = discover() else { continue };
        if now != before {
            tracing::info!("the addresses of this machine have changed");
            let addresses = now.iter().map(IpAddr::to_canonical).collect();
            before = now;
            if reports.send(Report::NetworkChanged(addresses)).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
