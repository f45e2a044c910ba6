//! Notifications of a browser about remote hold and about its transfers.

use super::sip_calls::{BRANCH, body, from_phone, phone_sdp, text};
use super::sip_phones::call_to;
use super::{Bench, with_sip};
use crate::call::CallEvent;
use crate::io::ConnectionId;
use offhook_media::command::LegKey;
use offhook_signaling::message::{CallId, ClientMessage, ServerMessage, TransferStatus};
use offhook_signaling::version::Extension;
use offhook_sip::user_agent::io::{Cause, Command, Event, InviteId, Origin};

impl Bench {
    /// Logs in at a SIP server as this project's SDK does.
    pub(super) fn login_sip_extended(&mut self, login: &str) -> ConnectionId {
        let mut hello = super::accounts::hello_sip(login, "secret");
        hello.offhook = Some(Extension::ours());
        let connection = self.connect(hello);
        self.opened();
        self.take(connection);
        connection
    }

    /// Returns the remote holds that a page was notified of.
    pub(super) fn holds(&mut self, at: ConnectionId) -> Vec<bool> {
        let messages = self.take(at).into_iter();
        let held = messages.filter_map(|message| match message {
            ServerMessage::Hold { held, .. } => Some(held),
            _ => None,
        });
        held.collect()
    }

    fn transfers(&mut self, at: ConnectionId) -> Vec<TransferStatus> {
        let messages = self.take(at).into_iter();
        let states = messages.filter_map(|message| match message {
            ServerMessage::Transfer { status, .. } => Some(status),
            _ => None,
        });
        states.collect()
    }

    fn peer_offers(&mut self, invite: InviteId, direction: &str) {
        let offer = body(&phone_sdp(4000, direction));
        self.sip(Event::Offer { invite, branch: BRANCH, body: Some(offer) });
        assert!(matches!(self.command(), Command::AnswerOffer { .. }));
    }

    /// Passes an offer of a phone; returns the relay's answer, which is the only command.
    fn answer_to(&mut self, invite: InviteId, port: u16, direction: &str) -> String {
        let offer = body(&phone_sdp(port, direction));
        self.sip(Event::Offer { invite, branch: BRANCH, body: Some(offer) });
        let Command::AnswerOffer { invite: answered, body, .. } = self.command() else { panic!("no answer") };
        assert_eq!(answered, invite);
        text(&body)
    }

    /// Bridges two phones, of which the callee answers with that direction.
    pub(super) fn bridge_phones(&mut self, direction: &str) -> (InviteId, InviteId) {
        self.bind("bob", 1);
        let caller = InviteId::Inbound(7);
        let request = call_to(Origin::Phone("carol".into()), "bob");
        self.sip(Event::Incoming { invite: caller, request: Box::new(request) });
        let (callee, _) = self.invited();
        self.answered(callee, Some(&phone_sdp(5000, direction)));
        assert!(matches!(self.command(), Command::Accept { .. }));
        (caller, callee)
    }
}

fn hold(id: &CallId) -> ClientMessage {
    ClientMessage::Hold { call_id: id.clone(), for_transfer: false }
}

#[test]
fn hold_of_page_is_reported_to_supporting_page() {
    let mut bench = Bench::new(super::config());
    let (alice, bob, carol) = (bench.login_extended("alice"), bench.login_extended("bob"), bench.login("carol"));
    bench.call(alice, "a1", "bob");
    let at_bob = bench.incoming(bob);
    bench.answer(bob, &at_bob);
    assert!(bench.holds(alice).is_empty());
    bench.send(bob, &hold(&at_bob));
    bench.send(bob, &hold(&at_bob));
    assert_eq!(bench.holds(alice), [true], "reported once");
    bench.send(alice, &hold(&"a1".into()));
    bench.send(bob, &ClientMessage::Unhold(at_bob.clone()));
    assert_eq!((bench.holds(alice), bench.holds(bob)), (vec![false], vec![true]), "each for itself");
    bench.hang_up(alice, "a1");
    // Stock pages are not notified.
    bench.take(bob);
    bench.call(carol, "c1", "bob");
    let at_bob = bench.incoming(bob);
    bench.answer(bob, &at_bob);
    bench.send(bob, &hold(&at_bob));
    assert!(bench.holds(carol).is_empty());
}

#[test]
fn hold_of_phone_is_reported_to_page() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.login_sip_extended("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    for (direction, reported) in [
        ("sendonly", vec![true]),
        ("inactive", vec![]),
        ("sendrecv", vec![false]),
        ("recvonly", vec![]),
        ("sendrecv", vec![]),
    ] {
        bench.peer_offers(invite, direction);
        assert_eq!(bench.holds(alice), reported, "{direction}");
    }
    bench.send(alice, &hold(&"a1".into()));
    assert!(matches!(bench.command(), Command::Offer { .. }));
    bench.sip(Event::OfferAnswered { invite, body: body(&phone_sdp(4000, "recvonly")) });
    assert!(bench.holds(alice).is_empty());
}

