//! Tests with descriptions that violate the RFCs but occur in practice, and with rare but valid ones.

use super::{parsed, random};
use crate::codec::Codec;
use crate::sip::{RtpProfile, Security, SipDescription, SipSection, SrtpPolicy, refuse_plain_alternatives};
use crate::webrtc::{Fingerprint, FingerprintHash};

const KEY: &str = "MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQkNE";

fn described(media: &str) -> SipDescription {
    parsed(&format!("v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n{media}"))
}

#[test]
fn inexact_rtpmap_is_corrected() {
    let codec = |map: &str, number: u8| -> Option<Codec> {
        let description = described(&format!("m=audio 4000 RTP/AVP {number}\r\na=rtpmap:{number} {map}\r\n"));
        description.sections[0].section.payloads.first().map(|payload| payload.codec.clone())
    };
    let known = |name: &str, clock_rate, channels| Codec { name: name.to_owned(), clock_rate, channels, fmtp: None };
    for (map, number, meant) in [
        ("opus/48000", 96, known("opus", 48_000, 2)),
        ("OPUS/48000/1", 96, known("OPUS", 48_000, 2)),
        ("OPUS/48000/2", 96, known("OPUS", 48_000, 2)),
        ("G722/16000", 9, known("G722", 8000, 1)),
        ("g722/16000/1", 98, known("g722", 8000, 1)),
        ("PCMU/8000/1", 0, known("PCMU", 8000, 1)),
        ("pcma/8000", 8, known("pcma", 8000, 1)),
        ("G729a/8000", 18, known("G729", 8000, 1)),
        ("telephone-event/8000/1", 101, known("telephone-event", 8000, 1)),
        ("L16/16000", 97, known("L16", 16_000, 1)),
    ] {
        assert_eq!(codec(map, number), Some(meant), "{map}");
    }
}

