//! Transfers and redirects at the cost of an operator's account, and the limits of ringing.

use super::sip_calls::{from_phone, gone, phone_sdp};
use super::sip_phones::{call_to, moved, with_trunk};
use super::{Bench, config, sip_config, with_sip};
use crate::config::{Config, LoginName, Pattern, Sip};
use crate::io::ConnectionId;
use crate::relay::Guard;
use core::time::Duration;
use offhook_sip::auth::{Secret, Verifier};
use offhook_sip::user_agent::io::{Command, Destination, Event, Identity, InboundInvite, InviteId, Origin, PhoneUser};

const CALLER: InviteId = InviteId::Inbound(7);

fn forwarding_to(patterns: &[&str]) -> Config {
    let mut config = with_trunk();
    let sip = config.sip.as_mut().unwrap();
    sip.forward_to = patterns.iter().map(|pattern| Pattern::parse(pattern).unwrap()).collect();
    config
}

/// An established call from the trunk to alice.
fn trunk_call(config: Config) -> Bench {
    let mut bench = Bench::new(config);
    let (trunk, _) = bench.opened();
    let alice = bench.login("alice");
    bench.login("bob");
    let mut request = call_to(Origin::Account(trunk), "+4930100");
    request.offer = from_phone(Origin::Unknown, Some(phone_sdp(4000, "sendrecv"))).offer;
    bench.sip(Event::Incoming { invite: CALLER, request: Box::new(request) });
    let id = bench.incoming(alice);
    bench.answer(alice, &id);
    bench.take_commands();
    bench
}

fn refer(bench: &mut Bench, target: &str, replaces: Option<&str>) -> Vec<Command> {
    let (target, replaces) = (Box::new(target.parse().unwrap()), replaces.map(str::to_owned));
    bench.sip(Event::Refer { invite: CALLER, target, replaces, replaced: None, referred_by: None });
    bench.take_commands()
}

#[test]
fn refer_of_a_trunk_caller_is_refused() {
    for target in ["sip:+900123456@pbx.test", "sip:bob@relay.test", "tel:+900123456", "sip:+4930200;x=y@pbx.test"] {
        let mut bench = trunk_call(with_trunk());
        assert_eq!(refer(&mut bench, target, None), [Command::AnswerRefer { invite: CALLER, status: 403 }], "{target}");
        let commands = refer(&mut bench, target, Some("a;to-tag=b;from-tag=c"));
        assert_eq!(commands, [Command::AnswerRefer { invite: CALLER, status: 403 }], "{target}");
    }
}

#[test]
fn refer_of_a_trunk_caller_follows_the_patterns() {
    let mut bench = trunk_call(forwarding_to(&["+4930*"]));
    let refused = [Command::AnswerRefer { invite: CALLER, status: 403 }];
    assert_eq!(refer(&mut bench, "sip:+900123456@pbx.test", None), refused);
    assert_eq!(refer(&mut bench, "sip:004930200@pbx.test", None), refused);
    let commands = refer(&mut bench, "sip:+4930200;x=y@elsewhere.test:22;transport=tcp", None);
    let [Command::AnswerRefer { status: 202, .. }, Command::Invite { request, .. }] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(request.to, Destination::Uri("sip:+4930200@pbx.test".parse().unwrap()), "at the trunk's server");
}

#[test]
fn redirect_of_a_trunk_call_follows_the_patterns() {
    for (patterns, is_followed) in [(&[][..], false), (&["+4930*"][..], true), (&["1*"][..], false)] {
        let mut bench = Bench::new(forwarding_to(patterns));
        let (trunk, _) = bench.opened();
        bench.bind("bob", 1);
        bench.sip(Event::Incoming { invite: CALLER, request: Box::new(call_to(Origin::Account(trunk), "bob")) });
        let (first, _) = bench.invited();
        bench.ended(first, moved(&["sip:+4930200@pbx.test"]));
        let commands = bench.take_commands();
        let is_sent_on =
            matches!(commands.first(), Some(Command::Invite { request, .. }) if request.account == Some(trunk));
        assert_eq!(is_sent_on, is_followed, "{patterns:?}: {commands:?}");
    }
}

#[test]
fn redirect_of_a_trunk_call_to_a_local_user_is_followed() {
    let mut bench = Bench::new(with_trunk());
    let (trunk, _) = bench.opened();
    bench.bind("bob", 1);
    let carol = bench.login("carol");
    bench.sip(Event::Incoming { invite: CALLER, request: Box::new(call_to(Origin::Account(trunk), "bob")) });
    let (first, _) = bench.invited();
    bench.ended(first, moved(&["sip:carol@relay.test"]));
    bench.incoming(carol);
}

#[test]
fn unknown_source_replaces_no_call_of_a_phone() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.login("alice");
    let phone = call_to(Origin::Phone("carol".into()), "alice");
    bench.sip(Event::Incoming { invite: CALLER, request: Box::new(phone) });
    let id = bench.incoming(alice);
    bench.answer(alice, &id);
    bench.take_commands();
    let replacing = InboundInvite { replaces: Some(CALLER), ..call_to(Origin::Unknown, "alice") };
    bench.sip(Event::Incoming { invite: InviteId::Inbound(8), request: Box::new(replacing) });
    assert!(matches!(bench.command(), Command::Reject { status: 481, .. }));
}

