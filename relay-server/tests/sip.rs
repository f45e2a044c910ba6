//! The relay towards a SIP server written by hand, over every transport.
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
use offhook_relay::config::parse;
use offhook_relay::server::Server;
use offhook_sip::transport::Transport;
use peer::{Peer, Request};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const WAIT: Duration = Duration::from_secs(10);

/// A relay whose pages may name servers of this machine, and what it is tried with.
struct Rig {
    server: Server,
    directory: PathBuf,
}

impl Rig {
    async fn start(more: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("offhook-sip-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let text = format!(
            "listen = {{ plain = [\"127.0.0.1:0\"], tls = [] }}\ntls.state_directory = \"{}\"\n\
             media = {{ address = [\"127.0.0.1\"], port = 0, workers = 1 }}\nrtp.first_port = 0\n\
             [sip]\nservers = [\"127.0.0.1\", \"::1\", \"localhost\"]\n{more}",
            directory.display()
        );
        let server = Server::start(&parse("test.toml", &text).unwrap(), Demo::Loopback).await.unwrap();
        Self { server, directory }
    }

    async fn socket(&self) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        connect_async(format!("ws://{}/", self.server.plain[0])).await.unwrap().0
    }

    /// A page that names a SIP server.
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

    async fn end(self) {
        tokio::time::timeout(Duration::from_secs(5), self.server.shut_down()).await.expect("within 5 s");
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Page {
    /// The next message that contains `text`.
    async fn hears(&mut self, text: &str) -> String {
        loop {
            let message = tokio::time::timeout(WAIT, self.socket.next()).await.unwrap_or_else(|_| panic!("no {text}"));
            if let Message::Text(heard) = message.expect("open").expect("well")
                && heard.contains(text)
            {
                return heard.as_str().to_owned();
            }
        }
    }
}

fn transport_of(request: &Request) -> &str {
    request.header("Via").split([' ', '/']).nth(2).unwrap()
}

#[tokio::test]
async fn a_page_is_registered_at_its_server_and_unregistered_at_the_end_over_every_transport() {
    for (transport, domain) in [
        (Transport::Udp, "127.0.0.1"),
        (Transport::Tcp, "127.0.0.1;transport=tcp"),
        (Transport::Tls, "127.0.0.1;transport=tls"),
        (Transport::Udp, "[::1]"),
        (Transport::Tcp, "[::1];transport=tcp"),
    ] {
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
        page.hears("registered").await;
        assert!(rig.healthz().await.contains("\"registrations\":1"));
        let server = tokio::spawn(async move {
            let goodbye = peer.receives("REGISTER").await;
            peer.answer(&goodbye, "200 OK", &[]).await;
            goodbye
        });
        rig.end().await;
        let goodbye = tokio::time::timeout(WAIT, server).await.expect("in time").unwrap();
        let is_zero = goodbye.header_or("Expires", "") == "0" || goodbye.header("Contact").contains("expires=0");
        assert!(is_zero, "{}", goodbye.text);
    }
}

#[tokio::test]
async fn a_page_hears_of_a_server_that_is_not_there_at_once() {
    let rig = Rig::start("").await;
    // Nobody listens on a port that was just given back.
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut page = rig.log_in("127.0.0.1", gone).await;
    // Far less than the 32 s of a transaction that waits for an answer.
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
    let heard = message.await.expect("in time");
    assert!(!heard.is_empty());
    rig.end().await;
}

#[tokio::test]
async fn the_relay_answers_who_asks_it_over_every_transport() {
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
