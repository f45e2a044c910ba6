use super::{Address, InvalidServer, Server};
use offhook_sip::message::{SipUri, unescaped};
use offhook_sip::transport::Transport;
use proptest::prelude::*;

mod reference;

fn domain() -> Server {
    Server::parse("example.org:5080").unwrap()
}

fn login(written: &str) -> String {
    Address::parse(written).login().0.clone()
}

#[test]
fn login_is_found_in_every_notation() {
    for written in ["bob", "bob@host", "sip:bob@host;transport=ws", "\"Bob\" <sip:bob@host>", "SIPS:bob", "tel:bob"] {
        assert_eq!(login(written), "bob", "{written}");
    }
    assert_eq!(login("sip:j%C3%BCrgen@host"), "jürgen");
    assert_eq!(login("50%"), "50%");
    assert_eq!(login("é%é"), "é%é");
    for (written, expected) in [
        ("sip:+4930;phone-context=x@host;user=phone", "+4930"),
        ("bob@", "bob"),
        ("sip:bo b@host", "bo b"),
        ("Bob Smith@host", "Bob Smith"),
        ("bob:5060", "bob:5060"),
        ("tel:+49-30-1;ext=5", "+49-30-1"),
        ("%+2", "%+2"),
        ("", ""),
    ] {
        assert_eq!(login(written), expected, "{written}");
    }
}

#[test]
fn callee_becomes_a_uri_at_a_server() {
    let uri = |callee: &str| Address::parse(callee).uri_at(&domain()).map(|uri| uri.to_string());
    assert_eq!(uri("bob").as_deref(), Some("sip:bob@example.org:5080"));
    assert_eq!(uri("+49 30 1").as_deref(), Some("sip:+49301@example.org:5080"));
    assert_eq!(uri("Bob Smith").as_deref(), Some("sip:Bob%20Smith@example.org:5080"));
    assert_eq!(uri("bob@other.test").as_deref(), Some("sip:bob@other.test"));
    assert_eq!(uri("SIP:bob@other.test;x=1").as_deref(), Some("sip:bob@other.test;x=1"));
    assert_eq!(uri("\"Bob\" <sip:bob@[2001:db8::1]:5070>").as_deref(), Some("sip:bob@[2001:db8::1]:5070"));
    assert_eq!(uri("tel:+49-30-1;phone-context=x").as_deref(), Some("sip:+49301@example.org:5080"));
    for wrong in ["", "sip:", "sip:bob@", "sip:bo b@host", "sip:bob@host\r\nX: y", "tel:hello", "sip:bob@ho\"st"] {
        assert_eq!(uri(wrong), None, "{wrong}");
    }
    assert_eq!(uri(&"x".repeat(1000)), None);
    assert_eq!(uri("sip:bob@host:0"), None);
}

#[test]
fn servers_of_operators_and_pages_are_parsed() {
    let written = "sip:[2001:DB8::1]:5070;transport=tcp;lr";
    let server = Server::parse(written).unwrap();
    assert_eq!(
        (server.host.bare().as_str(), server.port, server.transport),
        ("2001:db8::1", Some(5070), Some(Transport::Tcp))
    );
    let uri = |written: &str| Server::parse(written).unwrap().uri().to_string();
    assert_eq!(server.route().to_string(), "sip:[2001:db8::1]:5070;transport=tcp;lr");
    assert_eq!(uri("Example.org:5060"), "sip:example.org");
    assert_eq!(uri("sips:example.org:5061"), "sips:example.org");
    assert_eq!(uri("example.org:5061;transport=tls"), "sip:example.org;transport=tls");
    for wrong in ["", "exa mple", "host:0", "host:99999", "host;transport=ws", "[::1", "[host]", "a@b", "2001:db8::1"] {
        assert_eq!(Server::parse(wrong), Err(InvalidServer), "{wrong}");
    }
    for wrong in ["tel:host", "host;transport=quic", "host?Subject=x"] {
        assert_eq!(Server::parse(wrong), Err(InvalidServer), "{wrong}");
    }
    assert_eq!(Server::parse(&"x".repeat(254)), Err(InvalidServer));
}

