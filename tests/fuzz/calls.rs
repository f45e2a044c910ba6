//! Fuzz target of the user agent: arbitrary actions of a peer and of the call model.

use crate::script::Script;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sip::auth::Login;
use offhook_sip::message::{HeaderName, Message, Method, Request, Response, Uri};
use offhook_sip::transport::{self, FlowId, Source, Transport};
use offhook_sip::user_agent::destinations::{Destinations, Servers};
use offhook_sip::user_agent::io::{
    Account, AccountId, Body, Branch, CalledNumberSource, Command, Destination, Event, Identity, Input, InviteId,
    LocalAddress, OutboundInvite, Output, Redirects, UserAgentSettings,
};
use offhook_sip::user_agent::{UserAgent, UserAgentCounts};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The maximum number of steps of a script.
const MAX_STEPS: usize = 200;

/// The maximum number of unanswered requests of the user agent.
const MAX_OPEN: usize = 8;

const RELAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 5060);
const STATUSES: [u16; 16] = [100, 180, 183, 199, 200, 202, 302, 401, 408, 422, 481, 486, 487, 491, 500, 503];
const METHODS: [&str; 12] =
    ["ACK", "BYE", "INVITE", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "OPTIONS", "MESSAGE", "CANCEL", "SUBSCRIBE"];
const WAITS: [u64; 4] = [10, 600, 5_000, 70_000];

/// Runs a script. Each octet selects an action and the following ones its parameters. Asserts that every call ends
/// exactly once and that no state remains.
pub(crate) fn fuzz_calls(data: &[u8]) {
    let mut stage = Stage::new();
    let mut script = Script(data);
    for _ in 0..MAX_STEPS {
        let Some(step) = script.next() else { break };
        stage.step(step, &mut script);
    }
    stage.finish();
}

/// A dialog from the peer's point of view.
#[derive(Clone, Default)]
struct Dialog {
    call_id: String,
    local_tag: String,
    peer_tag: String,
    cseq: u32,
    rseq: u32,
}

struct Stage {
    agent: UserAgent,
    now: Time,
    open: VecDeque<Request>,
    dialogs: Vec<Dialog>,
    /// Calls, and whether each has ended.
    calls: BTreeMap<InviteId, bool>,
    placed: u64,
    branches: u64,
}

impl Stage {
    fn new() -> Self {
        let local = |transport| LocalAddress { transport, host: RELAY.ip().to_string(), port: 5060, is_ipv6: false };
        let settings = UserAgentSettings {
            local: vec![local(Transport::Udp), local(Transport::Tcp)],
            domain: "relay.example".to_owned(),
            phones: Vec::new(),
            destinations: Destinations::new(Servers::Any, true),
            redirects: Redirects::All,
            any_domain: false,
            accept_unknown: true,
            trusted: Vec::new(),
            product: "Offhook".to_owned(),
            t1: Duration::from_millis(500),
            session_expires: Duration::from_secs(90),
            min_session_expires: Duration::from_secs(90),
            keep_alive: Duration::ZERO,
            nat_keep_alive: Duration::ZERO,
            inside: transport::Inside::default(),
        };
        let agent = UserAgent::new(settings, [1; 32], Time::EPOCH);
        let mut stage = Self {
            agent,
            now: Time::EPOCH,
            open: VecDeque::new(),
            dialogs: Vec::new(),
            calls: BTreeMap::new(),
            placed: 0,
            branches: 0,
        };
        let account = Account {
            identity: Identity { name: None, uri: Uri::sip("alice", PEER.ip().into()) },
            login: Some(Login::new("alice", "secret")),
            registrar: None,
            route: Vec::new(),
            transport: None,
            expires: Duration::from_secs(600),
            options_interval: Duration::ZERO,
            sources: Vec::new(),
            called_number: CalledNumberSource::ALL.to_vec(),
            is_trunk: false,
            persists: false,
            retry_interval: Duration::from_secs(60),
            contact_user: "alice".to_owned(),
        };
        stage.command(Command::AddAccount { account: AccountId(1), settings: Box::new(account) });
        stage
    }

    fn step(&mut self, step: usize, script: &mut Script<'_>) {
        match step % 8 {
            0 => self.place(script),
            1 => self.invite(script),
            2 | 3 => self.respond(script),
            4 | 5 => self.request(script),
            6 => self.act(script),
            _ => self.wait(Duration::from_millis(script.pick(&WAITS).unwrap_or(10))),
        }
    }

