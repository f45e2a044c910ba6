mod calls;
mod exchange;
mod stall;

use super::{Engine, MediaThread, ThreadSetup, WorkerSockets, bind, spawn, worker_queues};
use crate::clock::Clock;
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{
    Command, Event, LegKey, LocalRtp, LocalTransport, RemoteRtp, RemoteSection, RemoteTransport, RtcpPath, Silence,
    Stream, TransportFailure,
};
use offhook_media::counters::Counters;
use offhook_media::crossing::Crossing;
use offhook_media::ports::PortPool;
use offhook_media::socket::Local;
use offhook_media::worker::{Output, Worker, WorkerConfig};
use offhook_sdp::codec::{Codec, MediaKind, Payload};
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::Section;
use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

/// Sends every datagram back; reports `LegDead` on `Close`, and `LegConnected` of leg 99 when its timer fires.
#[derive(Default)]
struct Echo {
    outputs: VecDeque<Output>,
    deadline: Option<Time>,
    /// Number of turns of the thread, which reads the counters in each one.
    turns: Arc<AtomicUsize>,
}

impl Engine for Echo {
    fn handle_command(&mut self, command: Command, now: Time) {
        if let Command::Close { leg } = command {
            self.outputs.push_back(Output::Event(Event::LegDead { leg }));
            self.deadline = Some(now + Duration::from_millis(5));
        }
    }
    fn handle_datagram(&mut self, local: Local, remote: SocketAddr, packet: &mut [u8], _: Time) {
        self.outputs.push_back(Output::Transmit { local, remote, payload: packet.to_vec() });
    }
    fn handle_crossing(&mut self, _: Crossing, _: Time) {}
    fn handle_bind_failure(&mut self, _: SocketAddr, _: Time) {}
    fn handle_timeout(&mut self, now: Time) {
        assert!(self.deadline.take().expect("a deadline") <= now, "never before the deadline");
        self.outputs.push_back(Output::Event(Event::LegConnected { leg: LegKey(99) }));
    }
    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
    fn poll_timeout(&self) -> Option<Time> {
        self.deadline
    }
    fn recycle(&mut self, _: Vec<u8>) {}
    fn counters(&self) -> Counters {
        self.turns.fetch_add(1, Ordering::Relaxed);
        Counters::default()
    }
}

/// A thread that has no others beside it.
fn setup(name: &str, sockets: WorkerSockets, clock: Clock) -> ThreadSetup {
    let queues = worker_queues(1).unwrap().remove(0);
    ThreadSetup { name: name.to_owned(), sockets, queues, clock, wake_interval: Duration::from_millis(1) }
}

#[test]
fn reply_is_sent_from_the_requested_address() {
    let addresses = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))];
    let sockets = bind(&addresses, 0).unwrap();
    let bound = sockets.addresses();
    assert_eq!(bound[0].port(), bound[1].port());
    let worker = spawn(setup("echo", sockets, Clock::start()), Echo::default(), |_| Ok(()), || {}).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for address in bound {
        for number in 0..100_u8 {
            peer.send_to(&[number], address).unwrap();
        }
        for number in 0..100_u8 {
            let mut packet = [0; 16];
            let (length, from) = peer.recv_from(&mut packet).unwrap();
            assert_eq!((&packet[..length], from), (&[number][..], address));
        }
    }
    drop(worker);
}

#[test]
fn commands_events_and_timeouts_are_passed_on() {
    let sockets = bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).unwrap();
    let (report, events) = channel();
    let ended = || panic!("the thread ended unexpectedly");
    let report = move |event| {
        report.send(event).unwrap();
        Ok(())
    };
    let worker = spawn(setup("echo", sockets, Clock::start()), Echo::default(), report, ended).unwrap();
    assert!(worker.send_command(Command::Close { leg: LegKey(7) }));
    let wait = Duration::from_secs(5);
    assert_eq!(events.recv_timeout(wait).unwrap(), Event::LegDead { leg: LegKey(7) });
    assert_eq!(events.recv_timeout(wait).unwrap(), Event::LegConnected { leg: LegKey(99) });
    drop(worker);
    assert!(events.recv().is_err(), "the thread has ended");
}

