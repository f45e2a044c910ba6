//! Commands from the shell, and their results.

use super::{Bench, OFFER, config, hello};
use crate::address::Address;
use crate::call::{CallEvent, CallKey, CallPhase, DtmfMethod, EndpointKind, LegProgress, ParticipantRole};
use crate::command::{Accepted, CallCommand, CallRef, CommandError, CommandResult, Digits, NewCall, ReferOptions};
use crate::io::{Input, RequestId};
use offhook_media::command::{Command, LegKey};
use offhook_signaling::message::ConnectionMessage;

impl Bench {
    pub(super) fn execute(&mut self, command: CallCommand) -> CommandResult {
        let request = RequestId(self.results.len() as u64);
        self.input(Input::Command { request, command });
        let (answered, result) = self.results.last().copied().unwrap();
        assert_eq!(answered, request);
        result
    }

    /// Returns the participants of the latest call: the caller, and the callee that was alerted last.
    pub(super) fn participants(&self) -> (CallRef, CallRef) {
        let leg_of = |pick: fn(&CallEvent) -> Option<LegKey>| {
            let found = self.events.iter().rev().find_map(|(event, record)| Some((record.call, pick(event)?)));
            let (call, leg) = found.unwrap();
            CallRef { call, leg }
        };
        let caller = leg_of(|event| match event {
            CallEvent::Placed { caller, .. } => Some(*caller),
            _ => None,
        });
        let callee = leg_of(|event| match event {
            CallEvent::Routed { callee, .. } => Some(*callee),
            _ => None,
        });
        (caller, callee)
    }
}

#[test]
fn command_acts_like_the_browser_message() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    let (caller, callee) = bench.participants();
    assert_eq!(bench.execute(CallCommand::Hold { at: caller }), Ok(Accepted::Passed));
    assert_eq!(bench.names(alice), ["hold HOLD"]);
    assert_eq!(bench.execute(CallCommand::Resume { at: caller }), Ok(Accepted::Passed));
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
    let digits = Digits::parse("5").unwrap();
    let send = CallCommand::SendDtmf { at: callee, method: DtmfMethod::TelephoneEvent, digits };
    assert_eq!(bench.execute(send), Ok(Accepted::Passed));
    assert!(bench.media.contains(&Command::SendDtmf { leg: caller.leg, digits: "5".into() }));
    assert_eq!(bench.execute(CallCommand::HangUp { at: callee, reason: None }), Ok(Accepted::Passed));
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn blind_transfer_command_calls_the_target() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    bench.establish(alice, "a1", bob, "bob");
    let (caller, _) = bench.participants();
    let refer = ReferOptions::default();
    let transfer = CallCommand::TransferBlind { at: caller, target: Address::parse("carol"), refer };
    assert_eq!(bench.execute(transfer), Ok(Accepted::Passed));
    let at_carol = bench.incoming(carol);
    bench.answer(carol, &at_carol);
    assert_eq!(bench.names(alice), ["notifyTransferEvent", "finish FINISH"]);
}

#[test]
fn attended_transfer_command_joins_the_other_participants() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    bench.establish(alice, "a1", bob, "bob");
    let (at, _) = bench.participants();
    let at_carol = bench.establish(alice, "a2", carol, "carol");
    let (other, _) = bench.participants();
    assert_eq!(bench.execute(CallCommand::TransferAttended { at, other }), Ok(Accepted::Passed));
    bench.names(bob);
    bench.hang_up(carol, at_carol.as_str());
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn call_is_not_joined_with_itself() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    let at_bob = bench.establish(alice, "a1", bob, "bob");
    let (caller, callee) = bench.participants();
    for (at, other) in [(caller, callee), (callee, caller), (caller, caller)] {
        assert_eq!(bench.execute(CallCommand::TransferAttended { at, other }), Err(CommandError::SameCall));
    }
    assert!(bench.names(alice).is_empty() && bench.names(bob).is_empty());
    bench.hang_up(bob, at_bob.as_str());
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn call_is_not_placed_for_a_session_without_a_socket() {
    let mut bench = Bench::new(config());
    let bob = bench.login("bob");
    let alice = bench.connect(ConnectionMessage { keep_alive: Some(true), ..hello("alice") });
    let session =
        bench.relay.sessions().find(|session| session.login == Some("alice")).map(|session| session.id).unwrap();
    let place = |call_id: &str| {
        CallCommand::Place(Box::new(NewCall {
            session,
            call_id: call_id.into(),
            callee: Address::parse("bob"),
            visible_name: None,
            sdp: OFFER.to_owned(),
            custom: None,
            headers: Vec::new(),
            anonymous: false,
            lines: Vec::new(),
        }))
    };
    assert!(matches!(bench.execute(place("a1")), Ok(Accepted::Placed(_))));
    bench.input(Input::Disconnected { connection: alice });
    bench.take(bob);
    assert_eq!(bench.execute(place("a2")), Err(CommandError::UnknownSession));
    assert!(bench.names(bob).is_empty(), "nobody could take the call");
}

