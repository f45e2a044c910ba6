//! Measures the audio of calls in progress: numbered packets in both directions, counted by the receiver.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// The interval of packets.
const PACKET: Duration = Duration::from_millis(20);
/// Polling interval of the sockets, which limits the error of measured delays.
const POLL: Duration = Duration::from_millis(2);
/// Maximum delay of the last packets.
const DRAIN: Duration = Duration::from_secs(1);

/// The audio socket of one end of a call.
pub(crate) struct End {
    socket: UdpSocket,
    target: SocketAddr,
    /// Identifies the packets of this end.
    source: u32,
}

impl End {
    /// Binds a port of `ip`.
    pub(crate) fn bind(ip: IpAddr, source: u32) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a port");
        socket.set_nonblocking(true).expect("a socket without blocking");
        Self { socket, target: SocketAddr::new(ip, 0), source }
    }

    /// Returns the address for the session description.
    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// Sets the address that packets are sent to.
    pub(crate) fn send_to(&mut self, target: SocketAddr) {
        self.target = target;
    }
}

/// The result of one measurement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    /// Packets sent by all ends.
    pub(crate) sent: usize,
    /// Packets that never arrived at the other end.
    pub(crate) lost: usize,
    /// The longest time in which an end received nothing.
    pub(crate) gap: Duration,
    /// The 99th percentile of the delay caused by relay, sockets and scheduler together.
    pub(crate) p99: Duration,
}

/// A running measurement over a set of calls, each a pair of ends.
pub(crate) struct Audio {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<[End; 2]>, Measured)>,
}

impl Audio {
    /// Starts sending and counting.
    pub(crate) fn start(calls: Vec<[End; 2]>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let measured = measure(&calls, &stopped);
            (calls, measured)
        });
        Self { stop, thread }
    }

    /// Stops, waits for the last packets and returns the calls with the result.
    pub(crate) fn stop(self) -> (Vec<[End; 2]>, Measured) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the audio thread ends")
    }
}

/// The packets received by one end.
struct Received {
    numbers: Vec<bool>,
    last: Instant,
    gap: Duration,
}

fn measure(calls: &[[End; 2]], stop: &AtomicBool) -> Measured {
    let start = Instant::now();
    let ends = || calls.iter().flatten();
    let mut received: Vec<Received> =
        ends().map(|_| Received { numbers: Vec::new(), last: start, gap: Duration::ZERO }).collect();
    let mut delays = Vec::new();
    let mut number: u32 = 0;
    while !stop.load(Ordering::Relaxed) {
        if start.elapsed() >= PACKET * number {
            for end in ends() {
                let _ = end.socket.send_to(&packet(end.source, number, start), end.target);
            }
            number += 1;
        }
        read(calls, &mut received, &mut delays, start);
        std::thread::sleep(POLL);
    }
    let last = Instant::now();
    while last.elapsed() < DRAIN {
        read(calls, &mut received, &mut delays, start);
        std::thread::sleep(POLL);
    }
    let sent = received.len() * usize::try_from(number).expect("few packets");
    let arrived: usize = received.iter().map(|end| end.numbers.iter().filter(|seen| **seen).count()).sum();
    delays.sort_unstable();
    Measured {
        sent,
        lost: sent.saturating_sub(arrived),
        gap: received.iter().map(|end| end.gap).max().unwrap_or_default(),
        p99: delays.get(delays.len() * 99 / 100).copied().unwrap_or_default(),
    }
}

fn read(calls: &[[End; 2]], received: &mut [Received], delays: &mut Vec<Duration>, start: Instant) {
    let ends = calls.iter().flat_map(|[left, right]| [(left, right.source), (right, left.source)]);
    for ((end, peer), state) in ends.zip(received) {
        let mut buffer = [0; 512];
        while let Ok((length, _)) = end.socket.recv_from(&mut buffer) {
            let Some((source, number, sent)) = buffer.get(..length).and_then(numbered) else { continue };
            if source != peer {
                continue;
            }
            let now = Instant::now();
            delays.push(now.duration_since(start).saturating_sub(sent));
            state.gap = state.gap.max(now.duration_since(state.last));
            state.last = now;
            let index = usize::try_from(number).expect("few packets");
            if state.numbers.len() <= index {
                state.numbers.resize(index + 1, false);
            }
            if let Some(seen) = state.numbers.get_mut(index) {
                *seen = true;
            }
        }
    }
}

/// Returns an RTP packet with PCMA. Its payload contains the source, the number and the time of sending in µs since the start.
fn packet(source: u32, number: u32, start: Instant) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend_from_slice(&u16::try_from(number & 0xffff).expect("16 bits").to_be_bytes());
    packet.extend_from_slice(&number.wrapping_mul(160).to_be_bytes());
    packet.extend_from_slice(&source.to_be_bytes());
    packet.extend_from_slice(&source.to_be_bytes());
    packet.extend_from_slice(&number.to_be_bytes());
    let sent = u64::try_from(start.elapsed().as_micros()).expect("a short time");
    packet.extend_from_slice(&sent.to_be_bytes());
    packet.resize(12 + 160, 0xd5);
    packet
}

fn numbered(packet: &[u8]) -> Option<(u32, u32, Duration)> {
    let word = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?));
    let sent = u64::from_be_bytes(packet.get(20..28)?.try_into().ok()?);
    Some((word(12)?, word(16)?, Duration::from_micros(sent)))
}
