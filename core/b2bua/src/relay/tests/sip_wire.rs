//! A relay with its own user agent, and a second user agent that the test controls, with real SIP messages between
//! them. The second one is a server where the relay's pages register, and the phones behind it.

use super::sip_calls::{body, gone, phone_sdp, text};
use super::{Bench, accounts::hello_sip, with_sip};
use crate::call::CallEvent;
use crate::io::{ConnectionId, Input};
use crate::record::LegIdentity;
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{Command as Media, RemoteTransport};
use offhook_signaling::message::{ClientMessage, DtmfType};
use offhook_sip::auth::{Secret, Verifier};
use offhook_sip::transport::{self, FlowId, Hop, LocalAddress, Source, Target, Transport};
use offhook_sip::user_agent::UserAgent;
use offhook_sip::user_agent::io::{
    self as sip, BindingId, Branch, Cause, Command, Destination, Event, Identity, InviteId, Origin, OutboundInvite,
    PhoneUser, UserAgentSettings,
};
use std::collections::VecDeque;
use std::net::SocketAddr;

const RELAY: &str = "192.0.2.1:5060";
const SERVER: &str = "198.51.100.7:5060";

fn local(address: &str) -> LocalAddress {
    let address: SocketAddr = address.parse().unwrap();
    LocalAddress { transport: Transport::Udp, host: address.ip().to_string(), port: address.port(), is_ipv6: false }
}

/// A message in transit.
pub(super) struct Carried {
    pub(super) to_server: bool,
    pub(super) octets: Vec<u8>,
}

pub(super) struct Wire {
    pub(super) bench: Bench,
    pub(super) server: UserAgent,
    /// Events of the server's user agent that the test has not read.
    pub(super) events: VecDeque<Event>,
    /// First lines of all messages, with the direction.
    log: Vec<String>,
}

impl Wire {
    pub(super) fn new() -> Self {
        let mut config = with_sip();
        let sip = config.sip.as_mut().unwrap();
        sip.user_agent.local = vec![local(RELAY)];
        let user =
            |name: &str| PhoneUser { user: name.to_owned(), verifier: Verifier::Password(Secret::new("secret")) };
        let settings = UserAgentSettings {
            local: vec![local(SERVER)],
            domain: "example.org".to_owned(),
            phones: vec![user("alice"), user("bob")],
            ..sip.user_agent.clone()
        };
        let server = UserAgent::new(settings, [9; 32], Time::EPOCH);
        let bench = Bench::with(super::Relay::new(config, [1; 32], Time::EPOCH));
        Self { bench, server, events: VecDeque::new(), log: Vec::new() }
    }

    /// Delivers messages until none is left.
    fn settle(&mut self) {
        loop {
            let carried = self.carry_all();
            if carried.is_empty() {
                return;
            }
            carried.into_iter().for_each(|carried| self.deliver(carried));
        }
    }

    /// Returns the messages that both ends send; events of the server's user agent are queued.
    pub(super) fn carry_all(&mut self) -> Vec<Carried> {
        let mut carried = Vec::new();
        loop {
            let out: Vec<_> = core::mem::take(&mut self.bench.sip);
            let mut quiet = out.is_empty();
            for output in out {
                let octets = self.carry(output, "->", |wire, input| wire.bench.input(Input::Sip(input)));
                carried.extend(octets.map(|octets| Carried { to_server: true, octets }));
            }
            let now = self.bench.now;
            while let Some(output) = self.server.poll_output() {
                quiet = false;
                match output {
                    sip::Output::Event(Event::SourceChanged { .. } | Event::Offense { .. }) => {}
                    sip::Output::Event(event) => self.events.push_back(event),
                    sip::Output::Transport(output) => {
                        let answer = |wire: &mut Self, input| wire.server.handle_input(input, now);
                        let octets = self.carry(output, "<-", answer);
                        carried.extend(octets.map(|octets| Carried { to_server: false, octets }));
                    }
                }
            }
            if quiet {
                return carried;
            }
        }
    }

    pub(super) fn deliver(&mut self, carried: Carried) {
        let Carried { to_server, octets } = carried;
        if to_server {
            let input = sip::Input::Transport(transport::io::Input::Received { source: source(SERVER, RELAY), octets });
            self.server.handle_input(input, self.bench.now);
        } else {
            let input = sip::Input::Transport(transport::io::Input::Received { source: source(RELAY, SERVER), octets });
            self.bench.input(Input::Sip(input));
        }
    }

