use super::{RequestedServer, page_account};
use crate::config::{Destinations, Servers, Sip};
use crate::relay::tests::sip_config;
use offhook_signaling::message::SipOptions;
use offhook_sip::transport::Transport;

fn options(domain: &str, outbound_proxy: &str, port: &str) -> SipOptions {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    SipOptions {
        domain: given(domain),
        outbound_proxy: given(outbound_proxy),
        port: given(port),
        ..SipOptions::default()
    }
}

fn allowing(servers: Servers) -> Sip {
    let mut config = sip_config();
    config.user_agent.destinations = Destinations::new(servers, false);
    config
}

fn is_account(asked: &RequestedServer) -> bool {
    matches!(asked, RequestedServer::Account(_))
}

/// Address of record, registrar, route and the host of calls, in one line.
fn account(options: &SipOptions) -> String {
    let config = allowing(Servers::Any);
    let asked = page_account(options, "bob smith", Some("secret".to_owned()), &config).unwrap();
    let RequestedServer::Account(account) = asked else { panic!("no account: {asked:?}") };
    let settings = account.settings;
    let registrar = settings.registrar.map_or_else(|| "-".to_owned(), |uri| uri.to_string());
    let route: Vec<String> = settings.route.iter().map(ToString::to_string).collect();
    format!("{} {registrar} {} {}", settings.identity.uri, route.join(","), account.domain)
}

#[test]
fn account_has_registrar_and_call_domain() {
    let bob = "sip:bob%20smith@";
    let table = [
        (options("example.org", "", ""), format!("{bob}example.org sip:example.org  example.org")),
        (options("example.org", "", "5080"), format!("{bob}example.org sip:example.org:5080  example.org:5080")),
        (options("example.org", "example.org", "5060"), format!("{bob}example.org sip:example.org  example.org")),
        (
            options("example.org", "192.0.2.1", "5080"),
            format!("{bob}example.org sip:example.org sip:192.0.2.1:5080;lr example.org"),
        ),
        (options("", "192.0.2.1:5070", "5080"), format!("{bob}192.0.2.1 sip:192.0.2.1:5070  192.0.2.1:5070")),
        (
            options("example.org", "edge.example.org;transport=tls", ""),
            format!("{bob}example.org sip:example.org sip:edge.example.org;transport=tls;lr example.org"),
        ),
    ];
    for (options, expected) in table {
        assert_eq!(account(&options), expected);
    }
    let further = SipOptions { proxy: Some("core.example.org".into()), ..options("example.org", "192.0.2.1", "") };
    assert!(account(&further).contains("sip:192.0.2.1;lr,sip:core.example.org;lr"));
    let silent = SipOptions { register_required: Some(false), ..options("example.org", "", "") };
    assert!(account(&silent).contains(" - "));
}

#[test]
fn transport_of_proxy_applies_to_account() {
    let config = allowing(Servers::Any);
    let options = options("example.org", "example.org;transport=tcp", "");
    let Ok(RequestedServer::Account(account)) = page_account(&options, "bob", None, &config) else {
        panic!("no account")
    };
    assert_eq!((account.settings.transport, account.settings.login), (Some(Transport::Tcp), None));
}

#[test]
fn only_configured_servers_are_accepted() {
    let config = allowing(Servers::listed(["example.org"]));
    let named = |domain, proxy| is_account(&page_account(&options(domain, proxy, ""), "bob", None, &config).unwrap());
    assert!(named("Example.ORG", ""));
    assert!(named("internal.test", "example.org"));
    assert!(!named("example.org", "evil.test"), "the next hop decides");
    assert!(!named("evil.test", ""));
    assert!(!named("", ""));
}

#[test]
fn option_error_names_the_field() {
    let config = allowing(Servers::Any);
    let fault = |options: SipOptions| page_account(&options, "bob", None, &config).unwrap_err();
    assert!(fault(options("exa mple", "", "")).starts_with("sipDomain"));
    assert!(fault(options("a.test", "b:x", "")).starts_with("sipOutboundProxy"));
    assert!(fault(options("a.test", "", "0")).starts_with("sipPort"));
}

#[test]
fn every_next_hop_must_be_allowed() {
    let config = allowing(Servers::listed(["example.org", "127.0.0.2"]));
    let asked = |domain: &str, outbound: &str, proxy: &str| {
        let options = SipOptions { proxy: Some(proxy.to_owned()), ..options(domain, outbound, "") };
        page_account(&options, "bob", None, &config)
    };
    let refused = [
        ("127.0.0.2", "", "127.0.0.9:5999"),
        ("127.0.0.2", "127.0.0.2", "127.0.0.9:5999"),
        ("evil.invalid", "127.0.0.2", "127.0.0.9:5999"),
        ("", "", "127.0.0.9:5999"),
        ("127.0.0.2", "", "127.0.0.9:6001;transport=tcp"),
        ("127.0.0.2", "", "sips:127.0.0.9"),
        ("127.0.0.2", "", "[::ffff:127.0.0.9]"),
        ("127.0.0.2:22", "", ""),
        ("127.0.0.2:22", "127.0.0.2", ""),
        ("127.0.0.2", "127.0.0.2:22", ""),
        ("127.0.0.2", "EVIL.test.", ""),
        ("evil.test", "", "127.0.0.2"),
    ];
    for (domain, outbound, proxy) in refused {
        let asked = asked(domain, outbound, proxy);
        assert!(matches!(asked, Ok(RequestedServer::Refused(_))), "{domain} {outbound} {proxy}: {asked:?}");
    }
    for (domain, outbound, proxy) in [("127.0.0.2@127.0.0.9", "", ""), ("127.0.0.2", "", "x@127.0.0.9")] {
        assert!(asked(domain, outbound, proxy).is_err(), "{domain} {proxy}");
    }
    for (domain, outbound, proxy) in
        [("127.0.0.2", "", "example.org"), ("Example.org.", "", ""), ("example.org:5099", "", "")]
    {
        assert!(is_account(&asked(domain, outbound, proxy).unwrap()), "{domain} {outbound} {proxy}");
    }
}
