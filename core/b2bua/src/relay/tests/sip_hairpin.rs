//! Looped calls: calls between two browsers of this relay that a SIP server routes.

use super::sip_calls::{body, from_phone, gone, phone_sdp, text};
use super::{Bench, with_sip};
use crate::config::{Config, MediaProfile, Srtp};
use crate::io::ConnectionId;
use core::time::Duration;
use offhook_media::command::{Command as Media, RemoteTransport, WebRtcEndpoint};
use offhook_signaling::message::{CallId, CallStatus, ClientMessage};
use offhook_sip::user_agent::io::{AccountId, Body, Branch, Cause, Command, Event, InboundInvite, InviteId, Origin};

const BACK: InviteId = InviteId::Inbound(7);

struct Hairpin {
    bench: Bench,
    alice: ConnectionId,
    bob: ConnectionId,
    bobs: AccountId,
    out: InviteId,
    /// Alice's INVITE as the server forwards it.
    request: InboundInvite,
}

/// Alice has called bob, and the server has received the INVITE.
fn called() -> Hairpin {
    called_by(with_sip())
}

fn called_by(config: Config) -> Hairpin {
    let mut bench = Bench::new(config);
    let (alice, _) = bench.login_sip("alice");
    let (bob, bobs) = bench.login_sip("bob");
    bench.call(alice, "a1", "bob");
    let (out, request) = bench.invited();
    let request =
        InboundInvite { headers: request.headers, offer: request.offer, ..from_phone(Origin::Account(bobs), None) };
    Hairpin { bench, alice, bob, bobs, out, request }
}

impl Hairpin {
    /// The server forwards the INVITE to the relay; bob is alerted, on the caller's worker.
    fn receive_looped_invite(&mut self) -> CallId {
        self.bench.sip(Event::Incoming { invite: BACK, request: Box::new(self.request.clone()) });
        let id = self.bench.incoming(self.bob);
        assert_eq!(self.bench.command(), Command::Ring { invite: BACK, status: 180, body: None });
        self.bench.progress(self.out, 180, None);
        assert_eq!(self.bench.names(self.alice), ["notifyTryingResponse TRYING", "ring RING"]);
        id
    }

    /// Bob answers: returns the answer that the server receives.
    fn answer_looped_call(&mut self) -> (CallId, Body) {
        let id = self.receive_looped_invite();
        self.bench.answer(self.bob, &id);
        let Command::Accept { invite: BACK, body: Some(answer) } = self.bench.command() else { panic!() };
        (id, answer)
    }

    fn established() -> (Self, CallId) {
        let mut call = called();
        let (id, answer) = call.answer_looped_call();
        call.bench.sip(Event::Answered { invite: call.out, branch: super::sip_calls::BRANCH, body: Some(answer) });
        assert_eq!(call.bench.names(call.alice), ["setRemoteSDP", "talk ESTABLISHED"]);
        assert_eq!(call.bench.names(call.bob), ["talk ESTABLISHED"]);
        (call, id)
    }
}

/// Returns whether a command connects a SIP peer's leg by WebRTC.
fn connects_peer(command: &Media) -> bool {
    let Media::Connect { transport: RemoteTransport::WebRtc(remote), .. } = command else { return false };
    remote.endpoint == WebRtcEndpoint::SipPeer
}

#[test]
fn looped_call_with_webrtc_offer_is_bridged() {
    for (by_mark, renames) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut config = with_sip();
        let sip = config.sip.as_mut().unwrap();
        (sip.profile, sip.srtp) = (MediaProfile::WebRtc, Srtp::Accepted);
        let mut call = called_by(config);
        if !by_mark {
            call.request.headers.clear(); // then the ICE credentials identify it
        }
        if renames {
            let offer = text(call.request.offer.as_ref().unwrap());
            let (_, rest) = offer.split_once("s=-").unwrap();
            call.request.offer = Some(body(&format!("v=0\r\no=pbx 4711 1 IN IP4 192.0.2.9\r\ns=-{rest}")));
        }
        let (_, answer) = call.answer_looped_call();
        let branch = super::sip_calls::BRANCH;
        call.bench.sip(Event::Answered { invite: call.out, branch, body: Some(answer) });
        assert_eq!(call.bench.names(call.alice), ["setRemoteSDP", "talk ESTABLISHED"]);
        assert_eq!(call.bench.names(call.bob), ["talk ESTABLISHED"]);
        assert!(!call.bench.media.iter().any(connects_peer));
        assert_eq!(call.bench.bridges().len(), 1);
        call.bench.hang_up(call.alice, "a1");
        call.bench.assert_no_leak(&[]);
    }
}