    /// Returns the octets to deliver at the other end; requests to the resolver are answered immediately.
    fn carry(
        &mut self,
        output: transport::io::Output,
        way: &str,
        answer: impl FnOnce(&mut Self, sip::Input),
    ) -> Option<Vec<u8>> {
        match output {
            transport::io::Output::Send { octets, hop, .. } => {
                let to = if way == "->" { SERVER } else { RELAY };
                if let Hop::Target(target) = &hop {
                    assert_eq!(target.address, to.parse().unwrap());
                }
                let text = String::from_utf8_lossy(&octets).into_owned();
                let first = text.lines().next().unwrap_or_default();
                self.log.push(format!("{way} {}", first.split(" sip:").next().unwrap_or(first)));
                assert!(!text.contains("secret"), "a password crosses the wire: {text}");
                (octets.len() > 4).then_some(octets)
            }
            transport::io::Output::Resolve { query, .. } => {
                let address = if way == "->" { SERVER } else { RELAY }.parse().unwrap();
                let targets = vec![Target { transport: Transport::Udp, address, host: None }];
                answer(self, sip::Input::Transport(transport::io::Input::Resolved { query, targets }));
                None
            }
            transport::io::Output::Close { .. }
            | transport::io::Output::KeepFlow { .. }
            | transport::io::Output::ReleaseFlow { .. } => None,
        }
    }

    fn command(&mut self, command: Command) {
        self.server.handle_input(sip::Input::Command(command), self.bench.now);
        self.settle();
    }

    fn send(&mut self, from: ConnectionId, message: &ClientMessage) {
        self.bench.send(from, message);
        self.settle();
    }

    /// Advances the time, deadline by deadline, at both ends.
    fn wait(&mut self, duration: Duration) {
        let until = self.bench.now + duration;
        loop {
            let next = offhook_clock::earliest(self.bench.relay.poll_timeout(), self.server.poll_timeout());
            let Some(at) = next.filter(|at| *at <= until) else { break };
            self.bench.now = self.bench.now.max(at);
            self.bench.wait(Duration::ZERO);
            self.server.handle_timeout(self.bench.now);
            self.settle();
        }
        self.bench.now = until;
    }

    fn event(&mut self) -> Event {
        self.events.pop_front().expect("an event at the server")
    }

    /// A page registers at the server: returns its socket and its binding at the server.
    fn login(&mut self, login: &str) -> (ConnectionId, BindingId) {
        let connection = self.bench.connect(hello_sip(login, "secret"));
        self.settle();
        assert_eq!(self.bench.names(connection), ["getUserData", "registered"]);
        let Event::PhoneBound { user, binding } = self.event() else { panic!("not registered") };
        assert_eq!(user, login);
        (connection, binding)
    }

    /// A page places a call: returns its INVITE at the server.
    fn called(&mut self, from: ConnectionId, callee: &str) -> (InviteId, sip::InboundInvite) {
        self.bench.call(from, "a1", callee);
        self.settle();
        match self.event() {
            Event::Incoming { invite, request } => (invite, *request),
            event => panic!("no call: {event:?}"),
        }
    }

    fn establish(&mut self, from: ConnectionId) -> InviteId {
        let (invite, _) = self.called(from, "1002");
        self.command(Command::Accept { invite, body: Some(body(&phone_sdp(4000, "sendrecv"))) });
        assert_eq!(self.bench.names(from), ["notifyTryingResponse TRYING", "setRemoteSDP", "talk ESTABLISHED"]);
        invite
    }

    /// Checks that after all timers no state remains at either end.
    fn assert_over(&mut self) {
        self.bench.assert_no_leak(&[]);
        self.wait(Duration::from_secs(64));
        let counts = self.server.counts();
        assert_eq!((counts.invites, counts.dialogs), (0, 0));
        let counts = self.bench.relay.agent.as_ref().unwrap().counts();
        assert_eq!((counts.invites, counts.dialogs), (0, 0));
    }
}

fn source(from: &str, at: &str) -> Source {
    let (local, remote) = if from == SERVER { (SERVER, RELAY) } else { (RELAY, SERVER) };
    assert_ne!(from, at);
    Source {
        flow: FlowId(1),
        transport: Transport::Udp,
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
    }
}