fn ring(bench: &mut Bench, number: u64, origin: Origin, caller: &str) -> Option<u16> {
    let from = Identity { name: None, uri: format!("sip:{caller}@elsewhere.test").parse().unwrap() };
    let request = InboundInvite { from, ..call_to(origin, "alice") };
    bench.sip(Event::Incoming { invite: InviteId::Inbound(number), request: Box::new(request) });
    bench.take_commands().iter().find_map(|command| match command {
        Command::Reject { status, .. } => Some(*status),
        _ => None,
    })
}

fn rings(bench: &mut Bench, page: ConnectionId) -> usize {
    bench.names(page).iter().filter(|name| name.starts_with("notifyIncomingCall")).count()
}

#[test]
fn flood_of_unknown_sources_leaves_a_user_reachable() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.login("alice");
    for number in 0..600 {
        let expected = (number >= 2).then_some(486);
        assert_eq!(ring(&mut bench, number, Origin::Unknown, &format!("x{number}")), expected, "{number}");
    }
    assert_eq!(rings(&mut bench, alice), 2);
    let bob = bench.login("bob");
    bench.call(bob, "b1", "alice");
    assert_eq!(rings(&mut bench, alice), 1);
}

#[test]
fn flood_of_one_phone_leaves_a_user_reachable() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.login("alice");
    let refused = (0..600).filter(|n| ring(&mut bench, *n, Origin::Phone("101".into()), "101") == Some(486)).count();
    assert_eq!((rings(&mut bench, alice), refused), (3, 597));
    let bob = bench.login("bob");
    bench.call(bob, "b1", "alice");
    assert_eq!(rings(&mut bench, alice), 1);
}

#[test]
fn flood_of_calls_that_are_canceled_is_limited_by_rate() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.login("alice");
    bench.bind("alice", 1);
    let mut invites = 0;
    for number in 0..600 {
        let request = call_to(Origin::Unknown, "alice");
        bench.sip(Event::Incoming { invite: InviteId::Inbound(number), request: Box::new(request) });
        let commands = bench.take_commands();
        invites += commands.iter().filter(|command| matches!(command, Command::Invite { .. })).count();
        if !commands.iter().any(|command| matches!(command, Command::Reject { .. })) {
            bench.ended(InviteId::Inbound(number), gone());
            bench.take_commands();
        }
    }
    assert_eq!((rings(&mut bench, alice), invites), (20, 20));
    bench.wait(Duration::from_secs(10));
    assert_eq!(ring(&mut bench, 1000, Origin::Unknown, "x"), None);
}

#[test]
fn configured_phone_that_is_not_registered_is_unavailable() {
    let mut sip: Sip = sip_config();
    let verifier = Verifier::Password(Secret::new("secret"));
    sip.user_agent.phones = vec![PhoneUser { user: "101".into(), verifier }];
    let mut bench = Bench::new(Config { sip: Some(Box::new(sip)), ..config() });
    let alice = bench.login("alice");
    bench.call(alice, "a1", "101");
    assert_eq!(bench.last_status(alice).sip_status, Some(480));
    bench.call(alice, "a2", "102");
    assert_eq!(bench.last_status(alice).sip_status, Some(404));
    assert!(bench.relay.is_user(&LoginName("101".into())));
}

#[test]
fn transfers_by_a_phone_count_in_its_rate() {
    let mut config = with_trunk();
    config.guards.call_rate_per_login = Some(2);
    let mut bench = Bench::new(config);
    let alice = bench.login("alice");
    bench.login("bob");
    bench.sip(Event::Incoming { invite: CALLER, request: Box::new(call_to(Origin::Phone("101".into()), "alice")) });
    let id = bench.incoming(alice);
    bench.answer(alice, &id);
    bench.take_commands();
    let commands = refer(&mut bench, "sip:bob@relay.test", None);
    assert_eq!(commands.first(), Some(&Command::AnswerRefer { invite: CALLER, status: 202 }));
    let commands = refer(&mut bench, "sip:bob@relay.test", None);
    assert_eq!(commands, [Command::AnswerRefer { invite: CALLER, status: 503 }]);
    assert_eq!(bench.relay.counters().guards.get(Guard::CallRatePerLogin), 1);
}

#[test]
fn redirects_by_a_phone_count_in_the_rate_of_the_caller() {
    for (rate, is_followed) in [(1, false), (2, true)] {
        let mut config = with_trunk();
        config.guards.call_rate_per_login = Some(rate);
        let mut bench = Bench::new(config);
        bench.bind("bob", 1);
        bench.take_commands();
        bench.sip(Event::Incoming { invite: CALLER, request: Box::new(call_to(Origin::Phone("101".into()), "bob")) });
        let (first, _) = bench.invited();
        bench.ended(first, moved(&["sip:+4930200@pbx.test"]));
        let commands = bench.take_commands();
        let is_sent_on = commands.iter().any(|command| matches!(command, Command::Invite { .. }));
        assert_eq!(is_sent_on, is_followed, "{commands:?}");
        assert_eq!(bench.relay.counters().guards.get(Guard::CallRatePerLogin), u64::from(!is_followed));
    }
}
