//! The relay with WebSocket and HTTP clients over loopback sockets.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "helpers of tests may panic")]

use futures_util::{SinkExt, StreamExt};
use offhook_relay::addresses::{self, Demo};
use offhook_relay::config::{Settings, parse};
use offhook_relay::server::RunningRelay;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

/// A temporary directory that is removed after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("offhook-relay-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn settings(scratch: &Scratch, more: &str) -> Settings {
    let state = scratch.0.display();
    let text = format!(
        "listen = {{ plain = [\"127.0.0.1:0\"], tls = [\"127.0.0.1:0\"] }}\ntls.state_directory = \"{state}\"\napi.listen = []\n\
         media = {{ address = [\"127.0.0.1\"], port = 0, workers = 2 }}\n{more}"
    );
    parse("test.toml", &text).unwrap()
}

async fn start(scratch: &Scratch, more: &str) -> RunningRelay {
    RunningRelay::start(&settings(scratch, more), Demo::Loopback).await.unwrap()
}

async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn plain(address: SocketAddr, path: &str) -> String {
    get(TcpStream::connect(address).await.unwrap(), path).await
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn socket(server: &RunningRelay, path: &str) -> Socket {
    connect_async(format!("ws://{}{path}", server.plain[0])).await.unwrap().0
}

async fn next(socket: &mut (impl StreamExt<Item = Result<Message, impl core::fmt::Debug>> + Unpin)) -> Message {
    tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("in time").expect("open").expect("well")
}

const HELLO: &str = r#"{"message":"connection","data":[{"sipLogin":"alice","sipPassword":"x","keepAlive":false}]}"#;

#[tokio::test]
async fn healthz_and_page_are_served() {
    let scratch = Scratch::new();
    std::fs::write(scratch.0.join("index.html"), "<p>phone").unwrap();
    std::fs::write(scratch.0.join("offhook.wasm"), "\0asm").unwrap();
    let page = format!("page.directory = \"{}\"", scratch.0.display());
    let server = start(&scratch, &page).await;
    let health = plain(server.plain[0], "/healthz").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("\"status\":\"ok\""), "{health}");
    assert!(health.contains("\"workers\":2") && health.contains("\"sessions\":0"), "{health}");
    assert!(!health.contains("\"media\""), "{health}");
    let index = plain(server.plain[0], "/").await;
    assert!(index.contains("content-type: text/html") && index.ends_with("<p>phone"), "{index}");
    let policy = "content-security-policy: default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws: wss:;";
    assert!(index.contains(policy) && index.contains("frame-ancestors 'none'"), "{index}");
    assert!(index.contains("referrer-policy: no-referrer"), "{index}");
    let wasm = plain(server.plain[0], "/offhook.wasm").await;
    assert!(wasm.contains("content-type: application/wasm") && wasm.contains("cache-control: no-cache"), "{wasm}");
    assert!(plain(server.plain[0], "/nothing").await.starts_with("HTTP/1.1 404"));
    assert!(plain(server.plain[0], "/../Cargo.toml").await.starts_with("HTTP/1.1 404"));
    assert!(plain(server.plain[0], "/%2e%2e/%2e%2e/etc/passwd").await.starts_with("HTTP/1.1 404"));
    server.shut_down().await;
}