pub(super) fn invite_to(binding: BindingId, offer: Option<&str>) -> OutboundInvite {
    OutboundInvite {
        account: None,
        from: Some(Identity { name: Some("Carol".into()), uri: "sip:1003@example.org".parse().unwrap() }),
        to: Destination::Binding(binding),
        offer: offer.map(body),
        headers: Vec::new(),
        anonymous: false,
        asserted: None,
        referred_by: None,
        diverted_by: None,
        replaces: None,
    }
}

#[test]
fn page_registers_and_unregisters() {
    let mut wire = Wire::new();
    let (alice, _) = wire.login("alice");
    assert!(wire.log.contains(&"<- SIP/2.0 401 Unauthorized".to_owned()), "{:?}", wire.log);
    wire.bench.input(Input::Disconnected { connection: alice });
    wire.settle();
    assert!(matches!(wire.event(), Event::PhoneUnbound { .. }));
    wire.assert_over();
}

#[test]
fn wrong_password_is_reported_to_page() {
    let mut wire = Wire::new();
    let mallory = wire.bench.connect(hello_sip("alice", "guess"));
    wire.settle();
    assert_eq!(wire.bench.names(mallory), ["getUserData", "fail"]);
    assert_eq!(wire.bench.closed[&mallory].0, 1008);
    assert!(wire.events.is_empty());
}

#[test]
fn unreachable_server_is_reported_to_page() {
    let mut wire = Wire::new();
    let alice = wire.bench.connect(hello_sip("alice", "secret"));
    // The network is down.
    let until = wire.bench.now + Duration::from_secs(64);
    while let Some(at) = wire.bench.relay.poll_timeout().filter(|at| *at <= until) {
        wire.bench.now = at;
        wire.bench.wait(Duration::ZERO);
        for output in core::mem::take(&mut wire.bench.sip) {
            if let transport::io::Output::Resolve { .. } = output {
                wire.carry(output, "->", |wire, input| wire.bench.input(Input::Sip(input)));
            }
        }
        for output in core::mem::take(&mut wire.bench.sip) {
            assert!(matches!(output, transport::io::Output::Send { .. }));
        }
    }
    assert_eq!(wire.bench.names(alice), ["getUserData", "fail"]);
    assert_eq!(wire.bench.closed[&alice].0, 1008);
}

#[test]
fn page_calls_through_server() {
    for page_hangs_up in [true, false] {
        let mut wire = Wire::new();
        let (alice, _) = wire.login("alice");
        let (invite, request) = wire.called(alice, "1002");
        assert_eq!(request.origin, Origin::Phone("alice".into()));
        assert_eq!(request.request_uri.to_string(), "sip:1002@example.org");
        assert!(text(&request.offer.unwrap()).contains("RTP/AVP"));
        wire.command(Command::Ring { invite, status: 180, body: None });
        assert_eq!(wire.bench.names(alice), ["notifyTryingResponse TRYING", "ring RING"]);
        wire.command(Command::Accept { invite, body: Some(body(&phone_sdp(4000, "sendrecv"))) });
        assert_eq!(wire.bench.names(alice), ["setRemoteSDP", "talk ESTABLISHED"]);
        if page_hangs_up {
            wire.bench.hang_up(alice, "a1");
            wire.settle();
            assert_eq!(wire.event(), Event::Ended { invite, cause: gone() });
        } else {
            wire.command(Command::HangUp { invite, reason: None });
            assert!(matches!(wire.event(), Event::Ended { cause: Cause::Local, .. }));
        }
        assert_eq!(wire.bench.names(alice), ["finish FINISH"]);
        wire.assert_over();
    }
}

#[test]
fn page_is_called_through_server() {
    let mut wire = Wire::new();
    let (alice, binding) = wire.login("alice");
    let invite = InviteId::Outbound(1);
    let request = Box::new(invite_to(binding, Some(&phone_sdp(4000, "sendrecv"))));
    wire.command(Command::Invite { invite, request });
    let id = wire.bench.incoming(alice);
    assert!(matches!(wire.event(), Event::Progress { status: 180, .. }));
    wire.bench.answer(alice, &id);
    wire.settle();
    let Event::Answered { body: Some(answer), .. } = wire.event() else { panic!() };
    assert!(text(&answer).contains("RTP/AVP 0 101"));
    assert_eq!(wire.bench.names(alice), ["talk ESTABLISHED"]);
    wire.bench.hang_up(alice, id.as_str());
    wire.settle();
    assert_eq!(wire.event(), Event::Ended { invite, cause: gone() });
    wire.assert_over();
}

