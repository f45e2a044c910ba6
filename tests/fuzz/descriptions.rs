//! Fuzz target of the parsers, offer/answer and serializers of session descriptions.

use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::{
    answer_browser, answer_sip, browser_offer, default_offer, for_browser, renegotiate, reoffer, sip_offer,
    with_converted,
};
use offhook_sdp::offer_answer::{relay_offer, settle};
use offhook_sdp::plan::{AudioCodec, Conversions};
use offhook_sdp::section::Section;
use offhook_sdp::{sip, webrtc};
use std::net::{IpAddr, Ipv4Addr};

/// Parses arbitrary octets as a WebRTC and as a SIP description, and runs offer/answer and serialization on the results.
pub(crate) fn fuzz_sdp(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let browser = webrtc::WebRtcDescription::parse(&text).ok();
    let peer = sip::SipDescription::parse(&text).ok();
    if let Some(browser) = &browser {
        fuzz_webrtc(browser);
    }
    if let Some(peer) = &peer {
        fuzz_sip(peer, browser.as_ref().map_or(&[], |browser| &browser.sections));
    }
    for line in text.lines().take(64) {
        let _ = sip::ExtraLine::parse(line);
    }
}

fn fuzz_webrtc(description: &webrtc::WebRtcDescription) {
    let offered = relay_offer(&description.sections, &[]);
    let _ = settle(&description.sections, &description.sections, &offered);
    let sections: Vec<_> = offered
        .into_iter()
        .map(|section| webrtc::LocalSection {
            section,
            ssrc: 1,
            cname: "c".to_owned(),
            stream_id: "s".to_owned(),
            track_id: "t".to_owned(),
        })
        .collect();
    let _ = webrtc::WebRtcDescription::parse(&webrtc::answer(description, &description.transport, &sections));
    let _ = webrtc::WebRtcDescription::parse(&webrtc::offer(&description.transport, &sections));
}

fn fuzz_sip(description: &sip::SipDescription, browser: &[Section]) {
    let offer = description.media();
    let written = sip::SipDescription::parse(&description.to_string());
    assert!(
        written.is_ok_and(|read| read.sections.len() == description.sections.len()),
        "serialized text parses again"
    );
    let all = AudioCodec::ALL.into_iter().fold(Conversions::NONE, Conversions::with);
    let relayed = browser_offer(&for_browser(&offer, &[], all), &[]);
    let _ = answer_sip(&offer, &relayed, browser, all);
    let _ = answer_sip(&offer, &with_converted(sip_offer(&offer, &[]), &[], all), &offer, all);
    let relayed = with_converted(sip_offer(browser, &[]), &[], all);
    let _ = answer_browser(browser, &relayed, &offer, all);
    let mut session = sip::LocalDescriptions::new(1, IpAddr::V4(Ipv4Addr::LOCALHOST));
    for other in [browser, &offer, &default_offer(true, &[])] {
        let Ok(done) = renegotiate(other, &offer, Direction::SendRecv, all) else { continue };
        let mut next = reoffer(&done.answer, other, Direction::SendOnly);
        all.limit(&mut next, other);
        let local = |sections: Vec<Section>| {
            let pairs = sections.into_iter().zip(&description.sections);
            pairs.map(|(section, offered)| sip::SipSection { section, ..offered.clone() }).collect::<Vec<_>>()
        };
        let answer = session.answer(description, local(done.answer));
        let again = session.offer(local(next));
        let count = |text: &sip::SipDescription| text.to_string().lines().filter(|line| line.starts_with("m=")).count();
        assert_eq!(count(&answer), description.sections.len() + description.others.len(), "one m-line per offered one");
        assert_eq!(count(&again), count(&answer), "m-lines are never removed");
    }
}
