//! Call flows in virtual time, without sockets: browsers are message queues, the media worker is a list of commands.

pub(super) mod accounts;
mod admission;
mod application;
mod authorization;
mod commands;
mod flows;
mod forwarding;
mod hold;
mod hold_at_start;
mod lifecycle;
mod media;
mod media_names;
mod ports;
mod records;
mod restore;
mod routing;
mod simulation;
pub(crate) mod sip_calls;
mod sip_codecs;
mod sip_early;
mod sip_hairpin;
mod sip_in_dialog;
pub(super) mod sip_phones;
mod sip_simulation;
mod sip_transcoding;
mod sip_transfers;
mod sip_webrtc;
mod sip_wire;
mod transfers;

use super::Relay;
use crate::authorization::AuthorizationOutput;
use crate::call::CallEvent;
use crate::command::CommandResult;
use crate::config::{
    AcceptedLogins, Authorization, BusyStatus, CallWaiting, Config, Destinations, GuardRules, LoginName, MediaProfile,
    OwnNames, PortRules, Routing, RtpAddress, RtpWorker, Servers, Sip, Srtp,
};
use crate::io::{ConnectionId, Input, Output};
use crate::record::CallRecord;
use core::time::Duration;
use offhook_clock::Time;
use offhook_limits::offense::OffenseReport;
use offhook_media::command::{Command, Event, LegKey, LegReport, ReportStage, StreamStatistics, WorkerId};
use offhook_media::seal::SealingKey;
use offhook_sdp::plan::Conversions;
use offhook_sdp::webrtc::Fingerprint;
use offhook_signaling::message::{
    Answer, CallId, CallMessage, CallObject, CallStatus, ClientMessage, ConnectionMessage, ServerMessage, SipOptions,
};
use offhook_signaling::version::Extension;
use offhook_sip::transport::{self, Transport};
use offhook_sip::user_agent::io::{self as sip, Redirects, UserAgentSettings};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(crate) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
a=fingerprint:sha-256 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00\r\n\
a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 0 126\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n\
a=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:126 telephone-event/8000\r\n";

pub(crate) fn answer_sdp() -> String {
    OFFER.replace("a=setup:actpass", "a=setup:active")
}

pub(super) fn config() -> Config {
    Config {
        node: 0,
        admission: AcceptedLogins::Anyone,
        anonymous: false,
        password_checks: 2,
        accounts: ["carol"].map(|login| LoginName(login.to_owned())).into(),
        routing: Routing::Local,
        authorization: Authorization::Local,
        call_waiting: CallWaiting::Rings,
        busy_status: BusyStatus::Failed,
        direct_media: false,
        ring_timeout: Duration::from_secs(60),
        keep_alive_for: Duration::from_secs(60),
        ping_interval: Duration::ZERO,
        ping_probes: 10,
        connection_timeout: Duration::from_secs(10),
        max_frame: 100_000,
        message_rate: 1000,
        message_burst: 1000,
        max_calls_per_session: 4,
        max_sessions_per_login: 4,
        guards: GuardRules::default(),
        token_notice: None,
        codecs: Vec::new(),
        conversions: Conversions::G711,
        fingerprint: Fingerprint::sha256([7; 32]),
        workers: vec![vec!["192.0.2.1:4000".parse().unwrap()], vec!["192.0.2.1:4001".parse().unwrap()]],
        own: OwnNames {
            hosts: ["192.0.2.1".to_owned(), "2001:db8::1".to_owned()].into(),
            sip: vec![
                (Transport::Udp, "0.0.0.0:5060".parse().unwrap()),
                (Transport::Udp, "0.0.0.0:5062".parse().unwrap()),
                (Transport::Tls, "0.0.0.0:5063".parse().unwrap()),
            ],
            http: vec!["0.0.0.0:8443".parse().unwrap()],
        },
        sip: None,
    }
}

