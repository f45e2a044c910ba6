//! Simulation of user agents that call one another, directly and through a forking proxy, over a network that loses,
//! duplicates, delays and reorders messages. Both sides of each call must reach the same state, and no state may
//! remain.
//!
//! A failure prints its seed. With that value in `OFFHOOK_SIM_SEED`, the test `replay` runs it alone and prints a
//! trace.

mod model;
mod proxy;

use crate::message::Message;
use crate::transport::{self, FlowId, Hop, Source, Target, Transport};
use crate::user_agent::io::{Command, Destination, Event, Input, InviteId, OutboundInvite, Output, UserAgentSettings};
use crate::user_agent::{UserAgent, UserAgentCounts};
use core::time::Duration;
use model::{Model, PlannedCommand};
use offhook_clock::{Time, earliest};
use offhook_secret::InClear;
use proxy::Proxy;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Three user agents. The node after them is the proxy.
const AGENTS: usize = 3;
const PROXY: usize = AGENTS;

/// The time of random actions, and the time after which all calls must be settled.
const ACTIVE_TIME: Duration = Duration::from_secs(12);
const SETTLED_AFTER: Duration = Duration::from_secs(150);

fn address(node: usize) -> SocketAddr {
    SocketAddr::new([192, 0, 2, u8::try_from(node + 1).unwrap()].into(), 5060)
}

#[derive(Clone, Debug)]
enum Plan {
    Arrive {
        at: usize,
        from: usize,
        octets: Vec<u8>,
    },
    /// The model of an agent issues a planned command.
    Do {
        at: usize,
        planned: PlannedCommand,
    },
    /// An agent performs a random action.
    Act,
    Call {
        at: usize,
    },
}

struct World {
    rng: ChaCha20Rng,
    now: Time,
    plans: BTreeMap<(Time, u64), Plan>,
    planned: u64,
    agents: Vec<UserAgent>,
    models: Vec<Model>,
    proxy: Proxy,
    /// In thousandths of the messages.
    lost: u32,
    repeated: u32,
    marks: u64,
    bodies: u64,
    /// The kinds of sent messages: methods, and status codes with methods.
    seen: BTreeSet<String>,
    trace: Option<Vec<String>>,
}