#[test]
fn host_of_uri_is_typed() {
    let host = |uri: &str| Address::parse(uri).sip_uri().map(|uri| uri.host().bare());
    assert_eq!(host("sip:bob@Example.org:5080;transport=tcp").as_deref(), Some("example.org"));
    assert_eq!(host("sips:[::1]").as_deref(), Some("::1"));
    assert_eq!(host("tel:+49301"), None);
    let escaped = SipUri::new("h".parse().unwrap()).with_subscriber("a b;c@d");
    assert_eq!(escaped.to_string(), "sip:a%20b%3Bc%40d@h");
}

#[test]
fn address_survives_serialization() {
    for written in ["bob", "sip:bob@host;x=1", "tel:+49-30", "sip:bo b@host"] {
        let address = Address::parse(written);
        let saved = serde_json::to_string(&address).unwrap();
        assert_eq!(serde_json::from_str::<Address>(&saved).unwrap(), address);
    }
}

/// Text in the notations of pages, with errors.
fn notation() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![Just(""), Just("sip:"), Just("SIPS:"), Just("tel:"), Just("<sip:"), Just("\"B\" <sip:")];
    let user =
        prop_oneof!["[a-z]{1,4}", r"\+?[0-9]{1,3}[-. ()]?[0-9]{0,3}", "[a-z%ü é;=?&+*#/!'2F]{0,6}", "[ -~]{0,5}",];
    let host = prop_oneof![
        Just(String::new()),
        "@[a-zA-Z.-]{1,6}",
        "@[a-z]{1,3}:[0-9]{1,5}",
        Just("@[::1]:5070".to_owned()),
        "@[ -~]{0,5}",
    ];
    let rest = prop_oneof![Just(""), Just(";transport=tcp"), Just(";x;lr"), Just("?Subject=x"), Just(">"), Just(" ")];
    (scheme, user, host, rest).prop_map(|(scheme, user, host, rest)| format!("{scheme}{user}{host}{rest}"))
}

/// Returns whether a text belongs to the notations that were deliberately changed.
fn is_changed(text: &str) -> bool {
    let written = super::without_display_name(text);
    let after_scheme = ["sip:", "sips:", "tel:"].into_iter().find_map(|scheme| {
        written.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme))?;
        written.get(scheme.len()..)
    });
    let (user, rest) = after_scheme.unwrap_or(written).split_once('@').unwrap_or((written, ""));
    // Several `@`, a password, no user, and escapes that are not UTF-8 or have a sign.
    rest.contains('@')
        || user.contains("%+")
        || user.contains(':')
        || user.is_empty()
        || unescaped(user).contains('\u{fffd}')
}

fn has_odd_plus(uri: &SipUri) -> bool {
    uri.user().is_some_and(|user| *user == *"+" || user.get(1..).is_some_and(|rest| rest.contains('+')))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn address_equals_that_of_the_old_parser(text in notation()) {
        let old = reference::callee_uri(&text, &reference::Server::parse("example.org:5080").unwrap());
        // The user agent parsed this text.
        let old = old.and_then(|uri| uri.parse::<SipUri>().ok()).filter(|uri| uri.port() != Some(0));
        let address = Address::parse(&text);
        let new = address.uri_at(&domain());
        if !is_changed(&text) {
            prop_assert_eq!(reference::address_of_record(&text).0, address.login().0.clone());
        }
        match &old {
            // The parameters of a number must be valid.
            Some(_) if text.starts_with("tel:") && text.contains(';') => {}
            // `+` is followed by digits, and nowhere else in a number.
            Some(uri) if new.as_ref() != Some(uri) && has_odd_plus(uri) => {}
            Some(_) => prop_assert_eq!(new, old),
            // Characters that need escapes are accepted in a user part, and underscores in a host.
            None => prop_assert!(new.is_none_or(|uri| uri.to_string().contains(['%', '_'])), "{}", text),
        }
    }

    #[test]
    fn server_equals_that_of_the_old_parser(host in "[a-zA-Z0-9.:-]{0,6}|\\[[0-9a-f:]{2,5}\\]", rest in "(:[0-9]{0,5})?(;transport=(tcp|tls|ws|UDP)|;lr)?") {
        let text = format!("{host}{rest}");
        let old = reference::Server::parse(&text).ok().map(|server| (server.uri(), server.to_string()));
        let new = Server::parse(&text).ok().map(|server| (server.uri().to_string(), server.to_string()));
        // Addresses are written in their shortest form.
        let is_address = Server::parse(&text).is_ok_and(|server| server.host.address().is_some());
        prop_assert_eq!(old.is_some(), new.is_some());
        prop_assert!(is_address || old == new, "{:?} {:?}", old, new);
    }
}
