//! The relay with a scripted SIP peer, over every transport.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod peer;

use futures_util::{SinkExt, StreamExt};
use offhook_relay::addresses::Demo;
use offhook_relay::config::{Settings, parse};
use offhook_relay::server::RunningRelay;
use offhook_sip::auth::Login;
use offhook_sip::transport::Transport;
use peer::{Peer, Request};
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const WAIT: Duration = Duration::from_secs(10);

/// A relay whose clients may name servers on this machine.
struct Rig {
    server: RunningRelay,
    settings: Settings,
    directory: PathBuf,
}

impl Rig {
    async fn start(more: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("offhook-sip-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let text = format!(
            "listen = {{ plain = [\"127.0.0.1:0\"], tls = [] }}\ntls.state_directory = \"{}\"\napi.listen = []\n\
             media = {{ address = [\"127.0.0.1\"], port = 0, workers = 1 }}\nrtp.first_port = 0\n\
             [sip]\nservers = [\"127.0.0.1\", \"::1\", \"localhost\"]\n{more}",
            directory.display()
        );
        let settings = parse("test.toml", &text).unwrap();
        let server = RunningRelay::start(&settings, Demo::Loopback).await.unwrap();
        Self { server, settings, directory }
    }

    async fn socket(&self) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        connect_async(format!("ws://{}/", self.server.plain[0])).await.unwrap().0
    }

    /// Logs in with a SIP server in the options.
    async fn log_in(&self, domain: &str, port: u16) -> Page {
        let mut socket = self.socket().await;
        let hello = serde_json::json!({"message": "connection", "data": [{
            "sipLogin": "alice", "sipPassword": "tulip", "sipDomain": domain, "sipPort": port,
            "sipRegisterRequired": true, "keepAlive": false,
        }]});
        socket.send(Message::text(hello.to_string())).await.unwrap();
        Page { socket }
    }

    async fn healthz(&self) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = TcpStream::connect(self.server.plain[0]).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// Shuts the relay down while the peer accepts the unregistration.
    async fn end_with(self, mut peer: Peer) {
        let server = tokio::spawn(async move {
            let unregister = peer.receives("REGISTER").await;
            peer.answer(&unregister, "200 OK", &[]).await;
            peer
        });
        self.end().await;
        drop(server.await.unwrap());
    }

    async fn end(self) {
        tokio::time::timeout(Duration::from_secs(5), self.server.shut_down()).await.expect("within 5 s");
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Page {
    async fn send(&mut self, message: &str, data: serde_json::Value) {
        let text = serde_json::json!({"message": message, "data": [data]}).to_string();
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Returns the next message that contains `text`; others are ignored.
    async fn receives(&mut self, text: &str) -> String {
        loop {
            let message = tokio::time::timeout(WAIT, self.socket.next()).await.unwrap_or_else(|_| panic!("no {text}"));
            if let Message::Text(received) = message.expect("open").expect("well")
                && received.contains(text)
            {
                return received.as_str().to_owned();
            }
        }
    }
}

/// The offer of a browser. No media are connected in these tests.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    a=fingerprint:sha-256 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\n";

/// The session description of a phone.
const PHONE: &str = "v=0\r\no=phone 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n";

const TRANSPORTS: [(Transport, &str); 5] = [
    (Transport::Udp, "127.0.0.1"),
    (Transport::Tcp, "127.0.0.1;transport=tcp"),
    (Transport::Tls, "127.0.0.1;transport=tls"),
    (Transport::Udp, "[::1]"),
    (Transport::Tcp, "[::1];transport=tcp"),
];

/// A relay with a page that is registered at a peer, and the `Contact` of that registration.
async fn registered(transport: Transport, domain: &str) -> (Rig, Peer, Page, String) {
    let mut peer = Peer::start(transport, domain.starts_with('[')).await;
    let rig = Rig::start(&format!("tls_authorities = \"{}\"\n", peer.authority().display())).await;
    let mut page = rig.log_in(domain, peer.port()).await;
    let register = peer.receives("REGISTER").await;
    let contact = register.header("Contact").to_owned();
    peer.answer(&register, "200 OK", &[("Contact", &format!("{contact};expires=600"))]).await;
    page.receives("registered").await;
    let uri = contact.split(['<', '>']).nth(1).unwrap().to_owned();
    (rig, peer, page, uri)
}

#[tokio::test]
async fn page_calls_and_hangs_up_over_every_transport() {
    for (transport, domain) in TRANSPORTS {
        let (rig, mut peer, mut page, _) = registered(transport, domain).await;
        let call = serde_json::json!({
            "callId": "c1", "incoming": false, "hasVideo": false, "hasAudio": true, "status": "PENDING",
            "mediaProvider": "WebRTC", "sdp": OFFER, "caller": "alice", "callee": "bob",
        });
        page.send("call", call).await;
        let invite = peer.receives("INVITE").await;
        assert_eq!(transport_of(&invite), transport.name());
        assert!(invite.text.starts_with("INVITE sip:bob@") && invite.text.contains("m=audio "), "{}", invite.text);
        peer.answer(&invite, "180 Ringing", &[]).await;
        page.receives("\"RING\"").await;
        peer.accept(&invite, PHONE).await;
        peer.receives("ACK").await;
        page.receives("\"ESTABLISHED\"").await;
        page.send("hangup", serde_json::json!({"callId": "c1"})).await;
        let bye = peer.receives("BYE").await;
        peer.answer(&bye, "200 OK", &[]).await;
        page.receives("\"FINISH\"").await;
        rig.end_with(peer).await;
    }
}

#[tokio::test]
async fn shutdown_sends_bye_and_unregisters() {
    let (rig, mut peer, mut page, _) = registered(Transport::Udp, "127.0.0.1").await;
    let call = serde_json::json!({
        "callId": "c1", "incoming": false, "hasVideo": false, "hasAudio": true, "status": "PENDING",
        "mediaProvider": "WebRTC", "sdp": OFFER, "caller": "alice", "callee": "bob",
    });
    page.send("call", call).await;
    let invite = peer.receives("INVITE").await;
    peer.accept(&invite, PHONE).await;
    peer.receives("ACK").await;
    page.receives("\"ESTABLISHED\"").await;
    let server = tokio::spawn(async move {
        let mut methods = Vec::new();
        while methods.len() < 2 {
            let request = peer.receives("").await;
            peer.answer(&request, "200 OK", &[]).await;
            methods.push(request.text.split(' ').next().unwrap().to_owned());
        }
        methods.sort();
        methods
    });
    rig.end().await;
    assert_eq!(server.await.unwrap(), ["BYE", "REGISTER"]);
}

#[tokio::test]
async fn peer_calls_and_hangs_up_over_every_transport() {
    for (transport, domain) in TRANSPORTS {
        let (rig, mut peer, mut page, uri) = registered(transport, domain).await;
        peer.call("INVITE", 1, &uri, None, PHONE).await;
        let incoming = page.receives("notifyIncomingCall").await;
        let incoming: serde_json::Value = serde_json::from_str(&incoming).unwrap();
        assert_eq!(incoming["data"][0]["visibleName"], "Bob");
        let answer = serde_json::json!({
            "callId": incoming["data"][0]["callId"], "incoming": true, "hasVideo": true, "hasAudio": true,
            "status": "PENDING", "mediaProvider": "WebRTC", "sdp": OFFER.replace("actpass", "active"),
        });
        page.send("answer", answer).await;
        let accepted = peer.receives("SIP/2.0 200").await;
        assert!(accepted.text.contains("m=audio "), "{}", accepted.text);
        let tag = accepted.header("To").split("tag=").nth(1).unwrap().to_owned();
        peer.call("ACK", 1, &uri, Some(&tag), "").await;
        page.receives("\"ESTABLISHED\"").await;
        peer.call("BYE", 2, &uri, Some(&tag), "").await;
        let answer = peer.receives("SIP/2.0 200").await;
        assert!(answer.header("CSeq").ends_with("BYE"), "{}", answer.text);
        page.receives("\"FINISH\"").await;
        rig.end_with(peer).await;
    }
}

fn transport_of(request: &Request) -> &str {
    request.header("Via").split([' ', '/']).nth(2).unwrap()
}

#[tokio::test]
async fn page_registers_and_unregisters_over_every_transport() {
    for (transport, domain) in TRANSPORTS {
        let is_ipv6 = domain.starts_with('[');
        let mut peer = Peer::start(transport, is_ipv6).await;
        let rig = Rig::start(&format!("tls_authorities = \"{}\"\n", peer.authority().display())).await;
        let mut page = rig.log_in(domain, peer.port()).await;
        let register = peer.receives("REGISTER").await;
        assert_eq!(transport_of(&register), transport.name(), "{domain}");
        assert!(register.header("From").contains("sip:alice@"), "{}", register.text);
        let contact = register.header("Contact").to_owned();
        peer.answer(
            &register,
            "401 Unauthorized",
            &[("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"")],
        )
        .await;
        let again = peer.receives("REGISTER").await;
        assert!(again.header("Authorization").contains("username=\"alice\""), "{}", again.text);
        peer.answer(&again, "200 OK", &[("Contact", &format!("{contact};expires=600"))]).await;
        page.receives("registered").await;
        assert!(rig.healthz().await.contains("\"registrations\":1"));
        let server = tokio::spawn(async move {
            let unregister = peer.receives("REGISTER").await;
            peer.answer(&unregister, "200 OK", &[]).await;
            unregister
        });
        rig.end().await;
        let unregister = tokio::time::timeout(WAIT, server).await.expect("in time").unwrap();
        let is_zero = unregister.header_or("Expires", "") == "0" || unregister.header("Contact").contains("expires=0");
        assert!(is_zero, "{}", unregister.text);
    }
}

#[tokio::test]
async fn unreachable_server_is_reported_immediately() {
    let rig = Rig::start("").await;
    // A port on which no socket listens.
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut page = rig.log_in("127.0.0.1", gone).await;
    // Much less than the 32 s after which a transaction without response times out.
    let message = tokio::time::timeout(WAIT, async {
        loop {
            match page.socket.next().await {
                Some(Ok(Message::Text(text))) if text.contains("fail") => return text.as_str().to_owned(),
                Some(Ok(Message::Close(frame))) => return format!("{frame:?}"),
                Some(Ok(_)) => {}
                end => return format!("{end:?}"),
            }
        }
    });
    let failure = message.await.expect("in time");
    assert!(!failure.is_empty());
    rig.end().await;
}

#[tokio::test]
async fn options_is_answered_over_every_transport() {
    let rig = Rig::start("").await;
    for listening in rig.server.sip.clone() {
        if listening.transport == Transport::Tls {
            continue;
        }
        let mut peer = Peer::start(listening.transport, listening.address.is_ipv6()).await;
        peer.ask(listening.address, "OPTIONS").await;
        let answer = peer.receives("SIP/2.0").await;
        assert!(answer.text.starts_with("SIP/2.0 200 "), "{}", answer.text);
        assert!(answer.header("Server").starts_with("Offhook/"), "{}", answer.text);
    }
    rig.end().await;
}

#[tokio::test]
async fn phone_registers_is_called_and_calls_a_page() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let rig = Rig::start("domain = \"pbx.test\"\n[sip.phones]\n101 = \"tulip\"\n").await;
        let listening = rig.server.sip.iter().find(|listening| listening.transport == transport).unwrap();
        let relay = listening.address;
        let mut attacker = Peer::start(transport, false).await;
        let refused = attacker.register(relay, "101", "pbx.test", "rose").await;
        assert!(!refused.text.starts_with("SIP/2.0 200"), "{}", refused.text);
        let mut phone = Peer::start(transport, false).await;
        let accepted = phone.register(relay, "101", "pbx.test", "tulip").await;
        assert!(accepted.text.starts_with("SIP/2.0 200"), "{}", accepted.text);

        let mut page = Page { socket: rig.socket().await };
        page.send("connection", serde_json::json!({"sipLogin": "alice", "sipPassword": "x", "keepAlive": false})).await;
        page.receives("getUserData").await;
        let call = serde_json::json!({
            "callId": "c1", "incoming": false, "hasVideo": false, "hasAudio": true, "status": "PENDING",
            "mediaProvider": "WebRTC", "sdp": OFFER, "caller": "alice", "callee": "101",
        });
        page.send("call", call).await;
        let invite = phone.receives("INVITE").await;
        assert!(invite.header("From").contains("sip:alice@pbx.test"), "{}", invite.text);
        phone.answer(&invite, "486 Busy Here", &[]).await;
        phone.receives("ACK").await;
        page.receives("\"FAILED\"").await;

        let uri = "sip:alice@pbx.test";
        phone.call("INVITE", 1, uri, None, PHONE).await;
        let challenged = phone.receives("SIP/2.0 40").await;
        let tag = challenged.header("To").split("tag=").nth(1).unwrap().to_owned();
        phone.call("ACK", 1, uri, Some(&tag), "").await;
        phone.answer_challenge(&challenged, "INVITE", uri, &Login::new("101", "tulip"));
        phone.call("INVITE", 2, uri, None, PHONE).await;
        let incoming = page.receives("notifyIncomingCall").await;
        assert!(incoming.contains("101"), "{incoming}");
        page.socket.close(None).await.unwrap();
        phone.receives("SIP/2.0 4").await;
        rig.end().await;
    }
}

#[tokio::test]
async fn sip_flood_does_not_delay_websockets() {
    let rig = Rig::start("message_rate = 1000\n").await;
    let relay = rig.server.sip.iter().find(|listening| listening.transport == Transport::Udp).unwrap().address;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flood = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            while !stop.load(Ordering::Relaxed) {
                let _ = socket.send_to(b"OPTIONS sip:x SIP/2.0\r\nVia: nonsense\r\n\r\n", relay);
            }
        })
    };
    for _ in 0..20 {
        let mut page = Page { socket: rig.socket().await };
        page.send("connection", serde_json::json!({"sipLogin": "alice", "sipPassword": "x", "keepAlive": false})).await;
        page.receives("getUserData").await;
    }
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    let health = rig.healthz().await;
    assert!(health.contains("sipDropped") && !health.contains("\"sipDropped\":0"), "{health}");
    rig.end().await;
}