#[test]
fn record_has_the_identifiers_of_both_legs() {
    let mut wire = Wire::new();
    let (alice, binding) = wire.login("alice");
    let (outbound, _) = wire.called(alice, "1002");
    let inbound = InviteId::Outbound(1);
    let request = Box::new(invite_to(binding, Some(&phone_sdp(4000, "sendrecv"))));
    let sent = Some(wire.server.call_id(outbound).expect("a Call-ID").to_owned());
    wire.command(Command::Accept { invite: outbound, body: Some(body(&phone_sdp(4000, "sendrecv"))) });
    wire.command(Command::HangUp { invite: outbound, reason: None });
    wire.bench.take(alice);
    wire.command(Command::Invite { invite: inbound, request });
    let received = Some(wire.server.call_id(inbound).expect("a Call-ID").to_owned());
    let id = wire.bench.incoming(alice);
    wire.command(Command::HangUp { invite: inbound, reason: None });
    let ended = wire.bench.events.iter().filter(|(event, _)| matches!(event, CallEvent::Ended { .. }));
    let found: Vec<_> = ended.map(|(_, record)| record.identities.values().cloned().collect::<Vec<_>>()).collect();
    let [of_first, of_second] = &found[..] else { panic!("{found:?}") };
    for (identities, browser, sip) in [(of_first, "a1", sent), (of_second, id.as_str(), received)] {
        let of_browser = identities.iter().find_map(|identity| match identity {
            LegIdentity::Browser { call_id, .. } => Some(call_id.as_str()),
            LegIdentity::Sip { .. } => None,
        });
        let of_phone = identities.iter().find_map(|identity| match identity {
            LegIdentity::Browser { .. } => None,
            LegIdentity::Sip { call_id } => Some(call_id.clone()),
        });
        assert_eq!((identities.len(), of_browser, of_phone), (2, Some(browser), sip));
    }
}

#[test]
fn invite_without_offer_is_answered_in_ack() {
    let mut wire = Wire::new();
    let (alice, binding) = wire.login("alice");
    let invite = InviteId::Outbound(1);
    wire.command(Command::Invite { invite, request: Box::new(invite_to(binding, None)) });
    let id = wire.bench.incoming(alice);
    assert!(matches!(wire.event(), Event::Progress { status: 180, .. }));
    wire.bench.answer(alice, &id);
    wire.settle();
    let Event::Answered { body: Some(offer), .. } = wire.event() else { panic!() };
    assert!(text(&offer).contains("PCMU"));
    wire.command(Command::AnswerOffer { invite, branch: Branch(0), body: body(&phone_sdp(4000, "sendrecv")) });
    assert_eq!(wire.bench.bridges().len(), 1);
    wire.command(Command::HangUp { invite, reason: None });
    assert_eq!(wire.bench.names(alice), ["talk ESTABLISHED", "finish FINISH"]);
    wire.assert_over();
}

#[test]
fn page_cancels_and_is_canceled() {
    let mut wire = Wire::new();
    let (alice, binding) = wire.login("alice");
    let (invite, _) = wire.called(alice, "1002");
    wire.command(Command::Ring { invite, status: 180, body: None });
    wire.bench.hang_up(alice, "a1");
    wire.settle();
    assert!(matches!(wire.event(), Event::Ended { cause: Cause::Remote { .. }, .. }));
    assert_eq!(wire.bench.names(alice), ["notifyTryingResponse TRYING", "ring RING", "finish FINISH"]);
    let invite = InviteId::Outbound(1);
    let request = Box::new(invite_to(binding, Some(&phone_sdp(4000, "sendrecv"))));
    wire.command(Command::Invite { invite, request });
    wire.bench.incoming(alice);
    wire.command(Command::HangUp { invite, reason: None });
    assert_eq!(wire.bench.names(alice), ["finish FINISH"]);
    wire.assert_over();
}