impl World {
    fn new(seed: u64, trace: bool) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let session_expires = if rng.next_u32() % 4 == 0 { Duration::from_secs(90) } else { Duration::ZERO };
        let mut agents = Vec::new();
        for node in 0..AGENTS {
            let mut of_agent = [0; 32];
            rng.fill_bytes(&mut of_agent);
            let mut agent = UserAgent::new(settings(node, session_expires), of_agent, Time::EPOCH);
            let account = Box::new(model::account(node));
            agent.handle_input(
                Input::Command(Command::AddAccount { account: model::ACCOUNT, settings: account }),
                Time::EPOCH,
            );
            agents.push(agent);
        }
        let mut of_proxy = [0; 32];
        rng.fill_bytes(&mut of_proxy);
        let (lost, repeated) = match rng.next_u32() % 3 {
            0 => (0, 0),
            1 => (50, 30),
            _ => (150, 100),
        };
        let mut world = Self {
            rng,
            now: Time::EPOCH,
            plans: BTreeMap::new(),
            planned: 0,
            agents,
            models: (0..AGENTS).map(|_| Model::default()).collect(),
            proxy: Proxy::new(of_proxy),
            lost,
            repeated,
            marks: 0,
            bodies: 0,
            seen: BTreeSet::new(),
            trace: trace.then(Vec::new),
        };
        let calls = 1 + world.below(2);
        for _ in 0..calls {
            let (at, after) = (world.below(AGENTS), world.up_to(3_000));
            world.plan(after, Plan::Call { at });
        }
        for _ in 0..world.below(16) {
            let after = world.up_to(12_000);
            world.plan(after, Plan::Act);
        }
        world
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.rng.next_u32()).unwrap() % limit
    }

    fn chance(&mut self, of_thousand: u32) -> bool {
        self.rng.next_u32() % 1_000 < of_thousand
    }

    fn up_to(&mut self, millis: u64) -> Duration {
        Duration::from_millis(self.rng.next_u64() % millis)
    }

    fn plan(&mut self, after: Duration, plan: Plan) {
        self.planned += 1;
        self.plans.insert((self.now + after, self.planned), plan);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {}", self.now, line()));
        }
    }

    fn is_calm(&self) -> bool {
        self.now >= Time::EPOCH + ACTIVE_TIME
    }

    /// Performs the next action or timer. Returns false if there is none before `until`.
    fn step(&mut self, until: Time) -> bool {
        let plan = self.plans.first_key_value().map(|((at, _), _)| *at);
        let of_agents = self.agents.iter().filter_map(UserAgent::poll_timeout).min();
        let timeout = earliest(of_agents, self.proxy.layer.poll_timeout());
        let Some(next) = earliest(plan, timeout).filter(|next| *next <= until) else { return false };
        self.now = self.now.max(next);
        if plan == Some(next) {
            if let Some((_, plan)) = self.plans.pop_first() {
                self.carry_out(plan);
            }
        } else {
            for node in 0..AGENTS {
                if self.agents[node].poll_timeout().is_some_and(|at| at <= self.now) {
                    self.agents[node].handle_timeout(self.now);
                    self.collect(node);
                }
            }
            self.proxy.layer.handle_timeout(self.now);
            self.collect_proxy();
        }
        true
    }

    fn run_until(&mut self, until: Time) {
        while self.step(until) {}
        self.now = self.now.max(until);
    }

    fn run_until_idle(&mut self) {
        for _ in 0..100_000 {
            if !self.step(self.now + Duration::from_secs(86_400)) {
                return;
            }
        }
        panic!("the simulation does not end");
    }

    fn carry_out(&mut self, plan: Plan) {
        match plan {
            Plan::Arrive { at, from, octets } => self.arrive(at, from, octets),
            Plan::Do { at, planned } => {
                if let Some(command) = self.models[at].command(planned) {
                    self.command(at, command);
                }
            }
            Plan::Act => self.act(),
            Plan::Call { at } => self.call(at),
        }
    }

    fn arrive(&mut self, at: usize, from: usize, octets: Vec<u8>) {
        self.note(|| format!("  {from}->{at} {}", summary(&octets)));
        let flow = FlowId(u64::try_from(from).unwrap());
        let source = Source { flow, transport: Transport::Udp, local: address(at), remote: address(from) };
        if at == PROXY {
            self.proxy.receive(source, octets, self.now);
            self.collect_proxy();
        } else {
            self.agents[at].handle_input(Input::Transport(transport::io::Input::Received { source, octets }), self.now);
            self.collect(at);
        }
    }

    fn send(&mut self, from: usize, hop: &Hop, octets: &[u8]) {
        let to = match hop {
            Hop::Flow(FlowId(node)) => usize::try_from(*node).unwrap(),
            Hop::Target(Target { address: to, .. }) => {
                (0..=PROXY).find(|node| address(*node) == *to).unwrap_or_else(|| panic!("{to} is not a node"))
            }
        };
        self.seen.insert(kind(octets));
        let is_calm = self.is_calm();
        let copies = match (self.chance(self.lost), self.chance(self.repeated)) {
            _ if is_calm => 1,
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        for _ in 0..copies {
            let late = if self.chance(50) && !is_calm { 3_000 } else { 60 };
            let delay = Duration::from_millis(1) + self.up_to(late);
            self.plan(delay, Plan::Arrive { at: to, from, octets: octets.to_vec() });
        }
    }

    fn collect(&mut self, node: usize) {
        while let Some(output) = self.agents[node].poll_output() {
            match output {
                Output::Transport(transport::io::Output::Send { hop, octets, .. }) => self.send(node, &hop, &octets),
                Output::Transport(transport::io::Output::Resolve { host, .. }) => panic!("{host} needs no resolver"),
                Output::Transport(transport::io::Output::Close { flow }) => panic!("{flow:?} has no keep-alive"),
                Output::Transport(transport::io::Output::KeepFlow { .. })
                | Output::Transport(transport::io::Output::ReleaseFlow { .. }) => {}
                Output::Event(event) => self.handle_event(node, event),
            }
        }
    }

    fn collect_proxy(&mut self) {
        for (hop, octets) in self.proxy.drain(self.now) {
            self.send(PROXY, &hop, &octets);
        }
    }

    fn command(&mut self, node: usize, command: Command) {
        self.note(|| format!("{node} {command:?}"));
        self.agents[node].handle_input(Input::Command(command), self.now);
        self.collect(node);
    }

    fn handle_event(&mut self, node: usize, event: Event) {
        self.note(|| format!("{node} {event:?}"));
        let commands = self.models[node].handle_event(event, &mut self.rng, &mut self.bodies);
        for (after, planned) in commands {
            self.plan(after, Plan::Do { at: node, planned });
        }
    }

    /// Places a call to another agent, or through the proxy to both others.
    fn call(&mut self, at: usize) {
        self.marks += 1;
        let other = (at + 1 + self.below(AGENTS - 1)) % AGENTS;
        let to = if self.below(2) == 0 { PROXY } else { other };
        let offer = (self.below(4) > 0).then(|| model::body(&mut self.bodies));
        let invite = InviteId::Outbound(self.marks);
        let request = OutboundInvite {
            account: Some(model::ACCOUNT),
            from: None,
            to: Destination::Uri(format!("sip:{}@{}", model::CONTACT, address(to)).parse().unwrap()),
            offer: offer.clone(),
            headers: vec![("X-Mark".into(), format!("{}-{at}", self.marks))],
            anonymous: false,
            asserted: None,
            referred_by: None,
            diverted_by: None,
            replaces: None,
        };
        self.models[at].placed(invite, format!("{}-{at}", self.marks), offer.is_some());
        self.command(at, Command::Invite { invite, request: Box::new(request) });
    }

    /// Performs a random action on one of the agent's calls.
    fn act(&mut self) {
        let at = self.below(AGENTS);
        let live = self.models[at].live();
        if live.is_empty() {
            return;
        }
        let invite = live[self.below(live.len())];
        let command = match self.below(10) {
            0..=2 => Command::HangUp { invite, reason: None },
            3..=6 => Command::Offer { invite, body: model::body(&mut self.bodies) },
            7 => Command::Refer { invite, target: Box::new("sip:dave@example.org".parse().unwrap()), replaces: None },
            _ => Command::Info { invite, body: model::body(&mut self.bodies) },
        };
        self.command(at, command);
    }

    /// Asserts that both sides of each call are in the same state: ended, or established with the same descriptions.
    fn assert_agreement(&self) {
        for (caller, model) in self.models.iter().enumerate() {
            for (invite, call) in model.calls.iter().filter(|(invite, _)| matches!(invite, InviteId::Outbound(_))) {
                let others = self.models.iter().enumerate().flat_map(|(callee, model)| {
                    let same = |(id, other): (&InviteId, &model::Call)| {
                        let is_other_end = matches!(id, InviteId::Inbound(_)) && other.mark == call.mark;
                        (is_other_end && !other.is_ended).then_some((callee, *id))
                    };
                    model.calls.iter().filter_map(same).collect::<Vec<_>>()
                });
                let others: Vec<(usize, InviteId)> = others.collect();
                assert_eq!(others.len(), usize::from(!call.is_ended), "{invite:?} of {caller}: {others:?}");
                if let [(callee, other)] = others.as_slice() {
                    let one = self.agents[caller].invites[invite].agreed().expect("an established session");
                    let other_end = self.agents[*callee].invites[other].agreed().expect("an established session");
                    assert_eq!(
                        (&one.local, &one.remote),
                        (&other_end.remote, &other_end.local),
                        "{invite:?} of {caller}"
                    );
                }
            }
        }
    }

    /// Serializes the agents and continues with the deserialized copies.
    fn save_and_load(&mut self) {
        for agent in &mut self.agents {
            let saved = serde_json::to_string(&InClear(&agent.state())).unwrap();
            let loaded = UserAgent::restore(agent.context.settings.clone(), serde_json::from_str(&saved).unwrap());
            assert_eq!(loaded, *agent);
            *agent = loaded;
        }
    }

    fn hang_up_all(&mut self) {
        for node in 0..AGENTS {
            for invite in self.models[node].live() {
                self.command(node, Command::HangUp { invite, reason: None });
            }
        }
    }

    fn assert_empty(&self) {
        for (agent, model) in self.agents.iter().zip(&self.models) {
            assert!(model.calls.values().all(|call| call.is_ended));
            let counts = UserAgentCounts { accounts: 0, ignored: 0, ..agent.counts() };
            assert_eq!(counts, UserAgentCounts::default());
            assert_eq!(agent.counters().malformed, 0);
            assert_eq!(agent.poll_timeout(), None);
        }
        assert_eq!(self.proxy.layer.transaction_count(), (0, 0));
    }

    /// Runs the active and the settling period, then ends all calls. Returns the number of answered calls and the kinds
    /// of sent messages.
    fn run_to_end(&mut self) -> (usize, BTreeSet<String>) {
        self.run_until(Time::EPOCH + ACTIVE_TIME);
        self.save_and_load();
        for node in 0..AGENTS {
            for command in self.models[node].decide(&mut self.bodies) {
                self.command(node, command);
            }
        }
        self.run_until(Time::EPOCH + SETTLED_AFTER);
        self.assert_agreement();
        let answered = self.models.iter().map(Model::answered).sum();
        self.hang_up_all();
        self.run_until_idle();
        self.assert_empty();
        (answered, core::mem::take(&mut self.seen))
    }
}

