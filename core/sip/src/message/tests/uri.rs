//! Tests of URIs: syntax, parts and equivalence.

use super::super::*;

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn uri_is_serialized_unchanged() {
    for text in [
        "sip:alice@atlanta.example",
        "sips:alice:secretword@atlanta.example;transport=tcp",
        "sip:+1-212-555-1212:1234@gateway.example;user=phone",
        "sip:atlanta.example;method=REGISTER?to=alice%40atlanta.example",
        "sip:alice;day=tuesday@atlanta.example",
        "sip:[2001:db8::10]:5070;lr",
        "sip:192.0.2.1?subject=project%20x&priority=urgent",
        "sip:%61lice@atlanta.example;n%61me=v%61lue",
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
        "urn:service:sos",
        "http://www.example.com/a?b=c#d",
    ] {
        assert_eq!(uri(text).to_string(), text);
    }
}

#[test]
fn uri_accessors_return_its_parts() {
    let full = uri("SIP:al%69ce:se%63ret@Atlanta.Example:5062;Transport=TLS;lr;x=%41?Subject=a%20b&X=");
    let sip = full.as_sip().unwrap();
    assert_eq!((full.scheme(), sip.is_secure()), ("sip", false));
    assert_eq!((full.user().as_deref(), sip.password().as_deref()), (Some("alice"), Some("secret")));
    assert_eq!((full.host(), full.port()), (Some(&"atlanta.example".parse().unwrap()), Some(5062)));
    assert_eq!((sip.transport(), full.is_loose_router()), (Some(crate::transport::Transport::Tls), true));
    assert_eq!((full.param("transport"), full.param("lr"), full.param("none")), (Some("TLS"), None, None));
    let headers: Vec<_> = sip.headers().collect();
    assert_eq!(headers, [("Subject".into(), "a b".into()), ("X".into(), "".into())]);
    let phone = uri("tel:+1-(201)-555.0123;ext=5");
    assert_eq!((phone.user().as_deref(), phone.param("ext"), phone.host()), (Some("+12015550123"), Some("5"), None));
}

#[test]
fn missing_uri_escapes_are_added() {
    assert_eq!(uri("sip:bob@home@example.org").to_string(), "sip:bob%40home@example.org");
    assert_eq!(uri("sip:a\"b[c]@example.org;p=\"q\"").to_string(), "sip:a%22b%5Bc%5D@example.org;p=%22q%22");
    assert_eq!(uri("sip:100%off@example.org").to_string(), "sip:100%25off@example.org");
    assert_eq!(uri("sip:%4@example.org;p=%zz").to_string(), "sip:%254@example.org;p=%25zz");
    assert_eq!(uri("sip:100%off@example.org").user().as_deref(), Some("100%off"));
    assert_eq!(uri("sip:a@example.org;;lr;").to_string(), "sip:a@example.org;lr");
    assert_eq!(uri("sip:jörg@example.org").to_string(), "sip:j%C3%B6rg@example.org");
    assert_eq!(uri("sip:jörg@example.org").user().as_deref(), Some("jörg"));
    assert_eq!(uri("sip:#123@example.org").to_string(), "sip:%23123@example.org");
    assert_eq!(uri("sip:@example.org").to_string(), "sip:example.org");
}

#[test]
fn invalid_uri_is_rejected() {
    for text in [
        "",
        "sip",
        "sip:",
        ":",
        "alice@example.org",
        "sip::secret@example.org",
        "sip:example.org ",
        "sip:alice@",
        "sip:a b@example.org",
        "sip:a@exa mple.org",
        "sip:a@example.org:",
        "sip:a@example.org:x",
        "sip:a@example.org:65536",
        "sip:a@[::1",
        "sip:a@::1",
        "sip:a@[example.org]",
        "sip:a@example.org;=x",
        "sip:a@example.org?x",
        "sip:a@example.org?=x",
        "<sip:a@example.org>",
        "sip:a@exam,ple.org",
        "tel:",
        "tel:+",
        "tel:-",
        "tel:+(.)",
        "tel:alice",
        "1x:y",
        "x:",
        "x:\"",
        "sip:a\r\n@example.org",
        "sip:a@example.org\0",
    ] {
        assert!(text.parse::<Uri>().is_err(), "{text:?}");
    }
}

/// Examples of RFC 3261 §19.1.4.
#[test]
fn rfc_3261_equivalent_uris_are_equivalent() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
        ("tel:+1-201-555-0123", "TEL:+12015550123"),
        ("tel:1201;isub=1;isub=2", "tel:1201;ISUB=2;isub=1"),
        ("sip:a%3b@h", "sip:a%3B@h"),
    ] {
        assert!(uri(a).is_equivalent(&uri(b)) && uri(b).is_equivalent(&uri(a)), "{a} {b}");
    }
}

/// Examples of RFC 3261 §19.1.4.
#[test]
fn rfc_3261_different_uris_are_not_equivalent() {
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@h", "sips:a@h"),
        ("sip:a@h;maddr=192.0.2.1", "sip:a@h"),
        ("sip:a;b@h", "sip:a%3Bb@h"),
        ("sip:a:b@h", "sip:a@h"),
        ("sip:h", "sip:a@h"),
        ("tel:+1201", "tel:1201"),
        ("tel:1201;phone-context=a.org", "tel:1201"),
        ("sip:1201@h", "tel:1201"),
    ] {
        assert!(!uri(a).is_equivalent(&uri(b)) && !uri(b).is_equivalent(&uri(a)), "{a} {b}");
    }
}

#[test]
fn uri_is_built_from_its_parts() {
    let host: Host = "relay.example".parse().unwrap();
    let made = SipUri::new(host.clone())
        .with_secure(true)
        .with_user("a b")
        .with_port(Some(5061))
        .with_param("transport", "tls");
    let made = made.with_flag("lr").with_header("Replaces", "1@h;to-tag=2;from-tag=3");
    let text = "sips:a%20b@relay.example:5061;transport=tls;lr?Replaces=1%40h%3Bto-tag%3D2%3Bfrom-tag%3D3";
    assert_eq!(Uri::from(made.clone()).to_string(), text);
    let (_, value) = made.headers().next().unwrap();
    assert_eq!(value.parse::<Replaces>().unwrap().from_tag, "3");
    let mut request_uri = made;
    request_uri.make_request_uri();
    request_uri.set_user(None);
    request_uri.remove_param("transport");
    request_uri.set_host("192.0.2.1".parse().unwrap(), None);
    assert_eq!(Uri::Sip(request_uri).to_string(), "sips:192.0.2.1;lr");
}