/// Creates and writes a self-signed certificate, and returns it.
fn write_certificate(directory: &Path) -> CertificateDer<'static> {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["relay.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(directory.join("sip.pem"), certificate.pem()).unwrap();
    std::fs::write(directory.join("sip.key"), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

/// Whether a client that trusts only this certificate can connect.
async fn presents(relay: SocketAddr, certificate: &CertificateDer<'static>) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let tcp = TcpStream::connect(relay).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect("relay.test".try_into().unwrap(), tcp).await.is_ok()
}

#[tokio::test]
async fn sip_certificate_is_reloaded() {
    let directory = std::env::temp_dir().join(format!("offhook-sip-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let first = write_certificate(&directory);
    let place = directory.display();
    let files = format!("tls_certificate = \"{place}/sip.pem\"\ntls_key = \"{place}/sip.key\"\n");
    let rig = Rig::start(&files).await;
    let relay = rig.server.sip.iter().find(|listening| listening.transport == Transport::Tls).unwrap().address;
    assert!(presents(relay, &first).await);
    let second = write_certificate(&directory);
    rig.server.reload(&rig.settings).await.unwrap();
    assert!(presents(relay, &second).await && !presents(relay, &first).await);
    std::fs::write(directory.join("sip.pem"), "nonsense").unwrap();
    rig.server.reload(&rig.settings).await.unwrap_err();
    assert!(presents(relay, &second).await, "an unusable file has no effect");
    rig.end().await;
    std::fs::remove_dir_all(&directory).unwrap();
}
