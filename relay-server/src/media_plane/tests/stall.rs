//! Media and DTMF while the signaling plane is blocked.

use super::super::{bind, spawn};
use super::connect;
use crate::clock::Clock;
use crate::signaling_plane::{MediaReport, channels};
use core::time::Duration;
use offhook_media::command::{Command, Event, LegKey, LocalRtp, LocalTransport, RemoteRtp, RtcpPath, TransportFailure};
use offhook_media::worker::{Worker, WorkerConfig};
use offhook_sdp::codec::{Codec, Payload};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;

const CALLS: u16 = 100;
/// One packet of each call.
const TICK: Duration = Duration::from_millis(20);
/// 2 s of media.
const TICKS: u16 = 100;
/// Digits of each call during the stall: more than the plane's queue holds.
const DIGITS: u16 = 20;
/// Maximum increase of the median and the 99th percentile of the delay during the stall.
const ADDED: Duration = Duration::from_millis(20);
/// Maximum number of measurements. Concurrent tests also cause delays, but not in every measurement; a stall that blocks the worker
/// adds 2 s in each of them.
const ROUNDS: u16 = 5;
/// Payload types.
const PCMU: u8 = 0;
const EVENT: u8 = 101;

/// The peers of all calls. All callers send from one socket; each callee has a socket whose buffer has room for all of its packets.
struct Peers {
    callers: UdpSocket,
    callees: Vec<UdpSocket>,
    /// The relay address of each call's caller.
    relay: Vec<SocketAddr>,
    started: Instant,
}

/// The ports of a leg, on a loopback address that only this process uses.
fn local(leg: u64) -> LocalRtp {
    let [.., a, b, c] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 64 | a, b, c.max(1));
    let port = 12_000 + 2 * u16::try_from(leg).unwrap();
    LocalRtp { rtp: SocketAddr::from((ip, port)), rtcp: SocketAddr::from((ip, port + 1)) }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

impl Peers {
    fn send(&self, call: u16, payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) {
        let mut packet = vec![0x80, payload_type];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(u32::from(call + 1).to_be_bytes());
        packet.extend(payload);
        self.callers.send_to(&packet, self.relay[usize::from(call)]).unwrap();
    }

    /// Sends the media of all calls in real time, with `digits` DTMF digits for each. `first` is the number of the first tick.
    fn send_media(&self, first: u16, digits: u16) {
        let start = Instant::now();
        for tick in 0..TICKS {
            std::thread::sleep((start + TICK * u32::from(tick)).saturating_duration_since(Instant::now()));
            let (number, timestamp) = (first + tick, u32::from(first + tick) * 160);
            for call in 0..CALLS {
                let sent = u64::try_from(self.started.elapsed().as_micros()).unwrap();
                let mut payload = [&call.to_be_bytes()[..], &number.to_be_bytes(), &sent.to_be_bytes()].concat();
                payload.resize(160, 0xff);
                self.send(call, PCMU, number * 2, timestamp, &payload);
                if tick % (TICKS / DIGITS) == 0 && tick / (TICKS / DIGITS) < digits {
                    let digit = u8::try_from(tick / (TICKS / DIGITS) % 10).unwrap();
                    // One packet with the end bit: the digit, volume 10, and 100 ms.
                    self.send(call, EVENT, number * 2 + 1, timestamp, &[digit, 0x8a, 3, 0x20]);
                }
            }
        }
    }

