use super::{NoServer, Server, address_of_record, callee_uri, escape_user, host_of};
use offhook_sip::transport::Transport;

fn domain() -> Server {
    Server::parse("example.org:5080").unwrap()
}

#[test]
fn a_login_is_found_in_every_way_of_writing_it() {
    for written in ["bob", "bob@host", "sip:bob@host;transport=ws", "\"Bob\" <sip:bob@host>", "SIPS:bob", "tel:bob"] {
        assert_eq!(address_of_record(written).0, "bob", "{written}");
    }
    assert_eq!(address_of_record("sip:j%C3%BCrgen@host").0, "jürgen");
    assert_eq!(address_of_record("50%").0, "50%");
    assert_eq!(address_of_record("é%é").0, "é%é");
}

#[test]
fn a_callee_becomes_a_uri() {
    let uri = |callee: &str| callee_uri(callee, &domain());
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
}

#[test]
fn servers_as_operators_and_pages_write_them() {
    let written = "sip:[2001:DB8::1]:5070;transport=tcp;lr";
    let server = Server::parse(written).unwrap();
    assert_eq!(
        (server.host.as_str(), server.port, server.transport),
        ("2001:db8::1", Some(5070), Some(Transport::Tcp))
    );
    assert_eq!(server.route(), "sip:[2001:db8::1]:5070;transport=tcp;lr");
    assert_eq!(Server::parse("Example.org:5060").unwrap().uri(), "sip:example.org");
    assert_eq!(Server::parse("sips:example.org:5061").unwrap().uri(), "sips:example.org");
    assert_eq!(Server::parse("example.org:5061;transport=tls").unwrap().uri(), "sip:example.org;transport=tls");
    for wrong in ["", "exa mple", "host:0", "host:99999", "host;transport=ws", "[::1", "[host]", "a@b", "2001:db8::1"] {
        assert_eq!(Server::parse(wrong), Err(NoServer), "{wrong}");
    }
}

#[test]
fn the_host_decides_who_is_asked() {
    assert_eq!(host_of("sip:bob@Example.org:5080;transport=tcp").as_deref(), Some("example.org"));
    assert_eq!(host_of("sips:[::1]").as_deref(), Some("::1"));
    assert_eq!(host_of("tel:+49301"), None);
    assert_eq!(escape_user("a b;c@d"), "a%20b%3Bc%40d");
}
