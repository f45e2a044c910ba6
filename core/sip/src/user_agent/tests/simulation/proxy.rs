//! A proxy that forks each call to several callees (RFC 3261 §16) and does not record-route.

use super::{AGENTS, PROXY, address, model};
use crate::message::{HeaderName, Host, Method, Request, Response, SipUri, Uri};
use crate::transaction::layer::{ClientKey, Destination, Event, Input, Layer, Output, ServerKey, Settings};
use crate::transport::{self, Hop, LocalAddress, Source, Transport};
use offhook_clock::Time;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::BTreeMap;

/// A forked call.
struct Forking {
    request: Request,
    open: Vec<ClientKey>,
    worst: Option<Response>,
    is_answered: bool,
}

pub(super) struct Proxy {
    pub(super) layer: Layer,
    calls: BTreeMap<ServerKey, Forking>,
}

impl Proxy {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let own = address(PROXY);
        let local =
            LocalAddress { transport: Transport::Udp, host: own.ip().to_string(), port: own.port(), is_ipv6: false };
        let layer = Layer::new(Settings::new(vec![local]), ChaCha20Rng::from_seed(seed));
        Self { layer, calls: BTreeMap::new() }
    }

    pub(super) fn receive(&mut self, source: Source, octets: Vec<u8>, now: Time) {
        self.layer.handle_input(Input::Received { source, octets }, now);
    }

    /// Processes the events of the layer. Returns the messages to send.
    pub(super) fn drain(&mut self, now: Time) -> Vec<(Hop, Vec<u8>)> {
        let mut sent = Vec::new();
        while let Some(output) = self.layer.poll_output() {
            match output {
                Output::Transport(transport::io::Output::Send { hop, octets, .. }) => sent.push((hop, octets)),
                Output::Event(event) => self.store_challenges(event, now),
                Output::Transport(output) => panic!("unexpected {output:?}"),
            }
        }
        sent
    }

    fn store_challenges(&mut self, event: Event, now: Time) {
        match event {
            Event::Request { key, request, source } if request.method == Method::Invite => {
                let caller = (0..AGENTS).find(|node| address(*node) == source.remote);
                let callees = (0..AGENTS).filter(|node| Some(*node) != caller);
                let open = callees.map(|callee| self.forward(&request, callee, now)).collect();
                self.calls.insert(key, Forking { request: *request, open, worst: None, is_answered: false });
            }
            Event::Request { request, .. } => panic!("{} is none of the proxy's business", request.method),
            Event::Cancelled { key, .. } => self.cancel(key, now),
            Event::Response { key, response, .. } => self.responded(key, &response, now),
            Event::Failed { key, .. } => {
                if let Some(server) = self.call_of(key) {
                    let timeout = Response::to(&self.calls[&server].request, 408, "");
                    self.refused(server, key, timeout, now);
                }
            }
            Event::Ack { .. } | Event::Unacknowledged { .. } | Event::Ended { .. } | Event::Pong { .. } => {}
        }
    }

    fn forward(&mut self, request: &Request, callee: usize, now: Time) -> ClientKey {
        let mut request = request.clone();
        let to = address(callee);
        let host = Host::Address(to.ip());
        request.uri = Uri::Sip(SipUri::new(host).with_user(model::CONTACT).with_port(Some(to.port())));
        request.headers.set(HeaderName::MaxForwards, 69);
        let destination = Destination::of_request(&request, None).expect("an address");
        self.layer.request(request, destination, now)
    }

    fn call_of(&self, key: ClientKey) -> Option<ServerKey> {
        self.calls.iter().find(|(_, call)| call.open.contains(&key)).map(|(server, _)| *server)
    }

    fn cancel(&mut self, key: ServerKey, now: Time) {
        let open = self.calls.get(&key).map(|call| call.open.clone()).unwrap_or_default();
        open.into_iter().for_each(|branch| self.layer.cancel(branch, None, now));
    }

    fn responded(&mut self, key: ClientKey, response: &Response, now: Time) {
        let Some(server) = self.call_of(key) else { return };
        let mut upstream = response.clone();
        upstream.headers.remove(HeaderName::Via);
        for via in self.calls[&server].request.headers.lines(HeaderName::Via).collect::<Vec<_>>().into_iter().rev() {
            upstream.headers.push_front(HeaderName::Via, via);
        }
        match response.status {
            100 => {}
            101..200 => {
                self.layer.respond(server, &upstream, now);
            }
            200..300 => {
                self.layer.respond(server, &upstream, now);
                if let Some(call) = self.calls.get_mut(&server)
                    && !call.is_answered
                {
                    call.is_answered = true;
                    let others: Vec<ClientKey> = call.open.iter().copied().filter(|other| *other != key).collect();
                    others.into_iter().for_each(|other| self.layer.cancel(other, None, now));
                }
            }
            _ => self.refused(server, key, upstream, now),
        }
    }

    fn refused(&mut self, server: ServerKey, key: ClientKey, response: Response, now: Time) {
        let Some(call) = self.calls.get_mut(&server) else { return };
        call.open.retain(|open| *open != key);
        call.worst = Some(response);
        if call.open.is_empty()
            && !call.is_answered
            && let Some(mut last) = call.worst.take()
        {
            last.set_to_tag("proxy");
            self.layer.respond(server, &last, now);
        }
    }
}
