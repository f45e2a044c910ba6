//! Floods, limited in rate and time, from separate loopback addresses.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;
use futures_util::{SinkExt as _, StreamExt as _};
use offhook_signaling::message::{ClientMessage, ConnectionMessage, SipOptions};
use offhook_tests::browser::connection;
use offhook_tests::peer::unique;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// A flood of datagrams.
#[derive(Clone, Copy)]
pub(crate) struct Udp {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// Total datagrams per second.
    pub(crate) rate: u32,
    /// Number of source addresses.
    pub(crate) sources: u8,
    /// Returns the datagram with this number and source address.
    pub(crate) datagram: fn(u32, SocketAddr) -> Vec<u8>,
}

/// The result of a flood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    /// Number of datagrams, connections or logins.
    pub(crate) count: u32,
    /// Number of responses by status.
    pub(crate) answers: BTreeMap<String, u32>,
}

impl Udp {
    /// Sends datagrams for the duration `time`. Blocks.
    pub(crate) fn run(self, target: SocketAddr, time: Duration) -> Sent {
        let sockets: Vec<UdpSocket> = (1..=self.sources).map(|n| bound(Ipv4Addr::new(127, 0, 7, n))).collect();
        let start = Instant::now();
        let mut sent = Sent::default();
        while start.elapsed() < time {
            let due = u32::try_from(start.elapsed().as_millis() * u128::from(self.rate) / 1000).unwrap_or(u32::MAX);
            while sent.count < due {
                let index = usize::try_from(sent.count).unwrap_or(0) % sockets.len();
                if let Some(socket) = sockets.get(index) {
                    let own = socket.local_addr().expect("an address");
                    let _ = socket.send_to(&(self.datagram)(sent.count, own), target);
                }
                sent.count += 1;
            }
            for socket in &sockets {
                count_answers(socket, &mut sent.answers);
            }
            // The pause determines the sending rate, not an order of events.
            std::thread::sleep(Duration::from_millis(2));
        }
        sent
    }
}

fn bound(ip: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("a port");
    socket.set_nonblocking(true).expect("a socket without blocking");
    socket
}

fn count_answers(socket: &UdpSocket, answers: &mut BTreeMap<String, u32>) {
    let mut buffer = [0; 2_048];
    while let Ok((length, _)) = socket.recv_from(&mut buffer) {
        let status = buffer.get(8..11.min(length)).map(|status| String::from_utf8_lossy(status).into_owned());
        *answers.entry(status.unwrap_or_default()).or_default() += 1;
    }
}

/// Sends one octet from a new address, `rate` times per second, until stopped. Blocks. Returns the number of addresses.
pub(crate) fn new_senders(target: SocketAddr, rate: u32, stop: &AtomicBool) -> u32 {
    let start = Instant::now();
    let mut count = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        let due = u32::try_from(start.elapsed().as_millis() * u128::from(rate) / 1000).unwrap_or(u32::MAX);
        while count < due {
            let [_, high, middle, low] = count.to_be_bytes();
            if let Ok(socket) = UdpSocket::bind((Ipv4Addr::new(127, 40 + high, middle, low), 0)) {
                let _ = socket.send_to(b"\n", target);
            }
            count += 1;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    count
}

/// Returns an out-of-dialog request from an unknown source.
pub(crate) fn request(method: &str, user: &str, number: u32, own: SocketAddr, more: &str, body: &str) -> Vec<u8> {
    let unique = format!("{}x{}", unique(), std::process::id());
    let host = Ipv4Addr::LOCALHOST;
    format!(
        "{method} sip:{user}@{host} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}{unique};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@{host}>;tag={number}\r\nTo: <sip:{user}@{host}>\r\n\
         Call-ID: {method}{unique}\r\nCSeq: 1 {method}\r\nContact: <sip:a@{own}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// WebSockets from one address of the attacker.
#[derive(Clone, Copy)]
pub(crate) struct Attacker {
    /// The relay's WebSocket.
    pub(crate) relay: SocketAddr,
    /// The address that it connects from.
    pub(crate) ip: Ipv4Addr,
}

impl Attacker {
    async fn tcp(self) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().ok()?;
        socket.bind(SocketAddr::from((self.ip, 0))).ok()?;
        tokio::time::timeout(Duration::from_secs(3), socket.connect(self.relay)).await.ok()?.ok()
    }

    async fn web_socket(self) -> Option<WebSocketStream<TcpStream>> {
        let stream = self.tcp().await?;
        let shake = tokio_tungstenite::client_async(format!("ws://{}/", self.relay), stream);
        Some(tokio::time::timeout(Duration::from_secs(3), shake).await.ok()?.ok()?.0)
    }

    /// Logs in with wrong passwords from `sockets` concurrent tasks, without pauses, for the duration `time`.
    pub(crate) async fn try_passwords(self, sockets: u32, time: Duration) -> Sent {
        let count = Arc::new(AtomicU32::new(0));
        let end = tokio::time::Instant::now() + time;
        let guesses = (0..sockets).map(|number| {
            let count = Arc::clone(&count);
            tokio::spawn(tokio::time::timeout_at(end, async move {
                loop {
                    let login = if number % 2 == 0 { "alice" } else { "zoe" };
                    match self.web_socket().await {
                        Some(mut socket) => {
                            let _ = socket.send(hello(login, "wrong")).await;
                            while let Some(Ok(_)) = socket.next().await {}
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        // The connection was refused. Without a pause, the loop would only load the attacker.
                        None => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                }
            }))
        });
        for guess in guesses.collect::<Vec<_>>() {
            let _ = guess.await;
        }
        Sent { count: count.load(Ordering::Relaxed), answers: BTreeMap::new() }
    }

    /// Opens up to `most` WebSockets and keeps them for the duration `time`. Returns the number of opened sockets.
    pub(crate) async fn occupy(self, most: u32, time: Duration) -> Sent {
        let end = tokio::time::Instant::now() + time;
        let mut sockets = Vec::new();
        for _ in 0..most {
            if tokio::time::Instant::now() >= end {
                break;
            }
            match self.web_socket().await {
                Some(mut socket) => {
                    let hello = ClientMessage::Connection(Box::new(ConnectionMessage {
                        sip: SipOptions::default(),
                        ..connection("")
                    }));
                    let _ = socket.send(Message::text(hello.to_json())).await;
                    sockets.push(socket);
                }
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        tokio::time::sleep_until(end).await;
        Sent { count: u32::try_from(sockets.len()).unwrap_or(u32::MAX), answers: BTreeMap::new() }
    }
}

fn hello(login: &str, password: &str) -> Message {
    let hello = connection(login);
    let sip = SipOptions { password: Some(password.to_owned()), ..hello.sip.clone() };
    Message::text(ClientMessage::Connection(Box::new(ConnectionMessage { sip, ..hello })).to_json())
}
