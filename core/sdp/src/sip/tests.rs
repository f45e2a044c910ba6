//! Tests of parsing and serializing SIP descriptions, with samples and arbitrary input.

mod field;
mod shared;

use super::samples::{ALL, ASTERISK, BARESIP, CHROMIUM, FAX, LINPHONE, OLD_HOLD, RTPENGINE};
use super::{
    ConnectionAddress, CryptoAttribute, Dtls, ExtraLine, Ice, InlineKey, LocalDescriptions, Mki, Origin, RtpProfile,
    Security, SipDescription, SipSection, SrtpPolicy, Suite, choose,
};
use crate::codec::{Codec, MediaKind, Payload};
use crate::direction::Direction;
use crate::error::SdpError;
use crate::section::{OtherSection, Section};
use crate::webrtc::{DtlsSetup, Fingerprint, IceCredentials};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::net::{IpAddr, SocketAddr};

fn parsed(text: &str) -> SipDescription {
    SipDescription::parse(text).expect("a SIP endpoint's description is read")
}

fn names(section: &SipSection) -> Vec<(u8, &str)> {
    section.section.payloads.iter().map(|payload| (payload.number, payload.codec.name.as_str())).collect()
}

fn address(text: &str) -> ConnectionAddress {
    ConnectionAddress::At(text.parse().unwrap())
}

fn random() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

/// Returns the last section of a description with `line` appended.
fn with(text: &str, line: &str) -> SipSection {
    parsed(&format!("{text}{line}\r\n")).sections.pop().expect("a section")
}

#[test]
fn asterisk_description_is_parsed() {
    let description = parsed(ASTERISK);
    assert_eq!(
        description.origin,
        Origin {
            username: "-".to_owned(),
            session_id: 1_714_550_400,
            version: 1_714_550_400,
            address: "198.51.100.10".to_owned()
        }
    );
    assert_eq!(description.session_name, "Asterisk");
    let audio = &description.sections[0];
    assert_eq!(names(audio), [(0, "PCMU"), (8, "PCMA"), (9, "G722"), (101, "telephone-event")]);
    assert_eq!((audio.profile.clone(), audio.connection.clone()), (RtpProfile::Avp, address("198.51.100.10:11640")));
    assert_eq!((audio.ptime, audio.maxptime), (Some(20), Some(140)));
    assert_eq!(audio.rtcp_address(false), Some("198.51.100.10:11641".parse().unwrap()));
    assert_eq!(audio.rtcp_address(true), Some("198.51.100.10:11640".parse().unwrap()));
    assert!(audio.is_usable());
}

#[test]
fn addresses_and_rtcp_ports_are_parsed_at_all_levels() {
    let audio = &parsed(RTPENGINE).sections[0];
    assert_eq!(audio.connection, address("203.0.113.77:30012"));
    assert_eq!(audio.rtcp, Some("203.0.113.77:30013".parse().unwrap()));
    let elsewhere = with(RTPENGINE, "a=rtcp:53020 IN IP4 203.0.113.99");
    assert_eq!(elsewhere.rtcp_address(false), Some("203.0.113.99:53020".parse().unwrap()));
    let six = with("v=0\r\nc=IN IP6 2001:db8::7\r\n", "m=audio 4000 RTP/AVP 0");
    assert_eq!(six.connection, address("[2001:db8::7]:4000"));
    let ports = with("v=0\r\nc=IN IP4 192.0.2.1/127\r\n", "m=audio 49170/2 RTP/AVP 0");
    assert_eq!(ports.connection, address("192.0.2.1:49170"));
    // Without c=, the address in o= is used.
    let nowhere = with("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\n", "m=audio 4000 RTP/AVP 0");
    assert_eq!(nowhere.connection, address("192.0.2.9:4000"));
    // There is no port after 65535.
    assert_eq!(with("c=IN IP4 192.0.2.1\r\n", "m=audio 65535 RTP/AVP 0").rtcp_address(false), None);
}

