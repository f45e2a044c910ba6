//! What SIP endpoints answer and offer in codecs and payload types, and what becomes of it.

use super::sip_calls::{body, from_phone, text};
use super::{Bench, OFFER, with_sip};
use crate::io::ConnectionId;
use offhook_media::command::RtpStream;
use offhook_sdp::codec::Payload;
use offhook_signaling::message::ClientMessage;
use offhook_sip::user_agent::io::{Command, Event, InviteId, Origin};

/// A phone with Opus and telephone-events under these numbers, and nothing else.
fn opus_sdp(opus: u8, event: u8) -> String {
    format!(
        "v=0\r\no=phone 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
m=audio 4000 RTP/AVP {opus} {event}\r\na=rtpmap:{opus} opus/48000/2\r\na=rtpmap:{event} telephone-event/8000\r\n"
    )
}

fn numbers(payloads: &[Payload]) -> Vec<u8> {
    payloads.iter().map(|payload| payload.number).collect()
}

/// The payload types of the SIP leg's audio: sent and received.
fn of_phone(bench: &Bench) -> (Vec<u8>, Vec<u8>) {
    let RtpStream { stream, received, .. } = &bench.connected().0[0];
    (numbers(&stream.remote.payloads), numbers(received))
}

/// The relay's answer to an offer of the phone.
fn reinvite(bench: &mut Bench, invite: InviteId, offer: &str) -> String {
    bench.sip(Event::Offer { invite, body: Some(body(offer)) });
    let Command::AnswerOffer { body: answer, .. } = bench.command() else { panic!("the offer was refused") };
    text(&answer)
}

fn hold(bench: &mut Bench, at: ConnectionId) -> String {
    bench.say(at, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: false });
    let Command::Offer { body: offer, .. } = bench.command() else { panic!("no offer") };
    text(&offer)
}

#[test]
fn a_phone_that_is_called_may_answer_with_numbers_of_its_own() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (invite, request) = bench.invited();
    assert!(text(&request.offer.unwrap()).contains("RTP/AVP 111 0 101"));
    bench.progress(invite, 183, Some(&opus_sdp(101, 102)));
    assert_eq!(of_phone(&bench), (vec![101, 102], vec![111, 101]), "early media too");
    bench.answered(invite, Some(&opus_sdp(96, 111)));
    assert_eq!(of_phone(&bench), (vec![96, 111], vec![111, 101]));
    // A new offer of the relay keeps its numbers (RFC 3264 §8.3.2), and so does the answer.
    assert!(hold(&mut bench, alice).contains("a=rtpmap:111 opus/48000/2\r\n"));
    bench.sip(Event::OfferAnswered { invite, body: body(&opus_sdp(96, 111)) });
    assert_eq!(of_phone(&bench), (vec![96, 111], vec![111, 101]));
    // In an offer of its own the phone says what both sides send with: the answer has the same numbers.
    let answer = reinvite(&mut bench, invite, &opus_sdp(97, 98));
    assert!(answer.contains("RTP/AVP 97 98"), "{answer}");
    assert_eq!(of_phone(&bench), (vec![97, 98], vec![97, 98]));
}

#[test]
fn a_phone_that_calls_is_answered_in_its_numbers() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let invite = InviteId::Inbound(7);
    let request = from_phone(Origin::Account(account), Some(opus_sdp(96, 97)));
    bench.sip(Event::Incoming { invite, request: Box::new(request) });
    let id = bench.incoming(alice);
    bench.take_commands();
    // The page's own description has 111 and 126.
    bench.answer(alice, &id);
    let Command::Accept { body: Some(answer), .. } = bench.command() else { panic!() };
    assert!(OFFER.contains("111") && text(&answer).contains("RTP/AVP 96 97"));
    assert_eq!(of_phone(&bench), (vec![96, 97], vec![96, 97]));
    // Whoever asks for an offer may answer with other numbers.
    bench.sip(Event::Offer { invite, body: None });
    assert!(matches!(bench.command(), Command::AnswerOffer { .. }));
    bench.sip(Event::OfferAnswered { invite, body: body(&opus_sdp(98, 99)) });
    assert_eq!(of_phone(&bench), (vec![98, 99], vec![96, 97]));
}