pub(crate) fn sip_config() -> Sip {
    let user_agent = UserAgentSettings {
        local: Vec::new(),
        domain: "relay.test".to_owned(),
        phones: Vec::new(),
        destinations: Destinations::new(Servers::listed(["example.org"]), false),
        any_domain: false,
        accept_unknown: false,
        redirects: Redirects::Domain,
        trusted: Vec::new(),
        product: "Offhook".to_owned(),
        t1: Duration::from_millis(500),
        session_expires: Duration::from_secs(1800),
        min_session_expires: Duration::from_secs(90),
        keep_alive: Duration::from_secs(30),
        nat_keep_alive: Duration::ZERO,
        inside: transport::Inside::default(),
    };
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let worker = |first_port| RtpWorker {
        addresses: vec![RtpAddress { advertised: address, local: address }],
        first_port,
        last_port: first_port + 99,
    };
    Sip {
        user_agent,
        accounts: BTreeMap::new(),
        trunk: None,
        forward_to: Vec::new(),
        expires: Duration::from_secs(600),
        srtp: Srtp::Off,
        profile: MediaProfile::Rtp,
        ports: PortRules { rest: Duration::from_secs(10), reserved: 0, per_user: 128 },
        workers: vec![worker(20_000), worker(21_000)],
    }
}

/// The relay with a SIP side; its user agent is the test.
pub(super) fn with_sip() -> Config {
    Config { sip: Some(Box::new(sip_config())), ..config() }
}

/// A call that the shell is to route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RouteQuestion {
    pub(super) request: crate::io::RequestId,
    pub(super) call: crate::call::CallKey,
    pub(super) from: crate::io::RouteSource,
    pub(super) to: crate::address::Address,
    pub(super) subject: Option<Box<crate::io::RouteSubject>>,
}

/// A relay, its virtual clock, the messages of every browser and the commands of the media workers.
pub(super) struct Bench {
    pub(super) relay: Relay,
    pub(super) now: Time,
    pub(super) inbox: BTreeMap<ConnectionId, Vec<ServerMessage>>,
    pub(super) closed: BTreeMap<ConnectionId, (u16, String)>,
    pub(super) media: Vec<Command>,
    /// The worker on which each leg was opened.
    pub(super) workers: BTreeMap<LegKey, WorkerId>,
    /// Whether workers report the statistics of the legs that they close.
    pub(super) workers_run: bool,
    /// Statistics of legs that are not empty.
    pub(super) statistics: BTreeMap<LegKey, Vec<StreamStatistics>>,
    pub(super) checks: Vec<(crate::io::RequestId, LoginName, String)>,
    /// Tokens that the shell is to verify, with the origins of their pages.
    pub(super) tokens: Vec<(crate::io::RequestId, String, Option<String>)>,
    /// The origin of the pages that connect.
    pub(super) origin: Option<String>,
    /// Commands for the user agent.
    pub(super) commands: Vec<sip::Command>,
    /// Outputs of the user agent to the network, if the relay has one.
    pub(super) sip: Vec<transport::io::Output>,
    /// Servers that pages named without permission, and whether these were informed.
    pub(super) servers_not_permitted: Vec<(String, bool)>,
    /// Hosts that the relay requested to resolve.
    pub(super) questions: Vec<(crate::io::RequestId, String)>,
    /// The times of the ends of calls.
    pub(super) ends: Vec<Time>,
    /// Calls that the shell is to route.
    pub(super) routes: Vec<RouteQuestion>,
    /// Questions to the application, and reports for it.
    pub(super) authorizations: Vec<AuthorizationOutput>,
    /// Events of calls, with their records.
    pub(super) events: Vec<(CallEvent, CallRecord)>,
    /// Results of commands.
    pub(super) results: Vec<(crate::io::RequestId, CommandResult)>,
    /// Lines of the security log.
    pub(super) offenses: Vec<OffenseReport>,
    /// Failures of the operator's accounts that are logged.
    pub(super) registration_failures: usize,
    next: u64,
}

impl Bench {
    /// A relay whose user agent is the test.
    pub(super) fn new(config: Config) -> Self {
        Self::with(Relay::with_external_agent(config, [1; 32]))
    }