fn settings(node: usize, session_expires: Duration) -> UserAgentSettings {
    let mut settings = super::bench::settings();
    settings.local.retain(|local| local.transport == Transport::Udp);
    settings.local.iter_mut().for_each(|local| local.host = address(node).ip().to_string());
    UserAgentSettings { session_expires, ..settings }
}

/// Returns the method of a request, or the status code and method of a response.
fn kind(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let (first, rest) = text.split_once("\r\n").unwrap_or_default();
    let method = rest.lines().find_map(|line| line.strip_prefix("CSeq: ")?.split(' ').nth(1)).unwrap_or_default();
    match first.strip_prefix("SIP/2.0 ") {
        Some(status) => format!("{} {method}", status.split(' ').next().unwrap_or_default()),
        None => method.to_owned(),
    }
}

fn summary(octets: &[u8]) -> String {
    let message = Message::parse(octets).unwrap();
    let first = String::from_utf8_lossy(octets).lines().next().unwrap_or_default().to_owned();
    let cseq = message.headers().get("CSeq").unwrap_or_default().to_owned();
    format!("{first} [{cseq}] {}", String::from_utf8_lossy(message.body()).trim())
}

/// Runs one seed and prints it if the run fails.
fn run(seed: u64) -> (usize, BTreeSet<String>) {
    let result = std::panic::catch_unwind(|| World::new(seed, false).run_to_end());
    result.unwrap_or_else(|panic| {
        println!("seed {seed}");
        std::panic::resume_unwind(panic)
    })
}

