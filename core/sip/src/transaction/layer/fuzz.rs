//! Arbitrary events for the layer, and what must be so whatever happens.

use super::{ClientKey, Destination, Event, Input, Layer, Output, ServerKey, Settings};
use crate::message::{HeaderName, Host, Message, Method, Request, Response, Uri};
use crate::transport::{FlowId, LocalAddress, QueryId, Source, Target, TransmissionId, Transport};
use core::time::Duration;
use offhook_clock::Time;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), 5060);

/// The layer, and what it made so far for later bytes to refer to.
struct Script {
    layer: Layer,
    now: Time,
    /// Octets that went out: they come back, as they are or answered.
    sent: Vec<(TransmissionId, Vec<u8>)>,
    clients: Vec<ClientKey>,
    servers: Vec<(ServerKey, Request)>,
}

/// Takes two octets at a time for what happens to a layer, and asserts that nothing is left of it in the end.
pub fn fuzz_transactions(data: &[u8]) {
    let local = |transport| LocalAddress { transport, host: OWN.to_string(), port: 5060, is_ipv6: false };
    let settings = Settings::new([Transport::Udp, Transport::Tcp].map(local).to_vec());
    let layer = Layer::new(settings, ChaCha20Rng::from_seed([1; 32]));
    let mut script = Script { layer, now: Time::EPOCH, sent: Vec::new(), clients: Vec::new(), servers: Vec::new() };
    let (steps, _) = data.as_chunks::<2>();
    for [what, which] in steps.iter().take(500) {
        script.step(*what, *which);
        script.take_outputs();
    }
    script.end();
}

impl Script {
    fn step(&mut self, what: u8, which: u8) {
        let now = self.now;
        match what % 12 {
            0 => {
                let method = if which & 1 == 0 { Method::Invite } else { Method::Options };
                self.clients.push(self.layer.request(request(method, which), destination(which), now));
            }
            1 => {
                if let Some(key) = pick(&self.clients, which) {
                    self.layer.cancel(*key, None, now);
                }
            }
            2..=4 => self.answer(which, *pick(&[100, 180, 200, 302, 486, 503], what / 12).unwrap_or(&200)),
            5 => {
                if let Some((_, octets)) = pick(&self.sent, which) {
                    let octets = octets.clone();
                    self.receive(octets, which);
                }
            }
            6 => {
                let methods = [Method::Invite, Method::Options, Method::Ack, Method::Cancel];
                let method = pick(&methods, what / 12).cloned().unwrap_or(Method::Options);
                self.receive(request(method, which % 8).to_bytes(), which);
            }
            7 | 8 => {
                if let Some((key, request)) = pick(&self.servers, which).cloned() {
                    let mut response = Response::to(&request, *pick(&[180, 200, 486], what / 12).unwrap_or(&200), "");
                    response.set_to_tag("t");
                    self.layer.respond(key, &response, now);
                }
            }
            9 => {
                let transmission = pick(&self.sent, which).map_or(TransmissionId(which.into()), |(id, _)| *id);
                self.layer.handle_input(Input::SendFailed { transmission }, now);
            }
            10 => {
                let target = Target { transport: Transport::Udp, address: PEER, host: None };
                let query = pick(&self.clients, which).map_or(QueryId(which.into()), |key| QueryId(key.0));
                let targets = vec![target; usize::from(what / 12) % 3];
                self.layer.handle_input(Input::Resolved { query, targets }, now);
                self.layer.handle_input(Input::FlowClosed { flow: FlowId((which % 3).into()) }, now);
            }
            _ => self.pass(Duration::from_millis(u64::from(which) * 40)),
        }
    }

    fn receive(&mut self, octets: Vec<u8>, which: u8) {
        let transport = if which & 1 == 0 { Transport::Udp } else { Transport::Tcp };
        let source = source(transport, which);
        self.layer.handle_input(Input::Received { source, octets }, self.now);
    }

    /// Answers a request that went out.
    fn answer(&mut self, which: u8, status: u16) {
        let Some((_, octets)) = pick(&self.sent, which) else { return };
        let Ok(Message::Request(request)) = Message::parse(octets) else { return };
        let mut response = Response::to(&request, status, "");
        response.set_to_tag("p");
        self.receive(response.to_bytes(), which);
    }

    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(due) = self.layer.poll_timeout().filter(|due| *due <= until) {
            assert!(due >= self.now, "no deadline lies in the past");
            self.now = due;
            self.layer.handle_timeout(due);
            assert!(self.layer.poll_timeout().is_none_or(|next| next > due), "what was due is done");
            self.take_outputs();
        }
        self.now = until;
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.layer.poll_output() {
            match output {
                Output::Send { transmission, octets, .. } => {
                    // The latest are enough to refer to.
                    if self.sent.len() >= 64 {
                        self.sent.remove(0);
                    }
                    self.sent.push((transmission, octets));
                }
                Output::Event(Event::Request { key, request, .. }) => self.servers.push((key, *request)),
                Output::Event(_) | Output::Resolve { .. } => {}
            }
        }
    }

    /// The user answers what it was asked, time passes, and all is forgotten.
    fn end(&mut self) {
        for (key, request) in core::mem::take(&mut self.servers) {
            if self.layer.is_waiting(key) {
                self.layer.respond(key, &Response::to(&request, 480, ""), self.now);
            }
        }
        self.pass(Duration::from_secs(1_000));
        assert_eq!(self.layer.transaction_count(), (0, 0), "every transaction ends");
        assert!(self.layer.is_idle(), "and nothing is left of it");
    }
}

fn pick<T>(all: &[T], which: u8) -> Option<&T> {
    all.get(usize::from(which).checked_rem(all.len())?)
}

fn source(transport: Transport, which: u8) -> Source {
    let local = SocketAddr::new(IpAddr::V4(OWN), 5060);
    Source { flow: FlowId((which % 3).into()), transport, local, remote: PEER }
}

fn destination(which: u8) -> Destination {
    let transport = if which & 2 == 0 { Transport::Udp } else { Transport::Tcp };
    let target = Target { transport, address: PEER, host: None };
    match which % 5 {
        0 => Destination::Flow { flow: source(transport, which), fallback: vec![target] },
        1 => Destination::Resolve {
            host: Host::Name("example.org".to_owned()),
            port: None,
            transport: None,
            secure: which & 4 == 0,
        },
        count => Destination::Targets(vec![target; usize::from(count)]),
    }
}

fn request(method: Method, which: u8) -> Request {
    let cseq = format!("1 {method}");
    let branch = if which & 4 == 0 { format!(";branch=z9hG4bK{}", which & 3) } else { String::new() };
    let mut request = Request::new(method, Uri::sip("bob", Host::Address(PEER.ip())));
    request.headers.push(HeaderName::Via, format_args!("SIP/2.0/UDP 198.51.100.7{branch}"));
    request.headers.push(HeaderName::From, "<sip:alice@example.org>;tag=a");
    request.headers.push(HeaderName::To, "<sip:bob@example.org>");
    request.headers.push(HeaderName::CallId, format_args!("call-{which}"));
    request.headers.push(HeaderName::CSeq, cseq);
    if which & 16 == 16 {
        request.set_body("text/plain", vec![b'x'; 1_300]);
    }
    request
}
