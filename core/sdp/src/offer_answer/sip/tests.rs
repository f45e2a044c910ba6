//! Tests of complete negotiations between browsers and SIP endpoints.

mod rfc;

use super::{
    Renegotiated, Settled, accepted, as_sent, browser_offer, default_offer, in_offered_order, reoffer, sip_offer,
};
use crate::codec::{MediaKind, Payload};
use crate::direction::Direction;
use crate::offer_answer::NegotiationError;
use crate::plan::{Conversions, Delivery, StreamPlan};
use crate::section::Section;
use crate::sip;
use crate::sip::samples::{ALL, ASTERISK, BARESIP, CHROMIUM, FAX, LINPHONE, OLD_HOLD, RTPENGINE};
use crate::webrtc;
use proptest::prelude::*;

fn renegotiate(other: &[Section], offer: &[Section], wanted: Direction) -> Result<Renegotiated, NegotiationError> {
    super::renegotiate(other, offer, wanted, Conversions::G711)
}

fn answer_sip(offer: &[Section], relayed: &[Section], answered: &[Section]) -> Result<Settled, NegotiationError> {
    super::answer_sip(offer, relayed, answered, Conversions::G711)
}

fn answer_browser(offer: &[Section], relayed: &[Section], answered: &[Section]) -> Result<Settled, NegotiationError> {
    super::answer_browser(offer, relayed, answered, Conversions::G711)
}

fn sending<'a>(from: &'a Section, to: &'a Section) -> StreamPlan<'a> {
    Conversions::G711.stream(from, to)
}

const AUDIO: &str = include_str!("../../../fixtures/chromium-audio-offer.sdp");
const VIDEO: &str = include_str!("../../../fixtures/chromium-video-offer.sdp");
const FIREFOX: &str = include_str!("../../../fixtures/firefox-video-offer.sdp");

fn browser(text: &str) -> Vec<Section> {
    webrtc::WebRtcDescription::parse(text).expect("a browser's description").sections
}

fn peer(text: &str) -> Vec<Section> {
    sip::SipDescription::parse(text).expect("a SIP endpoint's description").media()
}

fn names(section: &Section) -> Vec<(u8, &str)> {
    section.payloads.iter().map(|payload| (payload.number, payload.codec.name.as_str())).collect()
}