#[test]
fn permanent_error_of_a_socket_does_not_keep_the_thread_busy() {
    // Each attempt to receive from a pipe fails, and epoll reports that it has data.
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[0]).unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let sockets = WorkerSockets { sockets: vec![(address, UdpSocket::from(OwnedFd::from(reader)))] };
    let (report, events) = channel();
    let report = move |event| {
        report.send(event).unwrap();
        Ok(())
    };
    let engine = Echo::default();
    let turns = Arc::clone(&engine.turns);
    let worker = spawn(setup("echo", sockets, Clock::start()), engine, report, || {}).unwrap();
    // The second event comes 5 ms after the first one.
    assert!(worker.send_command(Command::Close { leg: LegKey(7) }));
    let wait = Duration::from_secs(5);
    assert_eq!(events.recv_timeout(wait).unwrap(), Event::LegDead { leg: LegKey(7) });
    assert_eq!(events.recv_timeout(wait).unwrap(), Event::LegConnected { leg: LegKey(99) });
    let turns = turns.load(Ordering::Relaxed);
    assert!(turns < 20, "{turns} turns for two events");
}

#[test]
fn panic_of_a_thread_is_reported() {
    let sockets = bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).unwrap();
    let (ended, notice) = channel();
    // The panic of `report` stands for any panic in the thread.
    let report = |_| -> Result<(), Event> { panic!("expected in this test") };
    let worker = spawn(setup("doomed", sockets, Clock::start()), Echo::default(), report, move || {
        ended.send(()).unwrap();
    });
    let worker = worker.unwrap();
    assert!(worker.send_command(Command::Close { leg: LegKey(7) }));
    notice.recv_timeout(Duration::from_secs(5)).expect("the end is reported");
}

/// A media worker as the relay runs it, and its events other than reports of legs.
fn worker() -> (MediaThread, Receiver<Event>) {
    let clock = Clock::start();
    let now = clock.now();
    let config = WorkerConfig::new(crate::tls::dtls_identity().unwrap(), clock.instant(now));
    let sockets = bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).unwrap();
    let (report, events) = channel();
    let report = move |event| {
        if !matches!(event, Event::LegReports(_)) {
            report.send(event).unwrap();
        }
        Ok(())
    };
    let engine = Worker::new(config, [7; 32], now);
    let ended = || panic!("it was requested to end");
    (spawn(setup("media", sockets, clock), engine, report, ended).unwrap(), events)
}

/// A phone with an RTP and an RTCP socket.
struct Phone {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

impl Phone {
    fn new(ip: &str) -> Self {
        let socket = || {
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            socket
        };
        Self { rtp: socket(), rtcp: socket() }
    }

    fn remote(&self) -> RemoteRtp {
        let rtcp = RtcpPath::Separate(self.rtcp.local_addr().unwrap());
        RemoteRtp { rtp: self.rtp.local_addr().unwrap(), rtcp }
    }

    fn send(&self, to: SocketAddr, sequence: u8) {
        let header = [0x80, 0, 0, sequence, 0, 0, 0, 0, 0, 0, 0, 5];
        self.rtp.send_to(&[&header[..], &[sequence; 160]].concat(), to).unwrap();
    }

