//! Property tests: no input panics, and every parsed value is equal after serialization and parsing.

use super::super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

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
