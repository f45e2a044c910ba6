use super::{Guard, GuardRules};
use crate::call::CallEvent;
use crate::config::{Config, DestinationRules, Pattern};
use crate::io::ConnectionId;
use crate::relay::tests::sip_phones::{call_to, with_trunk};
use crate::relay::tests::{Bench, config, hello};
use core::time::Duration;
use offhook_limits::offense::Kind;
use offhook_signaling::message::CallStatus;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Command, Event, InboundInvite, InviteId, Origin};
use std::net::IpAddr;

fn bench(guards: GuardRules) -> Bench {
    Bench::new(Config { guards, max_calls_per_session: 1_000, ..config() })
}

impl Bench {
    fn login_from(&mut self, login: &str, address: [u8; 4]) -> ConnectionId {
        let connection = self.connect_from(IpAddr::from(address), hello(login));
        self.take(connection);
        connection
    }

    /// Places a call to a user who is not here; returns the reason of its end.
    fn attempt(&mut self, from: ConnectionId, number: usize) -> EndReason {
        let before = self.events.len();
        self.call(from, &format!("attempt-{}-{number}", from.0), "nobody");
        let ended = |(event, _): &(CallEvent, _)| match event {
            CallEvent::Ended { reason } => Some(*reason),
            _ => None,
        };
        self.events.get(before..).unwrap().iter().find_map(ended).unwrap()
    }

    fn refusals(&self, guard: Guard) -> u64 {
        self.relay.counters().guards.get(guard)
    }
}

#[test]
fn calls_per_minute_of_login_and_address_are_exact() {
    let guards = GuardRules { call_rate_per_login: Some(30), call_rate_per_address: Some(50), ..GuardRules::default() };
    let mut bench = bench(guards);
    // Two sessions of one login at different addresses, and a second login at one of them.
    let sessions = [([192, 0, 2, 1], "alice"), ([192, 0, 2, 2], "alice"), ([192, 0, 2, 2], "bob")];
    let sessions = sessions.map(|(address, login)| bench.login_from(login, address));
    let mut outcomes = Vec::new();
    for session in sessions {
        let reasons: Vec<EndReason> = (0..40).map(|number| bench.attempt(session, number)).collect();
        let count = |wanted| reasons.iter().filter(|reason| **reason == wanted).count();
        outcomes.push((count(EndReason::NotFound), count(EndReason::CallRateExceeded)));
    }
    assert_eq!(outcomes, [(30, 10), (0, 40), (30, 10)]);
    assert_eq!((bench.refusals(Guard::CallRatePerLogin), bench.refusals(Guard::CallRatePerAddress)), (60, 0));
    let carol = bench.login_from("carol", [192, 0, 2, 2]);
    let reasons: Vec<EndReason> = (0..40).map(|number| bench.attempt(carol, number)).collect();
    assert_eq!(reasons.iter().filter(|reason| **reason == EndReason::NotFound).count(), 20, "of the address");
    assert_eq!(bench.refusals(Guard::CallRatePerAddress), 20);
    bench.wait(Duration::from_secs(60));
    assert_eq!((0..40).filter(|number| bench.attempt(carol, 100 + number) == EndReason::NotFound).count(), 30);
    let kinds: Vec<(Kind, bool)> = bench.offenses.iter().map(|report| (report.kind, report.is_verified)).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == (Kind::CallLimit, true)), "{kinds:?}");
}

#[test]
fn simultaneous_calls_of_many_sessions_are_limited_exactly() {
    let guards = GuardRules { calls_per_login: Some(3), calls_per_address: Some(10), ..GuardRules::default() };
    let mut bench = bench(guards);
    let callees: Vec<String> = (0..20).map(|number| format!("callee{number}")).collect();
    for (number, callee) in callees.iter().enumerate() {
        bench.login_from(callee, [198, 51, 100, u8::try_from(number).unwrap()]);
    }
    let callers: Vec<ConnectionId> =
        (0..5).map(|number| bench.login_from(&format!("caller{number}"), [192, 0, 2, 9])).collect();
    let mut refused = Vec::new();
    for round in 0..4 {
        for (number, caller) in callers.iter().enumerate() {
            let callee = callees.get(round * callers.len() + number).unwrap().clone();
            bench.call(*caller, &format!("c{round}"), &callee);
            refused.extend(bench.take(*caller).into_iter().filter_map(|message| match message {
                offhook_signaling::message::ServerMessage::CallStatus(call) if call.status == CallStatus::Failed => {
                    call.info
                }
                _ => None,
            }));
        }
    }
    assert_eq!(bench.relay.counts().calls, 10, "ten of twenty calls");
    assert_eq!(refused.len(), 10);
    assert!(refused.iter().all(|info| info == EndReason::TooManyCalls.info()), "{refused:?}");
    assert_eq!((bench.refusals(Guard::CallsPerAddress), bench.refusals(Guard::CallsPerLogin)), (10, 0));
    // One call ends, so that one more is possible.
    bench.hang_up(callers[0], "c0");
    bench.hang_up(callers[0], "c1");
    bench.call(callers[1], "more", "callee10");
    bench.call(callers[1], "too-many", "callee11");
    assert_eq!(bench.refusals(Guard::CallsPerLogin), 1, "three calls of one login");
    for caller in callers {
        for id in ["c0", "c1", "c2", "c3", "more", "too-many"] {
            bench.hang_up(caller, id);
        }
    }
    bench.assert_no_leak(&[]);
}

