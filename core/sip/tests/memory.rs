//! The memory that an ended call occupies while its transactions wait for retransmissions (RFC 3261 §17).
//!
//! The allocator of this program counts the octets that each thread holds.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use core::cell::Cell;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sip::message::{HeaderName, Message, Method, Request, Response};
use offhook_sip::transport::{FlowId, LocalAddress, Source, Transport, io as transport_io};
use offhook_sip::user_agent::UserAgent;
use offhook_sip::user_agent::destinations::{Destinations, Servers};
use offhook_sip::user_agent::io::{
    Account, AccountId, Body, CalledNumberSource, Command, Destination, Event, Identity, Input, InviteId,
    OutboundInvite, Output, Redirects, UserAgentSettings,
};
use std::alloc::{GlobalAlloc, Layout, System};

/// The number of ended calls over which the memory is averaged.
const CALLS: u64 = 256;

/// A description of the size that a browser's offer has.
const DESCRIPTION_OCTETS: usize = 900;

struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

fn count(allocated: usize, freed: usize) {
    // Threads that are ending have no counter any more.
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_add(allocated).wrapping_sub(freed)));
}

// SAFETY: every method returns what the system's allocator returns for the same arguments.
#[expect(unsafe_code, reason = "a global allocator has unsafe methods; each passes its arguments to the system's")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller fulfils the conditions of this method, which are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn held() -> usize {
    HELD.with(Cell::get)
}

fn settings() -> UserAgentSettings {
    let local = LocalAddress { transport: Transport::Udp, host: "192.0.2.1".into(), port: 5060, is_ipv6: false };
    UserAgentSettings {
        local: vec![local],
        domain: "relay.example".into(),
        phones: Vec::new(),
        destinations: Destinations::new(Servers::Any, true),
        any_domain: false,
        accept_unknown: false,
        redirects: Redirects::Off,
        trusted: Vec::new(),
        product: "Offhook".into(),
        t1: Duration::from_millis(500),
        session_expires: Duration::ZERO,
        min_session_expires: Duration::from_secs(90),
        keep_alive: Duration::from_secs(120),
        nat_keep_alive: Duration::ZERO,
        inside: offhook_sip::transport::Inside::default(),
    }
}