fn number(text: Option<&str>) -> Option<u64> {
    text.and_then(|text| text.parse().ok())
}

/// Runs every second seed, so that two test threads share the work.
fn run_simulations(first: u64) {
    let seeds = (first..number(option_env!("OFFHOOK_SIM_RUNS")).unwrap_or(300)).step_by(2);
    let runs = seeds.clone().fold(0, |count, _| count + 1);
    let mut seen = BTreeSet::new();
    let mut answered = 0;
    for (calls, kinds) in seeds.map(run) {
        answered += calls;
        seen.extend(kinds);
    }
    let expected = usize::try_from(runs / 2).unwrap();
    assert!(answered > expected, "only {answered} calls in {runs} runs were answered");
    // Asserts coverage: each of these kinds must occur. Some of them are rare.
    let often =
        ["CANCEL", "PRACK", "UPDATE", "REFER", "NOTIFY", "487 INVITE", "486 INVITE", "488 INVITE", "491 INVITE"];
    let seldom = ["500 INVITE", "481 INVITE", "481 BYE", "481 PRACK", "481 INFO", "491 UPDATE"];
    let missing =
        |kinds: &[&str]| kinds.iter().filter(|kind| !seen.contains(**kind)).map(ToString::to_string).collect();
    let (of_often, of_seldom): (Vec<String>, Vec<String>) = (missing(&often), missing(&seldom));
    assert!(runs < 150 || of_often.is_empty(), "never seen: {of_often:?}");
    assert!(runs < 2_500 || of_seldom.is_empty(), "never seen: {of_seldom:?}");
}

#[test]
fn both_sides_agree_on_lossy_network_even_seeds() {
    run_simulations(0);
}

#[test]
fn both_sides_agree_on_lossy_network_odd_seeds() {
    run_simulations(1);
}

/// Runs the seed of a failure again and prints a trace.
#[test]
fn replay() {
    let seed = number(option_env!("OFFHOOK_SIM_SEED")).unwrap_or(0);
    let mut world = World::new(seed, true);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run_to_end()));
    if let Err(panic) = result {
        world.trace.iter().flatten().for_each(|line| println!("{line}"));
        std::panic::resume_unwind(panic);
    }
}
