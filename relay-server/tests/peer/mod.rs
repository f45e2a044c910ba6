//! A scripted SIP peer for tests.

use offhook_sip::auth::{Challenge, CoveredParts, Credentials, Login};
use offhook_sip::message::framing::{Splitter, StreamFrame};
use offhook_sip::transport::Transport;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

const WAIT: Duration = Duration::from_secs(10);

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A received request or response.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The whole message.
    pub(crate) text: String,
    from: Option<SocketAddr>,
}

impl Request {
    /// The value of the first header field with this name.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    /// The value of the first header field with this name, or `otherwise`.
    pub(crate) fn header_or<'a>(&'a self, name: &str, otherwise: &'a str) -> &'a str {
        self.find(name).unwrap_or(otherwise)
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

enum Wire {
    Udp(UdpSocket),
    Listener(TcpListener, Option<TlsAcceptor>),
    Stream(Box<dyn Stream>, Splitter),
}

/// The peer.
pub(crate) struct Peer {
    wire: Wire,
    local: SocketAddr,
    transport: Transport,
    received: VecDeque<Request>,
    /// The source of the last message of the relay.
    relay: Option<SocketAddr>,
    /// The URI in `From`.
    identity: String,
    /// A header field with credentials for the next request.
    credentials: String,
    directory: PathBuf,
}

impl Peer {
    /// Creates a peer that listens.
    pub(crate) async fn start(transport: Transport, is_ipv6: bool) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("offhook-peer-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let acceptor = acceptor(&directory);
        let ip: IpAddr = if is_ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let any = SocketAddr::new(ip, 0);
        let (wire, local) = if transport == Transport::Udp {
            let socket = UdpSocket::bind(any).await.unwrap();
            let local = socket.local_addr().unwrap();
            (Wire::Udp(socket), local)
        } else {
            let listener = TcpListener::bind(any).await.unwrap();
            let local = listener.local_addr().unwrap();
            (Wire::Listener(listener, (transport == Transport::Tls).then_some(acceptor)), local)
        };
        Self {
            wire,
            local,
            transport,
            received: VecDeque::new(),
            relay: None,
            identity: format!("sip:bob@{local}"),
            credentials: String::new(),
            directory,
        }
    }

    /// The port on which the peer listens.
    pub(crate) fn port(&self) -> u16 {
        self.local.port()
    }

    /// The file with the authority that signed the peer's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Returns the next message that starts with `start`; others are ignored.
    pub(crate) async fn receives(&mut self, start: &str) -> Request {
        let mut others = String::new();
        loop {
            if let Some(request) = self.received.pop_front() {
                if request.text.starts_with(start) {
                    return request;
                }
                others += &request.text;
                continue;
            }
            tokio::time::timeout(WAIT, self.read()).await.unwrap_or_else(|_| panic!("no {start}, but {others}"));
        }
    }

    async fn read(&mut self) {
        match &mut self.wire {
            Wire::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                buffer.truncate(length);
                self.received.push_back(Request { text: String::from_utf8(buffer).unwrap(), from: Some(from) });
            }
            Wire::Listener(listener, acceptor) => {
                let (tcp, _) = listener.accept().await.unwrap();
                let stream: Box<dyn Stream> = match acceptor {
                    Some(acceptor) => Box::new(acceptor.accept(tcp).await.unwrap()),
                    None => Box::new(tcp),
                };
                self.wire = Wire::Stream(stream, Splitter::new());
            }
            Wire::Stream(stream, splitter) => {
                let mut buffer = vec![0; 65_535];
                let length = stream.read(&mut buffer).await.unwrap();
                assert!(length > 0, "the relay has closed the connection");
                splitter.push(&buffer[..length]);
                while let Some(frame) = splitter.next_frame().unwrap() {
                    if let StreamFrame::Message(octets) = frame {
                        self.received.push_back(Request { text: String::from_utf8(octets).unwrap(), from: None });
                    }
                }
            }
        }
    }

    async fn send(&mut self, text: &str, to: Option<SocketAddr>) {
        match &mut self.wire {
            Wire::Udp(socket) => {
                socket.send_to(text.as_bytes(), to.expect("an address")).await.unwrap();
            }
            Wire::Listener(..) => panic!("nobody has connected"),
            Wire::Stream(stream, _) => stream.write_all(text.as_bytes()).await.unwrap(),
        }
    }

    /// Sends a response with the mandatory header fields and those in `more`.
    pub(crate) async fn answer(&mut self, request: &Request, status: &str, more: &[(&str, &str)]) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            text += &format!("{name}: {}\r\n", request.header(name));
        }
        let to = request.header("To");
        let tag = if to.contains("tag=") { "" } else { ";tag=peer" };
        text += &format!("To: {to}{tag}\r\n");
        for (name, value) in more {
            text += &format!("{name}: {value}\r\n");
        }
        self.relay = request.from.or(self.relay);
        self.finish(text, "").await;
    }

    /// Sends a 200 response with a session description.
    pub(crate) async fn accept(&mut self, request: &Request, sdp: &str) {
        let mut text = "SIP/2.0 200 OK\r\n".to_owned();
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            text += &format!("{name}: {}\r\n", request.header(name));
        }
        text += &format!("To: {};tag=peer\r\nContact: {}\r\n", request.header("To"), self.contact());
        self.relay = request.from.or(self.relay);
        self.finish(text, sdp).await;
    }

    /// The `Contact` of this peer.
    fn contact(&self) -> String {
        let transport = self.transport.name().to_ascii_lowercase();
        format!("<sip:peer@{};transport={transport}>", self.local)
    }

    /// Sends a request of an outgoing call, with the relay's tag if there is one.
    pub(crate) async fn call(&mut self, method: &str, number: u32, uri: &str, tag: Option<&str>, sdp: &str) {
        let (name, local) = (self.transport.name(), self.local);
        let tag = tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{name} {local};branch=z9hG4bK{method}{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: \"Bob\" <{}>;tag=bob\r\nTo: <sip:alice@{local}>{tag}\r\n\
             Call-ID: call-{name}\r\nCSeq: {number} {method}\r\nContact: {}\r\n{}",
            self.identity,
            self.contact(),
            core::mem::take(&mut self.credentials)
        );
        self.finish(text, sdp).await;
    }

    async fn finish(&mut self, mut text: String, sdp: &str) {
        if !sdp.is_empty() {
            text += "Content-Type: application/sdp\r\n";
        }
        text += &format!("Content-Length: {}\r\n\r\n{sdp}", sdp.len());
        self.send(&text, self.relay).await;
    }

    /// Registers at the relay, with the user's password.
    pub(crate) async fn register(&mut self, relay: SocketAddr, user: &str, domain: &str, password: &str) -> Request {
        if self.transport != Transport::Udp {
            let stream = TcpStream::connect(relay).await.unwrap();
            self.wire = Wire::Stream(Box::new(stream), Splitter::new());
        }
        self.relay = Some(relay);
        self.identity = format!("sip:{user}@{domain}");
        let uri = format!("sip:{domain}");
        self.register_with(1, user, &uri).await;
        let challenged = self.receives("SIP/2.0 401").await;
        self.answer_challenge(&challenged, "REGISTER", &uri, &Login::new(user, password));
        self.register_with(2, user, &uri).await;
        self.receives("SIP/2.0").await
    }

    /// Adds credentials for the challenge to the next request.
    pub(crate) fn answer_challenge(&mut self, challenged: &Request, method: &str, uri: &str, login: &Login) {
        let (asks, answers) = match challenged.find("WWW-Authenticate") {
            Some(_) => ("WWW-Authenticate", "Authorization"),
            None => ("Proxy-Authenticate", "Proxy-Authorization"),
        };
        let challenge: Challenge = challenged.header(asks).parse().unwrap();
        let credentials = Credentials::answer(&challenge, login, &CoveredParts { method, uri, body: b"" }, "cnonce", 1);
        self.credentials = format!("{answers}: {credentials}\r\n");
    }

    async fn register_with(&mut self, number: u32, user: &str, uri: &str) {
        let (name, local) = (self.transport.name(), self.local);
        let (address, credentials) = (self.identity.clone(), core::mem::take(&mut self.credentials));
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/{name} {local};branch=z9hG4bKr{number}{user};rport\r\n\
             Max-Forwards: 70\r\nFrom: <{address}>;tag=phone\r\nTo: <{address}>\r\nCall-ID: register-{local}\r\n\
             CSeq: {number} REGISTER\r\nContact: {};expires=600\r\n{credentials}",
            self.contact()
        );
        self.finish(text, "").await;
    }

    /// Sends an out-of-dialog request to the relay.
    pub(crate) async fn ask(&mut self, relay: SocketAddr, method: &str) {
        if self.transport != Transport::Udp {
            let stream = TcpStream::connect(relay).await.unwrap();
            self.wire = Wire::Stream(Box::new(stream), Splitter::new());
        }
        let (name, local) = (self.transport.name(), self.local);
        let text = format!(
            "{method} sip:{relay} SIP/2.0\r\nVia: SIP/2.0/{name} {local};branch=z9hG4bK{method};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:peer@{local}>;tag=a\r\nTo: <sip:{relay}>\r\nCall-ID: {name}{method}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:peer@{local}>\r\nContent-Length: 0\r\n\r\n"
        );
        self.send(&text, Some(relay)).await;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A TLS acceptor with a certificate for the loopback addresses, signed by a new authority.
fn acceptor(directory: &Path) -> TlsAcceptor {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    params.subject_alt_names = loopback.map(SanType::IpAddress).to_vec();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap();
    TlsAcceptor::from(Arc::new(config))
}
