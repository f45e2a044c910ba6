//! Simulated world: one relay, a few clients and a lossy network, in one thread and virtual time.

use crate::browser::{Browser, NoPackets};
use core::time::Duration;
use offhook_b2bua::config::{
    AcceptedLogins, Authorization, BusyStatus, CallWaiting, Config, GuardRules, OwnNames, Routing,
};
use offhook_b2bua::io::{ConnectionId, Input, Output};
use offhook_b2bua::relay::Relay;
use offhook_clock::{Time, earliest};
use offhook_media::command::{Command, LegKey};
use offhook_sdp::plan::Conversions;
use offhook_sdp::webrtc::Fingerprint;
use offhook_signaling::client::call;
use offhook_signaling::client::session::Input as SocketInput;
use offhook_signaling::message::CallId;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

const LOGINS: [&str; 3] = ["alice", "bob", "carol"];

/// A scheduled event: a frame or socket event on the network, or a user action.
#[derive(Debug)]
enum Arrival {
    ToRelay { connection: ConnectionId, frame: String },
    ToBrowser { connection: ConnectionId, frame: String },
    OpenedAtBrowser(ConnectionId),
    GoneAtRelay(ConnectionId),
    GoneAtBrowser(ConnectionId),
    Button(ConnectionId),
}

pub(crate) struct World {
    pub(crate) seed: u64,
    random: ChaCha20Rng,
    pub(crate) now: Time,
    pub(crate) relay: Relay,
    pub(crate) browsers: BTreeMap<ConnectionId, Browser<NoPackets>>,
    /// Sockets that the network has not cut.
    up: BTreeSet<ConnectionId>,
    arrivals: BTreeMap<(Time, u64), Arrival>,
    /// Arrival time of the last frame per socket and direction: TCP keeps the order.
    last_arrival: BTreeMap<(ConnectionId, bool), Time>,
    next: u64,
    pub(crate) open_legs: BTreeSet<LegKey>,
    pub(crate) established: u32,
    pub(crate) switched: u32,
    pub(crate) ended_twice: Vec<CallId>,
    buttons_until: Time,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let config = Config {
            node: 0,
            admission: AcceptedLogins::Anyone,
            anonymous: false,
            password_checks: 2,
            accounts: BTreeSet::new(),
            routing: Routing::Local,
            authorization: Authorization::Local,
            call_waiting: if seed.is_multiple_of(2) { CallWaiting::Rings } else { CallWaiting::Busy },
            busy_status: BusyStatus::Failed,
            direct_media: seed.is_multiple_of(3),
            ring_timeout: Duration::from_secs(30),
            keep_alive_for: Duration::from_secs(20),
            ping_interval: Duration::from_secs(5),
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
            fingerprint: Fingerprint::sha256([9; 32]),
            workers: vec![vec!["192.0.2.1:4000".parse().expect("an address")]],
            sip: None,
        };
        let now = Time::EPOCH;
        let mut world = Self {
            seed,
            random: ChaCha20Rng::seed_from_u64(seed),
            now,
            relay: Relay::new(config, [5; 32], now),
            browsers: BTreeMap::new(),
            up: BTreeSet::new(),
            arrivals: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            next: 0,
            open_legs: BTreeSet::new(),
            established: 0,
            switched: 0,
            ended_twice: Vec::new(),
            buttons_until: now + Duration::from_secs(120),
        };
        for login in LOGINS.into_iter().chain(LOGINS) {
            world.open(login, None);
        }
        world
    }

    fn pick(&mut self, below: u32) -> u32 {
        self.random.next_u32() % below.max(1)
    }

    fn later(&mut self, after: Duration, arrival: Arrival) {
        self.next += 1;
        self.arrivals.insert((self.now + after, self.next), arrival);
    }

    /// Schedules an arrival after 1 ms to 2 s, as in mobile networks.
    fn on_the_wire(&mut self, connection: ConnectionId, up: bool, arrival: Arrival) {
        let slow = self.pick(10) == 0;
        let delay = Duration::from_millis(u64::from(1 + self.pick(if slow { 2000 } else { 50 })));
        let at = (self.now + delay).max(*self.last_arrival.get(&(connection, up)).unwrap_or(&Time::EPOCH));
        self.last_arrival.insert((connection, up), at);
        self.later(at.since(self.now), arrival);
    }

    fn open(&mut self, login: &str, token: Option<String>) {
        self.next += 1;
        let connection = ConnectionId(self.next);
        self.browsers.insert(connection, Browser::new(login, None, token, NoPackets, self.now));
        self.up.insert(connection);
        self.relay.handle_input(
            Input::Connected { connection, address: [192, 0, 2, 100].into(), host: None, origin: None },
            self.now,
        );
        self.on_the_wire(connection, false, Arrival::OpenedAtBrowser(connection));
        self.later(Duration::from_secs(3), Arrival::Button(connection));
    }

    /// Cuts a socket. Each end is notified at a different time; the relay sometimes only detects it by missing pongs.
    fn cut(&mut self, connection: ConnectionId) {
        if self.up.remove(&connection) {
            if self.pick(3) > 0 {
                self.on_the_wire(connection, true, Arrival::GoneAtRelay(connection));
            }
            self.on_the_wire(connection, false, Arrival::GoneAtBrowser(connection));
        }
    }

    /// Runs until no event is scheduled before the end of the simulation.
    pub(crate) fn run(&mut self) {
        let end = self.buttons_until + Duration::from_secs(120);
        loop {
            self.drain();
            let wire = self.arrivals.first_key_value().map(|((at, _), _)| *at);
            match earliest(wire, self.relay.poll_timeout()) {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
            while let Some(entry) = self.arrivals.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let arrival = entry.remove();
                self.arrive(arrival);
                self.drain();
            }
            self.relay.handle_timeout(self.now);
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = self.now;
        match arrival {
            Arrival::ToRelay { connection, frame } if self.up.contains(&connection) => {
                self.relay.handle_input(Input::Text { connection, text: frame }, now);
            }
            Arrival::ToBrowser { connection, frame } if self.up.contains(&connection) => {
                self.browser(connection, |browser| browser.receive(&frame, now));
            }
            Arrival::ToRelay { .. } | Arrival::ToBrowser { .. } => {}
            Arrival::OpenedAtBrowser(connection) => {
                self.browser(connection, |browser| browser.socket(SocketInput::SocketOpened, now));
            }
            Arrival::GoneAtRelay(connection) => self.relay.handle_input(Input::Disconnected { connection }, now),
            Arrival::GoneAtBrowser(connection) => self.gone_at_browser(connection),
            Arrival::Button(connection) => self.button(connection),
        }
    }

    fn browser(&mut self, connection: ConnectionId, act: impl FnOnce(&mut Browser<NoPackets>)) {
        let Some(browser) = self.browsers.get_mut(&connection) else { return };
        act(browser);
        while let Some(frame) = self.browsers.get_mut(&connection).and_then(Browser::poll_frame) {
            self.on_the_wire(connection, true, Arrival::ToRelay { connection, frame });
        }
        if self.browsers.get(&connection).is_some_and(|browser| browser.closing) {
            self.cut(connection);
        }
    }

    /// Closes the socket at the client, which then opens a new session, with or without its token.
    fn gone_at_browser(&mut self, connection: ConnectionId) {
        let Some(mut browser) = self.browsers.remove(&connection) else { return };
        browser.socket(SocketInput::SocketClosed, self.now);
        self.record(&browser);
        if self.now < self.buttons_until {
            let login = LOGINS[usize::try_from(self.pick(3)).unwrap_or(0)];
            let token = browser.token().filter(|_| self.random.next_u32().is_multiple_of(2));
            self.open(login, token);
        }
    }

    fn record(&mut self, browser: &Browser<NoPackets>) {
        self.established += browser.established;
        self.switched += browser.switched;
        self.ended_twice.extend(browser.ended.iter().filter(|(_, times)| **times > 1).map(|(id, _)| id.clone()));
    }

    /// Performs a random user action and schedules the next one. At the end, all users hang up.
    fn button(&mut self, connection: ConnectionId) {
        let Some(browser) = self.browsers.get(&connection) else { return };
        let ids: Vec<CallId> = browser.calls.keys().filter(|id| !browser.ended.contains_key(*id)).cloned().collect();
        let now = self.now;
        if now >= self.buttons_until {
            for id in ids {
                self.browser(connection, |b| b.press(&id, call::Input::HangUp, now));
            }
            return;
        }
        let callee = LOGINS[usize::try_from(self.pick(3)).unwrap_or(0)];
        let action = self.pick(20);
        let chosen = usize::try_from(self.random.next_u32()).unwrap_or(0) % ids.len().max(1);
        match (action, ids.get(chosen)) {
            (0, _) => self.cut(connection),
            (1..=4, _) | (_, None) => {
                let id = CallId(format!("{}-{}", connection.0, self.next));
                self.browser(connection, |b| b.dial(&id, callee, now));
            }
            (5..=10, Some(id)) => self.browser(connection, |b| b.press(id, call::Input::Answer, now)),
            (11..=13, Some(id)) => {
                self.browser(connection, |b| b.press(id, call::Input::HangUp, now));
            }
            (14 | 15, Some(id)) => {
                self.browser(connection, |b| b.press(id, call::Input::Hold { for_transfer: false }, now));
            }
            (16, Some(id)) => self.browser(connection, |b| b.press(id, call::Input::Unhold, now)),
            (_, Some(id)) => {
                self.browser(connection, |b| b.press(id, call::Input::TransferTo(callee.to_owned()), now));
            }
        }
        let pause = Duration::from_millis(u64::from(200 + self.pick(2000)));
        self.later(pause, Arrival::Button(connection));
    }

    fn drain(&mut self) {
        while let Some(output) = self.relay.poll_output() {
            match output {
                Output::Send { connection, text } => {
                    self.on_the_wire(connection, false, Arrival::ToBrowser { connection, frame: text });
                }
                Output::Close { connection, .. } => self.cut(connection),
                Output::Media { command: Command::Open { leg, .. }, .. } => {
                    assert!(self.open_legs.insert(leg), "seed {}: {leg:?} was opened twice", self.seed);
                }
                Output::Media { command: Command::Close { leg }, .. } => {
                    assert!(self.open_legs.remove(&leg), "seed {}: {leg:?} was closed but not open", self.seed);
                }
                Output::Media { command: Command::Bridge { a, b }, .. } => {
                    let both = self.open_legs.contains(&a) && self.open_legs.contains(&b);
                    assert!(both, "seed {}: a bridge between legs that are not open", self.seed);
                }
                Output::Media { .. }
                | Output::Sip(_)
                | Output::VerifyPassword { .. }
                | Output::VerifyToken { .. }
                | Output::ResolveHost { .. }
                | Output::Route { .. }
                | Output::Authorization(_)
                | Output::Offense(_)
                | Output::RegistrationFailed { .. }
                | Output::ServerNotPermitted { .. }
                | Output::CallEvent { .. }
                | Output::CommandResult { .. } => {}
            }
        }
    }

    /// Asserts that clients and relay agree that all calls have ended.
    pub(crate) fn settle(&mut self) {
        for browser in core::mem::take(&mut self.browsers).into_values() {
            self.record(&browser);
            for (id, call) in &browser.calls {
                let over = browser.ended.contains_key(id);
                assert!(over, "seed {}: a client still has {id} as {}", self.seed, call.status());
            }
        }
    }
}