#[test]
fn looped_call_of_two_browsers_is_bridged() {
    for by_mark in [true, false] {
        for bob_hangs_up in [true, false] {
            let mut call = called();
            if !by_mark {
                call.request.headers.clear(); // then the RTP address identifies it
            }
            let (id, answer) = call.answer_looped_call();
            assert!(call.bench.names(call.bob).is_empty(), "the server has not forwarded the answer yet");
            let said = text(&answer);
            assert!(said.contains("m=audio 9 RTP/AVP") && said.contains("c=IN IP4 192.0.2.1"), "{said}");
            let branch = super::sip_calls::BRANCH;
            call.bench.sip(Event::Answered { invite: call.out, branch, body: Some(answer) });
            assert_eq!(call.bench.names(call.alice), ["setRemoteSDP", "talk ESTABLISHED"]);
            assert_eq!(call.bench.names(call.bob), ["talk ESTABLISHED"]);
            let media = &call.bench.media;
            assert!(
                !media
                    .iter()
                    .any(|command| matches!(command, Media::Connect { transport: RemoteTransport::Rtp { .. }, .. })),
                "no RTP"
            );
            assert_eq!(call.bench.bridges().len(), 1);
            assert_eq!(call.bench.relay.workers.taken(), 0, "the ports are free");
            assert_eq!(call.bench.relay.counts().calls, 1);
            if bob_hangs_up {
                call.bench.hang_up(call.bob, id.as_str());
            } else {
                call.bench.hang_up(call.alice, "a1");
            }
            let out = call.out;
            let hang_ups = [out, BACK].map(|invite| Command::HangUp { invite, reason: None });
            assert_eq!(call.bench.take_commands(), hang_ups);
            assert_eq!(call.bench.names(call.alice), ["finish FINISH"]);
            assert_eq!(call.bench.names(call.bob), ["finish FINISH"]);
            call.bench.assert_no_leak(&[]);
        }
    }
}

/// Returns the description with another session id, as some servers send it.
fn renamed(description: &Body) -> Body {
    let lines = text(description).replace("\r\n", "\n");
    let lines =
        lines.lines().map(|line| if line.starts_with("o=") { "o=pbx 4711 1 IN IP4 198.51.100.1" } else { line });
    body(&lines.fold(String::new(), |text, line| text + line + "\r\n"))
}

#[test]
fn looped_answer_is_recognized_by_addresses() {
    let mut call = called();
    call.request.offer = call.request.offer.as_ref().map(renamed);
    let (_, answer) = call.answer_looped_call();
    let branch = super::sip_calls::BRANCH;
    call.bench.sip(Event::Answered { invite: call.out, branch, body: Some(renamed(&answer)) });
    assert_eq!(call.bench.names(call.alice), ["setRemoteSDP", "talk ESTABLISHED"]);
    assert_eq!(call.bench.names(call.bob), ["talk ESTABLISHED"]);
    assert_eq!(call.bench.relay.counts().calls, 1);
}

#[test]
fn media_pass_through_server_with_own_addresses() {
    let mut call = called();
    assert!(call.request.headers.iter().any(|(name, _)| name == "Offhook-Call"), "the mark is left");
    call.request.offer = Some(renamed(&body(&phone_sdp(4000, "sendrecv"))));
    call.bench.sip(Event::Incoming { invite: BACK, request: Box::new(call.request.clone()) });
    call.bench.incoming(call.bob);
    assert_eq!(call.bench.relay.counts().calls, 2, "two calls, with the server between them");
}

#[test]
fn bye_of_server_ends_looped_call() {
    for out_first in [true, false] {
        let (mut call, _) = Hairpin::established();
        let (ended, other) = if out_first { (call.out, BACK) } else { (BACK, call.out) };
        call.bench.ended(ended, gone());
        assert_eq!(call.bench.command(), Command::HangUp { invite: other, reason: None });
        assert_eq!(call.bench.names(call.alice), ["finish FINISH"]);
        assert_eq!(call.bench.names(call.bob), ["finish FINISH"]);
        call.bench.assert_no_leak(&[]);
    }
}

