//! Tests of the location of SIP servers (RFC 3263).

use super::{
    Abilities, Naptr, Question, ServerHost, Service, Srv, Step, after_addresses, after_naptr, after_srv, first,
};
use crate::transport::{Target, Transport};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;

const ALL: Abilities = Abilities { ipv4: true, ipv6: true, udp: true, tcp: true, tls: true };

fn question(host: &str) -> Question {
    Question { host: host.to_owned(), port: None, transport: None, secure: false }
}

fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> Naptr {
    let (flags, service) = ("s".to_owned(), service.to_owned());
    Naptr { order, preference, flags, service, replacement: replacement.to_owned() }
}

fn srv(priority: u16, weight: u16, target: &str) -> Srv {
    Srv { priority, weight, port: 5070, target: target.to_owned() }
}

fn host(name: &str, port: u16, transport: Transport) -> ServerHost {
    ServerHost { name: name.to_owned(), port, transport }
}

fn service(name: &str, transport: Transport) -> Service {
    Service { name: name.to_owned(), transport }
}

fn target(transport: Transport, address: &str, host: &str) -> Target {
    Target { transport, address: address.parse().unwrap(), host: Some(host.to_owned()) }
}

#[test]
fn ip_address_is_not_resolved() {
    let plain = question("192.0.2.7");
    let tcp = Question { transport: Some(Transport::Tcp), ..plain.clone() };
    let port = Question { port: Some(5080), ..plain.clone() };
    let secure = Question { secure: true, ..question("2001:db8::7") };
    for (question, transport, address) in [
        (&plain, Transport::Udp, "192.0.2.7:5060"),
        (&tcp, Transport::Tcp, "192.0.2.7:5060"),
        (&port, Transport::Udp, "192.0.2.7:5080"),
        (&secure, Transport::Tls, "[2001:db8::7]:5061"),
    ] {
        assert_eq!(first(question, false), Step::Done(vec![target(transport, address, &question.host)]));
    }
}

#[test]
fn first_step_depends_on_port_and_transport() {
    let plain = question("example.org");
    assert_eq!(first(&plain, false), Step::Naptr);
    assert_eq!(first(&Question { secure: true, ..plain.clone() }, false), Step::Naptr);
    let port = Question { port: Some(5080), ..plain.clone() };
    assert_eq!(first(&port, false), Step::Addresses(vec![host("example.org", 5080, Transport::Udp)]));
    let secure = Question { secure: true, ..port.clone() };
    assert_eq!(first(&secure, false), Step::Addresses(vec![host("example.org", 5080, Transport::Tls)]));
    for (transport, name) in [
        (Transport::Udp, "_sip._udp.example.org"),
        (Transport::Tcp, "_sip._tcp.example.org"),
        (Transport::Tls, "_sips._tcp.example.org"),
    ] {
        let question = Question { transport: Some(transport), ..plain.clone() };
        assert_eq!(first(&question, false), Step::Srv(vec![service(name, transport)]));
    }
    let sips_tcp = Question { secure: true, transport: Some(Transport::Tcp), ..plain };
    assert_eq!(first(&sips_tcp, false), Step::Srv(vec![service("_sips._tcp.example.org", Transport::Tls)]));
}

#[test]
fn local_names_are_not_resolved_by_dns() {
    for name in ["localhost", "LOCALHOST.", "pbx.localhost"] {
        assert_eq!(first(&question(name), false), Step::Addresses(vec![host(name, 5060, Transport::Udp)]));
    }
    assert_eq!(first(&question("pbx"), true), Step::Addresses(vec![host("pbx", 5060, Transport::Udp)]));
    assert_eq!(first(&question("notlocalhost"), false), Step::Naptr);
}

#[test]
fn unsupported_transport_has_no_targets() {
    for transport in [Transport::Ws, Transport::Wss] {
        let question = Question { transport: Some(transport), ..question("192.0.2.7") };
        assert_eq!(first(&question, false), Step::Done(Vec::new()));
    }
    let sips_udp = Question { secure: true, transport: Some(Transport::Udp), ..question("192.0.2.7") };
    assert_eq!(first(&sips_udp, false), Step::Done(Vec::new()));
    assert_eq!(first(&question(""), false), Step::Done(Vec::new()));
    assert_eq!(first(&Question { port: Some(0), ..question("192.0.2.7") }, false), Step::Done(Vec::new()));
}

#[test]
fn naptr_records_determine_transports_in_order() {
    let records = vec![
        naptr(50, 20, "SIP+D2U", "_sip._udp.example.org"),
        naptr(90, 1, "SIP+D2T", "_sip._tcp.late.example.org"),
        naptr(50, 10, "sips+d2t", "_sips._tcp.example.org"),
        naptr(10, 1, "SIP+D2S", "_sip._sctp.example.org"),
        naptr(10, 1, "E2U+sip", "_sip._udp.wrong.example.org"),
        Naptr { flags: "u".to_owned(), ..naptr(10, 1, "SIP+D2U", "_sip._udp.wrong.example.org") },
        naptr(10, 1, "SIP+D2U", ""),
    ];
    let wanted = [
        service("_sips._tcp.example.org", Transport::Tls),
        service("_sip._udp.example.org", Transport::Udp),
        service("_sip._tcp.late.example.org", Transport::Tcp),
    ];
    assert_eq!(after_naptr(&question("example.org"), records.clone(), ALL), Step::Srv(wanted.to_vec()));
    let secure = Question { secure: true, ..question("example.org") };
    assert_eq!(after_naptr(&secure, records.clone(), ALL), Step::Srv(wanted[..1].to_vec()));
    let no_tls = Abilities { tls: false, ..ALL };
    assert_eq!(after_naptr(&question("example.org"), records, no_tls), Step::Srv(wanted[1..].to_vec()));
}

