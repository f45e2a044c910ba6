//! Codecs and payload types in the offers and answers of SIP endpoints.

use super::sip_calls::{ConnectedSection, body, from_phone, phone_sdp, text};
use super::{Bench, OFFER, answer_sdp, call_message, with_sip};
use crate::config::{Config, Srtp};
use crate::io::ConnectionId;
use offhook_media::command::{Command as Media, RemoteTransport};
use offhook_sdp::codec::Payload;
use offhook_signaling::message::{Answer, ClientMessage, ServerMessage};
use offhook_sip::user_agent::io::{Branch, Command, Event, InviteId, Origin};

/// A phone with Opus and telephone-events under these payload types only.
fn opus_sdp(opus: u8, event: u8) -> String {
    format!(
        "v=0\r\no=phone 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
m=audio 4000 RTP/AVP {opus} {event}\r\na=rtpmap:{opus} opus/48000/2\r\na=rtpmap:{event} telephone-event/8000\r\n"
    )
}

fn numbers(payloads: &[Payload]) -> Vec<u8> {
    payloads.iter().map(|payload| payload.number).collect()
}

/// Returns the payload types of the SIP leg's audio: sent and received.
fn of_phone(bench: &Bench) -> (Vec<u8>, Vec<u8>) {
    let ConnectedSection { stream, .. } = &bench.connected().0[0];
    (numbers(&stream.remote.payloads), numbers(&stream.received))
}

/// Returns the relay's answer to an offer of the phone.
fn reinvite(bench: &mut Bench, invite: InviteId, offer: &str) -> String {
    bench.sip(Event::Offer { invite, branch: Branch(0), body: Some(body(offer)) });
    let command = bench.command();
    let Command::AnswerOffer { body: answer, .. } = command else { panic!("{command:?} to {offer}") };
    text(&answer)
}

fn hold(bench: &mut Bench, at: ConnectionId) -> String {
    bench.send(at, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: false });
    let Command::Offer { body: offer, .. } = bench.command() else { panic!("no offer") };
    text(&offer)
}

#[test]
fn answer_may_have_other_payload_types() {
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
    // An offer of the phone has the numbers for both directions: the answer has the same ones.
    let answer = reinvite(&mut bench, invite, &opus_sdp(97, 98));
    assert!(answer.contains("RTP/AVP 97 98"), "{answer}");
    assert_eq!(of_phone(&bench), (vec![97, 98], vec![97, 98]));
}

#[test]
fn answer_has_payload_types_of_offer() {
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
    // A peer that requested an offer may answer with other numbers.
    bench.sip(Event::Offer { invite, branch: Branch(0), body: None });
    assert!(matches!(bench.command(), Command::AnswerOffer { .. }));
    bench.sip(Event::OfferAnswered { invite, body: body(&opus_sdp(98, 99)) });
    assert_eq!(of_phone(&bench), (vec![98, 99], vec![96, 97]));
}

/// A phone with these laws of G.711 and Opus, as far as they are named.
fn laws_sdp(formats: &str, direction: &str) -> String {
    format!(
        "v=0\r\no=phone 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
m=audio 4000 RTP/AVP {formats} 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
a={direction}\r\n"
    )
}

/// A page with Opus and both laws calls a phone.
fn calling(bench: &mut Bench) -> (ConnectionId, InviteId) {
    let (alice, _) = bench.login_sip("alice");
    let ClientMessage::Call(mut call) = call_message("a1", "1002") else { panic!() };
    call.sdp =
        OFFER.replace("SAVPF 111 0 126", "SAVPF 111 0 8 126").replace("a=mid:0", "a=mid:0\r\na=rtpmap:8 PCMA/8000");
    bench.send(alice, &ClientMessage::Call(call));
    let (invite, request) = bench.invited();
    assert!(text(&request.offer.unwrap()).contains("RTP/AVP 111 0 8 101"));
    (alice, invite)
}

/// Returns the media line of the only description that the page received.
fn media_line_sent_to(bench: &mut Bench, at: ConnectionId) -> String {
    let messages = bench.take(at);
    let mut lines = messages.iter().filter_map(|message| match message {
        ServerMessage::RemoteSdp { sdp, .. } => sdp.lines().find(|line| line.starts_with("m=audio")),
        _ => None,
    });
    let line = lines.next().expect("a description").to_owned();
    assert_eq!(lines.next(), None);
    line
}

