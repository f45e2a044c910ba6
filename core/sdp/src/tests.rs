//! Tests with descriptions recorded from browsers, and with arbitrary input.

use crate::codec::{Codec, MediaKind, Payload};
use crate::direction::Direction;
use crate::offer_answer::{NegotiationError, relay_offer, settle};
use crate::plan::{Conversions, Delivery};
use crate::webrtc::{
    DtlsSetup, Fingerprint, HeaderExtension, IceCredentials, LocalSection, SdpError, Section, TransportDescription,
    WebRtcDescription, answer, offer,
};
use proptest::prelude::*;

const CHROMIUM_AUDIO: &str = include_str!("../fixtures/chromium-audio-offer.sdp");
const CHROMIUM_VIDEO: &str = include_str!("../fixtures/chromium-video-offer.sdp");
const FIREFOX_AUDIO: &str = include_str!("../fixtures/firefox-audio-offer.sdp");
const FIREFOX_VIDEO: &str = include_str!("../fixtures/firefox-video-offer.sdp");
const CHROMIUM_TO_FIREFOX: &str = include_str!("../fixtures/chromium-video-to-firefox-answer.sdp");
const FIREFOX_TO_CHROMIUM: &str = include_str!("../fixtures/firefox-video-to-chromium-answer.sdp");
const CHROMIUM_TO_CHROMIUM: &str = include_str!("../fixtures/chromium-video-to-chromium-answer.sdp");
const WITHOUT_CAMERA: &str = include_str!("../fixtures/chromium-video-to-chromium-novideo-answer.sdp");
const ANSWER_TO_AUDIO: &str = include_str!("../fixtures/chromium-audio-to-chromium-answer.sdp");

fn parsed(text: &str) -> WebRtcDescription {
    WebRtcDescription::parse(text).expect("a browser's description is read")
}

fn names(section: &Section) -> Vec<(u8, &str)> {
    section.payloads.iter().map(|payload| (payload.number, payload.codec.name.as_str())).collect()
}

fn transport() -> TransportDescription {
    TransportDescription {
        ice: IceCredentials { ufrag: "relayUfrag".to_owned(), pwd: "relayPasswordOf24Letters".to_owned() },
        ice_lite: true,
        fingerprint: Fingerprint::sha256([0xAB; 32]),
        setup: DtlsSetup::Passive,
        candidates: vec!["192.0.2.1:40000".parse().unwrap(), "[2001:db8::1]:40000".parse().unwrap()],
    }
}

fn local(sections: Vec<Section>) -> Vec<LocalSection> {
    let announced = (1000..).zip(sections);
    announced
        .map(|(ssrc, section)| LocalSection {
            section,
            ssrc,
            cname: "relay".to_owned(),
            stream_id: "stream".to_owned(),
            track_id: format!("track{ssrc}"),
        })
        .collect()
}

#[test]
fn chromium_offers_are_parsed() {
    let audio = parsed(CHROMIUM_AUDIO);
    assert_eq!(audio.sections.len(), 1);
    assert_eq!(audio.transport.setup, DtlsSetup::ActPass);
    assert!(!audio.transport.ice_lite);
    let section = &audio.sections[0];
    assert_eq!((section.kind, section.direction, section.rejected), (MediaKind::Audio, Direction::SendRecv, false));
    assert!(names(section).starts_with(&[(111, "opus")]));
    let opus = &section.payloads[0];
    assert_eq!((opus.codec.clock_rate, opus.codec.channels), (48_000, 2));
    assert!(opus.codec.fmtp.as_ref().is_some_and(|fmtp| fmtp.contains("useinbandfec=1")));
    assert_eq!(opus.feedback, ["transport-cc"]);
    assert!(names(section).contains(&(0, "PCMU")) && names(section).contains(&(9, "G722")));
    assert_eq!(section.ssrcs.len(), 1);

    let video = parsed(CHROMIUM_VIDEO);
    assert_eq!(video.sections.len(), 2);
    assert!(!video.sections[1].rejected);
    assert_eq!(video.sections[1].ssrcs.len(), 1, "without the SSRC of retransmission");
}