/// The counters that `GET /healthz?verbose` shows.
async fn counters(server: &RunningRelay) -> serde_json::Value {
    let verbose = plain(server.plain[0], "/healthz?verbose").await;
    serde_json::from_str(verbose.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

#[tokio::test]
async fn counters_of_media_and_sip_are_shown() {
    let scratch = Scratch::new();
    let server = start(&scratch, "rtp.first_port = 0\n[sip]\nlisten = [\"udp:127.0.0.1:0\"]").await;
    let body = counters(&server).await;
    assert_eq!(body["media"].as_array().unwrap().len(), 2, "{body}");
    assert_eq!(body["signaling"]["callInputsIgnored"], 0, "{body}");
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let rtp = [0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 1, 0];
    socket.send_to(&rtp, server.media[0]).await.unwrap();
    socket.send_to(b"OPTIONS sip:x SIP/2.0\r\nVia: nonsense\r\n\r\n", server.sip[0].address).await.unwrap();
    for turn in 0.. {
        let body = counters(&server).await;
        let (media, sip) = (&body["media"][0], &body["signaling"]["sip"]);
        if media["rxDatagrams"] == 1 && media["dropped"]["unknownAddress"] == 1 && sip["malformed"] == 1 {
            break;
        }
        assert!(turn < 1_000, "{body}");
    }
    server.shut_down().await;
}

#[tokio::test]
async fn counters_are_refused_to_other_hosts() {
    let scratch = Scratch::new();
    let server = start(&scratch, "").await;
    for (fields, status) in [
        ("Host: localhost", "200"),
        ("Host: 127.0.0.1:8080", "200"),
        ("Host: relay.example.org", "403"),
        ("Host: localhost\r\nX-Forwarded-For: 192.0.2.1", "403"),
    ] {
        for path in ["/healthz?verbose", "/healthz?verbose=1", "/metrics"] {
            let mut stream = TcpStream::connect(server.plain[0]).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\n{fields}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{fields}: {answer}");
        }
    }
    server.shut_down().await;
}

#[tokio::test]
async fn websocket_on_any_path_is_served_and_counted() {
    let scratch = Scratch::new();
    let server = start(&scratch, "").await;
    for path in ["/", "/some/where"] {
        let mut socket = socket(&server, path).await;
        socket.send(Message::text(HELLO)).await.unwrap();
        let answer = next(&mut socket).await;
        assert!(answer.to_text().unwrap().contains("getUserData"), "{answer:?}");
        let health = plain(server.plain[0], "/healthz").await;
        assert!(health.contains("\"sessions\":1") && health.contains("\"connections\":1"), "{health}");
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
        // The counter is updated when the plane has handled the close.
        for turn in 0.. {
            if plain(server.plain[0], "/healthz").await.contains("\"sessions\":0") {
                break;
            }
            assert!(turn < 1_000, "the session stays");
        }
    }
    server.shut_down().await;
}

#[tokio::test]
async fn oversized_frame_is_closed_with_1009() {
    let scratch = Scratch::new();
    let server = start(&scratch, "").await;
    let mut socket = socket(&server, "/").await;
    // The relay stops reading long before the end, so that sending may fail; the close frame must arrive nevertheless.
    let _ = socket.send(Message::text("x".repeat(1_000_000))).await;
    let Message::Close(Some(frame)) = next(&mut socket).await else { panic!("a close frame") };
    assert_eq!(frame.code, CloseCode::Size);
    assert!(plain(server.plain[0], "/healthz").await.starts_with("HTTP/1.1 200"));
    server.shut_down().await;
}

/// A WebSocket connection to which a test writes raw octets.
async fn raw_socket(server: &RunningRelay) -> TcpStream {
    let mut stream = TcpStream::connect(server.plain[0]).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    stream
}

#[tokio::test]
async fn protocol_violation_is_closed_with_its_code() {
    let scratch = Scratch::new();
    let server = start(&scratch, "").await;
    for (what, frame, code) in [
        ("a reserved opcode", &[0x83, 0x80, 0, 0, 0, 0][..], 1002_u16),
        ("a frame without mask", &[0x81, 0x02, b'h', b'i'], 1002),
        ("a continuation of nothing", &[0x80, 0x80, 0, 0, 0, 0], 1002),
        ("a text that is not UTF-8", &[0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28], 1007),
    ] {
        let mut stream = raw_socket(&server).await;
        stream.write_all(frame).await.unwrap();
        let mut answer = [0; 4];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut answer));
        read.await.expect("in time").unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer[0], 0x88, "{what}: a close frame");
        assert_eq!(u16::from_be_bytes([answer[2], answer[3]]), code, "{what}");
    }
    server.shut_down().await;
}

#[tokio::test]
async fn incomplete_header_section_is_bounded() {
    let scratch = Scratch::new();
    let server = start(&scratch, "").await;
    let mut stream = TcpStream::connect(server.plain[0]).await.unwrap();
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "a".repeat(65_536));
    // The relay stops reading, so that the write may fail.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    server.shut_down().await;
}