/// Returns the payload types of the page's audio, in order.
fn of_page(bench: &Bench) -> Vec<u8> {
    let mut orders = bench.media.iter().rev();
    let streams = orders.find_map(|command| match command {
        Media::Connect { transport: RemoteTransport::WebRtc(_), streams, .. } => Some(streams),
        _ => None,
    });
    numbers(&streams.expect("the page's leg")[0].remote.payloads)
}

#[test]
fn page_sends_accepted_codec_and_receives_all_negotiated() {
    let mut bench = Bench::new(with_sip());
    let (alice, invite) = calling(&mut bench);
    bench.answered(invite, Some(&laws_sdp("8", "sendrecv")));
    assert!(
        media_line_sent_to(&mut bench, alice).ends_with("SAVPF 8 111 0 126"),
        "PCMA first: a browser sends the first one"
    );
    assert_eq!(of_page(&bench), [8, 111, 0, 126]);
    assert_eq!(of_phone(&bench), (vec![8, 101], vec![8, 101]));
}

#[test]
fn call_may_use_another_law_than_early_media() {
    let mut bench = Bench::new(with_sip());
    let (alice, invite) = calling(&mut bench);
    bench.progress(invite, 183, Some(&laws_sdp("0", "sendrecv")));
    assert!(media_line_sent_to(&mut bench, alice).ends_with("SAVPF 0 111 8 126"));
    bench.answered(invite, Some(&laws_sdp("8", "sendrecv")));
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"], "no second answer: the worker converts");
    assert_eq!((of_page(&bench)[0], of_phone(&bench).0), (0, vec![8, 101]));
    assert!(bench.take_commands().is_empty());
}

