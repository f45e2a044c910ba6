//! Tests of several registrations: routing of responses, shared keep-alives and removal.

use super::{Event, Output, Registrations};
use crate::message::Request;
use crate::registration::RegistrationSettings;
use crate::registration::tests::{response, settings};
use crate::transaction::Failure;
use crate::transaction::layer::{ClientKey, Destination};
use crate::transport::{FlowId, Source, Transport};
use crate::user_agent::destinations::Reach;
use crate::user_agent::io::AccountId;
use core::time::Duration;
use offhook_clock::Time;
use offhook_secret::InClear;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

const A: AccountId = AccountId(1);
const B: AccountId = AccountId(2);

struct Bench {
    registrations: Registrations,
    now: Time,
    last_key: u64,
}

fn source(flow: u64, transport: Transport) -> Source {
    Source {
        flow: FlowId(flow),
        transport,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "198.51.100.1:5060".parse().unwrap(),
    }
}

impl Bench {
    fn new() -> Self {
        let registrations = Registrations::new(Duration::from_secs(120), ChaCha20Rng::from_seed([6; 32]));
        Self { registrations, now: Time::EPOCH, last_key: 0 }
    }

    fn outputs(&mut self) -> Vec<Output> {
        core::iter::from_fn(|| self.registrations.poll_output()).collect()
    }

    /// Returns the request, which must be the only output.
    fn request(&mut self) -> (ClientKey, Request) {
        let mut outputs = self.outputs();
        assert_eq!(outputs.len(), 1, "{outputs:?}");
        let Output::Request { account, request, .. } = outputs.remove(0) else { panic!() };
        self.last_key += 1;
        let key = ClientKey(self.last_key);
        self.registrations.sent(account, key);
        (key, *request)
    }

    fn register(&mut self, account: AccountId, on: Source, lines: &[(&str, &str)]) {
        self.registrations.add(account, settings(), None, self.now);
        self.accept(on, lines);
        assert!(self.registrations.is_registered(account));
    }

    fn accept(&mut self, on: Source, lines: &[(&str, &str)]) {
        let (key, request) = self.request();
        assert!(self.registrations.receive(key, &response(&request, 200, lines), &on, self.now));
        self.outputs();
    }

    /// Advances the clock. Returns the times in seconds and the flows of the pings.
    fn pings(&mut self, duration: Duration) -> Vec<(u64, u64)> {
        let (begin, until) = (self.now, self.now + duration);
        let mut pings = Vec::new();
        while let Some(due) = self.registrations.poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            self.registrations.handle_timeout(due);
            while let Some(output) = self.registrations.poll_output() {
                if let Output::Ping(flow) = output {
                    pings.push((due.since(begin).as_secs(), flow.0));
                }
            }
        }
        self.now = until;
        pings
    }

    /// Advances the clock until a flow is pinged.
    fn next_ping(&mut self) {
        let begin = self.now;
        while self.pings(Duration::from_millis(100)).is_empty() {
            assert!(self.now.since(begin) <= Duration::from_secs(121));
        }
    }

    fn assert_nothing_left(&self) {
        let all = &self.registrations;
        assert!(all.entries.is_empty() && all.pending.is_empty() && all.flows.is_empty() && all.deadlines.is_empty());
        assert!(all.keep_alives.is_empty() && all.poll_timeout().is_none(), "{all:?}");
    }
}

#[test]
fn responses_reach_their_account_removal_leaves_no_state() {
    let mut bench = Bench::new();
    let on = source(1, Transport::Udp);
    bench.registrations.add(A, settings(), Some(Transport::Tcp), bench.now);
    let (of_a, request_a) = bench.request();
    bench.registrations.add(B, settings(), None, bench.now);
    let (of_b, _) = bench.request();
    assert!(!bench.registrations.receive(ClientKey(99), &response(&request_a, 200, &[]), &on, bench.now));
    assert!(bench.registrations.failed(of_b, Failure::Timeout, bench.now));
    assert!(!bench.registrations.failed(of_b, Failure::Timeout, bench.now), "the failure was already reported");
    assert!(matches!(bench.outputs()[..], [Output::Event { account: B, event: Event::Failed { .. } }]));
    assert!(bench.registrations.receive(of_a, &response(&request_a, 200, &[]), &on, bench.now));
    assert!(matches!(bench.outputs()[..], [Output::Event { account: A, event: Event::Registered { .. } }]));
    let saved = serde_json::to_string(&InClear(&bench.registrations)).unwrap();
    bench.registrations = serde_json::from_str(&saved).unwrap();

    assert!(bench.registrations.remove(B, bench.now));
    assert_eq!(bench.outputs(), [Output::Event { account: B, event: Event::Unregistered }]);
    assert!(!bench.registrations.remove(B, bench.now));
    assert!(bench.registrations.remove(A, bench.now));
    let (key, request) = bench.request();
    assert_eq!(request.headers.expires().unwrap().unwrap(), 0);
    assert_eq!(bench.registrations.len(), 1);
    bench.registrations.receive(key, &response(&request, 200, &[]), &on, bench.now);
    assert_eq!(bench.outputs(), [Output::Event { account: A, event: Event::Unregistered }]);
    bench.assert_nothing_left();
}

