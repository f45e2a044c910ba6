//! A user agent in virtual time, with parsed SIP messages as input and output.

use crate::auth::Login;
use crate::message::{HeaderName, Message, Method, Request, Response};
use crate::transport::{self, FlowId, Hop, LocalAddress, Source, Target, Transport};
use crate::user_agent::destinations::{Destinations, Servers};
use crate::user_agent::io::{
    Account, AccountId, Body, CalledNumberSource, Command, Destination, Event, Identity, Input, InviteId,
    OutboundInvite, Output, Redirects, UserAgentSettings,
};
use crate::user_agent::{UserAgent, UserAgentCounts};
use core::time::Duration;
use offhook_clock::Time;
use offhook_limits::offense::Kind;
use offhook_secret::InClear;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

pub(crate) const ALICE: AccountId = AccountId(1);
pub(crate) const CALL: InviteId = InviteId::Outbound(1);

pub(crate) fn peer() -> SocketAddr {
    "192.0.2.2:5060".parse().unwrap()
}

pub(crate) fn settings() -> UserAgentSettings {
    let local = |transport, port| LocalAddress { transport, host: "192.0.2.1".into(), port, is_ipv6: false };
    UserAgentSettings {
        local: vec![local(Transport::Udp, 5060), local(Transport::Tcp, 5060), local(Transport::Tls, 5061)],
        domain: "relay.example".into(),
        phones: Vec::new(),
        destinations: Destinations::new(Servers::Any, true),
        any_domain: false,
        accept_unknown: false,
        redirects: Redirects::All,
        trusted: Vec::new(),
        product: "Offhook".into(),
        t1: Duration::from_millis(500),
        session_expires: Duration::ZERO,
        min_session_expires: Duration::from_secs(90),
        keep_alive: Duration::from_secs(120),
        nat_keep_alive: Duration::ZERO,
        inside: transport::Inside::default(),
    }
}

pub(crate) fn alice() -> Account {
    Account {
        identity: Identity { name: Some("Alice".into()), uri: "sip:alice@example.org".parse().unwrap() },
        login: Some(Login::new("alice", "secret")),
        registrar: None,
        route: vec!["sip:192.0.2.2".parse().unwrap()],
        transport: None,
        expires: Duration::from_secs(600),
        options_interval: Duration::ZERO,
        sources: Vec::new(),
        called_number: CalledNumberSource::ALL.to_vec(),
        is_trunk: false,
        persists: false,
        retry_interval: Duration::from_secs(60),
        contact_user: "alice-1".into(),
    }
}

pub(crate) fn sdp(text: &str) -> Body {
    Body { content_type: "application/sdp".into(), octets: text.as_bytes().to_vec() }
}

pub(crate) fn order(offer: Option<&str>) -> OutboundInvite {
    OutboundInvite {
        account: Some(ALICE),
        from: None,
        to: Destination::Uri("sip:bob@example.org".parse().unwrap()),
        offer: offer.map(sdp),
        headers: Vec::new(),
        anonymous: false,
        asserted: None,
        referred_by: None,
        diverted_by: None,
        replaces: None,
    }
}

/// The user agent, its clock, and the outputs that no test has consumed yet.
pub(crate) struct Bench {
    pub(crate) agent: UserAgent,
    pub(crate) now: Time,
    pub(crate) sent: Vec<Message>,
    pub(crate) events: Vec<Event>,
    /// The reported source addresses, separate from the other events.
    pub(crate) sources: Vec<IpAddr>,
    /// The offenses that were reported.
    pub(crate) offenses: Vec<Kind>,
    /// The number of [`Output::KeepFlow`] minus [`Output::ReleaseFlow`] per flow.
    pub(crate) kept_flows: BTreeMap<FlowId, i32>,
    branches: u32,
    /// The `RSeq` of the latest reliable response.
    pub(crate) last_rseq: Option<String>,
}

impl Bench {
    pub(crate) fn new(settings: UserAgentSettings) -> Self {
        let agent = UserAgent::new(settings, [7; 32], Time::EPOCH);
        Self {
            agent,
            now: Time::EPOCH,
            sent: Vec::new(),
            events: Vec::new(),
            sources: Vec::new(),
            offenses: Vec::new(),
            kept_flows: BTreeMap::new(),
            branches: 0,
            last_rseq: None,
        }
    }

