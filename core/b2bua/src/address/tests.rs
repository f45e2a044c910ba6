use super::{Address, InvalidServer, Server};
use crate::config::LoginName;
use offhook_sip::message::{Host, SipUri, Uri};
use offhook_sip::transport::Transport;

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

#[test]
fn long_address_keeps_login_and_beginning() {
    let address = Address::parse(&format!("bob@{}", "ü".repeat(25_000)));
    assert_eq!(address.login(), &LoginName("bob".to_owned()));
    assert_eq!(address.to_string().len(), 512);
    let login = LoginName("x".repeat(50_000));
    let host = Host::Name("example.org".to_owned());
    assert_eq!(Address::of_login(login.clone()).to_string().len(), 512);
    assert_eq!(Address::of_foreign(login, &host).to_string().len(), 512);
    let uri: Uri = format!("sip:bob@example.org;a={}", "x".repeat(50_000)).parse().unwrap();
    assert_eq!(Address::from(uri).to_string().len(), 512);
}
