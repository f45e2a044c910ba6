//! Simulated world with media: browsers, the relay with its media workers, and a SIP server with phones, over networks that
//! delay frames, and lose, reorder and duplicate datagrams. One thread, virtual time.

use crate::browser::Browser;
use crate::endpoint::{Datagram, PeerConnections, number_of};
use crate::sip_server::{SipServer, settings};
use core::time::Duration;
use offhook_b2bua::call::CallKey;
use offhook_b2bua::config::{
    AcceptedLogins, Authorization, BusyStatus, CallWaiting, Config, GuardRules, MediaProfile, OwnNames, PortRules,
    Routing, RtpAddress, RtpWorker, Sip, Srtp,
};
use offhook_b2bua::io::{ConnectionId, Input, Output};
use offhook_b2bua::relay::Relay;
use offhook_clock::{Time, earliest};
use offhook_media::command::{Command, LegKey, RemoteTransport, WorkerId};
use offhook_media::identity::DtlsIdentity;
use offhook_media::socket::{Local, PortId};
use offhook_media::worker::{Output as WorkerOutput, Worker, WorkerConfig};
use offhook_sdp::plan::Conversions;
use offhook_signaling::client::session::Input as SocketInput;
use offhook_sip::transport::{self, FlowId, Source, Target, Transport};
use offhook_sip::user_agent::io as sip;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

const RELAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RELAY_SIP: SocketAddr = SocketAddr::new(IpAddr::V4(RELAY), 5060);
const SERVER_SIP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), 5060);

/// The ports of WebRTC legs and the first RTP port of each worker.
const WORKERS: [(u16, u16); 2] = [(4000, 20_000), (4001, 21_000)];

/// The users of the SIP server; carol is a user of the relay only.
const LOGINS: [(&str, Option<&str>); 3] =
    [("alice", Some("example.org")), ("bob", Some("example.org")), ("carol", None)];

/// The time within which packets arrive that an endpoint sends every second.
pub(crate) const RECENT: Duration = Duration::from_millis(2500);

/// An arrival on a network, or another scheduled event.
enum Arrival {
    ToRelay(ConnectionId, String),
    ToBrowser(ConnectionId, String),
    Opened(ConnectionId),
    Sip {
        to_server: bool,
        octets: Vec<u8>,
    },
    Media(Datagram),
    /// Endpoints send a packet each.
    Tick,
}

pub(crate) struct World {
    pub(crate) seed: u64,
    random: ChaCha20Rng,
    /// Decides on datagrams of media only, as their number depends on random numbers of DTLS.
    media_random: ChaCha20Rng,
    pub(crate) now: Time,
    pub(crate) relay: Relay,
    pub(crate) workers: Vec<Worker>,
    /// The bound sockets of the workers.
    pub(crate) sockets: BTreeMap<(u16, PortId), SocketAddr>,
    pub(crate) server: SipServer,
    pub(crate) browsers: BTreeMap<ConnectionId, Browser<PeerConnections>>,
    arrivals: BTreeMap<(Time, u64), Arrival>,
    /// The arrival time of the last frame of each socket and direction: TCP keeps the order.
    last_frame: BTreeMap<(ConnectionId, bool), Time>,
    next: u64,
    /// Datagrams are lost, duplicated and reordered.
    pub(crate) is_lossy: bool,
    pub(crate) calls: BTreeSet<CallKey>,
    /// The endpoint of each leg.
    pub(crate) endpoints: BTreeMap<LegKey, Endpoint>,
    /// The legs by the relay's RTP address.
    pub(crate) ports: BTreeMap<SocketAddr, LegKey>,
    /// The worker of each leg.
    pub(crate) placed: BTreeMap<LegKey, u16>,
    /// Sockets that the relay closed.
    pub(crate) closed: Vec<(ConnectionId, u16, String)>,
    pub(crate) figures: Figures,
}

/// The endpoint to which the media of a leg are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The peer connection with this number.
    Browser(u32),
    /// The RTP address of a phone, or of another leg of the relay, if the SIP server connects two of its legs.
    Rtp(SocketAddr),
}

/// Numbers that show that the runs cover what they are made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Calls whose media were checked to flow.
    pub(crate) flowing: u32,
    /// Calls on hold whose media were checked not to flow.
    pub(crate) held: u32,
    /// Flowing calls between legs of two workers.
    pub(crate) across: u32,
    /// Calls that the SIP server forwarded to the relay and that were answered.
    pub(crate) forwarded: u32,
    /// Forked calls that both phones answered.
    pub(crate) answered_twice: u32,
}

fn identity() -> DtlsIdentity {
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(Vec::new()).expect("parameters").self_signed(&key);
    DtlsIdentity::from_der(certificate.expect("a certificate").der(), &key.serialize_der()).expect("an identity")
}