    /// Receives an RTP packet; returns the first octet of its payload and its source.
    fn receive(&self) -> (u8, SocketAddr) {
        let mut packet = [0; 1500];
        let (length, from) = self.rtp.recv_from(&mut packet).unwrap();
        assert_eq!(length, 172);
        (packet[12], from)
    }
}

/// Two addresses of the relay that are not in use.
/// Returns two free ports that no concurrent test receives. They are below the range from which the system chooses ports for
/// other sockets.
fn free(ip: &str) -> LocalRtp {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let addresses = core::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
    let mut free = addresses.filter_map(|port| UdpSocket::bind((ip, port)).and_then(|socket| socket.local_addr()).ok());
    LocalRtp { rtp: free.next().unwrap(), rtcp: free.next().unwrap() }
}

fn connect(leg: LegKey, remote: RemoteRtp) -> Command {
    let codec = Codec { name: "PCMU".to_owned(), clock_rate: 8000, channels: 1, fmtp: None };
    let section = Section {
        kind: MediaKind::Audio,
        mid: String::new(),
        direction: Direction::SendRecv,
        rejected: false,
        payloads: vec![Payload { number: 0, codec, feedback: vec![] }],
        extensions: vec![],
        ssrcs: vec![],
    };
    let streams = vec![Stream { received: section.payloads.clone(), remote: section, local_ssrc: 7 }];
    let sections = vec![RemoteSection { address: Some(remote), srtp: None }];
    let transport = RemoteTransport::Rtp { sections, signaling: None };
    Command::Connect { leg, transport, streams, silence: Silence::EndsLeg }
}

#[test]
fn reserved_ports_are_bound_unless_in_use() {
    let (worker, events) = worker();
    let mut pool = PortPool::new(32_100, 32_107, Duration::ZERO);
    let pairs = pool.to_reserve(4, Time::EPOCH);
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let taken = UdpSocket::bind(pairs[2].on(addresses[0]).rtcp).unwrap();
    assert!(worker.send_command(Command::ReservePorts { pairs: pairs.clone(), addresses: addresses.to_vec() }));
    let report = events.recv_timeout(Duration::from_secs(5)).unwrap();
    let ready = vec![pairs[0], pairs[1], pairs[3]];
    assert_eq!(report, Event::PortsReserved { ready, in_use: vec![pairs[2]] });
    UdpSocket::bind(pairs[0].on(addresses[0]).rtp).expect_err("it is bound");
    // The next report shows that the first command has been handled completely.
    assert!(worker.send_command(Command::ReservePorts { pairs: Vec::new(), addresses: Vec::new() }));
    events.recv_timeout(Duration::from_secs(5)).unwrap();
    drop(UdpSocket::bind(pairs[2].on(addresses[0]).rtp).expect("half of a pair is released"));
    drop(taken);
    drop(worker);
    drop(UdpSocket::bind(pairs[0].on(addresses[0]).rtp).expect("free again"));
}

#[test]
fn sip_leg_has_its_own_sockets_until_closed() {
    let (worker, events) = worker();
    let order = |command| assert!(worker.send_command(command));
    let phones = [Phone::new("127.0.0.1"), Phone::new("::1")];
    let locals = [free("127.0.0.1"), free("::1")];
    let legs = [LegKey(1), LegKey(2)];
    for ((leg, local), phone) in legs.into_iter().zip(locals).zip(&phones) {
        order(Command::Open { leg, transport: LocalTransport::Rtp { sections: vec![local], cname: "c".to_owned() } });
        order(connect(leg, phone.remote()));
    }
    order(Command::Bridge { a: legs[0], b: legs[1] });
    // A port that is in use. The report also shows that all commands before have been handled.
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let beside = free("127.0.0.1");
    let sections = vec![LocalRtp { rtp: beside.rtp, rtcp: taken.local_addr().unwrap() }];
    order(Command::Open { leg: LegKey(3), transport: LocalTransport::Rtp { sections, cname: "c".to_owned() } });
    let failed = Event::LegFailed { leg: LegKey(3), failure: TransportFailure::NoPort };
    assert_eq!(events.recv_timeout(Duration::from_secs(5)).unwrap(), failed);
    drop(UdpSocket::bind(beside.rtp).expect("the leg's other port is free again"));

    for sequence in 0..100 {
        phones[0].send(locals[0].rtp, sequence);
        assert_eq!(phones[1].receive(), (sequence, locals[1].rtp));
        phones[1].send(locals[1].rtp, sequence);
        assert_eq!(phones[0].receive(), (sequence, locals[0].rtp));
    }
    order(Command::Close { leg: legs[1] });
    let mut goodbye = [0; 1500];
    let (length, from) = phones[1].rtcp.recv_from(&mut goodbye).unwrap();
    assert_eq!((goodbye[length - 7], from), (203, locals[1].rtcp), "BYE ends the compound");
    drop(worker);
    for local in locals {
        drop(UdpSocket::bind(local.rtp).expect("free again"));
    }
}
