//! Tests of the authorization of destinations.

use super::{Destinations, ListedServer, NamedBy, Network, Reach, Servers};
use crate::message::Host;
use std::net::IpAddr;

fn host(text: &str) -> Host {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn listed() -> Destinations {
    Destinations::new(Servers::listed(["pbx.example.org", "127.0.0.2", "2001:db8::2"]), false)
}

fn any() -> Destinations {
    Destinations::new(Servers::Any, false)
}

#[test]
fn address_belongs_to_its_network() {
    let cases = [
        ("192.0.2.1", Network::Public),
        ("2001:db8::1", Network::Public),
        ("64:ff9b::c000:201", Network::Public),
        ("10.1.2.3", Network::Private),
        ("172.31.0.1", Network::Private),
        ("172.32.0.1", Network::Public),
        ("192.168.1.1", Network::Private),
        ("100.100.0.1", Network::Private),
        ("fd00::1", Network::Private),
        ("64:ff9b::a00:1", Network::Private),
        ("64:ff9b:1::c000:201", Network::Private),
        ("2002:c0a8:101::1", Network::Private),
        ("::ffff:10.0.0.1", Network::Private),
        ("169.254.169.254", Network::LinkLocal),
        ("fe80::1", Network::LinkLocal),
        ("239.1.1.1", Network::LinkLocal),
        ("255.255.255.255", Network::LinkLocal),
        ("ff02::1", Network::LinkLocal),
        ("127.8.9.1", Network::Loopback),
        ("0.0.0.0", Network::Loopback),
        ("::", Network::Loopback),
        ("::1", Network::Loopback),
        ("::7f00:1", Network::Loopback),
        ("::ffff:127.0.0.1", Network::Loopback),
        ("::ffff:0:127.0.0.1", Network::Loopback),
        ("::ffff:0:10.0.0.1", Network::Private),
        ("::ffff:0:192.0.2.1", Network::Public),
        ("2001:db8::5efe:10.0.0.1", Network::Private),
        ("2001:db8::200:5efe:127.0.0.1", Network::Loopback),
        ("2001:0:c000:201::1", Network::Private),
        ("2001:1::1", Network::Public),
        ("64:ff9b::7f00:1", Network::Loopback),
    ];
    for (text, network) in cases {
        assert_eq!(Network::of(address(text)), network, "{text}");
    }
}

#[test]
fn page_names_listed_servers_only() {
    let destinations = listed();
    for spelling in ["pbx.example.org", "PBX.Example.ORG", "pbx.example.org.", "127.0.0.2", "[2001:db8::2]"] {
        assert_eq!(destinations.reach(&host(spelling), None, NamedBy::Page), Some(Reach::ANYWHERE), "{spelling}");
    }
    for spelling in
        ["127.0.0.9", "example.org", "x.pbx.example.org", "pbx.example.org.evil.test", "[::1]", "2130706434"]
    {
        assert_eq!(destinations.reach(&host(spelling), None, NamedBy::Page), None, "{spelling}");
    }
    assert_eq!(destinations.reach(&host("[::ffff:127.0.0.2]"), None, NamedBy::Page), Some(Reach::ANYWHERE));
}

#[test]
fn listed_server_without_port_excludes_privileged_ports() {
    let mut destinations = listed();
    let at =
        |destinations: &Destinations, port| destinations.reach(&host("pbx.example.org"), Some(port), NamedBy::Page);
    assert!(at(&destinations, 5070).is_some());
    assert!(at(&destinations, 22).is_none());
    let entry = ListedServer { host: "pbx.example.org".into(), port: Some(443) };
    destinations.servers = Servers::Listed([entry].into());
    assert!(at(&destinations, 443).is_some());
    assert!(at(&destinations, 5070).is_none());
}

#[test]
fn any_server_excludes_private_networks() {
    let destinations = any();
    let reach = destinations.reach(&host("evil.test"), None, NamedBy::Page).unwrap();
    assert!(reach.covers(address("192.0.2.1")));
    for near in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1", "0.0.0.0"] {
        assert!(!reach.covers(address(near)), "{near}");
        assert_eq!(destinations.reach(&Host::Address(address(near)), None, NamedBy::Page), None, "{near}");
    }
    for spelling in ["127.1", "2130706433", "0177.0.0.1", "0x7f000001", "0x7f.1", "127.0.0.1.", "1.0x"] {
        assert_eq!(destinations.reach(&host(spelling), None, NamedBy::Page), None, "{spelling}");
    }
    let open = Destinations::new(Servers::Any, true);
    assert_eq!(open.reach(&host("127.0.0.1"), None, NamedBy::Page), Some(Reach::ANYWHERE.unprivileged()));
    assert_eq!(open.reach(&host("127.0.0.1"), Some(22), NamedBy::Page), None);
}

#[test]
fn srv_record_of_unlisted_host_excludes_privileged_ports() {
    let admits = |destinations: &Destinations, name: &str, named_by: NamedBy, target: &str| {
        destinations.reach(&host(name), None, named_by).unwrap().admits(target.parse().unwrap())
    };
    for destinations in [any(), Destinations::new(Servers::Any, true)] {
        for named_by in [NamedBy::Page, NamedBy::Account] {
            assert!(admits(&destinations, "evil.test", named_by, "192.0.2.1:1024"));
            assert!(!admits(&destinations, "evil.test", named_by, "192.0.2.1:1023"));
            assert!(!admits(&destinations, "evil.test", named_by, "[2001:db8::1]:25"));
        }
    }
    assert!(!admits(&any(), "evil.test", NamedBy::Page, "10.0.0.1:5060"));
    assert!(admits(&listed(), "pbx.example.org", NamedBy::Page, "192.0.2.1:443"), "the operator listed the host");
}

#[test]
fn configured_server_is_for_accounts_only() {
    let mut destinations = listed();
    destinations.add_configured(&host("Trunk.Example.net"));
    assert_eq!(destinations.reach(&host("trunk.example.net"), Some(443), NamedBy::Account), Some(Reach::ANYWHERE));
    assert_eq!(destinations.reach(&host("trunk.example.net"), None, NamedBy::Page), None);
}

#[test]
fn peer_cannot_name_a_nearer_network() {
    let destinations = listed();
    let reach = |from: &str, to: &str| destinations.reach(&host(to), None, NamedBy::Peer(address(from))).is_some();
    assert!(reach("192.0.2.1", "198.51.100.1"));
    assert!(!reach("192.0.2.1", "10.0.0.1"));
    assert!(!reach("192.0.2.1", "127.0.0.2"), "the list does not apply to peers");
    assert!(reach("10.0.0.5", "192.168.1.1"));
    assert!(!reach("10.0.0.5", "127.0.0.1"));
    assert!(!reach("10.0.0.5", "169.254.169.254"));
    assert!(reach("127.0.0.1", "127.0.0.9"));
    let named = destinations.reach(&host("rebind.test"), None, NamedBy::Peer(address("10.0.0.5"))).unwrap();
    assert!(named.covers(address("10.0.0.6")) && !named.covers(address("127.0.0.1")));
}
