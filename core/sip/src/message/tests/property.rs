//! Property tests: no input panics, and every parsed value is equal after serialization and parsing.

use super::super::*;
use proptest::prelude::*;

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
    prop::collection::vec(piece(), 0..8).prop_map(|pieces| pieces.concat())
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
    (prop::collection::vec(header, 0..8), any::<bool>(), value()).prop_map(|(headers, whole, body)| {
        let needed = if whole {
            "Via: SIP/2.0/UDP h;branch=z9hG4bK2\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INFO\r\n"
        } else {
            ""
        };
        format!("INFO sip:b@h SIP/2.0\r\n{needed}{}\r\n{body}", headers.concat()).into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_octets_are_parsed_or_rejected(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_message(&data);
        fuzz_uri(&data);
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
    fn changed_octet_does_not_panic(at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut data = super::INVITE.as_bytes().to_vec();
        let at = at.index(data.len());
        data[at] = octet;
        fuzz_message(&data);
        data.truncate(at);
        fuzz_message(&data);
    }

    #[test]
    fn user_display_and_tag_survive_serialization(text in "[^\r\n\0]{1,20}", tag in "[!-~]{1,20}") {
        let host: Host = "example.org".parse().unwrap();
        let address = NameAddr::new(Uri::sip(&text, host)).with_display(text.clone()).with_tag(&tag);
        let again: NameAddr = address.to_string().parse().unwrap();
        prop_assert_eq!(again.uri.user().unwrap(), text.as_str());
        prop_assert_eq!(again.display.as_deref(), Some(text.as_str()));
        prop_assert_eq!(again.tag(), Some(tag.as_str()));
    }

    #[test]
    fn arbitrary_values_stay_on_their_lines(name in any::<String>(), text in any::<String>(), reason in any::<String>()) {
        let mut headers = Headers::new();
        for (name, value) in [("Via", "SIP/2.0/UDP h"), ("From", "sip:a@h"), ("To", "sip:b@h"), ("Call-ID", "1"), ("CSeq", "1 INFO")] {
            headers.push(name, value);
        }
        headers.push(format!("X-{name}").as_str(), &text);
        let response = Response { status: 200, reason, headers, body: text.into_bytes() };
        let Ok(Message::Response(again)) = Message::parse(&response.to_bytes()) else { panic!("not read") };
        prop_assert_eq!(again.headers.len(), 6);
        prop_assert_eq!(again.body, response.body);
    }
}