    /// Creates a user agent with Alice's account.
    pub(crate) fn with_alice(settings: UserAgentSettings) -> Self {
        let mut bench = Self::new(settings);
        bench.command(Command::AddAccount { account: ALICE, settings: Box::new(alice()) });
        bench
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.agent.handle_input(input, self.now);
        self.collect();
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    fn collect(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transport(transport::io::Output::Send { octets, hop, .. }) => {
                    assert!(matches!(hop, Hop::Flow(_) | Hop::Target(Target { .. })));
                    self.sent.push(Message::parse(&octets).expect("sent messages must parse"));
                }
                Output::Event(Event::SourceChanged { source, .. }) => self.sources.push(source),
                Output::Event(Event::Offense { kind, .. }) => self.offenses.push(kind),
                Output::Event(event) => self.events.push(event),
                Output::Transport(transport::io::Output::Close { .. }) => {}
                Output::Transport(transport::io::Output::KeepFlow { flow }) => {
                    *self.kept_flows.entry(flow).or_insert(0) += 1;
                }
                Output::Transport(transport::io::Output::ReleaseFlow { flow }) => {
                    *self.kept_flows.entry(flow).or_insert(0) -= 1;
                }
                Output::Transport(transport::io::Output::Resolve { query, .. }) => {
                    let target = Target { transport: Transport::Udp, address: peer(), host: None };
                    self.agent.handle_input(
                        Input::Transport(transport::io::Input::Resolved { query, targets: vec![target] }),
                        self.now,
                    );
                }
            }
        }
    }

    /// Advances the clock and handles every deadline at its time.
    pub(crate) fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
            self.collect();
        }
        self.now = until;
    }

    pub(crate) fn receive(&mut self, message: impl Into<Message>) {
        self.receive_over(Transport::Udp, message);
    }

    pub(crate) fn receive_over(&mut self, transport: Transport, message: impl Into<Message>) {
        self.receive_from(peer(), transport, message);
    }

    pub(crate) fn receive_from(&mut self, remote: SocketAddr, transport: Transport, message: impl Into<Message>) {
        let source = Source { flow: FlowId(1), transport, local: "192.0.2.1:5060".parse().unwrap(), remote };
        let octets = message.into().to_bytes();
        self.input(Input::Transport(transport::io::Input::Received { source, octets }));
    }

    pub(crate) fn note_rseq(&mut self) {
        self.last_rseq = self.sent.iter().rev().find_map(|sent| sent.headers().get("RSeq").map(str::to_owned));
    }

    /// Returns the message that was sent, which must be the only one.
    #[track_caller]
    pub(crate) fn only(&mut self) -> Message {
        assert_eq!(self.sent.len(), 1, "{:#?}", self.sent);
        self.sent.remove(0)
    }

    #[track_caller]
    pub(crate) fn request(&mut self, method: &Method) -> Request {
        let at = self.sent.iter().position(|sent| matches!(sent, Message::Request(r) if r.method == *method));
        match self.sent.remove(at.unwrap_or_else(|| panic!("no {method} among {:#?}", self.sent))) {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!(),
        }
    }

    #[track_caller]
    pub(crate) fn response(&mut self, status: u16) -> Response {
        let at = self.sent.iter().position(|sent| matches!(sent, Message::Response(r) if r.status == status));
        match self.sent.remove(at.unwrap_or_else(|| panic!("no {status} among {:#?}", self.sent))) {
            Message::Response(response) => response,
            Message::Request(_) => unreachable!(),
        }
    }

    #[track_caller]
    pub(crate) fn event(&mut self) -> Event {
        assert_eq!(self.events.len(), 1, "{:#?}", self.events);
        self.events.remove(0)
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    /// Asserts that there are no messages and events.
    #[track_caller]
    pub(crate) fn assert_quiet(&self) {
        assert!(self.sent.is_empty() && self.events.is_empty(), "{:#?} {:#?}", self.sent, self.events);
    }

    /// Asserts that no state remains after all timers have expired.
    #[track_caller]
    pub(crate) fn assert_empty(&mut self) {
        self.wait(Duration::from_secs(200));
        let counts = UserAgentCounts { accounts: 0, ignored: 0, ..self.agent.counts() };
        assert_eq!(counts, UserAgentCounts::default());
        let json = serde_json::to_string(&InClear(&self.agent.state())).expect("a user agent can be saved");
        let loaded = serde_json::from_str(&json).expect("and loaded");
        let loaded = UserAgent::restore(self.agent.context.settings.clone(), loaded);
        assert_eq!(loaded, self.agent);
    }

    /// Returns a new branch for a request of the peer.
    pub(crate) fn branch(&mut self) -> String {
        self.branches += 1;
        format!("z9hG4bKpeer{}", self.branches)
    }

    /// Creates a request of the peer from its lines, with `Via`, `Max-Forwards` and body.
    pub(crate) fn make(&mut self, start: &str, lines: &[&str], body: Option<&Body>) -> Request {
        let mut text = format!("{start} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch={};rport\r\n", self.branch());
        text.push_str("Max-Forwards: 70\r\n");
        for line in lines {
            text.push_str(line);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        match Message::parse(text.as_bytes()).expect("the peer's request must parse") {
            Message::Request(mut request) => {
                if let Some(body) = body {
                    request.set_body(&body.content_type, body.octets.clone());
                }
                request
            }
            Message::Response(_) => unreachable!(),
        }
    }
}

/// Creates a response of the callee with the tag `tag`.
pub(crate) fn reply(request: &Request, status: u16, tag: &str) -> Response {
    let mut response = Response::to(request, status, "");
    response.set_to_tag(tag);
    if status > 100 && status < 300 {
        response.headers.push(HeaderName::Contact, format_args!("<sip:{tag}@192.0.2.2>"));
    }
    response
}

pub(crate) fn with_body(mut response: Response, text: &str) -> Response {
    response.set_body("application/sdp", text.as_bytes().to_vec());
    response
}

pub(crate) fn with(mut response: Response, name: &str, value: &str) -> Response {
    response.headers.push(name, value);
    response
}

pub(crate) const INBOUND: InviteId = InviteId::Inbound(1);

/// The headers of Bob's call to Alice.
pub(crate) const FROM_BOB: [&str; 5] = [
    "From: \"Bob\" <sip:bob@example.org>;tag=b1",
    "To: <sip:alice@example.org>",
    "Call-ID: c1",
    "CSeq: 1 INVITE",
    "Contact: <sip:bob@192.0.2.2>",
];

/// Lets Alice call Bob. Returns the INVITE.
pub(crate) fn calling(settings: UserAgentSettings, offer: Option<&str>) -> (Bench, Request) {
    let mut bench = Bench::with_alice(settings);
    bench.command(Command::Invite { invite: CALL, request: Box::new(order(offer)) });
    let invite = bench.request(&Method::Invite);
    bench.assert_quiet();
    (bench, invite)
}

/// Lets Alice call Bob, who answers with further headers.
pub(crate) fn called_out(settings: UserAgentSettings, more: &[(&str, &str)]) -> (Bench, DialogPeer) {
    let (mut bench, invite) = calling(settings, Some("offer"));
    let success = with_body(reply(&invite, 200, "bob"), "answer");
    bench.receive(more.iter().fold(success, |success, (name, value)| with(success, name, value)));
    bench.request(&Method::Ack);
    bench.take_events();
    (bench, DialogPeer::callee(&invite, "bob"))
}

/// Lets Bob call Alice with further headers. Returns his INVITE, to which only 100 was sent.
pub(crate) fn called_in(settings: UserAgentSettings, more: &[&str], offer: Option<&str>) -> (Bench, Request) {
    let mut bench = Bench::with_alice(settings);
    let lines: Vec<&str> = FROM_BOB.iter().copied().chain(more.iter().copied()).collect();
    let invite = bench.make("INVITE sip:alice-1@192.0.2.1", &lines, offer.map(sdp).as_ref());
    bench.receive(invite.clone());
    bench.response(100);
    bench.take_events();
    (bench, invite)
}

/// Lets Bob call Alice with further headers; she answers.
pub(crate) fn answered_in(settings: UserAgentSettings, more: &[&str]) -> (Bench, DialogPeer, Response) {
    let (mut bench, _) = called_in(settings, more, Some("offer"));
    bench.command(Command::Accept { invite: INBOUND, body: Some(sdp("answer")) });
    let success = bench.response(200);
    let mut bob = DialogPeer::caller(&success);
    let ack = bob.request(&mut bench, "ACK", &[], None);
    bench.receive(ack);
    bench.assert_quiet();
    (bench, bob, success)
}

/// The peer of a dialog with the user agent: creates its requests and ACKs.
#[derive(Clone, Debug)]
pub(crate) struct DialogPeer {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) remote_tag: String,
    pub(crate) cseq: u32,
}

