//! Kamailio as a SIP registrar and proxy on loopback.

use crate::child::{Folder, Program};
use crate::ports;
use crate::wait::PATIENCE;
use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use tokio::net::UdpSocket;

/// The part of an INVITE in which a provider names the called number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberIn {
    /// `To` only; the Request-URI is the contact of the account.
    #[default]
    To,
    /// The Request-URI.
    RequestUri,
    /// `P-Called-Party-ID`; the Request-URI is the contact of the account.
    CalledPartyId,
}

/// Configuration of a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct KamailioOptions {
    /// The server inserts Record-Route, so that it stays in the path of every dialog.
    pub records_route: bool,
    /// Only REGISTER requires authentication.
    pub is_open: bool,
    /// Callers get a `Contact` with a private address, as from a server behind a NAT.
    pub has_private_contact: bool,
    /// The server removes the header field by which a relay recognizes looped calls.
    pub hides: bool,
    /// The server replaces the origin of every session description.
    pub renames: bool,
    /// The control port of the [`crate::rtpengine`] that relays the media.
    pub media: Option<SocketAddr>,
    /// rtpengine converts between the phones' RTP and the relay's WebRTC.
    pub webrtc: bool,
    /// The destination of calls to numbers that begin with 9.
    pub trunk: Option<SocketAddr>,
    /// The user that has all telephone numbers, as with a provider: those that begin with `+`, `0` or `49`.
    pub numbers_of: Option<&'static str>,
    /// The number that these are forwarded to; `To` keeps the dialed one.
    pub forwards_to: Option<&'static str>,
    /// The part of the INVITE that names the called number.
    pub number_in: NumberIn,
    /// Such calls are sent from [`Kamailio::other_address`].
    pub calls_from_other_address: bool,
    /// The first two REGISTER requests with the right credentials are refused, with 403 and 404.
    pub refuses_at_first: bool,
}

/// A running server with the users 1001 to 1010, see [`password`].
pub struct Kamailio {
    program: Program,
    address: SocketAddr,
    tls: SocketAddr,
    folder: Folder,
}

/// Returns the password of a user in the realm `test.invalid`.
#[must_use]
pub fn password(user: &str) -> String {
    format!("pw{user}")
}

impl KamailioOptions {
    /// The minimal configuration; the server leaves the path of a call after its setup.
    pub const OUT_OF_THE_PATH: Self = Self {
        records_route: false,
        is_open: false,
        has_private_contact: false,
        hides: false,
        renames: false,
        media: None,
        webrtc: false,
        trunk: None,
        numbers_of: None,
        forwards_to: None,
        number_in: NumberIn::To,
        calls_from_other_address: false,
        refuses_at_first: false,
    };
    /// A provider whose user 1001 has all telephone numbers.
    pub const PROVIDER: Self = Self { numbers_of: Some("1001"), ..Self::OUT_OF_THE_PATH };
    /// Every request of a call is routed through the server.
    pub const IN_THE_PATH: Self = Self { records_route: true, ..Self::OUT_OF_THE_PATH };
}

impl Kamailio {
    /// Starts a server and waits until it responds.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn start(options: KamailioOptions) -> Self {
        let folder = Folder::new("kamailio");
        let port = ports::free(2);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let tls = SocketAddr::from((Ipv4Addr::LOCALHOST, port + 1));
        let mut command = Command::new(program());
        command
            // Do not daemonize; log to standard error.
            .args(["-DD", "-E", "-m", "512", "-M", "8", "-f"])
            .arg(folder.write("kamailio.cfg", include_str!("kamailio.cfg")))
            .arg("-Y")
            .arg(folder.path())
            .args(["-l", &format!("udp:{address}"), "-l", &format!("tcp:{address}"), "-l", &format!("tls:{tls}")]);
        if options.calls_from_other_address {
            command.args(["-l", &format!("udp:{}", other_address(port))]);
        }
        for definition in definitions(options, port, &folder) {
            command.args(["-A", &definition]);
        }
        let server = Self { program: Program::start("kamailio", command), address, tls, folder };
        assert!(answers_options(address).await, "Kamailio answers OPTIONS:\n{}", server.program.log());
        server
    }

    /// Returns its address for UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The second address that it has for UDP, with [`KamailioOptions::calls_from_other_address`].
    #[must_use]
    pub fn other_address(&self) -> SocketAddr {
        other_address(self.address.port())
    }

    /// Returns its address for TLS.
    #[must_use]
    pub const fn tls(&self) -> SocketAddr {
        self.tls
    }

    /// Returns the path of its self-signed certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Returns the path of its private key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Returns the CPU time of all its processes.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.program.cpu()
    }

    /// Returns the memory of all its processes in octets.
    #[must_use]
    pub fn resident(&self) -> u64 {
        self.program.resident()
    }

    /// Terminates the server and waits until it has ended.
    pub async fn end(&mut self) {
        self.program.end().await;
    }
}

