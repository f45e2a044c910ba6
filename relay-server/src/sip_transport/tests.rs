use super::tls::tests::Authority;
use super::{Report, Shown, SipCounters, SipTransport, Sockets, TlsReload, TlsSides};
use crate::clock::Clock;
use crate::config::{SipAddress, SipSettings, Verify};
use crate::security_log::SecurityLog;
use crate::security_log::tests::logged;
use crate::tls::CertifiedFiles;
use core::time::Duration;
use offhook_sip::transport::{self, FlowId, Hop, QueryId, Source, Target, TransmissionId, Transport};
use offhook_sip::user_agent::io::Input;
use rustls::pki_types::ServerName;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const WAIT: Duration = Duration::from_secs(10);

/// A message with valid framing; its content is not significant in these tests.
fn message(body: &str) -> String {
    format!("OPTIONS sip:relay.test SIP/2.0\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A transport on loopback, and the inputs that it has reported.
struct Rig {
    transport: SipTransport,
    reports: mpsc::Receiver<Report>,
    inputs: VecDeque<Input>,
    reload: TlsReload,
    counters: Arc<SipCounters>,
    bound: Vec<(Transport, SocketAddr)>,
}

fn settings() -> SipSettings {
    SipSettings { connect_timeout: Duration::from_secs(2), ..SipSettings::default() }
}

impl Rig {
    fn start(settings: &SipSettings, tls: TlsSides) -> Self {
        let listen = |transport, address: &str| SipAddress { transport, address: address.parse().unwrap() };
        let wanted = [
            listen(Transport::Udp, "127.0.0.1:0"),
            listen(Transport::Udp, "[::1]:0"),
            listen(Transport::Tcp, "127.0.0.1:0"),
            listen(Transport::Tcp, "[::1]:0"),
            listen(Transport::Tls, "127.0.0.1:0"),
        ];
        let sockets = Sockets::bind(&wanted, &[]).unwrap();
        let bound = sockets.listening.iter().map(|listening| (listening.transport, listening.address)).collect();
        let (transport, reports, reload, counters) = {
            let (supervisor, _) = crate::supervisor::supervisor();
            let security_log = Arc::new(SecurityLog::new(Clock::start()));
            SipTransport::start(settings, sockets, tls, [7; 32], security_log, &supervisor).unwrap()
        };
        Self { transport, reports, inputs: VecDeque::new(), reload, counters, bound }
    }

    fn plain() -> Self {
        Self::start(&settings(), sides(None, None, None, Verify::Off))
    }

    fn address(&self, transport: Transport, is_ipv6: bool) -> SocketAddr {
        let found = self.bound.iter().find(|(bound, address)| *bound == transport && address.is_ipv6() == is_ipv6);
        found.unwrap().1
    }

    async fn next(&mut self) -> Input {
        loop {
            if let Some(input) = self.inputs.pop_front() {
                return input;
            }
            let report = tokio::time::timeout(WAIT, self.reports.recv()).await.expect("in time").expect("running");
            self.inputs.extend(self.transport.take(report));
        }
    }

    async fn received(&mut self) -> (Source, String) {
        match self.next().await {
            Input::Transport(transport::io::Input::Received { source, octets }) => {
                (source, String::from_utf8(octets).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    async fn closed(&mut self) -> FlowId {
        match self.next().await {
            Input::Transport(transport::io::Input::FlowClosed { flow }) => flow,
            other => panic!("{other:?}"),
        }
    }

    async fn failed(&mut self) -> TransmissionId {
        match self.next().await {
            Input::Transport(transport::io::Input::SendFailed { transmission }) => transmission,
            other => panic!("{other:?}"),
        }
    }

    fn send(&mut self, number: u64, hop: &Hop, text: &str) {
        let failed = self.transport.send(TransmissionId(number), hop, text.as_bytes().to_vec());
        self.inputs.extend(failed);
    }
}

fn sides(
    own: Option<&CertifiedFiles>,
    as_client: Option<&CertifiedFiles>,
    authority: Option<&Authority>,
    verify: Verify,
) -> TlsSides {
    let file = authority.map(Authority::file);
    let shown = own.cloned().map_or(Shown::Nothing, Shown::Files);
    TlsSides::load(&shown, as_client, file.as_deref(), verify).unwrap()
}

fn target(transport: Transport, address: SocketAddr, host: &str) -> Target {
    Target { transport, address, host: Some(host.to_owned()) }
}

async fn read(stream: &mut (impl tokio::io::AsyncRead + Unpin), length: usize) -> String {
    let mut octets = vec![0; length];
    tokio::time::timeout(WAIT, stream.read_exact(&mut octets)).await.expect("in time").unwrap();
    String::from_utf8(octets).unwrap()
}

#[tokio::test]
async fn datagram_is_answered_from_its_destination_address() {
    let mut rig = Rig::plain();
    for is_ipv6 in [false, true] {
        let relay = rig.address(Transport::Udp, is_ipv6);
        let phone = UdpSocket::bind(SocketAddr::new(relay.ip(), 0)).await.unwrap();
        phone.send_to(b"\r\n\r\n", relay).await.unwrap();
        phone.send_to(message("1").as_bytes(), relay).await.unwrap();
        let (source, text) = rig.received().await;
        assert_eq!(text, message("1"), "keep-alives are not reported");
        assert_eq!((source.transport, source.local), (Transport::Udp, relay));
        assert_eq!(source.remote, phone.local_addr().unwrap());
        rig.send(1, &Hop::Flow(source.flow), "answer");
        let mut buffer = [0; 100];
        let (length, from) = phone.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], from), (&b"answer"[..], relay));
        phone.send_to(message("2").as_bytes(), relay).await.unwrap();
        assert_eq!(rig.received().await.0.flow, source.flow, "a peer keeps its flow");
    }
}

#[tokio::test]
async fn undelivered_datagram_is_reported_as_failed() {
    let mut rig = Rig::plain();
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let gone = UdpSocket::bind(address).await.unwrap().local_addr().unwrap();
        rig.send(5, &Hop::Target(target(Transport::Udp, gone, "server.test")), "hello");
        assert_eq!(rig.failed().await, TransmissionId(5));
    }
    rig.send(6, &Hop::Flow(FlowId(999)), "hello");
    assert_eq!(rig.failed().await, TransmissionId(6));
}

#[tokio::test]
async fn flood_of_datagrams_is_dropped_and_counted() {
    let mut rig = Rig::start(&SipSettings { message_rate: 10, ..settings() }, sides(None, None, None, Verify::Off));
    let relay = rig.address(Transport::Udp, false);
    let flood = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..200 {
        flood.send_to(message("flood").as_bytes(), relay).await.unwrap();
    }
    let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    phone.send_to(message("phone").as_bytes(), relay).await.unwrap();
    let mut flooded = 0;
    while rig.received().await.1 != message("phone") {
        flooded += 1;
    }
    assert!((10..100).contains(&flooded), "{flooded}");
    assert_eq!(rig.counters.dropped(), 200 - flooded);
}

#[tokio::test]
async fn messages_of_a_stream_are_framed_across_segments() {
    let mut rig = Rig::plain();
    for is_ipv6 in [false, true] {
        let relay = rig.address(Transport::Tcp, is_ipv6);
        let mut phone = TcpStream::connect(relay).await.unwrap();
        phone.set_nodelay(true).unwrap();
        let text = format!("{}\r\n\r\n{}", message("one"), message(""));
        for octet in text.as_bytes().chunks(7) {
            phone.write_all(octet).await.unwrap();
            tokio::task::yield_now().await;
        }
        let (source, first) = rig.received().await;
        assert_eq!((first, source.transport, source.local), (message("one"), Transport::Tcp, relay));
        assert_eq!(rig.received().await.1, "\r\n\r\n", "the user agent answers keep-alives");
        assert_eq!(rig.received().await.1, message(""));
        rig.send(1, &Hop::Flow(source.flow), "answer");
        assert_eq!(read(&mut phone, 6).await, "answer");
        drop(phone);
        assert_eq!(rig.closed().await, source.flow);
        rig.send(2, &Hop::Flow(source.flow), "too late");
        assert_eq!(rig.failed().await, TransmissionId(2));
    }
}

#[tokio::test]
async fn stream_with_invalid_framing_is_closed() {
    let mut rig = Rig::plain();
    let relay = rig.address(Transport::Tcp, false);
    for wrong in [
        "OPTIONS sip:a SIP/2.0\r\n\r\n".to_owned(),
        "OPTIONS sip:a SIP/2.0\r\nContent-Length: 99999999\r\n\r\n".to_owned(),
        "x".repeat(200_000),
    ] {
        let mut phone = TcpStream::connect(relay).await.unwrap();
        let _ = phone.write_all(wrong.as_bytes()).await;
        let mut rest = Vec::new();
        let end = tokio::time::timeout(WAIT, phone.read_to_end(&mut rest)).await.expect("closed");
        assert!(rest.is_empty() && !matches!(end, Ok(1..)));
        rig.closed().await;
    }
}

#[tokio::test]
async fn target_shares_one_connection_until_it_is_closed() {
    let mut rig = Rig::plain();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hop = Hop::Target(target(Transport::Tcp, server.local_addr().unwrap(), "server.test"));
    rig.send(1, &hop, "one,");
    rig.send(2, &hop, "two.");
    let (mut first, _) = server.accept().await.unwrap();
    assert_eq!(read(&mut first, 8).await, "one,two.");
    first.write_all(message("answer").as_bytes()).await.unwrap();
    let (source, _) = rig.received().await;
    assert_eq!(source.remote, server.local_addr().unwrap());
    rig.send(3, &Hop::Flow(source.flow), "three");
    assert_eq!(read(&mut first, 5).await, "three");
    drop(first);
    assert_eq!(rig.closed().await, source.flow);
    rig.send(4, &hop, "four");
    let (mut second, _) = server.accept().await.unwrap();
    assert_eq!(read(&mut second, 4).await, "four");
    second.write_all(message("").as_bytes()).await.unwrap();
    assert_ne!(rig.received().await.0.flow, source.flow, "flow numbers are not reused");
}

#[tokio::test]
async fn closed_connection_is_replaced_by_a_new_one() {
    let mut rig = Rig::plain();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hop = Hop::Target(target(Transport::Tcp, server.local_addr().unwrap(), "server.test"));
    rig.send(1, &hop, "one");
    let (mut first, _) = server.accept().await.unwrap();
    assert_eq!(read(&mut first, 3).await, "one");
    first.write_all(message("").as_bytes()).await.unwrap();
    let (source, _) = rig.received().await;
    rig.transport.close(source.flow);
    rig.send(2, &hop, "two");
    let (mut second, _) = server.accept().await.unwrap();
    assert_eq!(read(&mut second, 3).await, "two");
    assert_eq!(rig.closed().await, source.flow);
    assert_eq!(tokio::time::timeout(WAIT, first.read(&mut [0; 1])).await.expect("closed").unwrap(), 0);
}

#[tokio::test]
async fn message_without_connection_is_reported_as_failed() {
    let mut rig = Rig::plain();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let hop = Hop::Target(target(Transport::Tcp, gone, "server.test"));
    rig.send(1, &hop, "one");
    rig.send(2, &hop, "two");
    assert_eq!(rig.failed().await, TransmissionId(1));
    assert_eq!(rig.failed().await, TransmissionId(2));
    rig.closed().await;
    rig.send(3, &Hop::Target(target(Transport::Ws, gone, "server.test")), "three");
    assert_eq!(rig.failed().await, TransmissionId(3));
}

#[tokio::test]
async fn peer_that_does_not_read_is_disconnected() {
    let mut rig = Rig::start(&SipSettings { send_queue: 8, ..settings() }, sides(None, None, None, Verify::Off));
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hop = Hop::Target(target(Transport::Tcp, server.local_addr().unwrap(), "server.test"));
    let large = "x".repeat(500_000);
    let mut sent = 0;
    let connection = loop {
        sent += 1;
        rig.send(sent, &hop, &large);
        if sent == 1 {
            break server.accept().await.unwrap();
        }
    };
    while rig.inputs.is_empty() {
        assert!(sent < 1_000, "the queue has no end");
        sent += 1;
        rig.send(sent, &hop, &large);
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.failed().await, TransmissionId(sent));
    let mut unsent = Vec::new();
    loop {
        match rig.next().await {
            Input::Transport(transport::io::Input::SendFailed { transmission }) => unsent.push(transmission.0),
            Input::Transport(transport::io::Input::FlowClosed { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(unsent.iter().zip(unsent.iter().skip(1)).all(|(a, b)| a + 1 == *b), "{unsent:?}");
    assert_eq!(unsent.last(), Some(&(sent - 1)));
    drop(connection);
}

#[tokio::test]
async fn idle_connection_is_closed() {
    let idle = SipSettings { idle_timeout: Duration::from_millis(100), ..settings() };
    let mut rig = Rig::start(&idle, sides(None, None, None, Verify::Off));
    let mut phone = TcpStream::connect(rig.address(Transport::Tcp, false)).await.unwrap();
    phone.write_all(message("").as_bytes()).await.unwrap();
    let (source, _) = rig.received().await;
    assert_eq!(rig.closed().await, source.flow);
    assert_eq!(tokio::time::timeout(WAIT, phone.read(&mut [0; 1])).await.expect("closed").unwrap(), 0);
}

#[tokio::test]
async fn connection_beyond_the_limit_is_rejected() {
    let mut rig = Rig::start(&SipSettings { connections: 1, ..settings() }, sides(None, None, None, Verify::Off));
    let relay = rig.address(Transport::Tcp, false);
    let mut first = TcpStream::connect(relay).await.unwrap();
    first.write_all(message("").as_bytes()).await.unwrap();
    rig.received().await;
    let mut second = TcpStream::connect(relay).await.unwrap();
    let refused = tokio::time::timeout(WAIT, second.read(&mut [0; 1])).await.expect("refused");
    assert!(matches!(refused, Ok(0) | Err(_)), "{refused:?}");
    first.write_all(message("still here").as_bytes()).await.unwrap();
    assert_eq!(rig.received().await.1, message("still here"));
}

#[tokio::test]
async fn drop_sends_queued_messages_and_closes() {
    let mut rig = Rig::plain();
    let mut phone = TcpStream::connect(rig.address(Transport::Tcp, false)).await.unwrap();
    phone.write_all(message("").as_bytes()).await.unwrap();
    let (source, _) = rig.received().await;
    rig.send(1, &Hop::Flow(source.flow), "good-bye");
    drop(rig.transport);
    let mut rest = String::new();
    tokio::time::timeout(WAIT, phone.read_to_string(&mut rest)).await.expect("closed").unwrap();
    assert_eq!(rest, "good-bye");
}

/// A TLS server that requires a client certificate signed by `authority`.
fn strict_server(own: &CertifiedFiles, authority: &Authority) -> TlsAcceptor {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let (chain, key) = crate::tls::read_chain(own).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(chain, key);
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

#[tokio::test]
async fn tls_connection_verifies_server_and_presents_client_certificate() {
    let authority = Authority::new();
    let (own, servers) = (authority.sign("relay", &["relay.test"]), authority.sign("server", &["server.test"]));
    let mut rig = Rig::start(&settings(), sides(Some(&own), Some(&own), Some(&authority), Verify::Strict));
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    rig.send(1, &Hop::Target(target(Transport::Tls, address, "server.test")), "hello");
    let (tcp, _) = server.accept().await.unwrap();
    let mut stream = strict_server(&servers, &authority).accept(tcp).await.unwrap();
    assert_eq!(stream.get_ref().1.server_name(), Some("server.test"), "SNI contains the domain");
    assert_eq!(read(&mut stream, 5).await, "hello");
    stream.write_all(message("answer").as_bytes()).await.unwrap();
    let (source, text) = rig.received().await;
    assert_eq!((source.transport, text), (Transport::Tls, message("answer")));

    // The certificate was verified for one name, so that another name does not share the connection.
    rig.send(2, &Hop::Target(target(Transport::Tls, address, "other.test")), "hello");
    let (tcp, _) = server.accept().await.unwrap();
    assert!(strict_server(&servers, &authority).accept(tcp).await.is_err());
    assert_eq!(rig.failed().await, TransmissionId(2));
}

#[tokio::test]
async fn reloaded_certificate_is_presented_on_new_connections() {
    let authority = Authority::new();
    let own = authority.sign("relay", &["relay.test"]);
    let mut rig = Rig::start(&settings(), sides(Some(&own), None, Some(&authority), Verify::Strict));
    let relay = rig.address(Transport::Tls, false);
    let client = sides(None, None, Some(&authority), Verify::Strict).client;
    let connect = async |name: &'static str| {
        let tcp = TcpStream::connect(relay).await.unwrap();
        TlsConnector::from(Arc::clone(&client)).connect(ServerName::try_from(name).unwrap(), tcp).await
    };
    let mut phone = connect("relay.test").await.unwrap();
    phone.write_all(message("hello").as_bytes()).await.unwrap();
    let (source, text) = rig.received().await;
    assert_eq!((source.transport, text), (Transport::Tls, message("hello")));
    rig.send(1, &Hop::Flow(source.flow), "answer");
    assert_eq!(read(&mut phone, 6).await, "answer");

    let renewed = authority.sign("renewed", &["renewed.test"]);
    rig.reload.replace(sides(Some(&renewed), None, Some(&authority), Verify::Strict));
    assert!(connect("renewed.test").await.is_ok());
    assert!(connect("relay.test").await.is_err());
    phone.write_all(message("still here").as_bytes()).await.unwrap();
    loop {
        match rig.next().await {
            Input::Transport(transport::io::Input::FlowClosed { flow }) => {
                assert_ne!(flow, source.flow, "existing connections stay open");
            }
            Input::Transport(transport::io::Input::Received { octets, .. }) => {
                break assert_eq!(octets, message("still here").as_bytes());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn tls_handshake_has_a_time_limit() {
    let authority = Authority::new();
    let own = authority.sign("relay", &["relay.test"]);
    let short = SipSettings { connect_timeout: Duration::from_millis(100), ..settings() };
    let mut rig = Rig::start(&short, sides(Some(&own), None, Some(&authority), Verify::Strict));
    let mut mute = TcpStream::connect(rig.address(Transport::Tls, false)).await.unwrap();
    let end = tokio::time::timeout(WAIT, mute.read(&mut [0; 1])).await.expect("let go");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    // The same for a connection that the relay opens.
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    rig.send(1, &Hop::Target(target(Transport::Tls, server.local_addr().unwrap(), "server.test")), "hello");
    assert_eq!(rig.failed().await, TransmissionId(1));
}

#[tokio::test]
async fn resolved_targets_are_reported() {
    let mut rig = Rig::plain();
    let question = offhook_sip::location::Question {
        host: "127.0.0.9".to_owned(),
        port: Some(5_080),
        transport: Some(Transport::Tcp),
        secure: false,
    };
    assert!(rig.transport.resolve(QueryId(3), question).is_none());
    let Input::Transport(transport::io::Input::Resolved { query, targets }) = rig.next().await else {
        panic!("an answer")
    };
    assert_eq!(
        (query, targets),
        (QueryId(3), vec![target(Transport::Tcp, "127.0.0.9:5080".parse().unwrap(), "127.0.0.9")])
    );
}

#[test]
fn connections_beyond_address_limit_are_reported() {
    let offenses = |settings: SipSettings| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lines = logged(|| {
            runtime.block_on(async {
                let rig = Rig::start(&settings, sides(None, None, None, Verify::Off));
                let address = rig.address(Transport::Tcp, false);
                let _served = TcpStream::connect(address).await.unwrap();
                for _ in 0..20 {
                    let mut refused = TcpStream::connect(address).await.unwrap();
                    let closed = tokio::time::timeout(WAIT, refused.read(&mut [0; 1])).await.expect("in time");
                    assert_eq!(closed.unwrap(), 0, "refused");
                }
            });
        });
        lines.into_iter().filter(|line| line.contains("offhook::security")).collect::<Vec<_>>()
    };
    let lines = offenses(SipSettings { connections: 8, connections_per_address: 1, ..settings() });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("kind=too-many-connections address=127.0.0.1 verified=true count=20"), "{lines:?}");
    let lines = offenses(SipSettings { connections: 1, connections_per_address: 8, ..settings() });
    assert!(lines.is_empty(), "a full relay reports no offense: {lines:?}");
}