    pub(super) fn with(relay: Relay) -> Self {
        let mut bench = Self {
            relay,
            now: Time::EPOCH,
            inbox: BTreeMap::new(),
            closed: BTreeMap::new(),
            media: Vec::new(),
            workers: BTreeMap::new(),
            workers_run: true,
            statistics: BTreeMap::new(),
            checks: Vec::new(),
            tokens: Vec::new(),
            origin: None,
            commands: Vec::new(),
            sip: Vec::new(),
            servers_not_permitted: Vec::new(),
            questions: Vec::new(),
            ends: Vec::new(),
            routes: Vec::new(),
            authorizations: Vec::new(),
            events: Vec::new(),
            results: Vec::new(),
            offenses: Vec::new(),
            registration_failures: 0,
            next: 0,
        };
        bench.drain();
        bench
    }

    /// Passes an event of the user agent.
    pub(super) fn sip(&mut self, event: sip::Event) {
        self.relay.handle_agent_event(event, self.now);
        self.drain();
    }

    pub(super) fn input(&mut self, input: Input) {
        self.relay.handle_input(input, self.now);
        self.drain();
    }

    /// Checks that the next deadline, which is found by an index, is the earliest of all.
    fn assert_deadline(&self) {
        let relay = &self.relay;
        let all = relay
            .clients
            .deadlines()
            .chain(relay.calls.deadlines())
            .chain(relay.agent_deadline())
            .chain(relay.media_names.deadlines())
            .chain(relay.records.deadlines())
            .chain(relay.questions.deadlines())
            .chain(relay.collections.deadlines())
            .chain(relay.authorizations.deadlines())
            .chain(relay.submissions.deadlines())
            .chain(relay.guards.deadlines())
            .chain(relay.token_deadlines());
        assert_eq!(relay.poll_timeout(), all.min());
    }

    fn drain(&mut self) {
        self.assert_deadline();
        self.commands.extend(self.relay.commands.drain(..));
        while let Some(output) = self.relay.poll_output() {
            match output {
                Output::Send { connection, text } => {
                    let message = ServerMessage::parse(&text).unwrap().unwrap();
                    self.inbox.entry(connection).or_default().push(message);
                }
                Output::Close { connection, code, reason } => {
                    self.closed.insert(connection, (code, reason));
                }
                Output::Media { worker, command } => {
                    if let Some(leg) = command.leg() {
                        let opened = *self.workers.entry(leg).or_insert(worker);
                        assert_eq!(opened, worker, "the leg is on another worker: {command:?}");
                    }
                    if let Command::Bridge { a, b } = &command {
                        assert_eq!(self.workers.get(a), self.workers.get(b), "a bridge within a worker");
                    }
                    if let Command::Close { leg } = command {
                        self.final_report(leg);
                    }
                    self.media.push(command);
                }
                Output::Sip(output) => self.sip.push(output),
                Output::VerifyPassword { request, login, password } => {
                    self.checks.push((request, login, password.reveal().to_owned()));
                }
                Output::VerifyToken { request, token, origin } => {
                    self.tokens.push((request, token.reveal().to_owned(), origin));
                }
                Output::ResolveHost { request, host } => self.questions.push((request, host)),
                Output::Route { request, call, from, to, subject } => {
                    self.routes.push(RouteQuestion { request, call, from, to, subject });
                }
                Output::Authorization(output) => self.authorizations.push(output),
                Output::Offense(report) => self.offenses.push(report),
                Output::RegistrationFailed { .. } => self.registration_failures += 1,
                Output::ServerNotPermitted { server, informed } => self.servers_not_permitted.push((server, informed)),
                Output::CommandResult { request, result } => self.results.push((request, result)),
                Output::CallEvent { event, record, at } => {
                    if matches!(event, CallEvent::Ended { .. }) {
                        self.ends.push(at);
                    }
                    self.events.push((event, *record));
                }
            }
        }
    }

