//! Transfers with SIP endpoints as transferor, transferee or target.

use super::sip_calls::{body, from_phone, gone, phone_sdp, text};
use super::{Bench, with_sip};
use crate::io::ConnectionId;
use offhook_media::command::Command as MediaCommand;
use offhook_signaling::message::{CallStatus, ClientMessage};
use offhook_sip::user_agent::io::{Cause, Command, Destination, Event, InviteId, Origin};

fn transfer(id: &str, target: &str) -> ClientMessage {
    ClientMessage::Transfer { call_id: id.into(), target: target.to_owned() }
}

impl Bench {
    fn refer_progress(&mut self, invite: InviteId, status: u16, is_final: bool) {
        self.sip(Event::ReferProgress { invite, status, is_final, is_refused: false });
    }

    fn refer_refused(&mut self, invite: InviteId) {
        self.sip(Event::ReferProgress { invite, status: 501, is_final: true, is_refused: true });
    }

    fn referred(&mut self, invite: InviteId, target: &str) {
        let (target, referred_by) =
            (Box::new(target.parse().unwrap()), Some(Box::new("sip:1002@example.org".parse().unwrap())));
        self.sip(Event::Refer { invite, target, replaces: None, replaced: None, referred_by });
    }
}

/// Alice talks to a phone and has requested it to call another one.
fn asked(ours: bool) -> (Bench, ConnectionId, InviteId) {
    let mut bench = Bench::new(with_sip());
    let mut hello = super::accounts::hello_sip("alice", "secret");
    hello.offhook = ours.then(offhook_signaling::version::Extension::ours);
    let alice = bench.connect(hello);
    bench.opened();
    bench.names(alice);
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    bench.send(alice, &transfer("a1", "1005"));
    let order = Command::Refer { invite, target: Box::new("sip:1005@example.org".parse().unwrap()), replaces: None };
    assert_eq!(bench.command(), order);
    (bench, alice, invite)
}

