//! Routing by the shell: questions, answers, deadlines, and ends of calls while a question is open.

use super::sip_calls::{from_phone, gone, phone_sdp};
use super::{Bench, RouteQuestion, config, with_sip};
use crate::address::Address;
use crate::command::CommandError;
use crate::config::{Config, LoginName, Routing};
use crate::io::{ConnectionId, Input, RequestId, RouteAnswer, RouteSource, RouteTarget};
use core::time::Duration;
use offhook_signaling::message::{CallId, ClientMessage};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Command, Event, InviteId, Origin};

const TIMEOUT: Duration = Duration::from_secs(5);
const INVITE: InviteId = InviteId::Inbound(7);

fn external(config: Config) -> Config {
    Config { routing: Routing::External { timeout: TIMEOUT }, ..config }
}

fn user(login: &str) -> RouteTarget {
    RouteTarget::User(LoginName(login.to_owned()))
}

impl Bench {
    /// Returns the only open question.
    fn question(&mut self) -> RouteQuestion {
        let questions = core::mem::take(&mut self.routes);
        let [question] = <[RouteQuestion; 1]>::try_from(questions).expect("one question");
        question
    }

    fn route(&mut self, request: RequestId, answer: Result<Vec<RouteTarget>, EndReason>) {
        self.decide(request, answer.map_or_else(RouteAnswer::Refused, RouteAnswer::Targets));
    }

    fn decide(&mut self, request: RequestId, answer: RouteAnswer) {
        self.input(Input::Routed { request, answer });
    }

    /// Places a call of `from`, which waits for its routing.
    fn call_unrouted(&mut self, from: ConnectionId, callee: &str) -> RouteQuestion {
        self.call(from, "a1", callee);
        assert_eq!(self.names(from), ["notifyTryingResponse TRYING"]);
        self.question()
    }

    /// Receives an INVITE of an unknown source, which waits for its routing.
    fn invite_unrouted(&mut self) -> RouteQuestion {
        let mut request = from_phone(Origin::Unknown, Some(phone_sdp(4000, "sendrecv")));
        request.request_uri = "sip:support@relay.test".parse().unwrap();
        self.sip(Event::Incoming { invite: INVITE, request: Box::new(request) });
        assert!(self.commands.is_empty(), "the INVITE is not answered yet");
        self.question()
    }

    fn establish_routed(&mut self, from: ConnectionId, to: ConnectionId, login: &str) -> CallId {
        let question = self.call_unrouted(from, "support");
        self.route(question.request, Ok(vec![user(login)]));
        let id = self.incoming(to);
        self.answer(to, &id);
        assert_eq!(self.names(from), ["ring RING", "setRemoteSDP", "talk ESTABLISHED"]);
        assert_eq!(self.names(to), ["talk ESTABLISHED"]);
        id
    }
}

#[test]
fn local_routing_asks_no_question() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    assert!(bench.routes.is_empty());
}

