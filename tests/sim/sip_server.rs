//! Simulated SIP server: a registrar for the relay's users, which forwards calls to them, and the phones behind it.
//!
//! Calls to one user are forked to two phones ([`ForkingProxy`]); each phone is a user agent at an address of its own.
//!
//! A forwarded call has two dialogs: the one in which the server received the INVITE, and the one to the registered
//! contact. Offers and answers pass unchanged between them.

use crate::endpoint::PhoneMedia;
use crate::forking::{ForkingProxy, Forwarded, PHONES, of_fork, parsed};
use core::time::Duration;
use offhook_clock::{Time, earliest};
use offhook_sdp::sip::SipDescription;
use offhook_sip::auth::{Secret, Verifier};
use offhook_sip::message::{HeaderName, Host, Message, Method, Request, Uri, Via};
use offhook_sip::transport::{self, FlowId, LocalAddress, Source, Transport};
use offhook_sip::user_agent::UserAgent;
use offhook_sip::user_agent::destinations::{Destinations, Servers};
use offhook_sip::user_agent::io::{
    BindingId, Body, Command, Destination, Event, Identity, InboundInvite, Input, InviteId, OutboundInvite, Output,
    PhoneUser, Redirects, UserAgentSettings,
};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A dialog that ends at a phone.
pub(crate) struct PhoneCall {
    pub(crate) media: PhoneMedia,
    pub(crate) is_answered: bool,
    /// An offer of the phone is pending.
    is_offering: bool,
    version: u64,
}

/// The user whose calls are forked.
pub(crate) const FORKED: &str = "1004";

/// A phone of the server: the number of the user agent, and the INVITE there.
pub(crate) type PhoneId = (usize, InviteId);

pub(crate) struct SipServer {
    address: SocketAddr,
    pub(crate) agent: UserAgent,
    pub(crate) transport: VecDeque<transport::io::Output>,
    /// Messages of the proxy and of the phones behind it to the relay.
    pub(crate) to_relay: VecDeque<Vec<u8>>,
    pub(crate) bindings: Vec<(String, BindingId)>,
    phones: BTreeMap<InviteId, PhoneCall>,
    /// The proxy for forked calls, and the phones behind it, which are servers without users.
    proxy: ForkingProxy,
    forked: Vec<SipServer>,
    /// The other dialog of each dialog of a forwarded call.
    forwards: BTreeMap<InviteId, InviteId>,
    /// The dialogs of forwarded calls in which the server has to answer an offer, by the dialog to which it was passed.
    offers: BTreeMap<InviteId, Command>,
    next: u64,
    pub(crate) forwarded: u32,
}

/// The settings of a user agent at this address.
pub(crate) fn settings(address: SocketAddr, domain: &str) -> UserAgentSettings {
    let (host, port) = (address.ip().to_string(), address.port());
    UserAgentSettings {
        local: vec![LocalAddress { transport: Transport::Udp, host, port, is_ipv6: false }],
        domain: domain.to_owned(),
        phones: Vec::new(),
        destinations: Destinations::new(Servers::listed(["example.org"]), false),
        any_domain: false,
        accept_unknown: false,
        redirects: Redirects::Domain,
        trusted: Vec::new(),
        product: "simulation".to_owned(),
        t1: Duration::from_millis(500),
        session_expires: Duration::from_secs(1800),
        min_session_expires: Duration::from_secs(90),
        keep_alive: Duration::from_secs(30),
        nat_keep_alive: Duration::ZERO,
        inside: transport::Inside::default(),
    }
}

fn uri(text: &str) -> Uri {
    text.parse().expect("a URI")
}

fn body(sdp: String) -> Body {
    Body { content_type: "application/sdp".to_owned(), octets: sdp.into_bytes() }
}

/// The address at which the author of a description receives audio; none while it does not receive.
fn media_address(body: Option<&Body>) -> Option<SocketAddr> {
    let description = SipDescription::parse(&String::from_utf8_lossy(&body?.octets)).ok()?;
    let section = description.sections.first()?;
    section.connection.address().filter(|_| section.section.direction.receives())
}

/// Returns whether the proxy handles a request to the forked user: an INVITE outside a dialog, its CANCEL, or the ACK of its
/// failure. The Request-URI of requests in dialogs is the contact of a phone.
fn is_for_proxy(request: &Request) -> bool {
    matches!(request.method, Method::Invite | Method::Cancel | Method::Ack)
}