fn other_address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), port))
}

fn definitions(options: KamailioOptions, port: u16, folder: &Folder) -> Vec<String> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let made = made.expect("a certificate");
    let certificate = folder.write("certificate.pem", made.cert.pem());
    let key = folder.write("key.pem", made.signing_key.serialize_pem());
    let tls = format!(
        "[server:default]\nmethod = TLSv1.2+\nprivate_key = {key}\ncertificate = {certificate}\nverify_certificate = no\n\
         require_certificate = no\n[client:default]\nmethod = TLSv1.2+\nverify_certificate = no\n"
    );
    let tls = folder.write("tls.cfg", tls);
    let control = folder.path().join("ctl");
    // Without a trunk, port 9 (discard, RFC 863) is used, from which nothing is received.
    let trunk = options.trunk.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
    let mut definitions = vec![
        format!("CTL_SOCKET=\"unix:{}\"", control.display()),
        format!("TLS_CONFIG=\"{tls}\""),
        format!("TRUNK=\"sip:{trunk}\""),
    ];
    definitions.extend(options.records_route.then(|| "RECORD_ROUTE".to_owned()));
    definitions.extend(options.has_private_contact.then(|| "PRIVATE_CONTACT".to_owned()));
    definitions.extend(options.hides.then(|| "HIDES".to_owned()));
    definitions.extend(options.renames.then(|| "OTHER_SESSION".to_owned()));
    definitions.extend(options.media.map(|control| format!("RTPENGINE=\"udp:{control}\"")));
    definitions.extend(options.webrtc.then(|| "WEBRTC".to_owned()));
    definitions.extend(options.is_open.then(|| "OPEN".to_owned()));
    definitions.extend(options.numbers_of.map(|user| format!("NUMBERS_OF=\"{user}\"")));
    definitions.extend(options.forwards_to.map(|number| format!("FORWARDS_TO=\"{number}\"")));
    definitions.extend((options.number_in == NumberIn::RequestUri).then(|| "NAMES_IN_URI".to_owned()));
    definitions.extend((options.number_in == NumberIn::CalledPartyId).then(|| "NAMES_IN_HEADER".to_owned()));
    let calls_from = || format!("CALLS_FROM=\"udp:{}\"", other_address(port));
    definitions.extend(options.calls_from_other_address.then(calls_from));
    definitions.extend(options.refuses_at_first.then(|| "REFUSES_AT_FIRST".to_owned()));
    definitions
}

/// Returns the path of Kamailio, which Debian installs outside an ordinary user's PATH.
fn program() -> &'static str {
    let installed = "/usr/sbin/kamailio";
    if std::path::Path::new(installed).is_file() { installed } else { "kamailio" }
}

/// Returns whether OPTIONS over UDP to `address` is answered within [`PATIENCE`].
///
/// # Panics
/// Panics if no socket can be bound.
pub async fn answers_options(address: SocketAddr) -> bool {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let own = socket.local_addr().expect("an address");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut buffer = [0; 2048];
    let mut cseq = 0;
    while tokio::time::Instant::now() < deadline {
        cseq += 1;
        let request = format!(
            "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKready{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:test@{own}>;tag=ready\r\nTo: <sip:{address}>\r\nCall-ID: ready@{own}\r\nCSeq: {cseq} OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
        // An ICMP error is ignored while the port is closed; it may be reported by a later call.
        let _ = socket.send_to(request.as_bytes(), address).await;
        let answer = tokio::time::timeout(Duration::from_millis(50), socket.recv_from(&mut buffer)).await;
        if matches!(answer, Ok(Ok((length, from))) if from == address && buffer.get(..length).is_some_and(|text| text.starts_with(b"SIP/2.0 ")))
        {
            return true;
        }
    }
    false
}
