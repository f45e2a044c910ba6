//! Established calls with a SIP endpoint: hold, new offers, digits, key frames, loss of media.

use super::sip_calls::{body, phone_sdp, text};
use super::{Bench, with_sip};
use offhook_media::command::Command as Media;
use offhook_sdp::direction::Direction;
use offhook_signaling::message::{CallStatus, ClientMessage, DtmfType};
use offhook_sip::user_agent::io::{Body, Branch, Command, Event};

#[test]
fn hold_is_reported_when_phone_accepts() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    let hold = ClientMessage::Hold { call_id: "a1".into(), for_transfer: false };
    bench.send(alice, &hold);
    assert!(bench.names(alice).is_empty(), "not before");
    assert!(matches!(bench.media.last(), Some(Media::Unbridge { .. })));
    let Command::Offer { body: offer, .. } = bench.command() else { panic!() };
    assert!(text(&offer).contains("a=sendonly"));
    bench.sip(Event::OfferAnswered { invite, body: body(&phone_sdp(4000, "recvonly")) });
    assert_eq!(bench.names(alice), ["hold HOLD"]);
    assert_eq!(bench.connected().0[0].stream.remote.direction, Direction::RecvOnly);
    bench.send(alice, &ClientMessage::Unhold("a1".into()));
    let Command::Offer { body: offer, .. } = bench.command() else { panic!() };
    assert!(text(&offer).contains("a=sendrecv"));
    bench.sip(Event::OfferAnswered { invite, body: body(&phone_sdp(4000, "sendrecv")) });
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
    assert_eq!(bench.bridges().len(), 2);
    // Refused: the state of the call is unchanged.
    bench.send(alice, &hold);
    bench.take_commands();
    bench.sip(Event::OfferRefused { invite, status: 488 });
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
    assert_eq!(bench.bridges().len(), 3);
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn hold_changed_during_offer_reports_final_state() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    bench.send(alice, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: false });
    bench.send(alice, &ClientMessage::Unhold("a1".into()));
    assert!(matches!(bench.command(), Command::Offer { .. }), "one at a time");
    bench.sip(Event::OfferAnswered { invite, body: body(&phone_sdp(4000, "recvonly")) });
    assert!(bench.names(alice).is_empty());
    let Command::Offer { body: offer, .. } = bench.command() else { panic!() };
    assert!(text(&offer).contains("a=sendrecv"));
    bench.sip(Event::OfferAnswered { invite, body: body(&phone_sdp(4000, "sendrecv")) });
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
}

#[test]
fn offers_of_phone_send_no_status_to_page() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    let offer = |bench: &mut Bench, offer: Option<String>| {
        bench.sip(Event::Offer { invite, branch: Branch(0), body: offer.map(|offer| body(&offer)) });
        let Command::AnswerOffer { body: answer, .. } = bench.command() else { panic!() };
        text(&answer)
    };
    assert!(offer(&mut bench, Some(phone_sdp(4000, "sendonly"))).contains("a=recvonly"));
    assert!(offer(&mut bench, Some(phone_sdp(7000, "sendrecv"))).contains("a=sendrecv"));
    assert_eq!(bench.connected().0[0].remote.unwrap().rtp.port(), 7000);
    let asked = offer(&mut bench, None);
    assert!(asked.contains("PCMU/8000") && asked.contains("a=sendrecv"), "{asked}");
    bench.sip(Event::OfferAnswered { invite, body: body(&phone_sdp(8000, "sendrecv")) });
    assert_eq!(bench.connected().0[0].remote.unwrap().rtp.port(), 8000);
    let nowhere = phone_sdp(8000, "sendrecv").replace("c=IN IP4 198.51.100.7", "c=IN IP4 0.0.0.0");
    offer(&mut bench, Some(nowhere));
    assert_eq!(bench.connected().0[0].remote, None);
    let g729 = phone_sdp(4000, "sendrecv").replace("RTP/AVP 0 8 101", "RTP/AVP 18");
    bench.sip(Event::Offer { invite, branch: Branch(0), body: Some(body(&g729)) });
    assert_eq!(bench.command(), Command::RefuseOffer { invite, branch: Branch(0), status: 488, reason: None });
    bench.sip(Event::Offer {
        invite,
        branch: Branch(0),
        body: Some(Body { content_type: "text/plain".into(), octets: vec![] }),
    });
    assert_eq!(bench.command(), Command::RefuseOffer { invite, branch: Branch(0), status: 415, reason: None });
    assert!(bench.names(alice).is_empty());
    assert_eq!(bench.bridges().len(), 1);
}