#[test]
fn register_uses_route_and_account_transport() {
    let mut bench = Bench::new();
    bench.registrations.add(A, settings(), Some(Transport::Tls), bench.now);
    let outputs = bench.outputs();
    let [Output::Request { destination, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    let host = "edge.example.org".parse().unwrap();
    let transport = Some(Transport::Tls);
    assert_eq!(
        *destination,
        Destination::Resolve { host, port: None, transport, secure: false, reach: Reach::ANYWHERE }
    );
}

#[test]
fn registrar_without_sip_uri_fails() {
    let mut bench = Bench::new();
    let nowhere = RegistrationSettings { registrar: "tel:+15551234".parse().unwrap(), route: vec![], ..settings() };
    bench.registrations.add(A, nowhere, None, bench.now);
    let outputs = bench.outputs();
    let [Output::Event { event: Event::Failed { failure, .. }, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(*failure, crate::user_agent::io::Failure::NoSuchHost);
}

#[test]
fn replaced_account_drops_pending_request() {
    let mut bench = Bench::new();
    bench.register(A, source(1, Transport::Tcp), &[]);
    bench.registrations.add(A, settings(), None, bench.now);
    let (early, request) = bench.request();
    bench.registrations.add(A, settings(), None, bench.now);
    assert!(!bench.registrations.receive(early, &response(&request, 200, &[]), &source(1, Transport::Tcp), bench.now));
    bench.accept(source(1, Transport::Tcp), &[]);
    assert_eq!((bench.registrations.pending.len(), bench.registrations.flows.len()), (0, 1));
}

#[test]
fn accounts_on_one_flow_share_keep_alives() {
    let mut bench = Bench::new();
    bench.register(A, source(1, Transport::Udp), &[]);
    bench.register(B, source(1, Transport::Udp), &[]);
    let pings = bench.pings(Duration::from_secs(290));
    assert!((10..=12).contains(&pings.len()), "every 24 to 29 seconds: {pings:?}");
    bench.registrations.remove(A, bench.now);
    bench.accept(source(1, Transport::Udp), &[]);
    assert!(!bench.pings(Duration::from_secs(30)).is_empty(), "B still uses the flow");
    bench.registrations.remove(B, bench.now);
    bench.accept(source(1, Transport::Udp), &[]);
    bench.assert_nothing_left();
}

#[test]
fn stream_without_pong_is_closed() {
    let mut bench = Bench::new();
    bench.register(A, source(1, Transport::Tcp), &[]);
    let silent = bench.pings(Duration::from_secs(240));
    assert!((2..=3).contains(&silent.len()), "a peer that never answered is still pinged: {silent:?}");
    bench.registrations.pong(FlowId(1), bench.now);
    for _ in 0..3 {
        bench.next_ping();
        bench.registrations.pong(FlowId(1), bench.now);
    }
    bench.next_ping();
    let begin = bench.now;
    let mut done = Vec::new();
    while done.len() < 2 {
        let due = bench.registrations.poll_timeout().unwrap();
        assert!(due.since(begin) <= Duration::from_secs(13), "10 s for the pong, 2 s to register anew");
        bench.now = due;
        bench.registrations.handle_timeout(due);
        done.extend(bench.outputs());
    }
    assert!(matches!(done[..], [Output::Close(FlowId(1)), Output::Request { .. }]), "{done:?}");
    bench.pings(Duration::from_secs(1));
    assert!(bench.registrations.keep_alives.is_empty());
}

#[test]
fn closed_flow_causes_new_registration() {
    let mut bench = Bench::new();
    bench.register(A, source(1, Transport::Tcp), &[("Flow-Timer", "30")]);
    bench.register(B, source(2, Transport::Tcp), &[]);
    assert!((4..=5).contains(&bench.pings(Duration::from_secs(125)).iter().filter(|(_, flow)| *flow == 1).count()));
    bench.registrations.flow_closed(FlowId(1), bench.now);
    let due = bench.registrations.poll_timeout().unwrap();
    assert!(due.since(bench.now) <= Duration::from_secs(2));
    bench.now = due;
    bench.registrations.handle_timeout(due);
    bench.accept(source(3, Transport::Tcp), &[]);
    let pinged: Vec<u64> = bench.pings(Duration::from_secs(120)).into_iter().map(|(_, flow)| flow).collect();
    assert!(pinged.contains(&3) && !pinged.contains(&1), "{pinged:?}");
}

#[test]
fn network_change_spreads_new_registrations() {
    let mut bench = Bench::new();
    for number in 1..=20 {
        bench.register(AccountId(number), source(1, Transport::Udp), &[]);
    }
    bench.registrations.network_changed(&std::collections::BTreeSet::new(), bench.now);
    assert_eq!(bench.outputs(), []);
    let mut times = Vec::new();
    while let Some(due) =
        bench.registrations.poll_timeout().filter(|due| due.since(bench.now) <= Duration::from_secs(2))
    {
        bench.registrations.handle_timeout(due);
        times.extend(bench.outputs().iter().map(|_| due));
    }
    assert_eq!(times.len(), 20);
    times.dedup();
    assert!(times.len() > 15, "{times:?}");
}