#[test]
fn missing_naptr_queries_srv_of_every_transport() {
    let all = [
        service("_sip._udp.example.org", Transport::Udp),
        service("_sip._tcp.example.org", Transport::Tcp),
        service("_sips._tcp.example.org", Transport::Tls),
    ];
    assert_eq!(after_naptr(&question("example.org"), Vec::new(), ALL), Step::Srv(all.to_vec()));
    let secure = Question { secure: true, ..question("example.org") };
    assert_eq!(after_naptr(&secure, Vec::new(), ALL), Step::Srv(all[2..].to_vec()));
    let no_tls = Abilities { tls: false, ..ALL };
    assert_eq!(after_naptr(&question("example.org"), Vec::new(), no_tls), Step::Srv(all[..2].to_vec()));
}

#[test]
fn missing_srv_resolves_the_host_itself() {
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let nothing = |transport| vec![(service("_sip._udp.example.org", transport), Vec::new())];
    let plain = question("example.org");
    let step = after_srv(&plain, nothing(Transport::Udp), &mut random);
    assert_eq!(step, Step::Addresses(vec![host("example.org", 5060, Transport::Udp)]));
    let tcp = Question { transport: Some(Transport::Tcp), ..plain.clone() };
    let step = after_srv(&tcp, nothing(Transport::Tcp), &mut random);
    assert_eq!(step, Step::Addresses(vec![host("example.org", 5060, Transport::Tcp)]));
    let secure = Question { secure: true, ..plain.clone() };
    let step = after_srv(&secure, nothing(Transport::Tls), &mut random);
    assert_eq!(step, Step::Addresses(vec![host("example.org", 5061, Transport::Tls)]));
    // A target of `.` means that the service does not exist, unlike a missing record (RFC 2782).
    let refused = vec![(service("_sip._udp.example.org", Transport::Udp), vec![srv(0, 0, ".")])];
    assert_eq!(after_srv(&plain, refused, &mut random), Step::Done(Vec::new()));
}

#[test]
fn srv_order_follows_priority_and_weight() {
    let mut random = ChaCha20Rng::seed_from_u64(7);
    let records = vec![srv(20, 0, "backup"), srv(10, 10, "small"), srv(10, 30, "large"), srv(10, 0, "idle")];
    let mut firsts: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..4_100 {
        let found = vec![(service("_sip._udp.example.org", Transport::Udp), records.clone())];
        let Step::Addresses(hosts) = after_srv(&question("example.org"), found, &mut random) else { panic!("hosts") };
        assert_eq!(hosts.len(), 4);
        assert_eq!(hosts[3], host("backup", 5070, Transport::Udp));
        *firsts.entry(hosts[0].name.clone()).or_default() += 1;
    }
    // The record with weight 0 is expected first in one of 41 draws.
    assert!((50..200).contains(&firsts["idle"]), "{firsts:?}");
    assert!((850..1_150).contains(&firsts["small"]), "{firsts:?}");
    assert!((2_800..3_200).contains(&firsts["large"]), "{firsts:?}");
}

#[test]
fn srv_order_is_deterministic_for_a_seed() {
    let order = |seed| {
        let records = (0..10).map(|number| srv(1, 10, &format!("host{number}"))).collect();
        let found = vec![(service("_sip._udp.example.org", Transport::Udp), records)];
        after_srv(&question("example.org"), found, &mut ChaCha20Rng::seed_from_u64(seed))
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn targets_are_reachable_unique_and_limited() {
    let question = question("example.org");
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    let found = vec![
        (host("one", 5060, Transport::Udp), addresses(&["192.0.2.1", "2001:db8::1", "192.0.2.1"])),
        (host("two", 5061, Transport::Tls), addresses(&["192.0.2.2"])),
    ];
    let one = target(Transport::Udp, "192.0.2.1:5060", "example.org");
    let six = target(Transport::Udp, "[2001:db8::1]:5060", "example.org");
    let two = target(Transport::Tls, "192.0.2.2:5061", "example.org");
    assert_eq!(after_addresses(&question, found.clone(), ALL), [one.clone(), six.clone(), two.clone()]);
    assert_eq!(after_addresses(&question, found.clone(), Abilities { ipv6: false, ..ALL }), [one, two]);
    assert_eq!(after_addresses(&question, found, Abilities { ipv4: false, ..ALL }), [six]);
    let flood: Vec<String> = (0..200).map(|number| format!("192.0.2.{number}")).collect();
    let flood: Vec<&str> = flood.iter().map(String::as_str).collect();
    let found = vec![(host("one", 5060, Transport::Udp), addresses(&flood))];
    assert_eq!(after_addresses(&question, found, ALL).len(), 32);
}