#[test]
fn hold_by_phone_and_by_page_are_the_same_events() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.login_sip_extended("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    let endpoint = |by: LegKey, bench: &Bench| {
        let placed = |event: &CallEvent| matches!(event, CallEvent::Placed { caller, .. } if *caller == by);
        if bench.events.iter().any(|(event, _)| placed(event)) { "page" } else { "phone" }
    };
    let holds = |bench: &Bench| -> Vec<String> {
        let events = bench.events.iter().filter_map(|(event, _)| match event {
            CallEvent::Held { by } => Some(format!("held by {}", endpoint(*by, bench))),
            CallEvent::Resumed { by } => Some(format!("resumed by {}", endpoint(*by, bench))),
            _ => None,
        });
        events.collect()
    };
    for direction in ["sendonly", "inactive", "sendrecv"] {
        bench.peer_offers(invite, direction);
    }
    assert_eq!(holds(&bench), ["held by phone", "resumed by phone"]);
    bench.send(alice, &hold(&"a1".into()));
    assert!(matches!(bench.command(), Command::Offer { .. }));
    bench.sip(Event::OfferAnswered { invite, body: body(&phone_sdp(4000, "recvonly")) });
    assert_eq!(holds(&bench)[2..], ["held by page"]);
}

#[test]
fn hold_ends_when_the_holder_is_replaced() {
    let mut bench = Bench::new(super::config());
    let (alice, bob, carol) = (bench.login_extended("alice"), bench.login_extended("bob"), bench.login("carol"));
    bench.call(alice, "a1", "bob");
    let at_bob = bench.incoming(bob);
    bench.answer(bob, &at_bob);
    bench.send(bob, &hold(&at_bob));
    assert_eq!(bench.holds(alice), [true]);
    bench.transfers(bob);
    bench.send(bob, &ClientMessage::Transfer { call_id: at_bob, target: "carol".into() });
    assert_eq!(bench.transfers(bob), [TransferStatus::Ringing]);
    let at_carol = bench.incoming(carol);
    bench.answer(carol, &at_carol);
    assert_eq!(bench.holds(alice), [false]);
    assert_eq!(bench.transfers(bob), [TransferStatus::Completed]);
}

#[test]
fn ringing_transfer_target_is_reported() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.login_sip_extended("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    bench.send(alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "1005".into() });
    assert!(matches!(bench.command(), Command::Refer { .. }));
    for status in [100, 180, 183] {
        bench.sip(Event::ReferProgress { invite, status, is_final: false, is_refused: false });
    }
    assert_eq!(bench.transfers(alice), [TransferStatus::Pending, TransferStatus::Ringing, TransferStatus::Ringing]);
    // The relay executes the transfer instead of the phone.
    bench.sip(Event::ReferProgress { invite, status: 501, is_final: true, is_refused: true });
    let (target, _) = bench.invited();
    bench.progress(target, 180, None);
    assert_eq!(bench.transfers(alice), [TransferStatus::Ringing]);
    bench.ended(target, Cause::Remote { reason: None });
}

#[test]
fn phones_resume_after_both_held() {
    for hold in ["sendonly", "inactive"] {
        for first_to_hold in [true, false] {
            let mut bench = Bench::new(with_sip());
            let (caller, callee) = bench.bridge_phones("sendrecv");
            let phones = [(caller, 4000), (callee, 5000)];
            let [one, other] = if first_to_hold { phones } else { [phones[1], phones[0]] };
            bench.answer_to(one.0, one.1, hold);
            bench.answer_to(other.0, other.1, hold);
            for (invite, port) in phones {
                let answer = bench.answer_to(invite, port, "sendrecv");
                assert!(answer.contains("a=sendrecv"), "{hold}: {answer}");
            }
            let by = |leg: &LegKey| {
                bench.events.iter().any(|(event, _)| matches!(event, CallEvent::Placed { caller, .. } if caller == leg))
            };
            let events = bench.events.iter().filter_map(|(event, _)| match event {
                CallEvent::Held { by: leg } => Some((true, by(leg))),
                CallEvent::Resumed { by: leg } => Some((false, by(leg))),
                _ => None,
            });
            let expected = [(true, first_to_hold), (true, !first_to_hold), (false, true), (false, false)];
            assert_eq!(events.collect::<Vec<_>>(), expected, "{hold}");
        }
    }
}