fn order(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Returns `sections` with only the payloads of these names.
fn only(sections: &[Section], names: &[&str]) -> Vec<Section> {
    let mut sections = sections.to_vec();
    for section in &mut sections {
        section.payloads.retain(|payload| names.iter().any(|name| payload.codec.is(name)));
    }
    sections
}

fn with_direction(sections: &[Section], direction: Direction) -> Vec<Section> {
    sections.iter().map(|section| Section { direction, ..section.clone() }).collect()
}

#[test]
fn sip_offer_has_only_codecs_of_sip_endpoints() {
    let offered = sip_offer(&browser(VIDEO), &[]);
    let audio = [
        (111, "opus"),
        (9, "G722"),
        (0, "PCMU"),
        (8, "PCMA"),
        (13, "CN"),
        (101, "telephone-event"),
        (110, "telephone-event"),
    ];
    assert_eq!(names(&offered[0]), audio);
    let formats: Vec<(u8, &str, Option<&str>)> = offered[1]
        .payloads
        .iter()
        .map(|payload| (payload.number, payload.codec.name.as_str(), payload.codec.parameter("profile-level-id")))
        .collect();
    assert_eq!(formats[..3], [(96, "VP8", None), (102, "H264", Some("42001f")), (104, "H264", Some("42001f"))]);
    assert!(!formats.iter().any(|(_, name, _)| ["VP9", "AV1", "rtx", "red"].contains(name)), "{formats:?}");
    assert!(offered[0].payloads.iter().all(|payload| payload.feedback.is_empty()));
    assert!(offered[1].payloads.iter().all(|payload| payload.feedback == ["nack pli", "ccm fir"]));
    assert!(offered.iter().all(|section| section.extensions.is_empty() && section.ssrcs.is_empty()));
    let dtmf = offered[0].payloads.iter().filter(|payload| payload.codec.is_telephone_event());
    assert!(dtmf.clone().all(|payload| payload.codec.fmtp.as_deref() == Some("0-15")));

    let named = sip_offer(&browser(VIDEO), &order(&["PCMA", "opus", "VP9"]));
    assert_eq!(names(&named[0])[..2], [(8, "PCMA"), (111, "opus")]);
    assert!(named[1].payloads.iter().all(|payload| payload.codec.is("VP9")));
}

#[test]
fn sip_offer_without_browser_dtmf_has_telephone_event() {
    let without = only(&browser(AUDIO), &["opus", "PCMU"]);
    assert_eq!(names(&sip_offer(&without, &[])[0]), [(111, "opus"), (0, "PCMU"), (101, "telephone-event")]);
    let mut taken = without.clone();
    taken[0].payloads[0].number = 101;
    assert_eq!(names(&sip_offer(&taken, &[])[0]), [(101, "opus"), (0, "PCMU"), (96, "telephone-event")]);
}

#[test]
fn sip_offer_replaces_invalid_payload_types() {
    let mut odd = only(&browser(AUDIO), &["opus", "PCMU", "G722"]);
    for (payload, number) in odd[0].payloads.iter_mut().zip([0, 72, 96]) {
        payload.number = number;
    }
    assert_eq!(names(&odd[0]), [(0, "opus"), (72, "G722"), (96, "PCMU")]);
    let numbers = [(96, "opus"), (9, "G722"), (0, "PCMU"), (101, "telephone-event")];
    assert_eq!(names(&sip_offer(&odd, &[])[0]), numbers);
}

#[test]
fn browser_answer_starts_with_codecs_accepted_by_peer() {
    let offer = browser(AUDIO);
    let relayed = sip_offer(&offer, &[]);
    let settled = answer_browser(&offer, &relayed, &peer(RTPENGINE)).expect("settled");
    let answer =
        [(8, "PCMA"), (0, "PCMU"), (111, "opus"), (9, "G722"), (110, "telephone-event"), (126, "telephone-event")];
    assert_eq!(names(&settled.answer[0]), answer);
    assert_eq!(names(&settled.caller[0]), answer);
    assert_eq!(names(&settled.callee[0]), [(8, "PCMA"), (0, "PCMU"), (101, "telephone-event")], "G729 was not offered");
    assert!(matches!(sending(&settled.caller[0], &settled.callee[0]).delivery, Delivery::Pass(_)));
    assert_eq!(settled.caller[0].ssrcs, offer[0].ssrcs);
    assert!(Conversions::NONE.can_join(&settled.caller, &settled.callee));
    let uris: Vec<&str> = settled.answer[0].extensions.iter().map(|extension| extension.uri.as_str()).collect();
    assert_eq!(uris, ["urn:ietf:params:rtp-hdrext:sdes:mid"]);
}

#[test]
fn answer_on_hold_keeps_browser_direction() {
    let offer = browser(AUDIO);
    let held = peer(&ASTERISK.replace("a=sendrecv", "a=inactive"));
    let settled = answer_browser(&offer, &sip_offer(&offer, &[]), &held).expect("settled");
    assert_eq!(settled.answer[0].direction, Direction::SendRecv);
    assert_eq!(settled.caller[0].direction, Direction::SendRecv);
    assert_eq!(settled.callee[0].direction, Direction::Inactive);
    let listens = with_direction(&offer, Direction::RecvOnly);
    let settled = answer_browser(&listens, &sip_offer(&listens, &[]), &peer(ASTERISK)).expect("settled");
    assert_eq!(settled.answer[0].direction, Direction::SendOnly);
    assert_eq!(settled.callee[0].direction, Direction::SendOnly, "the direction is limited by the offer");
}

#[test]
fn video_with_sip_endpoint_is_negotiated() {
    let offer = browser(VIDEO);
    let relayed = sip_offer(&offer, &[]);
    let answer = only(&peer(LINPHONE), &["opus", "telephone-event", "VP8"]);
    let settled = answer_browser(&offer, &relayed, &answer).expect("settled");
    let video = &settled.answer[1];
    assert_eq!(names(video)[..2], [(96, "VP8"), (102, "H264")]);
    assert_eq!(video.payloads[0].feedback, ["ccm fir", "nack", "nack pli"]);
    assert!(settled.answer.iter().flat_map(|section| &section.extensions).all(|ext| !ext.uri.contains("orientation")));
    assert_eq!(settled.callee[1].payloads[0].feedback, ["trr-int 1000", "nack pli", "ccm fir"]);
    // A phone without a camera, and one that omits the section.
    for answer in [vec![answer[0].clone(), Section { rejected: true, ..answer[1].clone() }], answer[..1].to_vec()] {
        let settled = answer_browser(&offer, &relayed, &answer).expect("settled");
        assert_eq!(settled.answer.iter().map(|section| section.rejected).collect::<Vec<_>>(), [false, true]);
        assert_eq!((settled.caller.len(), settled.callee.len()), (1, 1));
    }
}

#[test]
fn second_early_dialog_fits_first_browser_answer() {
    let offer = browser(AUDIO);
    let relayed = sip_offer(&offer, &[]);
    let first = answer_browser(&offer, &relayed, &peer(ASTERISK)).expect("settled");
    let browser = &first.caller[0];
    assert!(matches!(sending(browser, &first.callee[0]).delivery, Delivery::Pass(_)));
    let alaw = accepted(&relayed, &only(&peer(RTPENGINE), &["PCMA"])).expect("streams");
    assert!(matches!(sending(browser, &alaw[0]).delivery, Delivery::Convert(_)));
    assert!(matches!(sending(&alaw[0], browser).delivery, Delivery::Pass(_)), "the browser's answer has it");
    let opus = accepted(&relayed, &only(&peer(BARESIP), &["opus"])).expect("streams");
    let StreamPlan { delivery: Delivery::None, alternative: Some(to), .. } = sending(browser, &opus[0]) else {
        panic!("the browser sends PCMU")
    };
    assert_eq!((to.number, to.codec.name.as_str()), (111, "opus"));
    assert!(matches!(sending(&opus[0], browser).delivery, Delivery::Pass(_)));
    let g729 = only(&peer(OLD_HOLD), &["G729"]);
    assert!(matches!(sending(browser, &g729[0]), StreamPlan { delivery: Delivery::None, alternative: None, .. }));
    assert_eq!(accepted(&relayed, &g729), Err(NegotiationError::NoCommonCodecs));
}

#[test]
fn answer_with_other_payload_types_is_accepted() {
    let offer = browser(AUDIO);
    let relayed = sip_offer(&offer, &[]);
    let settled = answer_browser(&offer, &relayed, &peer(BARESIP)).expect("settled");
    let receives = [(96, "opus"), (0, "PCMU"), (8, "PCMA"), (101, "telephone-event")];
    assert_eq!(names(&settled.callee[0]), receives, "the payload types that the relay sends with");
    let sends = as_sent(&relayed[0], &settled.callee[0]);
    assert_eq!(names(&sends), [(111, "opus"), (0, "PCMU"), (8, "PCMA"), (101, "telephone-event")]);
    let opus = &settled.answer[0].payloads[0];
    assert_eq!((opus.number, opus.codec.fmtp.as_deref()), (111, Some("stereo=1;sprop-stereo=1")));
}

#[test]
fn refused_and_mismatched_answers_return_different_errors() {
    let offer = browser(VIDEO);
    let relayed = sip_offer(&offer, &[]);
    let settle = |answer: &[Section]| answer_browser(&offer, &relayed, answer);
    assert_eq!(settle(&peer(FAX)), Err(NegotiationError::Refused));
    assert_eq!(settle(&[]), Err(NegotiationError::Refused));
    assert_eq!(settle(&only(&peer(ASTERISK), &["telephone-event"])), Err(NegotiationError::NoCommonCodecs));
    let mut crossed = peer(LINPHONE);
    crossed.reverse();
    assert_eq!(settle(&crossed), Err(NegotiationError::NotAnAnswer));
    assert_eq!(settle(&[peer(LINPHONE), peer(ASTERISK)].concat()), Err(NegotiationError::NotAnAnswer));
    let named = ASTERISK.replace("IN IP4 198.51.100.10", "IN IP4 pbx.example.test");
    assert_eq!(settle(&peer(&named)), Err(NegotiationError::Refused), "an unusable section counts as refused");
}

#[test]
fn browser_offer_adds_default_codecs_to_peer_codecs() {
    let offered = browser_offer(&peer(RTPENGINE), &[]);
    let audio = [(8, "PCMA"), (0, "PCMU"), (111, "opus"), (101, "telephone-event"), (110, "telephone-event")];
    assert_eq!(names(&offered[0]), audio);
    let held = browser_offer(&peer(OLD_HOLD), &[]);
    assert_eq!(held[0].direction, Direction::SendRecv, "the browser gets one offer only");
    let video = browser_offer(&peer(LINPHONE), &order(&["opus", "H264"]));
    let first = [(96, "opus"), (101, "telephone-event"), (99, "telephone-event")];
    assert_eq!(names(&video[0]), first, "G.711 is not in the configured order");
    assert_eq!(names(&video[1]), [(97, "H264")]);
    assert_eq!(video[1].payloads[0].feedback, ["nack", "nack pli", "ccm fir"]);
    assert_eq!(browser_offer(&only(&peer(RTPENGINE), &["G729", "telephone-event"]), &[]), []);
}

#[test]
fn sip_answer_has_codecs_accepted_by_browser() {
    let offer = peer(RTPENGINE);
    let relayed = browser_offer(&offer, &[]);
    // The browser accepts all offered codecs with their payload types, except telephone-events.
    let answer = only(&relayed, &["PCMA", "PCMU", "opus"]);
    let settled = answer_sip(&offer, &relayed, &answer).expect("settled");
    assert_eq!(names(&settled.answer[0]), [(8, "PCMA"), (0, "PCMU"), (101, "telephone-event")]);
    assert_eq!(names(&settled.caller[0]), names(&settled.answer[0]));
    assert_eq!(names(&settled.callee[0]), [(8, "PCMA"), (0, "PCMU"), (111, "opus")]);
    assert_eq!(settled.answer[0].direction, Direction::SendRecv);
    let muted = answer_sip(&offer, &relayed, &with_direction(&answer, Direction::RecvOnly)).expect("settled");
    assert_eq!(muted.answer[0].direction, Direction::RecvOnly);
    assert_eq!(muted.caller[0].direction, Direction::SendOnly);
    let only_opus = only(&relayed, &["opus"]);
    assert_eq!(answer_sip(&offer, &relayed, &only_opus), Err(NegotiationError::NoCommonCodecs));
}

#[test]
fn unsupported_section_of_sip_offer_is_refused_in_position() {
    let offer = peer(&LINPHONE.replace("m=video", "m=audio 7500 RTP/AVP 18\r\nm=video"));
    let relayed = browser_offer(&offer, &[]);
    assert_eq!(relayed.len(), 2, "a browser has no G.729");
    let settled = answer_sip(&offer, &relayed, &relayed).expect("settled");
    let refused: Vec<bool> = settled.answer.iter().map(|section| section.rejected).collect();
    assert_eq!(refused, [false, true, false]);
    assert_eq!(names(&settled.answer[2]), [(96, "VP8"), (97, "H264")]);
    assert_eq!(settled.answer[2].payloads[0].feedback, ["nack pli", "ccm fir"]);
}

#[test]
fn invite_without_offer_gets_default_offer() {
    let offered = default_offer(true, &[]);
    let audio = [(0, "PCMU"), (8, "PCMA"), (111, "opus"), (110, "telephone-event"), (101, "telephone-event")];
    assert_eq!(names(&offered[0]), audio);
    assert_eq!(names(&offered[1]), [(97, "H264"), (96, "VP8")]);
    // The browser does not support H.264. The 200 carries the offer and the ACK the answer.
    let browser = only(&offered, &["opus", "PCMU", "PCMA", "telephone-event", "VP8"]);
    let browser = accepted(&offered, &browser).expect("the browser's streams");
    let to_sip = sip_offer(&browser, &[]);
    assert_eq!(names(&to_sip[1]), [(96, "VP8")]);
    let sip = accepted(&to_sip, &peer(ASTERISK)).expect("the SIP endpoint's streams");
    assert_eq!(names(&sip[0]), [(0, "PCMU"), (8, "PCMA"), (101, "telephone-event")]);
    assert!(
        matches!(sending(&browser[0], &sip[0]).delivery, Delivery::Pass(_)),
        "the browser sends a codec that every phone supports"
    );
    let g711 = default_offer(false, &order(&["PCMA", "PCMU"]));
    assert_eq!(names(&g711[0])[..2], [(8, "PCMA"), (0, "PCMU")]);
    assert_eq!(g711.len(), 1);
}

#[test]
fn two_sip_endpoints_negotiate_common_codecs() {
    let offer = peer(RTPENGINE);
    let relayed = sip_offer(&offer, &[]);
    assert_eq!(names(&relayed[0]), names(&offer[0]), "G.729 is forwarded");
    let settled = answer_sip(&offer, &relayed, &only(&peer(OLD_HOLD), &["G729", "PCMU"])).expect("settled");
    assert_eq!(names(&settled.answer[0]), [(18, "G729"), (0, "PCMU"), (101, "telephone-event")]);
    assert_eq!(settled.answer[0].direction, Direction::SendOnly, "the callee has the call on hold");
    assert_eq!(settled.caller[0].direction, Direction::RecvOnly);
    assert_eq!(settled.callee[0].direction, Direction::SendOnly);
}

/// Returns the negotiated streams of a browser that called Asterisk.
fn established() -> Vec<Section> {
    let offer = browser(VIDEO);
    let answer = [peer(ASTERISK), only(&peer(LINPHONE)[1..], &["VP8"])].concat();
    answer_browser(&offer, &sip_offer(&offer, &[]), &answer).expect("settled").caller
}

#[test]
fn peer_reoffer_is_answered_with_browser_codecs() {
    let both = Direction::SendRecv;
    let answered = |offer: &str| renegotiate(&established(), &peer(offer), both).expect("an answer");
    let laws = answered(RTPENGINE);
    assert_eq!(
        names(&laws.answer[0]),
        [(0, "PCMU"), (8, "PCMA"), (101, "telephone-event")],
        "the codec that the browser sends is first"
    );
    assert_eq!(names(&laws.peer[0]), names(&laws.answer[0]));
    let alaw = renegotiate(&established(), &only(&peer(RTPENGINE), &["PCMA"]), both).expect("an answer");
    assert_eq!(names(&alaw.answer[0]), [(8, "PCMA")]);
    assert!(matches!(sending(&established()[0], &alaw.peer[0]).delivery, Delivery::Convert(_)));
    let opus = renegotiate(&established(), &only(&peer(BARESIP), &["opus"]), both).expect("an answer");
    assert_eq!(names(&opus.answer[0]), [(96, "opus")], "the numbers of the offer");
    let established = established();
    let changed = sending(&established[0], &opus.peer[0]);
    assert!(changed.delivery == Delivery::None && changed.alternative.is_some_and(|to| to.number == 111));
    let g729 = only(&peer(OLD_HOLD), &["G729"]);
    assert_eq!(renegotiate(&established, &g729, both), Err(NegotiationError::NoCommonCodecs));
}

#[test]
fn hold_from_either_side_sets_answer_direction() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let answer = |offered: Direction, wanted: Direction| {
        let offer = with_direction(&peer(ASTERISK), offered);
        let renegotiated = renegotiate(&established(), &offer, wanted).expect("an answer");
        assert_eq!(renegotiated.peer[0].direction, renegotiated.answer[0].direction.reversed());
        renegotiated.answer[0].direction
    };
    assert_eq!(answer(SendOnly, SendRecv), RecvOnly);
    assert_eq!(answer(RecvOnly, SendRecv), SendOnly);
    assert_eq!(answer(Inactive, SendRecv), Inactive);
    assert_eq!(answer(SendRecv, SendRecv), SendRecv);
    // This side has the call on hold already.
    assert_eq!(answer(SendRecv, SendOnly), SendOnly);
    assert_eq!(answer(SendOnly, SendOnly), Inactive);
    let old = renegotiate(&established(), &peer(OLD_HOLD), SendRecv).expect("an answer");
    assert_eq!(old.answer[0].direction, RecvOnly, "0.0.0.0 is answered like sendonly");
}

