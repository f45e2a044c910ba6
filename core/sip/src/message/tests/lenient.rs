//! Tests of invalid but common input that the parser accepts, and of input that it rejects.

use super::super::*;

const OPTIONS: &str = "OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
    To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nX: y\r\n\r\n";

fn read(text: impl AsRef<[u8]>) -> Request {
    match Message::parse(text.as_ref()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn refused(text: &str) -> (Violation, Option<u16>) {
    let refused = Message::parse(text.as_bytes()).expect_err("should be refused");
    (refused.violation, refused.response.map(|response| response.status))
}

#[test]
fn mixed_line_ends_and_folding_are_accepted() {
    let plain = read(OPTIONS);
    assert_eq!(read(OPTIONS.replace("\r\n", "\n")), plain);
    assert_eq!(read(format!("\r\n\n\r\n{OPTIONS}")), plain);
    let folded = OPTIONS.replace(": ", "\t :\r\n \t");
    assert_eq!(read(&folded), plain);
    assert_eq!(read(folded.replace("\r\n", "\n")), plain);
    assert_eq!(read(OPTIONS.replace("X: y", "X: y\r\n z")).headers.get("X"), Some("y  z"));
    assert_eq!(
        read(OPTIONS.replace("X: y", "X: y\rVia: z")).headers.get("X"),
        Some("y Via: z"),
        "a bare carriage return does not end a line"
    );
}

#[test]
fn compact_header_names_equal_long_names() {
    let compact = "MESSAGE sip:b@h SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@h>;tag=1\r\nT: <sip:b@h>\r\ni: 1\r\n\
        CSeq: 1 MESSAGE\r\nm: <sip:a@h>\r\nc: text/plain\r\ne: gzip\r\nk: a, b\r\ns: hi\r\nr: <sip:c@h>\r\nb: <sip:a@h>\r\no: refer\r\n\
        u: refer\r\nx: 90\r\nl: 2\r\n\r\nhi";
    let message = read(compact);
    let names: Vec<_> = message.headers.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(
        names,
        [
            "Via",
            "From",
            "To",
            "Call-ID",
            "CSeq",
            "Contact",
            "Content-Type",
            "Content-Encoding",
            "Supported",
            "Subject",
            "Refer-To",
            "Referred-By",
            "Event",
            "Allow-Events",
            "Session-Expires"
        ]
    );
    let printed = String::from_utf8(message.to_bytes()).unwrap();
    assert!(
        printed.contains("\r\nReferred-By: <sip:a@h>\r\n") && printed.contains("\r\nContent-Length: 2\r\n"),
        "{printed}"
    );
}

#[test]
fn header_name_is_found_in_any_case() {
    for name in ["Via", "CALL-ID", "call-id", "p-preferred-identity", "WWW-authenticate", "cseq", "X-Mine"] {
        assert!(HeaderName::from(name).name().eq_ignore_ascii_case(name), "{name}");
    }
    assert!(!matches!(HeaderName::from("p-preferred-identity"), HeaderName::Other(_)));
    assert_eq!(HeaderName::from("x-MINE"), HeaderName::from("X-mine"));
    assert_eq!(HeaderName::from("a b\r\nVia").name(), "a-b--Via");
    assert_eq!(HeaderName::from("").name(), "-");
}

#[test]
fn invalid_utf_8_is_decoded_as_latin_1() {
    let mut octets = OPTIONS.replace("From: ", "From: \"M?ller \u{20ac}\" ").into_bytes();
    *octets.iter_mut().find(|octet| **octet == b'?').unwrap() = 0xfc;
    assert_eq!(read(&octets).headers.from().unwrap().display.as_deref(), Some("Müller €"));
}

#[test]
fn invalid_header_lines_are_ignored() {
    let plain = read(OPTIONS);
    for line in ["nonsense", ": x", "two words: x", "\"quoted\": x", "ümlaut: x"] {
        assert_eq!(read(OPTIONS.replace("X: y", &format!("X: y\r\n{line}"))), plain, "{line}");
    }
}

#[test]
fn body_length_follows_content_length() {
    let with = |length: &str, body: &str| OPTIONS.replace("X: y\r\n\r\n", &format!("{length}\r\n{body}"));
    assert_eq!(read(with("", "abc")).body, b"abc", "the rest of the datagram");
    assert_eq!(read(with("Content-Length: 2\r\n", "abc")).body, b"ab");
    assert_eq!(read(with("Content-Length: 0\r\n", "abc")).body, b"");
    assert_eq!(read(with("l:03\r\nContent-Length : 3\r\n", "abc")).body, b"abc");
    for length in ["4", "-1", "+3", "", "3 3", "3,3", "0x3", "99999999999999999999999"] {
        assert_eq!(refused(&with(&format!("l: {length}\r\n"), "abc")), (Violation::Length, Some(400)), "{length}");
    }
}

#[test]
fn missing_or_repeated_mandatory_header_is_rejected() {
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        let line = OPTIONS.lines().find(|line| line.starts_with(name.name())).unwrap();
        let missing = OPTIONS.replace(&format!("{line}\r\n"), "");
        let answer = (name != HeaderName::Via).then_some(400);
        assert_eq!(refused(&missing), (Violation::Missing(name.clone()), answer));
        let twice = OPTIONS.replace("X: y", line);
        match name {
            HeaderName::Via => assert_eq!(read(twice).headers.vias().unwrap().len(), 2),
            name => assert_eq!(refused(&twice), (Violation::Repeated(name), Some(400))),
        }
    }
}

#[test]
fn malformed_mandatory_header_is_rejected() {
    let cases = [
        (HeaderName::From, "<sip:a@h>;tag=1", "sip:a b@h"),
        (HeaderName::From, "<sip:a@h>;tag=1", "<sip:a@h>;tag=1, <sip:c@h>;tag=2"),
        (HeaderName::From, "<sip:a@h>;tag=1", "<sip:a@h>tag=1"),
        (HeaderName::To, "<sip:b@h>", "<sip:b@h"),
        (HeaderName::To, "<sip:b@h>", "\"B\" sip:b@h"),
        (HeaderName::CallId, "1\r\nCSeq", "1 2\r\nCSeq"),
        (HeaderName::CSeq, "1 OPTIONS", "OPTIONS"),
        (HeaderName::CSeq, "1 OPTIONS", "4294967296 OPTIONS"),
        (HeaderName::CSeq, "1 OPTIONS", "-1 OPTIONS"),
        (HeaderName::MaxForwards, "1\r\nCSeq", "1\r\nMax-Forwards: 256\r\nCSeq"),
        (HeaderName::Route, "1\r\nCSeq", "1\r\nRoute: example.org\r\nCSeq"),
        (HeaderName::Via, "SIP/2.0/UDP h;branch=z9hG4bK1", "SIP/2.0/UDP h;branch=z9hG4bK1, SIP/2.0"),
    ];
    for (name, good, bad) in cases {
        match refused(&OPTIONS.replace(good, bad)) {
            (Violation::Header(found, _), Some(400)) => assert_eq!(found, name, "{bad}"),
            other => panic!("{bad}: {other:?}"),
        }
    }
    assert_eq!(refused(&OPTIONS.replace("SIP/2.0/UDP h", "udp h")).1, None, "no destination for a response");
    assert_eq!(refused(&OPTIONS.replace("1 OPTIONS", "1 INFO")), (Violation::MethodMismatch, Some(400)));
}

#[test]
fn malformed_ack_or_response_gets_no_response() {
    assert_eq!(refused(&OPTIONS.replace("OPTIONS", "ACK").replace("Call-ID: 1\r\n", "")).1, None);
    let response = OPTIONS.replace("OPTIONS sip:b@h SIP/2.0", "SIP/2.0 200 OK").replace("Call-ID: 1\r\n", "");
    assert_eq!(refused(&response), (Violation::Missing(HeaderName::CallId), None));
}

#[test]
fn invalid_start_line_is_rejected() {
    let with = |line: &str| OPTIONS.replace("OPTIONS sip:b@h SIP/2.0", line);
    for (line, answer) in [
        ("OPTIONS sip:b@h", Some(400)),
        ("OPTIONS  sip:b@h SIP/2.0", Some(400)),
        ("OPTIONS sip:b@h SIP/2.0 ", Some(400)),
        ("OPTIONS sip:b@h HTTP/1.1", Some(400)),
        ("OPTIONS sip:b@h SIP/3.0", Some(505)),
        ("OPTIONS nonsense SIP/2.0", Some(400)),
        ("OPT(IONS sip:b@h SIP/2.0", None),
        ("SIP/2.0 99 Early", None),
        ("SIP/2.0 700 Late", None),
        ("SIP/2.0 2000 Long", None),
        ("SIP/2.0 +20 Signed", None),
        ("SIP/3.0 200 OK", None),
        ("SIP/2.0", None),
    ] {
        assert_eq!(refused(&with(line)).1, answer, "{line}");
    }
    let response = Message::parse(with("sip/2.0 200").as_bytes()).unwrap();
    assert!(matches!(response, Message::Response(Response { status: 200, .. })), "the reason phrase is optional");
}

#[test]
fn oversized_message_is_rejected() {
    let many = "X: y\r\n".repeat(MAX_HEADERS - 6);
    assert_eq!(read(OPTIONS.replace("X: y\r\n", &format!("X: y\r\n{many}"))).headers.len(), MAX_HEADERS);
    assert_eq!(
        refused(&OPTIONS.replace("X: y\r\n", &format!("{many}X: y\r\nX: y\r\n"))),
        (Violation::TooLarge, Some(513))
    );
    let long = "y".repeat(MAX_SIZE - OPTIONS.len());
    assert_eq!(read(OPTIONS.replace("X: y", &format!("X: {long}y"))).headers.get("x").unwrap().len(), long.len() + 1);
    assert_eq!(refused(&OPTIONS.replace("X: y", &format!("X: {long}yy"))), (Violation::TooLarge, None));
    assert_eq!(refused(OPTIONS.trim_end()), (Violation::Unfinished, None));
    assert_eq!(refused(""), (Violation::Unfinished, None));
}

#[test]
fn error_response_has_reason_and_stable_tag() {
    let text = OPTIONS.replace("Call-ID: 1\r\n", "Timestamp: 5\r\n");
    let response = Message::parse(text.as_bytes()).unwrap_err().response.unwrap();
    assert_eq!(response.reason, "Bad Request (Call-ID is missing)");
    assert_eq!(Message::parse(text.as_bytes()).unwrap_err().response.unwrap(), response, "same tag");
}

#[test]
fn display_name_with_wrong_quotation_marks_is_accepted() {
    for (text, name, uri) in [
        ("Bond, James <sip:007@h>;tag=f", Some("Bond, James"), "sip:007@h"),
        ("\"\"unknown\"\" <sip:a@h>;tag=f", Some("unknown"), "sip:a@h"),
        ("\"\"\"\" <sip:a@h>;tag=f", None, "sip:a@h"),
        ("\"Smith \"Bob\" Jones\" <sip:1@h>;tag=f", Some("Smith Bob Jones"), "sip:1@h"),
        ("Smith \"Bob\" Jones <sip:1@h>;tag=f", Some("Smith Bob Jones"), "sip:1@h"),
        ("\"\" <sip:1@h>;tag=f", None, "sip:1@h"),
        ("<sip:1@h;>;tag=f", None, "sip:1@h"),
        ("<sip:100%off@h>;tag=f", None, "sip:100%25off@h"),
    ] {
        let request = read(OPTIONS.replace("<sip:a@h>;tag=1", text));
        let from = request.headers.from().unwrap();
        assert_eq!(
            (from.display.as_deref(), from.uri.to_string().as_str(), from.tag()),
            (name, uri, Some("f")),
            "{text}"
        );
        assert_eq!(from.to_string().parse(), Ok(from), "serialized value must parse");
        assert!(
            Response::to(&request, 200, "").headers.get("From") == Some(text),
            "a response copies the value unchanged"
        );
    }
    for text in ["\"Bob <sip:a@h>;tag=1", "\"a\" \"b <sip:a@h>;tag=1", "a > b <sip:a@h>;tag=1", "\"a\" sip:a@h;tag=1"] {
        let (violation, status) = refused(&OPTIONS.replace("<sip:a@h>;tag=1", text));
        assert!(matches!(violation, Violation::Header(HeaderName::From, _)) && status == Some(400), "{text}");
    }
}

#[test]
fn refer_to_without_brackets_is_accepted() {
    let request = read(OPTIONS.replace("X: y", "Refer-To: sip:102@h?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2"));
    let target = request.headers.refer_to().unwrap().unwrap();
    assert_eq!(target.uri.as_sip().unwrap().headers().next().unwrap().0, "Replaces");
    assert!(matches!(refused(&OPTIONS.replace("X: y", "Contact: sip:102@h?a=b")), (Violation::Header(..), Some(400))));
}
