//! Tests of header lists and typed accessors.

use super::super::*;

fn headers(lines: &[(&str, &str)]) -> Headers {
    lines.iter().map(|(name, value)| (HeaderName::from(*name), *value)).collect()
}

#[test]
fn list_values_on_one_line_are_separated() {
    let mut list = headers(&[
        ("Route", "\"a, \\\"b\" <sip:a@h;x=\"1,2\">;p=\"q,r\" , <sip:b@h?c=d,e>,,"),
        ("route", "sip:c@h"),
        ("Date", "Sat, 15 Oct 2005 04:44:56 GMT"),
    ]);
    let values: Vec<_> = list.all(HeaderName::Route).map(str::to_owned).collect();
    assert_eq!(values, ["\"a, \\\"b\" <sip:a@h;x=\"1,2\">;p=\"q,r\"", "<sip:b@h?c=d,e>", "sip:c@h"]);
    assert_eq!(list.all(HeaderName::Date).count(), 1, "not a list");
    assert_eq!(list.pop_front("Route").as_deref(), Some(values[0].as_str()));
    assert_eq!(list.get("Route"), Some("<sip:b@h?c=d,e>,,"));
    assert_eq!(list.pop_front("Route").as_deref(), Some("<sip:b@h?c=d,e>"));
    list.set_first("Route", "<sip:d@h>");
    list.push_front("Route", "<sip:e@h>");
    assert_eq!(list.all(HeaderName::Route).collect::<Vec<_>>(), ["<sip:e@h>", "<sip:d@h>"]);
    list.set("ROUTE", "<sip:f@h>");
    list.push_front("Via", "SIP/2.0/UDP h");
    assert_eq!(list.iter().map(|(name, _)| name.name()).collect::<Vec<_>>(), ["Via", "Route", "Date"]);
    list.remove("route");
    assert_eq!((list.pop_front("Route"), list.len()), (None, 2));
}

#[test]
fn value_with_line_break_stays_on_one_line() {
    let mut list = Headers::new();
    list.push("Subject", " a\r\nVia: b\nc ");
    assert_eq!(list.get("Subject"), Some("a  Via: b c"));
    list.push("From", NameAddr::new("sip:a@h".parse().unwrap()).with_display("x\r\ny\"z"));
    assert_eq!(list.get("From"), Some("\"x  y\\\"z\" <sip:a@h>"));
}

#[test]
fn set_first_changes_only_the_top_via() {
    let mut list = headers(&[("Via", "SIP/2.0/UDP a;rport;branch=1, SIP/2.0/UDP b"), ("Via", "SIP/2.0/TCP c")]);
    let mut top = list.top_via().unwrap();
    top.set_received("2001:db8::1".parse().unwrap());
    top.set_rport(6000);
    list.set_first(HeaderName::Via, &top);
    let lines: Vec<_> = list.lines(HeaderName::Via).collect();
    assert_eq!(lines, ["SIP/2.0/UDP a;rport=6000;branch=1;received=2001:db8::1", "SIP/2.0/UDP b", "SIP/2.0/TCP c"]);
    let top = list.top_via().unwrap();
    assert_eq!(
        (top.received(), top.rport(), top.requests_rport()),
        (Some("2001:db8::1".parse().unwrap()), Some(6000), false)
    );
    assert_eq!((top.port_or_default(), top.maddr(), top.ttl()), (5060, None, None));
}