impl SipServer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let user =
            |name: &str| PhoneUser { user: name.to_owned(), verifier: Verifier::Password(Secret::new("secret")) };
        let settings =
            UserAgentSettings { phones: vec![user("alice"), user("bob")], ..settings(address, "example.org") };
        let forked = (1..).take(PHONES).map(Self::forked_phone).collect();
        Self { forked, ..Self::with(address, settings, 9) }
    }

    /// A phone behind the proxy, which accepts calls from all sources.
    fn forked_phone(number: u8) -> Self {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7 + number)), 5060);
        let settings = UserAgentSettings { accept_unknown: true, ..settings(address, "example.org") };
        // The numbers of its endpoints differ from those of the others.
        Self { next: 5000 * u64::from(number), ..Self::with(address, settings, 9 + number) }
    }

    fn with(address: SocketAddr, settings: UserAgentSettings, seed: u8) -> Self {
        Self {
            address,
            agent: UserAgent::new(settings, [seed; 32], Time::EPOCH),
            transport: VecDeque::new(),
            to_relay: VecDeque::new(),
            bindings: Vec::new(),
            phones: BTreeMap::new(),
            proxy: ForkingProxy::default(),
            forked: Vec::new(),
            forwards: BTreeMap::new(),
            offers: BTreeMap::new(),
            next: 0,
            forwarded: 0,
        }
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn command(&mut self, command: Command, now: Time) {
        self.agent.handle_input(Input::Command(command), now);
    }

    /// Returns the number of forked calls that both phones answered.
    pub(crate) const fn answered_twice(&self) -> u32 {
        self.proxy.answered_twice
    }

    /// The server and the phones behind the proxy.
    fn agents(&self) -> impl Iterator<Item = &Self> {
        core::iter::once(self).chain(&self.forked)
    }

    /// The calls of all phones.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &PhoneCall> {
        self.agents().flat_map(|agent| agent.phones.values())
    }

    /// The calls of all phones, mutably.
    pub(crate) fn calls_mut(&mut self) -> impl Iterator<Item = &mut PhoneCall> {
        self.phones.values_mut().chain(self.forked.iter_mut().flat_map(|agent| agent.phones.values_mut()))
    }

    pub(crate) fn phone_ids(&self) -> Vec<PhoneId> {
        let ids =
            self.agents().enumerate().flat_map(|(at, agent)| agent.phones.keys().map(move |invite| (at, *invite)));
        ids.collect()
    }

    /// The forked calls that ring at a phone.
    pub(crate) fn ringing_forks(&self) -> Vec<PhoneId> {
        let is_ringing = |(at, invite): &PhoneId| {
            let call = at.checked_sub(1).and_then(|at| self.forked.get(at)?.phones.get(invite));
            call.is_some_and(|call| !call.is_answered)
        };
        self.phone_ids().into_iter().filter(is_ringing).collect()
    }

    /// The user agent with a number: 0 is that of the server.
    fn agent_mut(&mut self, at: usize) -> &mut Self {
        match at.checked_sub(1) {
            Some(at) if at < self.forked.len() => &mut self.forked[at],
            _ => self,
        }
    }

    /// Returns whether no call, dialog or transaction is left.
    pub(crate) fn is_quiet(&self) -> bool {
        let counts = self.agents().map(|agent| agent.agent.counts());
        counts.into_iter().all(|counts| {
            let left = (counts.invites, counts.dialogs, counts.client_transactions, counts.server_transactions);
            left == (0, 0, 0, 0)
        })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.agents().map(|agent| agent.agent.poll_timeout()).fold(None, earliest)
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        self.agent.handle_timeout(now);
        self.forked.iter_mut().for_each(|phone| phone.agent.handle_timeout(now));
    }

    /// Repeats requests of the proxy.
    pub(crate) fn tick(&mut self, now: Time) {
        let sent = self.proxy.tick();
        self.forward(sent, now);
    }

    /// Passes a datagram of the relay to the proxy, a phone behind it, or the server.
    pub(crate) fn receive(&mut self, source: Source, octets: Vec<u8>, now: Time) {
        let host_of = |uri: &Uri| uri.host().cloned();
        let (host, proxied) = match parsed(&octets) {
            Some(Message::Response(response)) => {
                let via = response.headers.all(HeaderName::Via).next().and_then(|via| via.parse::<Via>().ok());
                (via.map(|via| via.host), None)
            }
            Some(Message::Request(request)) => {
                let is_forked = request.uri.user().is_some_and(|user| user == FORKED);
                let host = host_of(&request.uri);
                (host, Some(request).filter(|request| is_forked && is_for_proxy(request)))
            }
            None => (None, None),
        };
        let phone = self.forked.iter().position(|phone| host == Some(Host::Address(phone.address.ip())));
        match (phone, proxied) {
            (Some(phone), _) => self.forked[phone].agent_receives(source, octets, now),
            (None, Some(request)) => {
                let sent = self.proxy.request(request);
                self.forward(sent, now);
            }
            (None, None) => self.agent_receives(source, octets, now),
        }
    }

    fn agent_receives(&mut self, source: Source, octets: Vec<u8>, now: Time) {
        let source = Source { local: self.address, ..source };
        self.agent.handle_input(Input::Transport(transport::io::Input::Received { source, octets }), now);
    }

    /// Passes messages of the proxy to the network, and to the phones, with which it is connected without losses.
    fn forward(&mut self, messages: Vec<Forwarded>, now: Time) {
        for message in messages {
            match message {
                Forwarded::ToCaller(octets) => self.to_relay.push_back(octets),
                Forwarded::ToPhone(number, octets) => {
                    let remote = self.address;
                    if let Some(phone) = self.forked.get_mut(number) {
                        let local = phone.address;
                        let source = Source { flow: FlowId(2), transport: Transport::Udp, local, remote };
                        phone.agent_receives(source, octets, now);
                    }
                }
            }
        }
    }

    /// Collects the outputs of the phones behind the proxy. Responses to its requests pass through it.
    fn drain_forked(&mut self, now: Time) {
        for number in 0..self.forked.len() {
            self.forked[number].drain(now);
            while let Some(output) = self.forked[number].transport.pop_front() {
                let response = match &output {
                    transport::io::Output::Send { octets, .. } => match parsed(octets) {
                        Some(Message::Response(response)) => Some(response).filter(|one| of_fork(one).is_some()),
                        _ => None,
                    },
                    _ => None,
                };
                match (response, output) {
                    (Some(response), _) => {
                        let sent = self.proxy.response(response);
                        self.forward(sent, now);
                    }
                    (None, transport::io::Output::Send { octets, .. }) => self.to_relay.push_back(octets),
                    (None, _) => {}
                }
            }
        }
    }

    /// Collects the outputs of the user agents and handles their events.
    pub(crate) fn drain(&mut self, now: Time) {
        self.drain_forked(now);
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transport(output) => self.transport.push_back(output),
                Output::Event(event) => self.handle_event(event, now),
            }
        }
    }

    fn handle_event(&mut self, event: Event, now: Time) {
        match event {
            Event::PhoneBound { user, binding } => self.bindings.push((user, binding)),
            Event::PhoneUnbound { binding, .. } => self.bindings.retain(|(_, known)| *known != binding),
            Event::Incoming { invite, request } => self.incoming(invite, *request, now),
            Event::Progress { invite, status, .. } => {
                if let Some(of) = self.forwards.get(&invite).copied() {
                    self.command(Command::Ring { invite: of, status, body: None }, now);
                }
            }
            Event::Answered { invite, body, .. } => match self.forwards.get(&invite).copied() {
                Some(of) => {
                    self.forwarded += 1;
                    self.command(Command::Accept { invite: of, body }, now);
                }
                None => self.answered(invite, body.as_ref()),
            },
            Event::Offer { invite, branch, body: offer } => match (self.forwards.get(&invite).copied(), offer) {
                (Some(to), Some(offer)) => {
                    let refusal = Command::RefuseOffer { invite, branch, status: 491, reason: None };
                    let answer = Command::AnswerOffer { invite, branch, body: offer.clone() };
                    if self.offers.contains_key(&to) {
                        return self.command(refusal, now);
                    }
                    self.offers.insert(to, answer);
                    self.command(Command::Offer { invite: to, body: offer }, now);
                }
                (Some(_), None) => {
                    self.command(Command::RefuseOffer { invite, branch, status: 488, reason: None }, now);
                }
                (None, offer) => {
                    let Some(call) = self.phones.get_mut(&invite) else { return };
                    call.media.remote = media_address(offer.as_ref());
                    call.version += 1;
                    let body = body(call.media.description(call.version));
                    self.command(Command::AnswerOffer { invite, branch, body }, now);
                }
            },
            Event::OfferAnswered { invite, body } => match self.offers.remove(&invite) {
                Some(Command::AnswerOffer { invite, branch, .. }) => {
                    self.command(Command::AnswerOffer { invite, branch, body }, now);
                }
                _ => self.answered(invite, Some(&body)),
            },
            Event::OfferRefused { invite, status } => match self.offers.remove(&invite) {
                Some(Command::AnswerOffer { invite, branch, .. }) => {
                    self.command(Command::RefuseOffer { invite, branch, status, reason: None }, now);
                }
                _ => {
                    if let Some(call) = self.phones.get_mut(&invite) {
                        call.media.is_held = !call.media.is_held;
                        call.is_offering = false;
                    }
                }
            },
            // The relay calls the target itself.
            Event::Refer { invite, .. } => self.command(Command::AnswerRefer { invite, status: 603 }, now),
            // The other call takes its place.
            Event::ReferProgress { invite, status: 200.., .. } => self.hang_up(invite, now),
            Event::Ended { invite, .. } => self.ended(invite, now),
            _ => {}
        }
    }

    fn answered(&mut self, invite: InviteId, body: Option<&Body>) {
        if let Some(call) = self.phones.get_mut(&invite) {
            call.is_answered = true;
            call.is_offering = false;
            call.media.remote = media_address(body);
        }
    }

    /// Forwards a call for a registered user; another one rings at a phone.
    fn incoming(&mut self, invite: InviteId, request: InboundInvite, now: Time) {
        let called =
            |(user, _): &&(String, BindingId)| request.request_uri.to_string().starts_with(&format!("sip:{user}@"));
        if let Some((_, binding)) = self.bindings.iter().find(called).cloned() {
            let onward = InviteId::Outbound(self.fresh());
            self.forwards.extend([(invite, onward), (onward, invite)]);
            let (headers, offer) = (request.headers, request.offer);
            return self.invite(onward, binding, headers, offer, now);
        }
        let mut media = PhoneMedia::new(500_000 + u32::try_from(self.fresh()).unwrap_or(0));
        media.remote = media_address(request.offer.as_ref());
        self.phones.insert(invite, PhoneCall { media, is_answered: false, is_offering: false, version: 1 });
        self.command(Command::Ring { invite, status: 180, body: None }, now);
    }

    fn invite(
        &mut self,
        invite: InviteId,
        binding: BindingId,
        headers: Vec<(String, String)>,
        offer: Option<Body>,
        now: Time,
    ) {
        let request = OutboundInvite {
            account: None,
            from: Some(Identity { name: None, uri: uri("sip:1003@example.org") }),
            to: Destination::Binding(binding),
            offer,
            headers,
            anonymous: false,
            asserted: None,
            referred_by: None,
            diverted_by: None,
            replaces: None,
        };
        self.command(Command::Invite { invite, request: Box::new(request) }, now);
    }

    fn ended(&mut self, invite: InviteId, now: Time) {
        self.phones.remove(&invite);
        self.offers.remove(&invite);
        if let Some(other) = self.forwards.remove(&invite) {
            self.forwards.remove(&other);
            self.offers.remove(&other);
            self.command(Command::HangUp { invite: other, reason: None }, now);
        }
    }

    /// A phone calls a registered user.
    pub(crate) fn call(&mut self, binding: BindingId, now: Time) {
        let number = self.fresh();
        let media = PhoneMedia::new(500_000 + u32::try_from(number).unwrap_or(0));
        let offer = body(media.description(1));
        let invite = InviteId::Outbound(number);
        self.phones.insert(invite, PhoneCall { media, is_answered: false, is_offering: false, version: 1 });
        self.invite(invite, binding, Vec::new(), Some(offer), now);
    }

    /// A phone answers its call.
    pub(crate) fn answer(&mut self, (at, invite): PhoneId, now: Time) {
        self.agent_mut(at).answer_invite(invite, now);
    }

    fn answer_invite(&mut self, invite: InviteId, now: Time) {
        let Some(call) = self.phones.get_mut(&invite) else { return };
        if matches!(invite, InviteId::Inbound(_)) && !call.is_answered {
            call.is_answered = true;
            let body = body(call.media.description(call.version));
            self.command(Command::Accept { invite, body: Some(body) }, now);
        }
    }

    /// A phone puts its call on hold, or resumes it.
    pub(crate) fn toggle_hold(&mut self, (at, invite): PhoneId, now: Time) {
        self.agent_mut(at).toggle_hold_of(invite, now);
    }

    fn toggle_hold_of(&mut self, invite: InviteId, now: Time) {
        let Some(call) = self.phones.get_mut(&invite).filter(|call| call.is_answered && !call.is_offering) else {
            return;
        };
        call.media.is_held = !call.media.is_held;
        call.is_offering = true;
        call.version += 1;
        let body = body(call.media.description(call.version));
        self.command(Command::Offer { invite, body }, now);
    }

    /// A phone transfers its call to the other end of one of its other calls (RFC 3891), chosen by `number`.
    pub(crate) fn transfer(&mut self, (at, invite): PhoneId, number: usize, now: Time) {
        self.agent_mut(at).transfer_invite(invite, number, now);
    }

    fn transfer_invite(&mut self, invite: InviteId, number: usize, now: Time) {
        let answered: Vec<InviteId> =
            self.phones.iter().filter(|(_, call)| call.is_answered).map(|(invite, _)| *invite).collect();
        let others = answered.iter().filter(|other| **other != invite);
        if answered.contains(&invite)
            && let Some(other) = others.cycle().nth(number % answered.len())
        {
            let target = Box::new(uri("sip:transfer@example.org"));
            self.command(Command::Refer { invite, target, replaces: Some(*other) }, now);
        }
    }

    /// A phone ends its call.
    pub(crate) fn end_call(&mut self, (at, invite): PhoneId, now: Time) {
        self.agent_mut(at).hang_up(invite, now);
    }

    fn hang_up(&mut self, invite: InviteId, now: Time) {
        self.command(Command::HangUp { invite, reason: None }, now);
    }
}