#[test]
fn unresolved_or_multicast_host_has_no_address() {
    let named = with("v=0\r\nc=IN IP4 media.example.test\r\n", "m=audio 4000 RTP/AVP 0");
    assert_eq!(named.connection, ConnectionAddress::Named { host: "media.example.test".to_owned(), port: 4000 });
    assert!(!named.is_usable());
    let group = with("v=0\r\nc=IN IP4 224.2.17.12/127\r\n", "m=audio 4000 RTP/AVP 0");
    assert_eq!(
        group.connection,
        ConnectionAddress::Nowhere { port: 4000 },
        "media are not sent to multicast addresses"
    );
}

#[test]
fn linphone_offer_has_keys_and_video() {
    let description = parsed(LINPHONE);
    let [audio, video] = &description.sections[..] else { panic!("two sections") };
    assert_eq!(audio.profile, RtpProfile::Savp);
    let suites: Vec<(u32, Suite)> = audio.crypto.iter().map(|crypto| (crypto.tag, crypto.suite)).collect();
    assert_eq!(suites, [(1, Suite::AesCm128HmacSha1Tag80), (2, Suite::AesCm128HmacSha1Tag32)]);
    assert_eq!(audio.crypto[0].key, InlineKey(b"0123456789ABCDEF0123456789ABCD".to_vec()));
    assert_eq!(video.section.kind, MediaKind::Video);
    assert_eq!(video.section.payloads[0].feedback, ["trr-int 1000", "nack pli", "ccm fir"]);
    assert_eq!(video.section.payloads[1].feedback, ["trr-int 1000", "ccm fir"]);
}

#[test]
fn baresip_description_has_ssrcs() {
    let audio = &parsed(BARESIP).sections[0];
    assert_eq!(audio.section.ssrcs, [2_818_316_853]);
    assert_eq!(audio.rtcp, Some("127.0.0.1:14325".parse().unwrap()));
    assert_eq!(audio.section.payloads[0].codec.channels, 2);
}

#[test]
fn null_address_means_hold() {
    let audio = &parsed(OLD_HOLD).sections[0];
    assert_eq!(audio.connection, ConnectionAddress::Nowhere { port: 18190 });
    assert_eq!(audio.section.direction, Direction::SendOnly);
    assert!(!audio.section.rejected && audio.is_usable(), "held, not refused");
    assert_eq!(names(audio), [(18, "G729"), (0, "PCMU"), (8, "PCMA")], "static payload types need no a=rtpmap");
    assert_eq!(with(OLD_HOLD, "a=recvonly").section.direction, Direction::Inactive);
    assert_eq!(with(OLD_HOLD, "a=inactive").section.direction, Direction::Inactive);
}

#[test]
fn session_level_direction_applies_to_sections() {
    let session = ASTERISK.replace("t=0 0", "t=0 0\r\na=inactive");
    assert_eq!(parsed(&session).sections[0].section.direction, Direction::SendRecv, "the media level wins");
    let session = session.replace("a=sendrecv\r\n", "");
    assert_eq!(parsed(&session).sections[0].section.direction, Direction::Inactive);
}

#[test]
fn fax_section_is_refused_in_position() {
    let description = parsed(FAX);
    let image = OtherSection { index: 0, line: "image 5006 udptl t38".to_owned(), mid: None };
    assert_eq!(description.others, [image]);
    assert!(description.sections[0].section.rejected);
    assert_eq!(description.sections[0].section.mid, "1");
    let answer = LocalDescriptions::new(5, IpAddr::from([192, 0, 2, 1])).answer(&description, Vec::new()).to_string();
    assert!(answer.ends_with("m=image 0 udptl t38\r\nm=audio 0 RTP/AVP 0\r\n"), "{answer}");
}