#[test]
fn firefox_offers_are_parsed() {
    let audio = parsed(FIREFOX_AUDIO);
    assert!(names(&audio.sections[0]).starts_with(&[(109, "opus")]));
    assert!(names(&audio.sections[0]).contains(&(101, "telephone-event")));
    let video = parsed(FIREFOX_VIDEO);
    assert_eq!(names(&video.sections[1])[0], (120, "VP8"));
    assert_eq!(video.sections[1].ssrcs.len(), 1, "without the SSRC of retransmission");
    assert!(video.sections[1].payloads[0].feedback.contains(&"nack pli".to_owned()));
}

#[test]
fn line_endings_and_white_space_are_ignored() {
    let lenient = CHROMIUM_AUDIO.replace("\r\n", " \n");
    assert_eq!(parsed(lenient.trim_end()), parsed(CHROMIUM_AUDIO));
}

#[test]
fn session_level_fingerprint_and_credentials_are_used() {
    let expected = parsed(CHROMIUM_AUDIO).transport;
    let is_transport = |line: &&str| ["a=fingerprint", "a=ice-", "a=setup"].iter().any(|name| line.starts_with(name));
    let (moved, rest): (Vec<&str>, Vec<&str>) = CHROMIUM_AUDIO.lines().partition(is_transport);
    let (session, media) = rest.split_at(rest.iter().position(|line| line.starts_with("m=")).unwrap());
    let text = [session, &moved, media].concat().join("\r\n");
    assert_eq!(parsed(&text).transport, expected);
}

#[test]
fn wildcard_feedback_and_static_payloads_are_parsed() {
    let text = "v=0\na=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n\
        a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 0 8 13 77\na=rtcp-fb:* nack\na=extmap:3/recvonly urn:x\na=extmap:4/inactive urn:y\n\
        a=candidate:1 1 UDP 100 192.0.2.7 5000 typ host\na=candidate:1 2 udp 100 192.0.2.7 5001 typ host\n\
        a=candidate:2 1 udp 200 2001:db8::7 5002 typ host\na=candidate:3 1 tcp 900 192.0.2.7 9 typ host tcptype active\n\
        a=candidate:4 1 udp 900 4a2f.local 5003 typ host\n";
    let description = parsed(text);
    assert_eq!(names(&description.sections[0]), [(0, "PCMU"), (8, "PCMA"), (13, "CN")]);
    assert!(description.sections[0].payloads.iter().all(|payload| payload.feedback == ["nack"]));
    assert_eq!(description.sections[0].extensions, [HeaderExtension { id: 3, uri: "urn:x".to_owned() }]);
    let addresses: Vec<String> = description.transport.candidates.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["[2001:db8::7]:5002", "192.0.2.7:5000"], "best first");
}

#[test]
fn feedback_per_payload_is_limited() {
    let lines: String = (0..40).map(|index| format!("a=rtcp-fb:* x{index}\na=rtcp-fb:0 y{index}\n")).collect();
    let text = format!(
        "{}\n{lines}",
        CHROMIUM_AUDIO.replace("m=audio 9 UDP/TLS/RTP/SAVPF ", "m=audio 9 UDP/TLS/RTP/SAVPF 0 ")
    );
    let description = parsed(&text);
    let of = |number| description.sections[0].payloads.iter().find(|payload| payload.number == number).unwrap();
    assert_eq!(of(0).feedback.len(), 32, "16 of its own and 16 wildcard values");
    assert!(of(111).feedback.contains(&"transport-cc".to_owned()) && of(111).feedback.contains(&"x0".to_owned()));
}