impl DialogPeer {
    /// Creates the callee of a call from the user agent.
    pub(crate) fn callee(invite: &Request, tag: &str) -> Self {
        Self {
            call_id: invite.headers.call_id().unwrap().to_owned(),
            local_tag: tag.to_owned(),
            remote_tag: invite.headers.from().unwrap().tag().unwrap().to_owned(),
            cseq: 100,
        }
    }

    /// Creates the caller, from a response of the user agent.
    pub(crate) fn caller(response: &Response) -> Self {
        Self {
            call_id: response.headers.call_id().unwrap().to_owned(),
            local_tag: response.headers.from().unwrap().tag().unwrap().to_owned(),
            remote_tag: response.headers.to().unwrap().tag().unwrap().to_owned(),
            cseq: response.headers.cseq().unwrap().number,
        }
    }

    pub(crate) fn request(&mut self, bench: &mut Bench, method: &str, more: &[&str], body: Option<&Body>) -> Request {
        if method != "ACK" {
            self.cseq += 1;
        }
        self.numbered(bench, method, self.cseq, more, body)
    }

    pub(crate) fn numbered(
        &self,
        bench: &mut Bench,
        method: &str,
        cseq: u32,
        more: &[&str],
        body: Option<&Body>,
    ) -> Request {
        let lines = [
            format!("From: <sip:bob@example.org>;tag={}", self.local_tag),
            format!("To: <sip:alice@example.org>;tag={}", self.remote_tag),
            format!("Call-ID: {}", self.call_id),
            format!("CSeq: {cseq} {method}"),
            format!("Contact: <sip:{}@192.0.2.2>", self.local_tag),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).chain(more.iter().copied()).collect();
        bench.make(&format!("{method} sip:alice-1@192.0.2.1"), &lines, body)
    }
}