#[test]
fn hold_and_server_offers_in_looped_call_stay_separate() {
    let (mut call, _) = Hairpin::established();
    call.bench.send(call.alice, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: false });
    assert_eq!(call.bench.names(call.alice), ["hold HOLD"]);
    assert!(call.bench.commands.is_empty());
    for offer in [None, Some(body(&phone_sdp(4000, "sendrecv")))] {
        call.bench.sip(Event::Offer { invite: BACK, branch: Branch(0), body: offer });
        assert!(matches!(call.bench.command(), Command::AnswerOffer { .. }));
    }
    assert!(call.bench.names(call.bob).is_empty());
}

#[test]
fn answer_from_another_endpoint_ends_looped_invite() {
    for here_too in [true, false] {
        let mut call = called();
        if here_too {
            call.answer_looped_call();
        } else {
            call.receive_looped_invite();
        }
        call.bench.answered(call.out, Some(&phone_sdp(4000, "sendrecv")));
        assert_eq!(call.bench.names(call.alice), ["setRemoteSDP", "talk ESTABLISHED"]);
        assert_eq!(call.bench.last_status(call.bob).status, CallStatus::Finish);
        let command = call.bench.command();
        if here_too {
            let reason = Some((200, "Answered elsewhere".to_owned()));
            assert_eq!(command, Command::HangUp { invite: BACK, reason });
        } else {
            assert!(matches!(command, Command::Reject { invite: BACK, .. }));
        }
        assert_eq!(call.bench.connected().0[0].remote.unwrap().rtp.port(), 4000);
        call.bench.ended(BACK, gone());
        assert_eq!(call.bench.relay.counts().calls, 1);
        call.bench.ended(call.out, gone());
        call.bench.assert_no_leak(&[]);
    }
}

#[test]
fn rejection_of_looped_invite_is_sent_to_server() {
    let mut call = called();
    let id = call.receive_looped_invite();
    call.bench.hang_up(call.bob, id.as_str());
    assert_eq!(call.bench.names(call.bob), ["finish FINISH"]);
    assert!(matches!(call.bench.command(), Command::Reject { invite: BACK, status: 603, .. }));
    assert!(call.bench.names(call.alice).is_empty());
    // For example, voice mail answers.
    call.bench.answered(call.out, Some(&phone_sdp(4000, "sendrecv")));
    assert_eq!(call.bench.names(call.alice), ["setRemoteSDP", "talk ESTABLISHED"]);
    call.bench.hang_up(call.alice, "a1");
    call.bench.assert_no_leak(&[]);

    let mut call = called();
    let id = call.receive_looped_invite();
    call.bench.hang_up(call.bob, id.as_str());
    call.bench.take_commands();
    call.bench.ended(call.out, Cause::Refused { status: 603, reason: "Decline".into(), contacts: vec![] });
    assert_eq!(call.bench.last_status(call.alice).sip_status, Some(603));
    call.bench.assert_no_leak(&[]);
}

#[test]
fn caller_cancel_ends_looped_invite() {
    let mut call = called();
    call.receive_looped_invite();
    call.bench.hang_up(call.alice, "a1");
    let commands = call.bench.take_commands();
    let [Command::HangUp { .. }, Command::Reject { invite: BACK, status: 487, .. }] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(call.bench.names(call.bob), ["finish FINISH"]);
    call.bench.assert_no_leak(&[]);
}

#[test]
fn server_cancel_stops_looped_ringing() {
    let mut call = called();
    call.receive_looped_invite();
    call.bench.ended(BACK, Cause::Remote { reason: Some((200, "Call completed elsewhere".into())) });
    assert_eq!(call.bench.last_status(call.bob).info.as_deref(), Some("Answered elsewhere"));
    assert!(call.bench.commands.is_empty() && call.bench.names(call.alice).is_empty());
    call.bench.ended(call.out, Cause::Failed(offhook_sip::user_agent::io::Failure::Timeout));
    assert_eq!(call.bench.last_status(call.alice).status, CallStatus::Failed);
    call.bench.assert_no_leak(&[]);
}

#[test]
fn failed_invite_stops_looped_ringing() {
    let mut call = called();
    call.receive_looped_invite();
    call.bench.ended(call.out, Cause::Refused { status: 480, reason: String::new(), contacts: vec![] });
    assert_eq!(call.bench.last_status(call.alice).sip_status, Some(480));
    assert_eq!(call.bench.last_status(call.bob).status, CallStatus::Failed);
    assert!(matches!(call.bench.command(), Command::Reject { invite: BACK, status: 480, .. }));
    call.bench.assert_no_leak(&[]);
}