#[tokio::test]
async fn address_beyond_limit_reaches_health_check_only() {
    let scratch = Scratch::new();
    let server = start(&scratch, "limits = { connections_per_address = 2 }").await;
    let (one, two) = (socket(&server, "/").await, socket(&server, "/").await);
    let third = connect_async(format!("ws://{}/", server.plain[0])).await.unwrap_err().to_string();
    assert!(third.contains("503"), "{third}");
    assert!(plain(server.plain[0], "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(plain(server.plain[0], "/").await.starts_with("HTTP/1.1 503"));
    // Another address has a separate limit.
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let other = get(other.connect(server.plain[0]).await.unwrap(), "/nothing").await;
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
    drop((one, two));
    server.shut_down().await;
}

#[tokio::test]
async fn reverse_proxy_is_limited_by_the_total_only() {
    let scratch = Scratch::new();
    let mut settings = settings(&scratch, "limits.connections_per_address = 1");
    settings.trusted_proxies.networks = vec!["127.0.0.1/32".parse().unwrap()];
    let server = RunningRelay::start(&settings, Demo::Loopback).await.unwrap();
    let sockets = [socket(&server, "/").await, socket(&server, "/").await, socket(&server, "/").await];
    drop(sockets);
    server.shut_down().await;
}

#[tokio::test]
async fn clients_of_a_reverse_proxy_have_separate_limits() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let scratch = Scratch::new();
    let mut settings = settings(&scratch, "limits.connections_per_address = 1");
    settings.trusted_proxies.networks = vec!["127.0.0.1/32".parse().unwrap()];
    let server = RunningRelay::start(&settings, Demo::Loopback).await.unwrap();
    let connect = async |client: &str| {
        let mut request = format!("ws://{}/", server.plain[0]).into_client_request().unwrap();
        request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        connect_async(request).await
    };
    let (mut first, _) = connect("192.0.2.1").await.unwrap();
    let (other, _) = connect("192.0.2.2").await.unwrap();
    let refused = connect("192.0.2.1").await.unwrap_err().to_string();
    assert!(refused.contains("503"), "{refused}");
    // The place is released when the WebSocket is closed.
    first.close(None).await.unwrap();
    while first.next().await.is_some() {}
    let again = async {
        while connect("192.0.2.1").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("a place");
    drop(other);
    server.shut_down().await;
}

#[tokio::test]
async fn tls_serves_with_a_certificate_that_is_kept() {
    let scratch = Scratch::new();
    let server = start(&scratch, "").await;
    let first = std::fs::read(scratch.0.join("tls-certificate.pem")).unwrap();
    let stream = tls(&scratch, server.tls[0]).await;
    assert!(get(stream, "/healthz").await.contains("\"status\":\"ok\""));
    let stream = tls(&scratch, server.tls[0]).await;
    let (mut socket, _) = client_async("wss://localhost/", stream).await.unwrap();
    socket.send(Message::text(HELLO)).await.unwrap();
    assert!(next(&mut socket).await.to_text().unwrap().contains("getUserData"));
    server.shut_down().await;
    let again = start(&scratch, "").await;
    assert_eq!(std::fs::read(scratch.0.join("tls-certificate.pem")).unwrap(), first);
    again.shut_down().await;
}

/// A client that trusts the relay's own certificate only.
async fn tls(scratch: &Scratch, address: SocketAddr) -> tokio_rustls::client::TlsStream<TcpStream> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let certificate = CertificateDer::from_pem_file(scratch.0.join("tls-certificate.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    connector.connect("localhost".try_into().unwrap(), stream).await.unwrap()
}

#[tokio::test]
async fn silent_client_and_excess_connection_are_closed() {
    let scratch = Scratch::new();
    let text = format!(
        "[listen]\nplain = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\nheader_timeout = \"200ms\"\n\
         [tls]\nstate_directory = \"{}\"\nhandshake_timeout = \"200ms\"\n\
         [media]\naddress = [\"127.0.0.1\"]\nport = 0\nworkers = 1\n[limits]\nconnections = 2\n",
        scratch.0.display()
    );
    let server = RunningRelay::start(&parse("test.toml", &text).unwrap(), Demo::Loopback).await.unwrap();
    let mut half = TcpStream::connect(server.plain[0]).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let mut mute = TcpStream::connect(server.tls[0]).await.unwrap();
    let mut rest = Vec::new();
    let wait = Duration::from_secs(10);
    let _ = tokio::time::timeout(wait, half.read_to_end(&mut rest)).await.expect("let go");
    let _ = tokio::time::timeout(wait, mute.read_to_end(&mut rest)).await.expect("let go");
    let (one, two) = (socket(&server, "/").await, socket(&server, "/").await);
    let mut third = TcpStream::connect(server.plain[0]).await.unwrap();
    let refused = tokio::time::timeout(wait, third.read(&mut [0; 1])).await.expect("refused");
    assert!(matches!(refused, Ok(0) | Err(_)), "{refused:?}");
    drop((one, two));
    server.shut_down().await;
}

#[tokio::test]
async fn shutdown_closes_every_websocket_with_1001() {
    let scratch = Scratch::new();
    let server = start(&scratch, "").await;
    let mut socket = socket(&server, "/").await;
    socket.send(Message::text(HELLO)).await.unwrap();
    next(&mut socket).await;
    let ended = tokio::spawn(server.shut_down());
    let close = loop {
        if let Message::Close(frame) = next(&mut socket).await {
            break frame;
        }
    };
    assert_eq!(close.unwrap().code, CloseCode::Away);
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("within 5 s").unwrap();
}

#[tokio::test]
async fn demo_rejects_addresses_that_are_not_loopback() {
    let open = parse("test.toml", "[listen]\nplain = [\"0.0.0.0:0\"]\n").unwrap();
    let error = RunningRelay::start(&open, Demo::Loopback).await.unwrap_err().to_string();
    assert!(error.contains("0.0.0.0:0") && error.contains("--demo-anywhere"), "{error}");
    let media = parse("test.toml", "[media]\naddress = [\"192.0.2.1\"]\n").unwrap();
    let error = RunningRelay::start(&media, Demo::Loopback).await.unwrap_err().to_string();
    assert!(error.contains("192.0.2.1") && error.contains("[media]"), "{error}");
    let discovered = addresses::discover().unwrap();
    assert!(addresses::listen(&open, Demo::Anywhere, &discovered).is_ok());
    let (plain, tls) = addresses::listen(&Settings::default(), Demo::Loopback, &discovered).unwrap();
    assert!(plain.iter().chain(&tls).all(|address| address.ip().is_loopback()));
}

#[tokio::test]
async fn demo_rejects_websockets_of_other_sites() {
    let scratch = Scratch::new();
    let server = start(&scratch, "").await;
    for (origin, status) in [("https://evil.test", "403"), ("http://localhost:5173", "101")] {
        let mut stream = TcpStream::connect(server.plain[0]).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: {origin}\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"), "{origin}");
    }
    server.shut_down().await;
}