    fn input(&mut self, input: Input) {
        self.agent.handle_input(input, self.now);
        self.collect();
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    fn deliver(&mut self, octets: Vec<u8>) {
        let source = Source { flow: FlowId(1), transport: Transport::Udp, local: RELAY, remote: PEER };
        self.input(Input::Transport(transport::io::Input::Received { source, octets }));
    }

    fn collect(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transport(transport::io::Output::Send { octets, .. }) => {
                    let sent = Message::parse(&octets);
                    assert!(sent.is_ok(), "sent messages must parse");
                    sent.into_iter().for_each(|sent| self.receive(sent));
                }
                Output::Event(event) => self.observe(&event),
                Output::Transport(transport::io::Output::Close { .. })
                | Output::Transport(transport::io::Output::KeepFlow { .. })
                | Output::Transport(transport::io::Output::ReleaseFlow { .. }) => {}
                Output::Transport(transport::io::Output::Resolve { query, .. }) => {
                    self.agent.handle_input(
                        Input::Transport(transport::io::Input::Resolved { query, targets: Vec::new() }),
                        self.now,
                    );
                }
            }
        }
    }

    fn receive(&mut self, sent: Message) {
        match sent {
            Message::Request(request) if request.method != Method::Ack => {
                self.open.push_back(request);
                if self.open.len() > MAX_OPEN {
                    self.open.pop_front();
                }
            }
            Message::Request(_) => {}
            Message::Response(response) => {
                let headers = &response.headers;
                let (Ok(from), Ok(to), Ok(call_id)) = (headers.from(), headers.to(), headers.call_id()) else { return };
                let (Some(local_tag), Some(peer_tag)) = (from.tag(), to.tag()) else { return };
                let rseq = headers.rseq().and_then(Result::ok);
                self.add_dialog(call_id, local_tag, peer_tag, rseq);
            }
        }
    }

    fn add_dialog(&mut self, call_id: &str, local_tag: &str, peer_tag: &str, rseq: Option<u32>) {
        let same = |dialog: &&mut Dialog| {
            dialog.call_id == call_id && dialog.local_tag == local_tag && dialog.peer_tag == peer_tag
        };
        match (self.dialogs.iter_mut().find(same), rseq) {
            (Some(dialog), Some(rseq)) => dialog.rseq = rseq,
            (Some(_), None) => {}
            (None, rseq) => self.dialogs.push(Dialog {
                call_id: call_id.to_owned(),
                local_tag: local_tag.to_owned(),
                peer_tag: peer_tag.to_owned(),
                cseq: 1,
                rseq: rseq.unwrap_or(0),
            }),
        }
    }

    fn observe(&mut self, event: &Event) {
        let invite = match event {
            Event::Incoming { invite, .. } => {
                assert!(self.calls.insert(*invite, false).is_none(), "a call is reported once");
                return;
            }
            Event::Ended { invite, .. } => {
                assert_eq!(self.calls.insert(*invite, true), Some(false), "every call ends once");
                return;
            }
            Event::SourceChanged { invite, .. }
            | Event::Progress { invite, .. }
            | Event::Answered { invite, .. }
            | Event::OfferAnswered { invite, .. }
            | Event::OfferRefused { invite, .. }
            | Event::Offer { invite, .. }
            | Event::Refer { invite, .. }
            | Event::ReferProgress { invite, .. }
            | Event::Info { invite, .. } => *invite,
            Event::Registered { .. }
            | Event::RegistrationFailed { .. }
            | Event::Unregistered { .. }
            | Event::PhoneBound { .. }
            | Event::PhoneUnbound { .. }
            | Event::Offense { .. } => return,
        };
        assert_eq!(self.calls.get(&invite), Some(&false), "nothing follows the end");
    }

    fn place(&mut self, script: &mut Script<'_>) {
        self.placed += 1;
        let invite = InviteId::Outbound(self.placed);
        let request = OutboundInvite {
            account: Some(AccountId(1)),
            from: None,
            to: Destination::Uri(Uri::sip("bob", PEER.ip().into())),
            offer: (script.below(2) == 0).then(|| self.body()),
            headers: Vec::new(),
            anonymous: false,
            asserted: None,
            referred_by: None,
            diverted_by: None,
            replaces: None,
        };
        self.calls.insert(invite, false);
        self.command(Command::Invite { invite, request: Box::new(request) });
    }

    fn body(&mut self) -> Body {
        self.branches += 1;
        Body { content_type: "application/sdp".to_owned(), octets: format!("body {}", self.branches).into_bytes() }
    }

    /// Creates a request of the peer with additional headers.
    fn make(&mut self, method: &str, dialog: &Dialog, more: &str, has_body: bool) -> Vec<u8> {
        self.branches += 1;
        let (branch, Dialog { call_id, local_tag, peer_tag, cseq, .. }) = (self.branches, dialog);
        let to = if peer_tag.is_empty() { String::new() } else { format!(";tag={peer_tag}") };
        let body = if has_body { format!("offer {branch}") } else { String::new() };
        format!(
            "{method} sip:alice@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bob@192.0.2.2>;tag={local_tag}\r\nTo: <sip:alice@192.0.2.1>{to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:bob@192.0.2.2>\r\n\
             Content-Type: application/sdp\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    fn invite(&mut self, script: &mut Script<'_>) {
        let fields =
            ["", "Supported: 100rel, timer\r\nSession-Expires: 90\r\n", "Require: 100rel\r\n", "Require: x\r\n"];
        let more = script.pick(&fields).unwrap_or_default();
        let dialog =
            Dialog { call_id: format!("in{}", self.branches), local_tag: "p".to_owned(), cseq: 1, ..Dialog::default() };
        let octets = self.make("INVITE", &dialog, more, script.below(2) == 0);
        self.deliver(octets);
    }

    /// Responds to one of the user agent's requests.
    fn respond(&mut self, script: &mut Script<'_>) {
        let at = script.below(self.open.len());
        let Some(request) = self.open.get(at).cloned() else { return };
        let status = script.pick(&STATUSES).unwrap_or(200);
        let flags = script.below(256);
        let mut response = Response::to(&request, status, "");
        response.set_to_tag(if flags & 1 == 0 { "a" } else { "b" });
        let headers = &mut response.headers;
        if flags & 2 == 0 {
            headers.push(HeaderName::Contact, "<sip:bob@192.0.2.2>");
        }
        if flags & 4 == 0 {
            headers.push(HeaderName::Allow, "INVITE, ACK, BYE, UPDATE, PRACK");
        }
        if flags & 8 == 0 && status > 100 && status < 200 {
            headers.push(HeaderName::Require, "100rel");
            headers.push(HeaderName::RSeq, 1 + script.below(3));
        }
        match status {
            302 => headers.set(HeaderName::Contact, "<sip:carol@192.0.2.2>"),
            401 => headers.push(HeaderName::WwwAuthenticate, "Digest realm=\"r\", nonce=\"n\", algorithm=MD5"),
            422 => headers.push(HeaderName::MinSe, 100 + script.below(200)),
            200 if flags & 16 == 0 => headers.push(HeaderName::SessionExpires, "90;refresher=uac"),
            _ => {}
        }
        if flags & 32 == 0 {
            response.set_body("application/sdp", format!("answer {flags}").into_bytes());
        }
        if let (Ok(id), Ok(from)) = (request.headers.call_id(), request.headers.from()) {
            let local_tag = if flags & 1 == 0 { "a" } else { "b" };
            self.add_dialog(id, local_tag, from.tag().unwrap_or_default(), None);
        }
        self.deliver(response.to_bytes());
    }

    /// Sends a request in one of the dialogs.
    fn request(&mut self, script: &mut Script<'_>) {
        let at = script.below(self.dialogs.len());
        let method = script.pick(&METHODS).unwrap_or("BYE");
        let flags = script.below(256);
        let Some(dialog) = self.dialogs.get_mut(at) else { return };
        if !matches!(method, "ACK" | "CANCEL") && flags & 1 == 0 {
            dialog.cseq += 1;
        }
        let dialog = dialog.clone();
        let more = match method {
            "PRACK" => format!("RAck: {} 1 INVITE\r\n", dialog.rseq),
            "REFER" => "Refer-To: <sip:carol@192.0.2.2>\r\n".to_owned(),
            "NOTIFY" => "Event: refer\r\nSubscription-State: active;expires=60\r\n".to_owned(),
            "UPDATE" | "INVITE" => "Supported: timer\r\nSession-Expires: 90\r\n".to_owned(),
            _ => String::new(),
        };
        let octets = self.make(method, &dialog, &more, flags & 2 == 0);
        self.deliver(octets);
    }

    /// Executes a command of the call model for one of its calls.
    fn act(&mut self, script: &mut Script<'_>) {
        let at = script.below(self.calls.len());
        let Some(invite) = self.calls.keys().nth(at).copied() else { return };
        let body = (script.below(2) == 0).then(|| self.body());
        let some = body.clone().unwrap_or_else(|| Body { content_type: String::new(), octets: Vec::new() });
        let status = script.pick(&STATUSES).unwrap_or(200);
        let branch = Branch(u32::try_from(script.below(2)).unwrap_or(0));
        let command = match script.below(12) {
            0 | 1 => Command::Ring { invite, status, body },
            2 | 3 => Command::Accept { invite, body },
            4 => Command::Reject { invite, status, reason: None, contacts: Vec::new() },
            5 => Command::HangUp { invite, reason: Some((status, "why".to_owned())) },
            6 => Command::Offer { invite, body: some },
            7 => Command::AnswerOffer { invite, branch, body: some },
            8 => Command::RefuseOffer { invite, branch, status, reason: None },
            9 => Command::Refer { invite, target: Box::new(Uri::sip("carol", PEER.ip().into())), replaces: None },
            10 => Command::AnswerRefer { invite, status },
            _ => Command::NotifyRefer { invite, status, reason: "so".to_owned() },
        };
        self.command(command);
    }

    fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
            self.collect();
        }
        self.now = until;
    }

    fn finish(mut self) {
        let live: Vec<InviteId> = self.calls.iter().filter(|(_, ended)| !**ended).map(|(invite, _)| *invite).collect();
        for invite in live {
            self.command(Command::HangUp { invite, reason: None });
        }
        assert!(self.calls.values().all(|ended| *ended), "every call ends");
        self.wait(Duration::from_secs(600));
        let counts = UserAgentCounts { accounts: 0, ignored: 0, ..self.agent.counts() };
        assert_eq!(counts, UserAgentCounts::default(), "no state remains");
    }
}