#[test]
fn command_that_does_not_fit_the_state_is_refused() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    bench.incoming(bob);
    let (caller, callee) = bench.participants();
    let refer = ReferOptions::default();
    let transfer = CallCommand::TransferBlind { at: caller, target: Address::parse("carol"), refer };
    assert_eq!(bench.execute(transfer), Err(CommandError::NotEstablished));
    assert_eq!(bench.execute(CallCommand::Hold { at: callee }), Err(CommandError::NotEstablished));
    let answer = CallCommand::Answer { at: caller, sdp: String::new(), lines: vec![] };
    assert_eq!(bench.execute(answer), Err(CommandError::NotAlerting));
    let elsewhere = CallRef { call: CallKey(0), leg: caller.leg };
    assert_eq!(bench.execute(CallCommand::HangUp { at: elsewhere, reason: None }), Err(CommandError::UnknownCall));
    assert_eq!(bench.execute(CallCommand::HangUp { at: caller, reason: None }), Ok(Accepted::Passed));
    assert_eq!(bench.execute(CallCommand::HangUp { at: caller, reason: None }), Err(CommandError::UnknownCall));
}

#[test]
fn snapshot_follows_the_call() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    bench.call(alice, "a1", "bob");
    let at_bob = bench.incoming(bob);
    let (caller, callee) = bench.participants();
    let ringing = bench.relay.call(caller.call).unwrap();
    assert_eq!(ringing.phase, CallPhase::Ringing);
    let [from, to] = &ringing.participants[..] else { panic!("{ringing:?}") };
    assert_eq!((from.leg, from.role, from.progress), (caller.leg, ParticipantRole::Caller, LegProgress::Calling));
    assert_eq!((to.leg, to.role, to.progress), (callee.leg, ParticipantRole::Callee, LegProgress::Alerting));
    assert_eq!((from.endpoint, from.is_incoming, to.is_incoming), (EndpointKind::Browser, false, true));
    assert_eq!((to.caller.as_str(), to.callee.as_str()), ("alice", "bob"));
    assert_eq!(from.browser.as_ref().unwrap().1.as_str(), "a1");
    assert_eq!(to.browser.as_ref().unwrap().1, at_bob);
    bench.answer(bob, &at_bob);
    bench.execute(CallCommand::Hold { at: callee }).unwrap();
    let held = bench.relay.call(caller.call).unwrap();
    assert_eq!(held.phase, CallPhase::Established);
    assert_eq!(held.participants.iter().map(|one| one.is_holding).collect::<Vec<_>>(), [false, true]);
    let transfer =
        CallCommand::TransferBlind { at: caller, target: Address::parse("carol"), refer: ReferOptions::default() };
    bench.execute(transfer).unwrap();
    bench.incoming(carol);
    let transferring = bench.relay.call(caller.call).unwrap();
    let target = transferring.participants.last().unwrap();
    assert_eq!((transferring.phase, target.role), (CallPhase::Transferring, ParticipantRole::Target));
    bench.execute(CallCommand::HangUp { at: caller, reason: None }).unwrap();
    let left = bench.relay.call(caller.call).unwrap();
    assert_eq!((left.phase, left.participants.len()), (CallPhase::HandedOver, 2));
    bench.execute(CallCommand::HangUp { at: callee, reason: None }).unwrap();
    bench.hang_up(bob, at_bob.as_str());
    assert_eq!(bench.relay.call(CallKey(0)), None);
}