#[test]
fn busy_and_rejecting_phone_are_distinguished() {
    for (status, names) in [
        (486, vec!["notifyTryingResponse TRYING", "busy", "finish FAILED"]),
        (603, vec!["notifyTryingResponse TRYING", "finish FINISH"]),
    ] {
        let mut wire = Wire::new();
        let (alice, _) = wire.login("alice");
        let (invite, _) = wire.called(alice, "1002");
        wire.command(Command::Reject { invite, status, reason: Some("Not now".into()), contacts: vec![] });
        let end = wire.bench.inbox[&alice].last().cloned();
        let Some(offhook_signaling::message::ServerMessage::CallStatus(end)) = end else { panic!() };
        assert_eq!((end.sip_status, end.info.as_deref()), (Some(status), Some("Not now")));
        assert_eq!(wire.bench.names(alice), names);
        wire.assert_over();
    }
}

#[test]
fn early_media_reach_the_page() {
    let mut wire = Wire::new();
    let (alice, _) = wire.login("alice");
    let (invite, _) = wire.called(alice, "1002");
    let sdp = body(&phone_sdp(4000, "sendrecv"));
    wire.command(Command::Ring { invite, status: 183, body: Some(sdp.clone()) });
    assert_eq!(wire.bench.names(alice), ["notifyTryingResponse TRYING", "setRemoteSDP", "ring RING_MEDIA"]);
    wire.command(Command::Accept { invite, body: Some(sdp) });
    assert_eq!(wire.bench.names(alice), ["talk ESTABLISHED"]);
    wire.command(Command::HangUp { invite, reason: None });
    assert_eq!(wire.bench.names(alice), ["finish FINISH"]);
    wire.assert_over();
}

#[test]
fn hold_and_resume_work_from_both_ends() {
    let mut wire = Wire::new();
    let (alice, _) = wire.login("alice");
    let invite = wire.establish(alice);
    wire.send(alice, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: false });
    let Event::Offer { body: Some(offer), .. } = wire.event() else { panic!() };
    assert!(text(&offer).contains("a=sendonly"));
    wire.command(Command::AnswerOffer { invite, branch: Branch(0), body: body(&phone_sdp(4000, "recvonly")) });
    assert_eq!(wire.bench.names(alice), ["hold HOLD"]);
    wire.send(alice, &ClientMessage::Unhold("a1".into()));
    assert!(matches!(wire.event(), Event::Offer { .. }));
    wire.command(Command::RefuseOffer { invite, branch: Branch(0), status: 488, reason: None });
    assert_eq!(wire.bench.names(alice), ["hold HOLD"], "refused: it stays on hold");
    wire.send(alice, &ClientMessage::Unhold("a1".into()));
    assert!(matches!(wire.event(), Event::Offer { .. }));
    wire.command(Command::AnswerOffer { invite, branch: Branch(0), body: body(&phone_sdp(4000, "sendrecv")) });
    assert_eq!(wire.bench.names(alice), ["talk ESTABLISHED"]);
    wire.command(Command::Offer { invite, body: body(&phone_sdp(4000, "sendonly")) });
    let Event::OfferAnswered { body: answer, .. } = wire.event() else { panic!() };
    assert!(text(&answer).contains("a=recvonly"));
    wire.command(Command::Offer { invite, body: body(&phone_sdp(4444, "sendrecv")) });
    assert!(matches!(wire.event(), Event::OfferAnswered { .. }));
    assert_eq!(wire.bench.connected().0[0].remote.unwrap().rtp.port(), 4444);
    assert!(wire.bench.names(alice).is_empty());
    wire.command(Command::HangUp { invite, reason: None });
    wire.assert_over();
}

#[test]
fn digits_are_sent_and_received_by_info() {
    let mut wire = Wire::new();
    let (alice, _) = wire.login("alice");
    let invite = wire.establish(alice);
    let digits = ClientMessage::SendDtmf { call_id: "a1".into(), kind: DtmfType::InfoRelay, digits: "12".into() };
    wire.send(alice, &digits);
    for digit in ["1", "2"] {
        let Event::Info { body, .. } = wire.event() else { panic!() };
        assert_eq!(String::from_utf8(body.octets).unwrap(), format!("Signal={digit}\r\nDuration=160\r\n"));
    }
    let body = sip::Body { content_type: "application/dtmf".into(), octets: b"9".to_vec() };
    wire.command(Command::Info { invite, body });
    assert!(matches!(wire.bench.media.last(), Some(Media::SendDtmf { digits, .. }) if digits == "9"));
    wire.command(Command::HangUp { invite, reason: None });
    wire.assert_over();
}