#[test]
fn answer_with_another_codec_leads_to_new_offer() {
    let mut bench = Bench::new(with_sip());
    let (alice, invite) = calling(&mut bench);
    bench.progress(invite, 183, Some(&laws_sdp("0", "sendrecv")));
    bench.answered(invite, Some(&laws_sdp("96", "sendrecv")));
    let Command::Offer { body: offer, .. } = bench.command() else { panic!() };
    assert!(text(&offer).contains("RTP/AVP 0 111 8 101"), "{}", text(&offer));
    // No further offer follows: the phone's codec can be received.
    bench.sip(Event::OfferAnswered { invite, body: body(&laws_sdp("96", "sendrecv")) });
    assert!(bench.take_commands().is_empty());
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn reinvite_may_change_only_to_codec_of_page() {
    let mut bench = Bench::new(with_sip());
    let (_, invite) = calling(&mut bench);
    bench.answered(invite, Some(&laws_sdp("8", "sendrecv")));
    // The page supports Opus, but continues to send PCMA, which the phone could not receive.
    bench.sip(Event::Offer { invite, branch: Branch(0), body: Some(body(&laws_sdp("96", "sendrecv"))) });
    assert_eq!(bench.command(), Command::RefuseOffer { invite, branch: Branch(0), status: 488, reason: None });
    assert_eq!(of_phone(&bench).0, [8, 101], "all stays as it was");
    assert!(reinvite(&mut bench, invite, &laws_sdp("96 8", "sendrecv")).contains("RTP/AVP 8 96 101"));
    assert_eq!(of_phone(&bench).0, [8, 96, 101]);
    assert!(reinvite(&mut bench, invite, &laws_sdp("0", "sendrecv")).contains("RTP/AVP 0 101"), "converted");
    // Music on hold may use another codec than the page's, because its sender receives nothing.
    assert!(reinvite(&mut bench, invite, &laws_sdp("96", "sendonly")).contains("RTP/AVP 96 101"));
    assert_eq!(of_phone(&bench).0, [96, 101]);
}

#[test]
fn codec_change_of_phone_is_offered_to_other() {
    let mut bench = Bench::new(with_sip());
    bench.bind("bob", 1);
    let caller = InviteId::Inbound(7);
    let mut request = from_phone(Origin::Phone("carol".into()), Some(laws_sdp("8 96", "sendrecv")));
    (request.from.uri, request.to.uri) =
        ("sip:carol@relay.test".parse().unwrap(), "sip:bob@relay.test".parse().unwrap());
    request.request_uri = "sip:bob@relay.test".parse().unwrap();
    bench.sip(Event::Incoming { invite: caller, request: Box::new(request) });
    let (callee, _) = bench.invited();
    bench.answered(callee, Some(&laws_sdp("8 96", "sendrecv")));
    bench.take_commands();
    bench.sip(Event::Offer { invite: caller, branch: Branch(0), body: Some(body(&laws_sdp("96", "sendrecv"))) });
    let [Command::AnswerOffer { .. }, Command::Offer { invite, body: offer }] = &bench.take_commands()[..] else {
        panic!()
    };
    assert_eq!(*invite, callee);
    assert!(text(offer).contains("RTP/AVP 96 101"), "{}", text(offer));
    bench.sip(Event::OfferAnswered { invite: callee, body: body(&laws_sdp("96", "sendrecv")) });
    assert!(bench.take_commands().is_empty());
}

#[test]
fn reinvite_without_usable_media_is_refused() {
    let fax = "m=image 41500 udptl t38\r\na=T38FaxVersion:0\r\n";
    let session = "v=0\r\no=- 1 2 IN IP4 198.51.100.7\r\ns=-\r\nt=0 0\r\n";
    let there = "c=IN IP4 198.51.100.7\r\n";
    let unusable = [
        format!("{session}{there}{fax}"),
        format!("{session}{there}m=audio 0 RTP/AVP 0\r\n{fax}"),
        format!("{session}{there}m=audio 0 RTP/AVP 0\r\n"),
        format!("{session}{there}m=audio 4000 RTP/AVP 18\r\n"),
        format!("{session}{there}"),
        format!("{session}c=IN IP4 media.example.org\r\nm=audio 4000 RTP/AVP 0\r\n"),
    ];
    for offer in unusable {
        let mut bench = Bench::new(with_sip());
        let (alice, _) = bench.login_sip("alice");
        bench.call(alice, "a1", "1002");
        let (invite, _) = bench.invited();
        bench.answered(invite, Some(&phone_sdp(4000, "sendrecv")));
        bench.take_commands();
        bench.media.clear();
        bench.sip(Event::Offer { invite, branch: Branch(0), body: Some(body(&offer)) });
        let has_name = offer.contains("example.org");
        let reason = has_name.then(|| "Host Name in SDP Has No Usable Address".to_owned());
        assert_eq!(bench.command(), Command::RefuseOffer { invite, branch: Branch(0), status: 488, reason }, "{offer}");
        assert_eq!(bench.media, [], "the media go on: {offer}");
        // Audio with a fax section, and audio alone, are answered.
        for more in [fax, ""] {
            let answer = reinvite(&mut bench, invite, &(phone_sdp(4000, "sendrecv") + more));
            assert!(answer.contains("m=audio 2"), "{answer}");
            assert_eq!(answer.contains("m=image 0"), !more.is_empty(), "{answer}");
        }
    }
}

/// Media lines of one microphone, with and without SRTP, as phones with optional encryption offer it.
fn alternatives(direction: &str) -> String {
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQkNE\r\n";
    let session = "v=0\r\no=- 1 2 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n";
    format!("{session}a={direction}\r\nm=audio 4000 RTP/SAVP 0\r\n{key}m=audio 4000 RTP/AVP 0\r\n")
}

#[test]
fn alternative_sections_are_one_stream_in_every_offer() {
    // A browser answers in the order of the offer, PCMU first, unless its page prefers another codec.
    for order in ["0 111 126", "111 0 126"] {
        let mut bench = Bench::new(with_sip_keys());
        let (alice, account) = bench.login_sip("alice");
        let invite = InviteId::Inbound(7);
        let request = from_phone(Origin::Account(account), Some(alternatives("sendrecv")));
        bench.sip(Event::Incoming { invite, request: Box::new(request) });
        let call_id = bench.incoming(alice);
        bench.take_commands();
        let sdp = answer_sdp().replace("111 0 126", order);
        let answer = Answer { call_id, sdp, callee: None, sip_sdp: Vec::new(), custom: None, local_media_info: None };
        bench.send(alice, &ClientMessage::Answer(Box::new(answer)));
        let Command::Accept { body: Some(answer), .. } = bench.command() else { panic!("not accepted") };
        let is_one = |answer: &str| answer.contains("RTP/SAVP 0\r\n") && answer.contains("m=audio 0 RTP/AVP");
        assert!(is_one(&text(&answer)), "{}", text(&answer));
        for direction in ["sendonly", "sendrecv", "sendrecv"] {
            let answer = reinvite(&mut bench, invite, &alternatives(direction));
            assert!(is_one(&answer), "{answer}");
        }
    }
}

fn with_sip_keys() -> Config {
    let mut config = with_sip();
    config.sip.as_mut().unwrap().srtp = Srtp::Accepted;
    config
}
