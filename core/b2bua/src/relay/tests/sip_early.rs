//! Early media and their changes before a call is answered; the user agent is the test.

use super::sip_calls::{BRANCH, body, from_phone, gone, phone_sdp};
use super::{Bench, with_sip};
use offhook_media::command::Silence;
use offhook_sip::user_agent::io::{Branch, Command, Event, InviteId, Origin};

fn offer(bench: &mut Bench, invite: InviteId, branch: Branch, sdp: &str) {
    bench.sip(Event::Offer { invite, branch, body: Some(body(sdp)) });
}

fn port(bench: &Bench) -> u16 {
    bench.connected().0[0].remote.unwrap().rtp.port()
}

#[test]
fn update_of_callee_moves_early_media() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (invite, _) = bench.invited();
    bench.progress(invite, 183, Some(&phone_sdp(4000, "sendrecv")));
    bench.names(alice);
    offer(&mut bench, invite, BRANCH, &phone_sdp(6000, "sendonly"));
    let Command::AnswerOffer { branch: BRANCH, body: answer, .. } = bench.command() else { panic!() };
    assert!(String::from_utf8(answer.octets).unwrap().contains("a=recvonly"));
    assert_eq!((port(&bench), bench.connected().1), (6000, Silence::Tolerated));
    assert!(bench.names(alice).is_empty(), "the page is not notified");
    // The 200 has no description: the media that were agreed last apply, not those that were answered first.
    bench.answered(invite, None);
    assert_eq!((port(&bench), bench.connected().1), (6000, Silence::EndsLeg));
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
    assert_eq!(bench.bridges().len(), 1);
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn update_of_one_of_several_callees_is_answered() {
    let mut bench = Bench::new(with_sip());
    bench.bind("bob", 1);
    bench.bind("bob", 2);
    let alice = bench.login("alice");
    bench.call(alice, "a1", "bob");
    let commands = bench.take_commands();
    let [Command::Invite { invite: first, .. }, Command::Invite { invite: second, .. }] = &commands[..] else {
        panic!("{commands:?}")
    };
    let (first, second) = (*first, *second);
    bench.progress(first, 183, Some(&phone_sdp(4000, "sendrecv")));
    bench.progress(second, 183, Some(&phone_sdp(5000, "sendrecv")));
    offer(&mut bench, second, BRANCH, &phone_sdp(5002, "sendrecv"));
    assert!(matches!(bench.command(), Command::AnswerOffer { invite, .. } if invite == second));
    assert!(bench.bridges().is_empty(), "no early media with several callees");
    bench.answered(second, None);
    assert_eq!(port(&bench), 5002);
    assert_eq!(bench.bridges().len(), 1);
    assert!(matches!(bench.command(), Command::HangUp { invite, .. } if invite == first));
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn update_of_caller_moves_early_media() {
    let mut bench = Bench::new(with_sip());
    bench.bind("bob", 1);
    let caller = InviteId::Inbound(7);
    let request = from_phone(Origin::Phone("carol".into()), Some(phone_sdp(4000, "sendrecv")));
    let request =
        offhook_sip::user_agent::io::InboundInvite { request_uri: "sip:bob@relay.test".parse().unwrap(), ..request };
    bench.sip(Event::Incoming { invite: caller, request: Box::new(request) });
    let (callee, _) = bench.invited();
    // Before it has its answer, it cannot change anything.
    offer(&mut bench, caller, BRANCH, &phone_sdp(4002, "sendrecv"));
    assert!(matches!(bench.command(), Command::RefuseOffer { status: 488, .. }));
    bench.progress(callee, 183, Some(&phone_sdp(5000, "sendrecv")));
    assert!(matches!(bench.command(), Command::Ring { status: 183, body: Some(_), .. }));
    offer(&mut bench, caller, BRANCH, &phone_sdp(4004, "sendrecv"));
    assert!(matches!(bench.command(), Command::AnswerOffer { invite, .. } if invite == caller));
    assert_eq!((port(&bench), bench.connected().1), (4004, Silence::Tolerated));
    bench.answered(callee, None);
    // The caller's leg is connected last, with its current port.
    assert_eq!((port(&bench), bench.connected().1), (4004, Silence::EndsLeg));
    assert_eq!(bench.bridges().len(), 1);
    bench.take_commands();
    bench.ended(caller, gone());
    bench.take_commands();
    bench.assert_no_leak(&[]);
}

#[test]
fn update_without_common_codec_is_refused() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (invite, _) = bench.invited();
    bench.progress(invite, 183, Some(&phone_sdp(4000, "sendrecv")));
    let orders = bench.media.len();
    let g729 = phone_sdp(6000, "sendrecv").replace("RTP/AVP 0 8 101", "RTP/AVP 18");
    offer(&mut bench, invite, BRANCH, &g729);
    assert_eq!(bench.command(), Command::RefuseOffer { invite, branch: BRANCH, status: 488, reason: None });
    assert_eq!(bench.media.len(), orders);
    bench.answered(invite, None);
    assert_eq!(port(&bench), 4000);
}

#[test]
fn transferee_receives_early_media_of_target() {
    for media_first in [true, false] {
        let mut bench = Bench::new(with_sip());
        let (alice, _) = bench.login_sip("alice");
        let invite = bench.establish_with_phone(alice, "a1", "1002");
        bench.sip(Event::Refer {
            invite,
            target: Box::new("sip:1005@example.org".parse().unwrap()),
            replaces: None,
            replaced: None,
            referred_by: None,
        });
        let commands = bench.take_commands();
        let Some(Command::Invite { invite: target, .. }) = commands.last() else { panic!() };
        let target = *target;
        if media_first {
            bench.progress(target, 183, Some(&phone_sdp(5000, "sendrecv")));
            assert_eq!(bench.bridges().len(), 1, "the two still talk");
            bench.ended(invite, gone());
        } else {
            bench.ended(invite, gone());
            bench.progress(target, 183, Some(&phone_sdp(5000, "sendrecv")));
        }
        assert_eq!(bench.bridges().len(), 2);
        assert_eq!((port(&bench), bench.connected().1), (5000, Silence::Tolerated));
        bench.take_commands();
        offer(&mut bench, target, BRANCH, &phone_sdp(5002, "sendrecv"));
        assert!(matches!(bench.command(), Command::AnswerOffer { .. }));
        bench.answered(target, None);
        assert_eq!((port(&bench), bench.connected().1), (5002, Silence::EndsLeg));
        bench.hang_up(alice, "a1");
        bench.take_commands();
        bench.assert_no_leak(&[]);
    }
}