#[test]
fn webrtc_description_has_ice_and_dtls() {
    let audio = &parsed(CHROMIUM).sections[0];
    assert_eq!(audio.profile, RtpProfile::UdpTlsSavpf);
    assert_eq!(audio.section.direction, Direction::SendRecv, "0.0.0.0 does not mean hold with ICE");
    assert_eq!(audio.dtls.map(|dtls| dtls.setup), Some(DtlsSetup::ActPass));
    let ice = audio.ice.as_ref().expect("ICE");
    assert_eq!(ice.candidates, ["192.0.2.55:51472".parse().unwrap()]);
    assert!(audio.rtcp_mux && audio.rtcp.is_none());
    assert!(!format!("{ice:?}").contains("Ud9b8g5Ya0f7b3cK1d2e3f4g"), "a secret is not printed");
}

#[test]
fn invalid_lines_are_skipped_or_reported() {
    let odd = "\u{feff}garbage\r\nv=0\r\nnothing at all\r\no=x\r\nc=IN\r\nm=audio 4000 RTP/AVP 0 300 x 8\r\n\
        a=rtpmap:0\r\na=fmtp\r\na=ptime:twenty\r\na=ptime:0\r\na=crypto:1 X\r\na=rtcp:0\r\na\r\n=\r\n";
    let audio = &parsed(odd).sections[0];
    assert_eq!(names(audio), [(0, "PCMU"), (8, "PCMA")]);
    assert_eq!((audio.ptime, audio.rtcp, audio.crypto.len()), (None, None, 0));
    assert_eq!(with(ASTERISK, "a=ptime:30.0").ptime, Some(30));
    assert_eq!(parsed("v=0\r\n").sections, [], "a description may have no media");
    assert_eq!(SipDescription::parse("hello"), Err(SdpError::NoMedia));
    assert_eq!(SipDescription::parse(""), Err(SdpError::NoMedia));
    let error = SipDescription::parse("v=0\r\nm=audio many RTP/AVP 0").unwrap_err();
    assert!(error.to_string().starts_with("line 2: “m=audio many RTP/AVP 0”"), "{error}");
    let error = SipDescription::parse("v=0\r\nm=au\u{11}dio 4000 RTP/AVP 0").unwrap_err();
    assert!(matches!(error, SdpError::InvalidLine { line: 2, .. }), "{error}");
    assert!(matches!(SipDescription::parse(&"m=a 0 b\n".repeat(33)), Err(SdpError::TooManySections { line: 33, .. })));
    assert!(matches!(SipDescription::parse(&"v=".repeat(100_000)), Err(SdpError::TooLong { .. })));
}

#[test]
fn mids_are_kept_only_if_unique() {
    let two = |first: &str, second: &str| {
        let text = format!("v=0\nm=audio 4000 RTP/AVP 0\n{first}\nm=video 5000 RTP/AVP 31\n{second}\n");
        parsed(&text).sections.into_iter().map(|section| section.section.mid).collect::<Vec<_>>()
    };
    assert_eq!(two("a=mid:a", "a=mid:v"), ["a", "v"]);
    assert_eq!(two("a=mid:a", "a=mid:a"), ["0", "1"]);
    assert_eq!(two("a=mid:1", ""), ["0", "1"]);
}