    /// Continues with a relay that was saved and restored with the same configuration.
    pub(super) fn reload(&mut self) {
        let (key, mut rng) = (SealingKey::new([1; 32]), ChaCha20Rng::from_seed([2; 32]));
        let saved = self.relay.save(&key, &mut rng);
        let config = self.relay.config.clone();
        // Restoring frees the ports whose rest is over.
        self.relay.reserve_ports(self.now);
        let loaded = match self.relay.agent {
            Some(_) => Relay::restore(config, &saved, &key, self.now).unwrap(),
            // The user agent is the test.
            None => {
                let mut loaded = Relay::resume(config, saved.open(&key).unwrap(), None);
                loaded.reserve_ports(self.now);
                loaded
            }
        };
        assert_eq!(loaded, self.relay);
        self.relay = loaded;
    }

    /// The worker of a leg reports its statistics, if it runs.
    fn final_report(&mut self, leg: LegKey) {
        if self.workers_run {
            let streams = self.statistics.remove(&leg).unwrap_or_default();
            let report = LegReport { leg, stage: ReportStage::Final, streams };
            self.relay.handle_input(Input::Media(Event::LegReports(vec![report])), self.now);
        }
    }

    pub(super) fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.relay.handle_timeout(self.now);
        self.drain();
    }

    pub(super) fn send(&mut self, from: ConnectionId, message: &ClientMessage) {
        self.input(Input::Text { connection: from, text: message.to_json() });
    }

    pub(super) fn connect(&mut self, hello: ConnectionMessage) -> ConnectionId {
        self.connect_from(IpAddr::from([192, 0, 2, 100]), hello)
    }

    pub(super) fn connect_from(&mut self, address: IpAddr, hello: ConnectionMessage) -> ConnectionId {
        self.next += 1;
        let connection = ConnectionId(self.next);
        self.input(Input::Connected {
            connection,
            address,
            host: Some("relay.page.test:8443".to_owned()),
            origin: self.origin.clone(),
        });
        self.send(connection, &ClientMessage::Connection(Box::new(hello)));
        connection
    }

    /// Logs in as a stock page does, and drops the first messages.
    pub(super) fn login(&mut self, login: &str) -> ConnectionId {
        let connection = self.connect(hello(login));
        assert!(matches!(self.take(connection)[..], [ServerMessage::UserData(_), ServerMessage::Registered]));
        connection
    }

    /// Logs in as this project's SDK does.
    pub(super) fn login_extended(&mut self, login: &str) -> ConnectionId {
        let connection = self.connect(ConnectionMessage { offhook: Some(Extension::ours()), ..hello(login) });
        assert_eq!(self.take(connection).len(), 2);
        connection
    }

    /// Returns the messages that a browser received since the last call.
    pub(super) fn take(&mut self, connection: ConnectionId) -> Vec<ServerMessage> {
        self.inbox.remove(&connection).unwrap_or_default()
    }

    /// Returns the same messages as names and call statuses.
    pub(super) fn names(&mut self, connection: ConnectionId) -> Vec<String> {
        self.take(connection)
            .iter()
            .map(|message| match message {
                ServerMessage::CallStatus(call) => format!("{} {}", message.name(), call.status.name()),
                _ => message.name().to_owned(),
            })
            .collect()
    }

    pub(super) fn last_status(&mut self, connection: ConnectionId) -> CallObject {
        let calls = self.take(connection).into_iter().filter_map(|message| match message {
            ServerMessage::CallStatus(call) => Some(*call),
            _ => None,
        });
        calls.collect::<Vec<_>>().pop().expect("a call status")
    }

    pub(super) fn call(&mut self, from: ConnectionId, id: &str, callee: &str) {
        self.send(from, &call_message(id, callee));
    }

    /// Returns the id of the incoming call, after checking the order of its messages.
    pub(super) fn incoming(&mut self, at: ConnectionId) -> CallId {
        let messages = self.take(at);
        let [
            ServerMessage::RemoteSdp { call_id, sdp },
            ServerMessage::IncomingCall(call),
            ServerMessage::CallStatus(ring),
        ] = &messages[..]
        else {
            panic!("not an incoming call: {messages:?}")
        };
        assert!(sdp.contains("a=candidate") && sdp.contains("a=setup:actpass") && sdp.contains("a=ice-lite"));
        assert!(call.incoming && ring.status == CallStatus::Ring);
        assert_eq!([call_id, call_id], [&call.call_id, &ring.call_id]);
        call_id.clone()
    }

    pub(super) fn answer(&mut self, at: ConnectionId, id: &CallId) {
        let (call_id, sdp) = (id.clone(), answer_sdp());
        let answer = Answer { call_id, sdp, callee: None, sip_sdp: Vec::new(), custom: None, local_media_info: None };
        self.send(at, &ClientMessage::Answer(Box::new(answer)));
    }

    pub(super) fn hang_up(&mut self, at: ConnectionId, id: &str) {
        self.send(at, &ClientMessage::Hangup(id.into()));
    }

    /// Establishes a call; returns its id on the callee's side.
    pub(super) fn establish(&mut self, from: ConnectionId, id: &str, to: ConnectionId, callee: &str) -> CallId {
        self.call(from, id, callee);
        let other = self.incoming(to);
        self.answer(to, &other);
        assert_eq!(self.names(to), ["talk ESTABLISHED"]);
        let names = self.names(from);
        assert_eq!(names, ["notifyTryingResponse TRYING", "ring RING", "setRemoteSDP", "talk ESTABLISHED"]);
        other
    }

    pub(super) fn bridges(&mut self) -> Vec<(LegKey, LegKey)> {
        let bridges = self.media.iter().filter_map(|command| match command {
            Command::Bridge { a, b } => Some((*a, *b)),
            _ => None,
        });
        bridges.collect()
    }

    pub(super) fn media_event(&mut self, event: Event) {
        if let Event::LegFailed { leg, .. } | Event::LegDead { leg } = event {
            self.final_report(leg);
        }
        self.input(Input::Media(event));
    }

    /// Checks that every opened leg was closed or reported as lost, and that every port was released.
    pub(super) fn assert_no_leak(&self, gone: &[LegKey]) {
        assert_eq!(self.relay.counts().calls, 0);
        assert!(self.relay.calls.is_empty(), "legs or index entries are left");
        assert!(self.relay.presenter.is_empty() && self.relay.records.is_empty(), "views or records are left");
        assert_eq!(self.relay.workers.taken(), 0, "ports are left");
        assert!(self.relay.workers.is_idle(), "shares in the ports are left");
        assert!(self.relay.media_names.is_empty(), "events wait for addresses");
        assert!(self.relay.questions.is_empty(), "calls wait for their routing");
        assert!(self.relay.collections.is_empty() && self.relay.audio.is_empty(), "digits or audio are left");
        assert!(self.relay.authorizations.is_empty() && self.relay.submissions.is_empty(), "questions are open");
        assert!(self.relay.guards.is_empty(), "calls are still counted for their callers");
        let opened = self.media.iter().filter_map(|c| match c {
            Command::Open { leg, .. } => Some(*leg),
            _ => None,
        });
        for leg in opened {
            let closed = self.media.iter().any(|c| matches!(c, Command::Close { leg: closed } if *closed == leg));
            assert!(closed || gone.contains(&leg), "{leg:?} was never closed");
        }
    }
}

pub(super) fn hello(login: &str) -> ConnectionMessage {
    let sip = SipOptions { login: Some(login.to_owned()), register_required: Some(true), ..SipOptions::default() };
    ConnectionMessage {
        app_key: "defaultApp".into(),
        client_version: "2.0".into(),
        sip,
        ..ConnectionMessage::default()
    }
}

pub(super) fn call_message(id: &str, callee: &str) -> ClientMessage {
    ClientMessage::Call(Box::new(CallMessage {
        call_id: id.into(),
        callee: callee.to_owned(),
        caller: None,
        visible_name: None,
        has_audio: true,
        has_video: false,
        sdp: OFFER.to_owned(),
        sip_sdp: Vec::new(),
        sip_headers: Vec::new(),
        custom: None,
        local_media_info: None,
    }))
}
