//! Tests of the limits on parameters, headers and values.

use super::super::*;
use super::request;

const HEAD: &str = "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
    Call-ID: 1\r\nCSeq: 1 INVITE\r\n";

fn with(header: &str) -> String {
    format!("{HEAD}{header}\r\n\r\n")
}

fn violation(header: &str) -> Violation {
    let refused = Message::parse(with(header).as_bytes()).expect_err("should be refused");
    assert_eq!(refused.response.map(|response| response.status), Some(400), "{header}");
    refused.violation
}

#[test]
fn value_with_too_many_parameters_is_rejected() {
    let many = |item: &str, count: usize| item.repeat(count);
    let wrong = Malformed("more than 64 parameters");
    for header in ["Via: SIP/2.0/UDP h", "Contact: <sip:a@h>", "Route: <sip:h;lr>"] {
        let name: HeaderName = header.split(':').next().unwrap().into();
        request(&with(&format!("{header}{}", many(";p=1", MAX_PARAMETERS))));
        assert_eq!(
            violation(&format!("{header}{}", many(";p=1", MAX_PARAMETERS + 1))),
            Violation::Header(name, wrong),
            "{header}"
        );
    }
    request(&with(&format!("Contact: <sip:a@h{}>", many(";p", MAX_PARAMETERS))));
    for uri in [format!("sip:a@h{}", many(";p", 65)), format!("sip:a@h?a=1{}", many("&a=1", 64))] {
        assert_eq!(violation(&format!("Contact: <{uri}>")), Violation::Header(HeaderName::Contact, wrong), "{uri}");
        assert!(uri.parse::<Uri>().is_err(), "{uri}");
    }
    assert!(format!("tel:+1{}", many(";p", 65)).parse::<Uri>().is_err());
}

#[test]
fn message_with_too_many_values_is_rejected() {
    // Via, From, To, Call-ID and CSeq are included in the count.
    let tags = |count: usize| vec!["x"; count].join(",");
    assert_eq!(
        request(&with(&format!("Supported: {}", tags(MAX_VALUES - 5)))).headers.supported().count(),
        MAX_VALUES - 5
    );
    for header in ["Supported", "Contact", "Route"] {
        let value = if header == "Supported" { tags(MAX_VALUES) } else { vec!["<sip:h>"; MAX_VALUES].join(",") };
        assert_eq!(violation(&format!("{header}: {value}")), Violation::TooManyValues(header.into()));
    }
}