#[test]
fn digits_are_sent_by_rtp_or_info() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    let digits = |kind, digits: &str| ClientMessage::SendDtmf { call_id: "a1".into(), kind, digits: digits.to_owned() };
    let info = |command: &Command| match command {
        Command::Info { body, .. } => (body.content_type.clone(), String::from_utf8(body.octets.clone()).unwrap()),
        command => panic!("no INFO: {command:?}"),
    };
    bench.establish_with_phone(alice, "a1", "1002");
    bench.send(alice, &digits(DtmfType::Rfc2833, "1#"));
    assert!(bench.commands.is_empty());
    assert!(matches!(bench.media.last(), Some(Media::SendDtmf { digits, .. }) if digits == "1#"));
    bench.send(alice, &digits(DtmfType::Info, "5*"));
    let sent: Vec<_> = bench.take_commands().iter().map(info).collect();
    assert_eq!(sent, [("application/dtmf".into(), "5".into()), ("application/dtmf".to_owned(), "*".to_owned())]);
    bench.send(alice, &digits(DtmfType::InfoRelay, "7"));
    let relay = ("application/dtmf-relay".to_owned(), "Signal=7\r\nDuration=160\r\n".to_owned());
    assert_eq!(info(&bench.command()), relay);
    bench.hang_up(alice, "a1");
    bench.take_commands();
    bench.names(alice);
    // Digits for a phone without telephone-event are sent by INFO.
    bench.call(alice, "a1", "1002");
    let (invite, _) = bench.invited();
    let plain = phone_sdp(4000, "sendrecv").replace("RTP/AVP 0 8 101", "RTP/AVP 0 8");
    bench.answered(invite, Some(&plain));
    bench.send(alice, &digits(DtmfType::Rfc2833, "7"));
    assert_eq!(info(&bench.command()), relay);
}

#[test]
fn digits_in_info_are_reported_to_page() {
    let mut bench = Bench::new(with_sip());
    let mut hello = super::accounts::hello_sip("alice", "secret");
    hello.offhook = Some(offhook_signaling::version::Extension::ours());
    let alice = bench.connect(hello);
    bench.opened();
    bench.take(alice);
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    for (kind, content) in [
        ("application/dtmf-relay", "Signal= 5\r\nDuration=100\r\n"),
        ("application/dtmf", "5"),
        ("application/dtmf-relay; x=y", "Duration=1\nSignal=5"),
        ("application/dtmf", "55"),
        ("text/plain", "5"),
    ] {
        let body = Body { content_type: kind.into(), octets: content.as_bytes().to_vec() };
        bench.sip(Event::Info { invite, body });
    }
    assert_eq!(bench.names(alice), ["offhookDtmf"; 3]);
    assert!(matches!(bench.media.last(), Some(Media::SendDtmf { digits, .. }) if digits == "5"));
}

#[test]
fn key_frames_are_requested_by_info_both_ways() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    let leg = bench.relay.calls.by_invite(invite).unwrap().leg;
    bench.media_event(offhook_media::command::Event::KeyFrameWanted { leg });
    let Command::Info { body, .. } = bench.command() else { panic!() };
    assert_eq!(body.content_type, "application/media_control+xml");
    bench.sip(Event::Info { invite, body });
    assert_eq!(bench.media.last(), Some(&Media::RequestKeyFrame { leg }));
}

#[test]
fn lost_media_end_call_with_reason() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    let leg = bench.relay.calls.by_invite(invite).unwrap().leg;
    bench.media_event(offhook_media::command::Event::LegDead { leg });
    let Command::HangUp { reason: Some((status, text)), .. } = bench.command() else { panic!() };
    assert!(status == 408 && text.contains("RTP activity"));
    assert_eq!(bench.last_status(alice).status, CallStatus::Failed);
    bench.assert_no_leak(&[leg]);
}