#[test]
fn reoffer_with_added_or_removed_sections_is_answered() {
    let both = Direction::SendRecv;
    let answer = |text: &str| renegotiate(&established(), &peer(text), both).map(|done| (done.answer, done.peer));
    let (answer_all, streams) = answer(LINPHONE).expect("an answer");
    assert_eq!((answer_all.len(), streams.len()), (2, 2));
    let (removed, streams) = answer(&LINPHONE.replace("m=video 9078", "m=video 0")).expect("an answer");
    assert!(removed[1].rejected && streams.len() == 1);
    let more = format!("{RTPENGINE}m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n");
    let (added, streams) = answer(&more).expect("an answer");
    assert_eq!(added.iter().map(|section| section.rejected).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(streams.iter().map(|section| section.kind).collect::<Vec<_>>(), [MediaKind::Audio, MediaKind::Video]);
    // An offer without media in use is acceptable.
    let (nothing, streams) = answer(FAX).expect("the offerer itself rejects its only audio section");
    assert!(nothing[0].rejected && streams.is_empty());
    assert_eq!(answer(&RTPENGINE.replace("RTP/AVP", "DCCP/RTP/AVP")).expect("refused").1, []);
}

#[test]
fn relay_reoffer_keeps_payload_types_and_positions() {
    let other = established();
    let offer = peer(&format!("{BARESIP}m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"));
    let current = renegotiate(&other, &offer, Direction::SendRecv).expect("an answer").answer;
    let hold = reoffer(&current, &other, Direction::SendOnly);
    assert_eq!(
        hold.iter().map(|section| section.direction).collect::<Vec<_>>(),
        [Direction::SendOnly, Direction::Inactive]
    );
    assert!(hold[1].rejected);
    let audio =
        [(0, "PCMU"), (96, "opus"), (8, "PCMA"), (9, "G722"), (101, "telephone-event"), (110, "telephone-event")];
    assert_eq!(names(&hold[0]), audio, "G.722 and DTMF for Opus are added; Opus keeps payload type 96");
    let back = reoffer(&hold, &other, Direction::SendRecv);
    assert_eq!(back[0].payloads, hold[0].payloads, "a second offer adds no payloads");
    let streams = accepted(&back, &peer(BARESIP)).expect("streams");
    assert_eq!(names(&streams[0]), [(96, "opus"), (0, "PCMU"), (8, "PCMA"), (101, "telephone-event")]);
    let silent = with_direction(&other, Direction::RecvOnly);
    assert_eq!(reoffer(&current, &silent, Direction::SendRecv)[0].direction, Direction::RecvOnly);
}

#[test]
fn webrtc_offer_over_sip_is_answered() {
    let offer = peer(CHROMIUM);
    let relayed = browser_offer(&offer, &[]);
    let settled = answer_sip(&offer, &relayed, &relayed).expect("settled");
    assert_eq!(names(&settled.answer[0]), [(111, "opus"), (0, "PCMU"), (126, "telephone-event")]);
}

/// Asserts the invariants of every description that the relay writes.
fn assert_sound(sections: &[Section]) {
    for section in sections.iter().filter(|section| !section.rejected) {
        assert!(section.payloads.iter().any(|payload| payload.codec.is_primary()), "{section:?}");
        let mut numbers: Vec<u8> = section.payloads.iter().map(|payload: &Payload| payload.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), section.payloads.len(), "a payload type is used once: {section:?}");
    }
}

