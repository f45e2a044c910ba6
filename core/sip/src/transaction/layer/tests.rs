//! Tests of a single transaction layer in virtual time: the messages and events that it emits.

mod client;
mod server;
mod simulation;

use super::{Event, Input, Layer, Output, Settings};
use crate::message::{Message, Method, Request, Response};
use crate::transport::{self, FlowId, Hop, LocalAddress, Source, Target, TransmissionId, Transport};
use core::time::Duration;
use offhook_clock::Time;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

pub(super) fn local(transport: Transport, host: &str, port: u16) -> LocalAddress {
    LocalAddress { transport, host: host.to_owned(), port, is_ipv6: host.contains(':') }
}

pub(super) fn settings() -> Settings {
    Settings::new(vec![
        local(Transport::Udp, "192.0.2.1", 5060),
        local(Transport::Tcp, "192.0.2.1", 5060),
        local(Transport::Tls, "relay.example.net", 5061),
        local(Transport::Udp, "2001:db8::1", 5060),
    ])
}

/// Returns a message with CRLF line ends from an indented literal.
fn octets(text: &str) -> Vec<u8> {
    let head: String = text.trim().lines().map(|line| format!("{}\r\n", line.trim())).collect();
    format!("{head}\r\n").into_bytes()
}

fn request(text: &str) -> Request {
    let Ok(Message::Request(request)) = Message::parse(&octets(text)) else { panic!("no request: {text}") };
    request
}

fn target(transport: Transport, address: &str) -> Target {
    Target { transport, address: address.parse().unwrap(), host: None }
}

/// The source of a message from a peer behind a NAT.
fn source(transport: Transport) -> Source {
    Source {
        flow: FlowId(7),
        transport,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "198.51.100.7:40000".parse().unwrap(),
    }
}

/// A layer and its clock.
struct Bench {
    layer: Layer,
    now: Time,
}

/// A message that the layer sent.
#[derive(Debug)]
struct SentMessage {
    transmission: TransmissionId,
    hop: Hop,
    message: Message,
}

impl SentMessage {
    fn request(&self) -> &Request {
        let Message::Request(request) = &self.message else { panic!("a response: {self:?}") };
        request
    }

    fn response(&self) -> &Response {
        let Message::Response(response) = &self.message else { panic!("a request: {self:?}") };
        response
    }

    fn branch(&self) -> String {
        self.message.headers().top_via().unwrap().branch().unwrap().to_owned()
    }

    fn status(&self) -> u16 {
        self.response().status
    }

    fn method(&self) -> Method {
        self.request().method.clone()
    }

    /// Returns the peer's response to this request.
    fn answer(&self, status: u16) -> Vec<u8> {
        self.answer_by("peer", status)
    }

    fn answer_by(&self, tag: &str, status: u16) -> Vec<u8> {
        let mut response = Response::to(self.request(), status, "");
        if status > 100 {
            response.set_to_tag(tag);
        }
        response.to_bytes()
    }
}

impl Bench {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        Self { layer: Layer::new(settings, ChaCha20Rng::from_seed([5; 32])), now: Time::EPOCH }
    }

    fn receive(&mut self, transport: Transport, octets: Vec<u8>) {
        self.layer.handle_input(Input::Received { source: source(transport), octets }, self.now);
    }

    fn fail(&mut self, shot: &SentMessage) {
        self.layer.handle_input(Input::SendFailed { transmission: shot.transmission }, self.now);
    }

    /// Advances the clock and handles every deadline at its time.
    fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(due) = self.layer.poll_timeout().filter(|due| *due <= until) {
            assert!(due >= self.now, "deadline in the past");
            self.now = due;
            self.layer.handle_timeout(due);
        }
        self.now = until;
    }

    fn outputs(&mut self) -> Vec<Output> {
        core::iter::from_fn(|| self.layer.poll_output()).collect()
    }

    /// Returns the messages that were sent. Fails if there is any other output.
    fn sent(&mut self) -> Vec<SentMessage> {
        let outputs = self.outputs();
        outputs
            .into_iter()
            .map(|output| match output {
                Output::Transport(transport::io::Output::Send { transmission, hop, octets }) => {
                    SentMessage { transmission, hop, message: Message::parse(&octets).unwrap() }
                }
                Output::Transport(_) | Output::Event(_) => panic!("expected Send: {output:?}"),
            })
            .collect()
    }

    fn sent_one(&mut self) -> SentMessage {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "sent: {sent:?}");
        sent.remove(0)
    }

    /// Returns the events. Fails if there is any other output.
    fn events(&mut self) -> Vec<Event> {
        let outputs = self.outputs();
        outputs
            .into_iter()
            .map(|output| match output {
                Output::Event(event) => event,
                Output::Transport(_) => panic!("expected Event: {output:?}"),
            })
            .collect()
    }

    fn event(&mut self) -> Event {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "events: {events:?}");
        events.remove(0)
    }

    /// Asserts that no state remains after all timers have expired.
    fn assert_forgets_everything(&mut self) {
        self.wait(Duration::from_secs(600));
        self.outputs();
        let layer = &self.layer;
        assert_eq!(layer.transaction_count(), (0, 0));
        assert!(layer.names.is_empty() && layer.origins.is_empty() && layer.sources.is_empty(), "{layer:?}");
        assert!(layer.flows.is_empty() && layer.deadlines.is_empty(), "{layer:?}");
    }

    /// Serializes the layer and continues with the deserialized copy.
    fn save_and_load(&mut self) {
        let saved = serde_json::to_string(&self.layer).unwrap();
        let loaded: Layer = serde_json::from_str(&saved).unwrap();
        assert_eq!(loaded, self.layer);
        self.layer = loaded;
    }
}
