//! Listening addresses of SIP, and the addresses that the relay advertises in Via and Contact.

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

/// Number of attempts to find a port that is free on all addresses.
const ATTEMPTS: usize = 50;
/// Interval between checks for changed addresses of the machine.
const NETWORK_INTERVAL: Duration = Duration::from_secs(5);

/// Returns the addresses to listen on; none if SIP is off.
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
    if !settings.is_required() {
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
    // With `--demo`, a softphone on the same machine may already use the default port.
    let port = |transport: Transport| if demo == Demo::Loopback { 0 } else { transport.default_port() };
    let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
    Ok(transports
        .into_iter()
        .flat_map(|transport| all.iter().filter(|ip| has(ip)).map(move |ip| (transport, *ip)))
        .map(|(transport, ip)| SipAddress { transport, address: SocketAddr::new(ip, port(transport)) })
        .collect())
}

/// Bound SIP sockets.
#[derive(Debug)]
pub struct Sockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<(Transport, TcpListener)>,
    /// The bound addresses, in the order in which they are advertised.
    pub listening: Vec<Listening>,
}

/// One bound address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Its transport.
    pub transport: Transport,
    /// The address with its actual port.
    pub address: SocketAddr,
}

impl core::fmt::Display for Listening {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.transport.name().to_ascii_lowercase(), self.address)
    }
}

impl Sockets {
    /// Binds all addresses. For UDP, `0.0.0.0` and `[::]` stand for all addresses of the family, with one socket each.
    ///
    /// # Errors
    /// If an address is in use or does not belong to this machine; the message states what to change.
    pub fn bind(wanted: &[SipAddress], discovered: &[IpAddr]) -> io::Result<Self> {
        let mut sockets = Self { udp: Vec::new(), tcp: Vec::new(), listening: Vec::new() };
        for wanted in wanted {
            let bound = sockets.add(*wanted, discovered);
            bound.map_err(|error| {
                let what =
                    format!("cannot listen for SIP on {wanted}: {error}; choose another address in [sip] listen");
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

    /// The transports and address families of the sockets.
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

/// Binds one socket for each address, all with the same port; 0 selects one that is free on all of them.
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

/// Binds a listener. IPv6 sockets accept IPv6 only, so that `0.0.0.0` and `[::]` can use the same port.
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

/// Returns the addresses of a family, the one with the route to the internet first.
fn in_order_of_use(is_ipv6: bool, discovered: &[IpAddr]) -> Vec<IpAddr> {
    let main = main_address(is_ipv6, discovered);
    let others = discovered.iter().copied().filter(|ip| ip.is_ipv6() == is_ipv6 && Some(*ip) != main);
    main.into_iter().chain(others).collect()
}

/// Returns the address of a family with the route to the internet, else the first discovered address.
#[must_use]
pub fn main_address(is_ipv6: bool, discovered: &[IpAddr]) -> Option<IpAddr> {
    // Documentation addresses (RFC 5737, RFC 3849), which are reached by the default route.
    let destination: IpAddr = if is_ipv6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()
    } else {
        Ipv4Addr::new(192, 0, 2, 1).into()
    };
    let routed = udp::source_toward(SocketAddr::new(destination, 9)).filter(|ip| discovered.contains(ip));
    routed.or_else(|| discovered.iter().copied().find(|ip| ip.is_ipv6() == is_ipv6))
}

/// Public addresses and name of the relay, if they differ from the addresses of its sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Public<'a> {
    /// Addresses, at most one of each family.
    pub addresses: &'a [IpAddr],
    /// A host name, which is preferred to the addresses.
    pub name: Option<&'a str>,
}

/// Returns the advertised addresses: the public name or public addresses, if set, else the bound ones, the main one of each
/// transport and family first.
#[must_use]
pub fn advertised(listening: &[Listening], public: Public<'_>, discovered: &[IpAddr]) -> Vec<LocalAddress> {
    let mut all = Vec::new();
    for Listening { transport, address } in listening {
        let is_ipv6 = address.is_ipv6();
        let of_family = public.addresses.iter().copied().find(|ip| ip.is_ipv6() == is_ipv6);
        let bound = if address.ip().is_unspecified() { main_address(is_ipv6, discovered) } else { Some(address.ip()) };
        let shown = of_family.or(bound).map(|shown| shown.to_string());
        let Some(host) = public.name.map(str::to_owned).or(shown) else { continue };
        let advertised = LocalAddress { transport: *transport, host, port: address.port(), is_ipv6 };
        if !all.contains(&advertised) {
            all.push(advertised);
        }
    }
    all
}

/// Reports changes of the machine's addresses.
pub(super) async fn watch_network(reports: mpsc::Sender<Report>) {
    let mut before = discover().unwrap_or_default();
    loop {
        tokio::time::sleep(NETWORK_INTERVAL).await;
        let Ok(now) = discover() else { continue };
        if now != before {
            tracing::info!("IP addresses of this machine have changed");
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