#[test]
fn phone_executes_requested_transfer() {
    for ours in [false, true] {
        let (mut bench, alice, invite) = asked(ours);
        bench.refer_progress(invite, 100, false);
        // A stock page would give this call's media to the next incoming one.
        let pending = if ours { vec!["notifyTransferEvent"] } else { vec![] };
        assert_eq!(bench.names(alice), pending);
        bench.refer_progress(invite, 180, false);
        assert_eq!(bench.names(alice), pending, "nor is ringing of the target reported");
        bench.refer_progress(invite, 200, true);
        assert_eq!(bench.names(alice), ["notifyTransferEvent", "finish FINISH"]);
        assert_eq!(bench.command(), Command::HangUp { invite, reason: None });
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn bye_after_refer_completes_transfer() {
    let (mut bench, alice, invite) = asked(false);
    bench.refer_progress(invite, 100, false);
    bench.ended(invite, gone());
    assert_eq!(bench.names(alice), ["notifyTransferEvent", "finish FINISH"]);
    assert!(bench.commands.is_empty());
    bench.assert_no_leak(&[]);
}

#[test]
fn refused_referred_call_leaves_call_unchanged() {
    let (mut bench, alice, invite) = asked(false);
    bench.refer_progress(invite, 100, false);
    bench.refer_progress(invite, 486, true);
    assert_eq!(bench.names(alice), ["fail", "talk ESTABLISHED"]);
    bench.send(alice, &transfer("a1", "1006"));
    assert!(matches!(bench.command(), Command::Refer { .. }), "another one may be tried");
    bench.send(alice, &transfer("a1", "1007"));
    assert_eq!(bench.names(alice), ["fail", "talk ESTABLISHED"], "one at a time");
    bench.hang_up(alice, "a1");
    assert_eq!(bench.command(), Command::HangUp { invite, reason: None });
    bench.assert_no_leak(&[]);
}

#[test]
fn relay_executes_transfer_when_refer_is_refused() {
    for answered in [true, false] {
        let (mut bench, alice, invite) = asked(false);
        bench.refer_refused(invite);
        let (target, request) = bench.invited();
        assert_eq!(request.to, Destination::Uri("sip:1005@example.org".parse().unwrap()));
        assert!(text(&request.offer.unwrap()).contains("PCMU"));
        bench.progress(target, 180, None);
        assert!(bench.names(alice).is_empty());
        if answered {
            bench.answered(target, Some(&phone_sdp(5000, "sendrecv")));
            assert_eq!(bench.names(alice), ["notifyTransferEvent", "finish FINISH"]);
            assert!(bench.commands.is_empty(), "the two phones talk as they are");
            assert_eq!(bench.bridges().len(), 2);
            bench.ended(target, gone());
            assert_eq!(bench.command(), Command::HangUp { invite, reason: None });
        } else {
            bench.ended(target, Cause::Refused { status: 404, reason: "Not Found".into(), contacts: vec![] });
            assert_eq!(bench.names(alice), ["fail", "talk ESTABLISHED"]);
            bench.hang_up(alice, "a1");
        }
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn attended_transfer_joins_two_phones() {
    for (agrees, joined) in [(true, false), (false, true)] {
        let mut bench = Bench::new(with_sip());
        let (alice, _) = bench.login_sip("alice");
        let first = bench.establish_with_phone(alice, "a1", "1002");
        bench.send(alice, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: true });
        bench.take_commands();
        bench.sip(Event::OfferAnswered { invite: first, body: body(&phone_sdp(4000, "recvonly")) });
        assert_eq!(bench.names(alice), ["hold HOLD"]);
        let second = bench.establish_with_phone(alice, "a2", "1005");
        bench.send(alice, &transfer("a1", "1005"));
        let order = Command::Refer {
            invite: first,
            target: Box::new("sip:1005@example.org".parse().unwrap()),
            replaces: Some(second),
        };
        assert_eq!(bench.command(), order);
        if agrees {
            bench.refer_progress(first, 200, true);
            assert_eq!(bench.names(alice), ["notifyTransferEvent", "finish FINISH"]);
            bench.ended(second, gone()); // it was replaced
            assert_eq!(bench.names(alice), ["finish FINISH"]);
        }
        if joined {
            bench.refer_refused(first);
            assert_eq!(bench.names(alice), ["finish FINISH", "notifyTransferEvent", "finish FINISH"]);
            let Command::Offer { invite, body: offer } = bench.command() else { panic!() };
            assert!(invite == first && text(&offer).contains("a=sendrecv"), "it is no longer on hold");
            bench.sip(Event::OfferAnswered { invite: first, body: body(&phone_sdp(4000, "sendrecv")) });
            assert_eq!(bench.relay.counts().calls, 1);
            assert_eq!(bench.bridges().len(), 3, "the two calls and the two phones");
            bench.ended(second, gone());
            assert_eq!(bench.command(), Command::HangUp { invite: first, reason: None });
        }
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn refer_of_phone_transfers_page() {
    for answered in [true, false] {
        let mut bench = Bench::new(with_sip());
        let (alice, account) = bench.login_sip("alice");
        let invite = bench.establish_with_phone(alice, "a1", "1002");
        bench.referred(invite, "sip:1005@example.org");
        let commands = bench.take_commands();
        let [Command::AnswerRefer { status: 202, .. }, Command::Invite { invite: target, request }] = &commands[..]
        else {
            panic!("{commands:?}")
        };
        assert_eq!(
            (request.account, &request.to),
            (Some(account), &Destination::Uri("sip:1005@example.org".parse().unwrap()))
        );
        assert_eq!(request.referred_by, Some("sip:1002@example.org".parse().unwrap()));
        let target = *target;
        bench.progress(target, 180, None);
        assert!(matches!(bench.command(), Command::NotifyRefer { status: 180, .. }));
        if answered {
            bench.answered(target, Some(&phone_sdp(5000, "sendrecv")));
            let commands = bench.take_commands();
            let [Command::NotifyRefer { status: 200, .. }, Command::HangUp { invite: left, .. }] = &commands[..] else {
                panic!("{commands:?}")
            };
            assert_eq!(*left, invite);
            assert!(bench.names(alice).is_empty(), "the same call goes on there");
            assert_eq!(bench.bridges().len(), 2);
            bench.hang_up(alice, "a1");
            assert_eq!(bench.command(), Command::HangUp { invite: target, reason: None });
        } else {
            bench.ended(target, Cause::Refused { status: 486, reason: "Busy Here".into(), contacts: vec![] });
            assert_eq!(bench.command(), Command::NotifyRefer { invite, status: 486, reason: "Busy Here".into() });
            assert_eq!(bench.relay.counts().calls, 1);
            bench.ended(invite, gone());
        }
        assert_eq!(bench.names(alice), ["finish FINISH"]);
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn transferring_phone_may_hang_up_immediately() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    bench.referred(invite, "sip:1005@example.org");
    let commands = bench.take_commands();
    let Some(Command::Invite { invite: target, .. }) = commands.last() else { panic!() };
    let target = *target;
    bench.ended(invite, gone());
    assert!(bench.names(alice).is_empty());
    bench.answered(target, Some(&phone_sdp(5000, "sendrecv")));
    assert!(bench.names(alice).is_empty() && bench.commands.is_empty());
    bench.hang_up(alice, "a1");
    assert_eq!(bench.command(), Command::HangUp { invite: target, reason: None });
    bench.assert_no_leak(&[]);
}

#[test]
fn refer_to_forbidden_target_is_refused() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    bench.referred(invite, "sip:premium@elsewhere.test");
    let commands = bench.take_commands();
    let [Command::AnswerRefer { status: 202, .. }, Command::NotifyRefer { status: 403, .. }] = &commands[..] else {
        panic!("{commands:?}")
    };
    // Nor can it transfer a call that is not established.
    let ringing = InviteId::Inbound(7);
    bench.ring_from_phone(ringing, account, alice);
    bench.referred(ringing, "sip:1005@example.org");
    assert_eq!(bench.command(), Command::AnswerRefer { invite: ringing, status: 603 });
}

#[test]
fn attended_transfer_bridges_legs_of_two_workers() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let bob = bench.connect(super::accounts::hello_sip("bob", "secret"));
    bench.names(bob);
    let (at_bob, _) = bench.opened();
    let first = InviteId::Inbound(7);
    let id = bench.ring_from_phone(first, account, alice);
    bench.answer(alice, &id);
    let of_first = bench.workers.clone();
    let second = InviteId::Inbound(8);
    bench.take_commands();
    let other = bench.ring_from_phone(second, at_bob, bob);
    bench.answer(bob, &other);
    let worker_of_first = *of_first.values().next().unwrap();
    let of_second = bench.workers.iter().filter(|(leg, _)| !of_first.contains_key(leg));
    assert!(of_second.clone().count() == 2 && of_second.clone().all(|(_, worker)| *worker != worker_of_first));
    bench.take_commands();
    bench.names(alice);
    bench.names(bob);
    bench.media.clear();
    let event = Event::Refer {
        invite: first,
        target: Box::new("sip:bob@example.org".parse().unwrap()),
        replaces: Some("x;to-tag=y;from-tag=z".into()),
        replaced: Some(second),
        referred_by: None,
    };
    bench.sip(event);
    assert_eq!(bench.relay.counts().calls, 1);
    let bridges: Vec<_> = bench
        .media
        .iter()
        .filter_map(|command| match command {
            MediaCommand::BridgeAcross { leg, partner, worker, bridge } => Some((*leg, *partner, *worker, *bridge)),
            _ => None,
        })
        .collect();
    let [(a, b, worker_of_b, bridge), (other_b, other_a, worker_of_a, other_bridge)] = bridges[..] else {
        panic!("{:?}", bench.media)
    };
    assert_eq!((a, b, bridge), (other_a, other_b, other_bridge));
    assert_eq!((bench.workers[&a], bench.workers[&b]), (worker_of_a, worker_of_b));
    // A hold and its end, and the end of the call: each command reaches its leg.
    bench.send(bob, &ClientMessage::Hold { call_id: other.clone(), for_transfer: false });
    bench.send(bob, &ClientMessage::Unhold(other.clone()));
    let again = bench.media.iter().filter(|command| matches!(command, MediaCommand::BridgeAcross { .. })).count();
    assert_eq!(again, 4, "{:?}", bench.media);
    bench.hang_up(bob, other.as_str());
    bench.assert_no_leak(&[]);
}

#[test]
fn refer_with_replaces_joins_two_pages() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let bob = bench.connect(super::accounts::hello_sip("bob", "secret"));
    bench.names(bob);
    let (at_bob, _) = bench.opened();
    bench.relay.workers.restart_rotation();
    let first = InviteId::Inbound(7);
    let id = bench.ring_from_phone(first, account, alice);
    bench.answer(alice, &id);
    bench.relay.workers.restart_rotation();
    let second = InviteId::Inbound(8);
    bench.take_commands();
    let other = bench.ring_from_phone(second, at_bob, bob);
    bench.answer(bob, &other);
    bench.take_commands();
    bench.names(alice);
    bench.names(bob);
    let event = Event::Refer {
        invite: first,
        target: Box::new("sip:bob@example.org".parse().unwrap()),
        replaces: Some("x;to-tag=y;from-tag=z".into()),
        replaced: Some(second),
        referred_by: None,
    };
    bench.sip(event);
    let commands = bench.take_commands();
    let [
        Command::AnswerRefer { status: 202, .. },
        Command::HangUp { invite: one, .. },
        Command::NotifyRefer { status: 200, .. },
        Command::HangUp { invite: other_one, .. },
    ] = &commands[..]
    else {
        panic!("{commands:?}")
    };
    assert_eq!((*one, *other_one), (second, first));
    assert_eq!(bench.relay.counts().calls, 1);
    assert!(bench.names(alice).is_empty() && bench.names(bob).is_empty());
    bench.hang_up(bob, other.as_str());
    assert_eq!(bench.last_status(alice).status, CallStatus::Finish);
    bench.assert_no_leak(&[]);
}

#[test]
fn invite_with_replaces_replaces_phone() {
    for offers in [true, false] {
        let mut bench = Bench::new(with_sip());
        let (alice, account) = bench.login_sip("alice");
        let old = bench.establish_with_phone(alice, "a1", "1002");
        let new = InviteId::Inbound(9);
        let mut request = from_phone(Origin::Account(account), offers.then(|| phone_sdp(5000, "sendrecv")));
        request.replaces = Some(old);
        bench.sip(Event::Incoming { invite: new, request: Box::new(request) });
        let commands = bench.take_commands();
        let [Command::Accept { invite, body: Some(said) }, Command::HangUp { invite: gone, .. }] = &commands[..] else {
            panic!("{commands:?}")
        };
        assert_eq!((*invite, *gone), (new, old));
        assert!(text(said).contains("PCMU"));
        if !offers {
            bench.sip(Event::OfferAnswered { invite: new, body: body(&phone_sdp(5000, "sendrecv")) });
        }
        assert_eq!(bench.connected().0[0].remote.unwrap().rtp.port(), 5000);
        assert_eq!(bench.bridges().len(), 2);
        assert!(bench.names(alice).is_empty());
        bench.hang_up(alice, "a1");
        assert_eq!(bench.command(), Command::HangUp { invite: new, reason: None });
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn replaced_transferee_leaves_hold_of_transferor() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let old = bench.establish_with_phone(alice, "a1", "1002");
    bench.send(alice, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: false });
    assert!(matches!(bench.command(), Command::Offer { .. }));
    bench.sip(Event::OfferAnswered { invite: old, body: body(&phone_sdp(4000, "recvonly")) });
    assert_eq!(bench.names(alice), ["hold HOLD"]);
    bench.send(alice, &transfer("a1", "1005"));
    assert!(matches!(bench.command(), Command::Refer { .. }));
    let mut request = from_phone(Origin::Account(account), Some(phone_sdp(5000, "sendrecv")));
    request.replaces = Some(old);
    bench.sip(Event::Incoming { invite: InviteId::Inbound(9), request: Box::new(request) });
    assert_eq!(bench.names(alice), ["hold HOLD"]);
}

#[test]
fn replaces_across_accounts_is_refused() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    let old = bench.establish_with_phone(alice, "a1", "1002");
    let (_, other) = bench.login_sip("mallory");
    let new = InviteId::Inbound(9);
    for (origin, replaced) in
        [(Origin::Account(other), old), (Origin::Unknown, old), (Origin::Account(other), InviteId::Outbound(999))]
    {
        let mut request = from_phone(origin, Some(phone_sdp(5000, "sendrecv")));
        request.replaces = Some(replaced);
        bench.sip(Event::Incoming { invite: new, request: Box::new(request) });
        assert!(matches!(bench.command(), Command::Reject { status: 481, .. }));
    }
    assert!(bench.names(alice).is_empty());
}