fn any_sections() -> impl Strategy<Value = Vec<Section>> {
    let texts = (0..ALL.len() + 3, 0..ALL.len() + 3);
    let read = |which: usize| match which.checked_sub(3) {
        Some(which) => peer(ALL[which]),
        None => browser([AUDIO, VIDEO, FIREFOX][which]),
    };
    let noise =
        prop::collection::vec((any::<prop::sample::Index>(), 0..128_u8, any::<bool>(), any::<(bool, bool)>()), 0..6);
    (texts, noise).prop_map(move |((first, second), noise)| {
        let mut sections = read(first);
        sections.extend(read(second));
        for (index, section) in sections.iter_mut().enumerate() {
            section.mid = index.to_string();
        }
        for (index, number, rejected, halves) in noise {
            let count = sections.len();
            let section = &mut sections[index.index(count)];
            section.rejected ^= rejected;
            section.direction = Direction::new(halves.0, halves.1);
            let is_new = section.payloads.iter().all(|payload| payload.number != number);
            let count = section.payloads.len().max(1);
            if let Some(payload) = section.payloads.get_mut(index.index(count)).filter(|_| is_new) {
                payload.number = number;
            }
        }
        sections
    })
}

proptest! {
    #[test]
    fn answer_has_sections_of_offer(
        offer in any_sections(),
        answer in any_sections(),
        wanted in any::<(bool, bool)>(),
    ) {
        let wanted = Direction::new(wanted.0, wanted.1);
        for relayed in [sip_offer(&offer, &[]), browser_offer(&offer, &[])] {
            assert_sound(&relayed);
            // An answer with matching media kinds and otherwise arbitrary content.
            let answer: Vec<Section> = relayed
                .iter()
                .map(|offered| answer.iter().find(|section| section.kind == offered.kind).unwrap_or(offered).clone())
                .collect();
            for settled in [answer_browser(&offer, &relayed, &answer), answer_sip(&offer, &relayed, &answer)] {
                let Ok(settled) = settled else { continue };
                prop_assert_eq!(settled.answer.len(), offer.len());
                prop_assert_eq!(settled.caller.len(), settled.callee.len());
                assert_sound(&settled.answer);
                for (answer, offered) in settled.answer.iter().zip(&offer) {
                    prop_assert_eq!((&answer.mid, answer.kind), (&offered.mid, offered.kind));
                    prop_assert!(!answer.direction.sends() || offered.direction.receives());
                    prop_assert!(!answer.direction.receives() || offered.direction.sends());
                    let known = |payload: &Payload| offered.payloads.iter().any(|own| own.number == payload.number);
                    prop_assert!(answer.payloads.iter().all(known), "only offered payloads are answered");
                }
            }
        }
        if let Ok(renegotiated) = renegotiate(&answer, &offer, wanted) {
            prop_assert_eq!(renegotiated.answer.len(), offer.len());
            assert_sound(&renegotiated.answer);
            for section in &renegotiated.answer {
                prop_assert!(section.rejected || section.direction.and(wanted) == section.direction);
            }
            let next = reoffer(&renegotiated.answer, &answer, wanted);
            prop_assert_eq!(next.len(), offer.len());
            assert_sound(&next);
            for (next, before) in next.iter().zip(&renegotiated.answer) {
                for payload in &before.payloads {
                    prop_assert!(next.payloads.contains(payload), "payload types are kept");
                }
            }
        }
    }
}

#[test]
fn answer_in_another_order_has_what_is_sent_first() {
    let offered = browser_offer(&peer(LINPHONE), &[]);
    let mut answered = offered.clone();
    answered.iter_mut().for_each(|section| section.payloads.reverse());
    answered.truncate(1);
    assert_ne!(names(&answered[0]), names(&offered[0]));
    assert_eq!(names(&in_offered_order(&offered, &answered)[0]), names(&offered[0]));
    // Formats that were not offered are never sent, and stand last.
    let first = answered[0].payloads[0].number;
    answered[0].payloads[0].number = 127;
    let sent = in_offered_order(&offered, &answered);
    assert_eq!(sent[0].payloads.last().map(|payload| payload.number), Some(127));
    assert!(sent[0].payloads.iter().all(|payload| payload.number != first));
}