#[test]
fn call_ends_for_both_after_maximum_duration() {
    let guards = GuardRules { max_call_duration: Some(Duration::from_secs(600)), ..GuardRules::default() };
    let mut bench = bench(guards);
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "x", bob, "bob");
    bench.wait(Duration::from_secs(599));
    assert_eq!(bench.relay.counts().calls, 1);
    bench.reload();
    bench.wait(Duration::from_secs(1));
    for page in [alice, bob] {
        let last = bench.last_status(page);
        assert_eq!((last.status, last.info.as_deref()), (CallStatus::Finish, Some(EndReason::DurationExceeded.info())));
    }
    assert_eq!(bench.refusals(Guard::Duration), 1);
    bench.assert_no_leak(&[]);
}

#[test]
fn denied_destination_is_not_called_through_the_trunk() {
    let mut config = with_trunk();
    let patterns = |text: &str| vec![Pattern::parse(text).unwrap()];
    config.guards.destinations = DestinationRules { deny: patterns("+979*"), allow: Vec::new() };
    let mut bench = Bench::new(config);
    let alice = bench.login("alice");
    bench.commands.clear();
    for (number, callee) in
        ["+979 123", "00979123", "sip:+979123@evil.example", "tel:+979-123", "979123456789"].into_iter().enumerate()
    {
        bench.call(alice, &format!("c{number}"), callee);
        let last = bench.last_status(alice);
        let denied = EndReason::DestinationDenied;
        assert_eq!((last.sip_status, last.info.as_deref()), (Some(403), Some(denied.info())), "{callee}");
    }
    assert!(bench.commands.is_empty(), "{:?}", bench.commands);
    assert_eq!(bench.refusals(Guard::Destination), 5);
    let [report] = &bench.offenses[..] else { panic!("{:?}", bench.offenses) };
    assert_eq!((report.kind, report.count, report.is_verified), (Kind::DeniedDestination, 5, true));
}

#[test]
fn calls_of_a_phone_are_limited_and_those_of_a_server_are_not() {
    let mut config = with_trunk();
    config.guards = GuardRules { call_rate_per_login: Some(2), ..GuardRules::default() };
    config.guards.destinations.deny = vec![Pattern::parse("+979*").unwrap()];
    let mut bench = Bench::new(config);
    bench.login("alice");
    bench.commands.clear();
    let invite = |bench: &mut Bench, number: u64, origin: Origin, callee: &str| {
        let invite = InviteId::Inbound(number);
        bench.sip(Event::Incoming { invite, request: Box::new(call_to(origin, callee)) });
        let status = bench.commands.drain(..).find_map(|command| match command {
            Command::Reject { status, .. } => Some(status),
            _ => None,
        });
        bench.sip(Event::Ended { invite, cause: offhook_sip::user_agent::io::Cause::Local });
        bench.commands.clear();
        status
    };
    let phone = || Origin::Phone("101".to_owned());
    assert_eq!(invite(&mut bench, 1, phone(), "00979123"), Some(403));
    let statuses = [2, 3, 4].map(|number| invite(&mut bench, number, phone(), "alice"));
    assert_eq!(statuses, [None, None, Some(503)]);
    assert_eq!((bench.refusals(Guard::CallRatePerLogin), bench.refusals(Guard::Destination)), (1, 1));
    let trunk = bench.relay.accounts().find(|account| account.is_trunk).unwrap().id;
    for number in 5..9 {
        assert_eq!(
            invite(&mut bench, number, Origin::Account(trunk), "+4930100"),
            None,
            "many users call through a server"
        );
    }
    bench.assert_no_leak(&[]);
}

#[test]
fn forged_address_does_not_use_up_the_limits_of_its_users() {
    let mut config = with_trunk();
    config.guards = GuardRules { call_rate_per_address: Some(2), ..GuardRules::default() };
    let mut bench = Bench::new(config);
    let alice = bench.login_from("alice", [192, 0, 2, 1]);
    for number in 1..=3 {
        bench.commands.clear();
        let source = IpAddr::from([192, 0, 2, 1]);
        let request = InboundInvite { source, ..call_to(Origin::Unknown, "alice") };
        let invite = InviteId::Inbound(number);
        bench.sip(Event::Incoming { invite, request: Box::new(request) });
        let is_refused = bench.commands.iter().any(|command| matches!(command, Command::Reject { status: 503, .. }));
        assert_eq!(is_refused, number == 3, "call {number} of unknown sources");
        bench.sip(Event::Ended { invite, cause: offhook_sip::user_agent::io::Cause::Local });
    }
    let bob = bench.login_from("bob", [192, 0, 2, 1]);
    for id in ["b1", "b2"] {
        bench.call(bob, id, "alice");
        bench.hang_up(bob, id);
    }
    assert_eq!(bench.refusals(Guard::CallRatePerAddress), 1, "only of the unknown source");
    bench.take(alice);
    bench.assert_no_leak(&[]);
}
