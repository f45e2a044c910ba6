//! Blind and attended transfer between local users.

use super::{Bench, config};
use crate::io::Input;
use core::time::Duration;
use offhook_media::command::Command;
use offhook_signaling::message::{CallStatus, ClientMessage};

fn transfer(id: &str, target: &str) -> ClientMessage {
    ClientMessage::Transfer { call_id: id.into(), target: target.to_owned() }
}

#[test]
fn blind_transfer_connects_transferee_with_target() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    let at_bob = bench.establish(alice, "a1", bob, "bob");
    bench.send(alice, &transfer("a1", "carol"));
    assert!(bench.names(alice).is_empty() && bench.names(bob).is_empty());
    let at_carol = bench.incoming(carol);
    bench.answer(carol, &at_carol);
    assert_eq!(bench.names(carol), ["talk ESTABLISHED"]);
    assert_eq!(bench.names(alice), ["notifyTransferEvent", "finish FINISH"]);
    assert!(bench.names(bob).is_empty(), "the same call goes on there");
    assert_eq!(bench.bridges().len(), 2);
    bench.hang_up(bob, at_bob.as_str());
    assert_eq!(bench.names(carol), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn callee_can_transfer_call() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    let at_bob = bench.establish(alice, "a1", bob, "bob");
    bench.send(bob, &transfer(at_bob.as_str(), "carol"));
    let at_carol = bench.incoming(carol);
    bench.answer(carol, &at_carol);
    assert_eq!(bench.names(bob), ["notifyTransferEvent", "finish FINISH"]);
    bench.hang_up(carol, at_carol.as_str());
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn refused_transfer_leaves_call_unchanged() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    bench.establish(alice, "a1", bob, "bob");
    bench.send(alice, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: false });
    bench.names(alice);
    bench.send(alice, &transfer("a1", "carol"));
    let at_carol = bench.incoming(carol);
    bench.hang_up(carol, at_carol.as_str());
    assert_eq!(bench.names(alice), ["fail", "hold HOLD"]);
    bench.send(alice, &transfer("a1", "nobody"));
    assert_eq!(bench.names(alice), ["fail", "hold HOLD"]);
    bench.names(carol);
    bench.send(alice, &transfer("a1", "carol"));
    bench.incoming(carol);
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.names(alice), ["fail", "hold HOLD"]);
    bench.hang_up(alice, "a1");
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn transferor_may_hang_up_before_target_answers() {
    for answered in [true, false] {
        let mut bench = Bench::new(config());
        let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
        let at_bob = bench.establish(alice, "a1", bob, "bob");
        bench.send(alice, &transfer("a1", "carol"));
        let at_carol = bench.incoming(carol);
        bench.hang_up(alice, "a1");
        assert_eq!(bench.names(alice), ["finish FINISH"]);
        if answered {
            bench.answer(carol, &at_carol);
            assert_eq!(bench.names(carol), ["talk ESTABLISHED"]);
            bench.hang_up(bob, at_bob.as_str());
            assert_eq!(bench.names(carol), ["finish FINISH"]);
        } else {
            bench.hang_up(carol, at_carol.as_str());
            assert_eq!(bench.last_status(bob).sip_status, Some(603));
        }
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn transferee_hangup_stops_ringing_target() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    let at_bob = bench.establish(alice, "a1", bob, "bob");
    bench.send(alice, &transfer("a1", "carol"));
    bench.incoming(carol);
    bench.hang_up(bob, at_bob.as_str());
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    assert_eq!(bench.names(carol), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn attended_transfer_joins_remote_participants() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    let at_bob = bench.establish(alice, "a1", bob, "bob");
    bench.send(alice, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: true });
    bench.names(alice);
    let at_carol = bench.establish(alice, "a2", carol, "carol");
    bench.send(alice, &transfer("a1", "carol"));
    let names = bench.names(alice);
    assert_eq!(names, ["finish FINISH", "notifyTransferEvent", "finish FINISH"]);
    assert!(bench.names(bob).is_empty() && bench.names(carol).is_empty());
    assert_eq!(bench.relay.counts().calls, 1);
    assert!(matches!(bench.media.last(), Some(Command::Bridge { .. })));
    bench.send(carol, &ClientMessage::Hold { call_id: at_carol.clone(), for_transfer: false });
    assert_eq!(bench.last_status(carol).status, CallStatus::Hold);
    bench.hang_up(bob, at_bob.as_str());
    assert_eq!(bench.names(carol), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn attended_transfer_joins_two_incoming_calls() {
    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    let from_bob = bench.establish(bob, "b1", alice, "alice");
    bench.establish(carol, "c1", alice, "alice");
    bench.send(alice, &transfer(from_bob.as_str(), "carol"));
    assert_eq!(bench.names(alice), ["finish FINISH", "notifyTransferEvent", "finish FINISH"]);
    bench.hang_up(carol, "c1");
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn hold_of_transferee_continues_after_transfer() {
    for transferor_waits in [true, false] {
        let mut bench = Bench::new(config());
        let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
        let at_bob = bench.establish(alice, "a1", bob, "bob");
        bench.send(alice, &transfer("a1", "carol"));
        let at_carol = bench.incoming(carol);
        if !transferor_waits {
            bench.hang_up(alice, "a1");
        }
        bench.send(bob, &ClientMessage::Hold { call_id: at_bob.clone(), for_transfer: false });
        assert_eq!(bench.names(bob), ["hold HOLD"]);
        bench.answer(carol, &at_carol);
        assert_eq!(bench.bridges().len(), 1, "no further bridge while bob holds");
        bench.send(bob, &ClientMessage::Unhold(at_bob));
        assert_eq!(bench.names(bob), ["talk ESTABLISHED"]);
        assert_eq!(bench.bridges().len(), 2);
    }
}

#[test]
fn remaining_session_of_target_answers_transfer() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    let (desk, mobile) = (bench.login("carol"), bench.login("carol"));
    bench.establish(alice, "a1", bob, "bob");
    bench.send(alice, &transfer("a1", "carol"));
    bench.incoming(desk);
    let at_mobile = bench.incoming(mobile);
    bench.input(Input::Disconnected { connection: desk });
    assert!(bench.names(alice).is_empty() && bench.names(mobile).is_empty());
    bench.answer(mobile, &at_mobile);
    assert_eq!(bench.names(mobile), ["talk ESTABLISHED"]);
}

#[test]
fn two_calls_with_same_browser_are_not_joined() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    bench.establish(alice, "a2", bob, "bob");
    bench.send(alice, &transfer("a1", "bob"));
    assert_eq!(bench.names(alice), ["fail", "talk ESTABLISHED"]);
    assert_eq!(bench.relay.counts().calls, 2);
}