#[test]
fn missing_attribute_is_reported() {
    let without = |prefix: &str| {
        let kept: Vec<&str> = CHROMIUM_AUDIO.lines().filter(|line| !line.starts_with(prefix)).collect();
        WebRtcDescription::parse(&kept.join("\r\n")).unwrap_err()
    };
    assert_eq!(without("a=fingerprint"), SdpError::NoFingerprint);
    assert_eq!(without("a=ice-ufrag"), SdpError::NoIceUfrag);
    assert_eq!(without("a=ice-pwd"), SdpError::NoIcePwd);
    assert_eq!(without("m="), SdpError::NoMedia);
    let sha1 = WebRtcDescription::parse(&CHROMIUM_AUDIO.replace("sha-256", "sha-1")).unwrap_err();
    assert!(matches!(&sha1, SdpError::UnsupportedFingerprint { hash, .. } if hash == "sha-1"));
    assert!(sha1.to_string().contains("sha-256 is required"));
    let broken = WebRtcDescription::parse("v=0\r\nm=audio nine").unwrap_err();
    assert!(broken.to_string().starts_with("line 2: “m=audio nine”"));
    assert!(matches!(WebRtcDescription::parse(&"a".repeat(200_000)), Err(SdpError::TooLong { .. })));
    assert!(matches!(
        WebRtcDescription::parse(&"m=x 0 y\n".repeat(100)),
        Err(SdpError::TooManySections { line: 33, .. })
    ));
}

#[test]
fn payload_with_invalid_clock_rate_is_ignored() {
    for rate in ["0", "384001", "4000000000", "99999999999"] {
        let text =
            CHROMIUM_AUDIO.replace("opus/48000", &format!("opus/{rate}")).replace("PCMU/8000", &format!("PCMU/{rate}"));
        let description = parsed(&text);
        let left = names(&description.sections[0]);
        assert!(!left.iter().any(|(_, name)| ["opus", "PCMU"].contains(name)), "{rate}: {left:?}");
        assert!(left.contains(&(8, "PCMA")));
    }
    let highest = parsed(&CHROMIUM_AUDIO.replace("opus/48000", "opus/384000"));
    assert_eq!(highest.sections[0].payloads[0].codec.clock_rate, 384_000);
    let no_rate = CHROMIUM_AUDIO.replace("opus/48000", "opus/fast");
    assert!(matches!(WebRtcDescription::parse(&no_rate), Err(SdpError::InvalidLine { .. })));
}

#[test]
fn duplicate_mid_is_rejected() {
    let twice = CHROMIUM_VIDEO.replace("a=mid:1", "a=mid:0");
    let error = WebRtcDescription::parse(&twice).unwrap_err();
    assert!(error.to_string().ends_with("duplicate a=mid:0"), "{error}");
    let renamed = CHROMIUM_VIDEO.replace("a=mid:1", "a=mid:1\r\na=mid:2");
    assert!(WebRtcDescription::parse(&renamed).is_err(), "a second a=mid in one section is invalid");
}

#[test]
fn section_outside_bundle_is_refused() {
    let unbundled = CHROMIUM_VIDEO.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0");
    let sections = parsed(&unbundled).sections;
    assert_eq!((sections[0].rejected, sections[1].rejected), (false, true));
}