#[test]
fn refresh_of_held_phone_does_not_limit_resume() {
    let mut bench = Bench::new(with_sip());
    let (caller, callee) = bench.bridge_phones("sendrecv");
    bench.answer_to(caller, 4000, "inactive");
    assert!(bench.answer_to(callee, 5000, "sendrecv").contains("a=sendrecv"));
    // The offer that a phone requests is not limited either.
    bench.sip(Event::Offer { invite: callee, branch: BRANCH, body: None });
    let Command::AnswerOffer { body: offer, .. } = bench.command() else { panic!("no offer") };
    assert!(text(&offer).contains("a=sendrecv"));
    bench.sip(Event::OfferAnswered { invite: callee, body: body(&phone_sdp(5000, "sendrecv")) });
    assert!(bench.answer_to(caller, 4000, "sendrecv").contains("a=sendrecv"));
}

#[test]
fn resume_of_callee_that_answered_on_hold_reaches_caller() {
    for (hold, next, answered, accepted) in [
        ("inactive", "sendrecv", "a=sendrecv", true),
        ("sendonly", "sendrecv", "a=sendrecv", true),
        ("inactive", "sendrecv", "a=sendrecv", false),
        // The offer is not limited by the callee, so that no other one is due when it receives again.
        ("inactive", "sendonly", "a=recvonly", true),
    ] {
        let mut bench = Bench::new(with_sip());
        let (caller, callee) = bench.bridge_phones(hold);
        bench.sip(Event::Offer { invite: callee, branch: BRANCH, body: Some(body(&phone_sdp(5000, next))) });
        let commands = bench.take_commands();
        let [Command::AnswerOffer { body: answer, .. }, Command::Offer { invite, body: offer }] = &commands[..] else {
            panic!("{hold}: {commands:?}")
        };
        assert!(text(answer).contains(answered) && text(offer).contains("a=sendrecv"), "{hold}: {commands:?}");
        assert_eq!(*invite, caller);
        if accepted {
            bench.sip(Event::OfferAnswered { invite: caller, body: body(&phone_sdp(4000, "sendrecv")) });
        } else {
            bench.sip(Event::OfferRefused { invite: caller, status: 491 });
        }
        assert!(bench.commands.is_empty(), "one offer to each: {:?}", bench.commands);
        let placed = bench.events.iter().find_map(|(event, _)| match event {
            CallEvent::Placed { caller, .. } => Some(*caller),
            _ => None,
        });
        let is_by_caller = |event: &CallEvent| matches!(event, CallEvent::Resumed { by } if Some(*by) == placed);
        assert!(!bench.events.iter().any(|(event, _)| is_by_caller(event)), "the caller did not hold");
        // A phone that holds by itself receives no offer.
        bench.answer_to(caller, 4000, "inactive");
        bench.answer_to(callee, 5000, "sendrecv");
    }
}

#[test]
fn target_of_transfer_is_offered_media_of_holding_transferee() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.login_sip_extended("alice");
    let phone = bench.establish_with_phone(alice, "a1", "1002");
    bench.peer_offers(phone, "inactive");
    bench.send(alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "1005".into() });
    bench.take_commands();
    bench.sip(Event::ReferProgress { invite: phone, status: 501, is_final: true, is_refused: true });
    let (target, request) = bench.invited();
    assert!(text(&request.offer.unwrap()).contains("a=sendrecv"));
    bench.hang_up(alice, "a1");
    assert!(bench.answer_to(phone, 4000, "sendrecv").contains("a=sendrecv"), "without another participant");
    bench.answer_to(phone, 4000, "inactive");
    bench.answered(target, Some(&phone_sdp(5000, "sendrecv")));
    assert!(bench.commands.is_empty(), "{:?}", bench.commands);
    for (invite, port) in [(phone, 4000), (target, 5000)] {
        assert!(bench.answer_to(invite, port, "sendrecv").contains("a=sendrecv"));
    }
}

#[test]
fn replacement_of_phone_is_not_limited_by_hold() {
    for offers in [true, false] {
        let mut bench = Bench::new(with_sip());
        let (caller, callee) = bench.bridge_phones("sendrecv");
        bench.answer_to(caller, 4000, "inactive");
        let new = InviteId::Inbound(9);
        let mut request = from_phone(Origin::Phone("bob".into()), offers.then(|| phone_sdp(6000, "sendrecv")));
        request.replaces = Some(callee);
        bench.sip(Event::Incoming { invite: new, request: Box::new(request) });
        let commands = bench.take_commands();
        let [Command::Accept { body: Some(description), .. }, Command::HangUp { .. }] = &commands[..] else {
            panic!("{commands:?}")
        };
        assert!(text(description).contains("a=sendrecv"), "offers: {offers}");
        if !offers {
            bench.sip(Event::OfferAnswered { invite: new, body: body(&phone_sdp(6000, "sendrecv")) });
        }
        assert!(bench.answer_to(caller, 4000, "sendrecv").contains("a=sendrecv"));
    }
}