fn config(seed: u64, identity: &DtlsIdentity) -> Config {
    let address = IpAddr::V4(RELAY);
    let rtp = |(_, first_port): (u16, u16)| RtpWorker {
        addresses: vec![RtpAddress { advertised: address, local: address }],
        first_port,
        last_port: first_port + 99,
    };
    let sip = Sip {
        user_agent: settings(RELAY_SIP, "relay.test"),
        accounts: BTreeMap::new(),
        trunk: None,
        forward_to: Vec::new(),
        expires: Duration::from_secs(600),
        srtp: Srtp::Off,
        profile: MediaProfile::Rtp,
        ports: PortRules { rest: Duration::from_secs(10), reserved: 0, per_user: 128 },
        workers: WORKERS.map(rtp).to_vec(),
    };
    Config {
        node: 0,
        routing: Routing::Local,
        authorization: Authorization::Local,
        admission: AcceptedLogins::Anyone,
        anonymous: false,
        password_checks: 2,
        accounts: BTreeSet::new(),
        call_waiting: if seed.is_multiple_of(2) { CallWaiting::Rings } else { CallWaiting::Busy },
        busy_status: BusyStatus::Failed,
        direct_media: false,
        ring_timeout: Duration::from_secs(30),
        keep_alive_for: Duration::from_secs(20),
        ping_interval: Duration::ZERO,
        ping_probes: 3,
        connection_timeout: Duration::from_secs(10),
        max_frame: 100_000,
        message_rate: 100,
        message_burst: 200,
        max_calls_per_session: 3,
        max_sessions_per_login: 8,
        guards: GuardRules::default(),
        token_notice: None,
        own: OwnNames::default(),
        codecs: Vec::new(),
        conversions: Conversions::G711,
        fingerprint: identity.fingerprint(),
        workers: WORKERS.iter().map(|(port, _)| vec![SocketAddr::new(address, *port)]).collect(),
        sip: Some(Box::new(sip)),
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let (instant, now) = (Instant::now(), Time::EPOCH);
        let identity = identity();
        let worker = |number: u16| {
            let config = WorkerConfig { id: WorkerId(number), ..WorkerConfig::new(identity.clone(), instant) };
            Worker::new(config, [u8::try_from(number).unwrap_or(0); 32], now)
        };
        let mut world = Self {
            seed,
            random: ChaCha20Rng::seed_from_u64(seed),
            media_random: ChaCha20Rng::seed_from_u64(seed),
            now,
            relay: Relay::new(config(seed, &identity), [5; 32], now),
            workers: vec![worker(0), worker(1)],
            sockets: BTreeMap::new(),
            server: SipServer::new(SERVER_SIP),
            browsers: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            last_frame: BTreeMap::new(),
            next: 0,
            is_lossy: false,
            calls: BTreeSet::new(),
            endpoints: BTreeMap::new(),
            ports: BTreeMap::new(),
            placed: BTreeMap::new(),
            closed: Vec::new(),
            figures: Figures::default(),
        };
        for (number, (login, domain)) in (1..).zip(LOGINS) {
            let connection = ConnectionId(number);
            let first = u32::try_from(number).unwrap_or(0) * 1000;
            let media = PeerConnections::new(first, identity.clone(), instant);
            world.browsers.insert(connection, Browser::new(login, domain, None, media, now));
            let input = Input::Connected { connection, address: [192, 0, 2, 100].into(), host: None, origin: None };
            world.relay.handle_input(input, now);
            world.frame(connection, false, Arrival::Opened(connection));
        }
        world.schedule(Duration::from_secs(1), Arrival::Tick);
        world.pass(Duration::from_secs(10));
        assert_eq!(world.server.bindings.len(), 2, "seed {seed}: both users are registered");
        world.is_lossy = true;
        world
    }

    pub(crate) fn pick(&mut self, below: usize) -> usize {
        usize::try_from(self.random.next_u32()).unwrap_or(0) % below.max(1)
    }

    pub(crate) fn millis(&mut self, below: usize) -> Duration {
        Duration::from_millis(u64::try_from(self.pick(below)).unwrap_or(0))
    }

    pub(crate) const fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn schedule(&mut self, after: Duration, arrival: Arrival) {
        self.next += 1;
        self.arrivals.insert((self.now + after, self.next), arrival);
    }

    /// Schedules a frame of a WebSocket, which arrives late but in order.
    fn frame(&mut self, connection: ConnectionId, to_relay: bool, arrival: Arrival) {
        let range = if self.is_lossy && self.pick(10) == 0 { 1500 } else { 50 };
        let at = self.now + self.millis(range);
        let at = at.max(self.last_frame.get(&(connection, to_relay)).copied().unwrap_or(Time::EPOCH));
        self.last_frame.insert((connection, to_relay), at);
        self.schedule(at.since(self.now), arrival);
    }

    /// Schedules the copies of a datagram that arrive.
    fn datagram(&mut self, arrival: impl Fn() -> Arrival) {
        let is_media = matches!(arrival(), Arrival::Media(_));
        let random = if is_media { &mut self.media_random } else { &mut self.random };
        let copies = match random.next_u32() % 20 {
            0 if self.is_lossy => 0,
            1 if self.is_lossy => 2,
            _ => 1,
        };
        let range = if self.is_lossy { 200 } else { 10 };
        let delays = [random.next_u32() % range, random.next_u32() % range];
        for delay in delays.into_iter().take(copies) {
            self.schedule(Duration::from_millis(u64::from(delay)), arrival());
        }
    }

    /// Advances the time: arrivals and deadlines in their order.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            self.drain();
            let timers = self.workers.iter().map(Worker::poll_timeout).fold(None, earliest);
            let timers = earliest(timers, earliest(self.relay.poll_timeout(), self.server.poll_timeout()));
            let arrival = self.arrivals.keys().next().map(|(at, _)| *at);
            let Some(at) = earliest(arrival, timers).filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            if arrival.is_some_and(|arrival| arrival <= self.now) {
                if let Some((_, arrival)) = self.arrivals.pop_first() {
                    self.arrive(arrival);
                }
            } else {
                let now = self.now;
                self.relay.handle_timeout(now);
                self.server.handle_timeout(now);
                self.workers.iter_mut().for_each(|worker| worker.handle_timeout(now));
            }
        }
        self.now = until;
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = self.now;
        match arrival {
            Arrival::ToRelay(connection, text) => self.relay.handle_input(Input::Text { connection, text }, now),
            Arrival::ToBrowser(connection, text) => self.at(connection, |browser| browser.receive(&text, now)),
            Arrival::Opened(connection) => {
                self.at(connection, |browser| browser.socket(SocketInput::SocketOpened, now));
            }
            Arrival::Sip { to_server, octets } => {
                let (local, remote) = if to_server { (SERVER_SIP, RELAY_SIP) } else { (RELAY_SIP, SERVER_SIP) };
                let source = Source { flow: FlowId(1), transport: Transport::Udp, local, remote };
                if to_server {
                    return self.server.receive(source, octets, now);
                }
                let input = sip::Input::Transport(transport::io::Input::Received { source, octets });
                self.sip_input(to_server, input);
            }
            Arrival::Media(datagram) => self.media(datagram),
            Arrival::Tick => {
                for browser in self.browsers.values_mut() {
                    browser.media.timeout(now);
                    browser.media.tick();
                }
                let sent: Vec<Datagram> = self.server.calls_mut().filter_map(|phone| phone.media.tick()).collect();
                self.server.tick(now);
                sent.into_iter().for_each(|datagram| self.datagram(|| Arrival::Media(datagram.clone())));
                self.schedule(Duration::from_secs(1), Arrival::Tick);
            }
        }
    }

    fn sip_input(&mut self, at_server: bool, input: sip::Input) {
        if at_server {
            self.server.agent.handle_input(input, self.now);
        } else {
            self.relay.handle_input(Input::Sip(input), self.now);
        }
    }

    /// Delivers a datagram of media to a worker, a browser or a phone.
    fn media(&mut self, mut datagram: Datagram) {
        let now = self.now;
        if datagram.to.ip() == IpAddr::V4(RELAY) {
            let port = datagram.to.port();
            let at = WORKERS.iter().position(|(webrtc, rtp)| port == *webrtc || (*rtp..*rtp + 100).contains(&port));
            let Some(worker) = at.and_then(|at| self.workers.get_mut(at)) else { return };
            let local = worker.local(datagram.to);
            worker.handle_datagram(local, datagram.from, &mut datagram.octets, now);
        } else if let Some(browser) = self.browsers.values_mut().find(|b| b.media.has_address(datagram.to)) {
            browser.media.receive(datagram, now);
        } else if let Some(phone) = self.server.calls_mut().find(|p| p.media.address == datagram.to) {
            phone.media.receive(&datagram.octets, now);
        }
    }

    pub(crate) fn at(&mut self, connection: ConnectionId, act: impl FnOnce(&mut Browser<PeerConnections>)) {
        if let Some(browser) = self.browsers.get_mut(&connection) {
            act(browser);
        }
    }

    /// Passes all outputs to the networks, until there are no more.
    fn drain(&mut self) {
        loop {
            let before = self.next;
            let mut is_idle = true;
            while let Some(output) = self.relay.poll_output() {
                is_idle = false;
                self.relay_output(output);
            }
            for number in [0, 1] {
                while let Some(output) = self.workers.get_mut(usize::from(number)).and_then(Worker::poll_output) {
                    is_idle = false;
                    self.worker_output(number, output);
                }
            }
            self.server.drain(self.now);
            while let Some(octets) = self.server.to_relay.pop_front() {
                is_idle = false;
                self.datagram(|| Arrival::Sip { to_server: false, octets: octets.clone() });
            }
            while let Some(output) = self.server.transport.pop_front() {
                is_idle = false;
                self.sip_output(true, output);
            }
            let connections: Vec<ConnectionId> = self.browsers.keys().copied().collect();
            for connection in connections {
                self.drain_browser(connection);
            }
            if is_idle && before == self.next {
                return;
            }
        }
    }

    fn drain_browser(&mut self, connection: ConnectionId) {
        while let Some(text) = self.browsers.get_mut(&connection).and_then(Browser::poll_frame) {
            self.frame(connection, true, Arrival::ToRelay(connection, text));
        }
        let sent = self.browsers.get_mut(&connection).map(|browser| browser.media.take_outgoing());
        for datagram in sent.into_iter().flatten() {
            self.datagram(|| Arrival::Media(datagram.clone()));
        }
    }

    fn relay_output(&mut self, output: Output) {
        match output {
            Output::Send { connection, text } => self.frame(connection, false, Arrival::ToBrowser(connection, text)),
            Output::Close { connection, code, reason } => self.closed.push((connection, code, reason)),
            Output::Media { worker, command } => self.media_command(worker, command),
            Output::Sip(output) => self.sip_output(false, output),
            Output::CallEvent { record, .. } => {
                self.calls.insert(record.call);
            }
            _ => {}
        }
    }

    fn media_command(&mut self, worker: WorkerId, command: Command) {
        match &command {
            Command::Open { leg, transport } => {
                self.ports.extend(transport.sections().iter().map(|local| (local.rtp, *leg)));
                assert_eq!(self.placed.insert(*leg, worker.0), None, "seed {}: {leg:?} is opened twice", self.seed);
            }
            Command::Connect { leg, transport, .. } => {
                let endpoint = match transport {
                    RemoteTransport::WebRtc(remote) => number_of(&remote.ice.ufrag).map(Endpoint::Browser),
                    RemoteTransport::Rtp { sections, .. } => {
                        let address = sections.first().and_then(|section| section.address);
                        address.map(|address| Endpoint::Rtp(address.rtp))
                    }
                };
                self.endpoints.extend(endpoint.map(|endpoint| (*leg, endpoint)));
            }
            _ => {}
        }
        let now = self.now;
        if let Some(worker) = self.workers.get_mut(usize::from(worker.0)) {
            worker.handle_command(command, now);
        }
    }

    fn worker_output(&mut self, number: u16, output: WorkerOutput) {
        match output {
            WorkerOutput::Transmit { local, remote, payload } => {
                let from = match local {
                    Local::Shared(address) => Some(address),
                    Local::Port(port) => self.sockets.get(&(number, port)).copied(),
                };
                let from = from.expect("a bound socket");
                self.datagram(|| Arrival::Media(Datagram { from, to: remote, octets: payload.clone() }));
            }
            WorkerOutput::Event(event) => self.relay.handle_input(Input::Media(event), self.now),
            WorkerOutput::Cross(crossing) => {
                let now = self.now;
                if let Some(worker) = self.workers.get_mut(usize::from(crossing.worker().0)) {
                    worker.handle_crossing(crossing, now);
                }
            }
            WorkerOutput::Bind { port, local } => {
                let is_taken = self.sockets.values().any(|bound| *bound == local);
                assert!(!is_taken, "seed {}: {local} is bound twice", self.seed);
                self.sockets.insert((number, port), local);
            }
            WorkerOutput::Unbind { port, .. } => {
                self.sockets.remove(&(number, port));
            }
        }
    }

    fn sip_output(&mut self, of_server: bool, output: transport::io::Output) {
        match output {
            transport::io::Output::Send { octets, .. } => {
                self.datagram(|| Arrival::Sip { to_server: !of_server, octets: octets.clone() });
            }
            transport::io::Output::Resolve { query, .. } => {
                let address = if of_server { RELAY_SIP } else { SERVER_SIP };
                let targets = vec![Target { transport: Transport::Udp, address, host: None }];
                let input = sip::Input::Transport(transport::io::Input::Resolved { query, targets });
                self.sip_input(of_server, input);
            }
            transport::io::Output::Close { .. }
            | transport::io::Output::KeepFlow { .. }
            | transport::io::Output::ReleaseFlow { .. } => {}
        }
    }
}
