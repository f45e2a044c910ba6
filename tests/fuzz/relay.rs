//! Fuzz target of the call model: arbitrary actions of pages, SIP peers and the media worker.

use crate::script::Script;
use core::time::Duration;
use offhook_b2bua::config::{
    AcceptedLogins, Authorization, BusyStatus, CallWaiting, Config, Destinations, GuardRules, MediaProfile, OwnNames,
    PortRules, Routing, RtpAddress, RtpWorker, Servers, Sip, Srtp,
};
use offhook_b2bua::io::{ConnectionId, Input, Output};
use offhook_b2bua::relay::Relay;
use offhook_clock::Time;
use offhook_media::command::{Command as MediaCommand, Event as MediaEvent, LegKey, TransportFailure};
use offhook_sdp::plan::Conversions;
use offhook_sdp::webrtc::Fingerprint;
use offhook_signaling::message::{
    Answer, CallId, CallMessage, ClientMessage, ConnectionMessage, DtmfType, ServerMessage, SipOptions,
};
use offhook_signaling::version::Extension;
use offhook_sip::message::{Host, Uri};
use offhook_sip::user_agent::io::{
    AccountId, BindingId, Body, Branch, Cause, Command, Event, Failure, Identity, InboundInvite, InviteId, Origin,
    Redirects, UserAgentSettings,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The number of steps in one script.
const MAX_STEPS: usize = 300;

const BROWSER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
a=fingerprint:sha-256 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00\r\n\
a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n\
a=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n";

const PHONES: [&str; 6] = [
    "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n\
a=rtpmap:101 telephone-event/8000\r\n",
    "v=0\r\no=- 1 2 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0\r\na=sendonly\r\n",
    "v=0\r\no=- 2 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n",
    "v=0\r\no=- 3 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n",
    "v=0\r\no=- 3 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 media.example.org\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n",
    "nonsense",
];

/// The header field of an outbound INVITE by which a looped call is recognized.
const MARK: &str = "Offhook-Call";

const NAMES: [&str; 4] = ["alice", "bob", "1002", "sip:carol@example.org"];
const STATUSES: [u16; 8] = [180, 183, 200, 202, 302, 404, 486, 603];

/// Runs a script: each octet selects an action, those after it its object. After all participants have left, no state
/// may remain.
pub(crate) fn fuzz_relay(data: &[u8]) {
    let mut stage = Stage::new();
    let mut script = Script(data);
    for _ in 0..MAX_STEPS {
        let Some(step) = script.next() else { break };
        stage.step(step, &mut script);
    }
    stage.finish();
}

struct Stage {
    relay: Relay,
    now: Time,
    pages: BTreeMap<ConnectionId, BTreeSet<CallId>>,
    accounts: BTreeSet<AccountId>,
    /// Calls of the user agent, which it ends once each.
    invites: BTreeSet<InviteId>,
    /// The marks of the outbound calls among them, by which looped calls are recognized.
    marks: BTreeMap<InviteId, String>,
    legs: BTreeSet<LegKey>,
    next: u64,
}

fn config() -> Config {
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let rtp = RtpAddress { advertised: address, local: address };
    let sip = Sip {
        user_agent: UserAgentSettings {
            local: Vec::new(),
            domain: "relay.example".to_owned(),
            phones: Vec::new(),
            destinations: Destinations::new(Servers::Any, false),
            any_domain: false,
            accept_unknown: true,
            redirects: Redirects::All,
            trusted: Vec::new(),
            product: "Offhook".to_owned(),
            t1: Duration::from_millis(500),
            session_expires: Duration::ZERO,
            min_session_expires: Duration::from_secs(90),
            keep_alive: Duration::ZERO,
            nat_keep_alive: Duration::ZERO,
            inside: offhook_sip::transport::Inside::default(),
        },
        accounts: BTreeMap::new(),
        trunk: None,
        forward_to: Vec::new(),
        expires: Duration::from_secs(600),
        srtp: Srtp::Accepted,
        profile: MediaProfile::Rtp,
        ports: PortRules { rest: Duration::from_secs(1), reserved: 2, per_user: 16 },
        workers: vec![RtpWorker { addresses: vec![rtp], first_port: 20_000, last_port: 20_015 }],
    };
    Config {
        node: 0,
        admission: AcceptedLogins::Anyone,
        anonymous: false,
        password_checks: 2,
        accounts: BTreeSet::new(),
        routing: Routing::Local,
        authorization: Authorization::Local,
        call_waiting: CallWaiting::Rings,
        busy_status: BusyStatus::Failed,
        direct_media: true,
        ring_timeout: Duration::from_secs(30),
        keep_alive_for: Duration::from_secs(30),
        ping_interval: Duration::ZERO,
        ping_probes: 10,
        connection_timeout: Duration::from_secs(10),
        max_frame: 100_000,
        message_rate: 10_000,
        message_burst: 10_000,
        max_calls_per_session: 3,
        max_sessions_per_login: 3,
        guards: GuardRules::default(),
        token_notice: None,
        own: OwnNames::default(),
        codecs: Vec::new(),
        conversions: Conversions::G711,
        fingerprint: Fingerprint::sha256([7; 32]),
        workers: vec![vec![SocketAddr::new(address, 4000)]],
        sip: Some(Box::new(sip)),
    }
}

impl Stage {
    fn new() -> Self {
        let relay = Relay::with_external_agent(config(), [1; 32]);
        Self {
            relay,
            now: Time::EPOCH,
            pages: BTreeMap::new(),
            accounts: BTreeSet::new(),
            invites: BTreeSet::new(),
            marks: BTreeMap::new(),
            legs: BTreeSet::new(),
            next: 0,
        }
    }

    fn step(&mut self, step: usize, script: &mut Script<'_>) {
        self.next += 1;
        match step % 16 {
            0 => self.sign_in(script),
            1..=6 => self.page_acts(script),
            7 => self.inbound_call(script),
            8..=12 => self.peer_acts(script),
            13 => self.account_acts(script),
            14 => self.leg_acts(script),
            _ => self.wait(Duration::from_millis(script.pick(&[10, 1_000, 40_000]).unwrap_or(10))),
        }
    }

    fn input(&mut self, input: Input) {
        self.relay.handle_input(input, self.now);
        self.collect();
    }

    fn event(&mut self, event: Event) {
        self.relay.handle_agent_event(event, self.now);
        self.collect();
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.relay.handle_timeout(self.now);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(command) = self.relay.poll_agent_command() {
            match command {
                Command::AddAccount { account, .. } => {
                    self.accounts.insert(account);
                }
                Command::RemoveAccount { account } => {
                    self.accounts.remove(&account);
                }
                Command::Invite { invite, request } => {
                    assert!(self.invites.insert(invite), "a call is placed once");
                    let mark = request.headers.into_iter().find(|(name, _)| name == MARK);
                    self.marks.extend(mark.map(|(_, mark)| (invite, mark)));
                }
                _ => {}
            }
        }
        while let Some(output) = self.relay.poll_output() {
            match output {
                Output::Send { connection, text } => self.handle_frame(connection, &text),
                Output::Close { connection, .. } => {
                    self.pages.remove(&connection);
                }
                Output::Media { command: MediaCommand::ReservePorts { pairs, .. }, .. } => {
                    let (in_use, ready) = pairs.into_iter().partition(|pair| pair.rtp().is_multiple_of(3));
                    self.relay.handle_input(Input::Media(MediaEvent::PortsReserved { ready, in_use }), self.now);
                }
                Output::Media { command: MediaCommand::Open { leg, .. }, .. } => {
                    self.legs.insert(leg);
                }
                Output::Media { command: MediaCommand::Close { leg }, .. } => {
                    self.legs.remove(&leg);
                }
                // Every third request remains without a response.
                Output::ResolveHost { request, .. } if !request.0.is_multiple_of(3) => {
                    let addresses = vec![IpAddr::from([198, 51, 100, 7])];
                    self.relay.handle_input(Input::HostResolved { request, addresses }, self.now);
                }
                Output::ResolveHost { .. }
                | Output::Route { .. }
                | Output::Authorization(_)
                | Output::VerifyPassword { .. }
                | Output::VerifyToken { .. }
                | Output::Offense(_)
                | Output::Media { .. }
                | Output::RegistrationFailed { .. }
                | Output::ServerNotPermitted { .. }
                | Output::CallEvent { .. }
                | Output::CommandResult { .. }
                | Output::Sip(_) => {}
            }
        }
    }

    fn handle_frame(&mut self, page: ConnectionId, text: &str) {
        let Some(calls) = self.pages.get_mut(&page) else { return };
        match ServerMessage::parse(text) {
            Ok(Some(ServerMessage::IncomingCall(call))) => {
                calls.insert(call.call_id.clone());
            }
            Ok(Some(ServerMessage::CallStatus(call))) if call.status.is_terminal() => {
                calls.remove(&call.call_id);
            }
            Ok(_) => {}
            Err(_) => assert!(text.is_empty(), "what is sent can be read"),
        }
    }

    fn send(&mut self, page: ConnectionId, message: &ClientMessage) {
        self.input(Input::Text { connection: page, text: message.to_json() });
    }

    fn sign_in(&mut self, script: &mut Script<'_>) {
        let connection = ConnectionId(self.next);
        let sip = SipOptions {
            login: script.pick(&["alice", "bob"]).map(str::to_owned),
            domain: script.pick(&[Some("example.org".to_owned()), None]).flatten(),
            ..SipOptions::default()
        };
        let keep_alive = script.pick(&[Some(true), None]).flatten();
        let hello =
            ConnectionMessage { sip, keep_alive, offhook: Some(Extension::ours()), ..ConnectionMessage::default() };
        self.pages.insert(connection, BTreeSet::new());
        self.input(Input::Connected { connection, address: [192, 0, 2, 100].into(), host: None, origin: None });
        self.send(connection, &ClientMessage::Connection(Box::new(hello)));
    }

    fn page_acts(&mut self, script: &mut Script<'_>) {
        let pages: Vec<ConnectionId> = self.pages.keys().copied().collect();
        let Some(page) = script.pick(&pages) else { return };
        let calls: Vec<CallId> = self.pages.get(&page).into_iter().flatten().cloned().collect();
        let name = script.pick(&NAMES).unwrap_or_default().to_owned();
        let (action, call) = (script.next().unwrap_or(0) % 12, script.pick(&calls));
        let message = match (action, call) {
            (0, _) => return self.input(Input::Disconnected { connection: page }),
            (1..=3, _) | (_, None) => {
                let call_id = CallId(format!("call-{}", self.next));
                self.pages.entry(page).or_default().insert(call_id.clone());
                ClientMessage::Call(Box::new(CallMessage {
                    call_id,
                    callee: name,
                    caller: None,
                    visible_name: None,
                    has_audio: true,
                    has_video: false,
                    sdp: BROWSER.to_owned(),
                    sip_sdp: Vec::new(),
                    sip_headers: Vec::new(),
                    custom: None,
                    local_media_info: None,
                }))
            }
            (4..=6, Some(call_id)) => ClientMessage::Answer(Box::new(Answer {
                call_id,
                sdp: BROWSER.replace("actpass", "active"),
                callee: None,
                sip_sdp: Vec::new(),
                custom: None,
                local_media_info: None,
            })),
            (7, Some(call_id)) => ClientMessage::Hangup(call_id),
            (8, Some(call_id)) => ClientMessage::Hold { call_id, for_transfer: false },
            (9, Some(call_id)) => ClientMessage::Unhold(call_id),
            (10, Some(call_id)) => ClientMessage::SendDtmf { call_id, kind: DtmfType::Info, digits: "1".to_owned() },
            (_, Some(call_id)) => ClientMessage::Transfer { call_id, target: name },
        };
        self.send(page, &message);
    }

    fn body(script: &mut Script<'_>) -> Option<Body> {
        let text = script.pick(&PHONES)?;
        let content_type = script.pick(&["application/sdp", "application/sdp", "text/plain"])?.to_owned();
        (script.next()? % 4 > 0).then(|| Body { content_type, octets: text.as_bytes().to_vec() })
    }

    fn inbound_call(&mut self, script: &mut Script<'_>) {
        let accounts: Vec<AccountId> = self.accounts.iter().copied().collect();
        let origin = match (script.next().unwrap_or(0) % 3, script.pick(&accounts)) {
            (0, Some(account)) => Origin::Account(account),
            (1, _) => Origin::Phone("bob".to_owned()),
            _ => Origin::Unknown,
        };
        let replaces = Self::invite(&self.invites, script).filter(|_| script.next().unwrap_or(0).is_multiple_of(4));
        let mut headers = Vec::new();
        if let Some(mark) = self.marks.values().next().filter(|_| script.next().unwrap_or(0).is_multiple_of(2)) {
            headers.push((MARK.to_owned(), mark.clone()));
        }
        let invite = InviteId::Inbound(self.next);
        self.invites.insert(invite);
        let identity = |user: &str| Identity { name: None, uri: uri_of(user) };
        let request = InboundInvite {
            origin,
            source: Ipv4Addr::LOCALHOST.into(),
            request_uri: uri_of(script.pick(&NAMES).unwrap_or_default()),
            from: identity("1003"),
            to: identity("alice"),
            called_party: None,
            asserted: None,
            anonymous: false,
            diverted_by: Vec::new(),
            offer: Self::body(script),
            headers,
            replaces,
        };
        self.event(Event::Incoming { invite, request: Box::new(request) });
    }

    fn invite(invites: &BTreeSet<InviteId>, script: &mut Script<'_>) -> Option<InviteId> {
        let invites: Vec<InviteId> = invites.iter().copied().collect();
        script.pick(&invites)
    }

    fn peer_acts(&mut self, script: &mut Script<'_>) {
        let Some(invite) = Self::invite(&self.invites, script) else { return };
        let other = Self::invite(&self.invites, script);
        let action = script.next().unwrap_or(0) % 12;
        let (status, branch) = (script.pick(&STATUSES).unwrap_or(200), Branch(u32::from(script.next() == Some(1))));
        let (body, reason) = (Self::body(script), String::new());
        let event = match (action, body) {
            (0 | 1, body) => Event::Progress { invite, branch, status: 180 + status % 4, reason, body },
            (2..=4, body) => Event::Answered { invite, branch, body },
            (5, Some(body)) => Event::OfferAnswered { invite, body },
            (5, None) => Event::OfferRefused { invite, status: 488 },
            (6, body) => Event::Offer { invite, branch, body },
            (7, body) => Event::Refer {
                invite,
                target: Box::new(uri_of(script.pick(&NAMES).unwrap_or_default())),
                replaces: None,
                replaced: other.filter(|_| body.is_some()),
                referred_by: None,
            },
            (8, body) => Event::ReferProgress { invite, status, is_final: status >= 200, is_refused: body.is_none() },
            (9, body) => {
                let digits = Body { content_type: "application/dtmf".to_owned(), octets: b"5".to_vec() };
                Event::Info { invite, body: body.unwrap_or(digits) }
            }
            (_, body) => {
                self.invites.remove(&invite);
                self.marks.remove(&invite);
                let cause = match body {
                    Some(_) => Cause::Refused { status: status.max(300), reason, contacts: Vec::new() },
                    None => Cause::Remote { reason: None },
                };
                Event::Ended { invite, cause }
            }
        };
        self.event(event);
    }

    fn account_acts(&mut self, script: &mut Script<'_>) {
        let accounts: Vec<AccountId> = self.accounts.iter().copied().collect();
        let Some(account) = script.pick(&accounts) else {
            let (user, binding) = ("bob".to_owned(), BindingId(1));
            return self.event(match script.next().unwrap_or(0) % 2 {
                0 => Event::PhoneBound { user, binding },
                _ => Event::PhoneUnbound { user, binding },
            });
        };
        let failure = Failure::Timeout;
        let retry_at = Some(self.now + Duration::from_secs(30));
        self.event(match script.next().unwrap_or(0) % 4 {
            0 => Event::RegistrationFailed { account, failure, retry_at },
            1 => Event::RegistrationFailed { account, failure, retry_at: None },
            _ => Event::Registered { account, expires: Duration::from_secs(600) },
        });
    }

    fn leg_acts(&mut self, script: &mut Script<'_>) {
        let legs: Vec<LegKey> = self.legs.iter().copied().collect();
        let Some(leg) = script.pick(&legs) else { return };
        self.input(Input::Media(match script.next().unwrap_or(0) % 4 {
            0 => MediaEvent::LegDead { leg },
            1 => MediaEvent::LegFailed { leg, failure: TransportFailure::NoPort },
            2 => MediaEvent::KeyFrameWanted { leg },
            _ => MediaEvent::DtmfReceived { leg, digit: '5' },
        }));
    }

    /// Ends all sessions and calls.
    fn finish(mut self) {
        for connection in core::mem::take(&mut self.pages).into_keys() {
            self.input(Input::Disconnected { connection });
        }
        while let Some(invite) = self.invites.pop_first() {
            self.event(Event::Ended { invite, cause: Cause::Remote { reason: None } });
        }
        self.wait(Duration::from_secs(100));
        self.wait(Duration::from_secs(100));
        assert!(self.relay.is_idle(), "nothing is left: {:?}", self.relay.counts());
        assert_eq!(self.relay.poll_timeout(), None);
    }
}

/// Returns the text as a URI, or the URI of a user with this name.
fn uri_of(name: &str) -> Uri {
    name.parse().unwrap_or_else(|_| Uri::sip(name, Host::Name("relay.example".to_owned())))
}