#[test]
fn crypto_attribute_is_parsed_strictly() {
    let key = "MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQkNE";
    let read = |text: &str| CryptoAttribute::parse(&text.replace("KEY", key));
    let full = read("7 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:4 KDR=0 WSH=64").expect("an attribute");
    assert_eq!((full.tag, full.lifetime, full.mki), (7, Some(1 << 20), Some(Mki { value: 1, length: 4 })));
    assert!(full.is_acceptable());
    assert_eq!(full.mki.map(Mki::octets), Some(vec![0, 0, 0, 1]));
    assert_eq!(Mki { value: 0x01_02_03, length: 2 }.octets(), [2, 3]);
    assert_eq!(Mki { value: 7, length: 10 }.octets(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    assert_eq!(full.to_string(), format!("7 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:4 KDR=0 WSH=64"));
    assert!(!format!("{full:?}").contains(key));
    let plain = |parameters: &str| read(&format!("1 AES_CM_128_HMAC_SHA1_32 inline:KEY|1000 {parameters}"));
    assert!(plain("WSH=128 -x-new=1").is_some_and(|crypto| crypto.is_acceptable() && crypto.lifetime == Some(1000)));
    for fatal in ["UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "FEC_ORDER=FEC_SRTP", "x-new=1"] {
        assert!(plain(fatal).is_some_and(|crypto| !crypto.is_acceptable()), "{fatal}");
    }
    // 28 octets with padding, and without, as some peers send them.
    for key in ["MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQg==", "MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQg"] {
        let gcm = CryptoAttribute::parse(&format!("1 AEAD_AES_128_GCM inline:{key}")).expect("an attribute");
        assert_eq!(gcm.key.0, b"0123456789ABCDEF0123456789AB");
    }
    for broken in [
        "",
        "1",
        "x AES_CM_128_HMAC_SHA1_80 inline:KEY",
        "1234567890 AES_CM_128_HMAC_SHA1_80 inline:KEY",
        "1 AES_CM_128_HMAC_SHA1_99 inline:KEY",
        "1 AES_CM_128_HMAC_SHA1_80 outline:KEY",
        "1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEY",
        "1 AES_CM_128_HMAC_SHA1_80 inline:????",
        "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^49",
        "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^200",
        "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|0",
        "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|1:200",
        "1 AEAD_AES_128_GCM inline:KEY",
    ] {
        assert_eq!(read(broken), None, "{broken}");
    }
}

#[test]
fn preferred_suite_is_chosen_in_any_order() {
    let mut random = random();
    let mut offered: Vec<CryptoAttribute> =
        Suite::ALL.into_iter().rev().map(|suite| CryptoAttribute::generate(9, suite, &mut random)).collect();
    let mut chosen = Vec::new();
    while let Some(suite) = choose(&offered).map(|crypto| crypto.suite) {
        chosen.push(suite);
        offered.retain(|crypto| crypto.suite != suite);
    }
    assert_eq!(chosen, Suite::ALL);
}

#[test]
fn srtp_policy_determines_offered_profile_and_keys() {
    let (profile, crypto) = SrtpPolicy::Off.offer(&[], &mut random());
    assert_eq!((profile, crypto.len()), (RtpProfile::Avp, 0));
    let (profile, crypto) = SrtpPolicy::Offer.offer(&[], &mut random());
    let tags: Vec<(u32, &str)> = crypto.iter().map(|crypto| (crypto.tag, crypto.suite.name())).collect();
    assert_eq!(profile, RtpProfile::Avp);
    assert_eq!(tags, [(1, "AEAD_AES_128_GCM"), (2, "AES_CM_128_HMAC_SHA1_80"), (3, "AES_CM_128_HMAC_SHA1_32")]);
    assert!(crypto[1].key != crypto[2].key, "each suite has its own key");
    let (profile, again) = SrtpPolicy::Require.offer(&crypto[1..2], &mut random());
    assert_eq!((profile, again), (RtpProfile::Savp, crypto[1..2].to_vec()), "a key stays while the session lasts");
}

/// Returns the section of `ASTERISK` with another profile, with or without a key.
fn offered(profile: &str, has_key: bool) -> SipSection {
    let line = "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQkNE";
    with(&ASTERISK.replace("RTP/AVP", profile), if has_key { line } else { "a=x" })
}

#[test]
fn srtp_policy_determines_answer() {
    let answer = |policy: SrtpPolicy, profile: &str, has_key: bool| match policy.answer(
        &offered(profile, has_key),
        None,
        &mut random(),
    ) {
        Some(Security::Plain) => "plain",
        Some(Security::Sdes { local, remote }) => {
            assert_eq!((local.tag, local.suite, local.mki), (remote.tag, remote.suite, remote.mki));
            assert_ne!(local.key, remote.key);
            "sdes"
        }
        Some(Security::Dtls(_)) => "dtls",
        None => "refused",
    };
    let row = |policy| {
        [("RTP/AVP", false), ("RTP/AVPF", true), ("RTP/SAVP", true), ("RTP/SAVPF", false), ("UDP/TLS/RTP/SAVPF", true)]
            .map(|(profile, has_key)| answer(policy, profile, has_key))
    };
    assert_eq!(row(SrtpPolicy::Off), ["plain", "plain", "refused", "refused", "refused"]);
    assert_eq!(row(SrtpPolicy::Offer), ["plain", "sdes", "sdes", "refused", "refused"]);
    assert_eq!(row(SrtpPolicy::Require), ["refused", "sdes", "sdes", "refused", "refused"]);
    let browser = &parsed(CHROMIUM).sections[0];
    let security = SrtpPolicy::Offer.answer(browser, None, &mut random());
    assert_eq!(security, browser.dtls.map(Security::Dtls));
    assert_eq!(SrtpPolicy::Off.answer(browser, None, &mut random()), None);
}

#[test]
fn later_answer_reuses_relay_key() {
    let offer = offered("RTP/SAVP", true);
    let first = SrtpPolicy::Offer.answer(&offer, None, &mut random()).expect("keys").crypto();
    let mut other = ChaCha20Rng::from_seed([8; 32]);
    let second = SrtpPolicy::Offer.answer(&offer, first.first(), &mut other).expect("keys").crypto();
    assert_eq!(first, second);
}

#[test]
fn answered_key_must_match_offer() {
    let section = parsed(ASTERISK).sections.remove(0);
    let offer_of = |policy: SrtpPolicy| {
        let (profile, crypto) = policy.offer(&[], &mut random());
        SipSection { profile, crypto, ..section.clone() }
    };
    let answer_with_key = |profile: RtpProfile, tag: u32| {
        let key = CryptoAttribute::generate(tag, Suite::AesCm128HmacSha1Tag80, &mut random());
        SipSection { profile, crypto: vec![key], ..section.clone() }
    };
    let offer = offer_of(SrtpPolicy::Offer);
    let settled = SrtpPolicy::Offer.answered(&offer, &answer_with_key(RtpProfile::Avp, 2));
    assert!(matches!(settled, Some(Security::Sdes { local, .. }) if local == offer.crypto[1]));
    assert!(
        SrtpPolicy::Offer.answered(&offer, &answer_with_key(RtpProfile::Savp, 2)).is_some(),
        "as some phones answer"
    );
    let renumbered = SrtpPolicy::Offer.answered(&offer, &answer_with_key(RtpProfile::Avp, 1));
    assert!(matches!(renumbered, Some(Security::Sdes { local, .. }) if local == offer.crypto[1]), "matched by suite");
    assert_eq!(SrtpPolicy::Offer.answered(&offer, &section), Some(Security::Plain));
    assert_eq!(SrtpPolicy::Require.answered(&offer_of(SrtpPolicy::Require), &section), None, "not encrypted");
    let unsolicited = SrtpPolicy::Off.answered(&offer_of(SrtpPolicy::Off), &answer_with_key(RtpProfile::Avp, 2));
    assert_eq!(unsolicited, None, "no key was offered");
    let dtls = &parsed(CHROMIUM).sections[0];
    assert_eq!(SrtpPolicy::Offer.answered(&offer, dtls), None);
}

#[test]
fn changed_description_increments_version() {
    let mut session = LocalDescriptions::new(42, IpAddr::from([192, 0, 2, 1]));
    let section = |direction| {
        let section = Section { direction, ..parsed(ASTERISK).sections.remove(0).section };
        vec![SipSection::new(section, RtpProfile::Avp, "192.0.2.1:4000".parse().unwrap())]
    };
    let first = session.offer(section(Direction::SendRecv));
    assert!(
        first.to_string().starts_with("v=0\r\no=- 42 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n")
    );
    assert_eq!(session.offer(section(Direction::SendRecv)), first, "a refresh changes nothing");
    let hold = session.offer(section(Direction::SendOnly));
    assert_eq!((hold.origin.session_id, hold.origin.version), (42, 2));
    assert!(hold.to_string().ends_with("a=sendonly\r\n"));
    let answer = session.answer(&parsed(RTPENGINE), section(Direction::SendRecv));
    assert_eq!(answer.origin.version, 3);
    assert_eq!(session.last(), Some(&answer));
}

#[test]
fn m_lines_keep_their_positions() {
    let mut session = LocalDescriptions::new(1, IpAddr::from([192, 0, 2, 1]));
    let peer = parsed(&format!("{FAX}m=audio 6000 RTP/AVP 8\r\nm=video 6002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"));
    let local = |index: usize| {
        let section = peer.sections[index].section.clone();
        SipSection::new(section, RtpProfile::Avp, "192.0.2.1:4000".parse().unwrap())
    };
    let refused = |index: usize| {
        let local = local(index);
        SipSection { section: Section { rejected: true, ..local.section }, ..local }
    };
    let media = |text: &SipDescription| {
        let text = text.to_string();
        text.lines().filter(|line| line.starts_with("m=")).map(str::to_owned).collect::<Vec<_>>()
    };
    let answer = session.answer(&peer, vec![local(0), local(1), refused(2)]);
    let all = ["m=image 0 udptl t38", "m=audio 0 RTP/AVP 0", "m=audio 4000 RTP/AVP 8", "m=video 0 RTP/AVP 96"];
    assert_eq!(media(&answer), all);
    // The relay's own offer keeps the positions, even with fewer sections.
    assert_eq!(media(&session.offer(vec![refused(0), local(1)])), all);
    assert_eq!(session.last().map(|last| last.sections[1].section.mid.clone()), Some("2".to_owned()));
    // A section of another media kind than the offered one is refused.
    assert_eq!(media(&session.answer(&peer, vec![local(0), local(2)]))[2], "m=audio 0 RTP/AVP 8");
}

#[test]
fn extra_lines_of_client_are_validated() {
    let kept = |line: &str| ExtraLine::parse(line).map(|line| line.as_str().to_owned());
    assert_eq!(kept("a=x-room:12 floor 3\r\n").as_deref(), Some("a=x-room:12 floor 3"));
    assert_eq!(kept("b=AS:64").as_deref(), Some("b=AS:64"));
    for refused in [
        "",
        "a=",
        "a=:",
        "b=64",
        "x=y",
        "m=audio 1 RTP/AVP 0",
        "c=IN IP4 192.0.2.66",
        "a=sendonly",
        "a=Crypto:1 X",
        "a=rtpmap:0 X/1",
        "a=x\r\nm=audio 1 RTP/AVP 0",
        "a=x:\u{0}",
        "a=two words",
        "a=x:\u{85}",
    ] {
        assert_eq!(kept(refused), None, "{refused:?}");
    }
    assert_eq!(kept(&format!("a=x:{}", "y".repeat(600))), None);
    let mut section = parsed(ASTERISK).sections.remove(0);
    section.extra = ["a=x-room:12", "b=AS:64"].into_iter().filter_map(ExtraLine::parse).collect();
    let text = LocalDescriptions::new(1, IpAddr::from([192, 0, 2, 1])).offer(vec![section]).to_string();
    let media = &text[text.find("m=audio").unwrap()..];
    assert!(media.starts_with("m=audio 11640 RTP/AVP 0 8 9 101\r\nb=AS:64\r\na=rtpmap:"), "{text}");
    assert!(media.ends_with("a=x-room:12\r\na=sendrecv\r\n"), "{text}");
}

#[test]
fn description_with_relay_address_is_own() {
    let own = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        parsed(ASTERISK).is_own(&addresses)
    };
    assert!(own(&["198.51.100.10:11640", "198.51.100.10:11642"]));
    assert!(!own(&["198.51.100.10:11642", "198.51.100.11:11640"]));
    assert!(!parsed(OLD_HOLD).is_own(&["0.0.0.0:18190".parse().unwrap()].into()));
}

#[test]
fn sample_descriptions_round_trip() {
    for text in ALL {
        let read = parsed(text);
        let again = parsed(&read.to_string());
        assert_eq!((&again.origin, &again.sections), (&read.origin, &read.sections));
        assert_eq!(
            parsed(&again.to_string()),
            again,
            "serialization is stable after the ports of other sections are set to 0"
        );
    }
}

prop_compose! {
    fn any_crypto()(
        tag in 0..1_000_000_000_u32,
        suite in prop::sample::select(&Suite::ALL),
        seed in any::<[u8; 32]>(),
        lifetime in prop::option::of(1..=(1_u64 << 48)),
        mki in prop::option::of((any::<u64>(), 1..=128_u8)),
        parameters in prop::collection::vec("[A-Z-][A-Z_]{0,8}(=[0-9]{1,3})?", 0..3),
    ) -> CryptoAttribute {
        let key = InlineKey::generate(suite, &mut ChaCha20Rng::from_seed(seed));
        let mki = mki.map(|(value, length)| Mki { value, length });
        CryptoAttribute { tag, suite, key, lifetime, mki, parameters }
    }
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    any::<SocketAddr>().prop_filter_map("an address of one host", |address| {
        let ip = address.ip().to_canonical();
        let is_host = !ip.is_unspecified() && !ip.is_multicast() && address.port() != 0;
        is_host.then(|| SocketAddr::new(ip, address.port()))
    })
}

fn any_connection() -> impl Strategy<Value = ConnectionAddress> {
    prop_oneof![
        6 => any_address().prop_map(ConnectionAddress::At),
        1 => (1..=u16::MAX).prop_map(|port| ConnectionAddress::Nowhere { port }),
        1 => ("[a-z]{1,8}\\.example", 1..=u16::MAX).prop_map(|(host, port)| ConnectionAddress::Named { host, port }),
    ]
}

prop_compose! {
    fn any_dtls()(digest in any::<[u8; 32]>(), setup in prop::sample::select(&[DtlsSetup::Active, DtlsSetup::Passive][..])) -> Dtls {
        Dtls { fingerprint: Fingerprint::sha256(digest), setup }
    }
}

prop_compose! {
    fn any_ice(lite: bool)(
        ufrag in "[a-zA-Z0-9+/]{4,32}",
        pwd in "[a-zA-Z0-9+/]{22,64}",
        candidates in prop::collection::btree_set(any_address(), 0..4),
    ) -> Ice {
        Ice { credentials: IceCredentials { ufrag, pwd }, lite, candidates: candidates.into_iter().collect() }
    }
}

fn any_payload(number: u8) -> impl Strategy<Value = Payload> {
    let name = "[A-Za-z][A-Za-z0-9-]{0,10}";
    let fmtp = prop::option::of("[a-z]{1,8}=[0-9]{1,4}");
    let feedback = prop::option::of("[a-z]{2,6}( [a-z]{2,4})?");
    (name, 1..=192_000_u32, 1..=8_u8, fmtp, feedback).prop_map(move |(name, clock_rate, channels, fmtp, feedback)| {
        let codec = Codec { name, clock_rate, channels, fmtp };
        Payload { number, codec, feedback: feedback.into_iter().collect() }
    })
}

prop_compose! {
    fn any_media()(
        audio in any::<bool>(),
        halves in any::<(bool, bool)>(),
        payloads in prop::collection::btree_set(0..128_u8, 1..6)
            .prop_flat_map(|numbers| numbers.into_iter().map(any_payload).collect::<Vec<_>>()),
        ssrcs in prop::collection::btree_set(any::<u32>(), 0..3),
    ) -> Section {
        Section {
            kind: if audio { MediaKind::Audio } else { MediaKind::Video },
            mid: String::new(),
            direction: Direction::new(halves.0, halves.1),
            rejected: false,
            payloads,
            extensions: Vec::new(),
            ssrcs: ssrcs.into_iter().collect(),
        }
    }
}

fn any_profile() -> impl Strategy<Value = RtpProfile> {
    let known = ["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "X/RTP/AVP"];
    prop::sample::select(known.to_vec()).prop_map(RtpProfile::parse)
}

prop_compose! {
    fn any_section(lite: bool)(
        section in any_media(),
        profile in any_profile(),
        connection in any_connection(),
        rtcp in prop::option::of(any_address()),
        rtcp_mux in any::<bool>(),
        crypto in prop::collection::vec(any_crypto(), 0..3),
        times in any::<(Option<bool>, Option<bool>)>(),
        dtls in prop::option::of(any_dtls()),
        ice in prop::option::of(any_ice(lite)),
    ) -> SipSection {
        let is_held = ice.is_none() && matches!(connection, ConnectionAddress::Nowhere { .. });
        let direction = if is_held { section.direction.and(Direction::SendOnly) } else { section.direction };
        let (ptime, maxptime) = (times.0.map(|_| 20), times.1.map(|_| 140));
        let section = Section { direction, ..section };
        SipSection { section, profile, connection, rtcp, rtcp_mux, crypto, ptime, maxptime, dtls, ice, bundle_only: false, cname: None, extra: Vec::new() }
    }
}

prop_compose! {
    fn any_description()(lite in any::<bool>())(
        names in any::<bool>(),
        sections in prop::collection::vec(any_section(lite), 0..5),
        other in prop::option::of(0..5_usize),
        numbers in any::<(u64, u64)>(),
        username in "[!-~]{1,10}",
        session_name in "[a-z]( ?[a-z]){0,5}",
        address in any::<IpAddr>(),
        is_bundled in any::<bool>(),
    ) -> SipDescription {
        let mut sections = sections;
        let other = other.filter(|index| *index <= sections.len());
        for (index, section) in sections.iter_mut().enumerate() {
            let place = if other.is_some_and(|other| other <= index) { index + 1 } else { index };
            section.section.mid = if names { format!("n{index}") } else { place.to_string() };
        }
        let mid = names.then(|| "other".to_owned());
        let others = other.map(|index| OtherSection { index, line: "image 0 udptl t38".to_owned(), mid });
        let origin = Origin { username, session_id: numbers.0, version: numbers.1, address: address.to_string() };
        let bundled = sections.iter().filter(|_| names && is_bundled).map(|section| section.section.mid.clone());
        let bundle = bundled.collect();
        SipDescription { origin, session_name, sections, others: others.into_iter().collect(), bundle }
    }
}

proptest! {
    #[test]
    fn description_round_trips(description in any_description()) {
        prop_assert_eq!(SipDescription::parse(&description.to_string()), Ok(description));
    }

    #[test]
    fn extra_line_adds_exactly_one_line(line in "(a|b)=.*", more in any::<String>()) {
        for line in [line.clone(), format!("{line}{more}")] {
            if let Some(extra) = ExtraLine::parse(&line) {
                let mut section = parsed(ASTERISK).sections.remove(0);
                let session = || LocalDescriptions::new(1, IpAddr::from([192, 0, 2, 1]));
                let without = session().offer(vec![section.clone()]).to_string();
                section.extra = vec![extra];
                let with = session().offer(vec![section]).to_string();
                prop_assert_eq!(with.lines().count(), without.lines().count() + 1);
            }
        }
    }
}
