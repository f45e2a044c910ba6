//! Calls between endpoints without a common codec, with a worker that converts between all codecs.

use super::sip_calls::{body, from_phone, text};
use super::{Bench, OFFER, call_message, with_sip};
use crate::config::Config;
use offhook_sdp::plan::{AudioCodec, Conversions};
use offhook_signaling::message::{ClientMessage, ServerMessage};
use offhook_sip::user_agent::io::{Branch, Command, Event, InviteId, Origin};

fn with_all_codecs() -> Config {
    let conversions = AudioCodec::ALL.into_iter().fold(Conversions::NONE, Conversions::with);
    Config { conversions, ..with_sip() }
}

/// A phone with these static payload types.
fn phone(formats: &str) -> String {
    format!(
        "v=0\r\no=phone 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
m=audio 4000 RTP/AVP {formats} 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    )
}

/// The media lines of the descriptions that a page received.
fn media_lines(messages: &[ServerMessage]) -> Vec<String> {
    let descriptions = messages.iter().filter_map(|message| match message {
        ServerMessage::RemoteSdp { sdp, .. } => Some(sdp),
        _ => None,
    });
    descriptions.flat_map(|sdp| sdp.lines().find(|line| line.starts_with("m=audio"))).map(str::to_owned).collect()
}

#[test]
fn page_with_opus_only_reaches_phone_with_g729_only() {
    let mut bench = Bench::new(with_all_codecs());
    let (alice, _) = bench.login_sip("alice");
    let ClientMessage::Call(mut call) = call_message("a1", "1002") else { panic!() };
    call.sdp = OFFER.replace("SAVPF 111 0 126", "SAVPF 111 126");
    bench.send(alice, &ClientMessage::Call(call));
    let (invite, request) = bench.invited();
    let offer = text(&request.offer.unwrap());
    assert!(offer.contains("RTP/AVP 111 9 0 8 18 ") && offer.contains("a=fmtp:18 annexb=no"), "{offer}");
    bench.answered(invite, Some(&phone("18")));
    let lines = media_lines(&bench.take(alice));
    assert!(lines.len() == 1 && lines[0].ends_with("SAVPF 111 126"), "{lines:?}");
    // The phone changes its codec; the page is not concerned.
    for formats in ["0", "9", "8 18"] {
        bench.take_commands();
        bench.sip(Event::Offer { invite, branch: Branch(0), body: Some(body(&phone(formats))) });
        let Command::AnswerOffer { body: answer, .. } = bench.command() else { panic!("{formats}") };
        let expected = formats.split(' ').next().unwrap();
        assert!(text(&answer).contains(&format!("RTP/AVP {expected} ")), "{}", text(&answer));
        assert!(media_lines(&bench.take(alice)).is_empty());
    }
    // No conversion exists for G.723.1, so that the call continues with the previous codec.
    bench.sip(Event::Offer { invite, branch: Branch(0), body: Some(body(&phone("4"))) });
    assert!(matches!(bench.command(), Command::RefuseOffer { status: 488, .. }));
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn early_media_and_answer_may_need_different_conversions() {
    let mut bench = Bench::new(with_all_codecs());
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (invite, _) = bench.invited();
    bench.progress(invite, 183, Some(&phone("18")));
    assert_eq!(media_lines(&bench.take(alice)).len(), 1);
    bench.answered(invite, Some(&phone("9")));
    assert!(media_lines(&bench.take(alice)).is_empty(), "no second answer");
    assert!(bench.take_commands().is_empty(), "no new offer to the phone");
}

#[test]
fn phone_with_g729_only_reaches_page() {
    for (formats, status) in [("18", None), ("4", Some(488))] {
        let mut bench = Bench::new(with_all_codecs());
        let (alice, account) = bench.login_sip("alice");
        let invite = InviteId::Inbound(7);
        let request = from_phone(Origin::Account(account), Some(phone(formats)));
        bench.sip(Event::Incoming { invite, request: Box::new(request) });
        if let Some(status) = status {
            let commands = bench.take_commands();
            let is_refusal =
                |command: &Command| matches!(command, Command::Reject { status: found, .. } if *found == status);
            assert!(commands.iter().any(is_refusal), "{commands:?}");
            continue;
        }
        let id = bench.incoming(alice);
        bench.take_commands();
        bench.answer(alice, &id);
        let Command::Accept { body: Some(answer), .. } = bench.command() else { panic!() };
        assert!(text(&answer).contains("RTP/AVP 18 101"), "{}", text(&answer));
    }
}