fn audio(port: u16, profile: &str, has_key: bool) -> String {
    let key = if has_key { format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n") } else { String::new() };
    format!("m=audio {port} {profile} 8 0\r\n{key}")
}

#[test]
fn one_of_alternative_sections_is_accepted() {
    let (secure, plain) = (audio(4000, "RTP/SAVP", true), audio(4002, "RTP/AVP", false));
    let same_port = audio(4000, "RTP/AVP", false);
    let without_key = audio(4000, "RTP/SAVP", false);
    let video = "m=video 4010 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n".to_owned();
    let table = [
        (SrtpPolicy::Offer, vec![&secure, &plain], vec![true, false]),
        (SrtpPolicy::Offer, vec![&plain, &secure], vec![false, true]),
        (SrtpPolicy::Offer, vec![&secure, &same_port, &video], vec![true, false, true]),
        (SrtpPolicy::Off, vec![&secure, &plain], vec![false, true]),
        (SrtpPolicy::Offer, vec![&without_key, &plain], vec![false, true]),
        (SrtpPolicy::Offer, vec![&plain, &plain], vec![true, true]),
        (SrtpPolicy::Offer, vec![&secure, &secure], vec![true, true]),
    ];
    for (policy, media, expected) in table {
        let offer = described(&media.into_iter().map(String::as_str).collect::<String>());
        let secure = |section: &SipSection| policy.answer(section, None, &mut random());
        let mut security: Vec<Option<Security>> = offer.sections.iter().map(secure).collect();
        refuse_plain_alternatives(&offer.sections, &mut security);
        assert_eq!(security.iter().map(Option::is_some).collect::<Vec<_>>(), expected, "{policy:?} {offer}");
    }
}

#[test]
fn answered_key_with_other_tag_matches_by_suite() {
    let (profile, crypto) = SrtpPolicy::Offer.offer(&[], &mut random());
    let section = described("m=audio 4000 RTP/AVP 8\r\n").sections.remove(0);
    let offer = SipSection { profile, crypto, ..section };
    let settled = |lines: &[&str]| {
        let lines: String = lines.iter().map(|line| format!("a=crypto:{line}\r\n")).collect();
        let answer = described(&format!("m=audio 5000 RTP/SAVP 8\r\n{lines}")).sections.remove(0);
        match SrtpPolicy::Offer.answered(&offer, &answer)? {
            Security::Sdes { local, remote } => Some((local.tag, remote.tag)),
            Security::Plain | Security::Dtls(_) => None,
        }
    };
    let (short, gcm) = (format!("inline:{KEY}"), "inline:MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQg==");
    let sha1_80 = |tag| format!("{tag} AES_CM_128_HMAC_SHA1_80 {short}");
    let gcm = |tag| format!("{tag} AEAD_AES_128_GCM {gcm}");
    assert_eq!(settled(&[&sha1_80(2)]), Some((2, 2)));
    assert_eq!(settled(&[&sha1_80(1)]), Some((2, 1)));
    assert_eq!(settled(&[&sha1_80(0)]), Some((2, 0)));
    assert_eq!(settled(&[&gcm(7)]), Some((1, 7)));
    assert_eq!(settled(&[&gcm(7), &sha1_80(2)]), Some((2, 2)), "a match by tag takes precedence");
    let unknown = format!("1 AEAD_AES_256_GCM inline:{}", "QUFB".repeat(14) + "QUE=");
    assert_eq!(settled(&[&unknown]), None, "that suite was not offered");
}

#[test]
fn renumbered_key_of_duplicate_suite_is_refused() {
    let (profile, mut crypto) = SrtpPolicy::Offer.offer(&[], &mut random());
    crypto[2].suite = crypto[1].suite;
    let section = described("m=audio 4000 RTP/AVP 8\r\n").sections.remove(0);
    let offer = SipSection { profile, crypto, ..section.clone() };
    let mut answer = SipSection { profile: RtpProfile::Savp, crypto: vec![offer.crypto[1].clone()], ..section };
    assert!(SrtpPolicy::Offer.answered(&offer, &answer).is_some());
    answer.crypto[0].tag = 9;
    assert_eq!(SrtpPolicy::Offer.answered(&offer, &answer), None);
}

#[test]
fn stronger_fingerprint_hashes_are_parsed() {
    let octets = |count: usize| vec!["aB"; count].join(":");
    let of = |lines: &[(&str, usize)]| {
        let lines: String =
            lines.iter().map(|(hash, count)| format!("a=fingerprint:{hash} {}\r\n", octets(*count))).collect();
        let description = described(&format!("m=audio 4000 UDP/TLS/RTP/SAVPF 8\r\n{lines}"));
        description.sections[0].dtls.map(|dtls| dtls.fingerprint)
    };
    for (name, hash, length) in [
        ("sha-256", FingerprintHash::Sha256, 32),
        ("SHA-384", FingerprintHash::Sha384, 48),
        ("sha-512", FingerprintHash::Sha512, 64),
    ] {
        let expected = Fingerprint::new(hash, &vec![0xAB; length]);
        assert_eq!(of(&[(name, length)]), expected, "{name}");
        assert_eq!(of(&[(name, length - 1)]), None, "{name}");
        assert_eq!(of(&[(name, length + 1)]), None, "{name}");
        assert_eq!(expected.unwrap().to_string(), vec!["AB"; length].join(":"));
    }
    assert_eq!(of(&[("sha-1", 20)]), None, "SHA-1 is not secure");
    for order in [[("sha-1", 20), ("sha-512", 64), ("sha-256", 32)], [("sha-256", 32), ("sha-512", 64), ("sha-1", 20)]]
    {
        assert_eq!(of(&order).unwrap().hash(), FingerprintHash::Sha256, "SHA-256 is preferred");
    }
}

#[test]
fn key_with_mki_is_answered_with_same_mki() {
    let offer = |key: &str| {
        let line = format!("m=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{key}\r\n");
        SrtpPolicy::Offer.answer(&described(&line).sections[0], None, &mut random())
    };
    for (written, answered) in [("|2^31|1:1", Some("|1:1")), ("|1:4", Some("|1:4")), ("|2^31", None)] {
        let crypto = offer(written).expect("the key is accepted").crypto().remove(0).to_string();
        assert!(answered.map_or(!crypto.contains('|'), |mki| crypto.ends_with(mki)), "{written}: {crypto}");
    }
    let without = format!("|1:1\r\na=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
    assert_eq!(offer(&without).unwrap().crypto()[0].tag, 2);
}