#[test]
fn h264_with_other_packetization_or_profile_does_not_match() {
    let h264 =
        |fmtp: &str| Codec { name: "H264".to_owned(), clock_rate: 90_000, channels: 1, fmtp: Some(fmtp.to_owned()) };
    let one = h264("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
    assert!(one.matches(&h264("packetization-mode=1; profile-level-id=42e034")));
    assert!(!one.matches(&h264("profile-level-id=42e01f")));
    assert!(!one.matches(&h264("packetization-mode=1;profile-level-id=64001f")));
}

#[test]
fn relay_offer_follows_configured_codec_order() {
    let caller = parsed(CHROMIUM_VIDEO);
    let offered = relay_offer(&caller.sections, &[]);
    assert_eq!(offered.len(), 2);
    assert!(offered.iter().flat_map(|section| &section.payloads).all(|payload| !payload.codec.is_repair()));
    assert!(offered.iter().flat_map(|section| &section.extensions).all(|ext| !ext.uri.contains("rtp-stream-id")));
    assert!(offered[1].payloads[0].feedback.contains(&"transport-cc".to_owned()));

    let limited = relay_offer(&caller.sections, &["pcmu".to_owned(), "OPUS".to_owned()]);
    let audio: Vec<&str> = names(&limited[0]).into_iter().map(|(_, name)| name).collect();
    assert_eq!(audio, ["PCMU", "opus", "CN", "telephone-event", "telephone-event"]);
    assert_eq!(names(&limited[1]), names(&offered[1]), "video is unchanged if the order lists no video codec");
}

#[test]
fn browser_negotiation_selects_common_codecs() {
    for (offer, answer) in [
        (CHROMIUM_VIDEO, CHROMIUM_TO_FIREFOX),
        (FIREFOX_VIDEO, FIREFOX_TO_CHROMIUM),
        (CHROMIUM_VIDEO, CHROMIUM_TO_CHROMIUM),
    ] {
        let (offer, answer) = (parsed(offer), parsed(answer));
        let settled = settle(&offer.sections, &answer.sections, &relay_offer(&offer.sections, &[])).expect("settled");
        assert_eq!((settled.answer.len(), settled.caller.len(), settled.callee.len()), (2, 2, 2));
        for (caller, callee) in settled.caller.iter().zip(&settled.callee) {
            assert_eq!(names(caller).len(), names(callee).len());
            for (caller, callee) in caller.payloads.iter().zip(&callee.payloads) {
                assert!(caller.codec.matches(&callee.codec));
                assert_eq!(caller.feedback, callee.feedback);
            }
        }
        assert_eq!(settled.caller[1].ssrcs, offer.sections[1].ssrcs);
        assert_eq!(settled.callee[1].ssrcs, answer.sections[1].ssrcs);
        assert!(Conversions::NONE.can_join(&settled.caller, &settled.callee));
    }
}

#[test]
fn excessive_answer_direction_is_limited() {
    let caller = parsed(&CHROMIUM_AUDIO.replace("a=sendrecv", "a=sendonly"));
    let offered = relay_offer(&caller.sections, &[]);
    assert_eq!(offered[0].direction, Direction::SendOnly);
    // The callee's answer exceeds the offered direction and is limited to recvonly.
    let settled = settle(&caller.sections, &parsed(ANSWER_TO_AUDIO).sections, &offered).unwrap();
    assert_eq!(settled.answer[0].direction, Direction::RecvOnly);
    assert_eq!(settled.caller[0].direction, Direction::SendOnly);
    assert_eq!(settled.callee[0].direction, Direction::RecvOnly);
}

#[test]
fn refused_video_gets_port_zero() {
    let caller = parsed(CHROMIUM_VIDEO);
    let callee = parsed(&WITHOUT_CAMERA.replace("m=video 9", "m=video 0"));
    assert!(callee.sections[1].rejected);
    let settled = settle(&caller.sections, &callee.sections, &relay_offer(&caller.sections, &[])).unwrap();
    assert_eq!((settled.caller.len(), settled.callee.len()), (1, 1));
    let text = answer(&caller, &transport(), &local(settled.answer));
    assert!(text.contains("m=video 0 ") && text.contains("a=group:BUNDLE 0\r\n"), "{text}");
    let read = parsed(&text);
    assert_eq!((read.sections[0].rejected, read.sections[1].rejected), (false, true));
}

#[test]
fn failed_negotiation_returns_reason() {
    let caller = parsed(CHROMIUM_AUDIO);
    let only_pcmu = relay_offer(&caller.sections, &["PCMU".to_owned()]);
    let mut callee = parsed(ANSWER_TO_AUDIO);
    callee.sections[0].payloads.retain(|payload| !payload.codec.is("PCMU"));
    assert_eq!(settle(&caller.sections, &callee.sections, &only_pcmu), Err(NegotiationError::NoCommonCodecs));
    callee.sections[0].rejected = true;
    assert_eq!(settle(&caller.sections, &callee.sections, &only_pcmu), Err(NegotiationError::Refused));
    callee.sections.clear();
    assert_eq!(settle(&caller.sections, &callee.sections, &only_pcmu), Err(NegotiationError::NotAnAnswer));
}

#[test]
fn other_sections_are_refused_in_position() {
    let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n";
    let (head, media) = CHROMIUM_AUDIO.split_at(CHROMIUM_AUDIO.find("m=audio").unwrap());
    let caller = parsed(&format!("{head}{data}{media}"));
    assert_eq!(caller.others[0].index, 0);
    let text = answer(&caller, &transport(), &local(caller.sections.clone()));
    let media: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(media[0], "m=application 0 UDP/DTLS/SCTP webrtc-datachannel");
    assert!(media[1].starts_with("m=audio 40000 "));
}

#[test]
fn legs_with_different_payload_types_share_codecs() {
    let (a, b) = (parsed(CHROMIUM_AUDIO), parsed(FIREFOX_AUDIO));
    let sent = &a.sections[0].payloads[0];
    let Delivery::Pass(received) = Conversions::NONE.payload(sent, &b.sections[0].payloads) else {
        panic!("both have Opus")
    };
    assert_eq!((sent.number, received.number), (111, 109));
    let only = |sections: &[Section], name: &str| {
        let mut sections = sections.to_vec();
        sections[0].payloads.retain(|payload| payload.codec.is(name) || payload.codec.is_telephone_event());
        sections
    };
    assert!(Conversions::NONE.can_join(&only(&a.sections, "PCMU"), &b.sections));
    assert!(!Conversions::G711.can_join(&only(&a.sections, "PCMU"), &only(&b.sections, "opus")));
}

fn payload(number: u8) -> impl Strategy<Value = Payload> {
    let fmtp = proptest::option::of("[a-z]{1,8}=[0-9]{1,4}");
    let feedback = proptest::collection::btree_set("[a-z]{2,6}( [a-z]{2,4})?", 0..4);
    ("[A-Za-z][A-Za-z0-9-]{0,10}", 1..=192_000_u32, 1..=8_u8, fmtp, feedback).prop_map(
        move |(name, clock_rate, channels, fmtp, feedback)| Payload {
            number,
            codec: Codec { name, clock_rate, channels, fmtp },
            feedback: feedback.into_iter().collect(),
        },
    )
}

fn section(mid: usize) -> impl Strategy<Value = Section> {
    let payloads = proptest::collection::btree_set(0..128_u8, 1..6)
        .prop_flat_map(|numbers| numbers.into_iter().map(payload).collect::<Vec<_>>());
    let extensions = proptest::collection::btree_map(1..15_u8, "urn:[a-z]{1,12}", 0..5);
    (any::<bool>(), any::<bool>(), any::<bool>(), payloads, extensions).prop_map(
        move |(audio, sends, receives, payloads, extensions)| Section {
            kind: if audio { MediaKind::Audio } else { MediaKind::Video },
            mid: mid.to_string(),
            direction: Direction::new(sends, receives),
            rejected: false,
            payloads,
            extensions: extensions.into_iter().map(|(id, uri)| HeaderExtension { id, uri }).collect(),
            ssrcs: Vec::new(),
        },
    )
}

prop_compose! {
    fn any_transport()(
        ufrag in "[a-zA-Z0-9+/]{4,32}",
        pwd in "[a-zA-Z0-9+/]{22,64}",
        ice_lite in any::<bool>(),
        digest in any::<[u8; 32]>(),
        setup in prop_oneof![Just(DtlsSetup::Active), Just(DtlsSetup::Passive), Just(DtlsSetup::ActPass)],
        candidates in proptest::collection::btree_set(any::<std::net::SocketAddrV4>(), 0..4),
    ) -> TransportDescription {
        let candidates = candidates.into_iter().map(Into::into).collect();
        TransportDescription { ice: IceCredentials { ufrag, pwd }, ice_lite, fingerprint: Fingerprint::sha256(digest), setup, candidates }
    }
}

proptest! {
    #[test]
    fn descriptions_round_trip(
        transport in any_transport(),
        mut sections in (1_usize..5).prop_flat_map(|count| (0..count).map(section).collect::<Vec<_>>()),
    ) {
        // A section with port 0 would be a refused one.
        prop_assume!(transport.candidates.first().is_none_or(|address| address.port() != 0));
        let text = offer(&transport, &local(sections.clone()));
        for (ssrc, section) in (1000..).zip(&mut sections) {
            section.ssrcs = if section.direction.sends() { vec![ssrc] } else { Vec::new() };
        }
        let expected = WebRtcDescription { transport: transport.clone(), sections: sections.clone(), others: Vec::new() };
        prop_assert_eq!(WebRtcDescription::parse(&text), Ok(expected.clone()));
        let text = answer(&expected, &transport, &local(sections));
        prop_assert_eq!(WebRtcDescription::parse(&text), Ok(expected));
    }
}
