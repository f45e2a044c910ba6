//! Notifications of a browser about remote hold and about its transfers.

use super::sip_calls::{BRANCH, body, phone_sdp};
use super::{Bench, with_sip};
use crate::call::CallEvent;
use crate::io::ConnectionId;
use offhook_media::command::LegKey;
use offhook_signaling::message::{CallId, ClientMessage, ServerMessage, TransferStatus};
use offhook_signaling::version::Extension;
use offhook_sip::user_agent::io::{Cause, Command, Event, InviteId};

impl Bench {
    /// Logs in at a SIP server as this project's SDK does.
    fn login_sip_extended(&mut self, login: &str) -> ConnectionId {
        let mut hello = super::accounts::hello_sip(login, "secret");
        hello.offhook = Some(Extension::ours());
        let connection = self.connect(hello);
        self.opened();
        self.take(connection);
        connection
    }

    /// Returns the remote holds that a page was notified of.
    fn holds(&mut self, at: ConnectionId) -> Vec<bool> {
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
