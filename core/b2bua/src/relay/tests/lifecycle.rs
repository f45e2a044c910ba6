//! Changes of a running relay: the drain before a shutdown, and another configuration.

use super::sip_calls::{from_phone, phone_sdp};
use super::{Bench, Config, config, hello, with_sip};
use crate::config::{AcceptedLogins, LoginName, Routing};
use crate::io::{Input, RouteAnswer};
use core::time::Duration;
use offhook_signaling::message::{CallStatus, ClientMessage};
use offhook_sip::user_agent::io::{Command, Event, InviteId, Origin};

#[test]
fn draining_relay_refuses_new_calls_and_continues_others() {
    let mut bench = Bench::new(with_sip());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    let at_bob = bench.establish(alice, "a1", bob, "bob");
    bench.input(Input::Drain);
    bench.call(alice, "a2", "bob");
    let end = bench.last_status(alice);
    assert_eq!((end.status, end.sip_status), (CallStatus::Finish, Some(503)));
    assert_eq!(bench.names(bob), [""; 0], "the callee is not alerted");
    let request = from_phone(Origin::Unknown, Some(phone_sdp(4000, "sendrecv")));
    bench.sip(Event::Incoming { invite: InviteId::Inbound(1), request: Box::new(request) });
    assert!(matches!(bench.command(), Command::Reject { status: 503, .. }));
    bench.send(bob, &ClientMessage::Hold { call_id: at_bob.clone(), for_transfer: false });
    assert_eq!(bench.names(bob), ["hold HOLD"]);
    bench.hang_up(alice, "a1");
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    assert_eq!(bench.relay.counts().calls, 0);
}

#[test]
fn session_of_removed_account_ends() {
    let with = |accounts: &[&str]| Config {
        admission: AcceptedLogins::Accounts,
        accounts: accounts.iter().map(|login| LoginName((*login).to_owned())).collect(),
        ..config()
    };
    let mut bench = Bench::new(with(&["alice", "bob"]));
    let [alice, bob] = ["alice", "bob"].map(|login| {
        let connection = bench.connect(hello(login));
        let (request, ..) = bench.checks.pop().unwrap();
        bench.input(Input::PasswordVerified { request, matches: true });
        bench.names(connection);
        connection
    });
    bench.input(Input::Configure(Box::new(with(&["bob", "carol"]))));
    assert_eq!(bench.closed[&alice], (1008, "the account was removed from the relay".to_owned()));
    assert!(!bench.closed.contains_key(&bob));
    bench.call(bob, "b1", "carol");
    assert_eq!(bench.last_status(bob).sip_status, Some(480), "the new account is known");
    bench.call(bob, "b2", "alice");
    assert_eq!(bench.last_status(bob).sip_status, Some(404));
}

#[test]
fn new_call_has_the_new_ring_timeout() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    let other = Config { ring_timeout: Duration::from_secs(5), node: 7, ..config() };
    bench.input(Input::Configure(Box::new(other)));
    bench.call(alice, "a1", "bob");
    bench.incoming(bob);
    bench.names(alice);
    bench.wait(Duration::from_secs(6));
    assert_eq!(bench.last_status(alice).sip_status, Some(408));
}

#[test]
fn call_that_waits_for_its_targets_delays_drain() {
    let routing = Routing::External { timeout: Duration::from_secs(5) };
    let mut bench = Bench::new(Config { routing, ..config() });
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    bench.input(Input::Drain);
    assert_eq!(bench.relay.counts().calls, 0);
    assert!(!bench.relay.is_without_calls());
    let request = bench.routes.pop().unwrap().request;
    bench.input(Input::Routed { request, answer: RouteAnswer::Local });
    bench.incoming(bob);
    assert!(!bench.relay.is_without_calls());
    bench.hang_up(alice, "a1");
    assert!(bench.relay.is_without_calls());
}

#[test]
fn password_check_during_removal_of_account_creates_no_session() {
    let with = |accounts: &[&str]| Config {
        admission: AcceptedLogins::Accounts,
        accounts: accounts.iter().map(|login| LoginName((*login).to_owned())).collect(),
        ..config()
    };
    let mut bench = Bench::new(with(&["alice", "bob"]));
    let (alice, bob) = (bench.connect(hello("alice")), bench.connect(hello("bob")));
    let checks = core::mem::take(&mut bench.checks);
    bench.input(Input::Configure(Box::new(with(&["bob"]))));
    assert_eq!(bench.closed[&alice], (1008, "wrong login or password".to_owned()));
    for (request, ..) in checks {
        bench.input(Input::PasswordVerified { request, matches: true });
    }
    assert_eq!(bench.names(bob), ["getUserData", "registered"]);
    assert_eq!(bench.relay.counts().sessions, 1);
}