#[test]
fn unanswered_looped_call_ends_after_timeout() {
    let mut call = called();
    call.receive_looped_invite();
    call.bench.wait(Duration::from_secs(60));
    assert_eq!(call.bench.last_status(call.alice).status, CallStatus::Failed);
    assert_eq!(call.bench.names(call.bob), ["finish FINISH"]);
    assert_eq!(call.bench.take_commands().len(), 2);
    call.bench.assert_no_leak(&[]);
}

#[test]
fn looped_call_to_the_caller_is_busy() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    bench.call(alice, "a1", "alice");
    let (_, request) = bench.invited();
    let request =
        InboundInvite { headers: request.headers, offer: request.offer, ..from_phone(Origin::Account(account), None) };
    bench.sip(Event::Incoming { invite: BACK, request: Box::new(request) });
    assert!(matches!(bench.command(), Command::Reject { status: 486, .. }));
    assert_eq!(bench.names(alice), ["notifyTryingResponse TRYING"]);
}

#[test]
fn mark_of_answered_call_has_no_effect() {
    let mut call = called();
    // The mark of an answered call has no effect: the inbound call is another one.
    call.bench.answered(call.out, Some(&phone_sdp(4000, "sendrecv")));
    call.bench.names(call.alice);
    let mut request = from_phone(Origin::Account(call.bobs), Some(phone_sdp(5000, "sendrecv")));
    request.headers.clone_from(&call.request.headers);
    call.bench.sip(Event::Incoming { invite: BACK, request: Box::new(request) });
    let id = call.bench.incoming(call.bob);
    assert_eq!(call.bench.relay.counts().calls, 2);
    call.bench.hang_up(call.bob, id.as_str());
    call.bench.hang_up(call.alice, "a1");
    call.bench.assert_no_leak(&[]);
    assert!(call.bench.relay.calls.is_empty());
}

#[test]
fn transfer_ends_dialogs_with_server() {
    let (mut call, _) = Hairpin::established();
    call.bench.send(call.alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "1005".into() });
    let (target, _) = call.bench.invited();
    let opus = phone_sdp(5000, "sendrecv").replace("AVP 0 8", "AVP 111 0 8") + "a=rtpmap:111 opus/48000/2\r\n";
    call.bench.answered(target, Some(&opus));
    assert_eq!(call.bench.names(call.alice), ["notifyTransferEvent", "finish FINISH"]);
    assert!(call.bench.names(call.bob).is_empty());
    let out = call.out;
    assert_eq!(call.bench.take_commands(), [out, BACK].map(|invite| Command::HangUp { invite, reason: None }));
    call.bench.ended(target, gone());
    assert_eq!(call.bench.names(call.bob), ["finish FINISH"]);
    call.bench.assert_no_leak(&[]);
}

#[test]
fn transfer_to_phone_without_common_codec_fails() {
    let (mut call, _) = Hairpin::established();
    call.bench.send(call.alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "1005".into() });
    let (target, _) = call.bench.invited();
    call.bench.answered(target, Some(&phone_sdp(5000, "sendrecv")));
    assert_eq!(
        call.bench.names(call.alice),
        ["fail", "talk ESTABLISHED"],
        "bob's browser sends Opus, and no more offers"
    );
    assert!(matches!(call.bench.command(), Command::HangUp { reason: Some((488, _)), .. }));
}

#[test]
fn looped_call_is_restored_in_every_state() {
    let mut call = called();
    call.bench.reload();
    call.answer_looped_call();
    call.bench.reload();
    let (mut call, _) = Hairpin::established();
    call.bench.reload();
}

#[test]
fn rtp_address_alone_joins_no_call() {
    let mut call = called();
    call.request.headers.clear();
    call.request.offer = call.request.offer.as_ref().map(renamed);
    call.bench.sip(Event::Incoming { invite: BACK, request: Box::new(call.request.clone()) });
    call.bench.incoming(call.bob);
    assert_eq!(call.bench.relay.counts().calls, 2);
}

#[test]
fn only_servers_return_looped_calls() {
    for origin in [Origin::Unknown, Origin::Phone("101".into())] {
        let mut call = called();
        call.request =
            InboundInvite { origin, request_uri: "sip:carol@relay.test".parse().unwrap(), ..call.request.clone() };
        let carol = call.bench.login("carol");
        call.bench.sip(Event::Incoming { invite: BACK, request: Box::new(call.request.clone()) });
        call.bench.incoming(carol);
        assert_eq!(call.bench.relay.counts().calls, 2);
    }
}
