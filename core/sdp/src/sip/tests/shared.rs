//! Tests of SIP endpoints that use WebRTC: bundles and their shared transport.

use super::parsed;
use crate::sip::samples::{ASTERISK, BARESIP, CHROMIUM, FAX, LINPHONE};
use crate::sip::{LocalDescriptions, SipDescription, SipSection, Unfit};
use crate::webrtc::DtlsSetup;
use std::net::IpAddr;

/// Returns a description with two bundled sections, the second one without an address.
fn bundled() -> String {
    let audio = CHROMIUM.replace("t=0 0\r\n", "t=0 0\r\na=group:LS 0\r\na=group:BUNDLE 0 1 gone\r\n");
    format!("{audio}m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\na=mid:1\r\na=bundle-only\r\n")
}

#[test]
fn sections_are_bundled_by_mid() {
    let read = parsed(&bundled());
    assert_eq!(read.bundle, ["0", "1"], "only BUNDLE groups and existing sections count");
    let [audio, video] = &read.sections[..] else { panic!("two sections") };
    assert!(!audio.bundle_only && video.bundle_only && !video.section.rejected && video.is_usable());
    let written = read.to_string();
    assert!(written.contains("a=group:BUNDLE 0 1\r\n") && written.contains("a=mid:0\r\n"), "{written}");
    let of_video = written.split("m=video ").nth(1).unwrap();
    assert!(of_video.starts_with("0 ") && of_video.contains("a=mid:1\r\na=bundle-only\r\n"), "{written}");
    assert_eq!(parsed(&written), read);
    // Without a bundle, a bundle-only section is refused (RFC 8843 §6).
    let alone = parsed(&bundled().replace("BUNDLE 0 1", "BUNDLE 0"));
    assert!(alone.sections[1].section.rejected && !alone.sections[1].bundle_only);
}

#[test]
fn shared_transport_is_of_first_used_section() {
    let of = |text: &str| parsed(text).shared_transport();
    let text = bundled();
    let shared = of(&text).unwrap().expect("a transport");
    assert_eq!((shared.ice.ufrag.as_str(), shared.dtls.setup, shared.rtcp_mux), ("Fg7h", DtlsSetup::ActPass, true));
    assert!([0, 1].into_iter().all(|index| parsed(&text).shares(&shared, index)));
    assert!(!parsed(&text).shares(&shared, 2));
    let refused = text.replace("m=audio 9", "m=audio 0");
    assert_eq!(of(&refused), Ok(None), "a bundle-only section has no transport of its own");
    for other in [ASTERISK, LINPHONE, BARESIP, FAX] {
        assert_eq!(of(other), Ok(None));
    }
    assert_eq!(of(&text.replace("a=ice-pwd", "a=x")), Err(Unfit::NoIce));
    assert_eq!(of(&text.replace("sha-256", "sha-1")), Err(Unfit::NoFingerprint));
    assert_eq!(of(&text.replace("t=0 0", "t=0 0\r\na=ice-lite")), Err(Unfit::BothLite));
    // RTP/SAVPF with a fingerprint is DTLS-SRTP as in early WebRTC; with a key and without ICE it is SDES.
    let early = text.replace("UDP/TLS/", "");
    assert!(matches!(of(&early), Ok(Some(_))));
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQkNE\r\na=mid:0";
    let sdes = early.replace("a=ice-pwd", "a=x").replace("a=mid:0", key);
    assert_eq!(of(&sdes), Ok(None));
}

#[test]
fn answer_bundles_only_offered_bundle() {
    let offer = parsed(&bundled());
    let local = |index: usize| {
        let section = offer.sections[index].clone();
        SipSection { ice: offer.sections[0].ice.clone(), bundle_only: false, ..section }
    };
    let mut session = LocalDescriptions::new(1, IpAddr::from([192, 0, 2, 1]));
    assert_eq!(session.answer(&offer, vec![local(0), local(1)]).bundle, ["0", "1"]);
    assert_eq!(session.answer(&offer, vec![local(0)]).bundle, ["0"]);
    let alone = SipDescription { bundle: Vec::new(), ..offer.clone() };
    assert!(session.answer(&alone, vec![local(0), local(1)]).bundle.is_empty());
    assert_eq!(session.offer(vec![local(0), local(1)]).bundle, ["0", "1"]);
}
