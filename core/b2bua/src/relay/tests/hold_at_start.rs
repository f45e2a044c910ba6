//! Holds that begin with the first description of a SIP endpoint.

use super::sip_calls::{BRANCH, body, from_phone, phone_sdp, text};
use super::sip_phones::call_to;
use super::{Bench, with_sip};
use crate::call::CallEvent;
use offhook_signaling::message::ClientMessage;
use offhook_sip::user_agent::io::{Command, Event, InboundInvite, InviteId, Origin};

impl Bench {
    /// Returns the reported begins and ends of holds, each with the participant that holds.
    fn reported_holds(&self) -> Vec<&'static str> {
        let placed = |by| move |event: &CallEvent| matches!(event, CallEvent::Placed { caller, .. } if *caller == by);
        let is_caller = |by| self.events.iter().any(|(event, _)| placed(by)(event));
        let holds = self.events.iter().filter_map(|(event, _)| match event {
            CallEvent::Held { by } if is_caller(*by) => Some("held by caller"),
            CallEvent::Held { .. } => Some("held by callee"),
            CallEvent::Resumed { by } if is_caller(*by) => Some("resumed by caller"),
            CallEvent::Resumed { .. } => Some("resumed by callee"),
            _ => None,
        });
        holds.collect()
    }

    fn resume(&mut self, invite: InviteId, port: u16) {
        let offer = body(&phone_sdp(port, "sendrecv"));
        self.sip(Event::Offer { invite, branch: BRANCH, body: Some(offer) });
    }
}

#[test]
fn answer_on_hold_is_reported_to_page() {
    for hold in ["sendonly", "inactive"] {
        let mut bench = Bench::new(with_sip());
        let alice = bench.login_sip_extended("alice");
        bench.call(alice, "a1", "1002");
        let (invite, _) = bench.invited();
        bench.answered(invite, Some(&phone_sdp(4000, hold)));
        assert_eq!((bench.reported_holds(), bench.holds(alice)), (vec!["held by callee"], vec![true]), "{hold}");
        bench.resume(invite, 4000);
        assert_eq!(bench.reported_holds()[1..], ["resumed by callee"], "{hold}");
        assert_eq!(bench.holds(alice), [false], "{hold}");
    }
}

#[test]
fn answer_on_hold_is_reported_to_phone() {
    for hold in ["sendonly", "inactive"] {
        let mut bench = Bench::new(with_sip());
        let (_, callee) = bench.bridge_phones(hold);
        assert_eq!(bench.reported_holds(), ["held by callee"], "{hold}");
        bench.resume(callee, 5000);
        assert_eq!(bench.reported_holds()[1..], ["resumed by callee"], "{hold}");
    }
}

#[test]
fn answer_that_receives_is_no_hold() {
    for direction in ["sendrecv", "recvonly"] {
        let mut bench = Bench::new(with_sip());
        bench.bridge_phones(direction);
        assert!(bench.reported_holds().is_empty(), "{direction}: {:?}", bench.reported_holds());
    }
}

#[test]
fn offer_on_hold_is_reported_with_answer() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let invite = InviteId::Inbound(7);
    let request = from_phone(Origin::Account(account), Some(phone_sdp(4000, "sendonly")));
    bench.sip(Event::Incoming { invite, request: Box::new(request) });
    let id = bench.incoming(alice);
    assert!(bench.reported_holds().is_empty(), "the call is not answered");
    bench.answer(alice, &id);
    assert_eq!(bench.reported_holds(), ["held by caller"]);
}

#[test]
fn caller_without_offer_is_not_limited_by_callee_on_hold() {
    for hold in ["sendonly", "inactive"] {
        let mut bench = Bench::new(with_sip());
        bench.bind("bob", 1);
        let caller = InviteId::Inbound(7);
        let request = InboundInvite { offer: None, ..call_to(Origin::Phone("carol".into()), "bob") };
        bench.sip(Event::Incoming { invite: caller, request: Box::new(request) });
        let (callee, _) = bench.invited();
        bench.answered(callee, Some(&phone_sdp(5000, hold)));
        let Command::Accept { body: Some(offer), .. } = bench.command() else { panic!("not accepted") };
        assert!(text(&offer).contains("a=sendrecv"), "{hold}: {}", text(&offer));
        bench.sip(Event::OfferAnswered { invite: caller, body: body(&phone_sdp(4000, "sendrecv")) });
        assert_eq!(bench.reported_holds(), ["held by callee"], "{hold}");
        bench.resume(callee, 5000);
        let Command::AnswerOffer { body: answer, .. } = bench.command() else { panic!("no answer") };
        assert!(text(&answer).contains("a=sendrecv"), "{hold}: {}", text(&answer));
        assert!(bench.commands.is_empty(), "the caller needs no further offer: {:?}", bench.commands);
        assert_eq!(bench.reported_holds()[1..], ["resumed by callee"], "{hold}");
    }
}

#[test]
fn hold_of_transfer_target_is_reported() {
    for transferor_leaves in [false, true] {
        let mut bench = Bench::new(with_sip());
        let alice = bench.login_sip_extended("alice");
        let invite = bench.establish_with_phone(alice, "a1", "1002");
        bench.send(alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "1005".into() });
        assert!(matches!(bench.command(), Command::Refer { .. }));
        bench.sip(Event::ReferProgress { invite, status: 501, is_final: true, is_refused: true });
        let (target, _) = bench.invited();
        if transferor_leaves {
            bench.hang_up(alice, "a1");
        }
        bench.answered(target, Some(&phone_sdp(5000, "sendonly")));
        assert_eq!(bench.reported_holds(), ["held by callee"], "transferor leaves: {transferor_leaves}");
    }
}