#[test]
fn looped_call_of_two_pages_is_bridged() {
    let mut wire = Wire::new();
    let (alice, _) = wire.login("alice");
    let (bob, binding) = wire.login("bob");
    let (from_alice, request) = wire.called(alice, "bob");
    let to_bob = InviteId::Outbound(1);
    let onwards = OutboundInvite { headers: request.headers, offer: request.offer, ..invite_to(binding, None) };
    wire.command(Command::Invite { invite: to_bob, request: Box::new(onwards) });
    let id = wire.bench.incoming(bob);
    assert!(matches!(wire.event(), Event::Progress { status: 180, .. }));
    wire.command(Command::Ring { invite: from_alice, status: 180, body: None });
    wire.bench.answer(bob, &id);
    wire.settle();
    let Event::Answered { body: answer, .. } = wire.event() else { panic!() };
    wire.command(Command::Accept { invite: from_alice, body: answer });
    assert_eq!(wire.bench.names(bob), ["talk ESTABLISHED"]);
    assert_eq!(
        wire.bench.names(alice),
        ["notifyTryingResponse TRYING", "ring RING", "setRemoteSDP", "talk ESTABLISHED"]
    );
    assert!(
        !wire
            .bench
            .media
            .iter()
            .any(|command| matches!(command, Media::Connect { transport: RemoteTransport::Rtp { .. }, .. }))
    );
    assert_eq!(wire.bench.bridges().len(), 1);
    wire.bench.hang_up(alice, "a1");
    wire.settle();
    assert_eq!(wire.bench.names(bob), ["finish FINISH"]);
    wire.assert_over();
}

#[test]
fn refer_works_in_both_directions() {
    let mut wire = Wire::new();
    let (alice, _) = wire.login("alice");
    let invite = wire.establish(alice);
    wire.send(alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "1005".into() });
    let Event::Refer { target, .. } = wire.event() else { panic!() };
    assert_eq!(target.to_string(), "sip:1005@example.org");
    wire.command(Command::AnswerRefer { invite, status: 202 });
    wire.command(Command::NotifyRefer { invite, status: 404, reason: "Not Found".into() });
    assert_eq!(wire.bench.names(alice), ["fail", "talk ESTABLISHED"]);
    // In the other direction: the phone transfers the page.
    let refer = Command::Refer { invite, target: Box::new("sip:1006@example.org".parse().unwrap()), replaces: None };
    wire.command(refer);
    let mut called = None;
    while let Some(event) = wire.events.pop_front() {
        if let Event::Incoming { invite, request } = event {
            assert_eq!(request.request_uri.to_string(), "sip:1006@example.org");
            called = Some(invite);
        }
    }
    let called = called.expect("the relay calls the target");
    wire.command(Command::Accept { invite: called, body: Some(body(&phone_sdp(5000, "sendrecv"))) });
    let events: Vec<Event> = wire.events.drain(..).collect();
    let done = |event: &Event| matches!(event, Event::ReferProgress { status: 200, is_final: true, .. });
    assert!(events.iter().any(done), "{events:?}");
    assert!(wire.bench.names(alice).is_empty());
    wire.bench.hang_up(alice, "a1");
    wire.settle();
    wire.assert_over();
}

#[test]
fn bye_without_response_ends_the_call() {
    let mut wire = Wire::new();
    let (alice, _) = wire.login("alice");
    wire.establish(alice);
    wire.bench.hang_up(alice, "a1");
    // The BYE is retransmitted without a response until it times out.
    let until = wire.bench.now + Duration::from_secs(64);
    while let Some(at) = wire.bench.relay.poll_timeout().filter(|at| *at <= until) {
        wire.bench.now = at;
        wire.bench.wait(Duration::ZERO);
        wire.bench.sip.clear();
    }
    assert_eq!(wire.bench.names(alice), ["finish FINISH"]);
    wire.bench.assert_no_leak(&[]);
    assert_eq!(wire.bench.relay.agent.as_ref().unwrap().counts().invites, 0);
    assert_eq!(wire.bench.relay.counts().sessions, 1);
}