#[test]
fn address_is_parsed_with_and_without_brackets() {
    let read = |text: &str| text.parse::<NameAddr>().unwrap_or_else(|error| panic!("{text}: {error}"));
    let plain = read("sip:a@h;x=y;tag=1");
    assert_eq!((plain.tag(), plain.uri.has_param("x")), (Some("1"), false), "parameters belong to the header");
    let bracketed = read("<sip:a@h;x=y>;tag=1");
    assert!(bracketed.uri.has_param("x") && !bracketed.params.has("x"));
    assert_eq!(read("Mr. Jörg (at work) <sip:a@h>").to_string(), "\"Mr. Jörg (at work)\" <sip:a@h>");
    assert_eq!(read("\"\" <sip:a@h>").display, None);
    assert_eq!(read("<sip:a@h>;").params, Parameters::new());
    assert_eq!(read("<sip:a@h>;tag=;x = ").to_string(), "<sip:a@h>;tag;x");
    assert_eq!(read("<sip:a@h>;expires=x").expires(), Some(3600));
    assert_eq!(read("<sip:a@h>;expires=99999999999").expires(), Some(u32::MAX));
    for (q, priority) in [
        ("1", 1000),
        ("1.000", 1000),
        ("0.7", 700),
        ("0.12", 120),
        ("0.1234", 123),
        ("0", 0),
        ("x", 1000),
        (".5", 1000),
    ] {
        assert_eq!(read(&format!("<sip:a@h>;q={q}")).priority(), priority, "{q}");
    }
    let registered = read("<sip:a@h>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
    assert_eq!((registered.instance(), registered.reg_id()), (Some("<urn:uuid:1>"), Some(1)));
    assert_eq!(registered.to_string(), "<sip:a@h>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
    for bad in [
        "",
        "<>",
        "a",
        "\"a\"",
        "\"a <sip:a@h>",
        "a\" <sip:a@h>",
        "<sip:a@h>;;x",
        "<sip:a@h>;=",
        "<sip:a@h>;a=\"",
        "<sip:a@h>;a=\"b\"c",
    ] {
        assert!(bad.parse::<NameAddr>().is_err(), "{bad}");
    }
}

#[test]
fn contact_is_list_or_asterisk() {
    assert_eq!(headers(&[("Contact", "*")]).contacts(), Ok(Contacts::All));
    assert_eq!(headers(&[]).contacts(), Ok(Contacts::List(Vec::new())));
    assert!(headers(&[("Contact", "*, <sip:a@h>")]).contacts().is_err());
    let Ok(Contacts::List(two)) = headers(&[("m", "<sip:a@h>;q=1, B <sip:b@h>")]).contacts() else { panic!("no list") };
    assert_eq!(two.len(), 2);
}

#[test]
fn typed_accessors_parse_each_header() {
    let all = headers(&[
        ("Session-Expires", "1800 ;Refresher=UAS"),
        ("Min-SE", "90;x"),
        ("Expires", "300"),
        ("Replaces", "98732@h;from-tag=r33th4x0r;to-tag=ff87ff;early-only"),
        ("Refer-To", "<sip:c@h?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>"),
        ("Event", "refer;id=93809824"),
        ("Subscription-State", "Terminated;reason=noresource"),
        ("Reason", "SIP ;cause=600 ;text=\"Busy Everywhere\", Q.850;cause=16;text=Normal call clearing"),
        ("Privacy", "id; critical"),
        ("Content-Type", "multipart/mixed; boundary=\"a b\""),
        ("Retry-After", "120 (in a (long) meeting);duration=60"),
        ("RAck", "776656 1 INVITE"),
        ("RSeq", "988789"),
        ("Allow", "INVITE, ACK,foo"),
        ("Supported", "100rel, Timer"),
        ("Require", "replaces"),
        ("P-Asserted-Identity", "\"A\" <sip:a@h>, tel:+14085264000"),
        ("Diversion", "<sip:y@h>;reason=user-busy;counter=2"),
        ("History-Info", "<sip:x@h?Reason=SIP%3Bcause%3D302>;index=1,<sip:z@h>;index=1.1"),
    ]);
    assert_eq!(all.session_expires(), Some(Ok(SessionExpires { seconds: 1800, refresher: Some(Refresher::Uas) })));
    assert_eq!((all.min_se(), all.expires(), all.min_expires()), (Some(Ok(90)), Some(Ok(300)), None));
    let replaces = all.replaces().unwrap().unwrap();
    assert_eq!(
        (replaces.from_tag.as_str(), replaces.to_tag.as_str(), replaces.early_only),
        ("r33th4x0r", "ff87ff", true)
    );
    let event = all.event().unwrap().unwrap();
    assert!(event.is("Refer") && event.id() == Some("93809824"));
    let state = all.subscription_state().unwrap().unwrap();
    assert_eq!((state.state, state.params.get("reason")), (Subscription::Terminated, Some("noresource")));
    let reasons = all.reason().unwrap();
    assert_eq!(
        reasons[0],
        Reason { protocol: "SIP".to_owned(), cause: Some(600), text: Some("Busy Everywhere".to_owned()) }
    );
    assert_eq!(reasons[1].to_string(), "Q.850;cause=16;text=\"Normal call clearing\"");
    assert!(all.privacy().unwrap().unwrap().has("ID"));
    let media = all.content_type().unwrap().unwrap();
    assert!(media.is("Multipart", "mixed") && media.params.get("boundary") == Some("a b"));
    assert_eq!(all.retry_after(), Some(Ok(RetryAfter { seconds: 120, duration: Some(60) })));
    let rack = all.rack().unwrap().unwrap();
    assert_eq!((rack.response, rack.cseq.number, rack.cseq.method), (776_656, 1, Method::Invite));
    assert_eq!(all.rseq(), Some(Ok(988_789)));
    assert_eq!(all.allows(&Method::Ack).zip(all.allows(&Method::Bye)), Some((true, false)));
    assert!(all.supports("timer") && all.supports("replaces") && all.requires("replaces") && !all.requires("timer"));
    assert_eq!(all.p_asserted_identity().unwrap().len(), 2);
    assert_eq!(all.diversion().unwrap()[0].params.get("counter"), Some("2"));
    assert_eq!(all.history_info().unwrap()[1].params.get("index"), Some("1.1"));
    let nothing = Headers::new();
    assert!(
        nothing.top_via().is_err() && nothing.from().is_err() && nothing.call_id().is_err() && nothing.cseq().is_err()
    );
    assert_eq!((nothing.allows(&Method::Bye), nothing.refer_to(), nothing.max_forwards()), (None, None, None));
}

#[test]
fn malformed_values_are_errors() {
    let wrong = headers(&[
        ("Session-Expires", "soon"),
        ("Replaces", "1@h;to-tag=2"),
        ("Event", ""),
        ("Content-Type", "text"),
        ("Retry-After", "Tuesday"),
        ("RAck", "1 INVITE"),
        ("RSeq", "-1"),
        ("Expires", "-1"),
        ("Privacy", ";"),
        ("Max-Forwards", "70 hops"),
    ]);
    assert!(wrong.session_expires().unwrap().is_err() && wrong.replaces().unwrap().is_err());
    assert!(wrong.event().unwrap().is_err() && wrong.content_type().unwrap().is_err());
    assert!(wrong.retry_after().unwrap().is_err() && wrong.rack().unwrap().is_err() && wrong.rseq().unwrap().is_err());
    assert!(
        wrong.expires().unwrap().is_err()
            && wrong.privacy().unwrap().is_err()
            && wrong.max_forwards().unwrap().is_err()
    );
}

#[test]
fn response_headers_depend_on_status_and_method() {
    let mut invite = Request::new(Method::Invite, "sip:b@h".parse().unwrap());
    invite.headers = headers(&[
        ("Record-Route", "<sip:p;lr>"),
        ("Via", "SIP/2.0/UDP h"),
        ("From", "<sip:a@h>;tag=1"),
        ("To", "<sip:b@h>"),
        ("Call-ID", "1"),
        ("CSeq", "1 INVITE"),
        ("Timestamp", "54"),
        ("Subject", "not copied"),
    ]);
    let names = |status| {
        let response = Response::to(&invite, status, "");
        response.headers.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(100), ["Via", "From", "To", "Call-ID", "CSeq", "Timestamp"]);
    assert_eq!(names(180), ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"]);
    assert_eq!(names(200), names(180));
    assert_eq!(names(486), ["Via", "From", "To", "Call-ID", "CSeq"]);
    assert_eq!(
        Response::to(&invite, 486, "On\r\nthe phone").to_bytes().split(|octet| *octet == b'\r').next().unwrap(),
        b"SIP/2.0 486 On  the phone"
    );
    assert!((100..700).all(|status| !reason_phrase(status).is_empty()));
}