#[test]
fn browser_call_rings_targets_of_answer() {
    let mut bench = Bench::new(external(config()));
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    let question = bench.call_unrouted(alice, "support");
    assert_eq!(question.to.to_string(), "support");
    assert!(matches!(question.from, RouteSource::Session(_)));
    bench.reload();
    bench.route(question.request, Ok(vec![user("bob"), user("carol"), user("bob")]));
    let (at_bob, at_carol) = (bench.incoming(bob), bench.incoming(carol));
    assert_eq!(bench.events.last().map(|(_, record)| record.call), Some(question.call));
    bench.answer(carol, &at_carol);
    assert_eq!(bench.names(alice), ["ring RING", "setRemoteSDP", "talk ESTABLISHED"]);
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    bench.hang_up(bob, at_bob.as_str());
    bench.hang_up(alice, "a1");
    assert_eq!(bench.names(carol), ["talk ESTABLISHED", "finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn refusal_ends_browser_call() {
    let mut bench = Bench::new(external(config()));
    let alice = bench.login("alice");
    for answer in [Err(EndReason::Busy), Ok(Vec::new()), Ok(vec![user("nobody")])] {
        let question = bench.call_unrouted(alice, "support");
        let is_busy = answer == Err(EndReason::Busy);
        bench.route(question.request, answer);
        let names = bench.names(alice);
        assert_eq!(
            names.first().map(String::as_str),
            Some(if is_busy { "busy" } else { "finish FAILED" }),
            "{names:?}"
        );
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn unanswered_question_ends_browser_call() {
    let mut bench = Bench::new(external(config()));
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    let question = bench.call_unrouted(alice, "support");
    bench.wait(TIMEOUT - Duration::from_millis(1));
    assert!(bench.names(alice).is_empty());
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.names(alice), ["finish FAILED"]);
    bench.route(question.request, Ok(vec![user("bob")]));
    assert!(bench.names(bob).is_empty(), "the answer is late");
    assert_eq!(bench.relay.counters().ignored_routing_answers, 1);
    bench.assert_no_leak(&[]);
}

#[test]
fn answer_to_no_question_is_counted_and_ignored() {
    let mut bench = Bench::new(external(config()));
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    let question = bench.call_unrouted(alice, "support");
    bench.route(RequestId(question.request.0 + 1), Ok(vec![user("bob")]));
    assert!(bench.names(bob).is_empty());
    assert_eq!(bench.relay.counters().ignored_routing_answers, 1);
}

#[test]
fn caller_ends_call_while_it_is_routed() {
    for is_socket_lost in [false, true] {
        let mut bench = Bench::new(external(config()));
        let (alice, bob) = (bench.login("alice"), bench.login("bob"));
        let question = bench.call_unrouted(alice, "support");
        if is_socket_lost {
            bench.input(Input::Disconnected { connection: alice });
        } else {
            bench.hang_up(alice, "a1");
        }
        assert_eq!(bench.names(alice), ["finish FINISH"]);
        bench.assert_no_leak(&[]);
        bench.route(question.request, Ok(vec![user("bob")]));
        assert!(bench.names(bob).is_empty());
        assert_eq!(bench.relay.counters().ignored_routing_answers, 1);
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn other_actions_on_call_that_is_routed_are_refused() {
    let mut bench = Bench::new(external(config()));
    let alice = bench.login("alice");
    bench.call_unrouted(alice, "support");
    for message in [
        ClientMessage::Hold { call_id: "a1".into(), for_transfer: false },
        ClientMessage::Transfer { call_id: "a1".into(), target: "bob".to_owned() },
    ] {
        bench.send(alice, &message);
    }
    assert!(bench.routes.is_empty(), "{}", CommandError::UnknownCall);
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn inbound_call_rings_targets_of_answer() {
    let mut bench = Bench::new(external(with_sip()));
    let bob = bench.login("bob");
    let question = bench.invite_unrouted();
    assert_eq!((question.from, question.to.to_string()), (RouteSource::Unknown, "sip:support@relay.test".to_owned()));
    bench.reload();
    bench.route(question.request, Ok(vec![user("bob")]));
    bench.incoming(bob);
    assert_eq!(bench.command(), Command::Ring { invite: INVITE, status: 180, body: None });
    bench.ended(INVITE, gone());
    bench.assert_no_leak(&[]);
}

#[test]
fn inbound_call_is_rejected_with_refusal_or_timeout() {
    let mut bench = Bench::new(external(with_sip()));
    let question = bench.invite_unrouted();
    bench.route(question.request, Err(EndReason::Forbidden));
    assert!(matches!(bench.command(), Command::Reject { invite: INVITE, status: 403, .. }));
    bench.invite_unrouted();
    bench.wait(TIMEOUT);
    let status = EndReason::ServerTimeout.sip_status();
    assert!(matches!(bench.command(), Command::Reject { invite: INVITE, status: sent, .. } if sent == status));
    bench.assert_no_leak(&[]);
}

#[test]
fn cancel_ends_inbound_call_while_it_is_routed() {
    let mut bench = Bench::new(external(with_sip()));
    let bob = bench.login("bob");
    let question = bench.invite_unrouted();
    bench.ended(INVITE, gone());
    assert_eq!(bench.relay.poll_timeout(), None);
    bench.route(question.request, Ok(vec![user("bob")]));
    assert!(bench.names(bob).is_empty() && bench.commands.is_empty());
    assert_eq!(bench.relay.counters().ignored_routing_answers, 1);
    bench.assert_no_leak(&[]);
}

#[test]
fn unknown_source_may_not_call_addresses() {
    let mut bench = Bench::new(external(super::sip_phones::with_trunk()));
    bench.commands.clear();
    let question = bench.invite_unrouted();
    bench.route(question.request, Ok(vec![RouteTarget::Address(Address::parse("+4930200"))]));
    assert!(matches!(bench.command(), Command::Reject { status: 403, .. }));
}

#[test]
fn address_is_called_through_trunk() {
    let mut bench = Bench::new(external(super::sip_phones::with_trunk()));
    bench.commands.clear();
    let alice = bench.login("alice");
    let question = bench.call_unrouted(alice, "support");
    bench.route(question.request, Ok(vec![RouteTarget::Address(Address::parse("+4930200"))]));
    let (invite, request) = bench.invited();
    assert!(request.account.is_some());
    bench.ended(invite, gone());
}

#[test]
fn transfer_target_is_routed() {
    let mut bench = Bench::new(external(config()));
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    let at_bob = bench.establish_routed(alice, bob, "bob");
    let transfer = ClientMessage::Transfer { call_id: "a1".into(), target: "sales".to_owned() };
    bench.send(alice, &transfer);
    let question = bench.question();
    assert_eq!(question.to.to_string(), "sales");
    bench.send(alice, &transfer);
    assert!(bench.routes.is_empty() && !bench.names(alice).is_empty(), "the second transfer is refused");
    bench.route(question.request, Ok(vec![user("carol")]));
    let at_carol = bench.incoming(carol);
    bench.answer(carol, &at_carol);
    assert_eq!(bench.names(alice), ["notifyTransferEvent", "finish FINISH"]);
    bench.hang_up(bob, at_bob.as_str());
    bench.assert_no_leak(&[]);
}

#[test]
fn call_goes_on_without_answer_to_transfer() {
    let mut bench = Bench::new(external(config()));
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish_routed(alice, bob, "bob");
    bench.send(alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "sales".to_owned() });
    bench.wait(TIMEOUT);
    assert_eq!(bench.names(alice), ["fail", "talk ESTABLISHED"]);
    assert_eq!(bench.relay.counts().calls, 1);
    // The end of the call before the answer.
    bench.send(alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "sales".to_owned() });
    bench.hang_up(alice, "a1");
    let late = bench.routes.pop().unwrap();
    bench.route(late.request, Ok(vec![user("bob")]));
    bench.assert_no_leak(&[]);
}

#[test]
fn shutdown_ends_calls_that_are_routed() {
    let mut bench = Bench::new(external(with_sip()));
    let alice = bench.login("alice");
    bench.call_unrouted(alice, "support");
    bench.invite_unrouted();
    bench.input(Input::Shutdown);
    let commands = bench.take_commands();
    assert!(matches!(commands[..], [Command::Reject { invite: INVITE, .. }, Command::Shutdown]), "{commands:?}");
    assert_eq!(bench.names(alice).len(), 1, "the end of the call");
    bench.assert_no_leak(&[]);
}
