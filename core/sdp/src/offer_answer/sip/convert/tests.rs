use super::{for_browser, with_converted};
use crate::codec::{Codec, MediaKind, Payload};
use crate::direction::Direction;
use crate::offer_answer::sip::{answer_browser, answer_sip, browser_offer, renegotiate, sip_offer};
use crate::offer_answer::{NegotiationError, Settled};
use crate::plan::{AudioCodec, Conversions};
use crate::section::Section;

fn all() -> Conversions {
    AudioCodec::ALL.into_iter().fold(Conversions::NONE, Conversions::with)
}

/// An audio section; `name/rate` for another clock rate than 8000.
fn audio(formats: &str) -> Vec<Section> {
    let payload = |(index, format): (usize, &str)| {
        let (name, rate) = format.split_once('/').unwrap_or((format, "8000"));
        let (clock_rate, channels) = if name == "opus" { (48_000, 2) } else { (rate.parse().unwrap(), 1) };
        let codec = Codec { name: name.to_owned(), clock_rate, channels, fmtp: None };
        let number = codec.static_payload().unwrap_or(96 + u8::try_from(index).unwrap());
        Payload { number, codec, feedback: Vec::new() }
    };
    vec![Section {
        kind: MediaKind::Audio,
        mid: "0".to_owned(),
        direction: Direction::SendRecv,
        rejected: false,
        payloads: formats.split(' ').enumerate().map(payload).collect(),
        extensions: Vec::new(),
        ssrcs: Vec::new(),
    }]
}

fn names(sections: &[Section]) -> String {
    let Some(section) = sections.first() else { return "-".to_owned() };
    let name = |payload: &Payload| match (payload.codec.name.as_str(), payload.codec.clock_rate) {
        (name, 8000 | 48_000) => name.to_owned(),
        (name, rate) => format!("{name}/{rate}"),
    };
    section.payloads.iter().map(name).collect::<Vec<_>>().join(" ")
}

/// A browser with the first list calls a SIP endpoint that accepts the second one.
fn browser_calls(browser: &str, phone: &str, conversions: Conversions) -> Result<(String, Settled), NegotiationError> {
    let offer = audio(browser);
    let relayed = with_converted(sip_offer(&offer, &[]), &[], conversions);
    let mut answer = audio(phone);
    for payload in &mut answer[0].payloads {
        let known = relayed[0].payloads.iter().find(|known| known.codec.matches(&payload.codec));
        payload.number = known.map_or(payload.number, |known| known.number);
    }
    let settled = answer_browser(&offer, &relayed, &answer, conversions)?;
    Ok((names(&relayed), settled))
}

#[test]
fn browser_with_one_codec_reaches_phone_with_another() {
    // The browser's codecs, the phone's codec, the relay's offer to the phone, and its answer to the browser.
    let table = [
        ("opus", "PCMU", "opus G722 PCMU PCMA G729 speex/16000 speex telephone-event", "opus"),
        ("opus", "G729", "opus G722 PCMU PCMA G729 speex/16000 speex telephone-event", "opus"),
        ("opus PCMU", "PCMU", "opus PCMU G722 G729 speex/16000 speex telephone-event", "PCMU opus"),
        ("opus PCMA G722", "G729", "opus PCMA G722 G729 speex/16000 speex telephone-event", "PCMA opus G722"),
        ("opus PCMA G722", "speex/16000", "opus PCMA G722 G729 speex/16000 speex telephone-event", "G722 opus PCMA"),
    ];
    for (browser, phone, offer, answer) in table {
        let (relayed, settled) = browser_calls(browser, phone, all()).unwrap();
        assert_eq!((relayed.as_str(), names(&settled.answer).as_str()), (offer, answer), "{browser} {phone}");
        assert!(all().legs(&settled.caller, &settled.callee).is_delivered_both_ways(), "{browser} {phone}");
    }
}

#[test]
fn browser_without_conversion_is_refused() {
    let offer = audio("opus");
    let relayed = audio("opus G729");
    let refused = answer_browser(&offer, &relayed, &audio("G729"), Conversions::G711);
    assert_eq!(refused, Err(NegotiationError::NoCommonCodecs));
    assert_eq!(names(&with_converted(sip_offer(&offer, &[]), &[], Conversions::G711)), "opus telephone-event");
    assert_eq!(names(&with_converted(sip_offer(&audio("PCMU"), &[]), &[], Conversions::G711)), "PCMU telephone-event");
}

#[test]
fn configured_codecs_limit_what_is_added() {
    let order = ["opus".to_owned(), "G729".to_owned()];
    assert_eq!(
        names(&with_converted(sip_offer(&audio("opus PCMU"), &order), &order, all())),
        "opus G729 telephone-event"
    );
    let only_opus = ["opus".to_owned()];
    assert_eq!(names(&for_browser(&audio("G729 telephone-event"), &only_opus, all())), "opus telephone-event");
}

#[test]
fn phone_without_codec_of_browsers_reaches_browser() {
    // The phone's codecs, the relay's offer to the browser, the browser's choice, and the relay's answer to the phone.
    let table = [
        ("G729 telephone-event", "PCMU PCMA G722 opus telephone-event telephone-event", "PCMU", "G729 telephone-event"),
        ("G729", "PCMU PCMA G722 opus telephone-event telephone-event", "opus", "G729"),
        ("speex/16000 speex", "G722 opus PCMU PCMA telephone-event telephone-event", "G722", "speex/16000 speex"),
        ("L16/16000 G729", "G722 opus PCMU PCMA telephone-event telephone-event", "opus", "L16/16000 G729"),
        ("G722 G729", "G722 opus PCMU PCMA telephone-event telephone-event", "G722", "G722"),
    ];
    for (phone, offer, chosen, answer) in table {
        let offered = audio(phone);
        let relayed = browser_offer(&for_browser(&offered, &[], all()), &[]);
        assert_eq!(names(&relayed), offer, "{phone}");
        let mut answered = relayed.clone();
        answered[0].payloads.retain(|payload| payload.codec.is(chosen));
        let settled = answer_sip(&offered, &relayed, &answered, all()).unwrap();
        assert_eq!(names(&settled.answer), answer, "{phone}");
        assert!(all().legs(&settled.caller, &settled.callee).is_delivered_both_ways(), "{phone}");
    }
    assert_eq!(browser_offer(&for_browser(&audio("G729"), &[], Conversions::G711), &[]), []);
}

#[test]
fn new_offer_with_another_codec_switches_conversion() {
    let browser = audio("opus");
    for (phone, answer) in [("PCMU", "PCMU"), ("G729 G722", "G722 G729"), ("G722", "G722"), ("opus G722", "opus")] {
        let agreed = renegotiate(&browser, &audio(phone), Direction::SendRecv, all()).unwrap();
        assert_eq!(names(&agreed.answer), answer);
        assert!(all().legs(&browser, &agreed.peer).is_delivered_both_ways());
    }
    assert!(renegotiate(&browser, &audio("G723"), Direction::SendRecv, all()).is_err());
}