fn account() -> Account {
    Account {
        identity: Identity { name: Some("Alice".into()), uri: "sip:alice@example.org".parse().unwrap() },
        login: None,
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

fn description() -> Body {
    Body { content_type: "application/sdp".into(), octets: vec![b'a'; DESCRIPTION_OCTETS] }
}

/// A user agent with one account, whose server is the peer.
struct World {
    agent: UserAgent,
    now: Time,
    sent: Vec<Message>,
    incoming: Option<InviteId>,
}

impl World {
    fn new() -> Self {
        let agent = UserAgent::new(settings(), [7; 32], Time::EPOCH);
        let mut world = Self { agent, now: Time::EPOCH, sent: Vec::new(), incoming: None };
        world.command(Command::AddAccount { account: AccountId(1), settings: Box::new(account()) });
        world
    }

    fn command(&mut self, command: Command) {
        self.agent.handle_input(Input::Command(command), self.now);
        self.collect();
    }

    fn receive(&mut self, octets: Vec<u8>) {
        let source = Source {
            flow: FlowId(1),
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.2:5060".parse().unwrap(),
        };
        self.agent.handle_input(Input::Transport(transport_io::Input::Received { source, octets }), self.now);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transport(transport_io::Output::Send { octets, .. }) => {
                    self.sent.push(Message::parse(&octets).unwrap());
                }
                Output::Event(Event::Incoming { invite, .. }) => self.incoming = Some(invite),
                Output::Transport(_) | Output::Event(_) => {}
            }
        }
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

    /// Returns the sent request with this method, and drops all other sent messages.
    fn request(&mut self, method: &Method) -> Request {
        let sent = core::mem::take(&mut self.sent);
        let found = sent.into_iter().find_map(|message| match message {
            Message::Request(request) => (request.method == *method).then_some(request),
            Message::Response(_) => None,
        });
        found.unwrap()
    }

    /// Returns the sent response with this status, and drops all other sent messages.
    fn response(&mut self, status: u16) -> Response {
        let sent = core::mem::take(&mut self.sent);
        let found = sent.into_iter().find_map(|message| match message {
            Message::Response(response) => (response.status == status).then_some(response),
            Message::Request(_) => None,
        });
        found.unwrap()
    }

    /// Sends a request of the peer.
    fn peer_request(&mut self, number: u64, method: &str, to_tag: &str, body: &str) {
        let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let cseq = if method == "BYE" { 2 } else { 1 };
        let text = format!(
            "{method} sip:alice-1@192.0.2.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK-peer-{number}-{method};rport\r\n\
             Max-Forwards: 70\r\n\
             From: \"Bob\" <sip:bob@example.org>;tag=bob-{number}\r\n\
             To: <sip:alice@example.org>{to_tag}\r\n\
             Call-ID: 1d0c7e6a-4b3f-{number}@192.0.2.2\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:bob@192.0.2.2>\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, REFER, NOTIFY\r\n\
             Content-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.receive(text.into_bytes());
    }

    /// Places a call, which the peer answers.
    fn call_out(&mut self, number: u64) -> InviteId {
        let invite = InviteId::Outbound(number);
        let request = OutboundInvite {
            account: Some(AccountId(1)),
            from: None,
            to: Destination::Uri("sip:bob@example.org".parse().unwrap()),
            offer: Some(description()),
            headers: Vec::new(),
            anonymous: false,
            asserted: None,
            referred_by: None,
            diverted_by: None,
            replaces: None,
        };
        self.command(Command::Invite { invite, request: Box::new(request) });
        let sent = self.request(&Method::Invite);
        let mut success = reply(&sent, 200);
        success.headers.push(HeaderName::Contact, "<sip:bob@192.0.2.2>");
        success.set_body("application/sdp", description().octets);
        self.receive(success.to_bytes());
        self.request(&Method::Ack);
        invite
    }

    /// Accepts a call of the peer. Returns its identifier and local tag.
    fn call_in(&mut self, number: u64) -> (InviteId, String) {
        let body = "a".repeat(DESCRIPTION_OCTETS);
        self.peer_request(number, "INVITE", "", &body);
        let invite = self.incoming.take().unwrap();
        self.command(Command::Accept { invite, body: Some(description()) });
        let tag = self.response(200).headers.to().unwrap().tag().unwrap().to_owned();
        self.peer_request(number, "ACK", &tag, "");
        (invite, tag)
    }

    /// Ends a call with BYE, which the peer answers.
    fn hang_up(&mut self, invite: InviteId) {
        self.command(Command::HangUp { invite, reason: None });
        let bye = self.request(&Method::Bye);
        self.receive(reply(&bye, 200).to_bytes());
    }
}

fn reply(request: &Request, status: u16) -> Response {
    let mut response = Response::to(request, status, "");
    response.set_to_tag("bob");
    response
}

/// Returns the octets per call that are held one second after the last of many calls has ended.
fn octets_per_ended_call(call: impl Fn(&mut World, u64)) -> usize {
    let mut world = World::new();
    // The first call and its end allocate what later calls use again.
    call(&mut world, 0);
    world.wait(Duration::from_secs(200));
    world.sent = Vec::new();
    let before = held();
    for number in 1..=CALLS {
        call(&mut world, number);
    }
    world.wait(Duration::from_secs(1));
    world.sent = Vec::new();
    let octets = (held() - before) / usize::try_from(CALLS).unwrap();
    assert_eq!(world.agent.counts().ignored, 0, "every message belongs to its call");
    world.wait(Duration::from_secs(200));
    assert_eq!(world.agent.counts().invites, 0, "all calls have ended");
    octets
}

fn check(kind: &str, most: usize, call: impl Fn(&mut World, u64)) {
    let octets = octets_per_ended_call(call);
    assert!(octets <= most, "{kind}: {octets} octets per ended call, more than {most}");
}

#[test]
fn ended_outbound_call_keeps_little_memory() {
    check("outbound", 7_500, |world, number| {
        let invite = world.call_out(number);
        world.hang_up(invite);
    });
}

#[test]
fn ended_inbound_call_keeps_little_memory() {
    check("inbound, ended here", 3_500, |world, number| {
        let (invite, _) = world.call_in(number);
        world.hang_up(invite);
    });
}

#[test]
fn inbound_call_ended_by_peer_keeps_little_memory() {
    check("inbound, ended by the peer", 3_500, |world, number| {
        let (_, tag) = world.call_in(number);
        world.peer_request(number, "BYE", &tag, "");
        world.response(200);
    });
}
