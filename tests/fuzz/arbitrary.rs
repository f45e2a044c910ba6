//! Property tests of the fuzz targets: no input panics, whether it is arbitrary, close to a valid one, or damaged.
#![expect(clippy::expect_used, reason = "tests")]

use crate::descriptions::fuzz_sdp;
use crate::media::{fuzz_rtcp, fuzz_rtp, fuzz_rtp_session, fuzz_stun};
use crate::sip_messages::fuzz_message;
use crate::sip_values::{fuzz_digest, fuzz_uri};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::path::Path;

/// Descriptions of browsers; those of SIP endpoints are part of the corpus.
const BROWSERS: [&[u8]; 4] = [
    include_bytes!("../../core/sdp/fixtures/chromium-audio-offer.sdp"),
    include_bytes!("../../core/sdp/fixtures/chromium-video-offer.sdp"),
    include_bytes!("../../core/sdp/fixtures/firefox-audio-offer.sdp"),
    include_bytes!("../../core/sdp/fixtures/firefox-video-offer.sdp"),
];

/// The magic cookie of STUN (RFC 8489 §5).
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// The inputs of a corpus, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&folder).expect("a corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// Generates one of the inputs, with some octets replaced, and without its end.
fn damaged(inputs: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let damage = vec((any::<Index>(), any::<u8>()), 0..20);
    (prop::sample::select(inputs), damage, any::<Index>()).prop_map(|(mut data, damage, end)| {
        if !data.is_empty() {
            for (index, octet) in damage {
                *index.get_mut(&mut data) = octet;
            }
            data.truncate(end.index(data.len()).max(data.len() / 2));
        }
        data
    })
}

/// Generates fragments of messages, valid and invalid.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "sip:", "sips:", "tel:+1", "isbn:", "alice", "@", "example.org", "[2001:db8::1]", "192.0.2.1", ":5060", ";", "=", ",",
            "<", ">", "\"", "\\", "\\\"", "?", "&", "%41", "%", "%zz", " ", "\t", "\r\n ", "\n\t", "\r", "\n", "*", ";tag=1", ";lr",
            "SIP/2.0/UDP ", "SIP / 2.0 / TCP ", ";branch=z9hG4bK1", ";rport", ";received=::1", ";q=0.5", "ü", "\0", "\u{7f}",
        ]).prop_map(str::to_owned),
        1 => "[ -~]{0,6}",
        1 => any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = String> {
    vec(piece(), 0..8).prop_map(|pieces| pieces.concat())
}

/// Generates requests with headers whose values consist of such fragments.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "Via",
        "v",
        "From",
        "To",
        "Contact",
        "m",
        "Route",
        "Record-Route",
        "Refer-To",
        "Referred-By",
        "Replaces",
        "Reason",
        "Event",
        "Subscription-State",
        "Session-Expires",
        "Privacy",
        "P-Asserted-Identity",
        "History-Info",
        "Diversion",
        "Content-Type",
        "Retry-After",
        "RAck",
        "RSeq",
        "Expires",
        "CSeq",
        "Call-ID",
        "X-Other",
        "Content-Length",
        "Warning",
    ]);
    let header = (name, value()).prop_map(|(name, value)| format!("{name}: {value}\r\n"));
    (vec(header, 0..8), any::<bool>(), value()).prop_map(|(headers, whole, body)| {
        let needed = if whole {
            "Via: SIP/2.0/UDP h;branch=z9hG4bK2\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INFO\r\n"
        } else {
            ""
        };
        format!("INFO sip:b@h SIP/2.0\r\n{needed}{}\r\n{body}", headers.concat()).into_bytes()
    })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn arbitrary_octets_are_parsed_or_rejected(data in vec(any::<u8>(), 0..300)) {
        fuzz_message(&data);
        fuzz_uri(&data);
        fuzz_digest(&data);
    }

    #[test]
    fn arbitrary_message_is_parsed_or_rejected(data in message()) {
        fuzz_message(&data);
    }

    #[test]
    fn arbitrary_value_is_parsed_or_rejected(text in value()) {
        fuzz_uri(text.as_bytes());
    }

    #[test]
    fn arbitrary_scheme_is_parsed_or_rejected(text in value()) {
        fuzz_uri(format!("sip:{text}").as_bytes());
        fuzz_uri(format!("<sip:a@h>{text}").as_bytes());
        fuzz_uri(format!("SIP/2.0/UDP h{text}").as_bytes());
    }

    #[test]
    fn damaged_message_does_not_panic(data in damaged(corpus("message"))) {
        fuzz_message(&data);
    }

    #[test]
    fn damaged_credentials_do_not_panic(data in damaged(corpus("digest"))) {
        fuzz_digest(&data);
    }

    #[test]
    fn arbitrary_octets_in_description_do_not_panic(data in vec(any::<u8>(), 0..2000)) {
        fuzz_sdp(&data);
    }

    #[test]
    fn damaged_description_of_browser_does_not_panic(data in damaged(BROWSERS.map(<[u8]>::to_vec).to_vec())) {
        fuzz_sdp(&data);
    }

    #[test]
    fn damaged_description_of_sip_endpoint_does_not_panic(data in damaged(corpus("sdp"))) {
        fuzz_sdp(&data);
    }

    #[test]
    fn arbitrary_stun_does_not_panic(mut data in vec(any::<u8>(), 0..200), has_header: bool) {
        if has_header && data.len() >= 20 {
            let length = u16::try_from(data.len() - 20).unwrap_or(u16::MAX);
            data[..2].copy_from_slice(&[0, 1]);
            data[2..4].copy_from_slice(&length.to_be_bytes());
            data[4..8].copy_from_slice(&MAGIC);
        }
        fuzz_stun(&data);
    }

    #[test]
    fn arbitrary_rtp_does_not_panic(mut data in vec(any::<u8>(), 0..120), has_version: bool) {
        if let Some(first) = data.first_mut().filter(|_| has_version) {
            *first = *first & 0x3f | 0x80;
        }
        fuzz_rtp(&data);
    }

    #[test]
    fn arbitrary_rtcp_does_not_panic(mut data in vec(any::<u8>(), 0..120), kind in 200_u8..208) {
        fuzz_rtcp(&data);
        if data.len() >= 4 {
            let words = u16::try_from(data.len() / 4 - 1).unwrap_or(u16::MAX);
            data[0] = data[0] & 0x3f | 0x80;
            data[1] = kind;
            data[2..4].copy_from_slice(&words.to_be_bytes());
        }
        fuzz_rtcp(&data);
    }

    #[test]
    fn arbitrary_datagrams_in_rtp_session_do_not_panic(data in vec(any::<u8>(), 0..600)) {
        fuzz_rtp_session(&data);
    }
}