    /// Receives the packets of `send_media`; returns their number and their sorted delays.
    fn receive_media(&self) -> (usize, Vec<Duration>) {
        let mut delays = Vec::new();
        let mut packet = [0; 1_500];
        let mut last = Instant::now();
        while delays.len() < usize::from(CALLS) * usize::from(TICKS) && last.elapsed() < Duration::from_secs(5) {
            for callee in &self.callees {
                while let Ok((length, _)) = callee.recv_from(&mut packet) {
                    if length == 172 && packet[1] & 0x7f == PCMU {
                        let sent = Duration::from_micros(u64::from_be_bytes(packet[16..24].try_into().unwrap()));
                        delays.push(self.started.elapsed().saturating_sub(sent));
                        last = Instant::now();
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        delays.sort_unstable();
        (delays.len(), delays)
    }

    /// Sends and receives media; returns the number of received packets, the median and the 99th percentile of their delay.
    fn exchange_media(&self, first: u16, digits: u16) -> (usize, Duration, Duration) {
        std::thread::scope(|scope| {
            scope.spawn(|| self.send_media(first, digits));
            let (received, delays) = self.receive_media();
            (received, delays[delays.len() / 2], delays[delays.len() * 99 / 100])
        })
    }
}

/// Connects a leg whose peer sends PCMU and telephone-events.
fn connect_with_events(leg: LegKey, remote: SocketAddr) -> Command {
    let remote = RemoteRtp { rtp: remote, rtcp: RtcpPath::Separate(remote) };
    let mut command = connect(leg, remote);
    if let Command::Connect { streams, .. } = &mut command {
        let codec = Codec { name: "telephone-event".to_owned(), clock_rate: 8000, channels: 1, fmtp: None };
        let event = Payload { number: EVENT, codec, feedback: vec![] };
        streams[0].remote.payloads.push(event.clone());
        streams[0].received.push(event);
    }
    command
}

/// Measures the delay without and with a plane that does not read its events, up to [`ROUNDS`] times. Returns the number of
/// measurements.
fn measure(peers: &Peers) -> u16 {
    let all = usize::from(CALLS) * usize::from(TICKS);
    let mut found = Vec::new();
    for round in 0..ROUNDS {
        let (received, usual, usual_99) = peers.exchange_media(2 * round * TICKS, 0);
        assert_eq!(received, all, "no packet is lost");
        let (received, stalled, stalled_99) = peers.exchange_media((2 * round + 1) * TICKS, DIGITS);
        assert_eq!(received, all, "no packet is lost during the stall");
        found.push(format!(
            "median {usual:?}, p99 {usual_99:?}; during the stall median {stalled:?}, p99 {stalled_99:?}"
        ));
        if stalled < usual + ADDED && stalled_99 < usual_99 + ADDED {
            println!("delay: {found:#?}");
            return round + 1;
        }
    }
    panic!("the stall delays media: {found:#?}");
}

#[test]
fn blocked_plane_delays_no_media() {
    let clock = Clock::start();
    let now = clock.now();
    let config = WorkerConfig::new(crate::tls::dtls_identity().unwrap(), clock.instant(now));
    let sockets = bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).unwrap();
    let (to_plane, mut channels) = channels();
    let engine = Worker::new(config, [7; 32], now);
    let worker = spawn(super::setup("media", sockets, clock), engine, to_plane.media_events(), || {}).unwrap();
    let order = |command| assert!(worker.send_command(command));
    let mut peers = Peers { callers: socket(), callees: Vec::new(), relay: Vec::new(), started: Instant::now() };
    for call in 0..u64::from(CALLS) {
        let legs = [LegKey(2 * call), LegKey(2 * call + 1)];
        let callee = socket();
        let remotes = [peers.callers.local_addr().unwrap(), callee.local_addr().unwrap()];
        peers.callees.push(callee);
        for (leg, remote) in legs.into_iter().zip(remotes) {
            let local = local(leg.0);
            order(Command::Open {
                leg,
                transport: LocalTransport::Rtp { sections: vec![local], cname: "c".to_owned() },
            });
            order(connect_with_events(leg, remote));
            if leg == legs[0] {
                peers.relay.push(local.rtp);
            }
        }
        order(Command::Bridge { a: legs[0], b: legs[1] });
    }
    // A port that is in use. The report shows that all commands have been handled.
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = LocalRtp { rtcp: taken.local_addr().unwrap(), ..local(1_000) };
    order(Command::Open {
        leg: LegKey(1_000),
        transport: LocalTransport::Rtp { sections: vec![local], cname: "c".to_owned() },
    });
    let failure = TransportFailure::NoPort;
    let mut next_event = || loop {
        match channels.1.blocking_recv() {
            Some(MediaReport::Event(Event::LegReports(_))) => {}
            Some(MediaReport::Event(event)) => break event,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(next_event(), Event::LegFailed { leg: LegKey(1_000), failure });

    let rounds = measure(&peers);

    let mut digits: BTreeMap<LegKey, String> = BTreeMap::new();
    for _ in 0..rounds * CALLS * DIGITS {
        match next_event() {
            Event::DtmfReceived { leg, digit } => digits.entry(leg).or_default().push(digit),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(digits.len(), usize::from(CALLS));
    let sent = "01234567890123456789".repeat(usize::from(rounds));
    assert!(digits.values().all(|digits| *digits == sent), "{digits:?}");
    drop(worker);
}
